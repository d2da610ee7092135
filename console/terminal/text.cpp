#include "console/terminal/text.hpp"

#include <algorithm>
#include <array>
#include <cstdio>
#include <ctime>
#include <string_view>
#include <utility>

#include <nlohmann/json.hpp>

#include "protocol/printable.hpp"

namespace gangway {

namespace {

using nlohmann::json;

/// Counted in characters, not bytes, so that names with umlauts stay aligned.
std::size_t width(const std::string& text) {
  return static_cast<std::size_t>(
      std::count_if(text.begin(), text.end(), [](unsigned char c) { return (c & 0xc0) != 0x80; }));
}

} // namespace

const json& member(const json& object, const char* name) {
  static const json nothing;
  if (!object.is_object()) return nothing;
  const auto found = object.find(name);
  return found == object.end() ? nothing : *found;
}

std::string plain(const json& value) {
  if (value.is_null()) return {};
  return printable(value.is_string() ? value.get<std::string>()
                                     : value.dump(-1, ' ', false, json::error_handler_t::replace));
}

std::string text_of(const json& object, const char* name) { return plain(member(object, name)); }

std::string spoken_seconds(std::int64_t seconds) {
  std::string result;
  for (const auto& [name, length] : {std::pair{"d ", std::int64_t{86'400}}, std::pair{"h ", std::int64_t{3'600}},
                                     std::pair{"m ", std::int64_t{60}}}) {
    if (seconds >= length || !result.empty()) result += std::to_string(seconds / length) + name;
    seconds %= length;
  }
  return result + std::to_string(seconds) + 's';
}

std::string ago(const json& milliseconds) {
  if (!milliseconds.is_number()) return {};
  const auto value = milliseconds.get<std::int64_t>();
  return (value < 1'000 ? std::to_string(value) + " ms" : spoken_seconds(value / 1'000)) + " ago";
}

std::string align(const std::vector<std::vector<std::string>>& rows) {
  std::vector<std::size_t> widths;
  for (const auto& row : rows)
    for (std::size_t i = 0; i < row.size(); ++i) {
      if (i == widths.size()) widths.push_back(0);
      widths[i] = std::max(widths[i], width(row[i]));
    }
  std::string result;
  for (const auto& row : rows) {
    std::string line;
    for (std::size_t i = 0; i < row.size(); ++i)
      line += row[i] + std::string(widths[i] - width(row[i]) + 2, ' ');
    line.erase(line.find_last_not_of(' ') + 1);
    result += line + '\n';
  }
  return result;
}

std::string listed(const json& items) {
  std::string result;
  if (!items.is_array()) return result;
  for (const auto& item : items)
    result += (result.empty() ? "" : ", ") + plain(item);
  return result;
}

std::string length_of(const json& microseconds) {
  if (!microseconds.is_number()) return {};
  const auto value = microseconds.get<std::int64_t>();
  if (value < 1'000) return std::to_string(value) + " µs";
  std::array<char, 32> text{};
  if (value < 1'000'000)
    std::snprintf(text.data(), text.size(), "%.1f ms", static_cast<double>(value) / 1e3);
  else
    std::snprintf(text.data(), text.size(), "%.2f s", static_cast<double>(value) / 1e6);
  return text.data();
}

std::string time_of(const json& milliseconds) {
  if (!milliseconds.is_number_integer() || milliseconds < 0) return {};
  const auto value = milliseconds.get<std::int64_t>();
  const auto seconds = static_cast<std::time_t>(value / 1'000);
  std::tm parts{};
  std::array<char, 64> date{};
  if (!gmtime_r(&seconds, &parts) || std::strftime(date.data(), date.size(), "%Y-%m-%d %H:%M:%S", &parts) == 0)
    return {};
  std::array<char, 16> rest{};
  std::snprintf(rest.data(), rest.size(), ".%03d UTC", static_cast<int>(value % 1'000));
  return std::string{date.data()} + rest.data();
}

std::string counted(std::size_t count, const std::string& noun) {
  return std::to_string(count) + ' ' + noun + (count == 1 ? "" : "s");
}

} // namespace gangway
