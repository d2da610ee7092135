/// How sessions end, and what they do when their time is up.

#include <utility>

#include "net/session.hpp"

namespace gangway {

void session::close_now(const close_reason& reason) {
  if (phase_ >= phase::closing) return;
  if (phase_ == phase::opening) return drop();
  phase_ = phase::closing;
  late_connect_.reset();
  greeting_.reset();
  turns_.clear();
  watch_.reset();
  close_code_ = static_cast<std::uint16_t>(reason.code);
  closing_with_ = std::make_unique<close_reason>(reason);
  arm(rules().close_timeout);
  auto text = std::make_shared<const std::string>(wire::disconnect(reason));
  queued_bytes_ += text->size() + frame_overhead;
  waiting_.push_back(std::move(text));
  write_next();
}

void session::close_slow() {
  waiting_.clear();
  head_ = 0;
  queued_bytes_ = writing_bytes_;
  close_now({close_code::slow_consumer, "the client reads too slowly", {}});
}

// What came before the client's fault is answered first. The channel says what the fault was, and lets us wait for no
// longer than a closing handshake.
void session::close_failed() {
  const bool is_owed = requests_.size() > 0 || verifying_ || phase_ == phase::awaiting_user || late_connect_;
  if (!failing_ || is_owed || phase_ >= phase::closing) return;
  phase_ = phase::closing;
  disarm();
  greeting_.reset();
  turns_.clear();
  watch_.reset();
  closing_with_ = std::make_unique<close_reason>();
  write_next();
}

// What it has not got by then is with its kernel, which it is left to; or it never reads, and is dropped.
void session::leave_now(const close_reason& reason) {
  if (phase_ == phase::ended) return;
  if (std::exchange(leaving_, true)) return drop();
  close_now(reason);
  if (phase_ == phase::closing) arm(leave_max);
}

void session::drop() {
  if (channel_) channel_->drop();
  end();
}

void session::on_gone(std::uint16_t code) { end(code); }

// `code` is the client's; what we decided before comes first.
void session::end(std::uint16_t code) {
  if (phase_ == phase::ended) return;
  const auto self = shared_from_this();
  home_->expiries.forget(expiry_);
  seat_.give_back();
  inbound_.hold(0);
  const bool was_open = phase_ != phase::opening;
  phase_ = phase::ended;
  channel_.reset();
  closing_with_.reset();
  greeting_.reset();
  wanted_.reset();
  place_.reset();
  waiting_ = {};
  turns_.clear();
  watch_.reset();
  disarm();
  if (user_) {
    announced_ = false;
    caf::anon_send(std::exchange(user_, {}), session_closed{id_});
  } else if (announced_) {
    arm(claim_max);
  }
  auto& home = *std::exchange(home_, nullptr);
  if (was_open) {
    const auto& directories = home.rules.behind.directories;
    const bool by_us = close_code_ != 0;
    caf::anon_send(directories[loop_ % directories.size()], connection_ended{by_us ? close_code_ : code, by_us});
  }
  home.sessions.erase(self);
  if (home.on_left) home.on_left();
}

// -- time ----------------------------------------------------------------------------------------

void session::arm(std::chrono::milliseconds delay) {
  const auto turn = ++turn_;
  timer_ = std::make_unique<timer>(loops_.context(loop_).get_executor(), delay);
  timer_->async_wait([self = shared_from_this(), turn](const boost::system::error_code& error) {
    if (!error && turn == self->turn_) self->on_deadline();
  });
}

void session::disarm() {
  ++turn_;
  timer_.reset();
}

void session::on_deadline() {
  timer_.reset();
  switch (phase_) {
  case phase::opening:
  case phase::ended:
    break;
  case phase::awaiting_token:
    if (verifying_) return turn_away("the keys that tokens are checked by do not come", keys_retry_after);
    home_->tokens.note_refusal({token_trouble::invalid, "no token came in time"}, how_->client.to_string());
    return close_now({close_code::never_authenticated, "no token came in time", {}});
  case phase::awaiting_user:
    return close_now({close_code::state_lost, "the user's state did not answer in time", {}});
  case phase::admitted:
    return on_pause_max();
  case phase::closing:
    if (!leaving_ || writing_bytes_ > 0) return drop();
    channel_->hang_up();
    return end();
  }
}

} // namespace gangway
