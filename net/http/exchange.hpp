#pragma once

/// One call of the HTTP client, from its connection to the end of its answer.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/http/client.hpp"
#include "net/http/pool.hpp"
#include "net/http/reader.hpp"
#include "net/http/url.hpp"
#include "net/http/wire.hpp"

namespace gangway {

/// It stays alive while it is among the pool's running calls. Whatever the handler does in a callback, cancelling and
/// destroying the client included, finds it whole.
class http_exchange : public std::enable_shared_from_this<http_exchange> {
public:
  http_exchange(std::shared_ptr<http_pool> pool, http_call call, std::shared_ptr<http_answer_handler> handler);

  /// Sets out, from the loop's next turn on.
  void begin();

  /// Ends without a word to the handler.
  void cancel();

  /// Ends because the client does: the handler hears of it from the loop's next turn, unless it is cancelled before.
  void abandon();

private:
  using clock = std::chrono::steady_clock;
  using socket_error = boost::system::error_code;

  enum class phase : std::uint8_t { connecting, securing, sending, waiting, receiving };

  void start();
  void connect();
  void resolve();
  void try_next_address();
  void on_connected(socket_error error);
  void on_secured(socket_error error);

  void transmit();
  void write_more();
  void on_sent(socket_error error, std::size_t bytes);

  void listen();
  void on_bytes(socket_error error, std::string_view bytes);
  void on_hang_up(socket_error error);
  bool read_answer();
  bool may_try_again() const;
  void complete();

  void enter(phase next, http_limits::duration timeout);
  void watch();
  void on_time(clock::time_point now);

  void stop();
  std::shared_ptr<http_answer_handler> leave();
  void end(const std::optional<http_failure>& failure);
  void fail(http_failure_kind kind, std::string reason);
  std::string server() const { return host_header_of(url_); }

  std::shared_ptr<http_pool> pool_;
  http_call call_;
  std::shared_ptr<http_answer_handler> handler_;
  bool is_stopped_ = false; ///< nothing more is done; only an end may still have to be told

  http_url url_;
  std::optional<boost::asio::ip::tcp::resolver> resolver_;
  std::vector<boost::asio::ip::tcp::endpoint> addresses_; ///< still to be tried, the next one last
  std::shared_ptr<http_wire> wire_;
  bool is_reused_ = false; ///< another call was on this wire before

  std::shared_ptr<const std::string> text_; ///< the request
  std::size_t sent_ = 0;                    ///< bytes of it, on this wire
  bool may_be_told_ = false;                ///< the server may know some of it: a write that has not failed counts
  std::optional<http_reader> reader_;
  bool is_answered_ = false; ///< something of the answer has come

  phase phase_ = phase::connecting;
  clock::time_point connect_due_ = clock::time_point::max();
  clock::time_point phase_due_ = clock::time_point::max();
  clock::time_point total_due_ = clock::time_point::max();
  clock::time_point timer_due_ = clock::time_point::max();
  boost::asio::steady_timer timer_;
};

} // namespace gangway
