#define CAF_SUITE user_threads
#include "tests/actors/ladder_fixture.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct fixture : ladder_fixture {
  fixture() { rules.cleanup.start_ratio = 1; }

  /// The only notice or frame of a type that a socket heard; null if there was none.
  static json heard(const client& who, const std::string& type) {
    for (const auto& one : who.session->heard)
      if (one.value("type", "") == type) return one;
    return nullptr;
  }

  void close(client& who, const std::string& thread) {
    CAF_CHECK(who.ask({{"type", "thread.close"}, {"thread_id", thread}}).contains("result"));
  }

  static json resume(const std::string& thread, const json& epoch, std::uint64_t after) {
    return {{"type", "thread.open"}, {"thread_id", thread}, {"epoch", epoch}, {"after_seq", after}};
  }

  /// The positions of events, in order.
  static std::vector<std::uint64_t> positions(const std::vector<json>& events) {
    std::vector<std::uint64_t> result;
    for (const auto& one : events)
      result.push_back(one["seq"]);
    return result;
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(user_threads_tests, fixture)

// -- tombstones ----------------------------------------------------------------------------------

// Each reopened what the other's open had evicted, as fast as it could, and neither ever got anything done.
CAF_TEST(two_tabs_that_reopen_what_the_other_evicts_reach_a_standstill) {
  rules.managers_max = 1;
  rules.queue.timeout = 100ms;
  auto one = arrive("ada");
  auto two = arrive("ada");
  open_threads(one, 1, 1);
  const auto until = sched.clock().now() + rules.cleanup.resume_window;
  open_threads(two, 2, 2);
  CAF_CHECK_EQUAL(words(evictions_of(one)), "t1 force least_recently_useful");
  int refused = 0;
  while (sched.clock().now() < until - 200ms) {
    for (auto* who : {&one, &two}) {
      const auto reply = wait_for(*who, open(who == &one ? "t1" : "t2"));
      if (reply.contains("result")) continue;
      CAF_CHECK_EQUAL(reply["error"]["code"], "queue_timeout");
      ++refused;
    }
    elapse(1s, 10ms);
  }
  CAF_CHECK(refused > 60);
  // Each came back once at the other's cost.
  CAF_CHECK_EQUAL(words(evictions_of(one)), "t1 force least_recently_useful, t1 force least_recently_useful");
  CAF_CHECK_EQUAL(words(evictions_of(two)), "t2 force least_recently_useful");
}

CAF_TEST(an_evicted_thread_comes_back_at_the_cost_of_another_but_not_within_a_second) {
  rules.managers_max = 1;
  rules.queue.timeout = 10ms;
  auto one = arrive("ada");
  auto two = arrive("ada");
  open_threads(one, 1, 1);
  open_threads(two, 2, 2); // and a millisecond
  elapse(1s - 50ms, 1ms);
  CAF_CHECK_EQUAL(json(wait_for(one, open("t1"))["error"]["code"]), "queue_timeout");
  CAF_CHECK(evictions_of(two).empty());
  rules.queue.timeout = 10s;
  // Whoever waits by then need not ask again.
  CAF_CHECK(wait_for(one, open("t1")).contains("result"));
  CAF_CHECK(waited < 50ms);
  CAF_CHECK_EQUAL(words(evictions_of(two)), "t2 force least_recently_useful");
}

CAF_TEST(an_evicted_thread_that_came_back_may_do_so_again_when_its_window_is_over_and_not_before) {
  rules.managers_max = 1;
  rules.queue.timeout = 10ms;
  auto one = arrive("ada");
  auto two = arrive("ada");
  open_threads(one, 1, 1);
  open_threads(two, 2, 2);
  elapse(2s, 1ms);
  CAF_CHECK(wait_for(one, open("t1")).contains("result"));
  CAF_CHECK(wait_for(two, open("t3")).contains("result"));
  elapse(rules.cleanup.resume_window - 20ms, 1ms);
  CAF_CHECK_EQUAL(json(wait_for(one, open("t1"))["error"]["code"]), "queue_timeout");
  elapse(20ms, 1ms);
  CAF_CHECK(wait_for(one, open("t1")).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(two)), "t2 force least_recently_useful, t3 force least_recently_useful");
}

