#define CAF_SUITE user_cleanup
#include "tests/actors/ladder_fixture.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct fixture : ladder_fixture {
  fixture() { rules.cleanup.start_ratio = 1; }

  cleaned_up clean(const client& whose, const clean_up& order) {
    return ask<cleaned_up>(whose.session->admitted_by, order);
  }
};

/// What a decision did, as "t1 moderate idle, …".
std::string done(const decision& what) {
  std::vector<std::string> result;
  for (const auto& one : what.evictions)
    result.push_back(one.thread.value + " " + std::string{to_string(one.level)} + " "
                     + std::string{to_string(one.reason)});
  return words(result);
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(user_cleanup_tests, fixture)

// -- level by level ------------------------------------------------------------------------------

CAF_TEST(the_20th_thread_costs_nobody_his_own) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 20);
  CAF_CHECK_EQUAL(used(ada), 20u);
  CAF_CHECK(evictions_of(ada).empty());
  CAF_CHECK_EQUAL(counted(cleanup_scope::request), 0u);
}

CAF_TEST(the_21st_thread_takes_the_slot_of_one_without_connections_at_once) {
  auto gone = arrive("ada");
  auto ada = arrive("ada");
  open_threads(gone, 1, 1);
  open_threads(ada, 2, 20);
  gone.vanish();
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(waited.count(), 0);
  CAF_CHECK(!is_live(ada, "t1"));
  const auto made = decisions({.user = user_id{"ada"}, .limit = 1})[0];
  CAF_CHECK_EQUAL(made["scope"], "request");
  CAF_CHECK_EQUAL(made["level"], "conservative");
  CAF_CHECK_EQUAL(made["outcome"], "freed");
  CAF_CHECK_EQUAL(made["needed"], 1);
  CAF_CHECK_EQUAL(made["evictions"][0]["thread_id"], "t1");
  CAF_CHECK_EQUAL(made["evictions"][0]["reason"], "inactive");
  CAF_CHECK_EQUAL(made["roster"].size(), 20u);
}

CAF_TEST(an_idle_one_goes_when_its_time_is_over_and_a_moment_before_only_by_force) {
  for (const auto beyond : {0ms, 1ms}) {
    const std::string name = beyond == 0ms ? "ada" : "bob";
    auto ada = arrive(name);
    open_threads(ada, 1, 20);
    elapse(rules.cleanup.idle_after - 20ms + beyond, 1s);
    for (int i = 2; i <= 20; ++i)
      ada.ask(open("t" + std::to_string(i)));
    CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
    CAF_CHECK_EQUAL(words(evictions_of(ada)), beyond == 0ms ? "t1 force least_recently_useful" : "t1 moderate idle");
    CAF_CHECK_EQUAL(waited.count(), 0);
  }
}

CAF_TEST(a_silent_one_goes_when_its_probe_is_over_though_others_were_useful_less_recently) {
  auto ada = arrive("ada");
  auto quiet = arrive("ada");
  open_threads(ada, 1, 19);
  open_threads(quiet, 20, 20);
  quiet.session->answers = false;
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(waited.count(), 1500);
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t20 aggressive zombie silent");
  CAF_CHECK_EQUAL(words(evictions_of(ada)), "");
}

CAF_TEST(the_least_recently_useful_goes_by_force_when_everybody_is_alive) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 20);
  ada.ask(open("t1")); // useful again
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(ada)), "t2 force least_recently_useful");
}

CAF_TEST(a_live_run_keeps_its_manager_at_every_level) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 20);
  for (int i = 1; i <= 19; ++i)
    begin_run(ada, "t" + std::to_string(i));
  ada.ask(open("t20"));
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(ada)), "t20 force least_recently_useful");
}

CAF_TEST(a_run_without_an_event_for_its_time_no_longer_keeps_its_manager_and_ends_as_interrupted) {
  rules.grace.extra = 0;
  rules.queue.max = 0;
  rules.managers_max = 1;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  CAF_REQUIRE(ada.ask(message("t1", "/stream 2 0.1")).contains("result"));
  CAF_CHECK_EQUAL(json(wait_for(ada, open("t2"))["error"]["code"]), "manager_limit");
  rules.run.stall_after = 5s;
  elapse(5s, 100ms);
  CAF_CHECK(wait_for(ada, open("t2")).contains("result"));
  const auto events = ada.take_events();
  CAF_REQUIRE(!events.empty());
  CAF_CHECK_EQUAL(words(evictions_of(ada)), "");
  wait_for(ada, {{"type", "thread.close"}, {"thread_id", "t2"}});
  const auto again = wait_for(ada, open("t1"))["result"];
  CAF_CHECK_EQUAL(json(again["snapshot"]["run"]), json());
}

