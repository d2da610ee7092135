#include "net/listener.hpp"

#include <algorithm>
#include <charconv>
#include <limits>
#include <optional>
#include <utility>

#include <sys/resource.h>

#include "protocol/log.hpp"

namespace gangway {

namespace {

using boost::asio::ip::tcp;
using socket_error = boost::system::error_code;

constexpr std::chrono::milliseconds retry_after{100};

std::optional<tcp::endpoint> parse_address(boost::asio::io_context& context, const std::string& text,
                                           std::string& reason) {
  reason = "an address looks like 127.0.0.1:8080";
  const auto colon = text.rfind(':');
  if (colon == text.npos || colon == 0) return std::nullopt;
  auto host = text.substr(0, colon);
  const auto digits = text.substr(colon + 1);
  std::uint16_t port = 0;
  const auto [end, parsed] = std::from_chars(digits.data(), digits.data() + digits.size(), port);
  if (parsed != std::errc{} || end != digits.data() + digits.size()) return std::nullopt;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  socket_error error;
  const auto address = boost::asio::ip::make_address(host, error);
  if (!error) return tcp::endpoint{address, port};
  const auto found = tcp::resolver{context}.resolve(host, digits, error);
  if (!error && !found.empty()) return found.begin()->endpoint();
  reason = error.message();
  return std::nullopt;
}

int descriptors_max() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<int>::max();
  return static_cast<int>(std::min<rlim_t>(limit.rlim_cur, std::numeric_limits<int>::max()));
}

} // namespace

std::variant<std::shared_ptr<listener>, std::string> listener::open(event_loops& loops, const std::string& address,
                                                                    handler what) {
  const auto refuse = [&](const std::string& reason) { return "cannot listen on " + address + ": " + reason; };
  std::string reason;
  const auto endpoint = parse_address(loops.context(0), address, reason);
  if (!endpoint) return refuse(reason);
  auto result = std::make_shared<listener>(loops, std::move(what));
  socket_error error;
  auto& acceptor = result->acceptor_;
  acceptor.open(endpoint->protocol(), error);
  if (!error) acceptor.set_option(tcp::acceptor::reuse_address{true}, error);
  if (!error) acceptor.bind(*endpoint, error);
  if (!error) acceptor.listen(tcp::acceptor::max_listen_connections, error);
  if (!error) result->port_ = acceptor.local_endpoint(error).port();
  if (error) return refuse(error.message());
  return result;
}

listener::listener(event_loops& loops, handler what)
    : loops_{loops},
      handler_{std::move(what)},
      descriptors_max_{descriptors_max() - handler_.descriptors_kept},
      acceptor_{loops.context(0)},
      retry_{loops.context(0)} {}

void listener::start() {
  loops_.post(0, [self = shared_from_this()] { self->accept(); });
}

void listener::stop() {
  loops_.post(0, [self = shared_from_this()] {
    socket_error ignored;
    self->acceptor_.close(ignored);
    self->retry_.cancel();
  });
}

void listener::accept() {
  if (!acceptor_.is_open()) return;
  const auto loop = next_;
  next_ = (next_ + 1) % loops_.size();
  acceptor_.async_accept(loops_.context(loop),
                         [self = shared_from_this(), loop](const socket_error& error, tcp::socket socket) {
                           self->on_accepted(loop, error, std::move(socket));
                         });
}

void listener::on_accepted(std::size_t loop, const socket_error& error, tcp::socket socket) {
  if (!acceptor_.is_open()) return;
  // A client that gave up meanwhile is no reason to wait.
  if (error && error != boost::asio::error::connection_aborted) {
    if (!std::exchange(short_of_descriptors_, true))
      log::warning("cannot accept connections", {{"reason", error.message()}});
    retry_.expires_after(retry_after);
    retry_.async_wait([self = shared_from_this()](const socket_error&) { self->accept(); });
    return;
  }
  if (!error && std::exchange(short_of_descriptors_, false)) log::info("accepting connections again");
  if (!error && (!handler_.may_dial || handler_.may_dial(socket))) {
    // The kernel gives out the lowest number that is free.
    const bool is_scarce = socket.native_handle() >= descriptors_max_;
    if (is_scarce && scarce_notes_.take(std::chrono::steady_clock::now()))
      log::warning("few file descriptors are left: connections that have not signed in give way");
    socket_error ignored;
    socket.set_option(tcp::no_delay{true}, ignored);
    loops_.post(loop, [self = shared_from_this(), loop, is_scarce, socket = std::move(socket)]() mutable {
      self->handler_.on_accepted(loop, std::move(socket), is_scarce);
    });
  }
  accept();
}

} // namespace gangway
