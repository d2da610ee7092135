#pragma once

/// A WebSocket channel over any of Beast's streams. Included by the files that instantiate one, and by no other: each
/// takes a minute to compile.

#include <algorithm>
#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <type_traits>
#include <utility>

#include <boost/asio/post.hpp>
#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/http/empty_body.hpp>
#include <boost/beast/http/message.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <boost/beast/zlib/error.hpp>
#include <sys/socket.h>

#include "net/plain_socket.hpp"
#include "net/tcp_progress.hpp"
#include "net/websocket.hpp"
#include "protocol/measures.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
namespace websocket = boost::beast::websocket;
using socket_error = boost::system::error_code;

// Beast's own teardown waits for the peer to hang up, for ever if need be; the channel waits with a deadline instead.
template <class Handler>
void async_teardown(beast::role_type, plain_socket& socket, Handler&& handler) {
  socket_error ignored;
  socket.shutdown(plain_socket::shutdown_send, ignored);
  asio::post(socket.get_executor(), beast::bind_front_handler(std::forward<Handler>(handler), socket_error{}));
}

/// Returns the TCP socket below a stream's next layer. One for each such layer.
inline plain_socket& tcp_of(plain_socket& socket) noexcept { return socket; }

/// Whether a type of stream can speak permessage-deflate; those that cannot are smaller, in memory and to compile.
template <class Stream>
inline constexpr bool speaks_deflate = false;

template <class Socket>
inline constexpr bool speaks_deflate<websocket::stream<Socket, true>> = true;

/// Returns how permessage-deflate is spoken (RFC 7692): every message by itself, so that a connection which is
/// compressed costs kilobytes, not hundreds of them.
inline websocket::permessage_deflate deflate_options(const deflate_agreement& what, std::size_t threshold) {
  websocket::permessage_deflate result;
  result.server_enable = true;
  result.server_no_context_takeover = true;
  result.client_no_context_takeover = true;
  result.server_max_window_bits = what.server_window_bits;
  result.compLevel = 6;
  result.memLevel = 4;
  result.msg_size_threshold = threshold;
  return result;
}

// What a connection that waits for its next message sets aside for it: thousands of them wait, and Beast keeps what
// comes beyond it meanwhile.
inline constexpr std::size_t room_idle = 64;

// What a message that does not fit gets next.
inline constexpr std::size_t room_begun = 1024;

// Messages of so many bytes and less are written in one piece, compressed or not (Beast's buffer for it has 4,096).
inline constexpr std::size_t piece_bytes_min = 4000;

/// Returns the socket on that loop, or nothing if its descriptor is of no use any more.
inline std::optional<plain_socket> adopt(asio::io_context& context, loose_socket socket) {
  const auto descriptor = socket.take();
  std::optional<plain_socket> result{context.get_executor()};
  socket_error error;
  result->assign(socket.is_v6() ? asio::ip::tcp::v6() : asio::ip::tcp::v4(), descriptor, error);
  if (!error) return result;
  ::close(descriptor);
  return std::nullopt;
}