CAF_TEST(a_run_that_is_too_long_in_all_no_longer_keeps_its_manager) {
  rules.grace.extra = 0;
  rules.queue.max = 0;
  rules.managers_max = 1;
  rules.run.total_max = 10s;
  rules.heartbeat = {25s, 10s};
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  begin_run(ada, "t1");
  elapse(10s - 1ms, 100ms);
  CAF_CHECK_EQUAL(json(wait_for(ada, open("t2"))["error"]["code"]), "manager_limit");
  elapse(1ms, 1ms);
  CAF_CHECK(wait_for(ada, open("t2")).contains("result"));
}

CAF_TEST(a_slot_still_opening_survives_every_level) {
  rules.managers_max = 2;
  makers["t1"] = [](manager_actor::pointer self, user_actor, manager_identity) { return deaf_manager(self); };
  auto ada = arrive("ada");
  ada.say(open("t1"));
  elapse(1ms, 1ms);
  open_threads(ada, 2, 2);
  CAF_CHECK(wait_for(ada, open("t3")).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(ada)), "t2 force least_recently_useful");
}

CAF_TEST(a_cleanup_stops_as_soon_as_enough_is_free) {
  auto gone = arrive("ada");
  auto ada = arrive("ada");
  open_threads(gone, 1, 3);
  open_threads(ada, 4, 20);
  gone.vanish();
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(used(ada), 20u);
  CAF_CHECK(!is_live(ada, "t1"));
  CAF_CHECK(is_live(ada, "t2"));
}

CAF_TEST(requests_that_come_while_the_ladder_runs_raise_what_it_needs_and_start_no_other) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 20);
  std::vector<std::int64_t> asked;
  for (int i = 21; i <= 23; ++i)
    asked.push_back(ada.post(open("t" + std::to_string(i))));
  settle();
  for (const auto request : asked)
    CAF_CHECK(wait_for_reply(ada, request).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(ada)), "t1 force least_recently_useful, t2 force least_recently_useful, "
                                            "t3 force least_recently_useful");
  CAF_CHECK_EQUAL(counted(cleanup_scope::request), 1u);
  CAF_CHECK_EQUAL(json(decisions({.limit = 1})[0]["needed"]), 3);
}

// It came behind the last level and before the end, and nobody had looked for room for it.
CAF_TEST(a_request_that_comes_behind_the_last_level_is_looked_after_too) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 20);
  std::int64_t late = 0;
  ada.session->on_frame = [&](const json& heard) {
    if (late == 0 && heard.value("kind", "") == "manager_evicted") late = ada.post(open("t22"));
  };
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  ada.session->on_frame = nullptr;
  CAF_CHECK(wait_for_reply(ada, late).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(ada)), "t1 force least_recently_useful, t2 force least_recently_useful");
  CAF_CHECK(notices(ada, "limit_degraded").empty());
  CAF_CHECK_EQUAL(used(ada), 20u);
}

CAF_TEST(several_requests_for_one_thread_need_one_slot) {
  auto ada = arrive("ada");
  auto too = arrive("ada");
  open_threads(ada, 1, 20);
  const auto first = ada.post(open("t21"));
  const auto second = too.post(open("t21"));
  settle();
  CAF_CHECK(wait_for_reply(ada, first).contains("result"));
  CAF_CHECK(wait_for_reply(too, second).contains("result"));
  CAF_CHECK_EQUAL(evictions_of(ada).size(), 1u);
  CAF_CHECK_EQUAL(manager_of(ada, "t21").connections.size(), 2u);
}

CAF_TEST(a_tier_that_may_not_force_never_does) {
  rules.cleanup.max_level = cleanup_level::moderate;
  rules.grace.extra = 0;
  rules.queue.max = 0;
  auto ada = arrive("ada");
  open_threads(ada, 1, 20);
  const auto error = wait_for(ada, open("t21"))["error"];
  CAF_CHECK_EQUAL(error["code"], "manager_limit");
  CAF_CHECK_EQUAL(error["details"]["attempts"].size(), 2u);
  CAF_CHECK_EQUAL(used(ada), 20u);
  CAF_CHECK(evictions_of(ada).empty());
}

CAF_TEST(the_whole_ladder_keeps_to_its_deadline) {
  rules.cleanup.probe_timeout = 1s;
  rules.cleanup.deadline = 700ms;
  auto quiet = arrive("ada");
  open_threads(quiet, 1, 20);
  auto ada = arrive("ada");
  quiet.session->answers = false;
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(waited.count(), 700);
}

