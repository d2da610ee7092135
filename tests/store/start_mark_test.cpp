/// A database that is put in the place of another, and what only looks like that.

#define CAF_SUITE store_mark

#include <filesystem>
#include <optional>

#include <sys/stat.h>

#include <SQLiteCpp/Database.h>
#include <caf/test/unit_test.hpp>

#include "actors/store/start_mark.hpp"
#include "tests/store/restored_store.hpp"

namespace gangway::store_tests {

namespace {

constexpr auto no_log = [](log_id) { return std::optional<sequence>{}; };
constexpr auto up_to_five = [](log_id) { return std::optional<sequence>{5}; };

mark_beside beside(const std::string& mark, const std::string& next = "", log_end written = {}, log_end synced = {}) {
  return {mark, next, "boot", written, synced};
}

} // namespace

// -- what is a restore ---------------------------------------------------------------------------

CAF_TEST(the_same_mark_on_both_sides_is_no_restore_and_another_is_one) {
  CAF_CHECK(!is_restored({"a"}, beside("a"), "boot", no_log));
  CAF_CHECK(is_restored({"a"}, beside("b"), "boot", no_log));
  CAF_CHECK(is_restored({"a"}, std::nullopt, "boot", no_log));
  CAF_CHECK(!is_restored({"", true}, std::nullopt, "boot", no_log));
  CAF_CHECK(!is_restored({"a", true}, beside("b"), "boot", no_log));
}

CAF_TEST(a_start_that_was_cut_short_between_its_two_writes_is_no_restore) {
  CAF_CHECK(!is_restored({"a"}, beside("a", "b"), "boot", no_log));
  CAF_CHECK(!is_restored({"b"}, beside("a", "b"), "boot", no_log));
  CAF_CHECK(is_restored({"c"}, beside("a", "b"), "boot", no_log));
  CAF_CHECK(!is_restored({""}, beside("", "b"), "boot", no_log));
}

CAF_TEST(a_log_that_is_shorter_than_it_was_is_a_restore_though_the_mark_is_the_same) {
  CAF_CHECK(!is_restored({"a"}, beside("a", "", {1, 5}, {1, 4}), "boot", up_to_five));
  CAF_CHECK(is_restored({"a"}, beside("a", "", {1, 6}, {1, 4}), "boot", up_to_five));
  CAF_CHECK(is_restored({"a"}, beside("a", "", {1, 6}, {1, 6}), "boot", up_to_five));
  CAF_CHECK(is_restored({"a"}, beside("a", "", {1, 1}, {}), "boot", no_log));
}

CAF_TEST(what_a_machine_that_failed_had_not_on_its_disk_is_no_restore) {
  CAF_CHECK(!is_restored({"a"}, beside("a", "", {1, 6}, {1, 5}), "another boot", up_to_five));
  CAF_CHECK(is_restored({"a"}, beside("a", "", {1, 9}, {1, 6}), "another boot", up_to_five));
}

CAF_TEST(a_database_without_a_mark_is_an_upgrade_unless_there_was_one_with_a_mark) {
  CAF_CHECK(!is_restored({""}, std::nullopt, "boot", no_log));
  CAF_CHECK(is_restored({""}, beside("a"), "boot", no_log));
}

// -- restores ------------------------------------------------------------------------------------

CAF_TEST_FIXTURE_SCOPE(sqlite_restores, restored_store)

// A client at 46, the log restored to 23 and grown to 50 by others: it was told `resumed: true`.
CAF_TEST(a_backup_that_was_taken_while_the_server_ran_has_new_epochs_once_it_is_restored) {
  start();
  CAF_CHECK(!writer->was_restored());
  const auto log = open();
  add(log, 1, 23);
  back_up();
  add(log, 24, 46);
  restore();
  start();
  CAF_CHECK(writer->was_restored());
  const auto again = open();
  CAF_CHECK_EQUAL(again.last, 23u);
  CAF_CHECK_NOT_EQUAL(again.epoch, log.epoch);
  restart();
  CAF_CHECK(!writer->was_restored());
  CAF_CHECK_EQUAL(open().epoch, again.epoch);
}

CAF_TEST(a_backup_from_an_earlier_start_has_new_epochs_though_nothing_was_said_since) {
  start();
  const auto log = open();
  add(log, 1, 2);
  back_up();
  restart();
  restore();
  start();
  CAF_CHECK_NOT_EQUAL(open().epoch, log.epoch);
}

CAF_TEST(what_was_lost_need_not_have_been_durable) {
  start();
  const auto log = open();
  add(log, 1, 2);
  back_up();
  add(log, 3, 3, false);
  restore();
  start();
  CAF_CHECK_NOT_EQUAL(open().epoch, log.epoch);
}

CAF_TEST(a_copy_of_the_database_and_its_write_ahead_log_is_a_restore_too) {
  start();
  const auto log = open();
  add(log, 1, 3);
  copy(path(), backup());
  copy(path(), backup(), "-wal");
  add(log, 4, 9);
  end();
  fs::remove(path() + "-shm");
  copy(backup(), path());
  copy(backup(), path(), "-wal");
  start();
  const auto again = open();
  CAF_CHECK_EQUAL(again.last, 3u);
  CAF_CHECK_NOT_EQUAL(again.epoch, log.epoch);
}

CAF_TEST(a_database_that_is_moved_without_its_mark_has_new_epochs) {
  start();
  const auto log = open();
  add(log, 1, 3);
  end();
  copy(path(), backup());
  start(backup());
  CAF_CHECK(writer->was_restored());
  CAF_CHECK_NOT_EQUAL(open().epoch, log.epoch);
}

CAF_TEST(the_same_backup_restored_twice_has_other_epochs_each_time) {
  start();
  const auto log = open();
  add(log, 1, 3);
  back_up();
  add(log, 4, 6);
  restore();
  start();
  const auto second = open();
  add(second, 4, 9);
  restore();
  start();
  const auto third = open();
  CAF_CHECK_NOT_EQUAL(third.epoch, log.epoch);
  CAF_CHECK_NOT_EQUAL(third.epoch, second.epoch);
}

CAF_TEST(restarts_and_kills_keep_the_epochs) {
  start();
  const auto log = open();
  end();
  sequence last = 0;
  for (int round = 0; round < 6; ++round) {
    in_killed_process([&] {
      start();
      const auto mine = open();
      add(mine, mine.last + 1, mine.last + 3, round % 2 == 0);
    });
    last += 3;
    start();
    CAF_CHECK(!writer->was_restored());
    const auto again = open();
    CAF_CHECK_EQUAL(again.epoch, log.epoch);
    CAF_CHECK_EQUAL(again.last, last);
    end();
  }
}

CAF_TEST(a_restore_rewrites_no_thread_before_it_is_opened) {
  start();
  const auto log = open();
  add(log, 1, 3);
  open("t2");
  back_up();
  add(log, 4, 6);
  restore();
  const auto before = ask("SELECT group_concat(epoch) FROM threads");
  start();
  CAF_CHECK_EQUAL(ask("SELECT group_concat(epoch) FROM threads"), before);
  open("t2");
  CAF_CHECK_EQUAL(ask("SELECT epoch FROM threads WHERE thread = 't1'"), log.epoch);
  CAF_CHECK_NOT_EQUAL(open("t1").epoch, log.epoch);
}

CAF_TEST(a_start_that_follows_one_that_was_killed_behind_its_commit_keeps_its_mark_beside_the_database) {
  start();
  const auto log = open();
  end();
  const auto mark = ask("SELECT mark FROM start_mark");
  { start_mark{path()}.write({"the one before", mark, "boot", {}, {}}, true); }
  // This start fails before its commit: the database cannot be written.
  SQLite::Database{path(), SQLite::OPEN_READWRITE}.exec(
      "CREATE TRIGGER refuse BEFORE UPDATE ON start_mark BEGIN SELECT RAISE(ABORT, 'no'); END");
  try {
    start();
    CAF_FAIL("it started");
  } catch (const storage_error&) {
  }
  SQLite::Database{path(), SQLite::OPEN_READWRITE}.exec("DROP TRIGGER refuse");
  start();
  CAF_CHECK(!writer->was_restored());
  CAF_CHECK_EQUAL(open().epoch, log.epoch);
}

CAF_TEST(a_restore_that_the_killed_start_has_not_noted_yet_is_found_by_the_next) {
  start();
  const auto log = open();
  add(log, 1, 3);
  back_up();
  add(log, 4, 6);
  restore();
  // As far as a start comes before the database is written.
  {
    start_mark file{path()};
    auto there = *file.read();
    there.next = make_mark();
    file.write(there, true);
  }
  start();
  CAF_CHECK_NOT_EQUAL(open().epoch, log.epoch);
}

CAF_TEST(erasing_the_thread_that_was_written_last_is_no_restore) {
  start();
  const auto kept = open("kept");
  for (const auto durable : {true, false}) {
    const auto log = open("gone");
    add(log, 1, 2);
    writer->begin(durable);
    writer->erase({"ann"}, {"gone"});
    writer->commit();
    in_killed_process([] {});
    restart();
    CAF_CHECK(!writer->was_restored());
    CAF_CHECK_EQUAL(open("kept").epoch, kept.epoch);
  }
}

CAF_TEST(a_backup_from_before_an_erasure_is_a_restore) {
  start();
  const auto kept = open("kept");
  add(kept, 1, 1);
  const auto gone = open("gone");
  add(gone, 1, 1);
  back_up();
  add(kept, 2, 2);
  add(gone, 2, 2);
  writer->begin(true);
  writer->erase({"ann"}, {"gone"});
  writer->commit();
  restore();
  start();
  CAF_CHECK_NOT_EQUAL(open("kept").epoch, kept.epoch);
}

CAF_TEST(the_files_beside_a_database_can_be_read_by_its_owner_alone) {
  const auto before = ::umask(0);
  start();
  add(open(), 1, 1);
  end();
  for (const auto* suffix : {"-ahead", ".lock"})
    ::chmod((path() + suffix).c_str(), 0644);
  start();
  add(open(), 2, 2);
  ::umask(before);
  for (const auto& file : fs::directory_iterator{home.path()})
    CAF_CHECK_EQUAL(static_cast<unsigned>(fs::status(file).permissions()), 0600u);
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace gangway::store_tests
