#pragma once

/// A session: one client's WebSocket from its upgrade to its end, and the port through which actors reach it.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <unordered_set>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/auth/token_verifier.hpp"
#include "net/delivery_turns.hpp"
#include "net/doors.hpp"
#include "net/event_loops.hpp"
#include "net/frame_budget.hpp"
#include "net/gate.hpp"
#include "net/newcomer.hpp"
#include "net/token_expiries.hpp"
#include "net/websocket.hpp"
#include "protocol/open_requests.hpp"
#include "protocol/session_link.hpp"
#include "protocol/wire.hpp"

namespace gangway {

class session;

/// One loop's sessions, and what they go by. Touched on that loop alone; outlives every session that has not ended.
struct session_home {
  event_loops& loops;
  std::size_t index; ///< of the loop
  const doors& rules;
  const gangway::gate& gate;
  token_verifier& tokens;
  token_expiries expiries; ///< of the sessions that end with their tokens
  sign_in_log& sign_ins;
  std::function<void(newcomer)> move_home; ///< takes a connection to another loop
  std::unordered_set<std::shared_ptr<session>> sessions{};
  std::function<void()> on_left{}; ///< a session has ended
};

/// Speaks the session's half of the protocol: authentication by `connect`, `token.refresh`, pings and pongs, what is no
/// frame, and the limits. Every other command goes to the user actor as it stands.
///
/// | phase          | begins with                | reads | ends with                                        |
/// |----------------|----------------------------|-------|--------------------------------------------------|
/// | opening        | the upgrade                | no    | the 101 is sent                                  |
/// | awaiting_token | 101, no token yet          | yes   | a good `connect`, or 4502 in time                |
/// | awaiting_user  | `session_opened` is sent   | no    | `admit`                                          |
/// | admitted       | `admit`                    | yes   | either side closes                               |
/// | closing        | we close                   | no    | the closing handshake, `close_timeout`, or       |
/// |                |                            |       | `leave_max` if room is needed                    |
/// | ended          | the socket is gone         | no    |                                                  |
///
/// A user that was told `session_opened` and admits is told `session_closed`, exactly once, whatever happens in
/// between: a session that ends before `admit` stays reachable for `claim_max`, and answers a late `admit` with
/// `session_closed`. Whether or not there is a user, the directory of its loop is told `connection_ended`.
///
/// Lives on one loop. The functions of `session_port` may be called from any thread: on the loop they act at once, from
/// elsewhere they are posted, so that one caller's calls keep their order.
class session final : public session_port, public websocket_handler, public std::enable_shared_from_this<session> {
public:
  /// Reading pauses while more than this waits to be sent.
  static constexpr std::size_t pause_bytes = 64 * 1024;

  /// What a waiting frame costs beyond its text, so that a million tiny frames are not free.
  static constexpr std::size_t frame_overhead = 64;

  /// Reading waits while so many requests are unanswered, fewer where the queue is small: their answers may come at
  /// once.
  static constexpr std::size_t requests_max = 512;
  static constexpr std::size_t requests_min = 16;

  /// A loop that was so late lately stood still: what peers said meanwhile may not have been read yet. For so long,
  /// too, reading must have gone on again before silence is a peer's.
  static constexpr std::chrono::milliseconds stood_still{250};

  /// How long a session that must leave waits for its peer: as long as one takes that answers at once.
  static constexpr std::chrono::milliseconds leave_max{100};

  /// How long an ended session waits to be claimed: longer than a loop may be blocked (`loop.stall_max`).
  static constexpr std::chrono::seconds claim_max{60};

  /// Begins a session on the loop of `home`, authenticated by its claims or, without, by its first frame.
  /// @pre called on that loop
  static void begin(session_home& home, newcomer who);

  /// @pre use `begin`
  session(session_home& home, newcomer& who);

  void send(frame text) override;
  void ask_turn(turn_request wish) override;
  void end_turn(caf::weak_actor_ptr whom, std::uint64_t number) override;
  void mark(caf::weak_actor_ptr whom, std::uint32_t bytes) override;
  void reply(std::int64_t request, frame text) override;
  void ping(std::uint64_t nonce) override;
  void admit(caf::strong_actor_ptr user) override;
  void close(close_reason reason) override;
  void leave(close_reason reason) override;

  /// Ends at once, without a word to the client.
  /// @pre called on the session's loop
  void drop();

  void on_open() override;
  void on_message(std::string_view text, bool is_text) override;
  bool may_hold(std::size_t bytes) override;
  void on_ahead(std::string_view bytes) override;
  void on_pong(std::string_view payload) override;
  void on_written() override;
  void on_failing() override;
  void on_gone(std::uint16_t code) override;

  /// The token has ended, and so has the time in which it might have been renewed.
  void on_token_expired();

private:
  using timer =
      boost::asio::basic_waitable_timer<std::chrono::steady_clock, boost::asio::wait_traits<std::chrono::steady_clock>,
                                        boost::asio::io_context::executor_type>;

  enum class phase : std::uint8_t { opening, awaiting_token, awaiting_user, admitted, closing, ended };

  template <class Function>
  void on_loop(Function function);

  const connection_rules& rules() const { return home_->rules.connections; }

