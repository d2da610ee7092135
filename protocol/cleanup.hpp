#pragma once

/// The words of the cleanup ladder: who may be evicted at which level, on whose behalf, by what evidence, and the
/// record of every decision. No actor, no socket.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "protocol/errors.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// The rungs of the ladder; each may evict whom those before it may.
enum class cleanup_level : std::uint8_t {
  conservative, ///< the clearly inactive, and whoever is proven dead already
  moderate,     ///< + the idle
  aggressive,   ///< + those that fail a probe made now
  force,        ///< + the least recently useful, whatever they look like
};

/// On whose behalf a cleanup runs.
enum class cleanup_scope : std::uint8_t {
  request,    ///< somebody waits for a manager
  background, ///< the user is near the limit: verdicts and room before the next request needs them
  surplus,    ///< the grace is over, and more managers are left than the limit allows
  node,       ///< the node is short of something
  manual,     ///< an operator
};

/// Why a manager was evicted.
enum class eviction_reason : std::uint8_t { zombie, inactive, idle, least_recently_useful };

/// What a verdict stands on.
enum class finding : std::uint8_t {
  hung,          ///< a manager whose mailbox is silent
  mismatched,    ///< a manager whose books differ from its user's: another thread, other connections
  stuck_closing, ///< a manager that holds on to a connection whose close never finished
  unfit,         ///< a manager that could not take a connection or a message now
  silent,        ///< a connection that left two pings unanswered
  unreachable,   ///< a connection whose peer's kernel acknowledges nothing any more
  stalled,       ///< a connection whose send queue does not drain
  crashed,       ///< a manager that ended by an error
};

/// How a cleanup ended, by what it was asked for.
enum class cleanup_outcome : std::uint8_t { freed, partly, nothing };

inline constexpr std::size_t cleanup_levels = 4, cleanup_scopes = 5, eviction_reasons = 4, findings = 8,
                             cleanup_outcomes = 3, decision_kinds = 5;

/// Return the names on the wire, in records and in metrics: the enumerators' own.
std::string_view to_string(cleanup_level level) noexcept;
std::string_view to_string(cleanup_scope scope) noexcept;
std::string_view to_string(eviction_reason reason) noexcept;
std::string_view to_string(finding what) noexcept;
std::string_view to_string(cleanup_outcome outcome) noexcept;

/// Returns the level of that name.
std::optional<cleanup_level> parse_cleanup_level(std::string_view name) noexcept;

using decision_id = strong_uuid<struct decision_tag>;

/// One level's part in a cleanup.
struct cleanup_attempt {
  cleanup_level level = cleanup_level::conservative;
  std::uint32_t candidates = 0; ///< whom the level could have taken
  std::uint32_t evicted = 0;
  friend bool operator==(const cleanup_attempt&, const cleanup_attempt&) = default;
};

/// What was known of one manager when the decision was made: what the choice was made from.
struct roster_line {
  manager_id manager;
  thread_id thread;
  bool opening = false;
  bool live_run = false;
  std::uint32_t living_connections = 0;
  std::chrono::milliseconds useful_ago{0}; ///< before the decision's `time`
  std::vector<finding> evidence;
  friend bool operator==(const roster_line&, const roster_line&) = default;
};

/// One manager that lost its slot.
struct eviction {
  manager_id manager;
  thread_id thread;
  std::vector<connection_id> connections; ///< that had it open
  cleanup_level level = cleanup_level::conservative;
  eviction_reason reason = eviction_reason::inactive;
  std::vector<finding> evidence; ///< empty unless the reason is `zombie`
  friend bool operator==(const eviction&, const eviction&) = default;
};

/// One connection that was closed by a decision, and what it was told.
struct connection_ending {
  connection_id connection;
  close_code code = close_code::evicted;
  std::string reason;
  std::optional<finding> evidence;
  friend bool operator==(const connection_ending&, const connection_ending&) = default;
};

/// The record of one decision, from which "why was I disconnected?" is answered.
struct decision {
  /// What was decided: a cleanup, or the end of what proved dead outside one.
  enum class kind : std::uint8_t { cleanup, connection_replaced, connection_dead, manager_crashed, manager_leaked };

  decision_id id;
  decision::kind what = kind::cleanup;
  user_id user;
  std::string tier;
  utc_time time;
  bool dry_run = false;
  cleanup_scope scope = cleanup_scope::request;
  cleanup_level level = cleanup_level::conservative; ///< the highest that ran
  cleanup_outcome outcome = cleanup_outcome::nothing;
  std::uint32_t used = 0; ///< managers, before it
  std::uint32_t limit = 0;
  std::uint32_t needed = 0;
  std::chrono::microseconds took{0};
  std::uint32_t left_out = 0; ///< of this kind, about this user, that were not recorded since the last that was
  std::vector<cleanup_attempt> attempts;
  std::vector<roster_line> roster; ///< as of the last level that let anybody go
  std::vector<eviction> evictions;
  std::vector<connection_ending> connections;
  friend bool operator==(const decision&, const decision&) = default;
};

std::string_view to_string(decision::kind what) noexcept;

/// Returns the record as JSON: names and ids as text, times as milliseconds.
json_text encode(const decision& what);

/// Returns the ids of the managers and connections that the decision ended, by which it is found again.
std::vector<std::string> subjects_of(const decision& what);

/// Notes the decision in the server's log, and whom it ended, one line each.
void log_decision(const decision& what) noexcept;

} // namespace gangway
