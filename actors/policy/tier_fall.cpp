#include "actors/policy/tier_fall.hpp"

#include <algorithm>

namespace gangway {

bool is_kept(const std::optional<kept_room>& room, steady_time now) noexcept { return room && now < room->until; }

std::optional<kept_room> keep_room(const std::optional<kept_room>& known, tier before, tier after,
                                   std::uint32_t managers, std::uint32_t connections, steady_time now,
                                   std::chrono::milliseconds how_long) noexcept {
  const auto current = is_kept(known, now) && known->from > after ? known : std::nullopt;
  if (after >= before) return current;
  return kept_room{current ? std::max(current->from, before) : before, now + how_long, managers, connections};
}

} // namespace gangway
