#include "net/loop_watchdog.hpp"

#include <pthread.h>

#include <algorithm>
#include <condition_variable>
#include <cstdlib>
#include <future>
#include <memory>
#include <mutex>
#include <stop_token>
#include <utility>
#include <vector>

namespace gangway {

namespace {

using std::chrono::milliseconds;

/// What is known of one loop's silence.
struct watched_loop {
  std::uint64_t beats = 0;
  std::chrono::steady_clock::duration silent{0};
};

[[noreturn]] void end_process(const loop_watchdog::log_line& log, std::size_t loop, milliseconds silent,
                              milliseconds stall_max) {
  const auto line = "event loop " + std::to_string(loop) + " has been silent for " + std::to_string(silent.count())
                    + " ms (limit " + std::to_string(stall_max.count())
                    + " ms): a handler blocks it; ending the process with status "
                    + std::to_string(loop_watchdog::exit_status);
  // The blocked handler may hold what the log needs. Its thread is left behind; the process ends anyway.
  const auto written = std::make_shared<std::promise<void>>();
  std::thread{[log, line, written] {
    if (log) log(line);
    written->set_value();
  }}.detach();
  written->get_future().wait_for(std::chrono::seconds{1});
  std::_Exit(loop_watchdog::exit_status);
}

void watch(const std::stop_token& stop, const event_loops& loops, milliseconds stall_max,
           const loop_watchdog::log_line& log) {
  ::pthread_setname_np(::pthread_self(), "loop.watchdog");
  const auto period = std::clamp(stall_max / 8, milliseconds{10}, milliseconds{500});
  std::vector<watched_loop> watched(loops.size());
  std::mutex mutex;
  std::condition_variable_any wake;
  std::unique_lock guard{mutex};
  for (auto last = std::chrono::steady_clock::now(); !stop.stop_requested();) {
    wake.wait_for(guard, stop, period, [] { return false; });
    const auto now = std::chrono::steady_clock::now();
    const auto seen = std::min<std::chrono::steady_clock::duration>(now - std::exchange(last, now), 2 * period);
    for (std::size_t index = 0; index < watched.size(); ++index) {
      auto& loop = watched[index];
      const auto beats = loops.beats(index);
      if (!loops.turning(index) || std::exchange(loop.beats, beats) != beats)
        loop.silent = {};
      else if ((loop.silent += seen) >= stall_max)
        end_process(log, index, std::chrono::duration_cast<milliseconds>(loop.silent), stall_max);
    }
  }
}

} // namespace

loop_watchdog::loop_watchdog(const event_loops& loops, milliseconds stall_max, log_line log)
    : thread_([&loops, stall_max, log = std::move(log)](const std::stop_token& stop) {
        watch(stop, loops, stall_max, log);
      }) {}

} // namespace gangway
