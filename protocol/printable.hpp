#pragma once

/// Text that strangers chose, as it may be shown: in a terminal, in a log, in a complaint about a value.

#include <string>
#include <string_view>

namespace gangway {

/// Whether a character acts instead of being seen: control characters, line ends, and Unicode's format characters
/// (general category Cf), which turn the direction of text or hide it. Of no use in a name, and good for forging one.
bool is_invisible(char32_t character) noexcept;

/// Takes the first character off `text` and returns it; U+FFFD if the first byte begins none (RFC 3629), and then only
/// that byte is taken off. @pre !text.empty()
char32_t take_character(std::string_view& text) noexcept;

/// Appends an invisible character as JSON escapes it: \n, \u202e; beyond U+FFFF as a surrogate pair.
void append_escape(std::string& line, char32_t character);

/// Returns `text` as one line of valid UTF-8 in which everything can be seen: what is invisible is escaped, and a byte
/// that belongs to no character is U+FFFD. Quotes and backslashes stay as they are.
std::string printable(std::string_view text);

} // namespace gangway
