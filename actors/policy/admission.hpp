#pragma once

/// Who is let in, and what is left when nobody could go: a grace, a place in the queue, a refusal.

#include <chrono>
#include <cstdint>
#include <optional>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// What a user has when somebody asks for a manager.
struct occupancy {
  std::uint32_t used = 0;    ///< managers not decided gone
  std::uint32_t limit = 0;   ///< a grace included, while one lasts
  std::uint32_t ending = 0;  ///< decided gone, not yet proven
  std::uint32_t waiting = 0; ///< requests that came before and have no slot yet
  std::uint32_t waiting_max = 0;
};

enum class admission : std::uint8_t {
  reserve,           ///< a slot is free, and nobody was before
  wait,              ///< in line, while room is made
  refuse_as_full,    ///< too many wait already
  refuse_as_leaking, ///< a whole limit's worth of managers was told to end and has not
};

/// Returns what a request meets. Whoever came before is served before, so a free slot that somebody waits for is not
/// free. What does not end is bounded by the limit too: a slot is free before its manager is gone.
admission admit(const occupancy& now) noexcept;

/// How far and how long a limit may be exceeded.
struct grace_terms {
  std::uint32_t extra = 0;
  std::chrono::milliseconds duration{0};
  std::chrono::milliseconds cooldown{0};
};

/// A user's grace: the last one, if there was any.
struct grace {
  std::optional<steady_time> until;

  friend bool operator==(const grace&, const grace&) = default;
};

/// Returns how many managers beyond the limit are allowed at `now`: all of `extra`, or none.
std::uint32_t extra_allowed(const grace& last, const grace_terms& terms, steady_time now) noexcept;

/// Returns the grace that begins at `now`, or nothing: one lasts still, the cool-down after it too, there is no such
/// thing here, or the node cannot bear it (`pressed`), whatever the user may have.
std::optional<grace> begin_grace(const grace& last, const grace_terms& terms, bool pressed, steady_time now) noexcept;

/// Returns whether the grace must be remembered at `now`: forgetting it would end its cool-down.
bool is_remembered(const grace& last, const grace_terms& terms, steady_time now) noexcept;

} // namespace gangway
