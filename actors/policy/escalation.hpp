#pragma once

/// What a cleanup does next: level after level, as long as somebody still needs a slot, a higher level is allowed, and
/// there is time.

#include <chrono>
#include <cstdint>
#include <optional>

#include "protocol/cleanup.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// Where a cleanup stands.
struct escalation {
  std::optional<cleanup_level> done; ///< the last level that has run
  cleanup_level max_level = cleanup_level::force;
  std::size_t needed = 0;     ///< slots that are still to be freed
  steady_time deadline;       ///< of the whole
  bool in_background = false; ///< nobody waits: everybody is probed, and only the inactive and the dead go

  friend bool operator==(const escalation&, const escalation&) = default;
};

/// One step: a level, and how long the probe before it may take; zero if no probe comes before it.
struct cleanup_step {
  cleanup_level level = cleanup_level::conservative;
  std::chrono::milliseconds probe{0};

  friend bool operator==(const cleanup_step&, const cleanup_step&) = default;
};

/// Returns the next step, or nothing: enough is free, or the highest level that is allowed has run. Only the probe
/// takes time, so only the probe is cut short by the deadline, or left out if less than half of it remains; what needs
/// no time is still done behind it. In the background: conservative, then a probe whether anybody is needed or not, so
/// that verdicts exist before a request needs them, then those that it proved dead.
std::optional<cleanup_step> next_step(const escalation& state, steady_time now,
                                      std::chrono::milliseconds probe_timeout) noexcept;

/// Returns whom a level of this cleanup may take: in the background never more than the inactive and the proven dead.
cleanup_level takes(const escalation& state, cleanup_level level) noexcept;

/// Between which numbers of managers the background cleanup works.
struct watermarks {
  std::uint32_t start = 0; ///< it begins when so many are in use
  std::uint32_t stop = 0;  ///< and has done enough when no more than so many are
};

/// Returns the watermarks of a limit: shares of it, rounded so that a small limit has them too. `start` is at least 1
/// and at most the limit; `stop` is below `start`.
/// @pre 0 <= stop_ratio <= start_ratio <= 1
watermarks watermarks_of(std::uint32_t limit, double start_ratio, double stop_ratio) noexcept;

} // namespace gangway
