/// The SQLite engine: what every engine must do, and what only a file on a disk can do to one.

#define CAF_SUITE store_engine

#include <csignal>
#include <fstream>
#include <functional>
#include <iterator>
#include <random>

#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <SQLiteCpp/Database.h>
#include <caf/test/unit_test.hpp>

#include "actors/store/engine.hpp"
#include "tests/store/temporary_directory.hpp"

namespace gangway::store_tests {

/// What this process asked the kernel to bring to disk. SQLite's calls end up below.
struct {
  int wal_syncs = 0;
  bool fail = false;
} disk;

static int sync_to_disk(int descriptor, long call) {
  char name[4096] = {};
  const auto link = "/proc/self/fd/" + std::to_string(descriptor);
  if (::readlink(link.c_str(), name, sizeof name - 1) > 0 && std::string_view{name}.ends_with("-wal")) ++disk.wal_syncs;
  if (disk.fail) {
    errno = EIO;
    return -1;
  }
  return static_cast<int>(::syscall(call, descriptor));
}

struct engine_fixture {
  std::unique_ptr<storage_engine> make_engine() { return make_sqlite_engine(path()); }
  std::string path() const { return directory.file("gangway.db"); }

  temporary_directory directory;
};

} // namespace gangway::store_tests

// These take the place of the C library's for SQLite too, which is linked dynamically.
extern "C" int fdatasync(int descriptor) { return gangway::store_tests::sync_to_disk(descriptor, SYS_fdatasync); }
extern "C" int fsync(int descriptor) { return gangway::store_tests::sync_to_disk(descriptor, SYS_fsync); }

#include "tests/store/engine_conformance.hpp"

