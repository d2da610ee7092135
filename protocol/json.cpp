#include "protocol/json.hpp"

#include <algorithm>
#include <array>
#include <cmath>

#include <nlohmann/json.hpp>
#include <simdjson.h>

#include "protocol/vocabulary.hpp"

namespace gangway::json {

namespace {

// What a parser that is kept for the next frame may have grown to.
constexpr std::size_t kept_bytes_max = 64 * 1024;

// Checking that a frame is JSON at all was a fifth of what a ping cost; simdjson does it several times faster. What it
// has no room for (integers beyond 64 bits) is no error of the client's: the other parser has the last word.
bool is_json(std::string_view text) {
  if (text.size() <= kept_bytes_max) {
    thread_local simdjson::dom::parser parser;
    thread_local std::string padded;
    padded.assign(text);
    padded.append(simdjson::SIMDJSON_PADDING, ' ');
    if (parser.parse(padded.data(), text.size(), false).error() == simdjson::SUCCESS) return true;
  }
  return nlohmann::json::accept(text);
}

constexpr bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

constexpr std::string_view trim(std::string_view text) noexcept {
  while (!text.empty() && is_space(text.front()))
    text.remove_prefix(1);
  while (!text.empty() && is_space(text.back()))
    text.remove_suffix(1);
  return text;
}

// Returns where the string ends that begins at `at`: the index of its closing quote, or npos.
std::size_t end_of_string(std::string_view text, std::size_t at) noexcept {
  for (++at; at < text.size(); ++at) {
    if (text[at] == '"') return at;
    if (text[at] == '\\') ++at;
  }
  return std::string_view::npos;
}

// What must not stand in a JSON string as it is.
constexpr std::array<bool, 256> escaped = [] {
  std::array<bool, 256> result{};
  for (std::size_t c = 0; c < 0x20; ++c)
    result[c] = true;
  result['"'] = result['\\'] = true;
  return result;
}();

void append_escape(std::string& out, char c) {
  constexpr std::string_view hexadecimal = "0123456789abcdef";
  switch (c) {
  case '"':
    out += "\\\"";
    break;
  case '\\':
    out += "\\\\";
    break;
  case '\b':
    out += "\\b";
    break;
  case '\f':
    out += "\\f";
    break;
  case '\n':
    out += "\\n";
    break;
  case '\r':
    out += "\\r";
    break;
  case '\t':
    out += "\\t";
    break;
  default:
    out += "\\u00";
    out += hexadecimal[static_cast<unsigned char>(c) >> 4];
    out += hexadecimal[c & 15];
  }
}

// Returns `text` with U+FFFD for every byte that belongs to no well-formed character.
std::string repaired(std::string_view text) {
  std::string result;
  while (!text.empty()) {
    std::size_t size = 1;
    while (size <= 4 && !is_utf8(text.substr(0, size)))
      ++size;
    const bool good = size <= 4;
    result += good ? text.substr(0, size) : "\xef\xbf\xbd";
    text.remove_prefix(good ? size : 1);
  }
  return result;
}

// Returns the 16 bits that the escape at `at` stands for, such as \u00fc, or nothing if there is no such escape.
std::optional<unsigned> escaped_unit(std::string_view text, std::size_t at) noexcept {
  if (text.size() < at + 6 || text[at] != '\\' || text[at + 1] != 'u') return std::nullopt;
  unsigned result = 0;
  const auto* const end = text.data() + at + 6;
  const auto [stop, error] = std::from_chars(end - 4, end, result, 16);
  return error == std::errc{} && stop == end ? std::optional{result} : std::nullopt;
}

constexpr bool is_first_half(unsigned unit) noexcept { return unit >= 0xd800 && unit < 0xdc00; }
constexpr bool is_second_half(unsigned unit) noexcept { return unit >= 0xdc00 && unit < 0xe000; }

} // namespace

verdict find_members(std::string_view text, std::span<const std::string_view> names, std::span<std::string_view> values,
                     std::size_t depth_max) {
  for (auto& value : values)
    value = {};
  text = trim(text);
  if (text.empty() || text.front() != '{') return verdict::malformed;
  std::size_t depth = 0;
  std::size_t at = 0;
  std::size_t value_at = 0;
  std::string_view name;
  bool is_name = false;
  // What is at `at` ends a member of the outermost object, if that has any.
  const auto end_member = [&] {
    if (value_at == 0 || name.size() < 2) return;
    const auto value = trim(text.substr(value_at, at - value_at));
    value_at = 0;
    std::optional<std::string> unescaped;
    if (name.find('\\') != std::string_view::npos) unescaped = to_text(name);
    const auto plain = unescaped ? std::string_view{*unescaped} : name.substr(1, name.size() - 2);
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (plain == names[i]) values[i] = value;
    }
  };
  for (; at < text.size(); ++at) {
    switch (const char c = text[at]) {
    case '"': {
      const std::size_t end = end_of_string(text, at);
      if (end == std::string_view::npos) return verdict::malformed;
      if (is_name) name = text.substr(at, end - at + 1);
      is_name = false;
      at = end;
      break;
    }
    case '{':
    case '[':
      if (++depth > depth_max) return verdict::too_deep;
      is_name = depth == 1;
      break;
    case '}':
    case ']':
      if (depth == 1) end_member();
      if (--depth == 0 && at + 1 != text.size()) return verdict::malformed;
      break;
    case ':':
      if (depth == 1) value_at = at + 1;
      break;
    case ',':
      if (depth == 1) {
        end_member();
        is_name = true;
      }
      break;
    default:
      // A zero byte would end the text for the parser, and hide what follows.
      if (static_cast<unsigned char>(c) < 0x20 && !is_space(c)) return verdict::malformed;
    }
  }
  // Only now is it known that what was found is JSON at all.
  return is_json(text) ? verdict::object : verdict::malformed;
}

