#define CAF_SUITE user_liveness
#include "tests/actors/ladder_fixture.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct fixture : ladder_fixture {
  fixture() { rules.cleanup.start_ratio = 1; }

  /// A user with a limit of one: quiet has t1 open and stops answering; ada asks for t2, which waits for the probe.
  struct probing {
    client quiet, ada;
    std::int64_t request;
  };

  probing begin_probe() {
    rules.managers_max = 1;
    auto quiet = arrive("ada");
    open_threads(quiet, 1, 1);
    auto ada = arrive("ada");
    // It has answered a probe before.
    ask<cleaned_up>(ada.session->admitted_by, clean_up{cleanup_scope::node, cleanup_level::aggressive, 1, false});
    CAF_CHECK_EQUAL(quiet.session->pings.size(), 1u);
    quiet.session->answers = false;
    quiet.session->pings.clear();
    const auto request = ada.post(open("t2"));
    settle();
    return {quiet, ada, request};
  }

  /// What its session sees from now on, and tells now.
  void see(client& who, link_observation seen) {
    who.session->sees = seen;
    seen.nonce = who.session->pings.empty() ? 1 : who.session->pings.back();
    caf::anon_send(who.session->admitted_by, link_observed{who.id, seen});
    settle();
  }

  /// A jump of the clock: nothing is handled meanwhile.
  void lag(std::chrono::milliseconds length) {
    sched.advance_time(length);
    settle();
  }
};

/// How a manager is found out, for each way of being broken.
struct broken {
  const char* thread;
  heartbeat_flaw flaw;
  const char* evidence;
};

const std::vector<broken> every_fault{
    {"misfiled", misfile, "mismatched"},
    {"forgetful", forget_connections, "mismatched"},
    {"closing", never_finish_closing, "stuck_closing"},
    {"unfit", fail_validation, "unfit"},
    {"hung", say_nothing, "hung"},
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(user_liveness_tests, fixture)

// -- managers ------------------------------------------------------------------------------------

CAF_TEST(every_broken_manager_is_a_zombie_by_the_roll_call_before_anybody_needs_its_slot) {
  rules.heartbeat = {25s, 10s};
  for (const auto& fault : every_fault)
    makers[fault.thread] = flawed(fault.flaw);
  makers["sound"] = flawed(be_sound);
  auto ada = arrive("ada");
  for (const auto& fault : every_fault)
    CAF_REQUIRE(ada.ask(open(fault.thread)).contains("result"));
  CAF_REQUIRE(ada.ask(open("sound")).contains("result"));
  CAF_REQUIRE(ada.ask(open("real")).contains("result"));
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
  elapse(36s, 50ms);
  CAF_CHECK_EQUAL(words(zombies_of(ada)),
                  "misfiled: mismatched, forgetful: mismatched, closing: stuck_closing, unfit: unfit, hung: hung");
  CAF_CHECK_EQUAL(count().zombies, every_fault.size());
  CAF_CHECK_EQUAL(used(ada), every_fault.size() + 2);
  CAF_CHECK(ada.session->closed.empty());
}

CAF_TEST(a_broken_manager_that_is_not_known_yet_is_found_by_the_probe_of_the_ladder) {
  for (const auto& fault : every_fault) {
    rules.managers_max = 2;
    makers[fault.thread] = flawed(fault.flaw);
    const std::string user = std::string{"ada-"} + fault.thread;
    auto ada = arrive(user);
    CAF_REQUIRE(ada.ask(open("real")).contains("result"));
    elapse(1ms, 1ms);
    CAF_REQUIRE(ada.ask(open(fault.thread)).contains("result"));
    // The probe that the second one started has found the others; the hung one takes its time.
    CAF_CHECK(wait_for(ada, open("next")).contains("result"));
    const std::string expected = std::string{fault.thread} + " aggressive zombie " + fault.evidence;
    const std::string at_once = std::string{fault.thread} + " conservative zombie " + fault.evidence;
    const auto told = words(evictions_of(ada));
    CAF_CHECK(told == expected || told == at_once);
    CAF_CHECK(is_live(ada, "real"));
    CAF_CHECK(waited <= rules.cleanup.probe_timeout);
  }
}

CAF_TEST(a_manager_is_suspect_at_half_of_the_timeout_and_hung_at_all_of_it) {
  rules.heartbeat = {25s, 10s};
  makers["t1"] = flawed(say_nothing);
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  elapse(25s + 4s, 50ms);
  CAF_CHECK(!manager_of(ada, "t1").suspect);
  elapse(2s, 50ms);
  CAF_CHECK(manager_of(ada, "t1").suspect);
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
  elapse(5s, 50ms);
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "t1: hung");
}

