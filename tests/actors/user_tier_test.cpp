#define CAF_SUITE user_tier

/// Which tier a user has, and what becomes of what it has when that falls.

#include "tests/actors/ladder_fixture.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct fixture : ladder_fixture {
  fixture() {
    for (auto& each : services->rules) {
      each.grace.extra = 0;
      each.linger = 10min;
      each.heartbeat = {24h, 10s};
    }
    rules.managers_max = 5;
    pro.managers_max = 15;
    services->rules[2].managers_max = 30;
  }

  void renew(client& who, tier to) {
    caf::anon_send(who.session->admitted_by, token_renewed{who.id, to});
    settle();
  }

  json status(client& who) { return who.ask({{"type", "status"}})["result"]; }

  std::array<std::uint64_t, tiers> by_tier() { return count().connections_by_tier; }

  user_rules& pro = services->rules[1];
};

using three = std::array<std::uint64_t, tiers>;

} // namespace

CAF_TEST_FIXTURE_SCOPE(user_tier_tests, fixture)

// An old token in a second tab: at its greeting ten of the fifteen went by force.
CAF_TEST(a_connection_of_a_lower_tier_takes_no_threads_away) {
  auto ada = arrive("ada", "pro");
  open_threads(ada, 1, 15);
  auto late = connect("ada", "free");
  elapse(1min, 100ms);
  CAF_CHECK_EQUAL(used(ada), 15u);
  CAF_CHECK(evictions_of(ada).empty());
  const auto hello = late.take().front();
  CAF_CHECK_EQUAL(hello["tier"], "pro");
  CAF_CHECK_EQUAL(hello["limits"]["managers_max"], 15);
  CAF_CHECK(by_tier() == (three{0, 2, 0}));
}

CAF_TEST(the_tier_is_the_highest_among_the_living_connections_in_whatever_order_they_came) {
  auto free = arrive("ada", "free");
  CAF_CHECK_EQUAL(report_of(free).tier, "free");
  auto enterprise = arrive("ada", "enterprise");
  auto other = arrive("ada", "no such tier");
  CAF_CHECK_EQUAL(report_of(free).tier, "enterprise");
  CAF_CHECK(by_tier() == (three{0, 0, 3}));
  auto ada = arrive("ada", "pro");
  enterprise.vanish();
  CAF_CHECK_EQUAL(report_of(free).tier, "pro");
  ada.vanish();
  CAF_CHECK_EQUAL(report_of(free).tier, "free");
  CAF_CHECK(by_tier() == (three{2, 0, 0}));
}

CAF_TEST(a_higher_tier_makes_room_for_those_who_wait) {
  rules.cleanup.max_level = cleanup_level::conservative;
  auto ada = arrive("ada", "free");
  open_threads(ada, 1, 5);
  const auto waiting = ada.post(open("t6"));
  settle();
  CAF_CHECK(ada.take_reply(waiting).is_null());
  arrive("ada", "pro");
  CAF_CHECK(ada.take_reply(waiting).contains("result"));
}

CAF_TEST(a_page_of_a_higher_tier_that_loads_again_finds_all_its_threads) {
  auto free = arrive("ada", "free");
  auto ada = arrive("ada", "pro");
  open_threads(ada, 1, 15);
  ada.vanish();
  elapse(2s, 10ms);
  CAF_CHECK(free.ask(open("t1")).contains("result"));
  auto again = arrive("ada", "pro");
  CAF_CHECK_EQUAL(used(again), 15u);
  for (int i = 1; i <= 15; ++i)
    CAF_CHECK(again.ask(open("t" + std::to_string(i))).contains("result"));
  elapse(pro.tier_kept * 2, 1s);
  CAF_CHECK_EQUAL(used(again), 15u);
  CAF_CHECK(evictions_of(again).empty());
  CAF_CHECK(evictions_of(free).empty());
}

CAF_TEST(when_the_tier_falls_everything_stays_for_its_time_and_then_the_surplus_goes_by_the_ladder) {
  auto ada = arrive("ada", "pro");
  auto free = arrive("ada", "free");
  open_threads(free, 1, 15);
  ada.vanish();
  CAF_CHECK_EQUAL(json(status(free)["managers_max"]), 5);
  CAF_CHECK_EQUAL(json(status(free)["grace"]["extra"]), 10);
  CAF_CHECK(status(free)["grace"].contains("until"));
  elapse(rules.tier_kept - 100ms, 100ms);
  CAF_CHECK_EQUAL(used(free), 15u);
  CAF_CHECK(evictions_of(free).empty());
  elapse(200ms, 1ms);
  CAF_CHECK_EQUAL(used(free), 5u);
  CAF_CHECK_EQUAL(evictions_of(free).size(), 10u);
  CAF_CHECK_EQUAL(json(decisions({.limit = 1})[0]["scope"]), "surplus");
}