std::optional<std::int64_t> guess_integer(std::string_view text, std::string_view name) noexcept {
  std::optional<std::int64_t> result;
  std::size_t depth = 0;
  std::size_t value_at = 0; // of a member called `name`
  bool is_name = false;
  std::string_view last; // string in a name's place
  for (std::size_t at = 0; at < text.size(); ++at) {
    switch (text[at]) {
    case '"': {
      const auto end = end_of_string(text, at);
      if (end == std::string_view::npos) return result;
      last = is_name ? text.substr(at + 1, end - at - 1) : std::string_view{};
      is_name = false;
      at = end;
      break;
    }
    case '{':
    case '[':
      if (depth == 0 && text[at] == '[') return std::nullopt;
      is_name = ++depth == 1;
      break;
    case ':':
      value_at = depth == 1 && last == name ? at + 1 : 0;
      last = {};
      is_name = false;
      break;
    case ',':
    case '}':
    case ']':
      if (depth == 0) return result;
      if (depth == 1 && value_at != 0) {
        const auto value = to_whole_number(trim(text.substr(value_at, at - value_at)));
        if (value) result = value;
        value_at = 0;
      }
      is_name = depth == 1 && text[at] == ',';
      if (text[at] != ',' && --depth == 0) return result;
      break;
    default:
      if (depth == 0 && !is_space(text[at])) return result;
    }
  }
  return result;
}

std::optional<std::string> mend_surrogates(std::string_view text) {
  std::optional<std::string> result;
  for (std::size_t at = text.find('\\'); at != std::string_view::npos; at = text.find('\\', at)) {
    const auto unit = escaped_unit(text, at);
    if (!unit) {
      at += 2; // a backslash behind a backslash begins nothing
      if (at >= text.size()) break;
      continue;
    }
    const auto next = is_first_half(*unit) ? escaped_unit(text, at + 6) : std::nullopt;
    const bool is_whole = next && is_second_half(*next);
    if (!is_whole && (is_first_half(*unit) || is_second_half(*unit))) {
      if (!result) result = text;
      result->replace(at + 2, 4, "fffd");
    }
    at += is_whole ? 12 : 6;
    if (at >= text.size()) break;
  }
  return result;
}

std::string_view without_byte_order_mark(std::string_view text) noexcept {
  constexpr std::string_view mark = "\xef\xbb\xbf";
  return text.starts_with(mark) ? text.substr(mark.size()) : text;
}

std::optional<std::string> to_text(std::string_view value) {
  if (value.size() < 2 || value.front() != '"') return std::nullopt;
  if (value.find('\\') == std::string_view::npos) return std::string{value.substr(1, value.size() - 2)};
  auto parsed = nlohmann::json::parse(value, nullptr, false);
  if (!parsed.is_string()) return std::nullopt;
  return std::move(parsed.get_ref<std::string&>());
}

std::optional<std::int64_t> to_whole_number(std::string_view value) noexcept {
  if (const auto integer = to_integer(value)) return integer;
  constexpr double most = 1ULL << 53U;
  double result = 0;
  const auto* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, result);
  // from_chars reads "inf" as well.
  const bool is_number = !value.empty() && error == std::errc{} && stop == end && std::isfinite(result);
  if (!is_number || std::abs(result) > most || std::trunc(result) != result) return std::nullopt;
  return static_cast<std::int64_t>(result);
}

std::optional<std::int64_t> to_integer(std::string_view value) noexcept {
  std::int64_t result = 0;
  const auto* const end = value.data() + value.size();
  const auto [stop, error] = std::from_chars(value.data(), end, result);
  if (value.empty() || error != std::errc{} || stop != end) return std::nullopt;
  return result;
}

std::string compact(std::string_view value) {
  std::string result;
  result.reserve(value.size());
  for (std::size_t at = 0; at < value.size(); ++at) {
    if (value[at] == '"') {
      const std::size_t end = std::min(end_of_string(value, at), value.size() - 1);
      result += value.substr(at, end - at + 1);
      at = end;
    } else if (!is_space(value[at])) {
      result += value[at];
    }
  }
  return result;
}

void append_text(std::string& out, std::string_view text) {
  if (!is_utf8(text)) return append_text(out, repaired(text));
  out += '"';
  std::size_t clean = 0;
  for (std::size_t at = 0; at < text.size(); ++at) {
    if (!escaped[static_cast<unsigned char>(text[at])]) continue;
    out += text.substr(clean, at - clean);
    append_escape(out, text[at]);
    clean = at + 1;
  }
  out += text.substr(clean);
  out += '"';
}

} // namespace gangway::json
