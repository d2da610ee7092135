/// A file that an earlier release made, and what this one keeps in its tables, and for how long.

#define CAF_SUITE store_schema

#include <fstream>
#include <iterator>

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <caf/test/unit_test.hpp>

#include "actors/store/engine.hpp"
#include "protocol/ag_ui.hpp"
#include "tests/store/samples.hpp"
#include "tests/store/temporary_directory.hpp"

namespace gangway::store_tests {

namespace {

// As version 1 wrote it; never changed, since such files exist.
constexpr const char* schema_1 = R"(
  PRAGMA application_id = 0x676e6777;
  PRAGMA journal_mode = WAL;
  CREATE TABLE schema_version (version INTEGER NOT NULL, min_reader INTEGER NOT NULL);
  INSERT INTO schema_version VALUES (1, 1);
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
  CREATE TABLE events (
    log_id     INTEGER NOT NULL,
    seq        INTEGER NOT NULL,
    run_id     BLOB,
    time       INTEGER NOT NULL,
    version    INTEGER NOT NULL,
    generation INTEGER NOT NULL,
    body       TEXT NOT NULL,
    PRIMARY KEY (log_id, seq)) WITHOUT ROWID;
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
  CREATE TABLE client_messages (
    log_id            INTEGER NOT NULL,
    client_message_id TEXT NOT NULL,
    seq               INTEGER NOT NULL,
    PRIMARY KEY (log_id, client_message_id)) WITHOUT ROWID;
  INSERT INTO threads VALUES (1, 'ann', 't1', 3, 'k3JqabcD', 1, 'hello', NULL, 1700000000000, 1700000000001);
)";

struct store_file {
  std::string path() const { return directory.file("gangway.db"); }

  SQLite::Database database() const { return {path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE}; }

  std::int64_t ask(const std::string& question) const { return database().execAndGet(question).getInt64(); }

  void open() {
    writer.reset(); // one at a time
    writer = make_sqlite_engine(path())->make_writer();
    reader = make_sqlite_engine(path())->make_reader();
  }

  void record(const decision_row& what) {
    writer->begin(false);
    writer->record(what);
    writer->commit();
  }

  temporary_directory directory;
  std::unique_ptr<log_writer> writer;
  std::unique_ptr<log_reader> reader;
};

/// A store that has so many decisions already, made one a millisecond, the first of them at(1), each about a manager
/// that is called like its number.
struct filled_store : store_file {
  void fill(std::int64_t count) {
    open();
    auto on = database();
    const auto numbers =
        "WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " + std::to_string(count) + ") ";
    on.exec("PRAGMA synchronous = OFF");
    on.exec("BEGIN");
    on.exec("INSERT INTO decisions (decision_id, user, time, body) " + numbers
            + "SELECT CAST(printf('%016d', i) AS BLOB), 'ann', " + std::to_string(at(0).time_since_epoch().count())
            + " + i, '{}' FROM n");
    on.exec("INSERT INTO decision_subjects (subject, decision_id) " + numbers
            + "SELECT 'm' || i, CAST(printf('%016d', i) AS BLOB) FROM n");
    on.exec("COMMIT");
    open();
    next = count + 1;
  }

  void record_one() { record(decided("ann", at(next++), {}, "{}")); }

  bool knows(std::int64_t number) const {
    const auto found = reader->decisions({.subject = "m" + std::to_string(number)});
    return !found.decisions.empty();
  }

  std::int64_t decisions() const { return ask("SELECT count(*) FROM decisions"); }
  std::int64_t subjects() const { return ask("SELECT count(*) FROM decision_subjects"); }