// -- who is told what ----------------------------------------------------------------------------

CAF_TEST(every_connection_of_the_evicted_thread_is_told_once_and_no_other) {
  auto ada = arrive("ada");
  auto too = arrive("ada");
  auto other = arrive("ada");
  open_threads(ada, 1, 1);
  open_threads(too, 1, 1);
  open_threads(other, 2, 20);
  const auto before = utc_now();
  CAF_CHECK(wait_for(other, open("t21")).contains("result"));
  for (const auto* who : {&ada, &too}) {
    const auto told = notices(*who, "manager_evicted");
    CAF_REQUIRE_EQUAL(told.size(), 1u);
    CAF_CHECK_EQUAL(told[0]["thread_id"], "t1");
    const auto until = told[0]["resume_until"].get<std::int64_t>();
    CAF_CHECK(until >= (before + rules.cleanup.resume_window).time_since_epoch().count());
    CAF_CHECK(who->session->closed.empty());
  }
  CAF_CHECK(notices(other, "manager_evicted").empty());
  CAF_CHECK(notices(ada, "thread_detached").empty());
}

CAF_TEST(a_decision_is_found_by_its_manager_by_its_connection_by_its_user_and_by_its_id) {
  auto ada = arrive("ada");
  auto other = arrive("ada");
  open_threads(ada, 1, 1);
  open_threads(other, 2, 20);
  const auto manager = to_string(manager_of(ada, "t1").manager);
  CAF_CHECK(wait_for(other, open("t21")).contains("result"));
  const auto by_manager = decisions({.subject = manager});
  CAF_REQUIRE_EQUAL(by_manager.size(), 1u);
  const auto& made = by_manager[0];
  CAF_CHECK_EQUAL(made["evictions"][0]["manager_id"], manager);
  CAF_CHECK_EQUAL(made["evictions"][0]["connections"], json::array({to_string(ada.id)}));
  CAF_CHECK_EQUAL(made["managers_used"], 20);
  CAF_CHECK_EQUAL(made["managers_max"], 20);
  CAF_CHECK_EQUAL(made["attempts"].size(), 4u);
  CAF_CHECK(decisions({.subject = to_string(ada.id)}) == by_manager);
  CAF_CHECK(decisions({.user = user_id{"ada"}, .limit = 1}) == by_manager);
  CAF_CHECK(decisions({.id = decision_id::parse(made["decision_id"].get<std::string>())}) == by_manager);
  CAF_CHECK(decisions({.subject = to_string(other.id)}).empty());
  CAF_CHECK(decisions({.user = user_id{"bob"}}).empty());
}

CAF_TEST(what_the_ladder_did_is_counted) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 20);
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(counted(admission_outcome::immediate), 20u);
  CAF_CHECK_EQUAL(counted(admission_outcome::cleaned), 1u);
  const auto all = counted();
  CAF_CHECK_EQUAL(all.evictions[3][static_cast<std::size_t>(eviction_reason::least_recently_useful)], 1u);
  CAF_CHECK_EQUAL(all.cleanups[0][3][static_cast<std::size_t>(cleanup_outcome::freed)], 1u);
}

// -- before anybody asks -------------------------------------------------------------------------

CAF_TEST(the_background_cleanup_begins_with_the_18th_of_20_and_warns_once) {
  rules.cleanup.start_ratio = 0.9;
  auto ada = arrive("ada");
  open_threads(ada, 1, 17);
  CAF_CHECK(notices(ada, "limit_warning").empty());
  CAF_CHECK_EQUAL(counted(cleanup_scope::background), 0u);
  open_threads(ada, 18, 20);
  const auto warned = notices(ada, "limit_warning");
  CAF_REQUIRE_EQUAL(warned.size(), 1u);
  CAF_CHECK_EQUAL(warned[0]["managers_used"], 18);
  CAF_CHECK_EQUAL(warned[0]["managers_max"], 20);
  CAF_CHECK_EQUAL(counted(cleanup_scope::background), 1u);
}

CAF_TEST(the_background_cleanup_takes_the_inactive_down_to_its_mark_and_no_further) {
  rules.cleanup.start_ratio = 0.9;
  auto gone = arrive("ada");
  auto ada = arrive("ada");
  open_threads(gone, 1, 6);
  open_threads(ada, 7, 17);
  gone.vanish();
  open_threads(ada, 18, 18);
  CAF_CHECK_EQUAL(used(ada), 16u);
  CAF_CHECK(!is_live(ada, "t1"));
  CAF_CHECK(!is_live(ada, "t2"));
  CAF_CHECK(is_live(ada, "t3"));
  CAF_CHECK_EQUAL(json(decisions({.limit = 1})[0]["scope"]), "background");
}

