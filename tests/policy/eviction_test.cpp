#define CAF_SUITE eviction

#include "actors/policy/eviction.hpp"

#include <algorithm>
#include <array>
#include <string>

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

const steady_time now{100'000s};
const auto idle_after = 300'000ms;

constexpr std::array all_levels{cleanup_level::conservative, cleanup_level::moderate, cleanup_level::aggressive,
                                cleanup_level::force};

/// The manager of that number: ids ascend with it.
manager_id manager_of(std::uint8_t number) {
  manager_id result;
  result.bytes.back() = number;
  return result;
}

std::string name(const std::optional<eviction_reason>& reason) {
  return reason ? std::string{to_string(*reason)} : "stays";
}

/// Alive, in use a minute ago, one connection.
candidate busy(std::uint8_t number) { return {manager_of(number), false, false, false, 1, now - 1min}; }

candidate inactive(std::uint8_t number) {
  auto one = busy(number);
  one.living_connections = 0;
  return one;
}

candidate dead(std::uint8_t number) {
  auto one = busy(number);
  one.proven_dead = true;
  return one;
}

candidate idle(std::uint8_t number) {
  auto one = busy(number);
  one.last_useful = now - 10min;
  return one;
}

/// What each level says to a manager, from conservative to force.
std::string by_level(const candidate& one) {
  std::string result;
  for (const auto level : all_levels)
    result += (result.empty() ? "" : ", ") + name(may_evict(one, level, now, idle_after));
  return result;
}

/// The choice as "number reason, …".
std::string chosen(const std::vector<candidate>& roster, cleanup_level level, std::size_t needed) {
  std::string result;
  for (const auto& one : choose_evictions(roster, level, needed, now, idle_after))
    result += (result.empty() ? "" : ", ") + std::to_string(one.manager.bytes.back()) + " "
              + std::string{to_string(one.reason)};
  return result;
}

} // namespace

CAF_TEST(the_table_of_levels_is_that_of_the_design) {
  CAF_CHECK_EQUAL(by_level(dead(1)), "zombie, zombie, zombie, zombie");
  CAF_CHECK_EQUAL(by_level(inactive(1)), "inactive, inactive, inactive, inactive");
  CAF_CHECK_EQUAL(by_level(idle(1)), "stays, idle, idle, idle");
  CAF_CHECK_EQUAL(by_level(busy(1)), "stays, stays, stays, least_recently_useful");
}

CAF_TEST(a_slot_still_opening_and_a_live_run_stay_at_every_level_whatever_else_is_known) {
  for (auto one : {dead(1), inactive(1), idle(1), busy(1)}) {
    one.opening = true;
    CAF_CHECK_EQUAL(by_level(one), "stays, stays, stays, stays");
    one.opening = false;
    one.live_run = true;
    CAF_CHECK_EQUAL(by_level(one), "stays, stays, stays, stays");
  }
}

CAF_TEST(a_manager_is_idle_after_its_time_and_not_at_the_last_moment_of_it) {
  auto one = busy(1);
  one.last_useful = now - idle_after;
  CAF_CHECK_EQUAL(name(may_evict(one, cleanup_level::moderate, now, idle_after)), "stays");
  one.last_useful -= 1ms;
  CAF_CHECK_EQUAL(name(may_evict(one, cleanup_level::moderate, now, idle_after)), "idle");
}

CAF_TEST(one_living_connection_keeps_a_manager_from_being_inactive) {
  auto one = inactive(1);
  CAF_CHECK_EQUAL(name(may_evict(one, cleanup_level::conservative, now, idle_after)), "inactive");
  one.living_connections = 1;
  CAF_CHECK_EQUAL(name(may_evict(one, cleanup_level::conservative, now, idle_after)), "stays");
}

CAF_TEST(the_deader_goes_first) {
  const std::vector<candidate> roster{busy(1), idle(2), inactive(3), dead(4)};
  CAF_CHECK_EQUAL(chosen(roster, cleanup_level::force, 4), "4 zombie, 3 inactive, 2 idle, 1 least_recently_useful");
  CAF_CHECK_EQUAL(chosen(roster, cleanup_level::force, 1), "4 zombie");
}

