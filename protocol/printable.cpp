#include "protocol/printable.hpp"

#include <algorithm>
#include <cstddef>
#include <iterator>

namespace gangway {

namespace {

struct range {
  char32_t first;
  char32_t last;
};

// Unicode 15: categories Cc, Cf, Zl and Zp, and the letters that are blank (Hangul fillers). Ascending.
constexpr range invisible[]{
    {0x0, 0x1f},        {0x7f, 0x9f},       {0xad, 0xad},       {0x600, 0x605},     {0x61c, 0x61c},
    {0x6dd, 0x6dd},     {0x70f, 0x70f},     {0x890, 0x891},     {0x8e2, 0x8e2},     {0x115f, 0x1160},
    {0x180e, 0x180e},   {0x200b, 0x200f},   {0x2028, 0x202e},   {0x2060, 0x206f},   {0x3164, 0x3164},
    {0xfeff, 0xfeff},   {0xffa0, 0xffa0},   {0xfff9, 0xfffb},   {0x110bd, 0x110bd}, {0x110cd, 0x110cd},
    {0x13430, 0x1343f}, {0x1bca0, 0x1bca3}, {0x1d173, 0x1d17a}, {0xe0000, 0xe007f},
};

} // namespace

bool is_invisible(char32_t character) noexcept {
  const auto* candidate = std::lower_bound(std::begin(invisible), std::end(invisible), character,
                                           [](const range& one, char32_t wanted) { return one.last < wanted; });
  return candidate != std::end(invisible) && candidate->first <= character;
}

char32_t take_character(std::string_view& text) noexcept {
  constexpr char32_t none = 0xfffd;
  const auto first = static_cast<unsigned char>(text.front());
  const std::size_t length = first < 0x80   ? 1
                             : first < 0xc2 ? 0
                             : first < 0xe0 ? 2
                             : first < 0xf0 ? 3
                             : first < 0xf5 ? 4
                                            : 0;
  if (length == 0 || length > text.size()) {
    text.remove_prefix(1);
    return none;
  }
  char32_t result = length == 1 ? first : first & (0xffU >> (length + 1));
  for (std::size_t i = 1; i < length; ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte & 0xc0U) != 0x80) {
      text.remove_prefix(1);
      return none;
    }
    result = (result << 6) | (byte & 0x3fU);
  }
  // Not the shortest form, half of a surrogate pair, or beyond Unicode.
  const bool is_none = (length == 3 && result < 0x800) || (length == 4 && result < 0x10000)
                       || (result >= 0xd800 && result < 0xe000) || result > 0x10ffff;
  text.remove_prefix(is_none ? 1 : length);
  return is_none ? none : result;
}

void append_escape(std::string& line, char32_t character) {
  const auto append_unit = [&](char32_t unit) {
    line += "\\u";
    for (int shift = 12; shift >= 0; shift -= 4)
      line += "0123456789abcdef"[(unit >> shift) & 0xf];
  };
  if (character == '\n') {
    line += "\\n";
  } else if (character == '\r') {
    line += "\\r";
  } else if (character == '\t') {
    line += "\\t";
  } else if (character < 0x10000) {
    append_unit(character);
  } else {
    append_unit(0xd800 + ((character - 0x10000) >> 10));
    append_unit(0xdc00 + ((character - 0x10000) & 0x3ff));
  }
}

std::string printable(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    const auto rest = text;
    const auto character = take_character(text);
    if (is_invisible(character))
      append_escape(result, character);
    else if (character == 0xfffd)
      result += "\uFFFD";
    else
      result += rest.substr(0, rest.size() - text.size());
  }
  return result;
}

} // namespace gangway
