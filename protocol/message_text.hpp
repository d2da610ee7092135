#pragma once

#include <string>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// Returns what a person reads of a message: the string that `content` is, or its `{"type":"text","text":…}` parts, one
/// under the other. Other parts are left out; content that is neither says nothing.
std::string message_text(const json_text& content);

/// Returns `text` as a content: a JSON string.
json_text to_content(const std::string& text);

/// Returns a thread's title from its first message: its first 80 characters (code points), on one line.
std::string make_title(const std::string& text);

} // namespace gangway
