/// The clients of bench/admission: WebSockets on one epoll that do what they are told, a line each on standard input,
/// and answer each line by one of JSON. All of them answer pings all the time, but those that were made deaf.
///
///   dial TOKEN                   connects; answers the socket's number
///   open SOCKET PREFIX COUNT     opens the threads PREFIX1 to PREFIXn, then says ping
///   crowd FILE FROM COUNT EACH   connects with so many of the file's tokens and opens so many threads on each
///   time SOCKET THREAD           opens a thread; answers how long that took
///   round FIRST COUNT EACH       opens so many new threads, one after the other, on as many sockets from FIRST on, in
///                                turn; answers how long each took
///   deafen SOCKET                lets nobody read it any more
///   hang SOCKET                  closes it by a closing handshake

#include <array>
#include <cerrno>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/frames.hpp"

namespace gangway {

namespace {

using clock = std::chrono::steady_clock;

// For how long nothing may happen before the visitors give up.
constexpr std::chrono::seconds patience{30};

constexpr std::uint64_t standard_input = ~std::uint64_t{0};

[[noreturn]] void give_up(const std::string& reason) {
  std::cerr << "visitors: " << reason << '\n';
  std::exit(EXIT_FAILURE);
}

struct visitor {
  int descriptor = -1;
  bool upgraded = false;
  bool greeted = false;
  bool ended = false;
  std::int64_t last_request = 0;
  std::int64_t unanswered = 0;
  std::string rest; // of what came, until it is a whole frame
};

class visitors {
public:
  explicit visitors(std::uint16_t port) : port_{port}, poll_{::epoll_create1(EPOLL_CLOEXEC)} {
    watch(STDIN_FILENO, standard_input);
  }

  void run() {
    while (!input_ended_) {
      turn(-1);
      for (auto end = lines_.find('\n'); end != std::string::npos; end = lines_.find('\n')) {
        std::istringstream line{lines_.substr(0, end)};
        lines_.erase(0, end + 1);
        obey(line);
      }
    }
  }

private:
  // -- commands ----------------------------------------------------------------------------------

  void obey(std::istringstream& line) {
    std::string command;
    line >> command;
    const auto word = [&] {
      std::string result;
      if (!(line >> result)) give_up("a word is missing after " + command);
      return result;
    };
    const auto number = [&] { return static_cast<std::size_t>(std::stoull(word())); };
    if (command == "dial") {
      answer("\"socket\":" + std::to_string(dial(word())));
    } else if (command == "open") {
      auto& who = all_.at(number());
      const auto prefix = word();
      open(who, prefix, number());
      answer("\"opened\":true");
    } else if (command == "crowd") {
      std::ifstream file{word()};
      const auto first = number(), count = number(), each = number();
      std::string token;
      for (std::size_t i = 0; i < first + count && std::getline(file, token); ++i)
        if (i >= first) open(all_.at(dial(token)), "t", each);
      answer("\"sockets\":" + std::to_string(all_.size()));
    } else if (command == "time") {
      auto& who = all_.at(number());
      answer("\"us\":" + time(who, word()));
    } else if (command == "round") {
      const auto first = number(), count = number(), sockets = number();
      std::string list;
      for (std::size_t i = 0; i < count; ++i)
        list += (i > 0 ? "," : "") + time(all_.at(first + i % sockets), "r" + std::to_string(++threads_));
      answer("\"us\":[" + list + "]");
    } else if (command == "deafen") {
      ::epoll_ctl(poll_, EPOLL_CTL_DEL, all_.at(number()).descriptor, nullptr);
      answer("\"deaf\":true");
    } else if (command == "hang") {
      auto& who = all_.at(number());
      put(who, to_frame("\x03\xe8", opcode::close));
      wait_until([&] { return who.ended; });
      answer("\"ended\":true");
    } else {
      give_up("unknown command " + command);
    }
  }

  static void answer(const std::string& fields) {
    std::printf("{%s}\n", fields.c_str());
    std::fflush(stdout);
  }

