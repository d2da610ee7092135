#define CAF_SUITE stability

/// What must not come back: cleanups that free nothing, managers that stay behind, costs that grow.

#include <random>

#include "tests/regression/zombies.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct fixture : regression_fixture {
  /// How many messages a user handles for one open at its limit.
  std::uint64_t cost_of_open(client& who, const std::string& thread) {
    const auto before = report_of(who).vitals.messages;
    CAF_CHECK(wait_for(who, open(thread)).contains("result"));
    return report_of(who).vitals.messages - before;
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(stability_tests, fixture)

// "Graduated emergency cleanup attempted through all levels", and each of them freed nothing.
CAF_TEST(emergency_cleanup_regression__every_level_frees_what_it_is_there_for) {
  // Conservative: nobody is connected.
  auto gone = arrive("conservative");
  auto ada = arrive("conservative");
  open_threads(gone, 1, 1);
  open_threads(ada, 2, 20);
  gone.vanish();
  CAF_CHECK(wait_for(ada, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(json(decisions({.limit = 1})[0]["level"]), "conservative");
  // Moderate: nobody did anything.
  auto bob = arrive("moderate");
  open_threads(bob, 1, 20);
  elapse(rules.cleanup.idle_after + 1s, 1s);
  CAF_CHECK(wait_for(bob, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(bob)), "t1 moderate idle");
  // Aggressive: everybody looks active, and one is not.
  for (const auto& kind : zombie_kinds) {
    auto eve = fill(kind.name, kind, 1);
    open_threads(eve, 1, 19, "sound-" + kind.name);
    turn();
    CAF_CHECK(wait_for(eve, open("next-" + kind.name)).contains("result"));
    CAF_CHECK_EQUAL(words(evictions_of(eve)), kind.name + "-1 aggressive zombie " + kind.evidence);
    *turned = false;
  }
  // Force: everybody is.
  auto kay = arrive("force");
  open_threads(kay, 1, 20);
  CAF_CHECK(wait_for(kay, open("t21")).contains("result"));
  CAF_CHECK_EQUAL(words(evictions_of(kay)), "t1 force least_recently_useful");
}

CAF_TEST(emergency_cleanup_regression__nobody_living_goes_while_a_zombie_stays) {
  for (const auto& kind : zombie_kinds) {
    auto ada = arrive(kind.name);
    open_threads(ada, 1, 10, "sound-" + kind.name + "-"); // less recently useful than the zombies
    makers_of(kind.name, kind, 1, 10);
    open_threads(ada, 1, 10, kind.name + "-");
    turn();
    for (int i = 1; i <= 10; ++i) {
      CAF_CHECK(wait_for(ada, open("new-" + kind.name + "-" + std::to_string(i))).contains("result"));
      for (int sound = 1; sound <= 10; ++sound)
        CAF_CHECK(is_live(ada, "sound-" + kind.name + "-" + std::to_string(sound)));
    }
    CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
    CAF_CHECK(wait_for(ada, open("one-more-" + kind.name)).contains("result"));
    CAF_CHECK_EQUAL(evictions_of(ada).back().find("sound-" + kind.name + "-1 force"), 0u);
    *turned = false;
  }
}

CAF_TEST(resource_leak_regression__a_hundred_cleanups_leave_nothing_behind) {
  const auto nobody = sys.registry().running();
  for (const auto& kind : zombie_kinds) {
    auto ada = fill(kind.name, kind);
    turn();
    const auto full = sys.registry().running();
    for (int i = 21; i <= 120; ++i) {
      makers_of(kind.name, kind, i, i);
      CAF_CHECK(wait_for(ada, open(kind.name + "-" + std::to_string(i))).contains("result"));
    }
    CAF_CHECK_EQUAL(sys.registry().running(), full);
    CAF_CHECK_EQUAL(report_of(ada).managers.size(), 20u);
    CAF_CHECK_EQUAL(count().leaked, 0u);
    ada.vanish();
    elapse(rules.cleanup.resume_window + rules.linger * 3, 1s);
    CAF_CHECK_EQUAL(count().users, 0u);
    CAF_CHECK_EQUAL(sys.registry().running(), nobody);
    *turned = false;
  }
}

CAF_TEST(resource_leak_regression__what_is_remembered_of_the_evicted_is_bounded) {
  rules.managers_max = 2;
  auto ada = arrive("ada");
  for (int i = 1; i <= 60; ++i) {
    makers["t" + std::to_string(i)] = flawed(be_sound);
    CAF_CHECK(wait_for(ada, open("t" + std::to_string(i))).contains("result"));
  }
  CAF_CHECK_EQUAL(report_of(ada).tombstones, 20u); // ten of each slot
}

// Ten users do what they like for two minutes. What must hold then, held at every look.
CAF_TEST(concurrent_stress_stability__nobody_is_over_his_limit_unanswered_or_locked_out) {
  rules.heartbeat = {25s, 10s};
  rules.managers_max = 4;
  rules.queue.timeout = 5s;
  std::mt19937 random{11};
  const auto roll = [&](std::size_t sides) { return static_cast<std::size_t>(random()) % sides; };
  struct visitor {
    client line;
    std::vector<std::pair<std::int64_t, std::chrono::milliseconds>> asked; ///< and for how long
  };
  for (std::size_t i = 0; i < 60; ++i)
    if (i % 3 != 0) makers["t" + std::to_string(i)] = flawed(zombie_kinds[i % zombie_kinds.size()].flaw);
  std::vector<visitor> visitors;
  for (int user = 0; user < 10; ++user)
    for (int socket = 0; socket < 3; ++socket)
      visitors.push_back({arrive("user-" + std::to_string(user)), {}});
  const auto patience = rules.queue.timeout + rules.cleanup.deadline + rules.retire_timeout;
  std::size_t served = 0, told = 0, late = 0, over = 0;
  for (int round = 0; round < 1200; ++round) {
    auto& who = visitors[roll(visitors.size())];
    const auto thread = "t" + std::to_string(roll(60));
    switch (roll(6)) {
    case 0:
      who.line.say({{"type", "thread.close"}, {"thread_id", thread}});
      break;
    case 1:
      who.line.say(message(thread, "hello"));
      break;
    case 2:
      who.line.session->answers = !who.line.session->closed.empty() || roll(4) != 0;
      break;
    default:
      if (who.line.session->closed.empty()) who.asked.emplace_back(who.line.post(open(thread)), 0ms);
      settle();
    }
    elapse(100ms, 50ms);
    for (auto& one : visitors) {
      std::erase_if(one.asked, [&](auto& question) {
        question.second += 100ms;
        const auto reply = one.line.take_reply(question.first);
        served += reply.contains("result");
        told += reply.contains("error");
        late += reply.is_null() && question.second > patience && one.line.session->closed.empty();
        return !reply.is_null();
      });
      one.line.session->heard.clear();
    }
    const auto all = count();
    over += all.managers > 10u * (rules.managers_max + rules.grace.extra);
  }
  CAF_CHECK_EQUAL(late, 0u);
  CAF_CHECK_EQUAL(over, 0u);
  CAF_CHECK(served > 300);
  CAF_CHECK_EQUAL(count().leaked, 0u);
  // And nobody is worse off for it.
  elapse(rules.queue.timeout + rules.cleanup.deadline, 50ms);
  for (int user = 0; user < 10; ++user) {
    auto fresh = arrive("user-" + std::to_string(user));
    CAF_CHECK(wait_for(fresh, open("fresh-" + std::to_string(user))).contains("result"));
    CAF_CHECK(is_golden(walk(fresh, "fresh-" + std::to_string(user))));
  }
}

CAF_TEST(performance_degradation_regression__an_open_at_the_limit_costs_no_more_for_zombies_than_for_the_inactive) {
  auto gone = arrive("inactive");
  auto ada = arrive("inactive");
  open_threads(gone, 1, 20);
  gone.vanish();
  const auto inactive = cost_of_open(ada, "t21");
  rules.heartbeat = {25s, 10s};
  for (const auto& kind : zombie_kinds) {
    auto bob = fill(kind.name, kind);
    turn();
    elapse(36s, 50ms); // they are known by now
    const auto known = cost_of_open(bob, "next-" + kind.name);
    CAF_CHECK_EQUAL(waited.count(), 0);
    CAF_CHECK(known <= 2 * inactive);
    *turned = false;
  }
}

CAF_TEST(performance_degradation_regression__a_users_cost_does_not_grow_with_the_number_of_users) {
  const auto& kind = zombie_kinds.front();
  std::vector<client> crowd;
  std::uint64_t alone = 0, among_many = 0;
  for (const int users : {1, 100}) {
    while (crowd.size() + 1 < static_cast<std::size_t>(users)) {
      crowd.push_back(arrive("crowd-" + std::to_string(crowd.size())));
      open_threads(crowd.back(), 1, 3);
    }
    auto ada = fill("ada-" + std::to_string(users), kind);
    turn();
    const auto before = ask<vitals>(shard, get_vitals{}).messages;
    const auto own = cost_of_open(ada, "next-" + std::to_string(users));
    (users == 1 ? alone : among_many) = own + ask<vitals>(shard, get_vitals{}).messages - before;
    *turned = false;
  }
  CAF_CHECK_EQUAL(alone, among_many);
}

CAF_TEST(performance_degradation_regression__the_first_ten_and_the_last_ten_of_200_opens_cost_the_same) {
  auto ada = arrive("ada");
  std::uint64_t first = 0, last = 0;
  for (int i = 1; i <= 220; ++i) {
    makers["t" + std::to_string(i)] = flawed(be_sound);
    const auto cost = cost_of_open(ada, "t" + std::to_string(i));
    if (i > 20 && i <= 30) first += cost;
    if (i > 210) last += cost;
  }
  CAF_CHECK(last <= first);
}

CAF_TEST_FIXTURE_SCOPE_END()
