#include "net/http/client.hpp"

#define CAF_SUITE http_client
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include <vector>

#include "tests/net/http/caller.hpp"
#include "tests/net/http/odd_server.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;

namespace {

constexpr std::string_view chunked = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

bool contains(const std::string& text, std::string_view part) { return text.find(part) != text.npos; }

void never_answering(odd_peer& peer) {
  peer.read_request();
  peer.is_hung_up();
}

} // namespace

// -- requests and answers ------------------------------------------------------------------------

CAF_TEST(a_request_says_what_it_was_told_to) {
  std::string heard;
  odd_server server{[&](odd_peer& peer) {
    heard = peer.read_request();
    peer.send(ok("{}", "Content-Type: application/json\r\nX-Twice: 1\r\nx-twice: 2\r\n"));
  }};
  caller there;
  const auto result = there.fetch({.method = "POST",
                                   .url = server.url("/v1/chat?a=1&b=%20#part"),
                                   .headers = {{"Authorization", "Bearer x"}, {"accept", "text/event-stream"}},
                                   .body = "{\"a\":1}"});
  const auto* answer = std::get_if<http_document>(&result);
  CAF_REQUIRE(answer != nullptr);
  CAF_CHECK_EQUAL(answer->status, 200u);
  CAF_CHECK_EQUAL(answer->body, "{}");
  CAF_CHECK_EQUAL(header_of(answer->headers, "content-type"), "application/json");
  CAF_CHECK(answer->headers[3] == (std::pair<std::string, std::string>{"x-twice", "2"}));
  const auto expected = "POST /v1/chat?a=1&b=%20 HTTP/1.1\r\nHost: 127.0.0.1:" + std::to_string(server.port())
                        + "\r\nUser-Agent: gangway\r\nAuthorization: Bearer x\r\naccept: text/event-stream\r\n"
                          "Content-Length: 7\r\n\r\n{\"a\":1}";
  CAF_CHECK_EQUAL(heard, expected);
}

CAF_TEST(a_piece_is_told_as_soon_as_it_has_come) {
  go_ahead first_was_told;
  odd_server server{[&](odd_peer& peer) {
    peer.read_request();
    peer.send(std::string{chunked} + "9\r\ndata: 1\n\n\r\n");
    if (first_was_told.await()) peer.send("9;name=\"x\"\r\ndata: 2\n\n\r\n0\r\nX-Trailer: 1\r\n\r\n");
    peer.is_hung_up();
  }};
  caller there;
  const auto log = std::make_shared<witness>();
  const auto running = there.send({.url = server.url()}, log);
  CAF_CHECK_EQUAL(log->next(), "head 200");
  CAF_CHECK_EQUAL(log->next(), "body data: 1\n\n");
  CAF_CHECK(!log->has_more());
  first_was_told.give();
  CAF_CHECK_EQUAL(log->next(), "body data: 2\n\n");
  CAF_CHECK_EQUAL(log->next(), "end");
}

CAF_TEST(an_answer_may_come_byte_by_byte) {
  odd_server server{[](odd_peer& peer) {
    peer.read_request();
    for (const char byte : std::string{chunked} + "3\r\nabc\r\nA\r\n0123456789\r\n0\r\n\r\n")
      peer.send({&byte, 1});
    peer.is_hung_up();
  }};
  CAF_CHECK_EQUAL(caller{}.get(server.url()), "200 abc0123456789");
}

CAF_TEST(an_answer_without_a_length_lasts_until_the_end) {
  for (const auto* head : {"HTTP/1.1 200 OK\r\n\r\n", "HTTP/1.0 200 OK\r\n\r\n",
                           "HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\n"}) {
    odd_server server{answering_once(head + std::string{"all of it"})};
    CAF_CHECK_EQUAL(caller{}.get(server.url()), "200 all of it");
  }
}

CAF_TEST(answers_without_a_body_have_none_whatever_their_head_says) {
  odd_server server{[](odd_peer& peer) {
    for (;;) {
      const auto request = peer.read_request();
      if (request.empty()) return;
      if (contains(request, "HEAD /")) peer.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n");
      if (contains(request, "GET /204")) peer.send("HTTP/1.1 204 No Content\r\n\r\n");
      if (contains(request, "GET /304")) peer.send("HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n");
      if (contains(request, "GET /0")) peer.send(ok(""));
    }
  }};
  caller there;
  CAF_CHECK_EQUAL(to_line(there.fetch({.method = "HEAD", .url = server.url()})), "200 ");
  CAF_CHECK_EQUAL(there.get(server.url("/204")), "204 ");
  CAF_CHECK_EQUAL(there.get(server.url("/304")), "304 ");
  CAF_CHECK_EQUAL(there.get(server.url("/0")), "200 ");
  CAF_CHECK_EQUAL(server.connections(), 1u);
}

