/// The clients of bench/handshakes: each connects, asks for the upgrade with a bearer token, reads the 101, and is gone
/// by a reset, so that no port stays behind in TIME_WAIT; so many at a time on one epoll. Over TLS 1.3 if told to, with
/// a full handshake each time.
///
///     handshaker keys FOLDER             makes keys and a certificate there (PEM)
///     handshaker PORT [--NAME VALUE…]    shakes hands
///
/// Requests are made beforehand, and one connection of each user stays open all the while, so that neither signing nor
/// the start of a user's actor is in the measurement. Prints a line of JSON when all is ready, waits for a line on
/// standard input, and prints another one with the results.

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <ctime>
#include <exception>
#include <functional>
#include <iostream>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/ssl.h>
#include <sys/epoll.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "bench/minting.hpp"

namespace gangway {

namespace {

using clock = std::chrono::steady_clock;

constexpr std::string_view usage = R"(usage: handshaker keys FOLDER
       handshaker PORT [--NAME VALUE…]
  --handshakes N    how many (1000)
  --in-flight N     how many at a time (1)
  --algorithm NAME  what tokens are signed by: none (no token), HS256, RS256, ES256, EdDSA (none)
  --secret TEXT     for HS256
  --key FILE        the private key for the others
  --users N         in whose names, in turn (50)
  --tokens WHICH    known: each user has one token, which the server has seen; new: each is used once (known)
  --tls 1           over TLS 1.3
)";

// For how long nothing may happen before the client gives up, and how long it lives at the very most.
constexpr std::chrono::seconds patience{20};
constexpr unsigned life_seconds = 300;

struct handshake_options {
  std::uint16_t port = 0;
  std::size_t handshakes = 1000;
  std::size_t in_flight = 1;
  std::string algorithm = "none";
  std::string secret;
  std::string key_file;
  std::size_t users = 50;
  bool new_tokens = false;
  bool tls = false;
};

[[noreturn]] void give_up(const std::string& reason) {
  std::cerr << "handshaker: " << reason << '\n';
  std::exit(EXIT_FAILURE);
}

using tls_session = std::unique_ptr<SSL, freed_by<SSL_free>>;

struct connection {
  int descriptor = -1;
  tls_session tls;
  bool asked = false;
  std::string_view request;
  clock::time_point begun;
  std::string received;
};

class handshaker {
public:
  explicit handshaker(handshake_options options) : options_{std::move(options)} {
    if (!options_.tls) return;
    tls_.reset(SSL_CTX_new(TLS_client_method()));
    ensure(tls_ != nullptr && SSL_CTX_set_min_proto_version(tls_.get(), TLS1_3_VERSION) == 1, "cannot speak TLS 1.3");
    // Nobody else is on loopback, and a chain of one certificate would cost little to check.
    SSL_CTX_set_verify(tls_.get(), SSL_VERIFY_NONE, nullptr);
  }

  void run() {
    poll_ = ::epoll_create1(EPOLL_CLOEXEC);
    make_requests();
    meet(held_requests_, held_requests_.size(), R"("type":"connected")", true);
    waits_.clear();
    waits_.reserve(options_.handshakes);
    std::printf("{\"ready\":%zu}\n", requests_.size());
    std::fflush(stdout);
    std::string line;
    std::getline(std::cin, line);

    const auto busy = processor_seconds();
    const auto begun = clock::now();
    meet(requests_, options_.handshakes, "\r\n\r\n", false);
    const std::chrono::duration<double> took = clock::now() - begun;
    report(took.count(), processor_seconds() - busy);
    for (auto& each : held_)
      hang_up(each);
  }

private:
  // -- what is asked -----------------------------------------------------------------------------

  void make_requests() {
    if (options_.algorithm == "none") {
      requests_.push_back(make_request({}));
      return;
    }
    token_mint mint{options_.algorithm, options_.secret,
                    options_.algorithm == "HS256" ? private_key{} : read_private_key(options_.key_file)};
    const auto name = [](std::size_t user) { return "user " + std::to_string(user); };
    for (std::size_t user = 0; user < options_.users; ++user)
      held_requests_.push_back(make_request(mint.make(name(user))));
    if (!options_.new_tokens) {
      requests_ = held_requests_;
      return;
    }
    for (std::size_t i = 0; i < options_.handshakes; ++i)
      requests_.push_back(make_request(mint.make(name(i % options_.users))));
  }