CAF_TEST(a_thread_that_is_evicted_two_windows_after_it_came_back_waits_and_one_after_ten_does_not) {
  rules.managers_max = 1;
  rules.queue.timeout = 10ms;
  for (const int windows : {2, 10}) {
    const auto user = "ada" + std::to_string(windows);
    auto one = arrive(user);
    auto two = arrive(user);
    open_threads(one, 1, 1);
    open_threads(two, 2, 2);
    elapse(2s, 10ms);
    CAF_CHECK(wait_for(one, open("t1")).contains("result"));
    elapse(windows * rules.cleanup.resume_window, 100ms);
    CAF_CHECK(wait_for(two, open("t3")).contains("result"));
    elapse(2s, 10ms);
    const auto reply = wait_for(one, open("t1"));
    CAF_CHECK_EQUAL(reply.contains("result"), windows == 10);
    if (reply.contains("error")) CAF_CHECK_EQUAL(json(reply["error"]["code"]), "queue_timeout");
  }
}

CAF_TEST(a_message_to_an_evicted_thread_is_told_what_happened_to_it) {
  rules.managers_max = 1;
  auto one = arrive("ada");
  auto two = arrive("ada");
  open_threads(one, 1, 1);
  open_threads(two, 2, 2);
  const auto refusal = json(one.ask(message("t1", "hello"))["error"]);
  CAF_CHECK_EQUAL(json(refusal["code"]), "not_open");
  CAF_CHECK_EQUAL(json(refusal["message"]), "the thread was evicted to make room for another; open it again");
}

CAF_TEST(an_evicted_thread_takes_a_free_slot_at_once) {
  rules.managers_max = 1;
  auto one = arrive("ada");
  auto two = arrive("ada");
  open_threads(one, 1, 1);
  open_threads(two, 2, 2);
  close(two, "t2");
  CAF_CHECK(wait_for(one, open("t1")).contains("result"));
  CAF_CHECK_EQUAL(waited.count(), 0);
}

CAF_TEST(an_evicted_thread_takes_a_slot_of_one_without_connections) {
  rules.managers_max = 1;
  auto one = arrive("ada");
  auto two = arrive("ada");
  open_threads(one, 1, 1);
  open_threads(two, 2, 2);
  const auto request = one.post(open("t1"));
  settle();
  CAF_CHECK(one.take_reply(request).is_null());
  two.vanish();
  CAF_CHECK(one.take_reply(request).contains("result"));
}

CAF_TEST(an_evicted_thread_does_not_take_the_slot_that_another_was_evicted_for) {
  rules.managers_max = 2;
  auto one = arrive("ada");
  auto two = arrive("ada");
  open_threads(one, 1, 2);
  open_threads(two, 3, 3); // instead of t1
  const auto back = one.post(open("t1"));
  const auto other = two.post(open("t4"));
  settle();
  CAF_CHECK(wait_for_reply(two, other).contains("result"));
  CAF_CHECK(one.take_reply(back).is_null());
  CAF_CHECK_EQUAL(words(evictions_of(one)), "t1 force least_recently_useful, t2 force least_recently_useful");
}

CAF_TEST(an_evicted_thread_gets_no_grace_for_coming_back) {
  rules.managers_max = 1;
  rules.queue.timeout = 500ms;
  auto one = arrive("ada");
  auto two = arrive("ada");
  open_threads(one, 1, 1);
  open_threads(two, 2, 2);
  CAF_CHECK_EQUAL(json(wait_for(one, open("t1"))["error"]["code"]), "queue_timeout");
  CAF_CHECK(notices(one, "limit_degraded").empty());
}

CAF_TEST(an_evicted_thread_resumes_by_the_same_connection_without_gap_or_duplicate) {
  rules.managers_max = 1;
  auto one = arrive("ada");
  auto two = arrive("ada");
  const auto epoch = json(one.ask(open("t1"))["result"]["epoch"]);
  one.ask(message("t1", "hello"));
  elapse(5s);
  const auto before = positions(one.take_events());
  open_threads(two, 2, 2);
  CAF_REQUIRE_EQUAL(words(evictions_of(one)), "t1 force least_recently_useful");
  close(two, "t2");
  const auto reply = wait_for(one, resume("t1", epoch, before.back()))["result"];
  CAF_CHECK_EQUAL(reply["resumed"], true);
  CAF_CHECK_EQUAL(reply["epoch"], epoch);
  CAF_CHECK_EQUAL(reply["seq"], before.back());
  one.ask(message("t1", "again"));
  elapse(5s);
  const auto after = positions(one.take_events());
  CAF_REQUIRE(!after.empty());
  for (std::size_t i = 0; i < after.size(); ++i)
    CAF_CHECK_EQUAL(after[i], before.back() + 1 + i);
}

