#pragma once

#include "net/event_loops.hpp"

#include <chrono>
#include <functional>
#include <string>
#include <thread>

namespace gangway {

/// Ends the process when an event loop is silent for too long.
///
/// A handler that blocks stops its loop, and with it every socket and actor on it; nothing inside can kill it. So a
/// plain thread watches the loops' heartbeats, and when one has been missing for `stall_max` it logs one line and ends
/// the process with `exit_status`, without destructors: its runner starts it again, clients resume. Loops that do not
/// run yet, or have ended, are not watched, but one that hangs while it is being stopped is.
///
/// Time in which the whole process was stopped (a debugger, a frozen cgroup) does not count: the watchdog only counts
/// time that it has seen pass itself.
class loop_watchdog {
public:
  /// The exit status of a process that ends because a loop was silent. Nothing else in Gangway uses it.
  static constexpr int exit_status = 86;

  /// Receives the line that says why the process ends, on a thread of its own; it has one second to write it out.
  using log_line = std::function<void(const std::string& line)>;

  /// Starts watching.
  /// @pre `loops` outlives the watchdog, and `stall_max` is at least four heartbeats (200 ms)
  loop_watchdog(const event_loops& loops, std::chrono::milliseconds stall_max, log_line log);

  /// Stops watching.
  ~loop_watchdog() = default;

private:
  std::jthread thread_;
};

} // namespace gangway
