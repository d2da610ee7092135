#include "actors/inspector_request.hpp"

#include <algorithm>
#include <charconv>
#include <limits>

#include <nlohmann/json.hpp>

namespace gangway {

namespace {

using nlohmann::json;

constexpr std::uint32_t limit_max = 1000;

/// Takes what comes before the next slash.
std::string_view next_segment(std::string_view& rest) {
  const auto end = std::min(rest.find('/'), rest.size());
  const auto result = rest.substr(0, end);
  rest.remove_prefix(std::min(end + 1, rest.size()));
  return result;
}

std::optional<std::string> percent_decode(std::string_view text) {
  std::string result;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] != '%') {
      result += text[i];
      continue;
    }
    unsigned char byte = 0;
    const auto* digits = text.data() + i + 1;
    if (text.size() - i < 3 || std::from_chars(digits, digits + 2, byte, 16).ptr != digits + 2) return std::nullopt;
    result += static_cast<char>(byte);
    i += 2;
  }
  return result;
}

} // namespace

std::optional<std::vector<std::string>> match_path(std::string_view pattern, std::string_view path) {
  if (std::count(pattern.begin(), pattern.end(), '/') != std::count(path.begin(), path.end(), '/')) return std::nullopt;
  std::vector<std::string> result;
  while (!pattern.empty() || !path.empty()) {
    const auto wanted = next_segment(pattern), found = next_segment(path);
    if (wanted != "{}") {
      if (wanted != found) return std::nullopt;
      continue;
    }
    auto decoded = percent_decode(found);
    if (!decoded || decoded->empty()) return std::nullopt;
    result.push_back(std::move(*decoded));
  }
  return result;
}

std::optional<std::string> find_value(const query_values& query, std::string_view name) {
  const auto found = std::find_if(query.rbegin(), query.rend(), [&](const auto& known) { return known.first == name; });
  return found == query.rend() ? std::nullopt : std::optional{found->second};
}

std::variant<std::uint32_t, request_fault> limit_of(const query_values& query, std::uint32_t usual) {
  const auto text = find_value(query, "limit");
  if (!text) return usual;
  std::uint32_t number = 0;
  const auto* end = text->data() + text->size();
  const auto [stopped, error] = std::from_chars(text->data(), end, number);
  if (error != std::errc{} || stopped != end || number < 1 || number > limit_max)
    return request_fault{"limit is a number from 1 to " + std::to_string(limit_max)};
  return number;
}

std::variant<clean_up, request_fault> parse_cleanup(std::string_view body) {
  const auto parsed = json::parse(body, nullptr, false);
  if (!parsed.is_object()) return request_fault{R"(the body is a JSON object: {"level":…,"needed":…,"dry_run":…})"};
  clean_up order;
  std::optional<cleanup_level> level;
  for (const auto& [name, value] : parsed.items()) {
    if (name == "level") {
      if (value.is_string()) level = parse_cleanup_level(value.get_ref<const std::string&>());
    } else if (name == "needed") {
      if (!value.is_number_unsigned() || value.get<std::uint64_t>() > std::numeric_limits<std::uint32_t>::max())
        return request_fault{"needed is how many managers have to go, a whole number; 0 or none: all that may"};
      order.needed = value.get<std::uint32_t>();
    } else if (name == "dry_run") {
      if (!value.is_boolean()) return request_fault{"dry_run is true or false"};
      order.dry_run = value.get<bool>();
    } else {
      return request_fault{"the body has level, needed and dry_run, but no \"" + name + '"'};
    }
  }
  if (!level) return request_fault{"level is one of conservative, moderate, aggressive, force"};
  order.level = *level;
  return order;
}

} // namespace gangway