CAF_TEST(an_evicted_thread_resumes_by_another_connection_with_what_its_interrupted_run_left) {
  rules.managers_max = 1;
  rules.run.stall_after = 1s;
  auto one = arrive("ada");
  auto two = arrive("ada");
  const auto epoch = json(one.ask(open("t1"))["result"]["epoch"]);
  CAF_REQUIRE(one.ask(message("t1", "/stream 100 0.1")).contains("result"));
  elapse(25s, 100ms);
  const auto before = positions(one.take_events());
  CAF_REQUIRE(wait_for(two, open("t2")).contains("result"));
  CAF_REQUIRE_EQUAL(words(evictions_of(one)), "t1 force least_recently_useful");
  auto positions_of_one = before;
  for (const auto seq : positions(one.take_events()))
    positions_of_one.push_back(seq);
  close(two, "t2");
  two.take();
  const auto half = positions_of_one[positions_of_one.size() / 2];
  CAF_CHECK_EQUAL(json(wait_for(two, resume("t1", epoch, half))["result"]["resumed"]), true);
  const auto events = two.take_events();
  CAF_REQUIRE(!events.empty());
  for (std::size_t i = 0; i < events.size(); ++i)
    CAF_CHECK_EQUAL(events[i]["seq"], half + 1 + i);
  CAF_CHECK_EQUAL(events.back()["event"]["type"], "agent_failed");
  CAF_CHECK_EQUAL(events.back()["event"]["code"], "interrupted");
  for (std::size_t i = 0; i < positions_of_one.size(); ++i)
    CAF_CHECK_EQUAL(positions_of_one[i], i + 1);
}

// -- sockets that were opened for one thread -----------------------------------------------------

CAF_TEST(a_socket_of_one_thread_is_greeted_together_with_its_thread) {
  auto ada = dial("ada", "t1");
  CAF_REQUIRE_EQUAL(ada.session->heard.size(), 1u);
  const auto& greeting = ada.session->heard[0];
  CAF_CHECK_EQUAL(greeting["type"], "connected");
  CAF_CHECK_EQUAL(greeting["thread"]["thread_id"], "t1");
  CAF_CHECK_EQUAL(greeting["thread"]["resumed"], false);
  CAF_CHECK(ada.ask(message("t1", "hello")).contains("result"));
}

CAF_TEST(a_socket_of_one_thread_is_closed_with_its_eviction_and_one_of_many_is_not) {
  rules.managers_max = 2;
  auto single = dial("ada", "t1");
  auto many = arrive("ada");
  elapse(1ms, 1ms);
  open_threads(many, 1, 2);
  single.ask(message("t1", "hello"));
  elapse(5s);
  many.ask(open("t2"));
  elapse(1ms, 1ms);
  CAF_CHECK(wait_for(many, open("t3")).contains("result"));
  CAF_REQUIRE_EQUAL(single.session->closed.size(), 1u);
  CAF_CHECK(single.session->closed[0].code == close_code::evicted);
  CAF_CHECK(single.session->closed[0].retry_after.has_value());
  CAF_CHECK_EQUAL(words(evictions_of(single)), "t1 force least_recently_useful");
  CAF_CHECK_EQUAL(words(evictions_of(many)), "t1 force least_recently_useful");
  CAF_CHECK(many.session->closed.empty());
  const auto made = decisions({.subject = to_string(single.id)});
  CAF_REQUIRE_EQUAL(made.size(), 1u);
  CAF_CHECK_EQUAL(made[0]["connections"][0]["code"], 4440);
  CAF_CHECK_EQUAL(made[0]["connections"].size(), 1u);
}

CAF_TEST(a_socket_of_one_thread_that_gets_no_slot_is_closed_as_over_the_limit) {
  rules.cleanup.max_level = cleanup_level::moderate;
  rules.grace.extra = 0;
  rules.queue.max = 0;
  rules.managers_max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  auto late = dial("ada", "t2");
  CAF_REQUIRE_EQUAL(late.session->closed.size(), 1u);
  CAF_CHECK(late.session->closed[0].code == close_code::manager_limit);
  CAF_CHECK(late.session->closed[0].text.starts_with(
      "Too many threads are open; close one and try again. User ada has reached the maximum number of WebSocket "
      "managers (1)"));
  CAF_CHECK(late.session->closed[0].text.size() <= 123);
  CAF_CHECK(late.session->closed[0].retry_after.has_value());
  CAF_CHECK(heard(late, "connected").is_null());
}

