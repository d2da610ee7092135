#include "actors/store/file_lock.hpp"

#include <sys/file.h>
#include <unistd.h>

#include "actors/store/beside.hpp"
#include "actors/store/engine.hpp"

namespace gangway::sqlite {

// Where no lock can be made, the database itself says next what is wrong with the place.
file_lock::file_lock(const std::string& path) : descriptor_{open_beside(path_beside(path, ".lock"))} {
  if (descriptor_ < 0 || ::flock(descriptor_, LOCK_EX | LOCK_NB) == 0) return;
  ::close(descriptor_);
  throw storage_error{path + ": another server uses this database; end it first, or set store.path"};
}

file_lock::~file_lock() {
  if (descriptor_ >= 0) ::close(descriptor_);
}

} // namespace gangway::sqlite
