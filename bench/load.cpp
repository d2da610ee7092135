/// The clients of bench/core: many WebSockets on one epoll, with frames made by hand, so light that the server is what
/// is measured.
///
/// They connect, wait for the server's greeting and open a thread each if told to, and then either ask and wait for
/// the answer in a closed loop, one question in flight per connection, or hold still until standard input ends. Prints
/// a line of JSON when all are connected, and one with the results at the end.

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <iostream>
#include <map>
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

constexpr std::string_view usage = R"(usage: load PORT [--NAME VALUE…]
  --connections N   how many (1)
  --tokens FILE     bearer tokens, one a line; connections take them in turn
  --greeting 1      the server speaks first
  --threads 1       every connection opens a thread of its own
  --seconds N       for how long to ask and answer; 0 holds the connections until standard input ends (0)
  --answer TEXT     what the answer to a ping must be
)";

constexpr std::string_view question = R"({"id":1,"type":"ping"})";

// How many connections may be on their way at a time.
constexpr std::size_t opening_max = 64;

// For how long nothing may happen before the load gives up.
constexpr std::chrono::seconds patience{20};

struct load_options {
  std::uint16_t port = 0;
  std::size_t connections = 1;
  std::vector<std::string> tokens;
  bool greeting = false;
  bool threads = false;
  double seconds = 0;
  std::string answer{question};
};

[[noreturn]] void give_up(const std::string& reason) {
  std::cerr << "load: " << reason << '\n';
  std::exit(EXIT_FAILURE);
}

enum class phase : std::uint8_t { upgrading, greeting, opening, ready, ended };

struct connection {
  int descriptor = -1;
  phase now = phase::upgrading;
  clock::time_point asked;
  std::string rest; // of what came, until it is a whole frame
};

class load {
public:
  explicit load(load_options options)
      : options_{std::move(options)},
        connections_(options_.connections),
        question_{to_frame(question)},
        answer_{options_.answer} {}

  void run() {
    poll_ = ::epoll_create1(EPOLL_CLOEXEC);
    connect_all();
    std::printf("{\"connected\":%zu}\n", connections_.size());
    std::fflush(stdout);
    if (options_.seconds > 0)
      ask_all();
    else
      hold();
    report();
    for (const auto& each : connections_)
      if (each.now != phase::ended) hang_up(each);
  }

private:
  // -- connecting --------------------------------------------------------------------------------

  void connect_all() {
    std::size_t begun = 0;
    while (ready_ < connections_.size()) {
      while (begun < connections_.size() && begun - ready_ < opening_max)
        begin(begun++);
      turn();
      if (lost_ > 0) give_up("a connection was refused or lost while it opened");
    }
  }

  void begin(std::size_t index) {
    auto& own = connections_[index];
    own.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (own.descriptor < 0 || ::connect(own.descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
      give_up(std::string{"cannot connect: "} + std::strerror(errno));
    const int on = 1;
    ::setsockopt(own.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.u64 = index;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, own.descriptor, &interest);
    std::string request = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                          "Sec-WebSocket-Protocol: gangway.v1.json\r\n";
    if (!options_.tokens.empty())
      request += "Authorization: Bearer " + options_.tokens[index % options_.tokens.size()] + "\r\n";
    put(own, request + "\r\n");
  }

  void on_upgraded(connection& own) {
    own.now = phase::greeting;
    if (!options_.greeting) on_greeted(own);
  }

  void on_greeted(connection& own) {
    own.now = phase::opening;
    if (!options_.threads) return on_opened(own);
    const auto index = static_cast<std::size_t>(&own - connections_.data());
    put(own, to_frame(R"({"id":1,"type":"thread.open","thread_id":"t)" + std::to_string(index) + "\"}"));
  }

  void on_opened(connection& own) {
    own.now = phase::ready;
    ++ready_;
  }

  // -- asking and holding ------------------------------------------------------------------------

  void ask_all() {
    asking_ = true;
    waits_.reserve(1U << 22U); // growing would look like a slow answer
    const auto begin = clock::now();
    const auto end =
        begin + std::chrono::duration_cast<clock::duration>(std::chrono::duration<double>{options_.seconds});
    for (auto& each : connections_)
      ask(each);
    while (clock::now() < end && lost_ < connections_.size())
      turn();
    seconds_ = std::chrono::duration<double>{clock::now() - begin}.count();
  }

  void ask(connection& own) {
    own.asked = clock::now();
    put(own, question_);
  }

  void on_answer(connection& own, std::string_view text) {
    if (text != answer_) ++wrong_;
    if (!asking_) return;
    waits_.push_back(static_cast<std::uint32_t>(std::chrono::nanoseconds{clock::now() - own.asked}.count()));
    ask(own);
  }

  void hold() {
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.u64 = connections_.size();
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, STDIN_FILENO, &interest);
    while (!released_)
      turn();
  }

  // -- what comes in -----------------------------------------------------------------------------