CAF_TEST(a_socket_of_one_thread_waits_in_the_queue_like_everybody) {
  rules.cleanup.max_level = cleanup_level::moderate;
  rules.grace.extra = 0;
  rules.managers_max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  auto late = dial("ada", "t2");
  CAF_CHECK_EQUAL(notices(late, "queued").size(), 1u);
  CAF_CHECK(heard(late, "connected").is_null());
  close(ada, "t1");
  CAF_CHECK_EQUAL(json(heard(late, "connected")["thread"]["thread_id"]), "t2");
  CAF_CHECK(late.session->closed.empty());
}

// Its greeting was with the manager, so nobody was left who knew that it still waited for one.
CAF_TEST(a_socket_of_one_thread_whose_manager_crashes_on_the_way_is_closed_and_may_come_again) {
  makers["t1"] = [](manager_actor::pointer self, user_actor, manager_identity) { return stillborn_manager(self); };
  auto ada = dial("ada", "t1");
  CAF_REQUIRE_EQUAL(ada.session->closed.size(), 1u);
  CAF_CHECK(ada.session->closed[0].reconnect());
}

CAF_TEST(a_socket_of_one_thread_that_does_not_open_in_time_is_closed_and_may_come_again) {
  rules.heartbeat = {25s, 10s};
  makers["t1"] = [](manager_actor::pointer self, user_actor, manager_identity) { return deaf_manager(self); };
  auto ada = dial("ada", "t1");
  elapse(rules.open_timeout + 10ms);
  CAF_REQUIRE_EQUAL(ada.session->closed.size(), 1u);
  CAF_CHECK(ada.session->closed[0].reconnect());
}

CAF_TEST(frames_that_are_refused_because_the_connection_was_dropped_give_their_credit_back) {
  makers["t1"] = forgetful_manager;
  auto ada = arrive("ada");
  ada.ask(open("t1"));
  for (std::uint32_t i = 0; i < 2 * rules.credit; ++i)
    CAF_CHECK_EQUAL(json(ada.ask(message("t1", "hello"))["error"]["code"]), "not_open");
}

// -- what does not end ---------------------------------------------------------------------------

CAF_TEST(a_manager_that_survives_its_kill_is_counted_as_leaked_after_two_timeouts_and_not_before) {
  blockable = true;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  blocked->blocks = true;
  close(ada, "t1");
  CAF_CHECK_EQUAL(used(ada), 0u);
  CAF_CHECK_EQUAL(count().retiring, 1u);
  elapse(2 * rules.retire_timeout - 2ms, 1ms);
  CAF_CHECK_EQUAL(count().leaked, 0u);
  elapse(2ms, 1ms);
  CAF_CHECK_EQUAL(count().leaked, 1u);
  CAF_CHECK_EQUAL(count().retiring, 1u);
  CAF_CHECK(report_of(ada).managers[0].phase == manager_phase::leaked);
  const auto made = decisions({.limit = 1});
  CAF_REQUIRE_EQUAL(made.size(), 1u);
  CAF_CHECK_EQUAL(made[0]["kind"], "manager_leaked");
  CAF_CHECK_EQUAL(made[0]["evictions"][0]["thread_id"], "t1");
  lift_blockade();
  CAF_CHECK_EQUAL(count().leaked, 0u);
  CAF_CHECK(report_of(ada).managers.empty());
}

CAF_TEST(a_leak_does_not_take_a_slot_from_its_user) {
  blockable = true;
  rules.managers_max = 2;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  blocked->blocks = true;
  close(ada, "t1");
  elapse(2 * rules.retire_timeout, 10ms);
  blockable = false;
  open_threads(ada, 2, 3);
  CAF_CHECK_EQUAL(used(ada), 2u);
}

CAF_TEST(one_limits_worth_of_leaks_makes_a_user_overloaded_and_one_less_does_not) {
  blockable = true;
  rules.managers_max = 3;
  auto ada = arrive("ada");
  open_threads(ada, 1, 3);
  blocked->blocks = true;
  close(ada, "t1");
  close(ada, "t2");
  elapse(2 * rules.retire_timeout, 10ms);
  blockable = false;
  CAF_CHECK(wait_for(ada, open("t4")).contains("result"));
  close(ada, "t3");
  elapse(2 * rules.retire_timeout, 10ms);
  const auto error = wait_for(ada, open("t5"))["error"];
  CAF_CHECK_EQUAL(error["code"], "overloaded");
  CAF_CHECK_EQUAL(error["temporary"], true);
  lift_blockade();
  CAF_CHECK(wait_for(ada, open("t5")).contains("result"));
}

