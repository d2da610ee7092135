#include "net/websocket.hpp"

#include <algorithm>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>

#include "net/tcp_progress.hpp"
#include "protocol/measures.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using boost::asio::ip::tcp;
using socket_error = boost::system::error_code;

// The loop's own executor type is one pointer, where the default one is a polymorphic wrapper. A type of its own, so
// that `async_teardown` below is found for it.
class plain_socket : public asio::basic_stream_socket<tcp, asio::io_context::executor_type> {
public:
  using basic_stream_socket::basic_stream_socket;
};

// A stream without permessage-deflate is smaller, in memory and to compile.
using plain_stream = websocket::stream<plain_socket, false>;

// Beast's own teardown waits for the peer to hang up, for ever if need be; the channel waits with a deadline instead.
template <class Handler>
void async_teardown(beast::role_type, plain_socket& socket, Handler&& handler) {
  socket_error ignored;
  socket.shutdown(plain_socket::shutdown_send, ignored);
  asio::post(socket.get_executor(), beast::bind_front_handler(std::forward<Handler>(handler), socket_error{}));
}

// What a connection that waits for its next message sets aside for it: thousands of them wait, and Beast keeps what
// comes beyond it meanwhile.
constexpr std::size_t room_idle = 64;

// What a message that does not fit gets next.
constexpr std::size_t room_begun = 1024;

class plain_channel final : public websocket_channel, public std::enable_shared_from_this<plain_channel> {
public:
  plain_channel(plain_socket&& socket, websocket_upgrade&& upgrade, websocket_handler& handler,
                std::chrono::milliseconds close_timeout)
      : stream_{std::move(socket)},
        handler_{&handler},
        upgrade_{std::make_unique<websocket_upgrade>(std::move(upgrade))},
        close_timeout_{close_timeout} {
    // No timer runs while a connection is open: its user's roll call finds the dead ones.
    stream_.set_option(
        websocket::stream_base::timeout{websocket::stream_base::none(), websocket::stream_base::none(), false});
    stream_.auto_fragment(false);
    stream_.text(true);
  }

  void open() override {
    const auto asked = std::move(upgrade_);
    http::request<http::empty_body> request{http::verb::get, "/", 11};
    request.set(http::field::host, "gangway");
    request.set(http::field::connection, "upgrade");
    request.set(http::field::upgrade, "websocket");
    request.set(http::field::sec_websocket_version, "13");
    request.set(http::field::sec_websocket_key, asked->key);
    stream_.set_option(
        websocket::stream_base::decorator([echo = asked->with_subprotocol](websocket::response_type& response) {
          if (echo)
            response.set(http::field::sec_websocket_protocol,
                         beast::string_view{wire::subprotocol.data(), wire::subprotocol.size()});
          response.set(http::field::server, "gangway");
        }));
    stream_.control_callback([this](websocket::frame_type kind, beast::string_view payload) {
      if (kind == websocket::frame_type::pong && handler_ != nullptr)
        handler_->on_pong({payload.data(), payload.size()});
    });
    stream_.async_accept(request, [self = shared_from_this()](socket_error error) {
      if (error) return self->gone(false);
      if (self->handler_ != nullptr) self->handler_->on_open();
    });
  }

  void read() override {
    // Room grows with what has come, not with what a frame's header promises.
    if (filled_ == 0 && incoming_.size() > room_idle) incoming_ = std::string{};
    incoming_.resize(std::max({incoming_.size(), filled_ == 0 ? room_idle : room_begun, filled_ * 2}));
    stream_.async_read_some(asio::buffer(incoming_.data() + filled_, incoming_.size() - filled_),
                            [self = shared_from_this()](socket_error error, std::size_t size) {
                              if (error) return self->gone(true, self->code_of(error));
                              self->filled_ += size;
                              self->on_read();
                            });
  }

  void write(frame text) override {
    outgoing_ = std::move(text);
    stream_.async_write(asio::buffer(*outgoing_), [self = shared_from_this()](socket_error error, std::size_t) {
      self->outgoing_.reset();
      if (error) return self->gone(false);
      if (self->handler_ != nullptr) self->handler_->on_written();
    });
  }

  void ping(std::uint64_t nonce) override {
    next_nonce_ = nonce;
    has_next_nonce_ = true;
    if (!pinging_) send_ping();
  }

