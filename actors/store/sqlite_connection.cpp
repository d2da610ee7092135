#include "actors/store/sqlite_connection.hpp"

#include <cerrno>
#include <cstring>
#include <filesystem>

#include <fcntl.h>
#include <sqlite3.h>
#include <unistd.h>

namespace gangway::sqlite {

namespace {

[[noreturn]] void refuse(const std::string& path, const std::string& why, bool is_damage = false) {
  throw storage_error{"database " + path + ": " + why, is_damage};
}

bool is_damage(int code) noexcept { return (code & 0xff) == SQLITE_CORRUPT || (code & 0xff) == SQLITE_NOTADB; }

} // namespace

const std::string& require_path_of_file(const std::string& path) {
  if (path.empty() || path == ":memory:" || path.starts_with("file:"))
    refuse(path, "must be the path of a file, since readers open it too");
  return path;
}

namespace {

// SQLite says "unable to open database file" to all of these. The file is made here, and only if there is none: to
// open and close an existing one would drop the locks that this process's other connections hold (POSIX).
void check_path(const std::string& path, access wanted) {
  require_path_of_file(path);
  const auto file = std::filesystem::path{path};
  const auto directory = file.has_parent_path() ? file.parent_path() : std::filesystem::path{"."};
  std::error_code error;
  const auto status = std::filesystem::status(file, error);
  if (status.type() == std::filesystem::file_type::directory) refuse(path, "is a directory; name a file inside it");
  if (status.type() == std::filesystem::file_type::not_found) {
    if (!std::filesystem::is_directory(directory, error))
      refuse(path, "the directory " + directory.string() + " does not exist; create it, or change store.path");
    if (wanted == access::read) refuse(path, "does not exist");
    const auto descriptor = ::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (descriptor < 0 && errno != EEXIST)
      refuse(path, std::string{"cannot be created: "} + std::strerror(errno) + "; check the directory's permissions");
    if (descriptor >= 0) ::close(descriptor);
    return;
  }
  if (::access(path.c_str(), R_OK | W_OK) != 0)
    refuse(path, std::string{"cannot be read and written: "} + std::strerror(errno) + "; check its owner and mode");
  // The write-ahead log is made beside it.
  if (wanted == access::write && ::access(directory.c_str(), W_OK | X_OK) != 0)
    refuse(path, "the directory " + directory.string() + " cannot be written: " + std::strerror(errno));
}

// Returns what an operator should read. SQLite's own words never hold any content.
const char* advice(int code) noexcept {
  switch (code & 0xff) {
  case SQLITE_FULL:
    return "the disk is full; free some space";
  case SQLITE_BUSY:
  case SQLITE_LOCKED:
    return "is locked by another process; is a second server running on it?";
  case SQLITE_READONLY:
  case SQLITE_PERM:
    return "cannot be written; check its owner, its mode, and whether its file system is read-only";
  case SQLITE_NOTADB:
    return "is not a SQLite database; move it away, or change store.path";
  case SQLITE_CORRUPT:
    return "is damaged; restore it from a backup, or move it away to start empty";
  case SQLITE_CANTOPEN:
    return "cannot be opened; check the permissions of the file and its directory";
  case SQLITE_IOERR:
    return "cannot be read or written; check the disk";
  case SQLITE_ERROR:
    return "is not as this server made it; restore it from a backup, or move it away to start empty";
  case SQLITE_NOMEM:
    return "memory ran out";
  default:
    return "the database engine failed";
  }
}

} // namespace

connection::connection(const std::string& path, access wanted) : path_{path} {
  check_path(path, wanted);
  guarded([&] {
    const auto flags =
        (wanted == access::write ? SQLite::OPEN_READWRITE : SQLite::OPEN_READONLY) | SQLite::OPEN_NOMUTEX;
    database_.emplace(path, flags, busy_timeout_ms);
  });
}

bool connection::in_transaction() const noexcept { return sqlite3_get_autocommit(database_->getHandle()) == 0; }

void connection::fail() const {
  try {
    throw;
  } catch (const SQLite::Exception& error) {
    refuse(path_,
           std::string{advice(error.getErrorCode())} + " (SQLite error " + std::to_string(error.getExtendedErrorCode())
               + ": " + error.what() + ")",
           is_damage(error.getErrorCode()));
  } catch (const std::exception&) {
    // Not its text: it may quote what was being stored.
    refuse(path_, "the event could not be turned into a row");
  }
}

} // namespace gangway::sqlite