CAF_TEST(a_redirect_is_an_answer_and_is_not_followed) {
  odd_server server{answering("HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/\r\nContent-Length: 0\r\n\r\n")};
  CAF_CHECK_EQUAL(caller{}.get(server.url()), "302 ");
  CAF_CHECK_EQUAL(server.connections(), 1u);
}

CAF_TEST(what_comes_before_the_answer_is_skipped) {
  odd_server server{answering("HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" + ok("x"))};
  caller there;
  CAF_CHECK_EQUAL(there.get(server.url()), "200 x");
  CAF_CHECK_EQUAL(there.post(server.url(), "y"), "200 x");
  CAF_CHECK_EQUAL(server.connections(), 1u);
}

CAF_TEST(an_answer_may_come_before_the_request_is_read) {
  odd_server server{[](odd_peer& peer) {
    peer.send("HTTP/1.1 413 Too Large\r\nContent-Length: 1\r\n\r\nx");
    peer.read_request();
  }};
  caller there;
  CAF_CHECK_EQUAL(there.post(server.url(), std::string(16'000'000, 'x')), "413 x");
  // Half a request is on that connection.
  CAF_CHECK_EQUAL(there.post(server.url(), "x"), "413 x");
  CAF_CHECK_EQUAL(server.connections(), 2u);
}

CAF_TEST(large_bodies_go_both_ways) {
  odd_server server{[](odd_peer& peer) {
    const auto request = peer.read_request();
    peer.send(ok(request.substr(request.find("\r\n\r\n") + 4)));
  }};
  std::string body;
  for (unsigned i = 0; i < 1'000'000; ++i)
    body += static_cast<char>('a' + i % 26);
  CAF_CHECK(caller{}.post(server.url(), body) == "200 " + body);
}

// -- answers that are none -----------------------------------------------------------------------

CAF_TEST(an_answer_that_is_cut_off_has_failed_wherever_it_ends) {
  const std::vector<std::string> beginnings{"",
                                            "H",
                                            "HTTP/1.1 200 OK\r\nContent-Len",
                                            "HTTP/1.1 100 Continue\r\n\r\n",
                                            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfour",
                                            std::string{chunked} + "5\r\nfour",
                                            std::string{chunked} + "4\r\nfour\r\n",
                                            std::string{chunked} + "4\r\nfour\r\n0\r\n"};
  for (const auto& beginning : beginnings) {
    odd_server server{answering_once(beginning)};
    const auto result = caller{}.get(server.url());
    CAF_CHECK(result.starts_with("closed: "));
    CAF_CHECK_EQUAL(server.connections(), 1u);
  }
}

