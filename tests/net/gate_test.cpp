#include "net/gate.hpp"

#define CAF_SUITE gate
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include <limits>
#include <vector>

#include "protocol/wire.hpp"
#include "tests/net/harbour.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;

namespace {

bool is_overloaded(const http_response& answer) {
  return answer.status == 503 && answer.body.find(R"("code":"overloaded")") != answer.body.npos;
}

/// A harbour with two places in all, on two loops.
harbour_options with_two_places(double reserve_ratio) {
  return {.with = [=](doors& rules) {
    rules.connections.connections_max = 2;
    rules.connections.reserve_ratio = reserve_ratio;
  }};
}

} // namespace

CAF_TEST(a_gate_is_open_to_the_tiers_that_it_names) {
  const node_gate shut_to_free{{false, true, true}, 1s};
  CAF_CHECK(!is_open_to(shut_to_free, tier::free));
  CAF_CHECK(is_open_to(shut_to_free, tier::pro));
  CAF_CHECK(is_open_to(shut_to_free, tier::enterprise));
}

CAF_TEST(who_has_not_said_its_tier_is_let_in_as_long_as_anybody_is) {
  CAF_CHECK(is_open_to({{false, false, true}, 1s}, std::nullopt));
  CAF_CHECK(!is_open_to({{false, false, false}, 1s}, std::nullopt));
}

CAF_TEST(a_gate_remembers_what_it_was_told) {
  gate subject;
  CAF_CHECK(subject.get() == (node_gate{{true, true, true}, 1s}));
  for (unsigned bits = 0; bits < 8; ++bits)
    for (const auto retry_after : {0ms, 1ms, 1500ms, 86'400'000ms}) {
      const node_gate state{{(bits & 1U) != 0, (bits & 2U) != 0, (bits & 4U) != 0}, retry_after};
      subject.set(state);
      CAF_CHECK(subject.get() == state);
    }
}

CAF_TEST(the_last_of_the_places_are_for_enterprise) {
  struct {
    std::optional<tier> who;
    std::uint32_t connections_max;
    double reserve_ratio;
    std::uint32_t room;
  } const cases[] = {
      {tier::free, 20, 0.1, 18},
      {tier::pro, 20, 0.1, 18},
      {tier::enterprise, 20, 0.1, 20},
      {std::nullopt, 20, 0.1, 18},
      {tier::pro, 20, 0.0, 20},
      {tier::pro, 20, 1.0, 0},
      {tier::enterprise, 20, 1.0, 20},
      {tier::pro, 3, 0.1, 3},
      {tier::enterprise, 1, 0.1, 1},
      {tier::pro, 1, 0.1, 1},
      {tier::pro, 1'000'000, 0.1, 900'000},
      {tier::free, 0, 0.1, std::numeric_limits<std::uint32_t>::max()},
  };
  for (const auto& one : cases)
    CAF_CHECK_EQUAL(room_for(one.who, one.connections_max, one.reserve_ratio), one.room);
}

CAF_TEST(a_place_is_taken_once_and_can_be_had_again_when_it_is_given_back) {
  berths subject;
  auto first = subject.take(2);
  auto second = subject.take(2);
  CAF_CHECK(first && second);
  CAF_CHECK(!subject.take(2));
  auto third = subject.take(3);
  CAF_CHECK(third != nullptr);
  first.reset();
  CAF_CHECK(!subject.take(2));
  third.reset();
  CAF_CHECK(subject.take(2) != nullptr);
  CAF_CHECK(!subject.take(0));
}

// -- at the doors --------------------------------------------------------------------------------

CAF_TEST(an_upgrade_of_a_tier_that_is_not_let_in_is_told_when_to_come_again) {
  harbour there;
  there.doors_->set_gate({{false, false, true}, 2500ms});
  raw_client client{there.port};
  const auto refused = client.upgrade(there.bearer("ada"));
  CAF_CHECK(is_overloaded(refused));
  CAF_CHECK(refused.has("Retry-After: 3\r\n"));
  CAF_CHECK(is_overloaded(client.upgrade(there.bearer("ada", "gold"))));
  CAF_CHECK_EQUAL(raw_client{there.port}.upgrade(there.bearer("ada", "enterprise")).status, 101);
  CAF_CHECK_EQUAL(there.heard.next(), "opened ada enterprise");
  there.doors_->set_gate({{false, true, true}, 2500ms});
  CAF_CHECK_EQUAL(client.upgrade(there.bearer("ada")).status, 101);
}

CAF_TEST(a_connect_of_a_tier_that_is_not_let_in_is_told_when_to_come_again) {
  harbour there;
  there.doors_->set_gate({{false, false, true}, 2500ms});
  const auto connect = [&](const std::string& tier) {
    raw_client client{there.port};
    CAF_CHECK_EQUAL(client.upgrade().status, 101);
    client.send_text(R"({"id":1,"type":"connect","token":")" + there.token("ada", false, {}, tier) + "\"}");
    return client;
  };
  auto refused = connect("pro");
  const std::string reason = "the server is short of resources; come again later";
  CAF_CHECK_EQUAL(refused.read_text(), wire::reply(1, command_error{error_code::overloaded, reason, 2500ms, {}}));
  CAF_CHECK_EQUAL(refused.read_text(), wire::disconnect({close_code::node_overloaded, reason, 2500ms}));
  CAF_CHECK_EQUAL(refused.read_text(), "<close 4029>");
  CAF_CHECK(connect("enterprise").read_text().starts_with(R"({"id":1,"result":)"));
  CAF_CHECK_EQUAL(there.heard.next(), "opened ada enterprise");
}

