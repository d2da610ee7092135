#include "config/values.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <limits>
#include <utility>

#include <arpa/inet.h>

namespace gangway {

namespace {

using unit = std::pair<std::string_view, std::int64_t>;

// Ascending, so that the last one that divides is the largest.
constexpr std::array duration_units{unit{"ms", 1}, unit{"s", 1'000}, unit{"m", 60'000}, unit{"h", 3'600'000}};
constexpr std::array size_units{unit{"B", 1}, unit{"KiB", 1 << 10}, unit{"MiB", 1 << 20}, unit{"GiB", 1 << 30}};

template <std::size_t Count>
std::optional<std::int64_t> parse_quantity(std::string_view text, const std::array<unit, Count>& units) noexcept {
  const auto end_of_number = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = parse_number(text.substr(0, end_of_number));
  if (!number) return std::nullopt;
  for (const auto& [name, factor] : units) {
    if (text.substr(end_of_number) != name) continue;
    if (*number > std::numeric_limits<std::int64_t>::max() / factor) return std::nullopt;
    return *number * factor;
  }
  return std::nullopt;
}

template <std::size_t Count>
std::string print_quantity(std::int64_t value, const std::array<unit, Count>& units) {
  auto best = units.front();
  for (const auto& candidate : units)
    if (value != 0 && value % candidate.second == 0) best = candidate;
  return std::to_string(value / best.second).append(best.first);
}

/// The optimal string alignment distance: Levenshtein's, with neighbours swapped as one slip.
std::size_t slips(std::string_view left, std::string_view right) {
  std::vector<std::vector<std::size_t>> distance(left.size() + 1, std::vector<std::size_t>(right.size() + 1));
  for (std::size_t i = 0; i <= left.size(); ++i)
    distance[i][0] = i;
  for (std::size_t j = 0; j <= right.size(); ++j)
    distance[0][j] = j;
  for (std::size_t i = 1; i <= left.size(); ++i)
    for (std::size_t j = 1; j <= right.size(); ++j) {
      const std::size_t changed = left[i - 1] == right[j - 1] ? 0 : 1;
      auto& here = distance[i][j];
      here = std::min({distance[i - 1][j] + 1, distance[i][j - 1] + 1, distance[i - 1][j - 1] + changed});
      if (i > 1 && j > 1 && left[i - 1] == right[j - 2] && left[i - 2] == right[j - 1])
        here = std::min(here, distance[i - 2][j - 2] + 1);
    }
  return distance[left.size()][right.size()];
}

std::string_view last_part(std::string_view dotted) { return dotted.substr(dotted.rfind('.') + 1); }

} // namespace

std::optional<duration> parse_duration(std::string_view text) noexcept {
  if (const auto milliseconds = parse_quantity(text, duration_units)) return duration{*milliseconds};
  return std::nullopt;
}

std::optional<byte_size> parse_byte_size(std::string_view text) noexcept {
  if (const auto plain = parse_number(text)) return byte_size{static_cast<std::uint64_t>(*plain)};
  if (const auto bytes = parse_quantity(text, size_units)) return byte_size{static_cast<std::uint64_t>(*bytes)};
  return std::nullopt;
}

std::optional<ratio> parse_ratio(std::string_view text) noexcept {
  double result = 0;
  if (text.empty() || text.find_first_not_of("0123456789.") != text.npos) return std::nullopt;
  if (text.front() == '.' || text.back() == '.') return std::nullopt;
  const auto read = std::from_chars(text.begin(), text.end(), result, std::chars_format::fixed);
  if (read.ec != std::errc{} || read.ptr != text.end()) return std::nullopt;
  return ratio{result};
}

std::optional<std::int64_t> parse_number(std::string_view text) noexcept {
  std::int64_t result = 0;
  if (text.empty() || text.find_first_not_of("0123456789") != text.npos) return std::nullopt;
  if (std::from_chars(text.begin(), text.end(), result).ec != std::errc{}) return std::nullopt;
  return result;
}

std::string to_string(duration value) {
  return value.count() == 0 ? "0s" : print_quantity(value.count(), duration_units);
}

std::string to_string(byte_size value) { return print_quantity(static_cast<std::int64_t>(value.bytes), size_units); }

std::string to_string(ratio value) {
  std::array<char, 512> text{}; // the smallest double has some 330 digits after the point
  const auto end = std::to_chars(text.begin(), text.end(), value.value, std::chars_format::fixed).ptr;
  std::string result{text.begin(), end};
  return result.find_first_not_of("0123456789") == result.npos ? result + ".0" : result;
}

std::optional<endpoint> parse_endpoint(std::string_view text) {
  const auto colon = text.rfind(':');
  if (colon == text.npos) return std::nullopt;
  const auto port = parse_number(text.substr(colon + 1));
  if (!port || *port > 65'535) return std::nullopt;
  const auto host = text.substr(0, colon);
  const bool bracketed = host.size() > 2 && host.front() == '[' && host.back() == ']';
  endpoint result{std::string{bracketed ? host.substr(1, host.size() - 2) : host}, static_cast<std::uint16_t>(*port)};
  in6_addr binary{};
  if (inet_pton(bracketed ? AF_INET6 : AF_INET, result.address.c_str(), &binary) != 1) return std::nullopt;
  return result;
}

bool is_loopback(const endpoint& where) {
  in_addr v4{};
  if (inet_pton(AF_INET, where.address.c_str(), &v4) == 1) return ntohl(v4.s_addr) >> 24 == 127;
  in6_addr v6{};
  return inet_pton(AF_INET6, where.address.c_str(), &v6) == 1 && IN6_IS_ADDR_LOOPBACK(&v6) != 0;
}

bool is_network(const std::string& text) {
  const auto slash = text.find('/');
  const auto address = text.substr(0, slash);
  in6_addr binary{};
  const bool is_v4 = inet_pton(AF_INET, address.c_str(), &binary) == 1;
  if (!is_v4 && inet_pton(AF_INET6, address.c_str(), &binary) != 1) return false;
  if (slash == text.npos) return true;
  const auto bits = parse_number(std::string_view{text}.substr(slash + 1));
  return bits && *bits <= (is_v4 ? 32 : 128);
}

std::optional<std::string> nearest(std::string_view name, const std::vector<std::string>& candidates) {
  // Of a short word few slips may be wrong, or every other short word is near.
  const auto allowed = [](std::string_view word) -> std::size_t {
    return word.size() <= 4 ? 1 : word.size() <= 8 ? 2 : word.size() / 3;
  };
  struct distance {
    std::size_t cost;
    bool is_near;
  };
  const auto judge = [&](const std::string& candidate) -> distance {
    const auto whole = slips(name, candidate);
    const auto part = slips(last_part(name), last_part(candidate));
    // A wrong section is worth two slips, so that the same section wins at the same spelling.
    return {std::min(whole, part + 2), whole <= allowed(name) || part <= allowed(last_part(name))};
  };
  std::optional<std::string> result;
  std::size_t best = std::numeric_limits<std::size_t>::max();
  for (const auto& candidate : candidates)
    if (const auto [cost, is_near] = judge(candidate); is_near && cost < best) {
      best = cost;
      result = candidate;
    }
  return result;
}

std::string did_you_mean(const std::optional<std::string>& name) {
  return name ? "; did you mean " + *name + '?' : std::string{};
}

} // namespace gangway
