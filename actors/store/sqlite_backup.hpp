#pragma once

/// A copy of a SQLite database that is in use.

#include <cstdint>
#include <functional>
#include <string>

namespace gangway::sqlite {

/// How far the write-ahead log may grow meanwhile: it cannot be emptied before the copy is made.
inline constexpr std::uintmax_t backup_log_bytes_max = 512 * 1024 * 1024;

/// Writes the database as it is at this moment to a new file that only its owner may read, and reads the file again to
/// see that it is whole. The copy is no server's: whoever restores it gets new epochs. Nobody waits for it, neither
/// writers nor readers. Throws `storage_error`, if `goes_on` says no before a piece or the write-ahead log grows too
/// far as well; then the file is gone.
void back_up(const std::string& database, const std::string& copy, const std::function<bool()>& goes_on);

} // namespace gangway::sqlite
