#include "net/http/pool.hpp"

#define CAF_SUITE http_pool
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include <future>

#include "tests/net/http/caller.hpp"
#include "tests/net/http/odd_server.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;

namespace {

// Answers so many requests with their connection's number; the next one it only reads.
odd_server::script answering_at_most(int times, std::string more_headers = {}) {
  return [times, more_headers](odd_peer& peer) {
    for (int i = 0; i < times && !peer.read_request().empty(); ++i)
      peer.send(ok(std::to_string(peer.number()), more_headers));
    peer.read_request();
  };
}

// Tells when the client has hung up on the first connection.
struct watched_server {
  std::promise<void> hung_up;
  odd_server server{[this](odd_peer& peer) {
    while (!peer.read_request().empty())
      peer.send(ok(std::to_string(peer.number())));
    if (peer.number() == 0) hung_up.set_value();
  }};

  bool is_hung_up() { return hung_up.get_future().wait_for(patience) == std::future_status::ready; }
};

} // namespace

CAF_TEST(a_connection_serves_one_call_after_the_other) {
  odd_server server{answering(ok("x"))};
  caller there;
  for (int i = 0; i < 3; ++i)
    CAF_CHECK_EQUAL(there.get(server.url()), "200 x");
  CAF_CHECK_EQUAL(there.post(server.url(), "body"), "200 x");
  CAF_CHECK_EQUAL(server.connections(), 1u);
}

CAF_TEST(a_connection_serves_the_host_that_it_was_made_for) {
  odd_server server{answering(ok("x"))};
  caller there;
  CAF_CHECK_EQUAL(there.get(server.url()), "200 x");
  CAF_CHECK_EQUAL(there.get(server.url("/", "localhost")), "200 x");
  CAF_CHECK_EQUAL(there.get(server.url("/", "LOCALHOST")), "200 x");
  CAF_CHECK_EQUAL(there.get(server.url()), "200 x");
  CAF_CHECK_EQUAL(server.connections(), 2u);
}

CAF_TEST(a_connection_is_not_kept_that_the_server_means_to_close) {
  for (const auto& answer :
       {ok("x", "Connection: close\r\n"), ok("x", "Keep-Alive: timeout=1\r\n"),
        "HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\nx" + std::string{}, ok("x") + "and more that nobody asked for"}) {
    odd_server server{answering(answer)};
    caller there;
    CAF_CHECK_EQUAL(there.get(server.url()), "200 x");
    CAF_CHECK_EQUAL(there.get(server.url()), "200 x");
    CAF_CHECK_EQUAL(server.connections(), 2u);
  }
  odd_server server{answering(ok("x", "Keep-Alive: timeout=60, max=100\r\n"))};
  caller there;
  CAF_CHECK_EQUAL(there.get(server.url()), "200 x");
  CAF_CHECK_EQUAL(there.get(server.url()), "200 x");
  CAF_CHECK_EQUAL(server.connections(), 1u);
}

CAF_TEST(a_connection_is_kept_for_its_time) {
  watched_server there;
  caller who{{.idle_timeout = 50ms}};
  CAF_CHECK_EQUAL(who.get(there.server.url()), "200 0");
  CAF_CHECK(there.is_hung_up());
  CAF_CHECK_EQUAL(who.get(there.server.url()), "200 1");
}

CAF_TEST(of_more_connections_than_may_be_kept_the_one_that_waited_longest_goes) {
  watched_server first;
  odd_server second{answering(ok("x"))};
  caller who{{.idle_max = 1, .idle_timeout = 1h}};
  CAF_CHECK_EQUAL(who.get(first.server.url()), "200 0");
  CAF_CHECK_EQUAL(who.get(second.url()), "200 x");
  CAF_CHECK(first.is_hung_up());
  CAF_CHECK_EQUAL(who.get(second.url()), "200 x");
  CAF_CHECK_EQUAL(second.connections(), 1u);
}

