#pragma once

/// Every message that actors exchange: plain values, one struct each, a sentence of who says what to whom. Orders are
/// verbs, reports are past participles, questions are `get_` and a noun.

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include <caf/error.hpp>
#include <caf/make_message.hpp>
#include <caf/message.hpp>

#include "protocol/cleanup_messages.hpp"
#include "protocol/errors.hpp"
#include "protocol/events.hpp"
#include "protocol/measure_messages.hpp"
#include "protocol/message.hpp"
#include "protocol/session_link.hpp"
#include "protocol/store_messages.hpp"
#include "protocol/tick_messages.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

// -- between a session and its user -------------------------------------------------------------

/// Which frame of which connection a command came in, so that its answer finds the way back.
struct request_origin {
  gangway::connection_id connection;
  std::optional<std::int64_t> request; ///< without one, the command runs and is not answered
  friend bool operator==(const request_origin&, const request_origin&) = default;
};

/// The one thread that a socket was opened for (`/ws?thread_id=`).
struct wanted_thread {
  gangway::thread_id thread;
  std::optional<log_position> position;
  friend bool operator==(const wanted_thread&, const wanted_thread&) = default;
};

/// Notifies a directory, which passes it on to the user, that somebody who proved to be `user` is connected.
struct session_opened {
  gangway::connection_id connection;
  gangway::user_id user;
  std::string tier;
  session_link link;
  std::optional<std::int64_t> connect_request = {}; ///< set if a `connect` frame waits for the answer
  std::optional<wanted_thread> wanted = {};         ///< `connected` comes with it, or the socket is closed
  bool simulation = false;                          ///< the token was signed with the simulation key
  GANGWAY_MESSAGE(session_opened);
};

/// Notifies a user that a connection is gone, whoever ended it.
struct session_closed {
  gangway::connection_id connection;
  GANGWAY_MESSAGE(session_closed);
};

/// Notifies a user that a connection has shown a new token, of that tier.
struct token_renewed {
  gangway::connection_id connection;
  gangway::tier tier = gangway::tier::free;
  GANGWAY_MESSAGE(token_renewed);
};

/// Notifies a user that a connection answered the ping that carried `nonce`.
struct pong_received {
  gangway::connection_id connection;
  std::uint64_t nonce = 0;
  GANGWAY_MESSAGE(pong_received);
};

/// Notifies a user of what a connection's kernel and send queue show, once for each ping that it was asked for.
struct link_observed {
  gangway::connection_id connection;
  link_observation seen;
  GANGWAY_MESSAGE(link_observed);
};

// -- a client's commands (protocol.md, "Frames"), from its session to its user -------------------

/// Asks for a thread: the one named, or a new one; from `position` on, or with a snapshot.
struct open_thread {
  request_origin origin;
  std::optional<gangway::thread_id> thread;
  std::optional<log_position> position;
  GANGWAY_MESSAGE(open_thread);
};

/// Asks to detach this connection from a thread.
struct close_thread {
  request_origin origin;
  gangway::thread_id thread;
  GANGWAY_MESSAGE(close_thread);
};

/// Asks the thread's agent something. The user actor passes it on to the manager.
struct send_message {
  request_origin origin;
  gangway::thread_id thread;
  json_text content; ///< a JSON string, or an array of parts
  std::optional<std::string> client_message_id;
  std::optional<std::string> agent;
  GANGWAY_MESSAGE(send_message);
};

/// Asks to end a run. The user actor passes it on to the manager.
struct cancel_run {
  request_origin origin;
  gangway::thread_id thread;
  run_id run;
  GANGWAY_MESSAGE(cancel_run);
};

/// Notifies that this connection has everything up to `seq`. Never answered.
struct acknowledge {
  gangway::connection_id connection;
  gangway::thread_id thread;
  sequence seq = 0;
  GANGWAY_MESSAGE(acknowledge);
};