CAF_TEST(a_hung_manager_that_says_anything_is_hung_no_longer) {
  rules.heartbeat = {25s, 10s};
  makers["t1"] = flawed(say_nothing);
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  elapse(36s, 50ms);
  CAF_REQUIRE_EQUAL(words(zombies_of(ada)), "t1: hung");
  ada.say(message("t1", "are you there?"));
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
}

CAF_TEST(what_a_manager_does_that_wakes_after_it_was_given_up_is_not_answered_again_and_opens_nothing) {
  rules.heartbeat = {25s, 10s};
  blockable = true;
  auto ada = arrive("ada");
  auto late = arrive("ada");
  open_threads(ada, 1, 1);
  blocked->blocks = true;
  const auto request = late.post(open("t1"));
  elapse(36s, 50ms);
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "t1: hung");
  CAF_CHECK_EQUAL(json(late.take_reply(request)["error"]["code"]), "internal");
  lift_blockade();
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
  CAF_CHECK(late.take_reply(request).is_null());
  CAF_CHECK_EQUAL(json(late.ask(message("t1", "hello"))["error"]["code"]), "not_open");
  CAF_CHECK(late.ask(open("t1")).contains("result"));
}

CAF_TEST(a_zombies_thread_gets_another_manager_when_it_is_opened_again) {
  rules.heartbeat = {25s, 10s};
  makers["t1"] = flawed(misfile);
  auto ada = arrive("ada");
  auto too = arrive("ada");
  open_threads(too, 1, 1);
  elapse(26s, 50ms);
  CAF_REQUIRE_EQUAL(words(zombies_of(ada)), "t1: mismatched");
  const auto broken = manager_of(ada, "t1").manager;
  makers.clear();
  const auto result = wait_for(ada, open("t1"))["result"];
  CAF_CHECK(result["manager_id"] != to_string(broken));
  CAF_CHECK_EQUAL(words(threads_of(notices(too, "thread_detached"))), "t1");
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
  CAF_CHECK(ada.ask(message("t1", "hello")).contains("result"));
  CAF_CHECK_EQUAL(used(ada), 1u);
}

CAF_TEST(an_opening_that_never_finishes_is_given_up_after_its_timeout) {
  rules.heartbeat = {25s, 10s};
  makers["t1"] = [](manager_actor::pointer self, user_actor, manager_identity) { return deaf_manager(self); };
  auto ada = arrive("ada");
  const auto request = ada.post(open("t1"));
  elapse(rules.open_timeout - 1ms, 1ms);
  CAF_CHECK(ada.take_reply(request).is_null());
  CAF_CHECK_EQUAL(used(ada), 1u);
  elapse(3ms, 1ms);
  CAF_CHECK_EQUAL(json(ada.take_reply(request)["error"]["code"]), "overloaded");
  CAF_CHECK_EQUAL(used(ada), 0u);
}

// The tick of the roll call was on its way already, for the heartbeat: 2 s were set, and 10 s taken.
CAF_TEST(an_opening_is_given_up_in_time_though_the_next_roll_call_is_later) {
  rules.heartbeat = {10s, 5s};
  rules.open_timeout = 2s;
  makers["t1"] = [](manager_actor::pointer self, user_actor, manager_identity) { return deaf_manager(self); };
  makers["t2"] = makers["t1"];
  auto ada = arrive("ada");
  elapse(1s, 50ms);
  const auto first = ada.post(open("t1"));
  settle();
  elapse(1s, 50ms);
  const auto second = ada.post(open("t2"));
  settle();
  elapse(999ms, 1ms);
  CAF_CHECK(ada.take_reply(first).is_null());
  elapse(3ms, 1ms);
  CAF_CHECK_EQUAL(json(ada.take_reply(first)["error"]["code"]), "overloaded");
  elapse(995ms, 1ms);
  CAF_CHECK(ada.take_reply(second).is_null());
  elapse(5ms, 1ms);
  CAF_CHECK_EQUAL(json(ada.take_reply(second)["error"]["code"]), "overloaded");
  // The ticks that are void by now change nothing.
  elapse(11s, 50ms);
  CAF_CHECK_EQUAL(ada.session->pings.size(), 1u);
}

