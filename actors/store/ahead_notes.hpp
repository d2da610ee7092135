#pragma once

/// Which logs had events shown that were not in them: kept beside the database, in a file whose place on the disk was
/// taken at the start, so that it can be written when the database cannot.

#include <string>
#include <vector>

#include "protocol/store_messages.hpp"

namespace gangway {

/// A file of log ids. One thread may note while another forgets.
class ahead_notes {
public:
  /// How many logs can be noted at once.
  static constexpr std::size_t notes_max = 511;

  /// Opens the file that belongs to a database, or makes it. Throws `storage_error`.
  explicit ahead_notes(const std::string& database);
  ~ahead_notes();
  ahead_notes(const ahead_notes&) = delete;
  ahead_notes& operator=(const ahead_notes&) = delete;

  /// Notes a log; twice is once. A process that is killed leaves the note, a machine that fails may not. Throws
  /// `storage_error` if that cannot be done.
  void note(log_id log);

  /// Takes the note back, if there is one. Throws `storage_error`; then it stands.
  void forget(log_id log);

  /// Returns whether there is a note of a log.
  bool contains(log_id log) const;

  /// Returns all that are noted. Throws `storage_error`.
  std::vector<log_id> all() const;

private:
  std::vector<log_id> read() const;
  void write(std::size_t place, log_id log);
  [[noreturn]] void fail(const char* what) const;

  std::string path_;
  int descriptor_ = -1;
};

} // namespace gangway