  std::size_t dial(const std::string& token) {
    const auto index = all_.size();
    auto& who = all_.emplace_back();
    who.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(port_);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (who.descriptor < 0 || ::connect(who.descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
      give_up(std::string{"cannot connect: "} + std::strerror(errno));
    const int on = 1;
    ::setsockopt(who.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    watch(who.descriptor, index);
    put(who, "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
             "Sec-WebSocket-Protocol: gangway.v1.json\r\nAuthorization: Bearer "
                 + token + "\r\n\r\n");
    wait_until([&] { return all_[index].greeted; });
    return index;
  }

  void ask(visitor& who, const std::string& fields) {
    ++who.unanswered;
    put(who, to_frame("{\"id\":" + std::to_string(++who.last_request) + ',' + fields + '}'));
  }

  void ask_to_open(visitor& who, const std::string& thread) {
    ask(who, R"("type":"thread.open","thread_id":")" + thread + '"');
  }

  void open(visitor& who, const std::string& prefix, std::size_t count) {
    for (std::size_t i = 1; i <= count; ++i)
      ask_to_open(who, prefix + std::to_string(i));
    wait_until([&] { return who.unanswered == 0; });
    // Whoever is near the limit is probed in the background; a command is an answer to that, too.
    ask(who, R"("type":"ping")");
    wait_until([&] { return who.unanswered == 0; });
  }

  // In microseconds.
  std::string time(visitor& who, const std::string& thread) {
    const auto begin = clock::now();
    ask_to_open(who, thread);
    wait_until([&] { return who.unanswered == 0; });
    const auto took = std::chrono::duration<double, std::micro>{clock::now() - begin};
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f", took.count());
    return text.data();
  }

  // -- sockets -----------------------------------------------------------------------------------

  void watch(int descriptor, std::uint64_t name) {
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.u64 = name;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, descriptor, &interest);
  }

  template <class Condition>
  void wait_until(Condition&& condition) {
    while (!condition())
      turn(static_cast<int>(std::chrono::milliseconds{patience}.count()));
  }

  void turn(int timeout) {
    std::array<epoll_event, 256> events;
    const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), timeout);
    if (count == 0) give_up("the server has stopped answering");
    for (int i = 0; i < count; ++i) {
      const auto name = events[static_cast<std::size_t>(i)].data.u64;
      if (name == standard_input)
        read_input();
      else
        receive(all_[name]);
    }
  }

  void read_input() {
    const auto size = ::read(STDIN_FILENO, buffer_.data(), buffer_.size());
    if (size <= 0)
      input_ended_ = true;
    else
      lines_.append(buffer_.data(), static_cast<std::size_t>(size));
  }

  void receive(visitor& who) {
    const auto size = ::recv(who.descriptor, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) {
      who.ended = true;
      ::close(who.descriptor);
      return;
    }
    who.rest.append(buffer_.data(), static_cast<std::size_t>(size));
    std::string_view bytes{who.rest};
    std::size_t used = 0;
    if (!who.upgraded) {
      const auto end = bytes.find("\r\n\r\n");
      if (end == std::string_view::npos) return;
      if (!bytes.starts_with("HTTP/1.1 101")) give_up("refused: " + who.rest);
      used = end + 4;
      who.upgraded = true;
    }
    while (true) {
      const auto found = find_frame(bytes.substr(used));
      if (!found) give_up("the server sent a frame of 64 KiB or more");
      if (found->size == 0) break;
      used += found->size;
      if (found->what == opcode::ping) put(who, to_frame(found->payload, opcode::pong));
      if (found->what == opcode::text) on_text(who, found->payload);
    }
    who.rest.erase(0, used);
  }

  static void on_text(visitor& who, std::string_view text) {
    if (text.starts_with(R"({"type":"connected")")) who.greeted = true;
    if (!text.starts_with(R"({"id":)")) return;
    if (text.find("\"error\"") != std::string_view::npos) give_up("refused: " + std::string{text});
    --who.unanswered;
  }

  static void put(const visitor& who, std::string_view bytes) {
    if (::send(who.descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
      give_up("a connection was lost");
  }

  std::uint16_t port_;
  int poll_;
  std::vector<visitor> all_;
  std::array<char, 65536> buffer_{};
  std::string lines_;
  bool input_ended_ = false;
  std::size_t threads_ = 0;
};

} // namespace

} // namespace gangway

int main(int argument_count, char** arguments) {
  if (argument_count != 2) gangway::give_up("usage: visitors PORT");
  gangway::visitors{static_cast<std::uint16_t>(std::stoul(arguments[1]))}.run();
}
