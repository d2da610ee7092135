#pragma once

/// What the store is asked, and what it answers.

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "protocol/cleanup.hpp"
#include "protocol/events.hpp"
#include "protocol/message.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// Names a thread's log inside the store, shorter than user and thread.
using log_id = std::int64_t;

/// Asks the store to open a thread for a new manager: makes it if it is new, raises its generation, and ends a run
/// that nobody finished as `interrupted`, in one transaction.
struct open_log {
  user_id user;
  thread_id thread;
  utc_time now;
  GANGWAY_MESSAGE(open_log);
};

/// Answers `open_log`.
struct log_opened {
  log_id log = 0;
  gangway::generation generation = 0;
  gangway::epoch epoch;
  sequence last = 0;
  GANGWAY_MESSAGE(log_opened);
};

/// Asks the store to append events, the first of which is the log's last plus one. Answered once they are committed,
/// which a killed process survives; `durable` asks for fsync too, which a lost machine survives.
/// Fails with `stale_generation`, `sequence_gap` or `store_unavailable`; then none of the events is in the log.
struct append_events {
  log_id log = 0;
  gangway::generation generation = 0;
  std::vector<thread_event> events;
  bool durable = false;
  bool shown = false; ///< everything that was shown ahead of the log is in it with these: the note of that goes
  GANGWAY_MESSAGE(append_events);
};

/// Answers `append_events`.
struct events_appended {
  sequence last = 0;
  GANGWAY_MESSAGE(events_appended);
};

/// Asks a reader, since the writer cannot work now, to note beside the database that events of a log are going to be
/// shown before they are in it: if they never get there, the thread's next manager finds another epoch. Fails with
/// `store_unavailable`; then nothing may be shown.
struct note_ahead {
  log_id log = 0;
  GANGWAY_MESSAGE(note_ahead);
};

/// Answers `note_ahead`.
struct ahead_noted {
  GANGWAY_MESSAGE(ahead_noted);
};

/// Asks the store to see whether what is stored is damaged, as it looked to a reader. Not answered: until it knows
/// better, it writes nothing.
struct examine {
  std::string reason;
  GANGWAY_MESSAGE(examine);
};

/// Asks the store to erase a thread of a user, or all that it has of the user. Whoever has a log of it open is refused
/// as stale from then on.
struct erase_history {
  user_id user;
  std::optional<thread_id> thread;
  GANGWAY_MESSAGE(erase_history);
};

/// Answers `erase_history`: how many threads there were.
struct history_erased {
  std::uint64_t threads = 0;
  GANGWAY_MESSAGE(history_erased);
};

/// Asks whether a message of this client id is in the thread's log already.
struct find_message {
  log_id log = 0;
  std::string client_message_id;
  GANGWAY_MESSAGE(find_message);
};

/// Answers `find_message`: what its first sending was answered with, and what it said.
struct message_found {
  struct first_answer {
    gangway::message_id message_id;
    gangway::run_id run_id;
    sequence seq = 0;
    json_text content;
    friend bool operator==(const first_answer&, const first_answer&) = default;
  };
  std::optional<first_answer> answer;
  GANGWAY_MESSAGE(message_found);
};

/// Asks for the events after `after` up to and including `last`, or beyond it to the one into which that was compacted.
struct read_log {
  log_id log = 0;
  sequence after = 0;
  sequence last = 0;
  std::uint32_t events_max = 1000;
  std::size_t bytes_max = 256 * 1024;
  GANGWAY_MESSAGE(read_log);
};

/// Answers `read_log`. Not complete: there are more than was allowed, or some are missing; `events` are those before,
/// one at least unless it is missing.
struct log_read {
  std::vector<thread_event> events;
  bool complete = true;
  GANGWAY_MESSAGE(log_read);
};

/// Asks for the newest messages of a log that come before `before`, the oldest of them first.
struct get_messages {
  log_id log = 0;
  sequence before = std::numeric_limits<std::int64_t>::max();
  std::uint32_t limit = 50;
  std::size_t bytes_max = 256 * 1024;
  GANGWAY_MESSAGE(get_messages);
};

/// Answers `get_messages`; `more` says that older ones exist.
struct messages_page {
  std::vector<message_record> messages;
  bool more = false;
  GANGWAY_MESSAGE(messages_page);
};

/// Asks for a user's threads, the most recently changed first.
struct get_threads {
  user_id user;
  std::uint32_t limit = 50;
  std::optional<utc_time> before = {};
  GANGWAY_MESSAGE(get_threads);
};

/// Answers `get_threads`.
struct threads_page {
  std::vector<thread_summary> threads;
  GANGWAY_MESSAGE(threads_page);
};

/// Asks for the messages of a log that contain `text`, without regard to ASCII case, the newest first.
struct search_messages {
  log_id log = 0;
  std::string text;
  std::uint32_t limit = 5;
  GANGWAY_MESSAGE(search_messages);
};

/// Notifies the store of a decision that was made, to be noted in the server's log and kept for `explain`. Not
/// answered: a decision that cannot be written is in that log all the same.
struct record_decision {
  decision made;
  GANGWAY_MESSAGE(record_decision);
};

/// Asks for decisions, the newest first: the one of that id, those about a manager or connection, or a user's, or all.
struct get_decisions {
  std::optional<decision_id> id = {};
  std::optional<std::string> subject = {};
  std::optional<user_id> user = {};
  std::uint32_t limit = 50;
  GANGWAY_MESSAGE(get_decisions);
};

/// Answers `get_decisions`.
struct decisions_page {
  std::vector<json_text> decisions;
  GANGWAY_MESSAGE(decisions_page);
};

} // namespace gangway
