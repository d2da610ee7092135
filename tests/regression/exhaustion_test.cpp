#define CAF_SUITE exhaustion

/// The user at 20 of 20 whose managers look active and are dead.

#include "tests/regression/zombies.hpp"

using namespace gangway;
using namespace gangway::test;

CAF_TEST_FIXTURE_SCOPE(exhaustion_tests, regression_fixture)

// HARD LIMIT: User 10594514... still over limit after cleanup (20/20). The cleanup removed only managers that looked
// dead, and none did.
CAF_TEST(emergency_cleanup_failure_reproduction__20_zombies_do_not_lock_the_21st_out) {
  for (const auto& kind : zombie_kinds) {
    auto ada = fill(kind.name, kind);
    turn();
    CAF_CHECK(zombies_of(ada).empty()); // nobody knows yet
    CAF_CHECK(wait_for(ada, open("the-21st-" + kind.name)).contains("result"));
    CAF_CHECK(waited <= rules.cleanup.deadline);
    CAF_CHECK_EQUAL(used(ada), 20u);
    CAF_CHECK_EQUAL(words(evictions_of(ada)), kind.name + "-1 aggressive zombie " + kind.evidence);
    CAF_CHECK(is_live(ada, "the-21st-" + kind.name));
    *turned = false;
  }
}

CAF_TEST(emergency_cleanup_failure_reproduction__20_silent_connections_do_not_lock_the_21st_out) {
  auto quiet = arrive("ada");
  auto ada = arrive("ada");
  open_threads(quiet, 1, 20);
  quiet.session->answers = false;
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(waited.count(), rules.cleanup.probe_timeout.count());
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie silent");
}

// With the background at work, zombies do not even fill the limit.
CAF_TEST(emergency_cleanup_failure_reproduction__zombies_go_before_the_limit_is_reached) {
  rules.cleanup.start_ratio = 0.9;
  turn();
  for (const auto& kind : zombie_kinds) {
    auto ada = arrive(kind.name);
    makers_of(kind.name, kind, 1, 40);
    open_threads(ada, 1, 40, kind.name + "-");
    CAF_CHECK(wait_for(ada, open("real-" + kind.name)).contains("result"));
    CAF_CHECK(is_live(ada, "real-" + kind.name));
    CAF_CHECK(used(ada) <= 20u);
    CAF_CHECK_EQUAL(counted(admission_outcome::refused), 0u);
  }
}

CAF_TEST(zombie_connection_detection__every_zombie_is_known_with_its_evidence_before_anybody_needs_its_slot) {
  rules.heartbeat = {25s, 10s};
  for (const auto& kind : zombie_kinds) {
    auto ada = fill(kind.name, kind, 5);
    CAF_REQUIRE(ada.ask(open("sound-" + kind.name)).contains("result"));
    turn();
    elapse(36s, 50ms);
    std::vector<std::string> expected;
    for (int i = 1; i <= 5; ++i)
      expected.push_back(kind.name + "-" + std::to_string(i) + ": " + kind.evidence);
    CAF_CHECK_EQUAL(words(zombies_of(ada)), words(expected));
    CAF_CHECK_EQUAL(used(ada), 6u); // nobody needed a slot
    CAF_CHECK(evictions_of(ada).empty());
    *turned = false;
    elapse(36s, 50ms);
    CAF_CHECK_EQUAL(words(zombies_of(ada)), ""); // whoever is sound again is none
  }
}

CAF_TEST(zombie_connection_detection__a_connection_that_stops_answering_is_known_and_one_that_answers_is_not) {
  rules.heartbeat = {25s, 10s};
  auto quiet = arrive("ada");
  auto ada = arrive("ada");
  open_threads(quiet, 1, 1);
  open_threads(ada, 2, 2);
  quiet.session->answers = false;
  elapse(37s, 50ms);
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "t1: silent");
  CAF_REQUIRE_EQUAL(quiet.session->closed.size(), 1u);
  CAF_CHECK(quiet.session->closed[0].code == close_code::no_pong);
  CAF_CHECK(ada.session->closed.empty());
}