CAF_TEST(a_run_makes_its_manager_useful_though_nobody_asks_it_anything) {
  rules.heartbeat = {25s, 10s};
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  begin_run(ada, "t1");
  elapse(10min, 1s);
  CAF_CHECK(manager_of(ada, "t1").useful_ago <= 30s);
  const auto last = manager_of(ada, "t1").last;
  CAF_REQUIRE(last.has_value());
  CAF_CHECK(last->messages > 0);
  CAF_CHECK(last->bytes > 0);
}

// -- the probe of connections --------------------------------------------------------------------

CAF_TEST(a_probe_pings_once_and_again_at_half_of_its_time) {
  auto [quiet, ada, request] = begin_probe();
  CAF_CHECK_EQUAL(quiet.session->pings.size(), 1u);
  elapse(749ms, 1ms);
  CAF_CHECK_EQUAL(quiet.session->pings.size(), 1u);
  elapse(1ms, 1ms);
  CAF_CHECK_EQUAL(quiet.session->pings.size(), 2u);
  elapse(749ms, 1ms);
  CAF_CHECK(ada.take_reply(request).is_null());
  elapse(1ms, 1ms);
  CAF_CHECK(ada.take_reply(request).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie silent");
  // The third is for its session to look at the link once more.
  CAF_CHECK_EQUAL(quiet.session->pings.size(), 3u);
}

CAF_TEST(an_answer_to_the_second_ping_is_as_good_as_one_to_the_first) {
  auto [quiet, ada, request] = begin_probe();
  elapse(1499ms, 1ms);
  quiet.pong();
  CAF_CHECK(ada.take_reply(request).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 force least_recently_useful");
}

CAF_TEST(a_pong_of_an_older_ping_is_no_answer_to_a_probe) {
  auto [quiet, ada, request] = begin_probe();
  caf::anon_send(quiet.session->admitted_by, pong_received{quiet.id, quiet.session->pings.front() - 1});
  settle();
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "");
  elapse(1500ms, 1ms);
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie silent");
}

CAF_TEST(a_frame_of_the_client_is_an_answer_to_a_probe) {
  auto [quiet, ada, request] = begin_probe();
  quiet.ask({{"type", "ping"}});
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 force least_recently_useful");
}

CAF_TEST(a_probe_ends_when_as_many_are_proven_dead_as_are_needed) {
  rules.managers_max = 3;
  auto quiet = arrive("ada");
  auto down = arrive("ada");
  auto ada = arrive("ada");
  open_threads(quiet, 1, 2);
  open_threads(down, 3, 3);
  quiet.session->answers = down.session->answers = false;
  const auto request = ada.post(open("t4"));
  settle();
  elapse(10ms, 1ms);
  CAF_CHECK(ada.take_reply(request).is_null());
  see(down, link_down(rules.cleanup.probe_timeout));
  CAF_CHECK(ada.take_reply(request).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(down)), "t3 aggressive zombie unreachable");
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "");
}

CAF_TEST(a_probe_goes_on_when_fewer_are_proven_dead_than_are_needed) {
  rules.managers_max = 3;
  auto quiet = arrive("ada");
  auto down = arrive("ada");
  auto ada = arrive("ada");
  open_threads(quiet, 1, 2);
  open_threads(down, 3, 3);
  quiet.session->answers = down.session->answers = false;
  const auto first = ada.post(open("t4"));
  const auto second = ada.post(open("t5"));
  settle();
  see(down, link_down(rules.cleanup.probe_timeout));
  CAF_CHECK(ada.take_reply(first).is_null());
  elapse(1500ms, 1ms);
  CAF_CHECK(ada.take_reply(first).contains("result"));
  CAF_CHECK(ada.take_reply(second).contains("result"));
  // Three are dead now, and the two that were of no use for longest go.
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie silent, t2 aggressive zombie silent");
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "t3: unreachable");
}

