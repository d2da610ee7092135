#include "actors/store/file_lock.hpp"

#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include "actors/store/engine.hpp"

namespace gangway::sqlite {

namespace {

// A link to a database is the same database.
std::string lock_of(const std::string& path) {
  std::error_code ignored;
  const auto real = std::filesystem::weakly_canonical(path, ignored);
  return (ignored ? path : real.string()) + ".lock";
}

} // namespace

// Where no lock can be made, the database itself says next what is wrong with the place.
file_lock::file_lock(const std::string& path)
    : descriptor_{::open(lock_of(path).c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600)} {
  if (descriptor_ < 0 || ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(descriptor_);
  throw storage_error{path + ": another server uses this database; end it first, or set store.path"};
}

file_lock::~file_lock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

} // namespace gangway::sqlite
