#pragma once

/// The values that options have, as people write them.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "config/settings.hpp"

namespace gangway {

/// Returns the duration that `text` spells: a whole number and one unit of ms, s, m, h ("1500ms", "25s", "5m", "1h"),
/// or nothing. A bare number is refused, since nobody can see its unit.
std::optional<duration> parse_duration(std::string_view text) noexcept;

/// Returns the size that `text` spells: a whole number, with B, KiB, MiB, GiB or no unit ("1MiB", "4096"), or nothing.
std::optional<byte_size> parse_byte_size(std::string_view text) noexcept;

/// Returns the ratio that `text` spells in decimal digits, with a point if need be ("0.9", "1"), or nothing.
std::optional<ratio> parse_ratio(std::string_view text) noexcept;

/// Returns the whole number that `text` spells in decimal digits, or nothing if it has others or does not fit.
std::optional<std::int64_t> parse_number(std::string_view text) noexcept;

/// Returns the duration in the largest unit that divides it: "25s", "1500ms", "1m".
std::string to_string(duration value);

/// Returns the size in the largest unit that divides it: "1MiB", "1500B".
std::string to_string(byte_size value);

/// Returns the ratio in the fewest digits that read back as it, always with a point: "0.9", "1.0".
std::string to_string(ratio value);

/// A numeric address and a port, as `listen` gives them.
struct endpoint {
  std::string address; ///< without the brackets of an IPv6 address
  std::uint16_t port = 0;

  friend bool operator==(const endpoint&, const endpoint&) = default;
};

/// Returns the endpoint that "127.0.0.1:8080" or "[::1]:8080" spells, or nothing. Host names are refused: what they
/// mean may change between two starts. Port 0 lets the kernel choose.
std::optional<endpoint> parse_endpoint(std::string_view text);

/// Returns whether only this machine can connect to the endpoint (127.0.0.0/8 or ::1).
bool is_loopback(const endpoint& where);

/// Returns whether `text` is an address ("10.1.2.3", "::1") or a network ("10.0.0.0/8", "fd00::/8").
bool is_network(const std::string& text);

/// Returns the candidate that is the fewest slips of a finger (a character left out, put in, changed, or two swapped)
/// away from `name`; for dotted names, the right last part in a wrong section counts as near. Ties fall to the first.
/// Nothing if none is so near that it may be meant.
std::optional<std::string> nearest(std::string_view name, const std::vector<std::string>& candidates);

/// Returns "; did you mean NAME?", or nothing.
std::string did_you_mean(const std::optional<std::string>& name);

} // namespace gangway
