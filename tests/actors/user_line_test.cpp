#define CAF_SUITE user_line
#include <regex>

#include "tests/actors/ladder_fixture.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct fixture : ladder_fixture {
  fixture() {
    rules.cleanup.start_ratio = 1;
    rules.grace.extra = 0;
    rules.cleanup.max_level = cleanup_level::moderate; // so that nobody who lives can go
  }

  /// Posts an open and lets the ladder run.
  std::int64_t ask_for(client& who, const std::string& thread) {
    const auto request = who.post(open(thread));
    settle();
    return request;
  }

  void close(client& who, const std::string& thread) {
    CAF_CHECK(who.ask({{"type", "thread.close"}, {"thread_id", thread}}).contains("result"));
  }

  json status(client& who) { return who.ask({{"type", "status"}})["result"]; }

  /// The positions that a connection was told, as "t3: 1".
  static std::string positions(const client& who) {
    std::vector<std::string> result;
    for (const auto& one : notices(who, "queued"))
      result.push_back(one["thread_id"].get<std::string>() + ": " + one["position"].dump());
    return words(result);
  }
};

/// The numbers of the refusal that protocol.md promises.
struct refusal_numbers {
  int max = 0;
  std::string attempts;
  int cleaned = 0;
  int current = 0;
};

refusal_numbers parse(const std::string& message, const std::string& user) {
  const std::regex form{
      "Too many threads are open; close one and try again\\. User " + user
      + R"( has reached the maximum number of WebSocket managers \((\d+)\)\. )"
        R"(Graduated emergency cleanup attempted through all levels(?: that its tier allows)? but limit still )"
        R"(exceeded\. Cleanup attempts made: (.*) \(total cleaned: (\d+)\)\. Current count: (\d+)\.)"};
  std::smatch found;
  CAF_REQUIRE(std::regex_match(message, found, form));
  return {std::stoi(found[1]), found[2], std::stoi(found[3]), std::stoi(found[4])};
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(user_line_tests, fixture)

// -- grace ---------------------------------------------------------------------------------------

CAF_TEST(a_user_of_whom_nobody_can_go_gets_five_more_for_a_minute_and_is_told) {
  rules.grace.extra = 5;
  auto ada = arrive("ada");
  auto too = arrive("ada");
  open_threads(ada, 1, 20);
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(waited.count(), 0);
  const auto before = utc_now();
  for (const auto* who : {&ada, &too}) {
    const auto told = notices(*who, "limit_degraded");
    CAF_REQUIRE_EQUAL(told.size(), 1u);
    CAF_CHECK_EQUAL(told[0]["managers_max"], 20);
    CAF_CHECK_EQUAL(told[0]["extra"], 5);
    CAF_CHECK(told[0]["until"].get<std::int64_t>() <= (before + rules.grace.duration).time_since_epoch().count());
  }
  open_threads(ada, 22, 25);
  CAF_CHECK_EQUAL(used(ada), 25u);
  CAF_CHECK_EQUAL(notices(ada, "limit_degraded").size(), 1u);
  CAF_CHECK_EQUAL(json(status(ada)["grace"]["extra"]), 5);
  CAF_CHECK_EQUAL(count().graces, 1u);
  CAF_CHECK_EQUAL(counted(admission_outcome::grace), 1u);
}

CAF_TEST(the_26th_waits_because_a_grace_has_an_end) {
  rules.grace.extra = 5;
  auto ada = arrive("ada");
  open_threads(ada, 1, 25);
  const auto request = ask_for(ada, "t26");
  CAF_CHECK(ada.take_reply(request).is_null());
  CAF_CHECK_EQUAL(positions(ada), "t26: 1");
  CAF_CHECK_EQUAL(used(ada), 25u);
}

CAF_TEST(a_grace_does_not_come_again_before_its_cool_down_is_over) {
  rules.grace.extra = 1;
  rules.managers_max = 1;
  rules.queue.max = 0;
  auto ada = arrive("ada");
  open_threads(ada, 1, 2);
  close(ada, "t2");
  elapse(rules.grace.duration + rules.grace.cooldown - 10ms, 1s);
  ada.ask(open("t1"));
  CAF_CHECK_EQUAL(json(wait_for(ada, open("t3"))["error"]["code"]), "manager_limit");
  elapse(10ms, 1ms);
  CAF_CHECK(wait_for(ada, open("t3")).contains("result"));
  CAF_CHECK_EQUAL(notices(ada, "limit_degraded").size(), 2u);
}

CAF_TEST(a_pressed_node_bears_no_grace_and_one_that_is_relieved_does) {
  rules.grace.extra = 5;
  rules.queue.max = 0;
  auto ada = arrive("ada");
  open_threads(ada, 1, 20);
  caf::anon_send(shard, pressure_changed{true});
  settle();
  CAF_CHECK_EQUAL(json(wait_for(ada, open("t21"))["error"]["code"]), "manager_limit");
  caf::anon_send(shard, pressure_changed{false});
  settle();
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
}

CAF_TEST(the_surplus_of_a_grace_goes_by_the_ladder_at_its_end_and_no_more_than_that) {
  rules.grace.extra = 5;
  rules.cleanup.max_level = cleanup_level::force;
  rules.managers_max = 3;
  auto ada = arrive("ada");
  open_threads(ada, 1, 3);
  for (int i = 1; i <= 3; ++i)
    begin_run(ada, "t" + std::to_string(i));
  open_threads(ada, 4, 5);
  elapse(rules.grace.duration - 100ms, 100ms);
  CAF_CHECK_EQUAL(used(ada), 5u);
  elapse(200ms, 1ms);
  CAF_CHECK_EQUAL(used(ada), 3u);
  CAF_CHECK_EQUAL(words(evictions_of(ada)), "t4 force least_recently_useful, t5 force least_recently_useful");
  CAF_CHECK_EQUAL(json(decisions({.limit = 1})[0]["scope"]), "surplus");
}

CAF_TEST(runs_stay_beyond_the_grace_and_go_one_by_one_as_they_end) {
  rules.grace.extra = 5;
  rules.cleanup.max_level = cleanup_level::force;
  rules.managers_max = 2;
  auto ada = arrive("ada");
  open_threads(ada, 1, 2);
  begin_run(ada, "t1");
  begin_run(ada, "t2");
  open_threads(ada, 3, 3);
  begin_run(ada, "t3");
  elapse(rules.grace.duration + 1s, 100ms);
  CAF_CHECK_EQUAL(used(ada), 3u);
  CAF_CHECK(evictions_of(ada).empty());
  const auto run = to_string(*manager_of(ada, "t2").run);
  CAF_CHECK(ada.ask({{"type", "run.cancel"}, {"thread_id", "t2"}, {"run_id", run}}).contains("result"));
  elapse(100ms, 1ms);
  CAF_CHECK_EQUAL(used(ada), 2u);
  CAF_CHECK_EQUAL(words(evictions_of(ada)), "t2 force least_recently_useful");
}

// -- the queue -----------------------------------------------------------------------------------

CAF_TEST(those_who_wait_are_told_their_positions_and_served_from_the_head) {
  rules.managers_max = 2;
  auto ada = arrive("ada");
  auto too = arrive("ada");
  open_threads(ada, 1, 2);
  const auto first = ask_for(ada, "t3");
  const auto second = ask_for(too, "t4");
  const auto third = ask_for(ada, "t5");
  CAF_CHECK_EQUAL(positions(ada), "t3: 1, t5: 3");
  CAF_CHECK_EQUAL(positions(too), "t4: 2");
  CAF_CHECK_EQUAL(json(status(ada)["queue"]["used"]), 3);
  CAF_CHECK_EQUAL(count().waiting, 3u);
  close(ada, "t1");
  CAF_CHECK(ada.take_reply(first).contains("result"));
  CAF_CHECK(too.take_reply(second).is_null());
  CAF_CHECK(ada.take_reply(third).is_null());
  CAF_CHECK_EQUAL(positions(ada), "t3: 1, t5: 3, t5: 2");
  CAF_CHECK_EQUAL(positions(too), "t4: 2, t4: 1");
  close(ada, "t2");
  CAF_CHECK(too.take_reply(second).contains("result"));
  CAF_CHECK(ada.take_reply(third).is_null());
  CAF_CHECK_EQUAL(counted(admission_outcome::queued), 2u);
}

CAF_TEST(a_slot_that_became_free_goes_to_the_head_and_not_to_who_asks_in_that_moment) {
  rules.managers_max = 2;
  auto ada = arrive("ada");
  auto too = arrive("ada");
  open_threads(ada, 1, 2);
  const auto first = ask_for(ada, "t3");
  ada.whisper({{"type", "thread.close"}, {"thread_id", "t1"}});
  const auto second = ask_for(too, "t4");
  CAF_CHECK(ada.take_reply(first).contains("result"));
  CAF_CHECK(too.take_reply(second).is_null());
}

CAF_TEST(who_waits_is_refused_at_the_deadline_and_not_before) {
  rules.managers_max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  const auto request = ask_for(ada, "t2");
  elapse(rules.queue.timeout - 1ms, 1ms);
  CAF_CHECK(ada.take_reply(request).is_null());
  elapse(3ms, 1ms);
  const auto error = json(ada.take_reply(request)["error"]);
  CAF_CHECK_EQUAL(error["code"], "manager_limit");
  CAF_CHECK_EQUAL(error["temporary"], true);
  CAF_CHECK_EQUAL(error["retry_after_ms"], rules.queue.timeout.count());
  CAF_CHECK_EQUAL(count().waiting, 0u);
  CAF_CHECK_EQUAL(counted(admission_outcome::refused), 1u);
}

CAF_TEST(the_32nd_waits_and_the_33rd_is_refused_at_once) {
  rules.managers_max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  for (int i = 1; i <= 32; ++i)
    CAF_CHECK(ada.take_reply(ask_for(ada, "w" + std::to_string(i))).is_null());
  const auto error = json(ada.take_reply(ask_for(ada, "w33"))["error"]);
  CAF_CHECK_EQUAL(error["code"], "queue_full");
  CAF_CHECK(error["message"].get<std::string>().starts_with(
      "Too many threads are open and too many are waiting; try again later. User ada has reached"));
  CAF_CHECK(error["details"]["summary"].get<std::string>().ends_with(" Already waiting: 32."));
  CAF_CHECK_EQUAL(error["temporary"], true);
  CAF_CHECK_EQUAL(count().waiting, 32u);
}

CAF_TEST(of_two_opens_in_one_cleanup_the_second_finds_the_queue_full_if_it_holds_one) {
  rules.managers_max = 1;
  rules.queue.max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  const auto first = ada.post(open("t2"));
  const auto second = ada.post(open("t3"));
  settle();
  CAF_CHECK(ada.take_reply(first).is_null());
  auto refusal = ada.take_reply(second);
  CAF_CHECK_EQUAL(refusal["error"]["code"], "queue_full");
  CAF_CHECK_EQUAL(positions(ada), "t2: 1");
  close(ada, "t1");
  CAF_CHECK(ada.take_reply(first).contains("result"));
}

CAF_TEST(of_three_opens_in_one_cleanup_the_first_gets_who_can_go_the_second_waits_and_the_third_finds_the_queue_full) {
  rules.cleanup.max_level = cleanup_level::force;
  rules.managers_max = 2;
  rules.queue.max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 2);
  begin_run(ada, "t1");
  std::vector<std::int64_t> asked;
  for (int i = 3; i <= 5; ++i)
    asked.push_back(ada.post(open("t" + std::to_string(i))));
  settle();
  CAF_CHECK(ada.take_reply(asked[0]).contains("result"));
  CAF_CHECK_EQUAL(json(ada.take_reply(asked[2])["error"]["code"]), "queue_full");
}

