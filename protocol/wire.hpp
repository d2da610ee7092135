#pragma once

/// The frames of protocol.md as text: what clients send becomes commands, what we say becomes frames. Pure functions;
/// a frame is parsed once, at the edge, and an event is encoded once, however many connections get it.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/errors.hpp"
#include "protocol/events.hpp"
#include "protocol/messages.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway::wire {

/// The subprotocol we speak.
inline constexpr std::string_view subprotocol = "gangway.v1.json";

/// The deepest nesting of arrays and objects that a frame may have.
inline constexpr std::size_t depth_max = 64;

// -- client to server ----------------------------------------------------------------------------

/// The client introduces itself. Answered by the user, after the session has checked the token.
struct connect {
  std::optional<std::int64_t> request;
  std::optional<std::string> token;
  std::optional<std::string> client;
  bool json_ping = false;
  friend bool operator==(const connect&, const connect&) = default;
};

/// The client renews its token. Answered by the session.
struct refresh_token {
  std::optional<std::int64_t> request;
  std::string token;
  friend bool operator==(const refresh_token&, const refresh_token&) = default;
};

/// The client answers a JSON ping.
struct pong {
  friend bool operator==(const pong&, const pong&) = default;
};

/// Everything that a client can say; what is not for the session itself is a message for the user actor as it stands.
using command = std::variant<connect, refresh_token, pong, open_thread, close_thread, send_message, cancel_run,
                             acknowledge, answer_ping, report_use, list_threads, read_history>;

/// A frame that is no command, and the answer to it.
struct refusal {
  std::optional<std::int64_t> request; ///< if the frame could be read as far as its id
  command_error error;
  friend bool operator==(const refusal&, const refusal&) = default;
};

/// Returns what a text frame asks for, or why it cannot be read: `bad_frame` (not a JSON object, nested deeper than
/// `depth_max`, no `type`, an id that is not an integer from -2^53 to 2^53, invalid UTF-8), `unknown_type`, or
/// `bad_request` (a field that is missing or of the wrong type, named in the message together with what it should be).
/// Unknown fields are ignored. Limits: thread.list and thread.history take a limit of 1 to 100 (default 50),
/// `client_message_id` 1 to 128 bytes, `content` a non-empty string or a non-empty array of objects with a string
/// `type`; `after_seq` needs `epoch` and the other way round. Half a character in an escape, such as `\ud83d` alone, is
/// U+FFFD, but `bad_request` in a `client_message_id`; a byte order mark at the beginning is skipped. A refusal has the
/// request's id wherever that can still be read.
std::variant<command, refusal> decode(std::string_view text, const connection_id& connection);

/// Returns the `bad_frame` for a frame that is not read at all, with the id of the request if one can be found in it.
refusal refuse_unread(std::string_view text, std::string message);

// -- server to client ----------------------------------------------------------------------------

/// Returns `{"id":…,"result":…}`; `result` is JSON text.
std::string reply(std::int64_t request, std::string_view result);

/// Returns `{"id":…,"error":{…}}`, without the id if there is none.
std::string reply(std::optional<std::int64_t> request, const command_error& error);

/// What a connection is told first.
struct greeting {
  gangway::connection_id connection;
  user_id user;
  std::string tier;
  std::uint32_t managers_used = 0;
  std::uint32_t managers_max = 0;
  std::chrono::milliseconds ping_interval{0};
  std::chrono::milliseconds pong_timeout{0};
  std::chrono::milliseconds jitter_max{0};
  bool simulation = false; ///< said only if it is
};

/// Returns the `connected` frame (with `"type":"connected"`): a frame by itself, and the result of `connect` too.
std::string connected(const greeting& what);

/// Returns the greeting of a socket that was opened for one thread: `connected` with the result of its `thread.open` as
/// `thread`, as the reply to `connect` if it waits for one.
std::string connected(const wire_greeting& greeting, std::string_view opened);

/// Returns the result of `thread.open` that resumes.
std::string opened(const thread_id& thread, const manager_id& manager, const epoch& epoch, sequence seq);

/// Returns the result of `thread.open` that answers with a snapshot.
std::string opened(const thread_id& thread, const manager_id& manager, const epoch& epoch, sequence seq,
                   const thread_snapshot& snapshot);

/// Returns the result of `message.send`.
std::string sent(const message_id& message, const run_id& run, sequence seq);

/// Returns the result of `thread.history`.
std::string history(const messages_page& page);

/// One line of `thread.list`.
struct listed_thread {
  thread_summary summary;
  bool live = false; ///< has a manager now
};

/// Returns the result of `thread.list`.
std::string threads(const std::vector<listed_thread>& list);

/// What `status` tells; the queue and the grace are those of the cleanup ladder.
struct use {
  std::uint32_t managers_used = 0;
  std::uint32_t managers_max = 0;
  std::uint32_t connections_used = 0;
  std::uint32_t connections_max = 0;
  std::uint32_t queue_used = 0;
  std::uint32_t queue_max = 0;
  std::uint32_t grace_extra = 0;       ///< managers allowed beyond `managers_max` now
  std::optional<utc_time> grace_until; ///< set while they are
};

/// Returns the result of `status`.
std::string status(const use& what);

/// Returns the result of `token.refresh`; `expires_at` in UTC milliseconds.
std::string refreshed(utc_time expires_at);

/// Returns an `event` frame. Not durable: it goes ahead of the log.
std::string event(const thread_id& thread, const epoch& epoch, const thread_event& event, bool durable = true);

/// Returns the `notice` that a thread lost its manager; the client opens it again.
std::string thread_detached(const thread_id& thread, std::string_view reason);

/// Returns the `notice` that the user comes near its limit, and room is being made.
std::string limit_warning(std::uint32_t managers_used, std::uint32_t managers_max);

/// Returns the `notice` that the limit is exceeded on purpose, by `extra`, until `until`.
std::string limit_degraded(std::uint32_t managers_used, std::uint32_t managers_max, std::uint32_t extra,
                           utc_time until);

/// Returns the `notice` that a `thread.open` waits for a slot, at `position` (1 is next).
std::string queued(const thread_id& thread, std::size_t position);

/// Returns the `notice` that a thread's manager was evicted: why, at which level, and until when its thread may come
/// back into a free slot.
std::string manager_evicted(const eviction& what, utc_time resume_until);

/// Returns the `notice` that the server is about to end.
std::string draining();

/// Returns a JSON `ping`.
std::string ping();

/// Returns the `disconnect` frame that precedes a close.
std::string disconnect(const close_reason& reason);

} // namespace gangway::wire