/// A channel over one type of Beast's stream.
template <class Stream>
class stream_channel final : public websocket_channel,
                             public close_frame_holder,
                             public std::enable_shared_from_this<stream_channel<Stream>> {
public:
  template <class Socket>
  stream_channel(Socket&& socket, websocket_upgrade&& upgrade, websocket_handler& handler, const channel_rules& rules)
      : stream_{std::forward<Socket>(socket)},
        handler_{&handler},
        upgrade_{std::make_unique<websocket_upgrade>(std::move(upgrade))},
        close_timeout_{rules.close_timeout} {
    // No timer runs while a connection is open: its user's roll call finds the dead ones.
    stream_.set_option(
        websocket::stream_base::timeout{websocket::stream_base::none(), websocket::stream_base::none(), false});
    stream_.auto_fragment(false);
    stream_.text(true);
    if constexpr (speaks_deflate<Stream>)
      if (upgrade_->deflate) {
        stream_.set_option(deflate_options(*upgrade_->deflate, rules.deflate_threshold));
        deflates_ = true;
      }
    set_user_timeout(socket_of().native_handle(), rules.user_timeout);
    stream_.next_layer().ask(this);
  }

  void open() override {
    const auto& asked = upgrade_;
    http::request<http::empty_body> request{http::verb::get, "/", 11};
    request.set(http::field::host, "gangway");
    request.set(http::field::connection, "upgrade");
    request.set(http::field::upgrade, "websocket");
    request.set(http::field::sec_websocket_version, "13");
    request.set(http::field::sec_websocket_key, asked->key);
    if constexpr (speaks_deflate<Stream>)
      if (asked->deflate) request.set(http::field::sec_websocket_extensions, to_offer(*asked->deflate));
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
    // Beast says it again, to nobody.
    stream_.next_layer().mute(asked->is_answered);
    stream_.async_accept(request, [self = this->shared_from_this()](socket_error error) {
      self->stream_.next_layer().mute(false);
      if (error) return self->gone(false);
      if (self->handler_ != nullptr) self->handler_->on_open();
    });
  }

  void look_ahead(std::size_t bytes) override {
    wait_for(bytes);
    socket_of().async_wait(asio::socket_base::wait_read, [self = this->shared_from_this()](socket_error error) {
      if (self->handler_ == nullptr) return;
      self->wait_for(1);
      std::array<char, ahead_max> seen;
      const auto size =
          error ? -1 : ::recv(self->socket_of().native_handle(), seen.data(), seen.size(), MSG_PEEK | MSG_DONTWAIT);
      self->handler_->on_ahead({seen.data(), static_cast<std::size_t>(std::max<ssize_t>(size, 0))});
    });
  }

  std::optional<moved_websocket> move_away() override {
    if constexpr (std::is_same_v<std::decay_t<typename Stream::next_layer_type>, plain_socket>) {
      auto loose = loosen(socket_of());
      if (!loose) return std::nullopt;
      handler_ = nullptr;
      upgrade_->is_answered = true;
      return moved_websocket{make_upgraded(std::move(*loose)), std::move(*upgrade_)};
    }
    return std::nullopt;
  }

  void read() override {
    upgrade_.reset();
    // Room grows with what has come, not with what a frame's header promises.
    if (filled_ == 0 && incoming_.size() > room_idle) {
      incoming_ = std::string{};
      if (handler_ != nullptr) handler_->may_hold(0);
    }
    const auto room = std::max({incoming_.size(), filled_ == 0 ? room_idle : room_begun, filled_ * 2});
    // While it grows both are there.
    if (room > incoming_.size() && handler_ != nullptr && !handler_->may_hold(room + incoming_.size())) return;
    incoming_.resize(room);
    stream_.async_read_some(asio::buffer(incoming_.data() + filled_, incoming_.size() - filled_),
                            reading{this->shared_from_this()});
  }

  void write(frame text) override {
    outgoing_ = std::move(text);
    if (failing_) return go_on_failing();
    // Beast has given the connection up, and its read is about to say why.
    if (!stream_.is_open()) return;
    is_with_beast_ = true;
    is_behind_ping_ = pinging_;
    stream_.async_write(asio::buffer(*outgoing_), [self = this->shared_from_this()](socket_error error, std::size_t) {
      if (self->is_given_up(error)) self->fail(false);
      self->is_with_beast_ = false;
      if (self->failing_) return self->on_written_by_beast(error);
      self->outgoing_.reset();
      if (error) return self->gone(false);
      if (self->handler_ != nullptr) self->handler_->on_written();
    });
  }

  void ping(std::uint64_t nonce) override {
    if (failing_) return;
    next_nonce_ = nonce;
    has_next_nonce_ = true;
    if (!pinging_) send_ping();
  }

  void close(close_code code, std::string_view text) override {
    closing_ = true;
    if (upgrade_) wait_for(1);
    if (failing_ || !stream_.is_open()) return go_on_failing();
    is_closing_by_beast_ = true;
    websocket::close_reason reason{static_cast<websocket::close_code>(code)};
    const auto size = std::min(text.size(), reason.reason.max_size());
    reason.reason.assign(text.data(), size);
    // Its answer shows that the peer has read everything: nothing is left to wait for.
    stream_.async_close(reason, [self = this->shared_from_this()](socket_error) { self->gone(false); });
  }

  void hang_up() override {
    handler_ = nullptr;
    close_socket();
  }

  void drop() override {
    handler_ = nullptr;
    socket_error ignored;
    socket_of().set_option(asio::socket_base::linger{true, 0}, ignored);
    socket_of().close(ignored);
    give_up_held();
  }

  void limit_messages(std::size_t bytes) override { stream_.read_message_max(bytes); }

  tcp_progress progress() override { return progress_of(socket_of().native_handle()); }

private:
  plain_socket& socket_of() { return tcp_of(stream_.next_layer()); }

  // A read's handler, marked as one.
  struct reading {
    using allocator_type = reading_allocator<void>;

    std::shared_ptr<stream_channel> self;

    void operator()(const socket_error& error, std::size_t size) const {
      if (error) return self->on_read_error(error);
      self->filled_ += size;
      self->on_read();
    }

    allocator_type get_allocator() const noexcept { return {}; }
  };

  void on_read_error(const socket_error& error) {
    if (speaks_deflate<Stream> && is_from_zlib(error)) return fail(false);
    // Without a close frame there is nobody to wait for.
    const auto code = code_of(error);
    gone(code != no_close_frame, code);
  }

  static bool is_from_zlib(const socket_error& error) {
    return error.category() == make_error_code(beast::zlib::error::end_of_stream).category();
  }

  // Whether Beast has done with the connection because of what it could not inflate, which its read has yet to say.
  bool is_given_up(const socket_error& error) const {
    return deflates_ && !stream_.is_open() && error == asio::error::operation_aborted;
  }

  // -- failing -------------------------------------------------------------------------------------

  bool wants(std::uint16_t) const override { return handler_ != nullptr && !is_closing_by_beast_ && !failing_; }

  void hold(std::unique_ptr<held_close_frame> what) override {
    held_ = std::move(what);
    fail(true);
  }

  // From now on Beast writes nothing but what it has begun; answers go out past it. With a close frame held it has
  // begun nothing, and does not until that is gone. Without one it gave the connection up without a word, because of
  // what it could not inflate, and finishes what it is at.
  void fail(bool is_held) {
    if (handler_ == nullptr || failing_ || is_closing_by_beast_) return;
    failing_ = true;
    is_begun_ = is_with_beast_ && !is_held && !is_behind_ping_;
    is_pinging_past_ = pinging_ && !is_held;
    // A longer message may have gone out in part, and nothing but a close frame may come in the middle of one.
    is_cut_off_ = is_with_beast_ && deflates_ && outgoing_->size() > piece_bytes_min;
    deadline_ = std::make_unique<asio::steady_timer>(socket_of().get_executor(), close_timeout_);
    deadline_->async_wait([self = this->shared_from_this()](socket_error error) {
      if (!error) self->on_failing_too_long();
    });
    // Not from within the call that asked for a read.
    asio::post(socket_of().get_executor(), [self = this->shared_from_this()] {
      if (self->handler_ != nullptr) self->handler_->on_failing();
      if (self->handler_ != nullptr) self->go_on_failing();
    });
  }

  // Does the next step, unless one is being done.
  void go_on_failing() {
    if (!failing_ || is_begun_ || is_pinging_past_ || is_writing_past_ || said_ || handler_ == nullptr) return;
    if (outgoing_ && !is_cut_off_) return write_past();
    if (closing_ || is_cut_off_) say_failed();
  }

  void on_written_by_beast(const socket_error& error) {
    // What it had not begun is written past it.
    if (!std::exchange(is_begun_, false)) return;
    // It says so of what it has finished as well.
    if (error && error != asio::error::operation_aborted) return gone(false);
    on_written_past();
  }

  void on_written_past() {
    if (is_cut_off_) return go_on_failing();
    outgoing_.reset();
    if (handler_ != nullptr) handler_->on_written();
    go_on_failing();
  }

  void write_past() {
    is_writing_past_ = true;
    const auto size = outgoing_->size();
    header_ = '\x81';
    if (size < 126) {
      header_ += static_cast<char>(size);
    } else {
      const int bytes = size < 65'536 ? 2 : 8;
      header_ += static_cast<char>(bytes == 2 ? 126 : 127);
      for (int shift = 8 * (bytes - 1); shift >= 0; shift -= 8)
        header_ += static_cast<char>(size >> shift & 0xFFU);
    }
    const std::array<asio::const_buffer, 2> both{asio::buffer(header_), asio::buffer(*outgoing_)};
    asio::async_write(stream_.next_layer(), both,
                      [self = this->shared_from_this()](const socket_error& error, std::size_t) {
                        self->is_writing_past_ = false;
                        if (error) return self->gone(false);
                        self->on_written_past();
                      });
  }

  // Sends the close frame at last. Beast ends the read behind its own one.
  void say_failed() {
    said_ = true;
    if (const auto held = std::exchange(held_, nullptr)) return held->go();
    static constexpr unsigned char close_frame[] = {0x88, 0x02, 0x03, 0xEF}; // 1007
    asio::async_write(stream_.next_layer(), asio::buffer(close_frame),
                      [self = this->shared_from_this()](const socket_error& error, std::size_t) {
                        if (error) return self->gone(false, websocket::close_code::bad_payload);
                        async_teardown(
                            beast::role_type::server, self->stream_.next_layer(),
                            [self](const socket_error&) { self->gone(true, websocket::close_code::bad_payload); });
                      });
  }

  void on_failing_too_long() {
    if (is_begun_ || is_pinging_past_ || is_writing_past_ || said_) return gone(false);
    say_failed();
  }

  // The kernel says that there is something to read once there are so many bytes, or the end.
  void wait_for(std::size_t bytes) {
    socket_error ignored;
    socket_of().set_option(asio::socket_base::receive_low_watermark{static_cast<int>(bytes)}, ignored);
  }

  void give_up_held() {
    if (const auto held = std::exchange(held_, nullptr)) held->give_up();
  }

  // -- reading -------------------------------------------------------------------------------------

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
                       [self = this->shared_from_this()](socket_error error) {
                         self->pinging_ = self->is_behind_ping_ = false;
                         if (self->is_given_up(error)) self->fail(false);
                         if (self->failing_) {
                           self->is_pinging_past_ = false;
                           return self->go_on_failing();
                         }
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

  // After a closing handshake that the peer began it hangs up first: a socket that is closed while bytes come in is
  // reset, and what we said last is lost.
  void gone(bool in_order, std::uint16_t code = no_close_frame) {
    auto* handler = std::exchange(handler_, nullptr);
    if (handler == nullptr) return;
    if (in_order) {
      deadline_ = std::make_unique<asio::steady_timer>(socket_of().get_executor(), close_timeout_);
      deadline_->async_wait([self = this->shared_from_this()](socket_error) { self->close_socket(); });
      await_hang_up();
    } else {
      close_socket();
    }
    handler->on_gone(code);
  }

  void await_hang_up() {
    incoming_.resize(room_idle);
    socket_of().async_read_some(asio::buffer(incoming_),
                                [self = this->shared_from_this()](socket_error error, std::size_t) {
                                  if (error) return self->deadline_.reset();
                                  self->await_hang_up();
                                });
  }

  void close_socket() {
    socket_error ignored;
    socket_of().close(ignored);
    give_up_held();
  }

  Stream stream_;
  websocket_handler* handler_;
  std::unique_ptr<websocket_upgrade> upgrade_;
  std::unique_ptr<asio::steady_timer> deadline_;
  std::chrono::milliseconds close_timeout_;
  std::string incoming_;
  std::size_t filled_ = 0;
  frame outgoing_;
  std::uint64_t next_nonce_ = 0;
  std::unique_ptr<held_close_frame> held_; // by which Beast fails the connection
  std::string header_;                     // of what is written past Beast
  bool has_next_nonce_ = false;
  bool pinging_ = false;
  bool deflates_ = false;
  bool closing_ = false;
  bool is_closing_by_beast_ = false;
  bool failing_ = false;
  bool is_with_beast_ = false;   // what is written
  bool is_behind_ping_ = false;  // and waits for a ping
  bool is_begun_ = false;        // by Beast, before the connection failed: what is written,
  bool is_pinging_past_ = false; // and a ping
  bool is_writing_past_ = false; // Beast
  bool said_ = false;            // that it failed
  bool is_cut_off_ = false;      // what is written, perhaps
};

} // namespace gangway
