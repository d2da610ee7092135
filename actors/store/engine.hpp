#pragma once

/// The storage port: what the store's actors need of a database engine. SQLite is the first; a second must pass the
/// same tests (`tests/store/engine_conformance.hpp`). Engines block: only the store's own threads call them.

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <variant>
#include <vector>

#include "protocol/messages.hpp"

namespace gangway {

/// Thrown by an engine that cannot do its work now: disk full, database locked, file unreadable.
/// `what()` says it in the engine's words, without any content of messages.
struct storage_error : std::runtime_error {
  /// `is_damage`: what is stored may not be trusted any more. A disk that fails for a moment looks the same.
  explicit storage_error(const std::string& what, bool is_damage = false)
      : std::runtime_error{what}, is_damage{is_damage} {}

  bool is_damage;
};

/// Why an append was refused though the engine works.
enum class append_refusal : std::uint8_t { stale_generation, sequence_gap };

/// What is kept of the past.
struct history_rules {
  std::chrono::milliseconds run_ttl{3'600'000}; ///< a run's events stay whole for so long after its end
  std::chrono::milliseconds age_max{0};         ///< of a run, since its end; 0: kept for ever
  std::uint64_t thread_bytes_max = 0;           ///< of a thread's events; 0: as many as there are
};

/// A decision as it is kept.
struct decision_row {
  decision_id id;
  user_id user;
  utc_time time;
  std::vector<std::string> subjects; ///< whom it ended, by which it is found
  json_text body;
};

/// The writing half: one object, one thread at a time. What is done between `begin` and `commit` is done wholly or not
/// at all. Whatever throws a `storage_error` leaves the transaction to be rolled back.
class log_writer {
public:
  virtual ~log_writer() = default;

  /// Begins a transaction. `durable`: it is committed only when it is on disk (fsync); otherwise a crash of the machine
  /// may undo it, one of the process may not.
  virtual void begin(bool durable) = 0;

  /// Returns whether the database is not the one that was written here last: from a backup, or from elsewhere. Then
  /// every thread gets a new epoch when it is opened next, since clients may have seen more of it.
  virtual bool was_restored() const { return false; }

  /// Ends the transaction. If it throws, nothing of the transaction has happened and none is open.
  virtual void commit() = 0;

  /// Undoes the transaction, if there is one.
  virtual void roll_back() noexcept = 0;

  /// Writes something that changes nothing, to see whether writing works, and that there is room for more than that.
  /// @pre in a transaction
  virtual void touch() = 0;

  /// Reads everything that is stored, as far as it takes to find damage. Throws a `storage_error` if there is any.
  virtual void examine() = 0;

  /// Opens a thread for a new manager: makes it, raises its generation, ends its orphaned run by appending
  /// `agent_failed {code: "interrupted"}`, before that the message that it was saying, as far as it came. A thread of
  /// which events were shown that are not in its log gets a new epoch. @pre in a transaction
  virtual log_opened open(const open_log& what) = 0;

  /// Appends all of the events, or refuses and changes nothing. A log that does not exist has no generation: stale.
  /// Whose events were shown before is, once this is committed, no longer noted for it. @pre in a transaction
  virtual std::variant<events_appended, append_refusal> append(const append_events& what) = 0;

  /// Keeps a decision, with whom it is about; one that is kept already stays as it was first. Then forgets what is
  /// older than `decision_age_max` before this one's time, and of what exceeds `decisions_max` the oldest of the user
  /// that has most, or, if that is no more than `decisions_share`, the oldest of all. If that is many, a few with each
  /// decision, so that no commit is long. @pre in a transaction
  virtual void record(const decision_row& what) = 0;