CAF_TEST(who_closes_the_thread_that_he_waits_for_waits_no_longer) {
  rules.managers_max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  const auto first = ask_for(ada, "t2");
  const auto second = ask_for(ada, "t3");
  close(ada, "t2");
  CAF_CHECK_EQUAL(json(ada.take_reply(first)["error"]["code"]), "not_open");
  CAF_CHECK_EQUAL(positions(ada), "t2: 1, t3: 2, t3: 1");
  close(ada, "t1");
  CAF_CHECK(ada.take_reply(second).contains("result"));
}

CAF_TEST(what_comes_behind_an_open_that_waits_is_done_when_the_thread_is_open) {
  rules.managers_max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  const auto opening = ask_for(ada, "t2");
  ada.say({{"id", 700}, {"type", "message.send"}, {"thread_id", "t2"}, {"content", "hello"}});
  CAF_CHECK(ada.take_reply(700).is_null());
  close(ada, "t1");
  CAF_CHECK(ada.take_reply(opening).contains("result"));
  CAF_CHECK(ada.take_reply(700).contains("result"));
}

CAF_TEST(what_comes_behind_an_open_that_is_refused_is_refused_for_the_same_reason) {
  rules.managers_max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  const auto opening = ask_for(ada, "t2");
  // Seven beside the open are the credit; the eighth is told at once.
  for (int i = 0; i < 8; ++i)
    ada.say({{"id", 700 + i}, {"type", "message.send"}, {"thread_id", "t2"}, {"content", "hello"}});
  CAF_CHECK_EQUAL(json(ada.take_reply(707)["error"]["code"]), "busy");
  elapse(rules.queue.timeout + 3ms, 1ms);
  CAF_CHECK_EQUAL(json(ada.take_reply(opening)["error"]["code"]), "manager_limit");
  for (int i = 0; i < 7; ++i) {
    const auto error = json(ada.take_reply(700 + i)["error"]);
    CAF_CHECK_EQUAL(error["code"], "manager_limit");
    CAF_CHECK_EQUAL(error["temporary"], true);
  }
}