  // what clients say
  std::optional<std::size_t> claimed_home(std::string_view frame) const;
  bool move_to(std::size_t home);
  void introduce(wire::command&& what);
  void obey(wire::command&& what);
  void on_connect(const wire::connect& what);
  void on_connect_judged(const wire::connect& what, token_verdict verdict);
  void on_late_connect(const wire::connect& what);
  void on_refresh_token(const wire::refresh_token& what);
  void verify_renewal(const wire::refresh_token& what);
  void on_refresh_judged(std::optional<std::int64_t> request, token_verdict verdict);
  void turn_away(std::string_view reason, std::chrono::milliseconds retry_after,
                 std::optional<std::int64_t> request = std::nullopt);
  void become(identity who);
  void expire_at(utc_time when);
  void on_bad_frame(const wire::refusal& what);
  bool is_within_budget(const wire::command& what, std::size_t bytes);
  void announce(std::optional<std::int64_t> connect_request);

  // what is sent
  void answer(std::optional<std::int64_t> request, std::string_view result);
  void refuse(std::optional<std::int64_t> request, error_code code, std::string message);
  void queue(frame text);
  void write_next();
  void report_marks();
  void grant_turns();
  void watch();
  void on_watch();
  link_observation observe(std::uint64_t nonce);

  // what is read
  void read_next();
  void read_again();
  bool may_read() const;
  bool is_full() const;
  void read_on();
  void pause();
  void on_pause_max();

  // how it ends
  void close_now(const close_reason& reason);
  void close_slow();
  void close_failed();
  void leave_now(const close_reason& reason);
  void end(std::uint16_t code = no_close_frame);

  void arm(std::chrono::milliseconds delay);
  void disarm();
  void on_deadline();

  event_loops& loops_;
  session_home* home_; // null once ended
  connection_id id_;
  user_id user_id_;
  std::string tier_;
  user_actor user_;
  std::shared_ptr<websocket_channel> channel_;

  std::vector<frame> waiting_; // from `head_` on
  std::size_t head_ = 0;
  std::size_t queued_bytes_ = 0; // waiting and being written
  std::size_t writing_bytes_ = 0;

  /// Whom to tell when so many frames have been written, counted from the first.
  struct mark_ahead {
    caf::weak_actor_ptr whom;
    std::uint32_t bytes = 0;
    std::uint32_t frames = 0;
  };
  std::vector<mark_ahead> marks_;
  std::uint32_t frames_queued_ = 0; // both come round; only their difference counts
  std::uint32_t frames_written_ = 0;

  delivery_turns turns_;
  open_requests requests_;                   // that actors answer
  frame greeting_;                           // until the first command, which may be a `connect` that asks for it again
  std::optional<std::int64_t> late_connect_; // such a `connect`, if it came before the greeting
  std::unique_ptr<wanted_thread> wanted_;    // until the user is told
  std::unique_ptr<wire::refresh_token> next_renewal_; // came while one is verified; nothing more is read meanwhile
  berth place_;
  lobby_seat seat_;              // until a token was good
  inbound_share inbound_;        // what has come of a frame
  std::unique_ptr<arrival> how_; // until then, too
  token_expiries::place expiry_;
  std::unique_ptr<close_reason> closing_with_;
  std::unique_ptr<timer> timer_;
  steady_time outstanding_since_{};  // the oldest byte that the peer has not acknowledged, as far as pings saw
  steady_time moved_at_{};           // when the queue last moved, as far as pings saw, or began
  steady_time read_again_at_{};      // when reading last went on after a pause
  std::uint32_t paused_at_ = 0;      // what the peer had acknowledged when reading paused, and
  std::uint32_t observed_at_ = 0;    // at the last ping: the low bits, only ever compared
  std::unique_ptr<timer> watch_;     // while something waits to be sent
  std::uint32_t watched_bytes_ = 0;  // what the peer had acknowledged at its last look, and
  std::uint32_t watched_frames_ = 0; // the frames that the kernel had taken
  std::uint32_t turn_ = 0;           // of the timer: one that expired may still be on its way when it is disarmed
  frame_budget budget_;
  tier rank_ = tier::free; ///< by which it is judged
  std::uint32_t bad_frames_ = 0;
  std::uint32_t loop_;
  std::uint32_t ahead_ = 0;      // bytes of the first frame that were waited for
  std::uint16_t close_code_ = 0; // that we decided on
  phase phase_ = phase::opening;
  bool simulation_ = false;
  bool failing_ = false;   // the client broke the WebSocket protocol: it is closed once it is answered
  bool verifying_ = false; // a token, for which newer keys may have to be fetched
  bool announced_ = false; // and nobody was told `session_closed` yet
  bool reading_ = false;
  bool paused_ = false;
  bool held_ = false;      // reading waits for room, or for answers
  std::uint8_t still_ = 0; // looks in a row at which nothing had moved
  bool excused_ = false;   // a slow reader that moves: reading goes on until its queue is short again
  bool json_ping_ = false;
  bool leaving_ = false;    // and not waited for
  bool moved_ = false;      // came from another loop, which sent the 101
  bool introduced_ = false; // a `connect` has come, or will not be heard any more
};

template <class Function>
void session::on_loop(Function function) {
  if (loops_.current() == loop_) return function(*this);
  loops_.post(loop_, [self = shared_from_this(), function = std::move(function)]() mutable { function(*self); });
}

} // namespace gangway
