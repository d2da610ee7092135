#pragma once

/// The close frame by which Beast fails a connection (1002, 1007, 1009), and how it can be held back until what came
/// before the fault is answered.
///
/// Beast writes that frame in the middle of a read and asks nobody. But it passes the allocator of the read's handler
/// on to every step that it takes, so a socket sees by its type what is written for a read: pongs and close frames.

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <type_traits>
#include <utility>

#include <boost/asio/associated_allocator.hpp>
#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/recycling_allocator.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/websocket/rfc6455.hpp> // tidy: allow (the names of codes, and no stream)

namespace gangway {

/// The allocator of a read's handler, and by that its mark.
template <class Value>
struct reading_allocator : boost::asio::recycling_allocator<Value> {
  reading_allocator() = default;
  template <class Other>
  reading_allocator(const reading_allocator<Other>&) noexcept {}
  template <class Other>
  struct rebind {
    using other = reading_allocator<Other>;
  };
};

template <class Handler>
inline constexpr bool is_of_a_read =
    std::is_same_v<boost::asio::associated_allocator_t<std::decay_t<Handler>>, reading_allocator<void>>;

/// A close frame that waits to be written.
class held_close_frame {
public:
  virtual ~held_close_frame() = default;

  /// Writes it.
  virtual void go() = 0;

  /// Tells its writer that it cannot be written.
  virtual void give_up() = 0;
};

/// Who is asked whether a close frame may go.
class close_frame_holder {
public:
  /// Returns whether a close frame with that code is to be held.
  virtual bool wants(std::uint16_t code) const = 0;

  virtual void hold(std::unique_ptr<held_close_frame> what) = 0;

protected:
  ~close_frame_holder() = default;
};

/// Returns the code of the close frame by which a server fails a connection, or nothing if `buffers` are anything else.
template <class Buffers>
std::optional<std::uint16_t> failure_in(const Buffers& buffers) {
  unsigned char bytes[4];
  if (boost::asio::buffer_size(buffers) != sizeof bytes) return std::nullopt;
  boost::asio::buffer_copy(boost::asio::buffer(bytes), buffers);
  if (bytes[0] != 0x88 || bytes[1] != 2) return std::nullopt;
  const auto code = static_cast<std::uint16_t>(bytes[2] << 8U | bytes[3]);
  namespace websocket = boost::beast::websocket;
  const bool is_failure = code == websocket::close_code::protocol_error || code == websocket::close_code::bad_payload
                          || code == websocket::close_code::too_big;
  return is_failure ? std::optional{code} : std::nullopt;
}

/// A socket whose close frames can be held back.
template <class Socket>
class holding_socket : public Socket {
public:
  using Socket::Socket;

  void ask(close_frame_holder* holder) noexcept { holder_ = holder; }

  /// From now on, or no more, what is written counts as written and goes nowhere.
  void mute(bool is_muted) noexcept { is_muted_ = is_muted; }

  template <class Buffers, class Handler>
  decltype(auto) async_write_some(const Buffers& buffers, Handler&& handler) {
    if constexpr (is_of_a_read<Handler>) {
      if (holder_ != nullptr)
        if (const auto code = failure_in(buffers); code && holder_->wants(*code)) {
          using held = held_write<Buffers, std::decay_t<Handler>>;
          return holder_->hold(std::make_unique<held>(*this, buffers, std::forward<Handler>(handler)));
        }
    }
    if (is_muted_)
      return boost::asio::post(Socket::get_executor(), boost::beast::bind_front_handler(
                                                           std::forward<Handler>(handler), boost::system::error_code{},
                                                           boost::asio::buffer_size(buffers)));
    return Socket::async_write_some(buffers, std::forward<Handler>(handler));
  }

private:
  template <class Buffers, class Handler>
  class held_write final : public held_close_frame {
  public:
    held_write(Socket& socket, const Buffers& buffers, Handler handler)
        : socket_{socket}, buffers_{buffers}, handler_{std::move(handler)} {}

    void go() override { socket_.async_write_some(buffers_, std::move(handler_)); }

    void give_up() override {
      const boost::system::error_code error = boost::asio::error::operation_aborted;
      boost::asio::post(socket_.get_executor(), boost::beast::bind_front_handler(std::move(handler_), error, 0U));
    }

  private:
    Socket& socket_;
    Buffers buffers_;
    Handler handler_;
  };

  close_frame_holder* holder_ = nullptr;
  bool is_muted_ = false;
};

} // namespace gangway