  std::int64_t next = 0;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(sqlite_schema, store_file)

CAF_TEST(nothing_of_an_erased_thread_is_left_in_the_files) {
  open();
  const std::string secret = "a secret that nobody else has";
  const auto holds = [&](const char* suffix) {
    std::ifstream file{path() + suffix, std::ios::binary};
    return std::string{std::istreambuf_iterator<char>{file}, {}}.find(secret) != std::string::npos;
  };
  writer->begin(true);
  const auto log = writer->open({{"ann"}, {"t1"}, at(0)});
  std::vector<thread_event> events;
  for (sequence seq = 1; seq <= 200; ++seq)
    events.push_back(said(seq, secret + std::string(seq * 10, 'x')));
  writer->append({log.log, log.generation, events, true});
  writer->commit();
  CAF_CHECK(holds("-wal"));
  database().exec("PRAGMA wal_checkpoint(PASSIVE)");
  CAF_CHECK(holds(""));
  writer->begin(true);
  CAF_CHECK(writer->erase({"ann"}, {"t1"}));
  writer->commit();
  CAF_CHECK(!holds("-wal"));
  CAF_CHECK(!holds(""));
}

CAF_TEST(a_file_of_version_1_keeps_its_threads_and_gets_the_decisions) {
  const auto hello = said(1, "hello", "c1");
  {
    auto old = database();
    old.exec(schema_1);
    SQLite::Statement event{old, "INSERT INTO events VALUES (1, 1, NULL, 1700000000001, 1, 3, ?)"};
    event.bind(1, ag_ui::encode({"t1"}, hello));
    event.exec();
    old.exec("INSERT INTO messages VALUES (1, 1, x'0192c3f200007000800000000000000e', 'user', NULL, 1700000000001,"
             " 'hello', NULL)");
  }
  open();
  CAF_CHECK_EQUAL(ask("SELECT version FROM schema_version"), 4);
  // The release before can still open it.
  CAF_CHECK_EQUAL(ask("SELECT min_reader FROM schema_version"), 1);
  const auto threads = reader->threads(threads_of("ann")).threads;
  CAF_REQUIRE_EQUAL(threads.size(), 1u);
  CAF_CHECK(threads[0] == (thread_summary{{"t1"}, "hello", 1, at(1)}));
  CAF_CHECK(reader->read({1, 0, 1}).events == (std::vector{hello}));
  CAF_CHECK_EQUAL(reader->messages({1}).messages.size(), 1u);
  CAF_CHECK(reader->decisions({}).decisions.empty());
  record(decided("ann", at(2), {"m1"}, "{}"));
  CAF_CHECK_EQUAL(reader->decisions({.subject = "m1"}).decisions.size(), 1u);
  writer->begin(false);
  CAF_CHECK(writer->open({{"ann"}, {"t1"}, at(3)}) == (log_opened{1, 4, "k3JqabcD", 1}));
  writer->commit();
}

// By the statements of schema 2, which know nothing of what came after.
CAF_TEST(what_the_release_before_writes_into_our_file_is_kept_and_compacted_like_the_rest) {
  open();
  writer->begin(false);
  const auto log = writer->open({{"ann"}, {"t1"}, at(0)});
  writer->commit();
  const auto events = whole_run(1);
  {
    auto old = database();
    SQLite::Statement insert{old, "INSERT INTO events (log_id, seq, run_id, time, version, generation, body)"
                                  " VALUES (1, ?1, ?2, ?3, 1, 1, ?4)"};
    SQLite::Statement update{old, "UPDATE threads SET generation = 1, last_seq = ?1, title = 'hi', open_run = ?2,"
                                  " updated_at = ?3 WHERE log_id = 1"};
    for (const auto& event : events) {
      const auto time = event.time.time_since_epoch().count();
      insert.bind(1, static_cast<std::int64_t>(event.seq));
      insert.bind(2, event.run_id->bytes.data(), 16);
      insert.bind(3, std::int64_t{time});
      insert.bind(4, ag_ui::encode({"t1"}, event));
      insert.exec();
      insert.reset();
      update.bind(1, static_cast<std::int64_t>(event.seq));
      if (ends_run(event.body))
        update.bind(2);
      else
        update.bind(2, event.run_id->bytes.data(), 16);
      update.bind(3, std::int64_t{time});
      update.exec();
      update.reset();
    }
  }
  CAF_CHECK(reader->read({log.log, 0, events.size()}).events == events);
  writer->begin(false);
  CAF_CHECK(writer->tidy({}, events.back().time + std::chrono::hours{2}));
  writer->commit();
  CAF_CHECK_EQUAL(reader->read({log.log, 0, events.size()}).events.size(), events.size() - 2);
}

// What was not synced when the machine went down is lost, though clients have seen it.
CAF_TEST(after_a_restart_of_the_machine_threads_with_an_unfinished_run_have_another_epoch) {
  open();
  writer->begin(true);
  const auto torn = writer->open({{"ann"}, {"t1"}, at(0)});
  const auto whole = writer->open({{"ann"}, {"t2"}, at(0)});
  writer->append({torn.log, torn.generation, {in_run(run_id::make(), 1, agent_started{"builtin"})}, true});
  writer->append({whole.log, whole.generation, whole_run(1), true});
  writer->commit();
  const auto epoch_of = [&](const std::string& thread) {
    return database().execAndGet("SELECT epoch FROM threads WHERE thread = '" + thread + "'").getString();
  };
  const auto restart = [&] {
    reader.reset();
    writer.reset();
    open();
  };
  restart();
  CAF_CHECK_EQUAL(epoch_of("t1"), torn.epoch);
  database().exec("UPDATE machine SET boot_id = 'an earlier one'");
  restart();
  const auto changed = epoch_of("t1");
  CAF_CHECK_NOT_EQUAL(changed, torn.epoch);
  CAF_CHECK_EQUAL(epoch_of("t2"), whole.epoch);
  restart();
  CAF_CHECK_EQUAL(epoch_of("t1"), changed);
}

CAF_TEST(a_new_file_and_one_that_grew_up_have_the_same_schema) {
  database().exec(schema_1);
  open();
  const auto schema_of = [](SQLite::Database on) {
    std::string result;
    SQLite::Statement rows{on, "SELECT type, name, tbl_name FROM sqlite_schema ORDER BY type, name"};
    while (rows.executeStep())
      result += rows.getColumn(0).getString() + ' ' + rows.getColumn(1).getString() + ' '
                + rows.getColumn(2).getString() + '\n';
    return result;
  };
  const auto fresh = directory.file("fresh.db");
  make_sqlite_engine(fresh)->make_writer();
  CAF_CHECK_EQUAL(schema_of(database()), schema_of(SQLite::Database{fresh}));
}

CAF_TEST_FIXTURE_SCOPE_END()

CAF_TEST_FIXTURE_SCOPE(sqlite_retention, filled_store)

CAF_TEST(a_hundred_thousand_decisions_are_kept) {
  fill(decisions_max - 1);
  record_one();
  CAF_CHECK_EQUAL(decisions(), decisions_max);
  CAF_CHECK(knows(1));
}

CAF_TEST(one_more_than_a_hundred_thousand_decisions_forgets_the_oldest_and_whom_it_was_about) {
  fill(decisions_max);
  record_one();
  CAF_CHECK_EQUAL(decisions(), decisions_max);
  CAF_CHECK_EQUAL(subjects(), decisions_max - 1);
  CAF_CHECK(!knows(1));
  CAF_CHECK(knows(2));
}

CAF_TEST(every_decision_more_forgets_one) {
  fill(decisions_max);
  for (std::int64_t i = 1; i <= 10; ++i) {
    record_one();
    CAF_REQUIRE_EQUAL(decisions(), decisions_max);
    CAF_CHECK(!knows(i));
    CAF_CHECK(knows(i + 1));
  }
}

// One user that is decided about all the time had everybody else forgotten.
CAF_TEST(when_there_is_no_room_for_all_the_user_that_has_most_loses_its_oldest_and_the_others_nothing) {
  open();
  record(decided("bob", at(-2), {"m-bob"}, "{}"));
  record(decided("cat", at(-1), {"m-cat"}, "{}"));
  fill(decisions_max - 2);
  for (int i = 1; i <= 5; ++i)
    record_one();
  record(decided("bob", at(next++), {"m-bob-2"}, "{}"));
  CAF_CHECK_EQUAL(decisions(), decisions_max);
  for (const auto* subject : {"m-bob", "m-cat", "m-bob-2"})
    CAF_CHECK_EQUAL(reader->decisions({.subject = subject}).decisions.size(), 1u);
  CAF_CHECK(!knows(6));
  CAF_CHECK(knows(7));
}

CAF_TEST(when_nobody_has_more_than_its_share_the_oldest_of_all_goes) {
  fill(decisions_max);
  database().exec("UPDATE decisions SET user = 'user' || (rowid % 100)");
  record(decided("bob", at(next++), {}, "{}"));
  CAF_CHECK_EQUAL(decisions(), decisions_max);
  CAF_CHECK(!knows(1));
  CAF_CHECK(knows(2));
}

CAF_TEST(a_decision_that_was_rolled_back_or_known_already_does_not_count) {
  fill(decisions_max - 1);
  const auto again = decided("ann", at(next++), {}, "{}");
  for (int i = 0; i < 2; ++i) {
    writer->begin(false);
    writer->record(again);
    writer->roll_back();
  }
  for (int i = 0; i < 2; ++i)
    record(again);
  CAF_CHECK_EQUAL(decisions(), decisions_max);
  CAF_CHECK(knows(1));
  record_one();
  CAF_CHECK(!knows(1));
  CAF_CHECK(knows(2));
}

CAF_TEST(eight_decisions_at_most_are_forgotten_at_once_of_too_many_as_of_too_old) {
  fill(decisions_max + 10);
  record_one();
  CAF_CHECK_EQUAL(decisions(), decisions_max + 3);
  record_one();
  CAF_CHECK_EQUAL(decisions(), decisions_max);
  constexpr auto age = std::chrono::milliseconds{decision_age_max}.count();
  next += age;
  record_one();
  CAF_CHECK_EQUAL(decisions(), decisions_max - 7);
  CAF_CHECK_EQUAL(subjects(), decisions_max - 10);
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace gangway::store_tests
