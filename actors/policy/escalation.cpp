#include "actors/policy/escalation.hpp"

#include <algorithm>
#include <cmath>

namespace gangway {

std::optional<cleanup_step> next_step(const escalation& state, steady_time now,
                                      std::chrono::milliseconds probe_timeout) noexcept {
  using std::chrono::milliseconds;
  if (state.in_background) {
    if (!state.done) return cleanup_step{cleanup_level::conservative, milliseconds{0}};
    if (*state.done == cleanup_level::conservative) return cleanup_step{cleanup_level::aggressive, probe_timeout};
    return std::nullopt;
  }
  if (state.needed == 0 || (state.done && *state.done >= state.max_level)) return std::nullopt;
  const auto level =
      state.done ? static_cast<cleanup_level>(static_cast<int>(*state.done) + 1) : cleanup_level::conservative;
  if (level != cleanup_level::aggressive) return cleanup_step{level, milliseconds{0}};
  const auto left = std::min(std::chrono::duration_cast<milliseconds>(state.deadline - now), probe_timeout);
  // Silence of a moment proves nothing.
  return cleanup_step{level, left >= probe_timeout / 2 ? left : milliseconds{0}};
}

cleanup_level takes(const escalation& state, cleanup_level level) noexcept {
  return state.in_background ? cleanup_level::conservative : level;
}

watermarks watermarks_of(std::uint32_t limit, double start_ratio, double stop_ratio) noexcept {
  // A hair less, so that 0.9 of 20, which is a little more than 18 in binary, is 18.
  constexpr double hair = 1e-9;
  const auto start =
      std::clamp(static_cast<std::uint32_t>(std::ceil(limit * start_ratio - hair)), 1u, std::max(limit, 1u));
  const auto stop = static_cast<std::uint32_t>(std::floor(limit * stop_ratio + hair));
  return {start, std::min(stop, start - 1)};
}

} // namespace gangway