CAF_TEST(a_crash_is_on_record_with_those_who_had_the_thread_open_and_an_orderly_end_is_not) {
  makers["t1"] = crashing_manager;
  auto ada = arrive("ada");
  open_threads(ada, 1, 2);
  close(ada, "t2");
  CAF_CHECK(decisions().empty());
  const auto manager = to_string(manager_of(ada, "t1").manager);
  ada.say(message("t1", "crash"));
  const auto made = decisions({.subject = manager});
  CAF_REQUIRE_EQUAL(made.size(), 1u);
  CAF_CHECK_EQUAL(made[0]["kind"], "manager_crashed");
  CAF_CHECK_EQUAL(made[0]["evictions"][0]["connections"], json::array({to_string(ada.id)}));
  CAF_CHECK_EQUAL(made[0]["evictions"][0]["evidence"], json::array({"crashed"}));
}

// -- what is erased ------------------------------------------------------------------------------

CAF_TEST(a_thread_that_is_to_be_erased_is_given_up_and_the_others_stay) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 2);
  ada.take();
  self->send(ada.session->admitted_by, release{thread_id{"t1"}});
  settle();
  self->receive([](const released& report) { CAF_CHECK_EQUAL(report.managers, 1u); });
  const auto told = notices(ada, "thread_detached");
  CAF_REQUIRE_EQUAL(told.size(), 1u);
  CAF_CHECK_EQUAL(told[0]["thread_id"], "t1");
  CAF_CHECK_EQUAL(used(ada), 1u);
  CAF_CHECK(wait_for(ada, open("t1")).contains("result"));
}

CAF_TEST(a_user_that_is_to_be_erased_loses_everything_and_may_come_back) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 3);
  const auto actor = ada.session->admitted_by;
  self->send(actor, release{});
  settle();
  self->receive([](const released& report) { CAF_CHECK_EQUAL(report.managers, 3u); });
  CAF_REQUIRE_EQUAL(ada.session->closed.size(), 1u);
  CAF_CHECK(ada.session->closed[0].code == close_code::state_lost);
  CAF_CHECK_EQUAL(count().managers, 0u);
  auto again = arrive("ada");
  CAF_CHECK(wait_for(again, open("t1")).contains("result"));
}

// -- what keeps a user from being forgotten ------------------------------------------------------

CAF_TEST(a_user_is_not_forgotten_while_a_thread_of_his_is_a_tombstone) {
  rules.managers_max = 1;
  rules.cleanup.resume_window = 10min;
  auto one = arrive("ada");
  auto two = arrive("ada");
  open_threads(one, 1, 1);
  open_threads(two, 2, 2);
  const auto until = sched.clock().now() + rules.cleanup.resume_window;
  one.vanish();
  two.vanish();
  while (sched.clock().now() < until - 1s)
    elapse(1s, 1s);
  CAF_CHECK_EQUAL(count().managers, 0u);
  CAF_CHECK_EQUAL(count().users, 1u);
  // The other thread was closed in the background when nobody was there, and is a tombstone since then.
  elapse(rules.heartbeat.interval + 10s, 100ms);
  CAF_CHECK_EQUAL(count().users, 0u);
}

CAF_TEST(a_user_is_not_forgotten_while_his_grace_cools_down) {
  rules.managers_max = 1;
  rules.cleanup.max_level = cleanup_level::moderate;
  auto ada = arrive("ada");
  open_threads(ada, 1, 2);
  CAF_REQUIRE_EQUAL(notices(ada, "limit_degraded").size(), 1u);
  ada.vanish();
  elapse(rules.grace.duration + rules.grace.cooldown - 100ms, 100ms);
  CAF_CHECK_EQUAL(count().managers, 0u);
  CAF_CHECK_EQUAL(count().users, 1u);
  elapse(2s, 1ms);
  CAF_CHECK_EQUAL(count().users, 0u);
}

CAF_TEST(a_user_is_not_forgotten_while_a_manager_of_his_has_leaked) {
  blockable = true;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  blocked->blocks = true;
  ada.vanish();
  elapse(1h, 1s);
  CAF_CHECK_EQUAL(count().leaked, 1u);
  CAF_CHECK_EQUAL(count().users, 1u);
  lift_blockade();
  elapse(rules.linger + 1s, 1s);
  CAF_CHECK_EQUAL(count().users, 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