CAF_TEST(a_gate_that_is_shut_to_everybody_lets_no_stranger_in) {
  harbour there;
  there.doors_->set_gate({{false, false, false}, 1s});
  raw_client client{there.port};
  CAF_CHECK(is_overloaded(client.upgrade()));
  CAF_CHECK_EQUAL(client.request("GET", "/health/live").status, 200);
}

CAF_TEST(a_connection_beyond_the_last_place_is_refused_until_one_is_free) {
  harbour there{with_two_places(0)};
  auto first = there.enter();
  auto second = there.enter();
  raw_client third{there.port};
  const auto refused = third.upgrade(there.bearer("ada", "enterprise"));
  CAF_CHECK(is_overloaded(refused));
  CAF_CHECK(refused.has("Retry-After: 1\r\n"));
  first.hang_up();
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  CAF_CHECK_EQUAL(third.upgrade(there.bearer("ada")).status, 101);
}

// Each loop had a share of the places: on an empty server for 100 with 8 loops one user got 503 at the 12th connection.
CAF_TEST(one_user_may_have_every_place_though_all_of_its_sockets_live_on_one_loop) {
  harbour there{{.with = [](doors& rules) {
    rules.connections.connections_max = 9;
    rules.connections.reserve_ratio = 0;
  }}};
  std::vector<raw_client> clients;
  for (int i = 0; i < 9; ++i)
    CAF_CHECK_EQUAL(clients.emplace_back(there.port).upgrade(there.bearer("ada")).status, 101);
  CAF_CHECK_EQUAL(there.doors_->connections(), 9u);
  for (const auto* user : {"ada", "bob", "cleo", "dan"})
    CAF_CHECK(is_overloaded(raw_client{there.port}.upgrade(there.bearer(user))));
}

CAF_TEST(the_reserve_is_for_enterprise) {
  harbour there{with_two_places(0.5)};
  auto first = there.enter();
  CAF_CHECK(is_overloaded(raw_client{there.port}.upgrade(there.bearer("ada"))));
  raw_client second{there.port};
  CAF_CHECK_EQUAL(second.upgrade(there.bearer("ada", "enterprise")).status, 101);
  CAF_CHECK(is_overloaded(raw_client{there.port}.upgrade(there.bearer("ada", "enterprise"))));
}

CAF_TEST(a_place_is_not_lost_to_a_client_that_is_refused_by_its_token) {
  harbour there{with_two_places(0)};
  for (int i = 0; i < 5; ++i)
    CAF_CHECK_EQUAL(raw_client{there.port}.upgrade({{"Authorization", "Bearer garbage"}}).status, 401);
  auto first = there.enter();
  auto second = there.enter();
  CAF_CHECK(is_overloaded(raw_client{there.port}.upgrade(there.bearer("ada"))));
}

CAF_TEST(upgrades_faster_than_the_accept_rate_are_told_to_come_again) {
  // One a second on each of the two loops, to which connections are dealt out in turn.
  harbour there{{.with = [](doors& rules) { rules.connections.accept_rate = 2; }}};
  http_response answer;
  for (int i = 0; i < 1000 && (i == 0 || answer.status == 101); ++i)
    answer = raw_client{there.port}.upgrade(there.bearer("ada"));
  CAF_CHECK(is_overloaded(answer));
  // Whoever is not let in for want of a good token takes nobody's place.
  CAF_CHECK_EQUAL(raw_client{there.port}.upgrade({{"Authorization", "Bearer garbage"}}).status, 401);
  CAF_CHECK(answer.has("Retry-After: 1\r\n"));
  CAF_CHECK_EQUAL(raw_client{there.port}.request("GET", "/health/live").status, 200);
}

CAF_TEST(without_an_accept_rate_no_upgrade_is_too_fast) {
  harbour there;
  for (int i = 0; i < 1000; ++i)
    CAF_REQUIRE_EQUAL(raw_client{there.port}.upgrade({{"Authorization", "Bearer garbage"}}).status, 401);
}
