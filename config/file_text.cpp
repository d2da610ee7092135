#include "config/file_text.hpp"

#include <cerrno>
#include <cstring>
#include <system_error>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gangway {

std::string absolute_path(const std::filesystem::path& file) {
  std::error_code failure;
  const auto result = std::filesystem::absolute(file, failure);
  return (failure ? file : result.lexically_normal()).string();
}

std::variant<file_text, file_fault> read_text(const std::filesystem::path& file, std::size_t bytes_max, bool or_pipe) {
  const auto name = absolute_path(file);
  const auto complain = [&](const std::string& reason) { return file_fault{name + ": cannot be read: " + reason}; };
  const int descriptor = ::open(file.c_str(), O_RDONLY | O_CLOEXEC | (or_pipe ? 0 : O_NONBLOCK));
  if (descriptor < 0) return complain(std::strerror(errno));
  struct stat what {};
  const bool is_known = ::fstat(descriptor, &what) == 0;
  const bool is_file = is_known && (S_ISREG(what.st_mode) || (or_pipe && S_ISFIFO(what.st_mode)));
  std::string text(is_file ? bytes_max + 1 : 0, '\0');
  std::size_t size = 0;
  ssize_t count = 0;
  while (size < text.size() && (count = ::read(descriptor, text.data() + size, text.size() - size)) > 0)
    size += static_cast<std::size_t>(count);
  const int error = errno;
  ::close(descriptor);
  if (is_known && S_ISDIR(what.st_mode)) return complain(std::strerror(EISDIR));
  if (!is_file) return file_fault{name + ": is no regular file"};
  if (count < 0) return complain(std::strerror(error));
  if (size > bytes_max) return file_fault{name + ": is larger than " + std::to_string(bytes_max / 1024) + " KiB"};
  text.resize(size);
  // Editors put a byte order mark there. Behind one OpenSSL does not see that a key begins, and no issuer signs with
  // it.
  if (text.starts_with("\xef\xbb\xbf")) text.erase(0, 3);
  const bool is_ours = what.st_uid == ::geteuid();
  return file_text{std::move(text), S_ISREG(what.st_mode) && (what.st_mode & (S_IWGRP | S_IWOTH)) != 0,
                   S_ISREG(what.st_mode)
                       && ((what.st_mode & S_IROTH) != 0 || (is_ours && (what.st_mode & S_IRGRP) != 0))};
}

std::variant<file_text, file_fault> read_trusted_text(const std::filesystem::path& file, std::size_t bytes_max,
                                                      bool or_pipe) {
  auto result = read_text(file, bytes_max, or_pipe);
  if (const auto* read = std::get_if<file_text>(&result); read != nullptr && read->others_may_write)
    return file_fault{absolute_path(file) + ": can be written by others than its owner: chmod go-w it"};
  return result;
}

std::string complain_about_place(const std::filesystem::path& file) {
  const auto name = absolute_path(file);
  const auto folder = std::filesystem::path{name}.parent_path();
  struct stat what {};
  if (::stat(folder.c_str(), &what) != 0) return "its folder " + folder.string() + ": " + std::strerror(errno);
  if (!S_ISDIR(what.st_mode)) return "its folder " + folder.string() + ": " + std::strerror(ENOTDIR);
  // As the effective user, and without making anything.
  if (::faccessat(AT_FDCWD, folder.c_str(), W_OK | X_OK, AT_EACCESS) != 0)
    return "its folder " + folder.string() + " cannot be written: " + std::strerror(errno);
  if (::stat(name.c_str(), &what) != 0) return errno == ENOENT ? std::string{} : name + ": " + std::strerror(errno);
  if (!S_ISREG(what.st_mode)) return name + " is no regular file";
  if (::faccessat(AT_FDCWD, name.c_str(), R_OK | W_OK, AT_EACCESS) != 0)
    return name + " cannot be read and written: " + std::strerror(errno);
  return {};
}

} // namespace gangway
