#pragma once

/// A mark beside the database that is in the database too: new at every start, so that a database that was put in the
/// place of another, from a backup, is known. Beside it stands how far the log had come, so that a backup that was
/// taken since the start is known as well.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>

#include "protocol/store_messages.hpp"

namespace gangway {

/// The end of the log that was written last.
struct log_end {
  log_id log = 0; ///< 0: none was written since the mark was made
  sequence last = 0;
  friend bool operator==(const log_end&, const log_end&) = default;
};

/// What stands beside the database.
struct mark_beside {
  std::string mark;
  std::string next; ///< the mark that the database is about to get, or has got; empty: none
  std::string boot; ///< the start of the machine in which this was written
  log_end written;  ///< a machine that failed may have lost it
  log_end synced;
  friend bool operator==(const mark_beside&, const mark_beside&) = default;
};

/// What the database says of itself.
struct mark_inside {
  std::string mark; ///< empty: no server that knows marks had it yet
  bool is_empty = false;
};

/// Returns whether a database is not the one that was written here last, but an older state of it or another one.
/// `last_of` returns the last sequence of a log in it. Pure.
bool is_restored(const mark_inside& inside, const std::optional<mark_beside>& beside, const std::string& boot,
                 const std::function<std::optional<sequence>(log_id)>& last_of);

/// Returns a mark that nobody had before.
std::string make_mark();

/// Its place is in the file of the ahead notes, behind them. A process that is killed leaves what was written.
class start_mark {
public:
  /// Opens the file that belongs to a database. @pre its `ahead_notes` were opened. Throws `storage_error`.
  explicit start_mark(const std::string& database);
  ~start_mark();
  start_mark(const start_mark&) = delete;
  start_mark& operator=(const start_mark&) = delete;

  /// Returns what stands there; nothing if that is nothing that this server wrote.
  std::optional<mark_beside> read() const;

  /// Writes it; `synced`: to the disk. Throws `storage_error`.
  void write(const mark_beside& what, bool synced);

private:
  [[noreturn]] void fail(const char* what) const;

  std::string path_;
  int descriptor_ = -1;
};

} // namespace gangway