// The old validation said "20 managers" from one book and "3" from another, and cleaned up by the wrong one.
CAF_TEST(resource_validation_during_cleanup__every_book_says_the_same_at_every_moment) {
  for (const auto& kind : zombie_kinds) {
    auto ada = fill(kind.name, kind);
    turn();
    const auto running = sys.registry().running();
    std::vector<std::int64_t> asked;
    for (int i = 1; i <= 5; ++i)
      asked.push_back(ada.post(open("new-" + kind.name + "-" + std::to_string(i))));
    // Five come and five go: there are never more than both together.
    bool agree = true;
    while (sched.try_run_once())
      agree = agree && sys.registry().running() <= running + 5;
    for (const auto request : asked)
      CAF_CHECK(wait_for_reply(ada, request).contains("result"));
    CAF_CHECK(agree);
    elapse(rules.retire_timeout, 10ms);
    const auto report = report_of(ada);
    CAF_CHECK_EQUAL(report.managers.size(), 20u);                                        // the user's book
    CAF_CHECK_EQUAL(json(ada.ask({{"type", "status"}})["result"]["managers_used"]), 20); // what its client is told
    CAF_CHECK_EQUAL(sys.registry().running(), running);                                  // what really runs
    CAF_CHECK_EQUAL(report.tombstones, 5u);
    CAF_CHECK_EQUAL(evictions_of(ada).size(), 5u);
    const auto made = decisions({.limit = 1})[0]; // what is on record
    CAF_CHECK_EQUAL(made["evictions"].size(), 5u);
    CAF_CHECK_EQUAL(made["needed"], 5);
    CAF_CHECK_EQUAL(made["managers_used"], 20);
    ada.vanish();
    elapse(rules.cleanup.resume_window + rules.linger * 2 + 10s, 1s);
    CAF_CHECK_EQUAL(count().managers, 0u); // the node's
    *turned = false;
  }
}

// A cleanup took 5 minutes, later 30 s, and longer each time.
CAF_TEST(cleanup_performance_degradation__the_fiftieth_cleanup_costs_what_the_first_did) {
  for (const auto& kind : zombie_kinds) {
    auto ada = fill(kind.name, kind);
    turn();
    std::vector<std::uint64_t> costs;
    for (int i = 21; i <= 70; ++i) {
      makers_of(kind.name, kind, i, i);
      const auto before = report_of(ada).vitals.messages;
      CAF_CHECK(wait_for(ada, open(kind.name + "-" + std::to_string(i))).contains("result"));
      CAF_CHECK(waited <= rules.cleanup.deadline);
      costs.push_back(report_of(ada).vitals.messages - before);
    }
    // The first had to probe; the others know their zombies.
    CAF_CHECK(costs[49] <= costs[1]);
    CAF_CHECK(costs[49] <= costs[0]);
    CAF_CHECK_EQUAL(used(ada), 20u);
    *turned = false;
  }
}

CAF_TEST(hard_limit_message_accuracy__every_number_is_what_was_counted_and_seen) {
  rules.grace.extra = 0;
  rules.queue.max = 0;
  for (const auto& kind : zombie_kinds) {
    auto ada = fill(kind.name, kind, 2);
    for (int i = 1; i <= 18; ++i) {
      const auto thread = "run-" + kind.name + "-" + std::to_string(i);
      CAF_REQUIRE(ada.ask(open(thread)).contains("result"));
      begin_run(ada, thread);
    }
    turn();
    std::vector<std::int64_t> asked;
    for (int i = 1; i <= 3; ++i)
      asked.push_back(ada.post(open("new-" + kind.name + "-" + std::to_string(i))));
    settle();
    CAF_CHECK(wait_for_reply(ada, asked[0]).contains("result"));
    CAF_CHECK(wait_for_reply(ada, asked[1]).contains("result"));
    const auto error = json(wait_for_reply(ada, asked[2])["error"]);
    CAF_CHECK_EQUAL(error["code"], "manager_limit");
    CAF_CHECK_EQUAL(error["message"],
                    "Too many threads are open; close one and try again. User " + kind.name
                        + " has reached the maximum number of WebSocket managers (20). Graduated emergency cleanup "
                          "attempted through all levels but limit still exceeded. Cleanup attempts made: conservative: "
                          "0 of 0, moderate: 0 of 0, aggressive: 2 of 2, force: 0 of 0 (total cleaned: 2). Current "
                          "count: 20.");
    CAF_CHECK_EQUAL(evictions_of(ada).size(), 2u);
    CAF_CHECK_EQUAL(used(ada), 20u);
    const auto made = decisions({.user = user_id{kind.name}, .limit = 1})[0];
    CAF_CHECK_EQUAL(error["details"]["attempts"], made["attempts"]);
    CAF_CHECK_EQUAL(error["details"]["total_cleaned"], made["evictions"].size());
    CAF_CHECK_EQUAL(error["details"]["current"], 20);
    *turned = false;
  }
}

CAF_TEST(multi_user_resource_exhaustion__18_normal_20_zombie_and_5_normal_managers_do_not_touch_each_other) {
  for (const auto& kind : zombie_kinds) {
    const auto one = "normal-" + kind.name, three = "light-" + kind.name;
    auto eighteen = arrive(one);
    auto five = arrive(three);
    open_threads(eighteen, 1, 18);
    open_threads(five, 1, 5);
    auto twenty = fill(kind.name, kind);
    turn();
    const auto books = [&](const client& who) {
      std::vector<std::string> ids;
      for (const auto& known : report_of(who).managers)
        ids.push_back(to_string(known.manager));
      return words(ids);
    };
    const auto before = books(eighteen) + "; " + books(five);
    const auto pings = eighteen.session->pings.size() + five.session->pings.size();
    CAF_CHECK(wait_for(twenty, open("the-21st-" + kind.name)).contains("result"));
    CAF_CHECK_EQUAL(words(evictions_of(twenty)), kind.name + "-1 aggressive zombie " + kind.evidence);
    CAF_CHECK_EQUAL(books(eighteen) + "; " + books(five), before);
    CAF_CHECK_EQUAL(eighteen.session->pings.size() + five.session->pings.size(), pings); // not even asked
    CAF_CHECK(eighteen.take().size() + five.take().size() == 0);
    // And they go on as if nothing were.
    CAF_CHECK(is_golden(walk(eighteen, "t18")));
    CAF_CHECK(is_golden(walk(five, "t5")));
    CAF_CHECK(decisions({.user = user_id{one}}).empty());
    CAF_CHECK(decisions({.user = user_id{three}}).empty());
    for (auto* who : {&eighteen, &five, &twenty})
      who->vanish();
    elapse(5min, 1s);
    *turned = false;
  }
}

