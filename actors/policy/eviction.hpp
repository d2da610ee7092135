#pragma once

/// Whom to evict: roster, level and number needed make an ordered choice. The table of design.md, "Who is evicted, and
/// when", as code.
///
/// Holds for every roster: a level may take whomever a lower one may; the order of the roster does not matter; nobody
/// goes while one who is known to be deader stays; a slot still opening and a live run stay at every level; never more
/// go than are needed.

#include <cstddef>
#include <span>
#include <vector>

#include "protocol/cleanup.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// One manager as the choice sees it.
struct candidate {
  manager_id manager;
  bool opening = false;  ///< its thread is not open yet
  bool live_run = false; ///< it answers, and bytes came from upstream not too long ago
  bool proven_dead = false;
  std::uint32_t living_connections = 0; ///< that are not proven dead
  steady_time last_useful;
};

/// One manager that is to go.
struct choice {
  manager_id manager;
  eviction_reason reason = eviction_reason::inactive;

  friend bool operator==(const choice&, const choice&) = default;
};

/// Returns why a level may take a manager, or nothing if it may not. Those proven dead go at every level; `aggressive`
/// differs by the probe that comes before it. `idle_after`: without use for so long is idle.
std::optional<eviction_reason> may_evict(const candidate& one, cleanup_level level, steady_time now,
                                         std::chrono::milliseconds idle_after) noexcept;

/// Returns at most `needed` of those whom the level may take: the proven dead first, then the inactive, the idle, the
/// others; among equals the least recently useful. Ties fall to the lower id, so that the same roster always gives the
/// same answer.
std::vector<choice> choose_evictions(std::span<const candidate> roster, cleanup_level level, std::size_t needed,
                                     steady_time now, std::chrono::milliseconds idle_after);

/// One connection as the choice sees it.
struct connection_candidate {
  connection_id connection;
  bool suspect = false; ///< left a ping unanswered
  steady_time last_useful;
};

/// Returns which connection makes room for a new one: a suspect before the others, then the least recently useful.
/// @pre there is one
connection_id choose_replaced(std::span<const connection_candidate> connections);

} // namespace gangway
