#include "actors/store/sqlite_backup.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>
#include <memory>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "actors/store/sqlite_connection.hpp"
#include "actors/store/sqlite_schema.hpp"

namespace gangway::sqlite {

namespace {

// 4 MiB: between two pieces the copy can be given up.
constexpr int pages_at_once = 1024;

// Of SQLite's machine: a millisecond or so.
constexpr int steps_between_looks = 10'000;

// What the server itself must be able to write meanwhile.
constexpr std::uintmax_t room_left = 64 * 1024 * 1024;

[[noreturn]] void fail(const std::string& copy, const std::string& why) {
  throw storage_error{"backup " + copy + ": " + why};
}

std::uintmax_t size_of(const std::string& path) {
  std::error_code error;
  const auto size = std::filesystem::file_size(path, error);
  return error ? 0 : size;
}

void make_file(const std::string& copy) {
  ::unlink(copy.c_str());
  const auto descriptor = ::open(copy.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
  if (descriptor < 0) fail(copy, std::string{"cannot be created: "} + std::strerror(errno));
  ::close(descriptor);
}

void require_room(const std::string& database, const std::string& copy) {
  struct statvfs disk {};
  if (::statvfs(copy.c_str(), &disk) != 0) return;
  const auto room = std::uintmax_t{disk.f_bavail} * disk.f_frsize;
  if (room < size_of(database) + size_of(database + "-wal") + room_left)
    fail(copy, "no room for it: it takes as much as the database");
}

// A transaction that reads holds what it read first, so that no commit makes the copy begin anew.
void copy_pages(connection& from, connection& to, const std::function<bool()>& goes_on) {
  from.database().exec("BEGIN");
  from.database().execAndGet("SELECT count(*) FROM sqlite_schema");
  to.database().exec("PRAGMA journal_mode = OFF");
  to.database().exec("PRAGMA synchronous = OFF");
  const std::unique_ptr<sqlite3_backup, decltype(&::sqlite3_backup_finish)> backup{
      ::sqlite3_backup_init(to.database().getHandle(), "main", from.database().getHandle(), "main"),
      ::sqlite3_backup_finish};
  if (!backup) fail(to.path(), "cannot be begun");
  const auto log = from.path() + "-wal";
  for (;;) {
    if (!goes_on()) fail(to.path(), "given up");
    if (size_of(log) > backup_log_bytes_max) fail(to.path(), "took too long: the write-ahead log grew too far");
    const auto result = ::sqlite3_backup_step(backup.get(), pages_at_once);
    if (result == SQLITE_DONE) break;
    if (result != SQLITE_OK) fail(to.path(), std::string{"cannot be written: "} + ::sqlite3_errstr(result));
  }
  from.database().exec("ROLLBACK");
}

// Ends what SQLite does.
int given_up(void* goes_on) { return (*static_cast<std::function<bool()>*>(goes_on))() ? 0 : 1; }

void sync(const std::string& copy) {
  const auto descriptor = ::open(copy.c_str(), O_RDWR | O_CLOEXEC);
  const auto failed = descriptor < 0 || ::fsync(descriptor) != 0;
  const auto error = errno;
  if (descriptor >= 0) ::close(descriptor);
  if (failed) fail(copy, std::string{"cannot be synced: "} + std::strerror(error));
}

} // namespace

void back_up(const std::string& database, const std::string& copy, const std::function<bool()>& goes_on) {
  auto looks = goes_on;
  make_file(copy);
  try {
    require_room(database, copy);
    {
      connection to{copy, access::write};
      to.guarded([&] {
        {
          connection from{database, access::read};
          from.guarded([&] { copy_pages(from, to, goes_on); });
        }
        // One file, with nothing beside it, until a server opens it.
        to.database().exec("PRAGMA journal_mode = DELETE");
        to.database().exec("UPDATE start_mark SET mark = 'backup'");
        ::sqlite3_progress_handler(to.database().getHandle(), steps_between_looks, given_up, &looks);
        check_pages(to);
      });
    }
    sync(copy);
  } catch (const storage_error&) {
    for (const auto* suffix : {"", "-journal", "-wal", "-shm"})
      ::unlink((copy + suffix).c_str());
    throw;
  }
}

} // namespace gangway::sqlite