  void turn() {
    std::array<epoll_event, 256> events;
    const bool patient = ready_ == connections_.size() && !asking_;
    const auto timeout = patient ? -1 : static_cast<int>(std::chrono::milliseconds{patience}.count());
    const int count = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), timeout);
    if (count == 0) give_up("the server has stopped answering");
    for (int i = 0; i < count; ++i) {
      const auto index = events[static_cast<std::size_t>(i)].data.u64;
      if (index == connections_.size())
        released_ = true;
      else
        receive(connections_[index]);
    }
  }

  void receive(connection& own) {
    const auto size = ::recv(own.descriptor, buffer_.data(), buffer_.size(), MSG_DONTWAIT);
    if (size < 0 && errno == EAGAIN) return;
    if (size <= 0) return lose(own);
    std::string_view bytes{buffer_.data(), static_cast<std::size_t>(size)};
    if (!own.rest.empty()) bytes = own.rest.append(bytes);
    const auto used = consume(own, bytes);
    if (used == bytes.size())
      own.rest.clear();
    else
      own.rest = std::string{bytes.substr(used)};
  }

  std::size_t consume(connection& own, std::string_view bytes) {
    std::size_t used = 0;
    if (own.now == phase::upgrading) {
      const auto end = bytes.find("\r\n\r\n");
      if (end == std::string_view::npos) return 0;
      if (!bytes.starts_with("HTTP/1.1 101")) give_up("refused: " + std::string{bytes.substr(0, bytes.find('\r'))});
      used = end + 4;
      on_upgraded(own);
    }
    while (own.now != phase::ended) {
      const auto found = find_frame(bytes.substr(used));
      if (found.size == 0) break;
      used += found.size;
      if (found.what == opcode::text)
        on_text(own, found.payload);
      else if (found.what == opcode::close)
        lose(own);
    }
    return own.now == phase::ended ? bytes.size() : used;
  }

  void on_text(connection& own, std::string_view text) {
    if (own.now == phase::ready) return on_answer(own, text);
    if (text.find("\"error\"") != std::string_view::npos) give_up("refused: " + std::string{text});
    if (own.now == phase::greeting)
      on_greeted(own);
    else
      on_opened(own);
  }

  // -- the rest ----------------------------------------------------------------------------------

  void put(connection& own, std::string_view bytes) {
    if (::send(own.descriptor, bytes.data(), bytes.size(), MSG_NOSIGNAL) != static_cast<ssize_t>(bytes.size()))
      lose(own);
  }

  void lose(connection& own) {
    if (own.now == phase::ended) return;
    own.now = phase::ended;
    ++lost_;
    hang_up(own);
  }

  // With a reset, so that no port stays behind in TIME_WAIT.
  static void hang_up(const connection& own) {
    const linger at_once{1, 0};
    ::setsockopt(own.descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    ::close(own.descriptor);
  }

  void report() {
    const auto percentile = [this](std::size_t hundredth) {
      if (waits_.empty()) return 0.0;
      const auto place = waits_.begin() + static_cast<std::ptrdiff_t>((waits_.size() - 1) * hundredth / 100);
      std::nth_element(waits_.begin(), place, waits_.end());
      return *place / 1000.0;
    };
    std::printf("{\"messages\":%zu,\"messages_per_second\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"errors\":%zu}\n",
                waits_.size(), seconds_ > 0 ? static_cast<double>(waits_.size()) / seconds_ : 0, percentile(50),
                percentile(99), lost_ + wrong_);
    std::fflush(stdout);
  }

  load_options options_;
  std::vector<connection> connections_;
  std::string question_;
  std::string_view answer_;
  std::array<char, 65536> buffer_{};
  int poll_ = -1;
  std::size_t ready_ = 0;
  std::size_t lost_ = 0;
  std::size_t wrong_ = 0;
  bool asking_ = false;
  bool released_ = false;
  double seconds_ = 0;
  std::vector<std::uint32_t> waits_;
};

std::vector<std::string> read_lines(const std::string& path) {
  std::ifstream file{path};
  if (!file) give_up("cannot read " + path);
  std::vector<std::string> result;
  for (std::string line; std::getline(file, line);)
    result.push_back(line);
  return result;
}

template <class Number>
Number to_number(std::string_view text) {
  Number result{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc{} || rest != text.data() + text.size()) give_up("not a number: " + std::string{text});
  return result;
}

load_options read_options(const std::vector<std::string>& words) {
  load_options result;
  const std::map<std::string, std::function<void(const std::string&)>> known{
      {"--connections", [&](const std::string& value) { result.connections = to_number<std::size_t>(value); }},
      {"--tokens", [&](const std::string& value) { result.tokens = read_lines(value); }},
      {"--greeting", [&](const std::string& value) { result.greeting = value == "1"; }},
      {"--threads", [&](const std::string& value) { result.threads = value == "1"; }},
      {"--seconds", [&](const std::string& value) { result.seconds = to_number<double>(value); }},
      {"--answer", [&](const std::string& value) { result.answer = value; }},
  };
  if (words.size() % 2 != 1) give_up(std::string{usage});
  result.port = to_number<std::uint16_t>(words[0]);
  for (std::size_t i = 1; i < words.size(); i += 2) {
    const auto option = known.find(words[i]);
    if (option == known.end()) give_up(std::string{usage});
    option->second(words[i + 1]);
  }
  return result;
}

} // namespace

} // namespace gangway

int main(int argument_count, char** arguments) {
  gangway::load{gangway::read_options({arguments + 1, arguments + argument_count})}.run();
}
