#pragma once

/// What can be wrong, in the three vocabularies that a client meets: a reply's error code, a close code, and (inside
/// the process) `errc` as CAF's error.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// Why a command was refused. The names on the wire are the enumerators' names (protocol.md, "Error codes").
enum class error_code : std::uint8_t {
  bad_frame,
  unknown_type,
  bad_request,
  not_found,
  not_open,
  unauthenticated,
  token_expired,
  forbidden,
  manager_limit,
  queue_full,
  queue_timeout,
  busy,
  too_large,
  rate_limited,
  overloaded,
  store_unavailable,
  agent_unavailable,
  draining,
  internal,
};

/// Returns the code's name on the wire.
std::string_view to_string(error_code code) noexcept;

/// Returns whether the same command may succeed later without being changed.
bool is_temporary(error_code code) noexcept;

/// An error as a client reads it.
struct command_error {
  error_code code = error_code::internal;
  std::string message;
  std::optional<std::chrono::milliseconds> retry_after;
  std::optional<json_text> details;

  friend bool operator==(const command_error&, const command_error&) = default;
};

/// The close codes that Gangway decides on (protocol.md, "Close codes"). 4000 to 4499: reconnect; 4500 and more: do
/// not.
enum class close_code : std::uint16_t {
  going_away = 1001,
  too_large = 1009,
  shutdown = 4001,
  too_many_bad_frames = 4003,
  token_expired = 4005,
  slow_consumer = 4008,
  state_lost = 4010,
  no_pong = 4012,
  rate_limited = 4013,
  node_overloaded = 4029,
  evicted = 4440,
  manager_limit = 4441,
  invalid_token = 4500,
  bad_request = 4501,
  never_authenticated = 4502,
  forbidden = 4503,
};

/// How a connection is ended by us: what its `disconnect` frame and its close frame say.
struct close_reason {
  close_code code = close_code::going_away;
  std::string text; ///< at most 123 bytes, the limit of RFC 6455, 5.5
  std::optional<std::chrono::milliseconds> retry_after;

  /// Returns whether a client should dial again on its own.
  bool reconnect() const noexcept { return static_cast<unsigned>(code) < 4500 && code != close_code::too_large; }

  friend bool operator==(const close_reason&, const close_reason&) = default;
};

/// Returns how a socket that was opened for one thread is closed when the thread could not be opened.
close_reason to_close_reason(const command_error& error);

/// What an actor answers another when it cannot do what it was asked.
enum class errc : std::uint8_t {
  store_unavailable = 1, ///< the database cannot be read or written now
  stale_generation,      ///< another manager owns the thread since; the asker must end
  sequence_gap,          ///< an append did not continue the log; the asker must end
  unknown_agent,         ///< no agent of that name is configured
};

std::string to_string(errc code);

} // namespace gangway
