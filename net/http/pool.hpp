#pragma once

/// What the calls of one HTTP client share: the loop, whom they trust, and the connections kept for the next call.

#include <chrono>
#include <cstdint>
#include <list>
#include <memory>
#include <optional>
#include <string>
#include <unordered_set>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ssl/context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/http/client.hpp"
#include "net/http/url.hpp"
#include "net/http/wire.hpp"

namespace gangway {

class http_exchange;

/// Owned by the client and by each of its calls. Touched on the client's loop alone.
class http_pool : public std::enable_shared_from_this<http_pool> {
public:
  using clock = std::chrono::steady_clock;

  /// @throws std::runtime_error if the options' `ca_file` cannot be read
  http_pool(boost::asio::io_context& context, http_client_options options);

  boost::asio::io_context& context() noexcept { return context_; }

  /// Returns a new connection to that server, not connected yet.
  std::shared_ptr<http_wire> make(const http_url& where);

  /// Returns a kept connection to that server, the one used last; null if there is none.
  std::shared_ptr<http_wire> take(const http_url& where);

  /// Keeps a connection for the next call, for as long as the options and `at_most` allow. Beyond the limit the one
  /// that has waited longest is closed.
  void keep(const http_url& where, std::shared_ptr<http_wire> wire, std::optional<clock::duration> at_most);

  /// Closes what is kept, and keeps nothing more.
  void close();

  /// The calls that have not ended.
  std::unordered_set<std::shared_ptr<http_exchange>> running;

private:
  struct kept {
    bool is_tls;
    std::string host;
    std::uint16_t port;
    std::shared_ptr<http_wire> wire;
    clock::time_point until;
  };

  void drop(const http_wire* wire);
  void await_the_next_to_go();

  boost::asio::io_context& context_;
  http_client_options options_;
  boost::asio::ssl::context tls_;
  std::list<kept> kept_; ///< the one used last at the end
  boost::asio::steady_timer timer_;
  bool is_closed_ = false;
};

} // namespace gangway
