#define CAF_SUITE ladder

/// The cleanup ladder under a seeded schedule of faults. `SIM_SEED=N` replays one seed, `SIM_SEEDS=N` runs the first N.

#include "tests/simulation/ladder.hpp"
#include "tests/simulation/seeds.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

constexpr int steps = 300;

// Returns what the checker found within the first seeds with these decisions: empty if nothing. A rule that is broken
// shows as what it breaks.
std::string find_fault(const user_decisions& decisions, const faults& what = {}) {
  for (std::uint64_t seed = 1; seed <= 60; ++seed)
    if (auto found = ladder_world{seed, what, decisions}.run(steps); !found.empty()) return found;
  return {};
}

// -- rules, each broken in one way ---------------------------------------------------------------

std::vector<choice> take_one_too_many(std::span<const candidate> roster, cleanup_level level, std::size_t needed,
                                      steady_time now, std::chrono::milliseconds idle_after) {
  return choose_evictions(roster, level, needed == 0 ? 0 : needed + 1, now, idle_after);
}

std::vector<choice> take_one_too_few(std::span<const candidate> roster, cleanup_level level, std::size_t needed,
                                     steady_time now, std::chrono::milliseconds idle_after) {
  return choose_evictions(roster, level, needed == 0 ? 0 : needed - 1, now, idle_after);
}

std::vector<choice> take_live_runs_too(std::span<const candidate> roster, cleanup_level level, std::size_t needed,
                                       steady_time now, std::chrono::milliseconds idle_after) {
  std::vector<candidate> seen{roster.begin(), roster.end()};
  for (auto& one : seen)
    one.live_run = false;
  return choose_evictions(seen, level, needed, now, idle_after);
}

std::vector<choice> take_those_that_open_too(std::span<const candidate> roster, cleanup_level level, std::size_t needed,
                                             steady_time now, std::chrono::milliseconds idle_after) {
  std::vector<candidate> seen{roster.begin(), roster.end()};
  for (auto& one : seen)
    one.opening = false;
  return choose_evictions(seen, level, needed, now, idle_after);
}

std::vector<choice> take_the_most_useful(std::span<const candidate> roster, cleanup_level level, std::size_t needed,
                                         steady_time now, std::chrono::milliseconds idle_after) {
  auto all = choose_evictions(roster, level, roster.size(), now, idle_after);
  std::reverse(all.begin(), all.end());
  all.resize(std::min(all.size(), needed));
  return all;
}

admission admit_everybody(const occupancy& now) noexcept { return now.waiting == 0 ? admission::reserve : admit(now); }

std::optional<grace> give_grace_again(const grace&, const grace_terms& terms, bool, steady_time now) noexcept {
  return grace{now + terms.duration};
}

std::optional<finding> judge_without_waiting(const connection_probe& probe, bool, std::chrono::milliseconds) {
  return probe.answered ? std::nullopt : std::optional{finding::silent};
}

std::optional<finding> judge_without_the_queue(const connection_probe& probe, bool is_over,
                                               std::chrono::milliseconds patience) {
  auto seen = probe;
  if (seen.seen) seen.seen->queued_bytes = 0;
  return judge(seen, is_over, patience);
}

} // namespace

CAF_TEST(whatever_fails_nobody_is_locked_out_misjudged_or_forgotten) {
  std::set<std::string> happened;
  const auto seeds = for_each_seed([&](std::uint64_t seed) {
    ladder_world world{seed, faults{}};
    if (const auto found = world.run(steps); !found.empty()) CAF_FAIL(found);
    happened.merge(world.happened);
  });
  // A world in which nothing happens proves nothing. (Only a blocked handler leaks a manager; here nothing blocks.)
  if (seeds < 100) return;
  for (const std::string what : {"conservative",
                                 "moderate",
                                 "aggressive",
                                 "force",
                                 "zombie",
                                 "inactive",
                                 "idle",
                                 "hung",
                                 "mismatched",
                                 "least_recently_useful",
                                 "unfit",
                                 "silent",
                                 "stuck_closing",
                                 "unreachable",
                                 "request",
                                 "background",
                                 "surplus",
                                 "manual",
                                 "node",
                                 "cleanup",
                                 "queued",
                                 "grace",
                                 "connection_dead",
                                 "manager_crashed",
                                 "queue_full",
                                 "queue_timeout",
                                 "manager_limit",
                                 "connection_replaced",
                                 "stalled",
                                 "slow",
                                 "late",
                                 "climbed again",
                                 "slow store",
                                 "other loop",
                                 "several at once",
                                 "more hung than needed",
                                 "nothing to clean up"})
    if (!happened.contains(what)) CAF_ERROR("in no seed: " << what);
}

CAF_TEST(a_ladder_that_takes_one_too_many_is_found) {
  const auto found = find_fault({.choose_evictions = &take_one_too_many});
  CAF_MESSAGE(found.substr(0, 200));
  CAF_CHECK(!found.empty());
}

CAF_TEST(a_ladder_that_gives_up_while_somebody_could_go_is_found) {
  const auto found = find_fault({.choose_evictions = &take_one_too_few});
  CAF_MESSAGE(found.substr(0, 200));
  CAF_CHECK(!found.empty());
}

CAF_TEST(a_ladder_that_takes_live_runs_is_found) {
  const auto found = find_fault({.choose_evictions = &take_live_runs_too});
  CAF_MESSAGE(found.substr(0, 200));
  CAF_CHECK(!found.empty());
}

CAF_TEST(a_ladder_that_takes_threads_still_opening_is_found) {
  const auto found = find_fault({.choose_evictions = &take_those_that_open_too}, {.slow_store = 10});
  CAF_MESSAGE(found.substr(0, 200));
  CAF_CHECK(!found.empty());
}

CAF_TEST(a_ladder_that_lets_the_deader_stay_is_found) {
  const auto found = find_fault({.choose_evictions = &take_the_most_useful});
  CAF_MESSAGE(found.substr(0, 200));
  CAF_CHECK(!found.empty());
}

CAF_TEST(an_admission_beyond_the_limit_is_found) {
  const auto found = find_fault({.admit = &admit_everybody});
  CAF_MESSAGE(found.substr(0, 200));
  CAF_CHECK(!found.empty());
}

CAF_TEST(a_grace_within_its_cool_down_is_found) {
  const auto found = find_fault({.begin_grace = &give_grace_again});
  CAF_MESSAGE(found.substr(0, 200));
  CAF_CHECK(!found.empty());
}

CAF_TEST(a_verdict_without_evidence_is_found) {
  const auto found = find_fault({.judge_connection = &judge_without_waiting});
  CAF_MESSAGE(found.substr(0, 200));
  CAF_CHECK(!found.empty());
}

CAF_TEST(a_verdict_on_a_link_that_is_only_slow_is_found) {
  const auto found = find_fault({.judge_connection = &judge_without_the_queue}, {.slow_link = 30});
  CAF_MESSAGE(found.substr(0, 200));
  CAF_CHECK(!found.empty());
}