CAF_TEST(what_comes_behind_an_open_that_is_closed_is_refused_with_it) {
  rules.managers_max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  const auto opening = ask_for(ada, "t2");
  ada.say({{"id", 700}, {"type", "thread.history"}, {"thread_id", "t2"}});
  close(ada, "t2");
  CAF_CHECK_EQUAL(json(ada.take_reply(opening)["error"]["code"]), "not_open");
  CAF_CHECK_EQUAL(json(ada.take_reply(700)["error"]["code"]), "not_open");
}

CAF_TEST(who_vanishes_while_he_waits_leaves_his_place_to_the_next) {
  rules.managers_max = 1;
  auto ada = arrive("ada");
  auto too = arrive("ada");
  open_threads(ada, 1, 1);
  ask_for(too, "t2");
  const auto request = ask_for(ada, "t3");
  too.vanish();
  CAF_CHECK_EQUAL(positions(ada), "t3: 2, t3: 1");
  close(ada, "t1");
  CAF_CHECK(ada.take_reply(request).contains("result"));
  CAF_CHECK(!is_live(ada, "t2"));
}

CAF_TEST(a_manager_that_crashes_makes_room_for_the_head_of_the_queue) {
  rules.managers_max = 1;
  makers["t1"] = crashing_manager;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  const auto request = ask_for(ada, "t2");
  CAF_CHECK(ada.take_reply(request).is_null());
  ada.say(message("t1", "crash"));
  CAF_CHECK(ada.take_reply(request).contains("result"));
}

