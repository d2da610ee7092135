#define CAF_SUITE interference

/// Cleanups for several reasons at once. The old server ran them in parallel, each from its own idea of who was there.

#include <map>
#include <random>
#include <set>

#include "tests/regression/zombies.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct fixture : regression_fixture {
  /// Lets everything happen, in an order of that seed.
  void settle_shuffled(std::mt19937& random) {
    while (!sched.jobs.empty()) {
      std::swap(sched.jobs.front(), sched.jobs[random() % sched.jobs.size()]);
      sched.run_once();
    }
  }

  /// A user at its limit, of whom requests, an operator, the node and the background want room in the same moment.
  /// Returns what did not hold.
  std::string interfere(const zombie_kind& kind, unsigned seed) {
    std::mt19937 random{seed};
    const auto user = kind.name + "-" + std::to_string(seed);
    *turned = false;
    auto ada = fill(user, kind, 12);
    open_threads(ada, 1, 8, "sound-" + user + "-");
    turn();
    const auto address = ada.session->admitted_by;
    std::vector<std::int64_t> asked;
    for (int i = 1; i <= 3; ++i)
      asked.push_back(ada.post(open("new-" + user + "-" + std::to_string(i))));
    caf::anon_send(address, clean_up{cleanup_scope::manual, cleanup_level::aggressive, 2, false});
    caf::anon_send(address, clean_up{cleanup_scope::node, cleanup_level::moderate, 0, false});
    caf::anon_send(address, clean_up{cleanup_scope::manual, cleanup_level::force, 5, true});
    caf::anon_send(address, clean_up{cleanup_scope::node, cleanup_level::aggressive, 0, false});
    settle_shuffled(random);
    for (auto passed = 0ms; passed < 3 * rules.cleanup.deadline; passed += 50ms) {
      sched.advance_time(50ms);
      settle_shuffled(random);
    }
    for (const auto request : asked)
      if (!ada.take_reply(request).contains("result")) return user + ": a request was not served";
    std::map<std::string, int> told;
    for (const auto& one : notices(ada, "manager_evicted"))
      ++told[one["manager_id"].get<std::string>()];
    std::size_t recorded = 0;
    for (const auto& made : decisions({.user = user_id{user}}))
      for (const auto& one : made["evictions"]) {
        ++recorded;
        if (told[one["manager_id"].get<std::string>()] != 1)
          return user + ": told not once of " + one["thread_id"].get<std::string>();
        if (one["reason"] != "zombie") return user + ": somebody living went: " + one.dump();
      }
    if (recorded != told.size()) return user + ": evicted and recorded differ";
    // The node's second order takes all that are dead: 12, and nobody twice.
    if (recorded != 12) return user + ": not every zombie went, but " + std::to_string(recorded);
    if (used(ada) != 11) return user + ": slots were lost or found: " + std::to_string(used(ada));
    ada.vanish();
    return {};
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(interference_tests, fixture)

CAF_TEST(concurrent_cleanup_interference__cleanups_for_every_reason_at_once_take_each_zombie_once_and_no_other) {
  for (const auto& kind : zombie_kinds)
    for (unsigned seed = 1; seed <= 20; ++seed)
      CAF_CHECK_EQUAL(interfere(kind, seed), "");
}

CAF_TEST(concurrent_cleanup_interference__users_at_their_limits_clean_up_at_once_and_each_only_after_itself) {
  std::vector<client> users;
  std::vector<std::int64_t> asked;
  for (int i = 0; i < 9; ++i) {
    const auto& kind = zombie_kinds[static_cast<std::size_t>(i) % zombie_kinds.size()];
    users.push_back(fill("user-" + std::to_string(i), kind));
  }
  turn();
  for (std::size_t i = 0; i < users.size(); ++i)
    asked.push_back(users[i].post(open("the-21st-of-" + std::to_string(i))));
  std::mt19937 random{5};
  settle_shuffled(random);
  for (std::size_t i = 0; i < users.size(); ++i) {
    CAF_CHECK(wait_for_reply(users[i], asked[i]).contains("result"));
    CAF_CHECK(waited <= rules.cleanup.deadline);
    const auto& kind = zombie_kinds[i % zombie_kinds.size()];
    // Whichever of them showed itself first; there was no need to wait for the others.
    const auto told = evictions_of(users[i]);
    CAF_REQUIRE_EQUAL(told.size(), 1u);
    CAF_CHECK_EQUAL(told[0].find("user-" + std::to_string(i) + "-"), 0u);
    CAF_CHECK(told[0].ends_with(" aggressive zombie " + kind.evidence));
    CAF_CHECK_EQUAL(used(users[i]), 20u);
  }
  CAF_CHECK_EQUAL(count().managers, 20u * users.size());
}

CAF_TEST_FIXTURE_SCOPE_END()
