#include "net/server.hpp"

#define CAF_SUITE server
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include <future>
#include <thread>

#include "protocol/wire.hpp"
#include "tests/net/harbour.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

const close_reason reason{close_code::going_away, "the server ends", 1s};

} // namespace

CAF_TEST(every_session_is_closed_in_whatever_state_it_is) {
  harbour there;
  std::vector<raw_client> clients;
  for (int i = 0; i < 50; ++i)
    clients.push_back(there.enter("user" + std::to_string(i)));
  raw_client nameless{there.port};
  nameless.upgrade();
  raw_client half{there.port};
  half.send("GET /ws HTTP/1.1\r\nHost: x\r\n");
  raw_client idle{there.port};
  idle.request("GET", "/version");
  std::thread ending{[&] { there.doors_->shut_down(reason, {10, 1ms}, steady_clock::now() + 30s); }};
  clients.push_back(std::move(nameless));
  for (auto& client : clients) {
    CAF_CHECK_EQUAL(client.read_text(), wire::disconnect(reason));
    CAF_CHECK_EQUAL(client.read_text(), "<close 1001>");
    client.send_frame(0x88, "\x03\xE9");
    CAF_CHECK(client.is_hung_up());
  }
  CAF_CHECK(half.is_hung_up());
  CAF_CHECK(idle.is_hung_up());
  ending.join();
  there.doors_.reset();
  for (int i = 0; i < 50; ++i)
    CAF_CHECK_EQUAL(there.heard.next(), "closed");
  CAF_CHECK(!there.heard.has_more());
  CAF_CHECK_EQUAL(raw_client{there.port}.request("GET", "/health/live").status, 0);
}

CAF_TEST(a_session_lives_on_its_users_loop_wherever_it_was_accepted) {
  harbour there;
  std::string name = "a";
  while (home_of({name}, 2) != 1)
    name += 'a';
  std::vector<raw_client> clients;
  std::vector<session_link> links;
  for (int i = 0; i < 4; ++i) {
    clients.push_back(there.enter(name));
    links.push_back(there.heard.last_session().link);
  }
  std::promise<void> blocked;
  std::promise<void> release;
  there.loops.post(0, [&] {
    blocked.set_value();
    release.get_future().wait();
  });
  blocked.get_future().wait();
  for (const auto& link : links)
    link.send(std::string{"hello"});
  for (auto& client : clients)
    CAF_CHECK_EQUAL(client.read_text(), "hello");
  release.set_value();
}

CAF_TEST(what_does_not_end_by_the_deadline_is_cut_off) {
  harbour there;
  auto client = there.enter();
  const auto start = steady_clock::now();
  there.doors_->shut_down(reason, {100, 100ms}, start + 200ms);
  // Earlier than the session's own closing timeout of 2 s would have it.
  CAF_CHECK(steady_clock::now() - start < 1500ms);
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  there.doors_.reset();
}

CAF_TEST(links_outlive_the_server) {
  harbour there;
  auto client = there.enter();
  const auto link = there.heard.last_session().link;
  client.hang_up();
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  there.doors_->shut_down(reason, {100, 100ms}, steady_clock::now() + 5s);
  there.doors_.reset();
  link.send(std::string{"anybody?"});
  link.ping(1);
  link.close(reason);
  CAF_CHECK(!there.heard.has_more());
}

CAF_TEST(a_server_that_is_not_ready_answers_health_and_refuses_upgrades) {
  harbour there;
  there.doors_->set_ready(false);
  raw_client client{there.port};
  const auto refused = client.upgrade(there.bearer("ada"));
  CAF_CHECK_EQUAL(refused.status, 503);
  CAF_CHECK(refused.has("Retry-After: "));
  CAF_CHECK_EQUAL(client.request("GET", "/health/live").status, 200);
  there.doors_->set_ready(true);
  CAF_CHECK_EQUAL(client.upgrade(there.bearer("ada")).status, 101);
}
