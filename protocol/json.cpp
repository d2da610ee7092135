#include "protocol/json.hpp"

#include <algorithm>
#include <array>

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

std::optional<std::string> to_text(std::string_view value) {
  if (value.size() < 2 || value.front() != '"') return std::nullopt;
  if (value.find('\\') == std::string_view::npos) return std::string{value.substr(1, value.size() - 2)};
  auto parsed = nlohmann::json::parse(value, nullptr, false);
  if (!parsed.is_string()) return std::nullopt;
  return std::move(parsed.get_ref<std::string&>());
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
