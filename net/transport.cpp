#include "net/transport.hpp"

#include <array>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <openssl/ssl.h>

#include "net/client_address.hpp"
#include "net/tls_socket.hpp"

namespace gangway {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using socket_error = boost::system::error_code;

asio::ip::address address_of(const auto& socket) {
  socket_error ignored;
  return unmapped(socket.remote_endpoint(ignored).address());
}

// Takes the descriptor out of a socket, with what is known of it.
template <class Socket>
std::optional<loose_socket> loosen(Socket& socket) {
  socket_error error;
  const bool is_v6 = socket.local_endpoint(error).protocol() == tcp::v6();
  if (error) return std::nullopt;
  loose_socket result{socket.release(error), is_v6};
  if (error) return std::nullopt;
  return result;
}

// Reads from a TCP socket, and forgets what it reads, until its end.
template <class Socket>
void drain(Socket& socket, std::array<char, 1024>& into, transport::done handler) {
  socket.async_read_some(asio::buffer(into), [&socket, &into, handler = std::move(handler)](const socket_error& error,
                                                                                            std::size_t) mutable {
    if (error) return handler({});
    drain(socket, into, std::move(handler));
  });
}

class plain_transport final : public transport {
public:
  explicit plain_transport(tcp::socket socket) : socket_{std::move(socket)}, peer_{address_of(socket_)} {}

  void open(done handler) override {
    asio::post(socket_.get_executor(), [handler = std::move(handler)] { handler({}); });
  }

  void read(asio::mutable_buffer into, moved handler) override { socket_.async_read_some(into, std::move(handler)); }

  void write(asio::const_buffer from, done handler) override {
    asio::async_write(socket_, from,
                      [handler = std::move(handler)](const socket_error& error, std::size_t) { handler(error); });
  }

  void finish(done handler) override {
    socket_error ignored;
    socket_.shutdown(tcp::socket::shutdown_send, ignored);
    drain(socket_, rest_, std::move(handler));
  }

  void close() noexcept override {
    socket_error ignored;
    socket_.close(ignored);
  }

  asio::ip::address peer() const override { return peer_; }

  bool is_bound() const noexcept override { return false; }

  std::unique_ptr<upgraded_connection> upgrade() override {
    auto loose = loosen(socket_);
    return loose ? make_upgraded(std::move(*loose)) : nullptr;
  }

private:
  tcp::socket socket_;
  asio::ip::address peer_;
  std::array<char, 1024> rest_{};
};

class tls_transport final : public transport {
public:
  tls_transport(plain_socket socket, tls_context context)
      : peer_{address_of(socket)}, stream_{std::make_unique<tls_socket>(std::move(socket), std::move(context))} {}

  void open(done handler) override { stream_->async_handshake(asio::ssl::stream_base::server, std::move(handler)); }

  void read(asio::mutable_buffer into, moved handler) override { stream_->async_read_some(into, std::move(handler)); }

  void write(asio::const_buffer from, done handler) override {
    asio::async_write(*stream_, from,
                      [handler = std::move(handler)](const socket_error& error, std::size_t) { handler(error); });
  }

  // The peer need not say that it is done in its turn (close_notify): it hangs up, which is as good.
  void finish(done handler) override {
    SSL_set_shutdown(stream_->native_handle(), SSL_RECEIVED_SHUTDOWN);
    stream_->async_shutdown([this, handler = std::move(handler)](const socket_error&) mutable {
      socket_error ignored;
      stream_->next_layer().shutdown(plain_socket::shutdown_send, ignored);
      drain(stream_->next_layer(), rest_, std::move(handler));
    });
  }

  void close() noexcept override {
    socket_error ignored;
    stream_->next_layer().close(ignored);
  }

  asio::ip::address peer() const override { return peer_; }

  bool is_bound() const noexcept override { return true; }

  std::unique_ptr<upgraded_connection> upgrade() override { return make_upgraded(std::move(stream_)); }

private:
  asio::ip::address peer_;
  std::unique_ptr<tls_socket> stream_;
  std::array<char, 1024> rest_{};
};

} // namespace

std::shared_ptr<transport> make_plain_transport(tcp::socket socket) {
  return std::make_shared<plain_transport>(std::move(socket));
}

std::shared_ptr<transport> make_tls_transport(asio::io_context& loop, tcp::socket socket, tls_context context) {
  plain_socket owned{loop.get_executor()};
  if (auto loose = loosen(socket)) {
    socket_error ignored;
    const auto protocol = loose->is_v6() ? tcp::v6() : tcp::v4();
    owned.assign(protocol, loose->take(), ignored);
  }
  return std::make_shared<tls_transport>(std::move(owned), std::move(context));
}

} // namespace gangway
