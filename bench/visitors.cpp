/// The clients of bench/admission and bench/resume: WebSockets on one epoll that do what they are told, a line each on
/// standard input, and answer each line by one of JSON. All of them answer pings all the time, but those that were made
/// deaf.
///
///   dial TOKEN                   connects; answers the socket's number
///   open SOCKET PREFIX COUNT     opens the threads PREFIX1 to PREFIXn, then says ping
///   crowd FILE FROM COUNT EACH   connects with so many of the file's tokens and opens so many threads on each
///   time SOCKET THREAD           opens a thread; answers how long that took
///   round FIRST COUNT EACH       opens so many new threads, one after the other, on as many sockets from FIRST on, in
///                                turn; answers how long each took
///   write SOCKET THREAD N COUNT  opens a thread and has the builtin agent answer so often, in N deltas each time;
///                                answers the thread's epoch and its last event
///   resume SOCKET THREAD E SEQ   opens a thread from behind an event of an epoch; answers how long it took until the
///   last
///                                frame that this brings, how many they were, and by which manager
///   close SOCKET THREAD COUNT    closes a thread, and waits until its user has so many managers
///   send SOCKET PREFIX COUNT     sends a message to each of the threads PREFIX1 to PREFIXn, at once; answers how long
///   it
///                                took until all were accepted
///   history SOCKET THREAD        reads the newest messages of a thread; answers how long that took
///   deafen SOCKET                lets nobody read it any more
///   hang SOCKET                  closes it by a closing handshake

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

// Of what the server begins an answer with, which is all that is asked for here.
constexpr std::size_t kept_bytes = 300;

/// Returns the first number or string of that name in a frame, without its quotes.
std::string_view field(std::string_view frame, std::string_view name) {
  const auto found = frame.find('"' + std::string{name} + "\":");
  if (found == std::string_view::npos) return {};
  frame.remove_prefix(found + name.size() + 3);
  if (!frame.starts_with('"')) return frame.substr(0, frame.find_first_of(",}"));
  frame.remove_prefix(1);
  return frame.substr(0, frame.find('"'));
}

std::uint64_t number_field(std::string_view frame, std::string_view name) {
  std::uint64_t result = 0;
  const auto text = field(frame, name);
  std::from_chars(text.data(), text.data() + text.size(), result);
  return result;
}