  void close(close_code code, std::string_view text) override {
    websocket::close_reason reason{static_cast<websocket::close_code>(code)};
    const auto size = std::min(text.size(), reason.reason.max_size());
    reason.reason.assign(text.data(), size);
    stream_.async_close(reason, [self = shared_from_this()](socket_error) { self->gone(true); });
  }

  void drop() override {
    handler_ = nullptr;
    socket_error ignored;
    socket().set_option(asio::socket_base::linger{true, 0}, ignored);
    socket().close(ignored);
  }

  void limit_messages(std::size_t bytes) override { stream_.read_message_max(bytes); }

  tcp_progress progress() override { return progress_of(socket().native_handle()); }

private:
  plain_socket& socket() { return stream_.next_layer(); }

  void on_read() {
    if (handler_ == nullptr) return;
    if (!stream_.is_message_done()) return read();
    const auto size = std::exchange(filled_, 0);
    handler_->on_message({incoming_.data(), size}, stream_.got_text());
  }

  void send_ping() {
    has_next_nonce_ = false;
    pinging_ = true;
    const auto digits = std::to_string(next_nonce_);
    stream_.async_ping(websocket::ping_data{beast::string_view{digits}},
                       [self = shared_from_this()](socket_error error) {
                         self->pinging_ = false;
                         if (error) return self->gone(false);
                         if (self->has_next_nonce_ && self->handler_ != nullptr) self->send_ping();
                       });
  }

  // What the close frame said: the client's, or Beast's own, which does not tell by which code it failed a connection.
  std::uint16_t code_of(const socket_error& error) const {
    if (error == websocket::error::closed) {
      // One without a code is answered with 1000.
      const std::uint16_t said = stream_.reason().code;
      if (said == websocket::close_code::none) return websocket::close_code::normal;
      return said;
    }
    if (error == websocket::error::message_too_big) return websocket::close_code::too_big;
    if (error == websocket::error::bad_frame_payload) return websocket::close_code::bad_payload;
    if (error == websocket::condition::protocol_violation) return websocket::close_code::protocol_error;
    return no_close_frame;
  }

  // After a closing handshake the peer hangs up first: a socket that is closed while bytes come in is reset, and what
  // we said last is lost.
  void gone(bool in_order, std::uint16_t code = no_close_frame) {
    auto* handler = std::exchange(handler_, nullptr);
    if (handler == nullptr) return;
    if (in_order) {
      deadline_ = std::make_unique<asio::steady_timer>(socket().get_executor(), close_timeout_);
      deadline_->async_wait([self = shared_from_this()](socket_error) { self->hang_up(); });
      await_hang_up();
    } else {
      hang_up();
    }
    handler->on_gone(code);
  }

  void await_hang_up() {
    incoming_.resize(room_idle);
    socket().async_read_some(asio::buffer(incoming_), [self = shared_from_this()](socket_error error, std::size_t) {
      if (error) return self->deadline_.reset();
      self->await_hang_up();
    });
  }

  void hang_up() {
    socket_error ignored;
    socket().close(ignored);
  }

  plain_stream stream_;
  websocket_handler* handler_;
  std::unique_ptr<websocket_upgrade> upgrade_;
  std::unique_ptr<asio::steady_timer> deadline_;
  std::chrono::milliseconds close_timeout_;
  std::string incoming_;
  std::size_t filled_ = 0;
  frame outgoing_;
  std::uint64_t next_nonce_ = 0;
  bool has_next_nonce_ = false;
  bool pinging_ = false;
};

} // namespace

std::shared_ptr<websocket_channel> make_plain_channel(asio::io_context& context, loose_socket socket,
                                                      websocket_upgrade upgrade, websocket_handler& handler,
                                                      std::chrono::milliseconds close_timeout,
                                                      std::chrono::milliseconds user_timeout) {
  plain_socket owned{context.get_executor()};
  const auto descriptor = socket.take();
  socket_error error;
  owned.assign(socket.is_v6() ? tcp::v6() : tcp::v4(), descriptor, error);
  if (error) {
    ::close(descriptor);
    return nullptr;
  }
  set_user_timeout(descriptor, user_timeout);
  return std::make_shared<plain_channel>(std::move(owned), std::move(upgrade), handler, close_timeout);
}

} // namespace gangway
