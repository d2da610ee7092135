#pragma once

/// Is the other side of a connection still there? A strike is an unanswered ping; a second ping goes out at half of
/// the timeout; both unanswered at the timeout make a dead connection. One quiet spell costs at most two pings, and
/// one lost ping never costs a connection.

#include <optional>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// How often silence is broken by a ping, and how long an answer may take.
/// @pre both are more than zero
struct cadence {
  std::chrono::milliseconds interval; ///< of silence, then a ping
  std::chrono::milliseconds timeout;  ///< from the first ping to the verdict

  friend bool operator==(const cadence&, const cadence&) = default;
};

/// What is known of one connection's life. A new connection starts with the moment it was opened.
struct ping_record {
  steady_time last_heard;                     ///< any sign of life: a pong, a frame, bytes
  std::optional<steady_time> pinged_at;       ///< the first ping that is still unanswered
  std::optional<steady_time> pinged_again_at; ///< the second; never without the first

  friend bool operator==(const ping_record&, const ping_record&) = default;
};

/// What a connection's owner should do about it now.
enum class verdict : std::uint8_t {
  fine,            ///< nothing
  ping_due,        ///< ping it, and note that with `pinged`
  second_ping_due, ///< the same again; the first ping counts as a strike
  dead,            ///< end it: two pings, no answer
};

/// Returns what to do about a connection at `now`. A look that comes late delays a verdict and never hastens it: the
/// second ping gets its half of the timeout from when it really went out.
verdict judge(const ping_record& record, steady_time now, const cadence& cadence) noexcept;

/// Returns when `judge` first says something else than `fine`, unless the connection is heard before: the earliest of
/// them over all connections is the only timer that a roll call needs.
steady_time next_look(const ping_record& record, const cadence& cadence) noexcept;

/// Returns whether the connection has a strike at `now`: a ping that half of the timeout left unanswered.
bool is_suspect(const ping_record& record, steady_time now, const cadence& cadence) noexcept;

/// Returns the record after any sign of life at `now`: no ping is open any more. The record never moves back in time.
ping_record heard(const ping_record& record, steady_time now) noexcept;

/// Returns the record after a ping went out at `now`: the first, or the second if the first is still unanswered.
ping_record pinged(const ping_record& record, steady_time now) noexcept;

} // namespace gangway
