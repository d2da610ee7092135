#define CAF_SUITE golden_path

/// What a user wants at the limit: a thread, a message, its answer whole and in order.

#include "tests/regression/zombies.hpp"

using namespace gangway;
using namespace gangway::test;

CAF_TEST_FIXTURE_SCOPE(golden_path_tests, regression_fixture)

CAF_TEST(golden_path_at_the_limit__the_21st_thread_answers_a_message_whole_and_in_order) {
  for (const auto& kind : zombie_kinds) {
    auto ada = fill(kind.name, kind);
    turn();
    const auto thread = "the-21st-" + kind.name;
    CAF_CHECK(wait_for(ada, open(thread)).contains("result"));
    CAF_CHECK(is_golden(walk(ada, thread)));
    // And again: the second message begins where the first ended.
    const auto last = wait_for(ada, open(thread))["result"]["seq"].get<std::uint64_t>();
    CAF_CHECK(is_golden(walk(ada, thread, last)));
    *turned = false;
  }
}

CAF_TEST(golden_path_at_the_limit__twenty_living_threads_cost_one_of_them_and_the_answer_comes_whole) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 20);
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK(is_golden(walk(ada, "t21")));
  CAF_CHECK_EQUAL(evictions_of(ada).size(), 1u);
}

CAF_TEST(golden_path_at_the_limit__a_socket_of_one_thread_is_greeted_with_it_and_answered) {
  for (const auto& kind : zombie_kinds) {
    auto ada = fill(kind.name, kind);
    turn();
    auto late = dial(kind.name, "late-" + kind.name);
    elapse(rules.cleanup.deadline, 10ms);
    CAF_REQUIRE(!late.session->heard.empty());
    CAF_CHECK_EQUAL(late.session->heard[0]["type"], "connected");
    CAF_CHECK_EQUAL(late.session->heard[0]["thread"]["thread_id"], "late-" + kind.name);
    CAF_CHECK(is_golden(walk(late, "late-" + kind.name)));
    CAF_CHECK(late.session->closed.empty());
    *turned = false;
  }
}

CAF_TEST(concurrent_golden_path_competition__ten_clients_at_the_limit_all_get_their_answers) {
  for (const auto& kind : zombie_kinds) {
    auto ada = fill(kind.name, kind);
    turn();
    std::vector<client> rivals;
    std::vector<std::int64_t> asked;
    const auto thread = [&](int i) { return "rival-" + kind.name + "-" + std::to_string(i); };
    for (int i = 0; i < 10; ++i)
      rivals.push_back(arrive(kind.name));
    for (int i = 0; i < 10; ++i)
      asked.push_back(rivals[static_cast<std::size_t>(i)].post(open(thread(i))));
    settle();
    for (std::size_t i = 0; i < rivals.size(); ++i)
      CAF_CHECK(wait_for_reply(rivals[i], asked[i]).contains("result"));
    asked.clear();
    for (int i = 0; i < 10; ++i)
      asked.push_back(rivals[static_cast<std::size_t>(i)].post(message(thread(i), "what is 12*(3+4)?")));
    settle();
    for (std::size_t i = 0; i < rivals.size(); ++i) {
      CAF_CHECK(wait_for_reply(rivals[i], asked[i]).contains("result"));
      CAF_CHECK(is_golden(follow(rivals[i], thread(static_cast<int>(i)))));
      CAF_CHECK(evictions_of(rivals[i]).empty());
    }
    CAF_CHECK_EQUAL(used(ada), 20u);
    CAF_CHECK_EQUAL(evictions_of(ada).size(), 10u);
    *turned = false;
  }
}

// More rivals than slots, all alive: each is served or told why not, within the deadline, and nobody's answer is cut.
CAF_TEST(concurrent_golden_path_competition__thirty_rivals_for_twenty_slots_are_served_or_told_and_no_answer_is_cut) {
  rules.queue.timeout = 10s;
  std::vector<client> rivals;
  std::vector<std::int64_t> opened;
  for (int i = 0; i < 30; ++i)
    rivals.push_back(arrive("ada"));
  for (std::size_t i = 0; i < rivals.size(); ++i)
    opened.push_back(rivals[i].post(open("t" + std::to_string(i))));
  settle();
  std::size_t served = 0, cut = 0;
  for (std::size_t i = 0; i < rivals.size(); ++i) {
    const auto reply = wait_for_reply(rivals[i], opened[i], rules.queue.timeout + rules.cleanup.deadline + 10ms);
    CAF_REQUIRE(!reply.is_null());
    if (!reply.contains("result") || !is_live(rivals[i], "t" + std::to_string(i))) continue;
    const auto sent = wait_for(rivals[i], message("t" + std::to_string(i), "what is 12*(3+4)?"));
    if (!sent.contains("result")) continue; // evicted before it said anything
    ++served;
    cut += !is_golden(follow(rivals[i], "t" + std::to_string(i)));
  }
  CAF_CHECK_EQUAL(cut, 0u);
  CAF_CHECK(served >= 20);
  CAF_CHECK(used(rivals[0]) <= 25u);
}

CAF_TEST(golden_path_under_stress__the_answer_comes_whole_while_others_come_go_fall_silent_and_lag) {
  rules.heartbeat = {25s, 10s};
  for (const auto& kind : zombie_kinds) {
    auto ada = fill(kind.name, kind);
    turn();
    auto main = arrive(kind.name);
    const auto thread = "golden-" + kind.name;
    CAF_CHECK(wait_for(main, open(thread)).contains("result"));
    CAF_CHECK(wait_for(main, message(thread, "/stream 50 2")).contains("result"));
    std::vector<std::string> types;
    std::uint64_t seq = 0;
    for (int round = 0; round < 60; ++round) {
      auto other = arrive(kind.name);
      const auto noise = "noise-" + kind.name + "-" + std::to_string(round);
      other.post(open(noise));
      settle();
      if (round % 3 == 0) other.session->answers = false;
      if (round % 7 == 0) sched.advance_time(1200ms);
      if (round % 2 == 0) other.vanish();
      elapse(500ms, 50ms);
      for (const auto& one : main.take_events(thread)) {
        CAF_CHECK_EQUAL(one["seq"], ++seq);
        types.push_back(one["event"]["type"]);
      }
    }
    CAF_REQUIRE(!types.empty());
    CAF_CHECK_EQUAL(types.front(), "message_accepted");
    CAF_CHECK_EQUAL(types.back(), "agent_completed");
    CAF_CHECK_EQUAL(std::count(types.begin(), types.end(), "message_delta"), 50);
    CAF_CHECK(main.session->closed.empty());
    CAF_CHECK(used(main) <= 25u);
    *turned = false;
  }
}

CAF_TEST_FIXTURE_SCOPE_END()
