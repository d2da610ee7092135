/// How a session shares out what its client can take, and when it gives a client up that takes nothing.

#include <algorithm>
#include <utility>

#include "net/session.hpp"

namespace gangway {

namespace {

// Looks at a queue that does not move, before its client is given up.
constexpr std::uint8_t looks = 4;

// About what a short answer takes in the queue.
constexpr std::size_t answer_bytes = 512;

} // namespace

void session::ask_turn(turn_request wish) {
  on_loop([wish = std::move(wish)](session& self) mutable {
    if (self.phase_ >= phase::closing) return;
    self.turns_.ask(std::move(wish));
    self.grant_turns();
  });
}

void session::end_turn(caf::weak_actor_ptr whom, std::uint64_t number) {
  on_loop([whom = std::move(whom), number](session& self) {
    if (self.phase_ >= phase::closing) return;
    self.turns_.end(whom, number);
    if (!self.turns_.empty()) self.grant_turns();
  });
}

void session::grant_turns() {
  const auto now = std::chrono::steady_clock::now();
  while (const auto turn = turns_.next(queued_bytes_, now)) {
    if (const auto whom = caf::actor_cast<caf::actor>(turn->whom))
      caf::anon_send(whom, turn_granted{id_, turn->number});
    else
      turns_.end(turn->whom, turn->number);
  }
  // Whoever has a turn may never end it.
  if (!turns_.empty() && !watch_) watch();
}

// Whether what a client has asked for, and what waits for it, is so much that no more of its frames are read: then it
// is answered first. What is being written does not count, as it may be a long frame of a client that is well.
bool session::is_full() const {
  const auto window = rules().queue_bytes_max;
  const auto requests = std::clamp(window / 4 / answer_bytes, requests_min, requests_max);
  return requests_.size() >= requests || queued_bytes_ - writing_bytes_ > window / 2;
}

void session::read_on() {
  held_ = false;
  read_again();
}

// One timer as long as there is something to send or somebody who waits for a turn, not one for each frame.
void session::watch() {
  if ((queued_bytes_ == 0 && turns_.empty()) || phase_ >= phase::closing) return;
  still_ = 0;
  watched_frames_ = frames_written_;
  watched_bytes_ = static_cast<std::uint32_t>(channel_->progress().acknowledged_bytes);
  watch_ = std::make_unique<timer>(loops_.context(loop_).get_executor(), rules().stall_max / looks);
  watch_->async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->on_watch();
  });
}

void session::on_watch() {
  if (!watch_ || phase_ >= phase::closing) return watch_.reset();
  if (!turns_.empty()) grant_turns();
  if (queued_bytes_ == 0 && turns_.empty()) return watch_.reset();
  const auto bytes = static_cast<std::uint32_t>(channel_->progress().acknowledged_bytes);
  const bool has_moved = std::exchange(watched_bytes_, bytes) != bytes
                         || std::exchange(watched_frames_, frames_written_) != frames_written_;
  still_ = has_moved || queued_bytes_ == 0 ? 0 : still_ + 1;
  if (still_ >= looks) return close_slow();
  watch_->expires_after(rules().stall_max / looks);
  watch_->async_wait([self = shared_from_this()](const boost::system::error_code& error) {
    if (!error) self->on_watch();
  });
}

} // namespace gangway