CAF_TEST(no_connection_is_kept_if_none_may_be) {
  watched_server there;
  caller who{{.idle_max = 0}};
  CAF_CHECK_EQUAL(who.get(there.server.url()), "200 0");
  CAF_CHECK(there.is_hung_up());
}

CAF_TEST(the_end_of_the_client_closes_what_is_kept) {
  watched_server there;
  caller who{{.idle_timeout = 1h}};
  CAF_CHECK_EQUAL(who.get(there.server.url()), "200 0");
  who.on_loop([&] { who.client.reset(); });
  CAF_CHECK(there.is_hung_up());
}

// The server closes in the very moment in which it is asked again: the client cannot know, and asks once more.
CAF_TEST(a_kept_connection_that_turns_out_closed_is_replaced_once) {
  odd_server server{answering_at_most(1)};
  caller there;
  CAF_CHECK_EQUAL(there.get(server.url()), "200 0");
  CAF_CHECK_EQUAL(there.get(server.url()), "200 1");
  CAF_CHECK_EQUAL(server.connections(), 2u);
}

CAF_TEST(a_kept_connection_that_is_reset_is_replaced_too) {
  odd_server server{[](odd_peer& peer) {
    peer.read_request();
    peer.send(ok(std::to_string(peer.number())));
    peer.read_request();
    peer.become_rude();
  }};
  caller there;
  CAF_CHECK_EQUAL(there.get(server.url()), "200 0");
  CAF_CHECK_EQUAL(there.get(server.url()), "200 1");
}

CAF_TEST(a_call_is_tried_on_one_new_connection_and_no_more) {
  odd_server server{[](odd_peer& peer) {
    peer.read_request();
    if (peer.number() > 0) return;
    peer.send(ok("x"));
    peer.read_request();
  }};
  caller there;
  CAF_CHECK_EQUAL(there.get(server.url()), "200 x");
  CAF_CHECK(there.get(server.url()).ends_with(" closed the connection before it answered"));
  CAF_CHECK_EQUAL(server.connections(), 2u);
}

CAF_TEST(what_must_not_happen_twice_is_not_asked_twice) {
  odd_server server{answering_at_most(1)};
  caller there;
  CAF_CHECK_EQUAL(there.post(server.url(), "x"), "200 0");
  CAF_CHECK(there.post(server.url(), "x").ends_with(" closed the connection before it answered"));
  CAF_CHECK_EQUAL(server.connections(), 1u);
}

CAF_TEST(a_call_is_not_tried_again_once_its_answer_has_begun) {
  odd_server server{[](odd_peer& peer) {
    peer.read_request();
    peer.send(ok("x"));
    peer.read_request();
    peer.send("H");
  }};
  caller there;
  CAF_CHECK_EQUAL(there.get(server.url()), "200 x");
  CAF_CHECK(there.get(server.url()).ends_with(" closed the connection in the middle of its answer"));
  CAF_CHECK_EQUAL(server.connections(), 1u);
}

// The loop is busy while the server closes, so nobody has told the client yet when it sends: it looks for itself.
CAF_TEST(a_connection_that_has_ended_meanwhile_is_not_used_even_if_the_loop_has_not_noticed) {
  std::promise<void> may_close;
  std::promise<void> has_closed;
  odd_server server{[&](odd_peer& peer) {
    if (peer.read_request().empty()) return;
    peer.send(ok(std::to_string(peer.number())));
    if (peer.number() > 0) return void(peer.read_request());
    may_close.get_future().wait();
    peer.interrupt();
    has_closed.set_value();
  }};
  caller there;
  CAF_CHECK_EQUAL(there.post(server.url(), "x"), "200 0");
  std::promise<http_result> result;
  const auto running = there.on_loop([&] {
    auto call = fetch(*there.client, {.method = "POST", .url = server.url(), .body = "y"},
                      [&](http_result what) { result.set_value(std::move(what)); });
    may_close.set_value();
    has_closed.get_future().wait();
    return call;
  });
  auto future = result.get_future();
  CAF_REQUIRE(future.wait_for(patience) == std::future_status::ready);
  CAF_CHECK_EQUAL(to_line(future.get()), "200 1");
}
