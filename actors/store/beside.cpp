#include "actors/store/beside.hpp"

#include <filesystem>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>

namespace gangway {

std::string path_beside(const std::string& database, const char* suffix) {
  std::error_code ignored;
  const auto real = std::filesystem::weakly_canonical(database, ignored);
  return (ignored ? database : real.string()) + suffix;
}

int open_beside(const std::string& path) noexcept {
  const auto result = ::open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  // It may have come from a copy that was read by all. Who does not own it cannot change that.
  if (result >= 0 && ::fchmod(result, 0600) != 0) return result;
  return result;
}

} // namespace gangway
