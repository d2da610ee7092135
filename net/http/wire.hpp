#pragma once

/// The bytes under an outgoing request: TCP, with TLS on it or not.

#include <array>
#include <cstddef>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/ssl/context.hpp>

namespace gangway {

/// One connection to a server. Whether it speaks TLS is hidden here, in the one file that instantiates both streams.
///
/// It stays alive as long as an operation is under way. Each callback is called at most once, and none after `close`.
class http_wire : public std::enable_shared_from_this<http_wire> {
public:
  using socket_error = boost::system::error_code;
  using on_done = std::function<void(socket_error)>;
  using on_bytes = std::function<void(socket_error, std::string_view)>;
  using on_sent = std::function<void(socket_error, std::size_t)>;

  /// Makes one that speaks TLS to `host`, a name or an address, if there is a `tls`, which must outlive it.
  http_wire(boost::asio::io_context& context, boost::asio::ssl::context* tls, const std::string& host);
  ~http_wire();

  http_wire(const http_wire&) = delete;
  http_wire& operator=(const http_wire&) = delete;

  /// Connects, without TLS.
  void connect(const boost::asio::ip::tcp::endpoint& where, on_done done);

  /// Shakes hands and verifies the server's certificate; at once done without TLS. Never calls `done` itself.
  void shake_hands(on_done done);

  /// Returns why the certificate was refused; empty if it was not.
  std::string certificate_fault() const;

  /// Sets who hears of the next bytes, or of the end, in place of whoever was to. The bytes are good until the callback
  /// returns or reads again. A wire may be listened to while it is idle: it is how its end is noticed.
  void read(on_bytes done);

  /// Sends some of `text`, from that byte on. Kept alive meanwhile, because TLS may look at it after `close`.
  void write(const std::shared_ptr<const std::string>& text, std::size_t from, on_sent done);

  /// Returns whether the kernel has nothing for us, neither bytes nor the end. What came while the loop was busy shows
  /// here before `read` tells of it.
  bool is_quiet();

  /// Ends it.
  void close();

private:
  struct secure_stream;

  void on_read(socket_error error, std::size_t size);

  boost::asio::ip::tcp::socket socket_;
  std::unique_ptr<secure_stream> secure_;
  std::array<char, 16 * 1024> in_;
  bool is_reading_ = false;
  on_done on_done_;
  on_bytes on_bytes_;
  on_sent on_sent_;
};

/// Returns a context that verifies servers by the certificates in `ca_file`, or by the system's if it is empty.
/// @throws std::runtime_error if the file cannot be read
boost::asio::ssl::context make_tls_context(const std::string& ca_file);

/// Returns whether `error` is an end without TLS's goodbye: a body that lasts until the end may have been cut off.
bool is_truncation(const boost::system::error_code& error);

/// Returns whether `error` is TLS's own.
bool is_tls_error(const boost::system::error_code& error);

} // namespace gangway
