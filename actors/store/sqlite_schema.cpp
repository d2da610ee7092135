#include "actors/store/sqlite_schema.hpp"

#include <array>
#include <filesystem>
#include <string>

#include <SQLiteCpp/Transaction.h>

namespace gangway::sqlite {

namespace {

// "gngw", in the place where SQLite files carry their program's mark.
constexpr std::int64_t application_id = 0x676e6777;

// A file up to this size is checked page by page at every start (some tenths of a second at most).
constexpr std::uintmax_t checked_bytes_max = 64 * 1024 * 1024;

/// A step from one version of the schema to the next. Steps are additive, so that the release before can still open
/// the file; `min_reader` says since when that is so.
struct migration {
  std::int64_t min_reader;
  const char* statements;
};

// The entry at index n leads to version n + 1. An entry that was released is never changed.
constexpr std::array migrations{
    migration{1, R"(
    -- A log id is never used again (AUTOINCREMENT), so that a late writer of a deleted thread meets nobody's log.
    CREATE TABLE threads (
      log_id     INTEGER PRIMARY KEY AUTOINCREMENT,
      user       TEXT NOT NULL,
      thread     TEXT NOT NULL,
      generation INTEGER NOT NULL,
      epoch      TEXT NOT NULL,
      last_seq   INTEGER NOT NULL,
      title      TEXT NOT NULL DEFAULT '',
      open_run   BLOB,
      created_at INTEGER NOT NULL,
      updated_at INTEGER NOT NULL,
      UNIQUE (user, thread));
    CREATE INDEX threads_by_change ON threads (user, updated_at DESC);

    -- The log itself. The body is AG-UI's JSON; version says in which edition of our encoding.
    CREATE TABLE events (
      log_id     INTEGER NOT NULL,
      seq        INTEGER NOT NULL,
      run_id     BLOB,
      time       INTEGER NOT NULL,
      version    INTEGER NOT NULL,
      generation INTEGER NOT NULL,
      body       TEXT NOT NULL,
      PRIMARY KEY (log_id, seq)) WITHOUT ROWID;

    -- What was said, whole: for snapshots, history and search. Follows from events. The content is null where it is
    -- just the text as a JSON string.
    CREATE TABLE messages (
      log_id     INTEGER NOT NULL,
      seq        INTEGER NOT NULL,
      message_id BLOB NOT NULL,
      role       TEXT NOT NULL,
      run_id     BLOB,
      time       INTEGER NOT NULL,
      text       TEXT NOT NULL,
      content    TEXT,
      PRIMARY KEY (log_id, seq)) WITHOUT ROWID;

    -- Which message a client's own id was given to first.
    CREATE TABLE client_messages (
      log_id            INTEGER NOT NULL,
      client_message_id TEXT NOT NULL,
      seq               INTEGER NOT NULL,
      PRIMARY KEY (log_id, client_message_id)) WITHOUT ROWID;
  )"},
    migration{1, R"(
    -- Why managers and connections were ended. The body is JSON.
    CREATE TABLE decisions (
      decision_id BLOB NOT NULL PRIMARY KEY,
      user        TEXT NOT NULL,
      time        INTEGER NOT NULL,
      body        TEXT NOT NULL);
    CREATE INDEX decisions_by_user ON decisions (user, time, decision_id);
    CREATE INDEX decisions_by_time ON decisions (time, decision_id);

    -- Whom they are about.
    CREATE TABLE decision_subjects (
      subject     TEXT NOT NULL,
      decision_id BLOB NOT NULL,
      PRIMARY KEY (subject, decision_id)) WITHOUT ROWID;
    CREATE INDEX decision_subjects_by_decision ON decision_subjects (decision_id);
    CREATE TRIGGER decisions_forgotten AFTER DELETE ON decisions BEGIN
      DELETE FROM decision_subjects WHERE decision_id = old.decision_id;
    END;
  )"},
    migration{1, R"(
    -- Of the events that were compacted into this one; null: none. A release that does not know it reads a gap, which
    -- it answers with a snapshot.
    ALTER TABLE events ADD COLUMN first_seq INTEGER;

    -- Of the bodies of its events.
    ALTER TABLE threads ADD COLUMN bytes INTEGER NOT NULL DEFAULT 0;
    UPDATE threads SET bytes = (SELECT coalesce(sum(length(CAST(body AS BLOB))), 0) FROM events
                                WHERE events.log_id = threads.log_id);

    -- Since which start of the machine the file is written: after another one, what was not on the disk is lost.
    CREATE TABLE machine (boot_id TEXT NOT NULL);

    -- Where runs ended: what is compacted, and what is forgotten.
    CREATE TABLE finished_runs (
      log_id    INTEGER NOT NULL,
      last_seq  INTEGER NOT NULL,
      time      INTEGER NOT NULL,
      compacted INTEGER NOT NULL DEFAULT 0,
      PRIMARY KEY (log_id, last_seq)) WITHOUT ROWID;
    CREATE INDEX finished_runs_by_time ON finished_runs (time);
    CREATE INDEX uncompacted_runs ON finished_runs (time) WHERE compacted = 0;
    INSERT INTO finished_runs (log_id, last_seq, time)
      SELECT log_id, seq, time FROM events WHERE json_valid(body) AND json_extract(body, '$.type') IN ('RUN_FINISHED', 'RUN_ERROR');
    -- For the release before, should it come back for a while: a run's ending is the last of what is written with it.
    CREATE TRIGGER run_finished AFTER UPDATE OF open_run ON threads
      WHEN old.open_run IS NOT NULL AND new.open_run IS NULL BEGIN
      INSERT OR IGNORE INTO finished_runs (log_id, last_seq, time) VALUES (new.log_id, new.last_seq, new.updated_at);
    END;
  )"},
    migration{1, R"(
    -- Which start of a server wrote the file last, the same as beside it, and how often the file was restored.
    CREATE TABLE start_mark (mark TEXT NOT NULL, restores INTEGER NOT NULL);
    INSERT INTO start_mark VALUES ('', 0);

    -- How often it had been when the epoch was made: a thread of before gets another one when it is opened.
    ALTER TABLE threads ADD COLUMN restores INTEGER NOT NULL DEFAULT 0;

    -- What is forgotten with the first runs of a thread.
    CREATE INDEX client_messages_by_seq ON client_messages (log_id, seq);
  )"},
};

constexpr std::int64_t our_version = migrations.size();

[[noreturn]] void refuse(const connection& on, const std::string& why) {
  throw storage_error{"database " + on.path() + ": " + why};
}

std::int64_t ask(connection& on, const char* question) { return on.database().execAndGet(question).getInt64(); }

// Returns the schema's version, 0 for an empty file.
std::int64_t check_version(connection& on) {
  const auto mark = ask(on, "PRAGMA application_id");
  const auto tables = ask(on, "SELECT count(*) FROM sqlite_schema");
  if (tables == 0 && mark == 0) return 0;
  if (mark != application_id) refuse(on, "belongs to another program; move it away, or change store.path");
  if (ask(on, "SELECT count(*) FROM sqlite_schema WHERE name = 'schema_version'") == 0)
    refuse(on, "is damaged: it does not say its version; restore it from a backup, or move it away to start empty");
  const auto version = ask(on, "SELECT coalesce(max(version), 0) FROM schema_version");
  const auto min_reader = ask(on, "SELECT coalesce(max(min_reader), 0) FROM schema_version");
  if (min_reader > our_version)
    refuse(on, "was written by a newer server (schema " + std::to_string(version) + ", readable from schema "
                   + std::to_string(min_reader) + " on; this one knows " + std::to_string(our_version)
                   + "); run that version, or restore a backup from before");
  return version;
}

void migrate(connection& on) {
  on.database().exec("BEGIN IMMEDIATE");
  auto version = check_version(on);
  if (version == 0) {
    on.database().exec("PRAGMA application_id = " + std::to_string(application_id));
    on.database().exec("CREATE TABLE schema_version (version INTEGER NOT NULL, min_reader INTEGER NOT NULL)");
  }
  for (; version < our_version; ++version) {
    const auto& step = migrations[static_cast<std::size_t>(version)];
    on.database().exec(step.statements);
    on.database().exec("DELETE FROM schema_version");
    on.database().exec("INSERT INTO schema_version VALUES (" + std::to_string(version + 1) + ", "
                       + std::to_string(step.min_reader) + ")");
  }
  on.database().exec("COMMIT");
}

} // namespace

void check_pages(connection& on) {
  SQLite::Statement check{on.database(), "PRAGMA quick_check(1)"};
  if (!check.executeStep() || check.getColumn(0).getString() != "ok")
    throw storage_error{
        "database " + on.path() + ": is damaged; restore it from a backup, or move it away to start empty", true};
}

void prepare_schema(connection& on) {
  on.guarded([&] {
    // First of all: a file that is not ours is not touched.
    check_version(on);
    if (on.database().execAndGet("PRAGMA journal_mode = WAL").getString() != "wal")
      refuse(on, "its file system cannot hold a write-ahead log; put it on a local disk");
    migrate(on);
    std::error_code error;
    if (const auto size = std::filesystem::file_size(on.path(), error); !error && size <= checked_bytes_max)
      check_pages(on);
  });
}

} // namespace gangway::sqlite
