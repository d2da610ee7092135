#pragma once

#include <boost/asio/executor_work_guard.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>

#include <atomic>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <thread>
#include <utility>
#include <vector>

namespace gangway {

/// Owns the event loops: one io_context and one thread each, one loop per core.
///
/// Sockets and actors share them. The object must outlive the actor system that runs on it, because sockets, timers and
/// queued handlers live in the contexts. It knows nothing of actors: the scheduler starts and stops it.
class event_loops {
public:
  /// What `current` returns on a thread that runs no loop.
  static constexpr std::size_t npos = static_cast<std::size_t>(-1);

  /// How often each loop's heartbeat is due. A stall that is shorter may go unseen.
  static constexpr std::chrono::milliseconds beat_interval{50};

  /// The life of a loop's thread; `turn` runs the loop until it is stopped and must be called once.
  using thread_body = std::function<void(const std::function<void()>& turn)>;

  /// Makes `count` loops that do not run yet; what is posted meanwhile waits.
  /// @pre `count` > 0
  explicit event_loops(std::size_t count);

  /// Stops the loops if `stop` has not.
  ~event_loops();

  event_loops(const event_loops&) = delete;
  event_loops& operator=(const event_loops&) = delete;

  std::size_t size() const noexcept { return loops_.size(); }

  /// Returns the io_context of loop `index`.
  /// @pre `index` < `size()`
  boost::asio::io_context& context(std::size_t index) { return loops_[index].context; }

  /// Returns the index of the loop that the calling thread runs, or `npos`.
  std::size_t current() const noexcept;

  /// Starts one named thread per loop. `around` lets a thread be announced to others before and after it turns.
  /// @pre called once, and not after `stop`
  void run(thread_body around = {});

  /// Ends the threads after the handlers that they are in, then runs on the calling thread what was still queued and
  /// ready, with `current()` == `npos`: a handler that owns something gets its chance to give it back. Nothing can be
  /// posted with `post` afterwards. Later calls do nothing.
  /// @pre not called on a loop
  void stop();

  /// Posts `handler` to loop `index`, never runs it inline. Handlers posted by one thread run in the order posted.
  /// Returns false, with `handler` untouched, once the loops have been stopped: what is posted is never lost unseen.
  template <class Handler>
  bool post(std::size_t index, Handler&& handler) {
    auto& target = loops_[index];
    if (current() == index) {
      // The loop closes only after this thread has been joined: no lock needed.
      boost::asio::post(target.context, std::forward<Handler>(handler));
      return true;
    }
    const std::lock_guard guard{target.gate};
    if (target.closed) return false;
    boost::asio::post(target.context, std::forward<Handler>(handler));
    return true;
  }

  /// Returns how late loop `index` was at its worst within the last one to two seconds, including a stall that goes on
  /// right now; zero before it runs. From any thread: verdicts about peers are void while their loop lagged.
  std::chrono::nanoseconds lag(std::size_t index) const noexcept;

  /// Returns whether the thread of loop `index` runs: from its start until it has left its last handler.
  bool turning(std::size_t index) const noexcept;

  /// Returns how many heartbeats loop `index` has had. A number that stands still is a loop that is blocked.
  std::uint64_t beats(std::size_t index) const noexcept;

private:
  using clock = std::chrono::steady_clock;

  struct loop {
    boost::asio::io_context context{1};
    boost::asio::executor_work_guard<boost::asio::io_context::executor_type> guard{context.get_executor()};
    boost::asio::steady_timer heart{context};
    std::thread thread;

    // Orders posts of other threads against the end of the loop.
    std::mutex gate;
    bool closed = false;

    // Written by the loop alone, read by whoever looks; plain stores and loads.
    std::atomic<bool> turning{false};
    std::atomic<std::uint64_t> beats{0};
    std::atomic<std::int64_t> due{0};
    std::atomic<std::int64_t> worst_of_this_window{0};
    std::atomic<std::int64_t> worst_of_last_window{0};
  };

  static void await_beat(loop& which);
  static void on_beat(loop& which);

  std::vector<loop> loops_;
  bool ran_ = false;
  bool stopped_ = false;
};

} // namespace gangway