struct visitor {
  int descriptor = -1;
  bool upgraded = false;
  bool greeted = false;
  bool ended = false;
  std::int64_t last_request = 0;
  std::int64_t unanswered = 0;
  std::string answer;           // how the last one begins
  std::uint64_t last_event = 0; // of any thread
  std::size_t runs_ended = 0;
  std::size_t frames = 0, bytes = 0;
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
      answer("\"us\":" + time(who, to_open(word())));
    } else if (command == "round") {
      const auto first = number(), count = number(), sockets = number();
      std::string list;
      for (std::size_t i = 0; i < count; ++i)
        list += (i > 0 ? "," : "") + time(all_.at(first + i % sockets), to_open("r" + std::to_string(++threads_)));
      answer("\"us\":[" + list + "]");
    } else if (command == "write") {
      auto& who = all_.at(number());
      const auto thread = word();
      const auto deltas = word();
      answer(write(who, thread, "/stream " + deltas + " 100000", number()));
    } else if (command == "resume") {
      auto& who = all_.at(number());
      const auto thread = word();
      const auto epoch = word();
      answer(resume(who, thread, epoch, number()));
    } else if (command == "close") {
      auto& who = all_.at(number());
      const auto thread = word();
      close(who, thread, number());
      answer("\"closed\":true");
    } else if (command == "send") {
      auto& who = all_.at(number());
      const auto prefix = word();
      answer("\"us\":" + send(who, prefix, number()));
    } else if (command == "history") {
      auto& who = all_.at(number());
      answer("\"us\":" + time(who, R"("type":"thread.history","thread_id":")" + word() + '"'));
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

  static std::string to_open(const std::string& thread) {
    return R"("type":"thread.open","thread_id":")" + thread + '"';
  }

  void wait_for_answers(const visitor& who) {
    wait_until([&] { return who.unanswered == 0; });
  }

  void open(visitor& who, const std::string& prefix, std::size_t count) {
    for (std::size_t i = 1; i <= count; ++i)
      ask(who, to_open(prefix + std::to_string(i)));
    wait_for_answers(who);
    // Whoever is near the limit is probed in the background; a command is an answer to that, too.
    ask(who, R"("type":"ping")");
    wait_for_answers(who);
  }

  // In microseconds.
  static std::string since(clock::time_point begin) {
    const auto took = std::chrono::duration<double, std::micro>{clock::now() - begin};
    std::array<char, 32> text{};
    std::snprintf(text.data(), text.size(), "%.1f", took.count());
    return text.data();
  }

  std::string time(visitor& who, const std::string& fields) {
    const auto begin = clock::now();
    ask(who, fields);
    wait_for_answers(who);
    return since(begin);
  }

  void say(visitor& who, const std::string& thread, const std::string& content) {
    ask(who, R"("type":"message.send","thread_id":")" + thread + R"(","content":")" + content + '"');
  }

  std::string write(visitor& who, const std::string& thread, const std::string& content, std::size_t count) {
    ask(who, to_open(thread));
    wait_for_answers(who);
    const std::string epoch{field(who.answer, "epoch")};
    for (std::size_t i = 0; i < count; ++i) {
      const auto before = who.runs_ended;
      say(who, thread, content);
      wait_until([&] { return who.runs_ended > before; });
    }
    return R"("epoch":")" + epoch + R"(","last":)" + std::to_string(who.last_event);
  }

  std::string resume(visitor& who, const std::string& thread, const std::string& epoch, std::uint64_t after) {
    who.last_event = after;
    who.frames = who.bytes = 0;
    const auto begin = clock::now();
    ask(who, to_open(thread) + R"(,"epoch":")" + epoch + R"(","after_seq":)" + std::to_string(after));
    wait_for_answers(who);
    const bool resumed = field(who.answer, "resumed") == "true";
    if (const auto last = number_field(who.answer, "seq"); resumed) wait_until([&] { return who.last_event >= last; });
    return "\"us\":" + since(begin) + R"(,"resumed":)" + (resumed ? "true" : "false") + R"(,"frames":)"
           + std::to_string(who.frames) + R"(,"bytes":)" + std::to_string(who.bytes) + R"(,"manager":")"
           + std::string{field(who.answer, "manager_id")} + '"';
  }

  void close(visitor& who, const std::string& thread, std::uint64_t managers) {
    ask(who, R"("type":"thread.close","thread_id":")" + thread + '"');
    wait_for_answers(who);
    const auto begin = clock::now();
    do {
      if (clock::now() - begin > patience) give_up("a manager does not retire");
      ask(who, R"("type":"status")");
      wait_for_answers(who);
    } while (number_field(who.answer, "managers_used") != managers);
  }

  std::string send(visitor& who, const std::string& prefix, std::size_t count) {
    const auto expected = who.runs_ended + count;
    const auto begin = clock::now();
    for (std::size_t i = 1; i <= count; ++i)
      say(who, prefix + std::to_string(i), "/stream 1 100000");
    wait_for_answers(who);
    auto result = since(begin);
    wait_until([&] { return who.runs_ended == expected; });
    return result;
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
      if (found.size == 0) break;
      used += found.size;
      if (found.what == opcode::ping) put(who, to_frame(found.payload, opcode::pong));
      if (found.what == opcode::text) on_text(who, found.payload);
    }
    who.rest.erase(0, used);
  }

  static void on_text(visitor& who, std::string_view text) {
    ++who.frames;
    who.bytes += text.size();
    if (text.starts_with(R"({"type":"connected")")) {
      who.greeted = true;
    } else if (text.starts_with(R"({"id":)")) {
      who.answer = text.substr(0, kept_bytes);
      if (who.answer.find("\"error\":") != std::string::npos) give_up("refused: " + who.answer);
      --who.unanswered;
    } else if (text.starts_with(R"({"type":"disconnect")")) {
      give_up("disconnected: " + std::string{text});
    } else if (text.starts_with(R"({"type":"event")")) {
      who.last_event = number_field(text, "seq");
      if (text.find(R"("type":"agent_completed")") != std::string_view::npos) ++who.runs_ended;
    }
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
