#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace gangway {

/// Returns the base64url form of `bytes`, without padding (RFC 4648, 5).
std::string to_base64url(std::string_view bytes);

/// Returns the bytes that `text` is the base64url form of, or nothing: other characters, padding, an impossible length
/// and stray low bits are refused, so that one value has one form.
std::optional<std::string> from_base64url(std::string_view text);

} // namespace gangway
