#pragma once

/// A WebSocket as a session sees it. Behind this page exactly one file instantiates each type of Beast's stream, since
/// that takes a minute to compile: `websocket_plain.cpp`, `websocket_deflate.cpp` and `websocket_tls.cpp`.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>

#include "net/extensions.hpp"
#include "net/loose_socket.hpp"
#include "net/tcp_progress.hpp"
#include "protocol/errors.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// What the client's HTTP request said that the answer to it (101) depends on.
struct websocket_upgrade {
  std::string key;                            ///< `Sec-WebSocket-Key`
  bool with_subprotocol = true;               ///< whether it offered our subprotocol, which is echoed then
  std::optional<deflate_agreement> deflate{}; ///< permessage-deflate, if it is spoken
  bool is_answered = false;                   ///< the 101 is out already: another loop has sent it
};

/// What a channel goes by.
struct channel_rules {
  std::chrono::milliseconds close_timeout{0}; ///< for closing handshakes that the peer begins, and failed connections
  std::chrono::milliseconds user_timeout{0};  ///< for a peer whose kernel is gone (`set_user_timeout`)
  std::size_t deflate_threshold = 0;          ///< shorter messages are not compressed
};

/// Who hears of what a WebSocket does. Everything but `may_hold` is called on the socket's loop, never from within a
/// call to the channel.
class websocket_handler {
public:
  virtual ~websocket_handler() = default;

  /// The 101 is out.
  virtual void on_open() = 0;

  /// The message that was asked for with `read`. `text` is well-formed UTF-8 if `is_text`, and gone after the call.
  virtual void on_message(std::string_view text, bool is_text) = 0;

  /// Returns whether the message that is read may take so many bytes now, before it does: asked within `read`. If not,
  /// nothing more is read of it, and the handler closes the channel, but not within this call.
  virtual bool may_hold(std::size_t bytes) = 0;

  /// What has come so far, and is still to be read, as `look_ahead` wanted; gone after the call.
  virtual void on_ahead(std::string_view bytes) = 0;

  /// A pong came in, while a `read` was waiting.
  virtual void on_pong(std::string_view payload) = 0;

  /// The frame given to `write` is with the kernel.
  virtual void on_written() = 0;

  /// The client did what fails the connection (1002, 1007, 1009), and is not told yet: nothing more is read, and what
  /// is written from now on goes out before that close frame, which `close` sends, or the time for closing handshakes.
  virtual void on_failing() = 0;

  /// The connection is over, whoever ended it and however. Called once; nothing follows it. `code` is of the client's
  /// close frame, or of ours if the channel failed the connection; 1000 if that frame has none, 1006 without any.
  virtual void on_gone(std::uint16_t code) = 0;
};

class upgraded_connection;

/// A WebSocket that has sent its 101 and read nothing yet, on its way to another loop.
struct moved_websocket {
  std::unique_ptr<upgraded_connection> connection;
  websocket_upgrade upgrade;
};

/// One WebSocket on its loop: single steps, no queue, no decision. Not thread-safe. Pings from the peer are answered,
/// its close is answered, and what RFC 6455 calls a failed connection is failed (1002, 1007, 1009) while a `read`
/// waits.
class websocket_channel {
public:
  virtual ~websocket_channel() = default;

  /// Sends the 101.
  virtual void open() = 0;

  /// Asks for the next message. Between messages nothing is read from the socket, no pong and no end either.
  /// @pre no other `read` waits
  virtual void read() = 0;

  /// The most that is looked at ahead: the longest frame that signs somebody in has a token of 8 KiB.
  static constexpr std::size_t ahead_max = 12 * 1024;

  /// Waits until so many bytes have come, or no more will, and shows what has come of them and behind them, without
  /// reading it.
  /// @pre before the first `read`, over plain TCP, `bytes` <= `ahead_max`
  virtual void look_ahead(std::size_t bytes) = 0;

  /// Gives the connection up, to be opened on another loop; no call to the handler follows. Nothing if that cannot be.
  /// @pre before the first `read`, and nothing is being written
  virtual std::optional<moved_websocket> move_away() = 0;

  /// Sends a text message, kept alive until `on_written`.
  /// @pre no other `write` waits
  virtual void write(frame text) = 0;

  /// Sends a ping that carries `nonce` in decimal digits; while one is being sent, only the last of the others is kept.
  virtual void ping(std::uint64_t nonce) = 0;

  /// Sends a close frame behind the message being written and waits for the peer's. One that fails the connection goes
  /// before whatever is given here.
  virtual void close(close_code code, std::string_view text) = 0;

  /// Hangs up without waiting for the peer; what was written and sent to it still arrives. No call to the handler
  /// follows.
  virtual void hang_up() = 0;

  /// Ends the connection with a reset, so that the kernel keeps nothing of it. No call to the handler follows.
  virtual void drop() = 0;

  /// Allows messages of up to `bytes`; a longer one closes with 1009.
  virtual void limit_messages(std::size_t bytes) = 0;

  /// Returns what the kernel knows of the peer: whether a slow reader moves at all, whether a silent one is there.
  virtual tcp_progress progress() = 0;
};

/// A connection whose upgrade was accepted but not answered yet, on its way to become a WebSocket. Closed if it never
/// does.
class upgraded_connection {
public:
  virtual ~upgraded_connection() = default;

  /// Returns the channel that this connection becomes, whose `handler` must live until `on_gone` or `drop`. Null if it
  /// is of no use any more.
  /// @pre called once, on the loop of `context`, which is the one that it came in on if it came through TLS
  virtual std::shared_ptr<websocket_channel> open(boost::asio::io_context& context, websocket_upgrade upgrade,
                                                  websocket_handler& handler, const channel_rules& rules) = 0;
};

/// Returns the upgraded form of a TCP connection.
std::unique_ptr<upgraded_connection> make_upgraded(loose_socket socket);

class tls_socket;

/// The same for a TLS connection.
std::unique_ptr<upgraded_connection> make_upgraded(std::unique_ptr<tls_socket> socket);

/// Returns a channel of the stream that speaks permessage-deflate, over plain TCP: `make_upgraded` chooses it.
std::shared_ptr<websocket_channel> make_deflate_channel(boost::asio::io_context& context, loose_socket socket,
                                                        websocket_upgrade upgrade, websocket_handler& handler,
                                                        const channel_rules& rules);

} // namespace gangway
