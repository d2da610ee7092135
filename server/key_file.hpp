#pragma once

#include <string>
#include <variant>

namespace gangway {

/// What a file holds.
struct file_text {
  std::string text;
};

/// Reads a file of keys or certificates. Returns why it cannot be had instead: "it cannot be read: No such file or
/// directory". A folder, a pipe and a device are no files here, so that nothing waits; 256 KiB is the most.
std::variant<file_text, std::string> read_key_file(const std::string& path);

} // namespace gangway