CAF_TEST(a_level_takes_no_more_than_it_may_though_more_are_needed) {
  const std::vector<candidate> roster{busy(1), idle(2), inactive(3), dead(4)};
  CAF_CHECK_EQUAL(chosen(roster, cleanup_level::conservative, 9), "4 zombie, 3 inactive");
  CAF_CHECK_EQUAL(chosen(roster, cleanup_level::moderate, 9), "4 zombie, 3 inactive, 2 idle");
}

CAF_TEST(nobody_goes_when_nobody_is_needed) {
  CAF_CHECK_EQUAL(chosen({dead(1), dead(2)}, cleanup_level::force, 0), "");
  CAF_CHECK_EQUAL(chosen({}, cleanup_level::force, 3), "");
}

CAF_TEST(among_equals_the_least_recently_useful_goes_and_ties_fall_to_the_lower_id) {
  auto older = busy(2);
  older.last_useful -= 1ms;
  CAF_CHECK_EQUAL(chosen({busy(1), older}, cleanup_level::force, 1), "2 least_recently_useful");
  CAF_CHECK_EQUAL(chosen({busy(2), busy(1)}, cleanup_level::force, 1), "1 least_recently_useful");
}

// -- exhaustively --------------------------------------------------------------------------------

namespace {

/// Every state that a manager can be in, by number: two moments on each side of idleness, each of which two managers
/// may share.
constexpr std::size_t states = 2 * 2 * 2 * 2 * 4;

candidate in_state(std::size_t state, std::uint8_t number) {
  constexpr std::array<std::chrono::milliseconds, 4> ago{0ms, 300'000ms, 300'001ms, 400'000ms};
  return {manager_of(number),
          (state & 1) != 0,
          (state & 2) != 0,
          (state & 4) != 0,
          static_cast<std::uint32_t>((state >> 3) & 1),
          now - ago[state >> 4]};
}

bool is_protected(const candidate& one) { return one.opening || one.live_run; }

/// How dead a manager is known to be; the lower the deader. Idleness is not looked at below the level that may.
int deadness(const candidate& one, cleanup_level level) {
  if (one.proven_dead) return 0;
  if (one.living_connections == 0) return 1;
  if (now - one.last_useful > idle_after) return level >= cleanup_level::moderate ? 2 : 9;
  return level == cleanup_level::force ? 3 : 9;
}

using roster_of_three = std::array<candidate, 3>;

template <class Visit>
void for_every_roster(Visit visit) {
  for (std::size_t first = 0; first < states; ++first)
    for (std::size_t second = 0; second < states; ++second)
      for (std::size_t third = 0; third < states; ++third)
        visit(roster_of_three{in_state(first, 1), in_state(second, 2), in_state(third, 3)});
}

bool is_among(const manager_id& one, const std::vector<choice>& all) {
  return std::any_of(all.begin(), all.end(), [&](const choice& known) { return known.manager == one; });
}

/// Returns whether a choice breaks a rule by itself.
bool breaks_a_rule(const roster_of_three& roster, const std::vector<choice>& choice, cleanup_level level,
                   std::size_t needed) {
  std::size_t eligible = 0;
  for (const auto& one : roster) {
    const bool may_go = !is_protected(one) && deadness(one, level) < 9;
    eligible += may_go;
    if (is_among(one.manager, choice) && !may_go) return true;
  }
  if (choice.size() != std::min(needed, eligible)) return true;
  for (const auto& gone : roster)
    for (const auto& kept : roster) {
      if (is_protected(kept) || !is_among(gone.manager, choice) || is_among(kept.manager, choice)) continue;
      const auto key = [&](const candidate& one) {
        return std::make_tuple(deadness(one, level), one.last_useful, one.manager);
      };
      if (key(kept) < key(gone)) return true;
    }
  return false;
}

} // namespace

CAF_TEST(in_every_roster_of_three_only_the_deadest_of_those_who_may_go_do_and_never_more_than_needed) {
  std::size_t cases = 0, wrong = 0;
  for_every_roster([&](const roster_of_three& roster) {
    for (const auto level : all_levels)
      for (std::size_t needed = 0; needed <= 4; ++needed, ++cases)
        wrong += breaks_a_rule(roster, choose_evictions(roster, level, needed, now, idle_after), level, needed);
  });
  CAF_CHECK_EQUAL(cases, states * states * states * 4 * 5);
  CAF_CHECK_EQUAL(wrong, 0u);
}

CAF_TEST(in_every_roster_of_three_a_level_chooses_all_that_the_one_below_chooses) {
  std::size_t wrong = 0;
  for_every_roster([&](const roster_of_three& roster) {
    for (std::size_t needed = 1; needed <= 3; ++needed) {
      std::vector<choice> below;
      for (const auto level : all_levels) {
        const auto choice = choose_evictions(roster, level, needed, now, idle_after);
        wrong += !std::equal(below.begin(), below.end(), choice.begin(),
                             choice.begin() + static_cast<std::ptrdiff_t>(std::min(below.size(), choice.size())));
        below = choice;
      }
    }
  });
  CAF_CHECK_EQUAL(wrong, 0u);
}

// Who is needed first goes first, so the choice of all three in their order says what every smaller one is.
CAF_TEST(in_every_roster_of_three_the_order_of_the_roster_does_not_matter) {
  std::size_t wrong = 0;
  for_every_roster([&](const roster_of_three& roster) {
    for (const auto level : all_levels) {
      const auto expected = choose_evictions(roster, level, 3, now, idle_after);
      for (const auto& order : {std::array{0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}}) {
        const std::array shuffled{roster[static_cast<std::size_t>(order[0])],
                                  roster[static_cast<std::size_t>(order[1])],
                                  roster[static_cast<std::size_t>(order[2])]};
        wrong += choose_evictions(shuffled, level, 3, now, idle_after) != expected;
      }
    }
  });
  CAF_CHECK_EQUAL(wrong, 0u);
}

CAF_TEST(in_every_roster_of_three_the_same_question_gets_the_same_answer_and_fewer_needed_its_beginning) {
  std::size_t wrong = 0;
  for_every_roster([&](const roster_of_three& roster) {
    for (const auto level : all_levels) {
      const auto all = choose_evictions(roster, level, 3, now, idle_after);
      wrong += choose_evictions(roster, level, 3, now, idle_after) != all;
      for (std::size_t needed = 1; needed <= 2; ++needed) {
        const auto some = choose_evictions(roster, level, needed, now, idle_after);
        wrong += some.size() != std::min(needed, all.size()) || !std::equal(some.begin(), some.end(), all.begin());
      }
    }
  });
  CAF_CHECK_EQUAL(wrong, 0u);
}

// -- connections ---------------------------------------------------------------------------------

namespace {

connection_candidate connected(std::uint8_t number, bool suspect, std::chrono::milliseconds useful_ago) {
  connection_id id;
  id.bytes.back() = number;
  return {id, suspect, now - useful_ago};
}

int replaced(const std::vector<connection_candidate>& all) { return choose_replaced(all).bytes.back(); }

} // namespace

CAF_TEST(a_suspect_makes_room_before_one_that_was_of_no_use_for_longer) {
  CAF_CHECK_EQUAL(replaced({connected(1, false, 1h), connected(2, true, 1s)}), 2);
  CAF_CHECK_EQUAL(replaced({connected(1, false, 1h), connected(2, false, 1s)}), 1);
}

CAF_TEST(the_least_recently_useful_connection_makes_room_and_ties_fall_to_the_lower_id) {
  CAF_CHECK_EQUAL(replaced({connected(1, false, 1000ms), connected(2, false, 1001ms)}), 2);
  CAF_CHECK_EQUAL(replaced({connected(2, false, 1000ms), connected(1, false, 1000ms)}), 1);
  CAF_CHECK_EQUAL(replaced({connected(3, true, 1000ms), connected(2, true, 1001ms), connected(1, false, 1h)}), 2);
}
