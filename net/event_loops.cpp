#include "net/event_loops.hpp"

#include <pthread.h>

#include <algorithm>
#include <string>

namespace gangway {

namespace {

// A window of heartbeats lasts about a second.
constexpr std::uint64_t beats_per_window = std::chrono::seconds{1} / event_loops::beat_interval;

// What `stop` grants handlers that keep posting to each other.
constexpr std::chrono::seconds rest_max{2};

// Which loop this thread runs. The owner is part of it because tests run several sets of loops in one process.
struct place {
  const event_loops* owner = nullptr;
  std::size_t index = event_loops::npos;
};

thread_local place here;

std::int64_t nanoseconds_of(std::chrono::steady_clock::time_point when) noexcept {
  return std::chrono::nanoseconds{when.time_since_epoch()}.count();
}

} // namespace

event_loops::event_loops(std::size_t count) : loops_(count) {}

event_loops::~event_loops() { stop(); }

std::size_t event_loops::current() const noexcept { return here.owner == this ? here.index : npos; }

void event_loops::run(thread_body around) {
  ran_ = true;
  for (std::size_t index = 0; index < loops_.size(); ++index) {
    auto& which = loops_[index];
    boost::asio::post(which.context, [&which] { await_beat(which); });
    which.turning.store(true);
    which.thread = std::thread{[this, index, around] {
      auto& own = loops_[index];
      here = {this, index};
      ::pthread_setname_np(::pthread_self(), ("loop." + std::to_string(index)).c_str());
      const auto turn = [&own] { own.context.run(); };
      if (around)
        around(turn);
      else
        turn();
      own.turning.store(false);
    }};
  }
}

void event_loops::stop() {
  if (stopped_) return;
  stopped_ = true;
  for (auto& which : loops_) {
    which.guard.reset();
    which.context.stop();
  }
  for (auto& which : loops_)
    if (which.thread.joinable()) which.thread.join();
  // All of them close before the first is emptied: what a remaining handler posts to another loop is refused, not lost.
  for (auto& which : loops_) {
    const std::lock_guard guard{which.gate};
    which.closed = true;
    which.context.restart();
  }
  const auto deadline = clock::now() + rest_max;
  for (bool more = true; more && clock::now() < deadline;) {
    more = false;
    for (auto& which : loops_)
      while (clock::now() < deadline && which.context.poll_one() > 0)
        more = true;
  }
}

void event_loops::await_beat(loop& which) {
  const auto due = clock::now() + beat_interval;
  which.due.store(nanoseconds_of(due), std::memory_order_relaxed);
  which.heart.expires_at(due);
  which.heart.async_wait([&which](const boost::system::error_code& error) {
    if (!error) on_beat(which);
  });
}

void event_loops::on_beat(loop& which) {
  const auto late = nanoseconds_of(clock::now()) - which.due.load(std::memory_order_relaxed);
  const auto worst = which.worst_of_this_window.load(std::memory_order_relaxed);
  const auto count = which.beats.load(std::memory_order_relaxed) + 1;
  if (count % beats_per_window == 0) {
    which.worst_of_last_window.store(std::max(worst, late), std::memory_order_relaxed);
    which.worst_of_this_window.store(0, std::memory_order_relaxed);
  } else {
    which.worst_of_this_window.store(std::max(worst, late), std::memory_order_relaxed);
  }
  which.beats.store(count, std::memory_order_relaxed);
  await_beat(which);
}

std::chrono::nanoseconds event_loops::lag(std::size_t index) const noexcept {
  const auto& which = loops_[index];
  const auto due = which.due.load(std::memory_order_relaxed);
  if (due == 0) return std::chrono::nanoseconds{0};
  const auto overdue = which.turning.load() ? nanoseconds_of(clock::now()) - due : 0;
  return std::chrono::nanoseconds{
      std::max({std::int64_t{0}, overdue, which.worst_of_this_window.load(std::memory_order_relaxed),
                which.worst_of_last_window.load(std::memory_order_relaxed)})};
}

bool event_loops::turning(std::size_t index) const noexcept { return loops_[index].turning.load(); }

std::uint64_t event_loops::beats(std::size_t index) const noexcept {
  return loops_[index].beats.load(std::memory_order_relaxed);
}

} // namespace gangway