  /// Does a piece of what the rules ask for, short enough for a commit that others wait for: the oldest runs of what is
  /// too old or too big go, events first to last, and the deltas of messages that were completed in a run that ended
  /// long enough ago are compacted into what follows them, which then has a `first_seq`. Neither changes the epoch:
  /// whoever asks for what is gone gets a snapshot. The newest run of a thread is never too big. A thread of which
  /// nothing is left is erased. Returns whether there may be more to do. @pre in a transaction
  virtual bool tidy(const history_rules& rules, utc_time now) = 0;

  /// Erases a thread: events, messages and itself. A writer that has it open is refused from then on as stale.
  /// Returns whether there was one. @pre in a transaction
  virtual bool erase(const user_id& user, const thread_id& thread) = 0;

  /// Erases all of a user's threads, and the decisions about them. Returns how many threads. @pre in a transaction
  virtual std::size_t erase(const user_id& user) = 0;
};

/// How long decisions are kept: as long as somebody may still ask why.
inline constexpr std::chrono::days decision_age_max{30};

/// How many decisions are kept, however young.
inline constexpr std::int64_t decisions_max = 100'000;

/// How many each user has when there is no room for all: who has most of all, and more than these, loses its oldest, so
/// that a user about whom much is decided does not push out what is known of others.
inline constexpr std::int64_t decisions_share = 1'000;

/// The most decisions that one question is answered with.
inline constexpr std::uint32_t decisions_page_max = 1'000;

/// A piece of a search: what was found in it, the newest first, and before which event the next piece begins; none:
/// nothing is left.
struct search_piece {
  std::vector<message_record> messages;
  std::optional<sequence> next;
};

/// About how much text one piece of a search goes through: some milliseconds.
inline constexpr std::uint64_t search_bytes_at_once = 1024 * 1024;

/// The reading half; any number of them, each on a thread of its own, beside the writer.
class log_reader {
public:
  virtual ~log_reader() = default;

  /// Returns the events, as many as are allowed: one at least, however big, but none behind one that is missing.
  virtual log_read read(const read_log& what) = 0;

  /// Returns the newest messages that fit, but one at least, however big.
  virtual messages_page messages(const get_messages& what) = 0;

  /// Returns a page of threads. Threads changed in the same millisecond are never parted, so that the next page, which
  /// begins before the last one's time, misses none; the page may be longer than `limit` by those.
  virtual threads_page threads(const get_threads& what) = 0;

  /// Returns what the first message of that client id was answered with.
  virtual message_found find(const find_message& what) = 0;

  /// Looks for messages whose text contains what is looked for, among those before an event; no character of it is
  /// special. Goes through so much at once that others need not wait for long, and finds `limit` messages and one at
  /// most.
  virtual search_piece search(const search_messages& what, sequence before) = 0;

  /// Returns whose log it is, or nothing.
  virtual std::optional<user_id> owner_of(log_id log) = 0;

  /// Returns decisions that meet every condition of the question, the newest first, of one millisecond the one whose id
  /// was made last. The limit is 1 to `decisions_page_max`; what is beyond counts as the nearest of them.
  virtual decisions_page decisions(const get_decisions& what) = 0;

  /// Notes, where a database that cannot write now is no hindrance, that events of a log are shown which are not in it.
  /// A process that is killed leaves the note: the next `make_writer` and `open` find it, and change the epoch.
  virtual void note_ahead(log_id log) = 0;
};

/// A database: makes its two halves.
class storage_engine {
public:
  virtual ~storage_engine() = default;

  /// Returns the writer; only one may exist at a time. Throws `storage_error`.
  virtual std::unique_ptr<log_writer> make_writer() = 0;

  /// Returns a reader. Throws `storage_error`. @pre `make_writer` was called once
  virtual std::unique_ptr<log_reader> make_reader() = 0;
};

/// Returns the engine for a SQLite file, which is made if there is none (its directory is not). Its writer is refused
/// for a file that is damaged, another program's, a later version's or locked; ":memory:" too: readers need a file.
std::unique_ptr<storage_engine> make_sqlite_engine(std::string path);

} // namespace gangway
