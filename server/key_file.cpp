#include "server/key_file.hpp"

#include <cerrno>
#include <cstring>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gangway {

namespace {

constexpr std::size_t bytes_max = 256 * 1024;

} // namespace

std::variant<file_text, std::string> read_key_file(const std::string& path) {
  const auto complain = [](int error) { return "it cannot be read: " + std::string{std::strerror(error)}; };
  const int descriptor = ::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0) return complain(errno);
  struct stat what {};
  file_text result;
  result.text.resize(bytes_max + 1);
  const bool is_file = ::fstat(descriptor, &what) == 0 && S_ISREG(what.st_mode);
  const auto size = is_file ? ::read(descriptor, result.text.data(), result.text.size()) : 0;
  const int error = errno;
  ::close(descriptor);
  if (!is_file) return "it is no regular file";
  if (size < 0) return complain(error);
  if (static_cast<std::size_t>(size) > bytes_max) return "it is larger than 256 KiB";
  result.text.resize(static_cast<std::size_t>(size));
  // Behind a byte order mark OpenSSL does not see that a key begins, and goes on with the next one.
  if (result.text.starts_with("\xef\xbb\xbf")) result.text.erase(0, 3);
  return result;
}

} // namespace gangway