CAF_TEST(the_idle_but_living_stay_until_somebody_asks) {
  rules.cleanup.start_ratio = 0.9;
  rules.heartbeat = {25s, 10s};
  auto ada = arrive("ada");
  open_threads(ada, 1, 18);
  elapse(rules.cleanup.idle_after * 2, 1s);
  CAF_CHECK_EQUAL(used(ada), 18u);
  open_threads(ada, 19, 20);
  CAF_CHECK_EQUAL(used(ada), 20u);
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(waited.count(), 0);
  CAF_CHECK_EQUAL(words(evictions_of(ada)), "t1 moderate idle");
}

CAF_TEST(verdicts_of_the_background_exist_before_the_next_request_needs_them) {
  rules.cleanup.start_ratio = 0.9;
  rules.cleanup.stop_ratio = 0.9; // 17
  auto quiet = arrive("ada");
  auto ada = arrive("ada");
  open_threads(quiet, 1, 2);
  open_threads(ada, 3, 17);
  quiet.session->answers = false;
  open_threads(ada, 18, 18);
  elapse(rules.cleanup.probe_timeout, 10ms);
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie silent");
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "t2: silent");
  open_threads(ada, 19, 21);
  CAF_CHECK(wait_for(ada, open("t22")).contains("result"));
  CAF_CHECK_EQUAL(waited.count(), 0);
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie silent, t2 conservative zombie silent");
}

// What the probe in the background proves dead is taken by the same cleanup, down to its mark.
CAF_TEST(the_background_takes_whom_it_proved_dead) {
  rules.cleanup.start_ratio = 0.9;
  auto quiet = arrive("ada");
  auto ada = arrive("ada");
  open_threads(quiet, 1, 5);
  open_threads(ada, 6, 17);
  quiet.session->answers = false;
  open_threads(ada, 18, 18);
  elapse(rules.cleanup.probe_timeout, 10ms);
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie silent, t2 aggressive zombie silent");
  CAF_CHECK_EQUAL(used(ada), 16u);
}

CAF_TEST(a_user_who_stays_between_the_marks_is_probed_now_and_then_and_never_warned_again) {
  rules.cleanup.start_ratio = 0.9;
  rules.heartbeat = {25s, 10s};
  auto ada = arrive("ada");
  open_threads(ada, 1, 18);
  elapse(10min, 1s);
  CAF_CHECK_EQUAL(used(ada), 18u);
  CAF_CHECK_EQUAL(notices(ada, "limit_warning").size(), 1u);
  CAF_CHECK_EQUAL(decisions().size(), 0u);
  const auto looks = counted(cleanup_scope::background);
  CAF_CHECK(looks >= 2 && looks <= 1 + 600u / 25u);
  for (int i = 1; i <= 2; ++i) {
    ada.ask({{"type", "thread.close"}, {"thread_id", "t18"}});
    ada.ask(open("t18"));
  }
  CAF_CHECK_EQUAL(notices(ada, "limit_warning").size(), 1u);
}

CAF_TEST(a_user_who_was_below_the_marks_is_warned_again) {
  rules.cleanup.start_ratio = 0.9;
  rules.heartbeat = {25s, 10s};
  auto ada = arrive("ada");
  open_threads(ada, 1, 18);
  for (int i = 17; i <= 18; ++i)
    ada.ask({{"type", "thread.close"}, {"thread_id", "t" + std::to_string(i)}});
  elapse(30s, 100ms);
  open_threads(ada, 17, 18);
  CAF_CHECK_EQUAL(notices(ada, "limit_warning").size(), 2u);
}

CAF_TEST(a_request_does_not_wait_for_a_cleanup_in_the_background) {
  rules.cleanup.start_ratio = 0.9;
  rules.cleanup.probe_timeout = 10s;
  auto gone = arrive("ada");
  auto quiet = connect("ada");
  auto ada = arrive("ada");
  open_threads(gone, 1, 1);
  quiet.ask(open("t2"));
  open_threads(ada, 3, 20);
  CAF_CHECK_EQUAL(used(ada), 20u);
  gone.vanish();
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(waited.count(), 0);
}

// -- on order ------------------------------------------------------------------------------------

