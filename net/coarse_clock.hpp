#pragma once

#include <chrono>
#include <ctime>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// Returns the time of the steady clock at the kernel's last tick, up to some milliseconds ago: for what happens with
/// every frame, where to read the clock itself would cost more than what it is read for.
inline steady_time coarse_now() noexcept {
  timespec time{};
  ::clock_gettime(CLOCK_MONOTONIC_COARSE, &time);
  return steady_time{std::chrono::seconds{time.tv_sec} + std::chrono::nanoseconds{time.tv_nsec}};
}

} // namespace gangway
