#pragma once

/// What the operating system says of this process.

#include <chrono>
#include <cstdint>
#include <optional>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// What the process uses now. What the system does not tell is left out.
struct process_use {
  std::optional<std::uint64_t> resident_bytes;
  std::optional<std::uint64_t> open_descriptors;
  std::optional<std::chrono::microseconds> processor_time; ///< of all its threads, since its start
  friend bool operator==(const process_use&, const process_use&) = default;
};

/// Returns what the process uses now. Cheap enough for an event loop that carries a hundred thousand sockets.
process_use read_process_use();

/// Returns when the process started, or nothing if the system does not tell. Worked out from clocks that drift: ask
/// once, so that the answer stays the same.
std::optional<utc_time> read_process_start();

/// Return how many descriptors are open: what the kernel keeps count of (Linux 6.2 and later; 0 from an older one), and
/// by asking for each. Listing /proc/self/fd takes more than ten times as long.
std::uint64_t descriptors_by_kernel();
std::uint64_t descriptors_by_trial();

} // namespace gangway