namespace gangway::store_tests {

namespace {

/// Returns what the engine says when it is asked for a writer on `path`; empty if it gives one.
std::string refusal(const std::string& path) {
  try {
    make_sqlite_engine(path)->make_writer();
    return {};
  } catch (const storage_error& error) {
    return error.what();
  }
}

bool says(const std::string& text, const std::string& part) {
  if (text.find(part) != std::string::npos) return true;
  CAF_MESSAGE("it said: " << text);
  return false;
}

std::string content_of(const std::string& path) {
  std::ifstream file{path, std::ios::binary};
  return {std::istreambuf_iterator<char>{file}, {}};
}

void write_file(const std::string& path, const std::string& content) {
  std::ofstream{path, std::ios::binary} << content;
}

/// Runs `work` in a child process; what it writes to the descriptor is read from the one returned.
std::pair<pid_t, int> in_child(const std::function<void(int)>& work) {
  int ends[2];
  if (::pipe(ends) != 0) CAF_FAIL("no pipe");
  const auto child = ::fork();
  if (child == 0) {
    ::close(ends[0]);
    try {
      work(ends[1]);
    } catch (const std::exception& error) {
      ::_exit(1);
    }
    ::_exit(0);
  }
  ::close(ends[1]);
  return {child, ends[0]};
}

int end_of(pid_t child) {
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

/// Returns what the engine says to a user without special rights.
std::string refusal_as_nobody(const std::string& path) {
  const auto [child, answer] = in_child([&](int out) {
    constexpr uid_t nobody = 65534;
    if (::getuid() == 0 && (::setgid(nobody) != 0 || ::setuid(nobody) != 0)) ::_exit(2);
    const auto text = refusal(path);
    if (::write(out, text.data(), text.size()) < 0) ::_exit(3);
  });
  std::string result(4096, '\0');
  const auto size = ::read(answer, result.data(), result.size());
  result.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
  ::close(answer);
  CAF_CHECK_EQUAL(end_of(child), 0);
  return result;
}

/// A log of a few pages in a closed file.
struct closed_store : engine_fixture {
  closed_store() {
    auto writer = make_engine()->make_writer();
    writer->begin(true);
    const auto log = writer->open({{"ann"}, {"t1"}, at(0)});
    for (sequence seq = 1; seq <= 200; ++seq)
      writer->append({log.log, log.generation, {said(seq, std::string(500, 'x'))}});
    writer->commit();
  }

  void execute(const std::string& statement) {
    SQLite::Database{path(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE}.exec(statement);
  }
};

} // namespace

// -- what is on disk when ------------------------------------------------------------------------

CAF_TEST_FIXTURE_SCOPE(sqlite_on_disk, opened_engine)

CAF_TEST(a_durable_commit_has_synced_the_log_before_it_returns) {
  const auto log = open("ann", "t1");
  for (sequence seq = 1; seq <= 10; ++seq) {
    writer->begin(true);
    writer->append({log.log, log.generation, {said(seq, "durable")}, true});
    const auto before = disk.wal_syncs;
    writer->commit();
    CAF_CHECK_EQUAL(disk.wal_syncs, before + 1);
  }
}

CAF_TEST(commits_that_need_not_be_durable_cost_no_sync) {
  const auto log = open("ann", "t1");
  const auto before = disk.wal_syncs;
  for (sequence seq = 1; seq <= 100; ++seq)
    add(log, {said(seq, "quick")});
  CAF_CHECK_EQUAL(disk.wal_syncs, before);
}

CAF_TEST(a_disk_that_fails_to_sync_is_an_error_and_nothing_of_it_is_in_the_log) {
  const auto log = open("ann", "t1");
  add(log, {said(1, "before")});
  writer->begin(true);
  writer->append({log.log, log.generation, {said(2, "lost")}, true});
  disk.fail = true;
  std::string trouble;
  try {
    writer->commit();
  } catch (const storage_error& error) {
    trouble = error.what();
  }
  disk.fail = false;
  CAF_CHECK(says(trouble, path() + ": cannot be read or written"));
  CAF_CHECK_EQUAL(reader->messages({log.log}).messages.size(), 1u);
  CAF_CHECK(append(log, {said(2, "again")}, true)
            == (std::variant<events_appended, append_refusal>{events_appended{2}}));
}

CAF_TEST(nothing_committed_is_lost_when_the_process_is_killed) {
  // A child writes and tells each seq that it has committed; we kill it wherever it is, in a commit or a checkpoint,
  // reopen, and count.
  open("ann", "t1");
  writer.reset();
  reader.reset();
  std::mt19937 random{20'261'117};
  sequence checked = 0;
  for (int round = 1; round <= 20; ++round) {
    const auto [child, reports] = in_child([&](int out) {
      auto own = make_engine()->make_writer();
      own->begin(true);
      const auto log = own->open({{"ann"}, {"t1"}, at(0)});
      own->commit();
      SQLite::Database checkpointer{path(), SQLite::OPEN_READWRITE};
      for (auto seq = log.last + 1;; ++seq) {
        const auto durable = seq % 8 == 0;
        own->begin(durable);
        own->append({log.log, log.generation, {said(seq, std::string(4096, 'x'))}, durable});
        own->commit();
        if (::write(out, &seq, sizeof seq) != sizeof seq) ::_exit(3);
        if (seq % 16 == 0) checkpointer.execAndGet("PRAGMA wal_checkpoint(PASSIVE)");
      }
    });
    const auto kill_after = std::uniform_int_distribution{1, 100}(random);
    sequence reported = 0;
    sequence seq = 0;
    int count = 0;
    while (::read(reports, &seq, sizeof seq) == sizeof seq) {
      reported = seq;
      if (++count == kill_after) ::kill(child, SIGKILL);
    }
    ::close(reports);
    const auto status = end_of(child);
    CAF_REQUIRE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    reopen();
    const auto log = open("ann", "t1");
    CAF_CHECK_LESS_OR_EQUAL(reported, log.last);
    CAF_CHECK(reader->read({log.log, checked, log.last, 1'000'000, 1'000'000'000}).complete);
    checked = log.last;
    writer.reset();
    reader.reset();
  }
}

CAF_TEST(another_process_that_holds_the_database_is_an_error_until_it_lets_go) {
  const auto log = open("ann", "t1");
  SQLite::Database other{path(), SQLite::OPEN_READWRITE};
  other.exec("BEGIN IMMEDIATE");
  std::string trouble;
  try {
    writer->begin(false);
  } catch (const storage_error& error) {
    trouble = error.what();
  }
  CAF_CHECK(says(trouble, path() + ": is locked by another process"));
  writer->roll_back();
  writer.reset();
  CAF_CHECK(says(refusal(path()), path() + ": is locked by another process"));
  CAF_CHECK(reader->messages({log.log}).messages.empty());
  other.exec("ROLLBACK");
  CAF_CHECK_EQUAL(refusal(path()), "");
  writer = make_engine()->make_writer();
  add(log, {said(1, "at last")});
}

CAF_TEST(a_database_has_one_writer_at_a_time) {
  CAF_CHECK(says(refusal(path()), path() + ": another server uses this database"));
  writer.reset();
  CAF_CHECK_EQUAL(refusal(path()), "");
}

CAF_TEST_FIXTURE_SCOPE_END()

CAF_TEST(a_full_disk_is_an_error_and_passes_when_there_is_space_again) {
  const temporary_directory directory;
  if (::mount("tmpfs", directory.path().c_str(), "tmpfs", 0, "size=2m") != 0) {
    CAF_MESSAGE("skipped: only root, with the right to mount, can make a small disk here");
    return;
  }
  {
    const auto path = directory.file("gangway.db");
    auto engine = make_sqlite_engine(path);
    auto writer = engine->make_writer();
    auto reader = engine->make_reader();
    writer->begin(true);
    const auto log = writer->open({{"ann"}, {"t1"}, at(0)});
    writer->append({log.log, log.generation, {said(1, "before")}});
    writer->commit();
    write_file(directory.file("ballast"), std::string(4 * 1024 * 1024, 'x'));
    for (const auto durable : {false, true}) {
      std::string trouble;
      try {
        writer->begin(durable);
        writer->append({log.log, log.generation, {said(2, std::string(100'000, 'x'))}, durable});
        writer->commit();
      } catch (const storage_error& error) {
        trouble = error.what();
        writer->roll_back();
      }
      CAF_CHECK(says(trouble, path + ": the disk is full"));
      CAF_CHECK_EQUAL(reader->messages({log.log}).messages.size(), 1u);
    }
    std::filesystem::remove(directory.file("ballast"));
    writer->begin(true);
    writer->append({log.log, log.generation, {said(2, std::string(100'000, 'x'))}, true});
    writer->commit();
    CAF_CHECK_EQUAL(reader->messages({log.log}).messages.size(), 2u);
  }
  CAF_CHECK_EQUAL(::umount(directory.path().c_str()), 0);
}

// -- files that are refused ----------------------------------------------------------------------

CAF_TEST_FIXTURE_SCOPE(sqlite_files, closed_store)

CAF_TEST(a_file_of_ours_is_accepted_and_an_empty_one_becomes_one) {
  CAF_CHECK_EQUAL(refusal(path()), "");
  write_file(directory.file("empty.db"), "");
  CAF_CHECK_EQUAL(refusal(directory.file("empty.db")), "");
}

CAF_TEST(a_new_file_can_be_read_by_its_owner_alone) {
  struct stat status {};
  CAF_REQUIRE_EQUAL(::stat(path().c_str(), &status), 0);
  CAF_CHECK_EQUAL(status.st_mode & 0777, 0600u);
}

CAF_TEST(what_is_not_a_database_is_refused_and_left_alone) {
  const auto file = directory.file("notes.txt");
  const std::string notes(5000, 'n');
  write_file(file, notes);
  CAF_CHECK(says(refusal(file), file + ": is not a SQLite database; move it away, or change store.path"));
  CAF_CHECK(content_of(file) == notes);
}

CAF_TEST(the_database_of_another_program_is_refused_and_left_alone) {
  const auto file = directory.file("other.db");
  SQLite::Database{file, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE}.exec("CREATE TABLE events (x)");
  const auto before = content_of(file);
  CAF_CHECK(says(refusal(file), file + ": belongs to another program"));
  CAF_CHECK(content_of(file) == before);
}

CAF_TEST(a_file_cut_in_half_is_refused) {
  std::filesystem::resize_file(path(), std::filesystem::file_size(path()) / 2);
  CAF_CHECK(says(refusal(path()), path() + ": is damaged"));
}

CAF_TEST(a_file_with_a_garbled_page_is_refused) {
  const auto size = std::filesystem::file_size(path());
  std::fstream file{path(), std::ios::in | std::ios::out | std::ios::binary};
  file.seekp(static_cast<std::streamoff>(size / 2 / 4096 * 4096));
  file << std::string(4096, '\x7f');
  file.close();
  CAF_CHECK(says(refusal(path()), path() + ": is damaged"));
}

CAF_TEST(a_file_that_lacks_a_table_is_refused) {
  execute("DROP TABLE messages");
  CAF_CHECK(says(refusal(path()), path() + ": is not as this server made it"));
}

CAF_TEST(a_file_that_does_not_say_its_version_is_refused) {
  execute("DROP TABLE schema_version");
  CAF_CHECK(says(refusal(path()), path() + ": is damaged: it does not say its version"));
}

CAF_TEST(a_newer_file_is_refused_if_it_says_that_we_cannot_read_it) {
  execute("UPDATE schema_version SET version = 9, min_reader = 8");
  CAF_CHECK(says(refusal(path()), path() + ": was written by a newer server (schema 9, readable from schema 8 on"));
}

CAF_TEST(a_newer_file_is_accepted_if_it_says_that_we_can_read_it) {
  execute("UPDATE schema_version SET version = 9, min_reader = 1");
  CAF_CHECK_EQUAL(refusal(path()), "");
  CAF_CHECK_EQUAL(SQLite::Database(path()).execAndGet("SELECT version FROM schema_version").getInt(), 9);
}

CAF_TEST(a_path_that_cannot_be_a_database_is_refused) {
  CAF_CHECK(says(refusal(directory.path().string()), "is a directory"));
  CAF_CHECK(says(refusal(directory.file("missing/gangway.db")), "missing does not exist; create it"));
  CAF_CHECK(says(refusal(":memory:"), "must be the path of a file"));
  CAF_CHECK(says(refusal("file:x?mode=memory"), "must be the path of a file"));
  CAF_CHECK(!std::filesystem::exists(":memory:.lock"));
  CAF_CHECK(says(refusal(""), "must be the path of a file"));
}

CAF_TEST(a_file_or_directory_without_permission_is_refused) {
  std::filesystem::permissions(directory.path(), std::filesystem::perms{0755});
  ::chmod(path().c_str(), 0400);
  CAF_CHECK(says(refusal_as_nobody(path()), path() + ": cannot be read and written: Permission denied"));
  ::chmod(path().c_str(), 0666);
  std::filesystem::permissions(directory.path(), std::filesystem::perms{0555});
  CAF_CHECK(says(refusal_as_nobody(directory.file("new.db")), "new.db: cannot be created: Permission denied"));
  CAF_CHECK(says(refusal_as_nobody(path()), "cannot be written: Permission denied"));
  std::filesystem::permissions(directory.path(), std::filesystem::perms{0777});
  CAF_CHECK(says(refusal_as_nobody(path()), "gangway.db-ahead cannot be opened: Permission denied; check its owner"));
  ::chmod((path() + "-ahead").c_str(), 0666);
  CAF_CHECK_EQUAL(refusal_as_nobody(path()), "");
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace gangway::store_tests
