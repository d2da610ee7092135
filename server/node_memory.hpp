#pragma once

/// How much memory this process uses, and how much it may: against what the kernel would kill it for.

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace gangway {

/// Returns a file's text, or nothing if it cannot be read.
using file_reader = std::function<std::optional<std::string>(const std::string& path)>;

/// Reads a small file, such as those of /proc and /sys.
std::optional<std::string> read_small_file(const std::string& path);

/// Returns the limit that the text of `memory.max` (cgroup v2) or `memory.limit_in_bytes` (v1) states, or nothing if
/// that is none: "max", or v1's number near 2^63.
std::optional<std::uint64_t> parse_memory_limit(std::string_view text) noexcept;

/// Returns the bytes that the line `MemTotal` of /proc/meminfo states.
std::optional<std::uint64_t> parse_memory_total(std::string_view meminfo) noexcept;

/// Returns the bytes that /proc/self/statm states as resident (proc(5)): its second number, in pages.
std::optional<std::uint64_t> parse_resident(std::string_view statm, std::uint64_t page_size) noexcept;

/// Returns the files that may state a limit for a process with this /proc/self/cgroup: those of its group and of every
/// group around it, in v2 and v1. In a container whose own root is not shown in the path, only the outermost exists,
/// and it is the container's.
std::vector<std::string> memory_limit_files(std::string_view cgroups);

/// Returns how many bytes this process may use: the tightest of its cgroups' limits and the machine's memory; 0 if
/// nothing states one.
std::uint64_t find_memory_max(const file_reader& read);

/// Returns how many bytes this process uses: its resident set. The cgroup's own count would include the page cache of
/// the database, which the kernel takes back when it is short. 0 if unknown.
std::uint64_t find_memory_used(const file_reader& read);

} // namespace gangway
