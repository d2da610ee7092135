#include "actors/store/ahead_notes.hpp"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include <unistd.h>

#include "actors/store/beside.hpp"
#include "actors/store/engine.hpp"

namespace gangway {

namespace {

// The first number says what the file is; the others are log ids, 0 where there is none.
constexpr log_id mark = 0x676e677761686431; // "gngwahd1"
constexpr std::size_t numbers = ahead_notes::notes_max + 1;

} // namespace

ahead_notes::ahead_notes(const std::string& database)
    : path_{path_beside(database, "-ahead")}, descriptor_{open_beside(path_)} {
  if (descriptor_ < 0) fail("cannot be opened");
  if (::lseek(descriptor_, 0, SEEK_END) > 0) {
    if (read()[0] == mark) return;
    ::close(descriptor_);
    throw storage_error{path_ + " is not as this server made it; move it away"};
  }
  // Written, not just reserved: some file systems take the place only then.
  std::vector<log_id> empty(numbers, 0);
  empty[0] = mark;
  const auto bytes = static_cast<ssize_t>(numbers * sizeof(log_id));
  if (::pwrite(descriptor_, empty.data(), static_cast<std::size_t>(bytes), 0) != bytes) {
    const auto error = errno;
    ::unlink(path_.c_str());
    ::close(descriptor_);
    errno = error;
    fail("cannot be written");
  }
}

ahead_notes::~ahead_notes() { ::close(descriptor_); }

void ahead_notes::note(log_id log) {
  const auto known = read();
  if (std::find(known.begin() + 1, known.end(), log) != known.end()) return;
  const auto free = std::find(known.begin() + 1, known.end(), 0);
  if (free == known.end()) throw storage_error{path_ + " is full"};
  write(static_cast<std::size_t>(free - known.begin()), log);
}

void ahead_notes::forget(log_id log) {
  const auto known = read();
  for (std::size_t place = 1; place < known.size(); ++place)
    if (known[place] == log) write(place, 0);
}

bool ahead_notes::contains(log_id log) const {
  const auto known = read();
  return std::find(known.begin() + 1, known.end(), log) != known.end();
}

std::vector<log_id> ahead_notes::all() const {
  auto result = read();
  result.erase(result.begin());
  std::erase(result, 0);
  return result;
}

// A file that is shorter than it was made has nothing there.
std::vector<log_id> ahead_notes::read() const {
  std::vector<log_id> result(numbers, 0);
  if (::pread(descriptor_, result.data(), numbers * sizeof(log_id), 0) < 0) fail("cannot be read");
  return result;
}

void ahead_notes::write(std::size_t place, log_id log) {
  if (::pwrite(descriptor_, &log, sizeof log, static_cast<off_t>(place * sizeof log)) != sizeof log)
    fail("cannot be written");
}

void ahead_notes::fail(const char* what) const {
  throw storage_error{path_ + " " + what + ": " + std::strerror(errno) + "; check its owner, its mode and the disk"};
}

} // namespace gangway