CAF_TEST(a_dry_run_changes_nothing_and_predicts_what_the_order_then_does) {
  for (const auto level :
       {cleanup_level::conservative, cleanup_level::moderate, cleanup_level::aggressive, cleanup_level::force})
    for (const std::uint32_t needed : {0, 1, 4, 8, 30}) {
      const auto name = "ada" + std::to_string(static_cast<int>(level)) + "-" + std::to_string(needed);
      auto gone = arrive(name);
      auto idle = arrive(name);
      auto ada = arrive(name);
      open_threads(gone, 1, 3);
      open_threads(idle, 4, 6);
      gone.vanish();
      elapse(rules.cleanup.idle_after, 10s);
      open_threads(ada, 7, 10);
      begin_run(ada, "t10");
      // The lingering of those without connections is over; these are new.
      auto late = arrive(name);
      open_threads(late, 11, 12);
      late.vanish();
      const auto before = used(ada);
      const auto planned = clean(ada, {cleanup_scope::manual, level, needed, true}).made;
      CAF_CHECK(planned.dry_run);
      CAF_CHECK_EQUAL(used(ada), before);
      CAF_CHECK(evictions_of(idle).empty());
      const auto carried_out = clean(ada, {cleanup_scope::manual, level, needed, false}).made;
      CAF_CHECK_EQUAL(done(planned), done(carried_out));
      CAF_CHECK_EQUAL(to_string(planned.outcome), to_string(carried_out.outcome));
      CAF_CHECK_EQUAL(planned.needed, carried_out.needed);
      CAF_CHECK_EQUAL(used(ada), before - carried_out.evictions.size());
      CAF_CHECK(is_live(ada, "t10"));
    }
}

CAF_TEST(a_dry_run_is_not_recorded) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 2);
  clean(ada, {cleanup_scope::manual, cleanup_level::force, 1, true});
  CAF_CHECK(decisions().empty());
  clean(ada, {cleanup_scope::manual, cleanup_level::force, 1, false});
  CAF_CHECK_EQUAL(decisions().size(), 1u);
}

CAF_TEST(the_node_takes_those_that_its_level_may_and_no_others) {
  auto gone = arrive("ada");
  auto idle = arrive("ada");
  open_threads(idle, 1, 2);
  elapse(rules.cleanup.idle_after, 10s);
  auto ada = arrive("ada");
  open_threads(ada, 3, 4);
  open_threads(gone, 5, 5);
  gone.vanish();
  CAF_CHECK_EQUAL(done(clean(ada, {cleanup_scope::node, cleanup_level::conservative, 0, false}).made),
                  "t5 conservative inactive");
  CAF_CHECK_EQUAL(done(clean(ada, {cleanup_scope::node, cleanup_level::aggressive, 0, false}).made),
                  "t1 moderate idle, t2 moderate idle");
  CAF_CHECK_EQUAL(used(ada), 2u);
}

CAF_TEST(the_node_goes_no_further_than_a_tier_allows_and_an_operator_may) {
  rules.cleanup.max_level = cleanup_level::conservative;
  auto ada = arrive("ada");
  open_threads(ada, 1, 2);
  elapse(rules.cleanup.idle_after + 1s, 10s);
  CAF_CHECK_EQUAL(done(clean(ada, {cleanup_scope::node, cleanup_level::moderate, 1, false}).made), "");
  CAF_CHECK_EQUAL(done(clean(ada, {cleanup_scope::manual, cleanup_level::moderate, 1, false}).made),
                  "t1 moderate idle");
}

// The one behind the first order began when a request ended that, and the request was forgotten behind it.
CAF_TEST(a_request_goes_before_the_orders_that_wait) {
  auto quiet = connect("ada");
  auto ada = arrive("ada");
  quiet.ask(open("t1"));
  elapse(1ms, 1ms);
  open_threads(ada, 2, 20);
  elapse(rules.cleanup.probe_timeout, 10ms);
  quiet.ask({{"type", "ping"}}); // alive, as far as anybody knows
  for (int i = 0; i < 3; ++i)
    caf::anon_send(ada.session->admitted_by, clean_up{cleanup_scope::node, cleanup_level::aggressive, 0, false});
  settle();
  const auto reply = wait_for(ada, open("t21"));
  CAF_CHECK(reply.contains("result"));
  CAF_CHECK(waited <= rules.cleanup.deadline);
  elapse(10s, 10ms);
  CAF_CHECK_EQUAL(counted(cleanup_scope::node), 3u);
}

CAF_TEST_FIXTURE_SCOPE_END()
