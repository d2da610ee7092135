#pragma once

/// Files that an operator names, and what is in the way of one.

#include <cstddef>
#include <filesystem>
#include <string>
#include <variant>

namespace gangway {

/// What a file holds, without a byte order mark before it.
struct file_text {
  std::string text;
  bool others_may_write = false; ///< others than its owner; of what a link leads to, as mounted secrets are links
  bool others_may_read = false;  ///< not counting the group of a file that is not ours: then that is how we read it
};

/// Why a file cannot be had: "/etc/gangway/key.pem: cannot be read: No such file or directory".
struct file_fault {
  std::string reason;
};

/// Returns what a file of at most `bytes_max` bytes holds. A folder and a device are none; nor is a pipe, which might
/// be waited for, unless `or_pipe` (a shell's `<(…)`).
std::variant<file_text, file_fault> read_text(const std::filesystem::path& file, std::size_t bytes_max,
                                              bool or_pipe = false);

/// The same of a file that must be trusted, a secret or a key: whoever may write it could sign in as anybody. One that
/// others may write is refused.
std::variant<file_text, file_fault> read_trusted_text(const std::filesystem::path& file, std::size_t bytes_max,
                                                      bool or_pipe = false);

/// Returns the absolute path, as complaints name it: where a relative one began is not known to who reads them.
std::string absolute_path(const std::filesystem::path& file);

/// Returns what is in the way of keeping a database in this file: its folder is missing or cannot be written, or the
/// file itself cannot. Nothing is opened or made. Empty if nothing is.
std::string complain_about_place(const std::filesystem::path& file);

} // namespace gangway
