#pragma once

/// What a user keeps for a while when its tier falls: an old token in a second tab, or a page that loads again, must
/// not take living threads away.

#include <chrono>
#include <cstdint>
#include <optional>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// What a user had when its tier fell, and may have until then whatever its tier allows.
struct kept_room {
  tier from = tier::free; ///< the highest tier that it fell from
  steady_time until;
  std::uint32_t managers = 0;
  std::uint32_t connections = 0;

  friend bool operator==(const kept_room&, const kept_room&) = default;
};

/// Returns whether there is such room at `now`.
bool is_kept(const std::optional<kept_room>& room, steady_time now) noexcept;

/// Returns what a user keeps whose tier changes from `before` to `after` while it has so many managers and connections.
/// A tier that rises again to where it was needs nothing kept; one that falls twice keeps what it had from the first.
std::optional<kept_room> keep_room(const std::optional<kept_room>& known, tier before, tier after,
                                   std::uint32_t managers, std::uint32_t connections, steady_time now,
                                   std::chrono::milliseconds how_long) noexcept;

} // namespace gangway
