#include "net/session.hpp"

#include <algorithm>
#include <charconv>
#include <type_traits>
#include <utility>

#include "net/coarse_clock.hpp"

namespace gangway {

namespace {

template <class... Functions>
struct overloaded : Functions... {
  using Functions::operator()...;
};

template <class... Functions>
overloaded(Functions...) -> overloaded<Functions...>;

// The number of its answer, if the client waits for one.
std::optional<std::int64_t> request_of(const wire::command& what) {
  return std::visit(overloaded{
                        [](const wire::pong&) -> std::optional<std::int64_t> { return std::nullopt; },
                        [](const acknowledge&) -> std::optional<std::int64_t> { return std::nullopt; },
                        [](const wire::connect& command) { return command.request; },
                        [](const wire::refresh_token& command) { return command.request; },
                        [](const auto& command) { return command.origin.request; },
                    },
                    what);
}

// A socket that was opened for one thread may be told other things first, such as its place in the queue.
bool is_greeting(std::string_view text) { return text.starts_with(R"({"type":"connected")"); }

std::uint32_t low_bits(std::uint64_t count) { return static_cast<std::uint32_t>(count); }

} // namespace

void session::begin(session_home& home, newcomer who) {
  const auto& rules = home.rules.connections;
  auto self = std::make_shared<session>(home, who);
  self->channel_ = who.connection->open(home.loops.context(home.index), std::move(who.upgrade), *self,
                                        {rules.close_timeout, rules.user_timeout, rules.deflate_threshold.value_or(0)});
  if (!self->channel_) return;
  if (who.who) self->become(std::move(*who.who));
  home.sessions.insert(self);
  self->channel_->open();
}

session::session(session_home& home, newcomer& who)
    : loops_{home.loops},
      home_{&home},
      id_{connection_id::make()},
      turns_{home.rules.connections.queue_bytes_max},
      place_{std::move(who.place)},
      seat_{std::move(who.seat)},
      inbound_{home.rules.inbound->of_stranger()},
      how_{std::make_unique<arrival>(std::move(who.how))},
      loop_{static_cast<std::uint32_t>(home.index)} {
  moved_ = who.upgrade.is_answered;
  if (who.wanted) wanted_ = std::make_unique<wanted_thread>(std::move(*who.wanted));
}

// -- the port ------------------------------------------------------------------------------------

void session::send(frame text) {
  on_loop([text = std::move(text)](session& self) mutable {
    if (self.phase_ >= phase::closing) return;
    // A `connect` is answered with the reply to it; whoever is greeted unasked may still ask, or has asked already.
    const bool is_awaited = !self.greeting_ && (!self.introduced_ || self.late_connect_) && is_greeting(*text);
    if (!is_awaited) return self.queue(std::move(text));
    self.queue(text);
    if (self.phase_ >= phase::closing) return;
    if (self.late_connect_)
      self.answer(std::exchange(self.late_connect_, std::nullopt), *text);
    else
      self.greeting_ = std::move(text);
  });
}

void session::mark(caf::weak_actor_ptr whom, std::uint32_t bytes) {
  on_loop([whom = std::move(whom), bytes](session& self) mutable {
    if (self.phase_ >= phase::closing) return;
    self.marks_.push_back({std::move(whom), bytes, self.frames_queued_});
    self.report_marks();
  });
}

void session::reply(std::int64_t request, frame text) {
  on_loop([request, text = std::move(text)](session& self) mutable {
    if (self.phase_ >= phase::closing || !self.requests_.settle(request)) return;
    self.queue(std::move(text));
    self.turns_.answered(request);
    if (!self.turns_.empty()) self.grant_turns();
    if (self.held_) self.read_on();
  });
}

void session::ping(std::uint64_t nonce) {
  on_loop([nonce](session& self) {
    if (self.phase_ != phase::awaiting_user && self.phase_ != phase::admitted) return;
    // One that was never ended may be over by now.
    if (!self.turns_.empty()) self.grant_turns();
    if (self.user_) caf::anon_send(self.user_, link_observed{self.id_, self.observe(nonce)});
    self.channel_->ping(nonce);
    if (self.json_ping_) self.queue(std::make_shared<const std::string>(wire::ping()));
  });
}

void session::admit(caf::strong_actor_ptr user) {
  on_loop([user = caf::actor_cast<user_actor>(std::move(user))](session& self) mutable {
    if (!self.announced_ || self.user_) return;
    if (self.phase_ == phase::ended) {
      self.announced_ = false;
      self.disarm();
      caf::anon_send(user, session_closed{self.id_});
      return;
    }
    self.user_ = std::move(user);
    if (self.phase_ != phase::awaiting_user) return;
    self.phase_ = phase::admitted;
    self.disarm();
    self.channel_->limit_messages(self.rules().frame_bytes_max);
    self.read_next();
    self.close_failed();
  });
}

void session::close(close_reason reason) {
  on_loop([reason = std::move(reason)](session& self) { self.close_now(reason); });
}

void session::leave(close_reason reason) {
  on_loop([reason = std::move(reason)](session& self) { self.leave_now(reason); });
}

// -- what clients say ----------------------------------------------------------------------------

void session::on_open() {
  channel_->limit_messages(rules().frame_bytes_max_unauthenticated);
  if (!user_id_.value.empty()) return announce(std::nullopt);
  phase_ = phase::awaiting_token;
  arm(rules().authentication_timeout);
  if (moved_ || how_->tls || loops_.size() == 1) return read_next();
  channel_->look_ahead(1);
}

void session::on_message(std::string_view text, bool is_text) {
  reading_ = false;
  if (phase_ >= phase::closing) return;
  if (!is_text) {
    on_bad_frame(wire::refuse_unread(text, "frames are text, and this one is binary"));
  } else {
    auto decoded = wire::decode(text, id_);
    const auto* command = std::get_if<wire::command>(&decoded);
    if (command == nullptr)
      on_bad_frame(std::get<wire::refusal>(decoded));
    else if (is_within_budget(*command, text.size()))
      phase_ == phase::awaiting_token ? introduce(std::get<wire::command>(std::move(decoded)))
                                      : obey(std::get<wire::command>(std::move(decoded)));
  }
  read_next();
}

// A frame that cannot be read is held against its sender in another way.
bool session::is_within_budget(const wire::command& what, std::size_t bytes) {
  const auto now = coarse_now();
  const auto& rates = rules().frames[static_cast<std::size_t>(rank_)];
  const bool is_light = std::holds_alternative<acknowledge>(what) || std::holds_alternative<wire::pong>(what);
  switch (budget_.take(rates, is_light, bytes, now)) {
  case frame_verdict::within:
    return true;
  case frame_verdict::refused:
    if (const auto request = request_of(what))
      queue(std::make_shared<const std::string>(
          wire::reply(request, command_error{error_code::rate_limited,
                                             "too many frames, or too many bytes, a second",
                                             budget_.retry_after(rates, now),
                                             {}})));
    return false;
  case frame_verdict::abusive:
    close_now({close_code::rate_limited, "too many frames, or too many bytes, a second",
               std::chrono::duration_cast<std::chrono::milliseconds>(frame_budget::hold)});
    return false;
  }
  return true;
}

// Asked in the middle of a call to the channel, which must not be closed there.
bool session::may_hold(std::size_t bytes) {
  if (inbound_.hold(bytes)) return true;
  loops_.post(loop_, [self = shared_from_this()] {
    if (self->user_id_.value.empty())
      self->turn_away("the server holds too much of what is not whole yet", std::chrono::seconds{1});
    else
      self->close_now({close_code::rate_limited, "too much that is not whole yet comes over this user's connections",
                       std::chrono::seconds{1}});
  });
  return false;
}

void session::on_pong(std::string_view payload) {
  std::uint64_t nonce = 0;
  std::from_chars(payload.data(), payload.data() + payload.size(), nonce);
  if (user_) caf::anon_send(user_, pong_received{id_, nonce});
}

void session::introduce(wire::command&& what) {
  if (const auto* greeting = std::get_if<wire::connect>(&what)) return on_connect(*greeting);
  refuse(request_of(what), error_code::unauthenticated, "the first frame must be a connect with a token");
}

void session::announce(std::optional<std::int64_t> connect_request) {
  phase_ = phase::awaiting_user;
  announced_ = true;
  arm(rules().authentication_timeout);
  session_opened report{id_, user_id_, std::exchange(tier_, {}), session_link{weak_from_this()}, connect_request};
  if (const auto wanted = std::move(wanted_)) report.wanted = std::move(*wanted);
  report.simulation = simulation_;
  const auto& directories = home_->rules.behind.directories;
  caf::anon_send(directories[home_of(user_id_, directories.size())], std::move(report));
}

void session::obey(wire::command&& what) {
  if (const auto* greeting = std::get_if<wire::connect>(&what)) return on_late_connect(*greeting);
  introduced_ = true;
  greeting_.reset();
  std::visit(
      [this]<class Command>(Command& command) {
        if constexpr (std::is_same_v<Command, wire::refresh_token>)
          on_refresh_token(command);
        else if constexpr (std::is_same_v<Command, wire::pong>)
          caf::anon_send(user_, pong_received{id_, 0});
        else if constexpr (!std::is_same_v<Command, wire::connect>) {
          if constexpr (requires { command.origin; })
            if (command.origin.request) requests_.open(*command.origin.request);
          caf::anon_send(user_, std::move(command));
        }
      },
      what);
}

void session::on_late_connect(const wire::connect& what) {
  if (std::exchange(introduced_, true))
    return refuse(what.request, error_code::bad_request, "connect comes once, as the first frame");
  json_ping_ = what.json_ping;
  if (const auto greeting = std::exchange(greeting_, nullptr))
    answer(what.request, *greeting);
  else
    late_connect_ = what.request;
}

void session::on_bad_frame(const wire::refusal& what) {
  // Only what is no frame at all is held against the client: a command may be newer than we are, or merely wrong.
  if (what.error.code == error_code::bad_frame && ++bad_frames_ > rules().bad_frames_max)
    return close_now({close_code::too_many_bad_frames, "too many bad frames", {}});
  queue(std::make_shared<const std::string>(wire::reply(what.request, what.error)));
}

// -- what is sent --------------------------------------------------------------------------------

void session::answer(std::optional<std::int64_t> request, std::string_view result) {
  if (request) queue(std::make_shared<const std::string>(wire::reply(*request, result)));
}

void session::refuse(std::optional<std::int64_t> request, error_code code, std::string message) {
  queue(std::make_shared<const std::string>(
      wire::reply(request, command_error{code, std::move(message), std::nullopt, std::nullopt})));
}

void session::queue(frame text) {
  if (queued_bytes_ == 0) moved_at_ = std::chrono::steady_clock::now();
  queued_bytes_ += text->size() + frame_overhead;
  ++frames_queued_;
  waiting_.push_back(std::move(text));
  write_next();
  if (!watch_) watch();
  close_failed();
}

void session::write_next() {
  if (writing_bytes_ > 0) return;
  if (head_ < waiting_.size()) {
    auto next = std::move(waiting_[head_++]);
    if (head_ == waiting_.size()) {
      waiting_.clear();
      if (waiting_.capacity() > 16) waiting_.shrink_to_fit();
      head_ = 0;
    } else if (head_ >= 64 && head_ * 2 >= waiting_.size()) {
      waiting_.erase(waiting_.begin(), waiting_.begin() + static_cast<std::ptrdiff_t>(head_));
      head_ = 0;
    }
    writing_bytes_ = next->size() + frame_overhead;
    channel_->write(std::move(next));
  } else if (closing_with_) {
    const auto reason = std::move(closing_with_);
    channel_->close(reason->code, reason->text);
  }
}

void session::on_written() {
  queued_bytes_ -= std::exchange(writing_bytes_, 0);
  ++frames_written_;
  if (!marks_.empty()) report_marks();
  write_next();
  if (!turns_.empty()) grant_turns();
  if (held_) read_on();
  if (queued_bytes_ > pause_bytes) return;
  excused_ = false;
  if (!std::exchange(paused_, false) || phase_ >= phase::closing) return;
  if (phase_ == phase::admitted) disarm();
  read_again();
}

void session::on_failing() {
  failing_ = true;
  close_failed();
}

void session::report_marks() {
  std::size_t reached = 0;
  for (; reached < marks_.size() && marks_[reached].frames - frames_written_ == 0; ++reached)
    if (const auto whom = caf::actor_cast<manager_actor>(marks_[reached].whom))
      caf::anon_send(whom, frames_written{id_, marks_[reached].bytes});
  marks_.erase(marks_.begin(), marks_.begin() + static_cast<std::ptrdiff_t>(reached));
}

link_observation session::observe(std::uint64_t nonce) {
  const auto now = std::chrono::steady_clock::now();
  const auto lag = loops_.lag(loop_);
  const auto seen = channel_->progress();
  const auto acknowledged = low_bits(seen.acknowledged_bytes);
  // The kernel takes more as the peer acknowledges, a long frame bit by bit, and says nothing until it has the whole.
  const bool has_moved = std::exchange(observed_at_, acknowledged) != acknowledged;
  if (has_moved) moved_at_ = std::max(moved_at_, now - seen.sent_ago);
  // An idle peer has acknowledged nothing for long, and is well: only what it owes counts. The ping that follows is
  // owed from now on.
  if (has_moved || seen.unacknowledged == 0) outstanding_since_ = now;
  const auto frames = waiting_.size() - head_ + (writing_bytes_ > 0 ? 1 : 0);
  link_observation result;
  result.nonce = nonce;
  // Our ping is behind what the kernel keeps for a slow reader, too.
  result.queued_bytes = frames > 0 ? queued_bytes_ - frames * frame_overhead : seen.unsent_bytes;
  // While our loop stood still nothing could move.
  const auto ours = lag < stood_still ? steady_time::duration{0} : lag;
  if (result.queued_bytes > 0)
    result.stalled_for = std::chrono::duration_cast<std::chrono::milliseconds>(
        std::max(now - moved_at_ - ours, steady_time::duration{0}));
  result.unacknowledged = seen.unacknowledged;
  result.retransmissions = seen.retransmissions;
  if (seen.unacknowledged > 0)
    result.unheard_for = std::min(seen.acknowledged_ago,
                                  std::chrono::duration_cast<std::chrono::milliseconds>(now - outstanding_since_));
  result.reading = may_read() && !held_ && now - read_again_at_ >= stood_still && lag < stood_still;
  return result;
}

// -- what is read --------------------------------------------------------------------------------

// Whoever is known goes on while his new token is verified, which may take as long as newer keys do: unread pongs would
// look like his death.
bool session::may_read() const {
  if (paused_ || next_renewal_) return false;
  return phase_ == phase::admitted || (phase_ == phase::awaiting_token && !verifying_);
}

void session::read_again() {
  read_again_at_ = std::chrono::steady_clock::now();
  read_next();
}

void session::read_next() {
  if (reading_ || !may_read()) return;
  held_ = is_full();
  if (held_) return;
  if (queued_bytes_ > pause_bytes && !excused_) return pause();
  reading_ = true;
  channel_->read();
}

void session::pause() {
  paused_ = true;
  // Before a token there is a deadline already, and it is the stricter one.
  if (phase_ != phase::admitted) return;
  paused_at_ = low_bits(channel_->progress().acknowledged_bytes);
  arm(rules().pause_max);
}

// A reader that is slow but moves is not hung: its pongs must be read again before its user takes it for dead. What it
// can still make us keep is bounded by `is_full`.
void session::on_pause_max() {
  if (low_bits(channel_->progress().acknowledged_bytes) == paused_at_) return close_slow();
  paused_ = false;
  excused_ = true;
  read_again();
}

} // namespace gangway
