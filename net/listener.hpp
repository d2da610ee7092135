#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <variant>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/event_loops.hpp"
#include "net/token_bucket.hpp"

namespace gangway {

/// Accepts connections on one address and deals them out to the loops, one after the other.
///
/// One acceptor, on loop 0: several that share a port (SO_REUSEPORT) would also share it with a second server that was
/// started by mistake. When the process is out of descriptors it looks again ten times a second, and goes on.
class listener : public std::enable_shared_from_this<listener> {
public:
  /// Who decides about what is accepted, and gets it.
  struct handler {
    /// Returns whether that client may dial now; called on loop 0. Empty: everybody may.
    std::function<bool(const boost::asio::ip::tcp::socket&)> may_dial;

    /// Gets an accepted socket, on the loop that it belongs to. `is_scarce`: no more descriptors are free than are
    /// kept, and one must be given up for it.
    std::function<void(std::size_t loop, boost::asio::ip::tcp::socket, bool is_scarce)> on_accepted;

    int descriptors_kept = 0; ///< for what is no connection
  };

  /// Returns a listener that is bound to `address` ("127.0.0.1:8080", "[::1]:0", "localhost:8080"; port 0 takes a free
  /// one), or what is in the way: "cannot listen on 127.0.0.1:8080: Address already in use". Connections wait until
  /// `start`.
  static std::variant<std::shared_ptr<listener>, std::string> open(event_loops& loops, const std::string& address,
                                                                   handler what);

  /// @pre use `open`
  listener(event_loops& loops, handler what);

  /// Returns the port that it listens on.
  std::uint16_t port() const noexcept { return port_; }

  /// Begins to accept. From any thread.
  void start();

  /// Closes the port. From any thread, and not undone.
  void stop();

private:
  void accept();
  void on_accepted(std::size_t loop, const boost::system::error_code& error, boost::asio::ip::tcp::socket socket);

  event_loops& loops_;
  handler handler_;
  int descriptors_max_; // a connection's has no higher number, or they are scarce
  boost::asio::ip::tcp::acceptor acceptor_;
  boost::asio::steady_timer retry_;
  std::size_t next_ = 0;
  std::uint16_t port_ = 0;
  bool short_of_descriptors_ = false;
  token_bucket scarce_notes_{1, 10}; ///< a line in ten seconds, however often descriptors become few
};

} // namespace gangway