CAF_TEST(a_connection_that_goes_makes_room_for_the_head_of_the_queue) {
  rules.managers_max = 1;
  auto ada = arrive("ada");
  auto too = arrive("ada");
  open_threads(too, 1, 1);
  const auto request = ask_for(ada, "t2");
  too.vanish();
  CAF_CHECK(ada.take_reply(request).contains("result"));
}

CAF_TEST(who_waits_is_served_when_a_run_ends_that_kept_its_manager) {
  rules.cleanup.max_level = cleanup_level::force;
  rules.managers_max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  CAF_REQUIRE(ada.ask(message("t1", "/stream 10 1")).contains("result"));
  const auto request = ask_for(ada, "t2");
  elapse(5s, 10ms);
  CAF_CHECK(ada.take_reply(request).is_null());
  elapse(10s, 10ms);
  CAF_CHECK(ada.take_reply(request).contains("result"));
}

// Every request climbed it again, and a client that asks all day kept everybody busy with looking for nothing.
CAF_TEST(a_ladder_that_was_climbed_for_nothing_is_not_climbed_again_at_once) {
  rules.managers_max = 2;
  auto ada = arrive("ada");
  open_threads(ada, 1, 2);
  ask_for(ada, "t3");
  CAF_CHECK_EQUAL(counted(cleanup_scope::request), 1u);
  const auto request = ask_for(ada, "t4");
  CAF_CHECK_EQUAL(positions(ada), "t3: 1, t4: 2");
  CAF_CHECK_EQUAL(counted(cleanup_scope::request), 1u);
  elapse(rules.heartbeat.timeout - 20ms, 10ms);
  ask_for(ada, "t5");
  CAF_CHECK_EQUAL(counted(cleanup_scope::request), 1u);
  elapse(20ms, 1ms);
  ask_for(ada, "t6");
  CAF_CHECK_EQUAL(counted(cleanup_scope::request), 2u);
  CAF_CHECK(ada.take_reply(request).is_null());
}