  static std::string make_request(const std::string& token) {
    std::string result = "GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                         "Sec-WebSocket-Protocol: gangway.v1.json\r\n";
    if (!token.empty()) result += "Authorization: Bearer " + token + "\r\n";
    return result + "\r\n";
  }

  // -- shaking hands -----------------------------------------------------------------------------

  // Makes so many connections, the requests in turn, each until it has read `awaited`; then it stays or goes.
  void meet(const std::vector<std::string>& requests, std::size_t count, std::string_view awaited, bool stays) {
    awaited_ = awaited;
    stays_ = stays;
    std::vector<connection> slots(std::min(options_.in_flight, count));
    std::size_t begun = 0;
    std::size_t ended = 0;
    for (std::size_t i = 0; i < slots.size(); ++i)
      begin(slots[i], i, requests[begun++ % requests.size()]);
    while (ended < count) {
      std::array<epoll_event, 64> events;
      const auto timeout = static_cast<int>(std::chrono::milliseconds{patience}.count());
      const int ready = ::epoll_wait(poll_, events.data(), static_cast<int>(events.size()), timeout);
      if (ready == 0) give_up("the server has stopped answering");
      for (int i = 0; i < ready; ++i) {
        const auto index = events[static_cast<std::size_t>(i)].data.u64;
        if (!go_on(slots[index])) continue;
        finish(slots[index]);
        ++ended;
        if (begun < count) begin(slots[index], index, requests[begun++ % requests.size()]);
      }
    }
  }

  void begin(connection& own, std::size_t index, std::string_view request) {
    own.request = request;
    own.asked = false;
    own.received.clear();
    own.begun = clock::now();
    own.descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(options_.port);
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (own.descriptor < 0 || ::connect(own.descriptor, reinterpret_cast<sockaddr*>(&address), sizeof(address)) != 0)
      give_up(std::string{"cannot connect: "} + std::strerror(errno));
    int on = 1;
    ::setsockopt(own.descriptor, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    ::ioctl(own.descriptor, FIONBIO, &on);
    epoll_event interest{};
    interest.events = EPOLLIN;
    interest.data.u64 = index;
    ::epoll_ctl(poll_, EPOLL_CTL_ADD, own.descriptor, &interest);
    if (tls_) {
      own.tls.reset(SSL_new(tls_.get()));
      SSL_set_fd(own.tls.get(), own.descriptor);
      SSL_set_connect_state(own.tls.get());
    }
    ask(own); // and read nothing yet: of what is read here no event would tell
  }

  // Does what can be done now. Returns whether what was awaited has come.
  bool go_on(connection& own) {
    if (!own.asked && !ask(own)) return false;
    while (true) {
      const auto size = take(own);
      if (size == 0) return false;
      own.received.append(buffer_.data(), size);
      if (own.received.size() >= 12 && !own.received.starts_with("HTTP/1.1 101"))
        give_up("refused: " + own.received.substr(0, own.received.find('\r')));
      if (own.received.find(awaited_) != own.received.npos) return true;
    }
  }

  // A request fits into the socket's buffer.
  bool ask(connection& own) {
    const auto size = own.request.size();
    if (own.tls) {
      if (const auto verdict = SSL_connect(own.tls.get()); verdict != 1) return expect_more(own, verdict);
      own.asked = SSL_write(own.tls.get(), own.request.data(), static_cast<int>(size)) == static_cast<int>(size);
    } else {
      own.asked = ::send(own.descriptor, own.request.data(), size, MSG_NOSIGNAL) == static_cast<ssize_t>(size);
    }
    if (!own.asked) give_up("a connection was lost before it was asked");
    return true;
  }

  // Returns how many bytes came into the buffer; none if there are none yet.
  std::size_t take(connection& own) {
    if (own.tls) {
      const auto size = SSL_read(own.tls.get(), buffer_.data(), static_cast<int>(buffer_.size()));
      if (size <= 0) expect_more(own, size);
      return size > 0 ? static_cast<std::size_t>(size) : 0;
    }
    const auto size = ::recv(own.descriptor, buffer_.data(), buffer_.size(), 0);
    if (size < 0 && errno == EAGAIN) return 0;
    if (size <= 0) give_up("a connection was lost before it was answered");
    return static_cast<std::size_t>(size);
  }

  static bool expect_more(const connection& own, int verdict) {
    if (SSL_get_error(own.tls.get(), verdict) != SSL_ERROR_WANT_READ) give_up("a connection was lost within TLS");
    return false;
  }

  void finish(connection& own) {
    const std::chrono::nanoseconds waited = clock::now() - own.begun;
    waits_.push_back(static_cast<std::uint32_t>(waited.count()));
    if (!stays_) return hang_up(own);
    ::epoll_ctl(poll_, EPOLL_CTL_DEL, own.descriptor, nullptr);
    held_.push_back(std::exchange(own, {}));
  }

  static void hang_up(connection& own) {
    own.tls.reset();
    const linger at_once{1, 0};
    ::setsockopt(own.descriptor, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once));
    ::close(own.descriptor);
  }

