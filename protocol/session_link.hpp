#pragma once

/// How an actor reaches a socket, and an HTTP request its answer: the only way out of the actors. The way in is
/// `anon_send`. A remote link that carries frames to another node would be a second implementation of `session_port`.

#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include <caf/actor_control_block.hpp>
#include <caf/weak_intrusive_ptr.hpp>

#include "protocol/delivery.hpp"
#include "protocol/errors.hpp"
#include "protocol/link_observation.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// What a session offers to actors. Every function may be called from any thread, returns at once and never fails:
/// on a session that has ended it does nothing. Calls from one thread take effect in their order.
class session_port {
public:
  virtual ~session_port() = default;

  /// Queues a text frame. Whoever sends more than a few small ones asks for a turn first, or for marks.
  virtual void send(frame text) = 0;

  /// Asks for a turn to send one large frame; the wish names who is told `turn_granted` when there is room for it.
  virtual void ask_turn(turn_request wish) = 0;

  /// The frame has been sent, or is not wanted any more.
  virtual void end_turn(caf::weak_actor_ptr whom, std::uint64_t number) = 0;

  /// Tells `whom`, a `manager_actor`, by `frames_written` when the kernel has taken everything that was queued before:
  /// so it sends no more than its client reads, and what its client does not read stays in the log. `bytes` is what it
  /// wants to be told.
  virtual void mark(caf::weak_actor_ptr whom, std::uint32_t bytes) = 0;

  /// Queues the answer to a request of the client, unless it has been answered: what a manager does that was given up,
  /// and what its user says in its place, are on their way at the same time.
  virtual void reply(std::int64_t request, frame text) = 0;

  /// Sends a WebSocket ping that carries `nonce`; its pong comes back to the user as `pong_received`. What the socket
  /// shows at that moment comes as `link_observed`, pong or not.
  virtual void ping(std::uint64_t nonce) = 0;

  /// Lets commands through to `user` (a `user_actor`), which knows this connection and has sent what it wants to be
  /// first. From here on `user` hears of everything, `session_closed` included: at once, if the socket is gone already.
  virtual void admit(caf::strong_actor_ptr user) = 0;

  /// Sends what is queued and a `disconnect` frame, then closes. `session_closed` follows when the socket is gone, if
  /// there was an `admit`.
  virtual void close(close_reason reason) = 0;

  /// The same for a socket that must not take up room any longer: the peer's answer is hardly waited for, and at the
  /// second call not at all.
  virtual void leave(close_reason reason) { close(std::move(reason)); }
};

/// A value that reaches a session as long as it exists. It owns nothing: sessions die on their own loop.
class session_link {
public:
  session_link() = default;

  explicit session_link(std::weak_ptr<session_port> port) : port_{std::move(port)} {}

  void send(frame text) const {
    if (auto port = port_.lock()) port->send(std::move(text));
  }

  void send(std::string text) const { send(std::make_shared<const std::string>(std::move(text))); }

  void reply(std::int64_t request, std::string text) const {
    if (auto port = port_.lock()) port->reply(request, std::make_shared<const std::string>(std::move(text)));
  }

  void ask_turn(turn_request wish) const {
    if (auto port = port_.lock()) port->ask_turn(std::move(wish));
  }

  void end_turn(caf::weak_actor_ptr whom, std::uint64_t number) const {
    if (auto port = port_.lock()) port->end_turn(std::move(whom), number);
  }

  void mark(caf::weak_actor_ptr whom, std::uint32_t bytes) const {
    if (auto port = port_.lock()) port->mark(std::move(whom), bytes);
  }

  void ping(std::uint64_t nonce) const {
    if (auto port = port_.lock()) port->ping(nonce);
  }

  void admit(caf::strong_actor_ptr user) const {
    if (auto port = port_.lock()) port->admit(std::move(user));
  }

  void close(close_reason reason) const {
    if (auto port = port_.lock()) port->close(std::move(reason));
  }

  void leave(close_reason reason) const {
    if (auto port = port_.lock()) port->leave(std::move(reason));
  }

  friend bool operator==(const session_link& lhs, const session_link& rhs) noexcept {
    return !lhs.port_.owner_before(rhs.port_) && !rhs.port_.owner_before(lhs.port_);
  }

private:
  std::weak_ptr<session_port> port_;
};

/// What an HTTP request offers to the actor that answers it. May be called once, from any thread.
class reply_port {
public:
  virtual ~reply_port() = default;

  /// Answers with an HTTP status and a body, of that type.
  virtual void reply(unsigned status, std::string body, std::string_view content_type) = 0;
};

/// A value that answers one HTTP request, or nobody if the client has gone.
class reply_link {
public:
  reply_link() = default;

  explicit reply_link(std::weak_ptr<reply_port> port) : port_{std::move(port)} {}

  void reply(unsigned status, std::string body, std::string_view content_type = "application/json") const {
    if (auto port = port_.lock()) port->reply(status, std::move(body), content_type);
  }

  friend bool operator==(const reply_link& lhs, const reply_link& rhs) noexcept {
    return !lhs.port_.owner_before(rhs.port_) && !rhs.port_.owner_before(lhs.port_);
  }

private:
  std::weak_ptr<reply_port> port_;
};

} // namespace gangway
