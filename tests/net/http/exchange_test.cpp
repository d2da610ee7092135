#include "net/http/exchange.hpp"

#define CAF_SUITE http_exchange
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include <vector>

#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/net/http/caller.hpp"
#include "tests/net/http/odd_server.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

// Lets time pass: where slowness itself is the subject, and nothing is waited for.
void dawdle(std::chrono::milliseconds time) { ::poll(nullptr, 0, static_cast<int>(time.count())); }

} // namespace

CAF_TEST(a_server_that_takes_no_connection_is_given_up) {
  // A listener whose queue is full lets further ones wait.
  const auto listener = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  CAF_REQUIRE_EQUAL(::bind(listener, reinterpret_cast<const sockaddr*>(&address), size), 0);
  CAF_REQUIRE_EQUAL(::listen(listener, 0), 0);
  ::getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size);
  std::vector<int> waiting;
  for (int i = 0; i < 4; ++i) {
    waiting.push_back(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
    ::connect(waiting.back(), reinterpret_cast<const sockaddr*>(&address), size);
  }
  const auto url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
  const auto result = caller{}.get(url, {.connect_timeout = 100ms});
  CAF_CHECK(result.starts_with("timeout: no connection to 127.0.0.1:"));
  CAF_CHECK(result.ends_with(" within 100 ms"));
  for (const auto descriptor : waiting)
    ::close(descriptor);
  ::close(listener);
}

CAF_TEST(a_server_that_does_not_answer_is_given_up) {
  odd_server server{[](odd_peer& peer) {
    peer.read_request();
    peer.send("HTTP/1.1 200 OK\r\nContent-Le");
    peer.is_hung_up();
  }};
  const auto result = caller{}.get(server.url(), {.first_byte_timeout = 100ms});
  CAF_CHECK(result.starts_with("timeout: "));
  CAF_CHECK(result.ends_with(" did not answer within 100 ms"));
}

CAF_TEST(an_answer_that_stalls_is_given_up) {
  odd_server server{[](odd_peer& peer) {
    peer.read_request();
    peer.send(std::string{chunked} + "5\r\nfi");
    peer.is_hung_up();
  }};
  caller there;
  const auto log = std::make_shared<witness>();
  const auto running = there.send({.url = server.url(), .limits = {.idle_timeout = 100ms}}, log);
  CAF_CHECK_EQUAL(log->next(), "head 200");
  CAF_CHECK_EQUAL(log->next(), "body fi");
  CAF_CHECK_EQUAL(log->next(), "end timeout");
}

CAF_TEST(a_server_that_takes_nothing_more_of_a_request_is_given_up) {
  go_ahead given_up;
  odd_server server{[&](odd_peer&) { given_up.await(); }};
  caller there;
  const auto result = to_line(there.fetch({.method = "POST",
                                           .url = server.url(),
                                           .body = std::string(32'000'000, 'x'),
                                           .limits = {.idle_timeout = 200ms}}));
  CAF_CHECK(result.ends_with(" took nothing more of the request within 200 ms"));
  given_up.give();
}

CAF_TEST(an_answer_that_goes_on_may_take_longer_than_a_pause_may) {
  odd_server server{[](odd_peer& peer) {
    peer.read_request();
    peer.send(chunked);
    for (int i = 0; i < 8 && peer.send("1\r\nx\r\n"); ++i)
      dawdle(200ms);
    peer.send("0\r\n\r\n");
    peer.is_hung_up();
  }};
  CAF_CHECK_EQUAL(caller{}.get(server.url(), {.first_byte_timeout = 1s, .idle_timeout = 1s}), "200 xxxxxxxx");
  const auto cut = caller{}.get(server.url(), {.total_timeout = 500ms});
  CAF_CHECK(cut.ends_with(" did not finish within 500 ms"));
}

// A loop that was busy finds the answer and the end of its patience at once.
CAF_TEST(a_stall_of_ones_own_loop_is_not_held_against_the_server) {
  go_ahead may_go_on;
  go_ahead has_gone_on;
  odd_server server{[&](odd_peer& peer) {
    peer.read_request();
    peer.send(std::string{chunked} + "3\r\none\r\n");
    may_go_on.await();
    peer.send("3\r\ntwo\r\n0\r\n\r\n");
    has_gone_on.give();
    peer.is_hung_up();
  }};
  caller there;
  const auto log = std::make_shared<witness>();
  log->on_line = [&](const std::string& line) {
    if (line != "body one") return;
    may_go_on.give();
    has_gone_on.await();
    dawdle(300ms);
  };
  const auto running = there.send({.url = server.url(), .limits = {.idle_timeout = 200ms}}, log);
  CAF_CHECK_EQUAL(log->next(), "head 200");
  CAF_CHECK_EQUAL(log->next(), "body one");
  CAF_CHECK_EQUAL(log->next(), "body two");
  CAF_CHECK_EQUAL(log->next(), "end");
}
