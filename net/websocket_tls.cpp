#include <openssl/ssl.h>

#include "net/tls_socket.hpp"
#include "net/websocket_channel.hpp"

namespace gangway {

plain_socket& tcp_of(tls_socket& socket) noexcept { return socket.next_layer(); }

// Says that we are done (close_notify) and waits for no answer: the channel waits for the peer to hang up, with a
// deadline. To OpenSSL the peer has answered already.
template <class Handler>
void async_teardown(beast::role_type, tls_socket& socket, Handler&& handler) {
  SSL_set_shutdown(socket.native_handle(), SSL_RECEIVED_SHUTDOWN);
  socket.async_shutdown([&socket, handler = std::forward<Handler>(handler)](const socket_error&) mutable {
    socket_error ignored;
    socket.next_layer().shutdown(plain_socket::shutdown_send, ignored);
    handler(socket_error{});
  });
}

namespace {

using tls_stream = boost::beast::websocket::stream<tls_socket, true>;

class tls_connection final : public upgraded_connection {
public:
  explicit tls_connection(std::unique_ptr<tls_socket> socket) : socket_{std::move(socket)} {}

  std::shared_ptr<websocket_channel> open(boost::asio::io_context&, websocket_upgrade upgrade,
                                          websocket_handler& handler, const channel_rules& rules) override {
    return std::make_shared<stream_channel<tls_stream>>(std::move(*socket_), std::move(upgrade), handler, rules);
  }

private:
  std::unique_ptr<tls_socket> socket_;
};

} // namespace

std::unique_ptr<upgraded_connection> make_upgraded(std::unique_ptr<tls_socket> socket) {
  return std::make_unique<tls_connection>(std::move(socket));
}

} // namespace gangway
