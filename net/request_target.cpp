#include "net/request_target.hpp"

#include <algorithm>
#include <charconv>

namespace gangway {

namespace {

std::optional<char> escaped_byte(std::string_view text) {
  if (text.size() < 3) return std::nullopt;
  unsigned char byte = 0;
  const auto* const end = text.data() + 3;
  const auto [stop, error] = std::from_chars(text.data() + 1, end, byte, 16);
  return error == std::errc{} && stop == end ? std::optional{static_cast<char>(byte)} : std::nullopt;
}

std::string decode(std::string_view text) {
  std::string result;
  result.reserve(text.size());
  while (!text.empty()) {
    const auto byte = text.front() == '%' ? escaped_byte(text) : std::nullopt;
    result += byte.value_or(text.front());
    text.remove_prefix(byte ? 3 : 1);
  }
  return result;
}

// A path is compared, and its parts are names: no guess is made of what it may mean.
bool is_path(std::string_view text) {
  for (auto at = text.find('%'); at != text.npos; at = text.find('%', at + 1))
    if (!escaped_byte(text.substr(at))) return false;
  return text.find('#') == text.npos;
}

http_query parse_query(std::string_view text) {
  http_query result;
  while (!text.empty()) {
    const auto end = std::min(text.find('&'), text.size());
    const auto parameter = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (parameter.empty()) continue;
    const auto equals = std::min(parameter.find('='), parameter.size());
    result.emplace_back(decode(parameter.substr(0, equals)),
                        decode(parameter.substr(std::min(equals + 1, parameter.size()))));
  }
  return result;
}

// Takes "http://host:port" from the front, or returns nothing if there is none.
std::optional<std::string_view> take_authority(std::string_view& text) {
  for (const std::string_view scheme : {"http://", "https://", "ws://", "wss://"}) {
    const auto is_same = [](char found, char wanted) { return (found | 0x20) == (wanted | 0x20); };
    if (text.size() < scheme.size() || !std::equal(scheme.begin(), scheme.end(), text.begin(), is_same)) continue;
    text.remove_prefix(scheme.size());
    const auto result = text.substr(0, text.find_first_of("/?"));
    text.remove_prefix(result.size());
    return result.empty() ? std::nullopt : std::optional{result};
  }
  return std::nullopt;
}

} // namespace

std::optional<request_target> parse_target(std::string_view text) {
  request_target result;
  if (text == "*") return request_target{"*", {}, {}};
  if (!text.starts_with('/')) {
    const auto authority = take_authority(text);
    if (!authority) return std::nullopt;
    result.authority = *authority;
  }
  const auto question = std::min(text.find('?'), text.size());
  result.path = text.substr(0, question);
  if (result.path.empty()) result.path = "/";
  if (!is_path(result.path)) return std::nullopt;
  result.query = parse_query(text.substr(std::min(question + 1, text.size())));
  return result;
}

} // namespace gangway
