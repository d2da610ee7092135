#pragma once

/// The bytes of an accepted connection as long as it speaks HTTP, plain or through TLS.

#include <cstddef>
#include <functional>
#include <memory>

#include <boost/asio/buffer.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "net/handshake_turns.hpp"
#include "net/tls_context.hpp"
#include "net/websocket.hpp"

namespace gangway {

/// Single steps on one loop, no queue and no decision. Whoever starts a step keeps the transport until its handler was
/// called: after `close`, with an error.
class transport {
public:
  using done = std::function<void(const boost::system::error_code&)>;
  using moved = std::function<void(const boost::system::error_code&, std::size_t)>;

  virtual ~transport() = default;

  /// Makes it ready to be read: the TLS handshake, if there is one.
  virtual void open(done handler) = 0;

  /// Reads what comes next, some of it.
  virtual void read(boost::asio::mutable_buffer into, moved handler) = 0;

  /// Writes all of it.
  virtual void write(boost::asio::const_buffer from, done handler) = 0;

  /// Says that nothing more comes from us, and reads until nothing more comes from there: a socket that is closed with
  /// bytes unread is reset, and what was written last is lost.
  virtual void finish(done handler) = 0;

  virtual void close() noexcept = 0;

  /// Returns the address at the other end of the TCP connection; an IPv4 client has its IPv4 address.
  virtual boost::asio::ip::address peer() const = 0;

  /// Returns whether it must stay on its loop, whatever becomes of it: the state of a TLS connection cannot be carried
  /// to another.
  virtual bool is_bound() const noexcept = 0;

  /// Gives up the connection, for a WebSocket to be made of it; null if it is of no use any more.
  virtual std::unique_ptr<upgraded_connection> upgrade() = 0;
};

std::shared_ptr<transport> make_plain_transport(boost::asio::ip::tcp::socket socket);

/// The TLS handshake is begun when its turn comes, once the client's first record is here: before that the connection
/// costs no more than a plain one.
/// @pre `context` is not null, `socket` belongs to `loop`, and `turns`, which outlives the transport, is of that loop
std::shared_ptr<transport> make_tls_transport(boost::asio::io_context& loop, boost::asio::ip::tcp::socket socket,
                                              tls_context context, handshake_turns& turns);

} // namespace gangway