CAF_TEST(who_asks_for_one_more_after_the_fall_gets_it_at_the_cost_of_one) {
  auto ada = arrive("ada", "pro");
  auto free = arrive("ada", "free");
  open_threads(free, 1, 15);
  ada.vanish();
  CAF_CHECK(wait_for(free, open("t16")).contains("result"));
  CAF_CHECK_EQUAL(used(free), 15u);
  CAF_CHECK_EQUAL(words(evictions_of(free)), "t1 force least_recently_useful");
}

CAF_TEST(a_fall_gives_no_more_room_than_was_used) {
  auto ada = arrive("ada", "pro");
  auto free = arrive("ada", "free");
  open_threads(free, 1, 3);
  ada.vanish();
  open_threads(free, 4, 5);
  CAF_CHECK(wait_for(free, open("t6")).contains("result"));
  CAF_CHECK_EQUAL(used(free), 5u);
}

CAF_TEST(runs_in_flight_outlast_the_fall_and_its_time) {
  auto ada = arrive("ada", "pro");
  auto free = arrive("ada", "free");
  open_threads(free, 1, 8);
  for (int i = 1; i <= 8; ++i)
    begin_run(free, "t" + std::to_string(i));
  ada.vanish();
  elapse(rules.tier_kept + 1s, 100ms);
  CAF_CHECK_EQUAL(used(free), 8u);
}

CAF_TEST(who_has_no_connection_keeps_the_tier_of_the_last_one) {
  auto ada = arrive("ada", "pro");
  // So few that nothing is cleaned up in the background.
  open_threads(ada, 1, 10);
  begin_run(ada, "t1");
  ada.vanish();
  elapse(5min, 1s);
  auto free = arrive("ada", "free");
  CAF_CHECK_EQUAL(used(free), 10u);
  CAF_CHECK_EQUAL(report_of(free).tier, "free");
  elapse(rules.tier_kept - 1s, 100ms);
  CAF_CHECK_EQUAL(used(free), 10u);
  elapse(2s, 100ms);
  CAF_CHECK_EQUAL(used(free), 5u);
  CAF_CHECK(is_live(free, "t1"));
}

CAF_TEST(a_renewed_token_counts_with_its_tier_at_once) {
  auto ada = arrive("ada", "free");
  open_threads(ada, 1, 5);
  renew(ada, tier::pro);
  CAF_CHECK_EQUAL(report_of(ada).tier, "pro");
  CAF_CHECK(by_tier() == (three{0, 1, 0}));
  open_threads(ada, 6, 15);
  renew(ada, tier::free);
  CAF_CHECK_EQUAL(report_of(ada).tier, "free");
  elapse(rules.tier_kept - 1s, 100ms);
  CAF_CHECK_EQUAL(used(ada), 15u);
  CAF_CHECK(evictions_of(ada).empty());
  elapse(2s, 100ms);
  CAF_CHECK_EQUAL(used(ada), 5u);
}

CAF_TEST(a_fall_closes_no_connections_and_a_new_one_replaces_one) {
  rules.connections_max = 2;
  pro.connections_max = 10;
  auto ada = arrive("ada", "pro");
  std::vector<client> others;
  for (int i = 0; i < 6; ++i)
    others.push_back(arrive("ada", "free"));
  ada.vanish();
  CAF_CHECK_EQUAL(count().connections, 6u);
  elapse(1ms, 1ms);
  others.push_back(arrive("ada", "free"));
  CAF_CHECK_EQUAL(count().connections, 6u);
  CAF_CHECK_EQUAL(others[0].session->closed.size(), 1u);
  CAF_CHECK(others[1].session->closed.empty());
}

CAF_TEST(a_fall_while_nobody_can_go_starts_no_grace_that_helps_nobody) {
  rules.cleanup.max_level = cleanup_level::moderate;
  rules.grace.extra = 5;
  auto ada = arrive("ada", "pro");
  auto free = arrive("ada", "free");
  open_threads(free, 1, 15);
  ada.vanish();
  const auto waiting = free.post(open("t16"));
  settle();
  CAF_CHECK(free.take_reply(waiting).is_null());
  CAF_CHECK(notices(free, "limit_degraded").empty());
  CAF_CHECK_EQUAL(notices(free, "queued").size(), 1u);
}

CAF_TEST_FIXTURE_SCOPE_END()