CAF_TEST(what_is_no_http_is_said_so) {
  for (const auto& answer :
       {std::string{"SSH-2.0-OpenSSH_9.2\r\n"}, std::string{"HTTP/2.0 200 OK\r\n\r\n"},
        std::string{"HTTP/1.1 099 No\r\n\r\n"}, std::string{"HTTP/1.1 101 Switching Protocols\r\n\r\n"},
        std::string{"HTTP/1.1 200 OK\r\nbroken\r\n\r\n"}, std::string{"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n"},
        std::string{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx"},
        std::string{"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n"},
        std::string{chunked} + "xyz\r\n", std::string{chunked} + "1\r\nabcde\r\n"}) {
    odd_server server{answering_once(answer)};
    const auto result = caller{}.get(server.url());
    CAF_CHECK_EQUAL(result.substr(0, 10), "protocol: ");
  }
}

CAF_TEST(a_head_beyond_its_limit_is_too_large) {
  const std::string rest = "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX: \r\n\r\n";
  const auto answer_of = [&](std::size_t size) {
    return "HTTP/1.1 200 OK\r\nContent-Length: 1\r\nX: " + std::string(size - rest.size(), 'x') + "\r\n\r\n1";
  };
  const http_limits limits{.header_bytes_max = 1000};
  odd_server fitting{answering(answer_of(1000))};
  CAF_CHECK_EQUAL(caller{}.get(fitting.url(), limits), "200 1");
  odd_server beyond{answering(answer_of(1001))};
  CAF_CHECK_EQUAL(caller{}.get(beyond.url(), limits), "too_large: the answer's head is longer than 1000 bytes");
  // One that never ends, and one made of heads that are none.
  odd_server endless{[](odd_peer& peer) {
    peer.send("HTTP/1.1 200 OK\r\n");
    while (peer.send("X: 0123456789\r\n")) {
    }
  }};
  CAF_CHECK(caller{}.get(endless.url()).starts_with("too_large: "));
  odd_server undecided{[](odd_peer& peer) {
    while (peer.send("HTTP/1.1 100 Continue\r\n\r\n")) {
    }
  }};
  CAF_CHECK(caller{}.get(undecided.url()).starts_with("too_large: "));
}

CAF_TEST(a_body_beyond_its_limit_is_too_large) {
  for (const auto& [size, expected] :
       {std::pair{std::size_t{1000}, "200 " + std::string(1000, 'x')},
        std::pair{std::size_t{1001}, std::string{"too_large: the answer's body is longer than 1000 bytes"}}}) {
    const http_limits limits{.body_bytes_max = 1000};
    const std::string body(size, 'x');
    odd_server sized{answering_once(ok(body))};
    CAF_CHECK_EQUAL(caller{}.get(sized.url(), limits), expected);
    odd_server open{answering_once("HTTP/1.1 200 OK\r\n\r\n" + body)};
    CAF_CHECK_EQUAL(caller{}.get(open.url(), limits), expected);
    odd_server in_chunks{answering_once(std::string{chunked} + "1\r\nx\r\n" + (size == 1000 ? "3E7" : "3E8") + "\r\n"
                                        + body.substr(1) + "\r\n0\r\n\r\n")};
    CAF_CHECK_EQUAL(caller{}.get(in_chunks.url(), limits), expected);
  }
}

CAF_TEST(a_body_without_a_limit_is_as_large_as_it_likes) {
  odd_server server{answering(ok(std::string(20'000'000, 'x')))};
  CAF_CHECK_EQUAL(caller{}.get(server.url(), {.body_bytes_max = 0}).size(), 20'000'004u);
}

CAF_TEST(nobody_there_is_no_connection) {
  const auto url = odd_server{answering("")}.url();
  const auto refused = caller{}.get(url);
  CAF_CHECK(refused.starts_with("connect: no connection to 127.0.0.1:"));
  // A label of 64 letters is no name, whoever is asked.
  const auto unknown = caller{}.get("http://" + std::string(64, 'x') + ".example/");
  CAF_CHECK(unknown.starts_with("resolve: the name xxx"));
}

// -- the handle and the client -------------------------------------------------------------------

CAF_TEST(sending_never_calls_the_handler_itself) {
  caller there;
  for (const auto* url : {"", "nonsense", "ftp://127.0.0.1/", "http://", "http://ada:secret@127.0.0.1/",
                          "http://127.0.0.1:99999/", "http://127.0.0.1/\r\nX: y", "http://127.0.0.1\\@b/"}) {
    const auto log = std::make_shared<witness>();
    bool was_silent = false;
    const auto running = there.on_loop([&] {
      auto result = there.client->send({.url = url}, log);
      was_silent = !log->has_more();
      return result;
    });
    CAF_CHECK(was_silent);
    CAF_CHECK_EQUAL(log->next(), "end bad_url");
  }
}

CAF_TEST(a_request_that_would_be_two_is_not_sent) {
  odd_server server{answering(ok(""))};
  caller there;
  for (const auto& [name, value] : std::vector<std::pair<std::string, std::string>>{{"X", "a\r\nY: b"},
                                                                                    {"X\r\nY", "b"},
                                                                                    {"", "x"},
                                                                                    {"X Y", "x"},
                                                                                    {"X", std::string(1, '\0')},
                                                                                    {"host", "other"},
                                                                                    {"Content-Length", "0"},
                                                                                    {"Transfer-Encoding", "chunked"},
                                                                                    {"Connection", "close"}}) {
    const auto result = to_line(there.fetch({.url = server.url(), .headers = {{name, value}}}));
    CAF_CHECK_EQUAL(result, "bad_call: the request's method or one of its headers cannot be sent");
  }
  for (const auto* method : {"", "GET /", "CONNECT", "G\r\n"})
    CAF_CHECK(to_line(there.fetch({.method = method, .url = server.url()})).starts_with("bad_call: "));
  CAF_CHECK_EQUAL(server.connections(), 0u);
}

CAF_TEST(a_cancelled_call_is_silent_and_lets_its_handler_go) {
  go_ahead hung_up;
  odd_server server{[&](odd_peer& peer) {
    if (contains(peer.read_request(), "GET /next")) return void(peer.send(ok("next")));
    peer.send(std::string{chunked} + "3\r\none\r\n");
    if (peer.is_hung_up()) hung_up.give();
  }};
  caller there;
  auto log = std::make_shared<witness>();
  auto running = there.send({.url = server.url()}, log);
  CAF_CHECK_EQUAL(log->next(), "head 200");
  CAF_CHECK_EQUAL(log->next(), "body one");
  there.on_loop([&] { running.cancel(); });
  CAF_CHECK(hung_up.await());
  CAF_CHECK_EQUAL(there.get(server.url("/next")), "200 next");
  CAF_CHECK(!log->has_more());
  CAF_CHECK_EQUAL(log.use_count(), 1);
}

CAF_TEST(a_call_may_be_cancelled_before_it_has_set_out_and_while_a_name_is_looked_up) {
  odd_server server{answering(ok("next"))};
  caller there;
  auto log = std::make_shared<witness>();
  there.on_loop([&] { there.client->send({.url = server.url()}, log).cancel(); });
  auto running = there.send({.url = server.url("/", "localhost")}, log);
  there.on_loop([&] { running = {}; });
  CAF_CHECK_EQUAL(there.get(server.url("/next", "localhost")), "200 next");
  CAF_CHECK(!log->has_more());
  CAF_CHECK_EQUAL(log.use_count(), 1);
}

CAF_TEST(a_handler_may_cancel_its_call_at_any_line) {
  odd_server server{answering(ok("body"))};
  caller there;
  for (const auto* last : {"head 200", "body body", "end"}) {
    auto log = std::make_shared<witness>();
    http_running running;
    log->on_line = [&](const std::string& line) {
      if (line == last) running.cancel();
    };
    there.on_loop([&] { running = there.client->send({.url = server.url()}, log); });
    while (log->next() != last) {
    }
    CAF_CHECK_EQUAL(there.get(server.url("/next")), "200 body");
    CAF_CHECK(!log->has_more());
    CAF_CHECK_EQUAL(log.use_count(), 1);
  }
}

CAF_TEST(a_handler_may_send_another_call_at_its_end) {
  odd_server server{answering(ok("body"))};
  caller there;
  auto first = std::make_shared<witness>();
  auto second = std::make_shared<witness>();
  http_running running;
  first->on_line = [&](const std::string& line) {
    if (line == "end") running = there.client->send({.url = server.url()}, second);
  };
  there.on_loop([&] { running = there.client->send({.url = server.url()}, first); });
  CAF_CHECK_EQUAL(second->next(), "head 200");
  CAF_CHECK_EQUAL(second->next(), "body body");
  CAF_CHECK_EQUAL(second->next(), "end");
  CAF_CHECK_EQUAL(server.connections(), 1u);
}

CAF_TEST(the_end_of_the_client_is_the_end_of_its_calls) {
  odd_server server{[](odd_peer& peer) {
    peer.read_request();
    peer.send(std::string{chunked} + "3\r\none\r\n");
    peer.is_hung_up();
  }};
  caller there;
  auto log = std::make_shared<witness>();
  auto unsent = std::make_shared<witness>();
  const auto running = there.send({.url = server.url()}, log);
  CAF_CHECK_EQUAL(log->next(), "head 200");
  CAF_CHECK_EQUAL(log->next(), "body one");
  http_running early;
  const bool was_silent = there.on_loop([&] {
    early = there.client->send({.url = server.url()}, unsent);
    there.client.reset();
    return !log->has_more() && !unsent->has_more();
  });
  CAF_CHECK(was_silent);
  CAF_CHECK_EQUAL(log->next(), "end closed");
  CAF_CHECK_EQUAL(unsent->next(), "end closed");
  there.on_loop([&] { early.cancel(); });
  CAF_CHECK_EQUAL(unsent.use_count(), 1);
}

CAF_TEST(an_owner_that_goes_with_its_client_is_not_called_any_more) {
  odd_server server{never_answering};
  caller there;
  auto log = std::make_shared<witness>();
  auto running = there.send({.url = server.url()}, log);
  there.on_loop([&] {
    there.client.reset();
    running.cancel();
  });
  there.on_loop([] {});
  CAF_CHECK(!log->has_more());
  CAF_CHECK_EQUAL(log.use_count(), 1);
}

CAF_TEST(a_handler_may_destroy_the_client_at_any_line) {
  odd_server server{answering(ok("body"))};
  for (const auto* last : {"head 200", "body body", "end"}) {
    caller there;
    auto log = std::make_shared<witness>();
    log->on_line = [&](const std::string& line) {
      if (line == last) there.client.reset();
    };
    const auto running = there.send({.url = server.url()}, log);
    while (log->next() != last) {
    }
    if (last != std::string_view{"end"}) CAF_CHECK_EQUAL(log->next(), "end closed");
    there.on_loop([] {});
    CAF_CHECK(!log->has_more());
  }
}

CAF_TEST(a_client_may_outlive_the_turning_of_its_loop) {
  odd_server server{never_answering};
  auto log = std::make_shared<witness>();
  {
    event_loops loops{1};
    auto client = make_http_client(loops.context(0));
    const auto running = client->send({.url = server.url()}, log);
    const auto other = client->send({.url = server.url("/", "localhost")}, log);
    loops.run();
    loops.stop();
    client.reset();
  }
  CAF_CHECK_EQUAL(log.use_count(), 1);
}