/// Asks whether the user actor answers: the client's `ping`.
struct answer_ping {
  request_origin origin;
  GANGWAY_MESSAGE(answer_ping);
};

/// Asks for the user's limits and their use: the client's `status`.
struct report_use {
  request_origin origin;
  GANGWAY_MESSAGE(report_use);
};

/// Asks for a page of the user's threads, the most recently changed first.
struct list_threads {
  request_origin origin;
  std::uint32_t limit = 50;
  std::optional<utc_time> before;
  GANGWAY_MESSAGE(list_threads);
};

/// Asks for the messages of a thread that come before `before`.
struct read_history {
  request_origin origin;
  gangway::thread_id thread;
  std::optional<sequence> before;
  std::uint32_t limit = 50;
  GANGWAY_MESSAGE(read_history);
};

// -- between a user and its managers -------------------------------------------------------------

/// The `connected` of a socket that waits for its one thread, which is sent together with it.
struct wire_greeting {
  std::optional<std::int64_t> connect_request; ///< set if it answers a `connect` frame
  json_text connected;                         ///< without the thread
  friend bool operator==(const wire_greeting&, const wire_greeting&) = default;
};

/// Asks a manager to serve a connection; the manager answers the client's `thread.open` itself.
struct attach {
  request_origin origin;
  session_link link;
  std::optional<log_position> position;
  std::optional<wire_greeting> greeting = {}; ///< goes with the answer: the socket was opened for this thread alone
  GANGWAY_MESSAGE(attach);
};

/// Asks a manager to forget a connection.
struct detach {
  gangway::connection_id connection;
  GANGWAY_MESSAGE(detach);
};

/// Notifies a manager that the kernel has taken frames that it sent a connection: so many bytes, as it marked them.
struct frames_written {
  gangway::connection_id connection;
  std::uint32_t bytes = 0;
  GANGWAY_MESSAGE(frames_written);
};

/// Notifies a manager or a user that it may send a connection one large frame now. It says when it has: `end_turn`.
struct turn_granted {
  gangway::connection_id connection;
  std::uint64_t number = 0;
  GANGWAY_MESSAGE(turn_granted);
};

/// Asks a manager to end; a run in flight is interrupted. The user insists when its deadline passes.
struct retire {
  GANGWAY_MESSAGE(retire);
};

/// Asks a manager whether it works. It answers with a `heartbeat` of the same turn.
struct probe {
  std::uint64_t turn = 0;
  GANGWAY_MESSAGE(probe);
};

/// A manager's record of one connection, as its user reads it.
struct attachment_report {
  gangway::connection_id connection;
  std::optional<std::chrono::milliseconds> leaving_for; ///< since when its close does not finish
  friend bool operator==(const attachment_report&, const attachment_report&) = default;
};

/// Notifies a user that a manager works, and what it keeps: its books, which must agree with the user's.
struct heartbeat {
  gangway::manager_id manager;
  std::uint64_t turn = 0; ///< of the probe that it answers
  gangway::thread_id thread;
  std::vector<attachment_report> connections;
  std::chrono::milliseconds stuck_for{0};                 ///< how long its oldest question has had no answer
  std::optional<std::chrono::milliseconds> run_quiet_for; ///< since its run's last event, if there is a run
  std::uint64_t bytes = 0;                                ///< of events kept in memory
  std::uint64_t messages = 0;                             ///< handled since it started
  std::chrono::nanoseconds handling_time{0};
  std::uint64_t mailbox = 0; ///< waiting when it answered
  GANGWAY_MESSAGE(heartbeat);
};

/// Notifies a user that its thread's log is open and the manager works.
struct manager_opened {
  gangway::manager_id manager;
  GANGWAY_MESSAGE(manager_opened);
};

/// Notifies a user that a manager ends because its thread cannot be opened or written.
struct manager_failed {
  gangway::manager_id manager;
  command_error error;
  GANGWAY_MESSAGE(manager_failed);
};

