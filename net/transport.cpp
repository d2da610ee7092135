#include "net/transport.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/write.hpp>
#include <openssl/ssl.h>
#include <sys/socket.h>

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

// Whether the peer has nothing more to say, as far as the kernel knows: nobody waits for that.
bool has_hung_up(plain_socket& socket) {
  char byte = 0;
  const auto size = ::recv(socket.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
  return size == 0 || (size < 0 && errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR);
}

// The first record of a TLS client has five bytes of header, the last two its length.
constexpr std::size_t record_header_bytes = 5;
constexpr unsigned char handshake_record = 22;

// That much of a first record is waited for before the handshake begins; ClientHellos are shorter.
constexpr std::size_t hello_bytes_max = 4 * 1024;

// Returns how much of the first record there must be for a handshake to begin, as far as `text` tells; 0: it is none.
std::size_t hello_bytes(std::string_view text) {
  if (!text.empty() && static_cast<unsigned char>(text[0]) != handshake_record) return 0;
  if (text.size() < record_header_bytes) return record_header_bytes;
  const auto length = static_cast<unsigned char>(text[3]) << 8U | static_cast<unsigned char>(text[4]);
  return std::min(record_header_bytes + static_cast<std::size_t>(length), hello_bytes_max);
}

class tls_transport final : public transport, public std::enable_shared_from_this<tls_transport> {
public:
  tls_transport(plain_socket socket, tls_context context, handshake_turns& turns)
      : peer_{address_of(socket)}, socket_{std::move(socket)}, context_{std::move(context)}, turns_{turns} {}

  void open(done handler) override {
    hello_.resize(record_header_bytes);
    read_hello(0, std::move(handler));
  }

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
    if (stream_) stream_->next_layer().close(ignored);
    if (socket_) socket_->close(ignored);
  }

  asio::ip::address peer() const override { return peer_; }

  bool is_bound() const noexcept override { return true; }

  std::unique_ptr<upgraded_connection> upgrade() override { return make_upgraded(std::move(stream_)); }

private:
  void read_hello(std::size_t size, done handler) {
    const auto wanted = hello_bytes({hello_.data(), size});
    if (wanted == 0) return handler(asio::error::no_protocol_option);
    if (wanted == size) return begin_in_turn(std::move(handler));
    hello_.resize(wanted);
    socket_->async_read_some(asio::buffer(hello_.data() + size, wanted - size),
                             [self = shared_from_this(), size, handler = std::move(handler)](const socket_error& error,
                                                                                             std::size_t more) mutable {
                               if (error) return handler(error);
                               self->read_hello(size + more, std::move(handler));
                             });
  }

  // OpenSSL does what is dear about a handshake within the call that begins it, since the hello is here.
  void begin_in_turn(done handler) {
    turns_.ask(peer_, [self = weak_from_this(), handler = std::move(handler)]() mutable {
      const auto there = self.lock();
      return there && there->begin(std::move(handler));
    });
  }

  bool begin(done handler) {
    if (!socket_->is_open() || has_hung_up(*socket_)) {
      handler(asio::error::operation_aborted);
      return false;
    }
    stream_ = std::make_unique<tls_socket>(std::move(*socket_), std::move(context_));
    socket_.reset();
    stream_->async_handshake(
        asio::ssl::stream_base::server, asio::buffer(hello_),
        [self = shared_from_this(), handler = std::move(handler)](const socket_error& error, std::size_t used) {
          const bool is_whole = used == self->hello_.size();
          self->hello_ = {};
          handler(error || is_whole ? error : socket_error{asio::error::no_protocol_option});
        });
    return true;
  }

  asio::ip::address peer_;
  std::optional<plain_socket> socket_; // until its handshake begins
  tls_context context_;                // until then
  handshake_turns& turns_;
  std::string hello_; // the client's first bytes
  std::unique_ptr<tls_socket> stream_;
  std::array<char, 1024> rest_{};
};

} // namespace

std::shared_ptr<transport> make_plain_transport(tcp::socket socket) {
  return std::make_shared<plain_transport>(std::move(socket));
}

std::shared_ptr<transport> make_tls_transport(asio::io_context& loop, tcp::socket socket, tls_context context,
                                              handshake_turns& turns) {
  plain_socket owned{loop.get_executor()};
  if (auto loose = loosen(socket)) {
    socket_error ignored;
    const auto protocol = loose->is_v6() ? tcp::v6() : tcp::v4();
    owned.assign(protocol, loose->take(), ignored);
  }
  return std::make_shared<tls_transport>(std::move(owned), std::move(context), turns);
}

} // namespace gangway