  // -- the rest ----------------------------------------------------------------------------------

  static double processor_seconds() {
    timespec now{};
    ::clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) / 1e9;
  }

  void report(double seconds, double busy) {
    const auto percentile = [this](std::size_t hundredth) {
      const auto place = waits_.begin() + static_cast<std::ptrdiff_t>((waits_.size() - 1) * hundredth / 100);
      std::nth_element(waits_.begin(), place, waits_.end());
      return *place / 1000.0;
    };
    const auto count = static_cast<double>(waits_.size());
    std::printf("{\"handshakes\":%zu,\"handshakes_per_second\":%.0f,\"p50_us\":%.1f,\"p99_us\":%.1f,"
                "\"client_us\":%.1f}\n",
                waits_.size(), count / seconds, percentile(50), percentile(99), busy * 1e6 / count);
    std::fflush(stdout);
  }

  handshake_options options_;
  std::unique_ptr<SSL_CTX, freed_by<SSL_CTX_free>> tls_;
  std::vector<std::string> requests_;
  std::vector<std::string> held_requests_;
  std::vector<connection> held_;
  std::array<char, 16384> buffer_{};
  int poll_ = -1;
  std::string_view awaited_;
  bool stays_ = false;
  std::vector<std::uint32_t> waits_;
};

void make_keys(const std::string& folder) {
  for (const auto* algorithm : {"RS256", "ES256", "EdDSA"}) {
    const auto key = make_key(algorithm);
    write_private_key(folder + "/" + algorithm + ".pem", key.get());
    append_public_key(folder + "/public.pem", key.get());
  }
  const auto key = make_key("ES256");
  write_private_key(folder + "/tls.pem", key.get());
  write_certificate(folder + "/certificate.pem", key.get());
}

template <class Number>
Number to_number(std::string_view text) {
  Number result{};
  const auto [rest, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc{} || rest != text.data() + text.size() || result == 0)
    give_up("not a number above 0: " + std::string{text});
  return result;
}

handshake_options read_options(const std::vector<std::string>& words) {
  handshake_options result;
  const std::map<std::string, std::function<void(const std::string&)>> known{
      {"--handshakes", [&](const std::string& value) { result.handshakes = to_number<std::size_t>(value); }},
      {"--in-flight", [&](const std::string& value) { result.in_flight = to_number<std::size_t>(value); }},
      {"--algorithm", [&](const std::string& value) { result.algorithm = value; }},
      {"--secret", [&](const std::string& value) { result.secret = value; }},
      {"--key", [&](const std::string& value) { result.key_file = value; }},
      {"--users", [&](const std::string& value) { result.users = to_number<std::size_t>(value); }},
      {"--tokens", [&](const std::string& value) { result.new_tokens = value == "new"; }},
      {"--tls", [&](const std::string& value) { result.tls = value == "1"; }},
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
  ::alarm(gangway::life_seconds);
  const std::vector<std::string> words{arguments + 1, arguments + argument_count};
  try {
    if (words.size() == 2 && words[0] == "keys")
      gangway::make_keys(words[1]);
    else
      gangway::handshaker{gangway::read_options(words)}.run();
  } catch (const std::exception& error) {
    gangway::give_up(error.what());
  }
}
