#pragma once

#include <string>

namespace gangway::sqlite {

/// Keeps a database for one server: SQLite lets several write by turns, and they would take each other's threads away.
/// The lock is on a file beside the database, and goes with the process, however it ends.
class file_lock {
public:
  /// Locks `path`.lock. Throws `storage_error` if somebody has it.
  explicit file_lock(const std::string& path);

  file_lock(const file_lock&) = delete;
  file_lock& operator=(const file_lock&) = delete;
  ~file_lock();

private:
  int descriptor_ = -1;
};

} // namespace gangway::sqlite