/// Notifies a user that one frame of a connection is dealt with, and answered if it waits for an answer: its credit
/// comes back.
struct frame_handled {
  gangway::manager_id manager;
  request_origin origin;
  bool attached = true;                     ///< whether the connection has the thread now
  bool answered = true;                     ///< false: the manager does not know the connection, so the user answers
  std::optional<resume_result> opened = {}; ///< what the connection got, if it asked for the thread and has it now
  GANGWAY_MESSAGE(frame_handled);
};

/// Notifies a user that a manager forgot a connection that reads too slowly to follow the thread.
struct attachment_dropped {
  gangway::manager_id manager;
  gangway::connection_id connection;
  GANGWAY_MESSAGE(attachment_dropped);
};

/// Notifies a user that a manager's run began.
struct run_started {
  gangway::manager_id manager;
  run_id run;
  std::string agent;
  GANGWAY_MESSAGE(run_started);
};

/// Notifies a user that a manager's run ended, and its ending is in the log.
struct run_ended {
  gangway::manager_id manager;
  run_id run;
  run_outcome outcome = run_outcome::completed;
  std::optional<std::chrono::microseconds> first_event; ///< from the agent, after the run's start
  GANGWAY_MESSAGE(run_ended);
};

// -- between a manager and its run ---------------------------------------------------------------

/// Notifies a manager of what its run produced next, in order.
struct run_produced {
  run_id run;
  std::vector<event_body> events;
  GANGWAY_MESSAGE(run_produced);
};

/// Notifies a run that `count` of its events are in the log, so that it may produce as many more.
struct events_committed {
  std::uint32_t count = 0;
  GANGWAY_MESSAGE(events_committed);
};

/// Asks a run to end as cancelled.
struct cancel {
  GANGWAY_MESSAGE(cancel);
};

// -- agents --------------------------------------------------------------------------------------

/// The kinds of agent back end that there are.
enum class agent_kind : std::uint8_t { builtin };

/// A configured agent back end.
struct agent_spec {
  std::string name;
  agent_kind kind = agent_kind::builtin;
  GANGWAY_MESSAGE(agent_spec);
};

/// Asks the agents for the one of that name, or for the default. Fails with `errc::unknown_agent`.
struct get_agent {
  std::optional<std::string> name;
  GANGWAY_MESSAGE(get_agent);
};

// -- the whole -----------------------------------------------------------------------------------

/// What the base of every actor counts.
struct vitals {
  std::uint64_t messages = 0;                ///< handled since the actor started
  std::uint64_t mailbox = 0;                 ///< waiting now
  std::chrono::nanoseconds handling_time{0}; ///< in handlers since the actor started
  std::uint32_t restarts = 0;                ///< of the actor in this place
  GANGWAY_MESSAGE(vitals);
};

/// Asks any actor for its vitals: that it answers is news too.
struct get_vitals {
  GANGWAY_MESSAGE(get_vitals);
};

/// Where a manager is in its life, as its user knows.
enum class manager_phase : std::uint8_t { opening, open, retiring, leaked };

/// A user's record of one manager.
struct manager_report {
  gangway::manager_id manager;
  gangway::thread_id thread;
  manager_phase phase = manager_phase::opening;
  std::vector<gangway::connection_id> connections;
  std::optional<run_id> run;
  std::chrono::milliseconds useful_ago{0};
  bool suspect = false;          ///< one strike: a heartbeat is missing
  std::vector<finding> evidence; ///< a zombie by these
  std::optional<heartbeat> last; ///< what it last said of itself
  friend bool operator==(const manager_report&, const manager_report&) = default;
};

/// A user's record of one connection.
struct connection_report {
  gangway::connection_id connection;
  std::chrono::milliseconds heard_ago{0};
  std::chrono::milliseconds useful_ago{0};
  bool suspect = false;
  bool simulation = false;
  friend bool operator==(const connection_report&, const connection_report&) = default;
};