CAF_TEST(cleanup_with_a_real_store__what_it_evicted_and_decided_survives_the_process) {
  auto quiet = arrive("ada");
  auto ada = arrive("ada");
  const auto epoch = json(quiet.ask(open("t1"))["result"]["epoch"]);
  CAF_CHECK(is_golden(walk(quiet, "t1")));
  open_threads(quiet, 2, 20);
  quiet.session->answers = false;
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie silent");
  const auto made = decisions({.subject = to_string(quiet.id)});
  CAF_REQUIRE_EQUAL(made.size(), 1u);
  stop();
  start();
  CAF_CHECK(decisions({.subject = to_string(quiet.id)}) == made);
  auto again = arrive("ada");
  const auto reply = json(
      wait_for(again, {{"type", "thread.open"}, {"thread_id", "t1"}, {"epoch", epoch}, {"after_seq", 0}})["result"]);
  CAF_CHECK_EQUAL(reply["resumed"], true);
  CAF_CHECK_EQUAL(reply["epoch"], epoch);
  CAF_CHECK(is_golden(follow(again, "t1")));
}

CAF_TEST(memory_pressure_during_limits__the_node_takes_the_dead_of_the_lower_tier_and_forces_nobody) {
  for (const auto& kind : zombie_kinds) {
    rules.heartbeat = {25s, 10s};
    services->rules[1] = rules;
    auto ada = fill(kind.name, kind, 10); // of the free tier
    auto pro = arrive("pro-" + kind.name, "pro");
    makers_of("pro-" + kind.name, kind, 1, 10);
    open_threads(pro, 1, 10, "pro-" + kind.name + "-");
    open_threads(ada, 1, 5, "sound-" + kind.name);
    turn();
    elapse(36s, 50ms);
    caf::anon_send(shard, pressure_changed{true});
    caf::anon_send(shard, relieve{tier::free, cleanup_level::conservative});
    settle();
    CAF_CHECK_EQUAL(used(ada), 5u);
    CAF_CHECK_EQUAL(used(pro), 10u);
    CAF_CHECK_EQUAL(evictions_of(ada).size(), 10u);
    CAF_CHECK_EQUAL(std::string{evictions_of(ada).front()}, kind.name + "-1 conservative zombie " + kind.evidence);
    caf::anon_send(shard, relieve{tier::free, cleanup_level::aggressive});
    elapse(rules.cleanup.deadline, 10ms);
    CAF_CHECK_EQUAL(used(ada), 5u); // the living stay
    // At the limit nobody gets more than that while the node is short.
    rules.cleanup.max_level = cleanup_level::moderate;
    open_threads(ada, 1, 15, "more-" + kind.name);
    const auto request = ada.post(open("late-" + kind.name));
    settle();
    CAF_CHECK(ada.take_reply(request).is_null());
    CAF_CHECK(notices(ada, "limit_degraded").empty());
    CAF_CHECK_EQUAL(notices(ada, "queued").size(), 1u);
    caf::anon_send(shard, pressure_changed{false});
    ada.vanish();
    pro.vanish();
    elapse(5min, 1s);
    rules.cleanup.max_level = cleanup_level::force;
    *turned = false;
  }
}

CAF_TEST(exhaustion_recovery__a_user_of_20_zombies_has_20_working_threads_again_without_a_restart) {
  for (const auto& kind : zombie_kinds) {
    auto ada = fill(kind.name, kind);
    turn();
    for (int i = 1; i <= 20; ++i) {
      const auto thread = "new-" + kind.name + "-" + std::to_string(i);
      CAF_CHECK(wait_for(ada, open(thread)).contains("result"));
      CAF_CHECK(waited <= rules.cleanup.deadline);
    }
    CAF_CHECK_EQUAL(evictions_of(ada).size(), 20u);
    CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
    for (int i = 1; i <= 20; ++i)
      CAF_CHECK(is_golden(walk(ada, "new-" + kind.name + "-" + std::to_string(i))));
    CAF_CHECK_EQUAL(used(ada), 20u);
    CAF_CHECK_EQUAL(counted(admission_outcome::refused), 0u);
    *turned = false;
  }
}

CAF_TEST_FIXTURE_SCOPE_END()