CAF_TEST(a_ladder_that_was_climbed_for_nothing_is_climbed_again_when_somebody_can_go) {
  rules.managers_max = 2;
  auto ada = arrive("ada");
  auto too = arrive("ada");
  open_threads(ada, 1, 1);
  open_threads(too, 2, 2);
  const auto request = ask_for(ada, "t3");
  CAF_CHECK(ada.take_reply(request).is_null());
  too.vanish();
  CAF_CHECK(ada.take_reply(request).contains("result"));
  CAF_CHECK_EQUAL(counted(cleanup_scope::request), 2u);
}

// -- the refusal ---------------------------------------------------------------------------------

CAF_TEST(the_refusal_says_in_the_words_of_the_contract_what_was_tried) {
  rules.cleanup.max_level = cleanup_level::force;
  rules.queue.max = 0;
  auto ada = arrive("105945141827451681156");
  open_threads(ada, 1, 20);
  for (int i = 1; i <= 20; ++i)
    begin_run(ada, "t" + std::to_string(i));
  const auto error = wait_for(ada, open("t21"))["error"];
  CAF_CHECK_EQUAL(error["code"], "manager_limit");
  CAF_CHECK_EQUAL(
      error["message"],
      "Too many threads are open; close one and try again. "
      "User 105945141827451681156 has reached the maximum number of WebSocket managers (20). Graduated emergency "
      "cleanup attempted through all levels but limit still exceeded. Cleanup attempts made: conservative: 0 of 0, "
      "moderate: 0 of 0, aggressive: 0 of 0, force: 0 of 0 (total cleaned: 0). Current count: 20.");
  CAF_CHECK_EQUAL("Too many threads are open; close one and try again. "
                      + error["details"]["summary"].get<std::string>(),
                  error["message"]);
  CAF_CHECK_EQUAL(error["details"]["attempts"].size(), 4u);
  CAF_CHECK_EQUAL(error["details"]["total_cleaned"], 0);
  CAF_CHECK_EQUAL(error["details"]["current"], 20);
  CAF_CHECK_EQUAL(error["temporary"], true);
  CAF_CHECK(error["retry_after_ms"] > 0);
}

CAF_TEST(the_numbers_of_the_refusal_are_those_of_its_details_and_of_what_happened) {
  rules.cleanup.max_level = cleanup_level::force;
  rules.queue.max = 0;
  rules.managers_max = 5;
  auto ada = arrive("ada");
  open_threads(ada, 1, 5);
  for (int i = 1; i <= 3; ++i)
    begin_run(ada, "t" + std::to_string(i));
  std::vector<std::int64_t> asked;
  for (int i = 6; i <= 8; ++i)
    asked.push_back(ada.post(open("t" + std::to_string(i))));
  settle();
  CAF_CHECK(wait_for_reply(ada, asked[0]).contains("result"));
  CAF_CHECK(wait_for_reply(ada, asked[1]).contains("result"));
  const auto error = wait_for_reply(ada, asked[2])["error"];
  const auto said = parse(error["message"], "ada");
  const auto evicted = static_cast<int>(evictions_of(ada).size());
  CAF_CHECK_EQUAL(evicted, 2);
  CAF_CHECK_EQUAL(said.max, 5);
  CAF_CHECK_EQUAL(said.cleaned, evicted);
  CAF_CHECK_EQUAL(said.current, static_cast<int>(used(ada)));
  CAF_CHECK_EQUAL(said.attempts, "conservative: 0 of 0, moderate: 0 of 0, aggressive: 0 of 0, force: 2 of 2");
  const auto& details = error["details"];
  CAF_CHECK_EQUAL(details["total_cleaned"], said.cleaned);
  CAF_CHECK_EQUAL(details["current"], said.current);
  CAF_CHECK_EQUAL(details["attempts"].size(), 4u);
  CAF_CHECK(details["attempts"] == decisions({.limit = 1})[0]["attempts"]);
}

CAF_TEST(the_refusal_of_a_tier_that_may_not_force_says_so) {
  rules.queue.max = 0;
  auto ada = arrive("ada");
  open_threads(ada, 1, 20);
  const auto said = parse(wait_for(ada, open("t21"))["error"]["message"], "ada");
  CAF_CHECK_EQUAL(said.attempts, "conservative: 0 of 0, moderate: 0 of 0; moderate is the highest level for tier free");
  CAF_CHECK_EQUAL(said.current, 20);
}

CAF_TEST_FIXTURE_SCOPE_END()
