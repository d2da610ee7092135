/// The yardstick of bench/core: a WebSocket echo server as one would write it by hand on Beast, built as Beast's own
/// examples are, with its defaults, and without their timeouts, which cost memory and a timer for each message.
///
///     beast_echo PORT [THREADS]
///
/// Listens on loopback. Each thread has its own loop and its own listening socket: the kernel spreads the connections.

#include <charconv>
#include <cstdint>
#include <cstdlib>
#include <cstring>
#include <iostream>
#include <list>
#include <memory>
#include <optional>
#include <thread>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/beast/core/bind_handler.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/core/tcp_stream.hpp>
#include <boost/beast/websocket/stream.hpp>
#include <sys/socket.h>

namespace gangway {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
using boost::asio::ip::tcp;
using socket_error = boost::system::error_code;
using reuse_port = asio::detail::socket_option::boolean<SOL_SOCKET, SO_REUSEPORT>;

class echo_session : public std::enable_shared_from_this<echo_session> {
public:
  explicit echo_session(tcp::socket&& socket) : stream_{std::move(socket)} {
    stream_.next_layer().socket().set_option(tcp::no_delay{true});
    stream_.text(true);
  }

  void begin() { stream_.async_accept(beast::bind_front_handler(&echo_session::on_accepted, shared_from_this())); }

private:
  void on_accepted(socket_error error) {
    if (!error) read();
  }

  void read() { stream_.async_read(buffer_, beast::bind_front_handler(&echo_session::on_read, shared_from_this())); }

  void on_read(socket_error error, std::size_t) {
    if (error) return;
    stream_.async_write(buffer_.data(), beast::bind_front_handler(&echo_session::on_written, shared_from_this()));
  }

  void on_written(socket_error error, std::size_t) {
    if (error) return;
    buffer_.consume(buffer_.size());
    read();
  }

  beast::websocket::stream<beast::tcp_stream> stream_;
  beast::flat_buffer buffer_;
};

class echo_loop {
public:
  explicit echo_loop(std::uint16_t port) {
    const tcp::endpoint endpoint{asio::ip::address_v4::loopback(), port};
    acceptor_.open(endpoint.protocol());
    acceptor_.set_option(tcp::acceptor::reuse_address{true});
    acceptor_.set_option(reuse_port{true});
    acceptor_.bind(endpoint);
    acceptor_.listen(asio::socket_base::max_listen_connections);
    accept();
  }

  void run() { context_.run(); }

private:
  void accept() {
    acceptor_.async_accept([this](socket_error error, tcp::socket socket) {
      if (!error) std::make_shared<echo_session>(std::move(socket))->begin();
      accept();
    });
  }

  asio::io_context context_{1};
  tcp::acceptor acceptor_{context_};
};

template <class Number>
std::optional<Number> to_number(const char* text) {
  Number result{};
  const auto* end = text + std::strlen(text);
  const auto [rest, error] = std::from_chars(text, end, result);
  if (error != std::errc{} || rest != end) return std::nullopt;
  return result;
}

} // namespace

} // namespace gangway

int main(int argument_count, char** arguments) {
  const auto port = argument_count > 1 ? gangway::to_number<std::uint16_t>(arguments[1]) : std::nullopt;
  const auto count = argument_count > 2 ? gangway::to_number<unsigned>(arguments[2]) : 1U;
  if (!port || !count || *count == 0) {
    std::cerr << "usage: beast_echo PORT [THREADS]\n";
    return 2;
  }
  std::list<gangway::echo_loop> loops;
  for (unsigned i = 0; i < *count; ++i)
    loops.emplace_back(*port);
  std::vector<std::thread> threads;
  for (auto& loop : loops)
    threads.emplace_back([&loop] { loop.run(); });
  for (auto& thread : threads)
    thread.join();
  return EXIT_SUCCESS;
}