CAF_TEST(whoever_lagged_gives_no_verdict_and_asks_again) {
  auto [quiet, ada, request] = begin_probe();
  elapse(750ms, 1ms);
  lag(750ms + 251ms);
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "");
  CAF_CHECK_EQUAL(quiet.session->pings.size(), 3u);
  quiet.pong();
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 force least_recently_useful");
}

CAF_TEST(a_tick_that_is_hardly_late_gives_its_verdict) {
  auto [quiet, ada, request] = begin_probe();
  elapse(750ms, 1ms);
  lag(750ms + 250ms);
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie silent");
}

CAF_TEST(whoever_lagged_twice_ends_the_probe_without_a_verdict) {
  auto [quiet, ada, request] = begin_probe();
  elapse(750ms, 1ms);
  lag(750ms + 251ms);
  lag(750ms + 251ms);
  CAF_CHECK(ada.take_reply(request).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 force least_recently_useful");
}

CAF_TEST(a_verdict_is_taken_back_by_any_sign_of_life_before_the_eviction) {
  rules.managers_max = 3;
  auto quiet = arrive("ada");
  auto ada = arrive("ada");
  open_threads(quiet, 1, 2);
  quiet.session->answers = false;
  open_threads(ada, 3, 3);
  elapse(rules.cleanup.probe_timeout, 1ms);
  // The background took the one that it needed.
  CAF_REQUIRE_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie silent");
  CAF_REQUIRE_EQUAL(words(zombies_of(ada)), "t2: silent");
  quiet.session->answers = true;
  quiet.ask({{"type", "ping"}});
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
  open_threads(ada, 4, 4);
  quiet.ask(open("t2"));
  CAF_CHECK(wait_for(ada, open("t5")).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(ada)), "t3 force least_recently_useful");
  CAF_CHECK(is_live(ada, "t2"));
}

CAF_TEST(a_connection_that_is_gone_during_its_probe_holds_nobody_up) {
  auto [quiet, ada, request] = begin_probe();
  quiet.vanish();
  CAF_CHECK(ada.take_reply(request).contains("result"));
}

CAF_TEST(a_manager_that_crashes_during_its_probe_frees_its_slot) {
  makers["t1"] = crashing_manager;
  auto [quiet, ada, request] = begin_probe();
  CAF_REQUIRE(ada.take_reply(request).is_null());
  quiet.whisper(message("t1", "crash"));
  settle();
  CAF_CHECK(ada.take_reply(request).contains("result"));
  CAF_CHECK_EQUAL(words(threads_of(notices(quiet, "thread_detached"))), "t1");
}

CAF_TEST(probes_are_counted_by_how_they_end) {
  auto [quiet, ada, request] = begin_probe();
  const auto alive = counted(probe_result::alive);
  elapse(1500ms, 1ms);
  CAF_CHECK_EQUAL(counted(probe_result::dead), 1u);          // the connection
  CAF_CHECK_EQUAL(counted(probe_result::alive), alive + 1u); // its manager
}

// Its manager had been asked before, and its answer still had the connection.
CAF_TEST(a_connection_that_leaves_while_its_manager_is_asked_makes_no_mismatch) {
  auto ada = arrive("ada");
  auto too = arrive("ada");
  open_threads(ada, 1, 1);
  open_threads(too, 1, 1);
  caf::anon_send(ada.session->admitted_by, clean_up{cleanup_scope::manual, cleanup_level::aggressive, 1, false});
  const auto before = ada.session->pings.size();
  while (ada.session->pings.size() == before)
    sched.run_once();
  too.whisper({{"type", "thread.close"}, {"thread_id", "t1"}});
  settle();
  CAF_CHECK_EQUAL(manager_of(ada, "t1").connections.size(), 1u);
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
}

// -- what kernels and queues show ----------------------------------------------------------------