/// Asks a user for what it knows of itself.
struct get_user_report {
  GANGWAY_MESSAGE(get_user_report);
};

/// Answers `get_user_report`.
struct user_report {
  user_id user;
  std::string tier;
  std::uint32_t managers_max = 0;
  std::vector<manager_report> managers;
  std::vector<connection_report> connections;
  std::uint32_t waiting = 0; ///< requests for a manager in the queue
  std::uint32_t grace = 0;   ///< managers allowed beyond the limit now
  std::uint32_t tombstones = 0;
  gangway::vitals vitals;
  GANGWAY_MESSAGE(user_report);
};

/// Asks a user to give up the manager of a thread that is to be erased, or, without one, everything it has, its
/// connections too.
struct release {
  std::optional<thread_id> thread;
  GANGWAY_MESSAGE(release);
};

/// Answers `release`: how many managers were given up.
struct released {
  std::uint32_t managers = 0;
  GANGWAY_MESSAGE(released);
};

/// Notifies a directory of how much one of its users has now.
struct user_counted {
  std::uint32_t connections = 0;
  std::uint32_t managers = 0; ///< in use: not decided gone
  std::uint32_t runs = 0;
  std::uint32_t opening = 0;  ///< of the managers
  std::uint32_t zombies = 0;  ///< of the managers
  std::uint32_t retiring = 0; ///< decided gone, not yet proven
  std::uint32_t leaked = 0;   ///< of the retiring: killed, and still not gone
  std::uint32_t waiting = 0;  ///< requests in the queue
  std::uint32_t graces = 0;   ///< 1 while the limit is exceeded on purpose
  gangway::tier tier = gangway::tier::free;
  GANGWAY_MESSAGE(user_counted);
};

/// Asks a directory how many there are of everything.
struct get_tally {
  GANGWAY_MESSAGE(get_tally);
};

/// Answers `get_tally`.
struct tally {
  std::uint64_t users = 0;
  std::uint64_t connections = 0;
  std::uint64_t managers = 0;
  std::uint64_t runs = 0;
  std::uint64_t opening = 0;
  std::uint64_t zombies = 0;
  std::uint64_t retiring = 0;
  std::uint64_t leaked = 0;
  std::uint64_t waiting = 0;
  std::uint64_t graces = 0;
  std::array<std::uint64_t, tiers> connections_by_tier{}; ///< in the order of `tier`
  GANGWAY_MESSAGE(tally);
};

/// Asks a directory for the one user, or for at most `limit` of those it knows.
struct get_users {
  std::optional<user_id> user;
  std::uint32_t limit = 1000;
  GANGWAY_MESSAGE(get_users);
};

/// Notifies its directory that a user has nothing left to keep. `sessions` is the number of `session_opened` it got:
/// if the directory has passed on more, one is on its way and the user stays.
struct user_idled {
  user_id user;
  std::uint64_t sessions = 0;
  GANGWAY_MESSAGE(user_idled);
};

/// Notifies the inspector that a part of the server is ready, or why it is not. An empty reason: ready.
struct component_changed {
  std::string component;
  std::string reason;
  GANGWAY_MESSAGE(component_changed);
};

/// Asks the inspector to answer an HTTP request for `path` (without its query, which comes decoded).
struct answer_request {
  std::string method;
  std::string path;
  std::vector<std::pair<std::string, std::string>> query;
  reply_link link;
  std::string body = {};
  GANGWAY_MESSAGE(answer_request);
};

/// Asks the supervisor to end everything within `deadline`: every run is interrupted, the store closed.
struct shut_down {
  std::chrono::milliseconds deadline{0};
  GANGWAY_MESSAGE(shut_down);
};

} // namespace gangway

CAF_ERROR_CODE_ENUM(gangway::errc, "gangway")