CAF_TEST(a_link_that_is_down_for_the_timeout_ends_its_connection_without_another_ping) {
  auto down = arrive("ada");
  open_threads(down, 1, 1);
  see(down, link_down(rules.heartbeat.timeout / 2 - 1ms));
  CAF_CHECK(down.session->closed.empty());
  see(down, link_down(rules.heartbeat.timeout / 2));
  CAF_REQUIRE_EQUAL(down.session->closed.size(), 1u);
  CAF_CHECK(down.session->closed[0].code == close_code::no_pong);
  const auto made = decisions({.subject = to_string(down.id)});
  CAF_REQUIRE_EQUAL(made.size(), 1u);
  CAF_CHECK_EQUAL(made[0]["kind"], "connection_dead");
  CAF_CHECK_EQUAL(made[0]["connections"][0]["evidence"], json::array({"unreachable"}));
}

CAF_TEST(a_queue_that_does_not_drain_is_evidence_when_the_probe_is_over) {
  auto [quiet, ada, request] = begin_probe();
  link_observation seen;
  seen.queued_bytes = 100'000;
  seen.stalled_for = 750ms;
  see(quiet, seen);
  CAF_CHECK(ada.take_reply(request).is_null());
  elapse(1500ms, 1ms);
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie stalled");
}

CAF_TEST(silence_behind_a_queue_that_moves_is_no_evidence_because_our_pings_wait_in_it) {
  auto [quiet, ada, request] = begin_probe();
  link_observation seen;
  seen.queued_bytes = 100'000;
  seen.stalled_for = 749ms;
  see(quiet, seen);
  elapse(1500ms, 1ms);
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 force least_recently_useful");
}

CAF_TEST(a_slow_reader_is_not_closed_as_silent_while_its_queue_moves_and_is_when_it_stands) {
  rules.heartbeat = {25s, 10s};
  for (const auto stalled_for : {4999ms, 5000ms}) {
    auto slow = connect("ada-" + std::to_string(stalled_for.count()));
    link_observation seen;
    seen.queued_bytes = 100'000;
    seen.stalled_for = stalled_for;
    for (std::size_t answered = 0, second = 0; second < 60 && slow.session->closed.empty(); ++second) {
      elapse(1s, 50ms);
      if (slow.session->pings.size() > answered) see(slow, seen);
      answered = slow.session->pings.size();
    }
    CAF_CHECK_EQUAL(slow.session->closed.size(), stalled_for == 5000ms ? 1u : 0u);
  }
}

CAF_TEST(silence_while_its_session_does_not_read_is_no_evidence) {
  auto [quiet, ada, request] = begin_probe();
  link_observation seen;
  seen.reading = false;
  see(quiet, seen);
  elapse(1500ms, 1ms);
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 force least_recently_useful");
}

// The loop of a session stood still for 1.9 s, the user's own did not, and a living client was called silent.
CAF_TEST(silence_of_a_session_whose_loop_stands_still_during_a_probe_is_no_evidence) {
  for (const auto after : {0ms, 1ms, 749ms, 751ms, 1499ms}) {
    auto [quiet, ada, request] = begin_probe();
    elapse(after, 1ms);
    quiet.session->turns = false;
    elapse(1500ms - after, 1ms);
    CAF_CHECK(ada.take_reply(request).is_null());
    elapse(250ms, 1ms);
    CAF_CHECK(ada.take_reply(request).contains("result"));
    CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 force least_recently_useful");
    quiet.vanish();
    ada.vanish();
    elapse(rules.linger + rules.cleanup.resume_window + rules.linger, 10s);
  }
}

CAF_TEST(silence_of_a_session_whose_loop_turns_again_at_the_end_of_a_probe_is_evidence) {
  auto [quiet, ada, request] = begin_probe();
  quiet.session->turns = false;
  elapse(1499ms, 1ms);
  quiet.session->turns = true;
  elapse(1ms, 1ms);
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 aggressive zombie silent");
}

CAF_TEST(a_pong_that_comes_with_the_last_look_of_a_probe_is_a_sign_of_life) {
  auto [quiet, ada, request] = begin_probe();
  quiet.session->turns = false;
  elapse(1600ms, 1ms);
  quiet.pong();
  CAF_CHECK(ada.take_reply(request).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(quiet)), "t1 force least_recently_useful");
}

CAF_TEST_FIXTURE_SCOPE_END()
