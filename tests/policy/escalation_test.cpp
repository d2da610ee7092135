#define CAF_SUITE escalation

#include "actors/policy/escalation.hpp"

#include <algorithm>
#include <string>
#include <vector>

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

const steady_time start{1000s};

constexpr cleanup_level all_levels[] = {cleanup_level::conservative, cleanup_level::moderate, cleanup_level::aggressive,
                                        cleanup_level::force};

std::string name(const std::optional<cleanup_step>& step) {
  if (!step) return "end";
  auto result = std::string{to_string(step->level)};
  if (step->probe.count() > 0) result += " after " + std::to_string(step->probe.count()) + " ms";
  return result;
}

/// What comes next, two seconds before the deadline.
std::string next(std::optional<cleanup_level> done, cleanup_level max_level, std::size_t needed) {
  return name(next_step({done, max_level, needed, start + 2s}, start, 1500ms));
}

} // namespace

CAF_TEST(the_levels_follow_each_other_and_only_the_third_probes_first) {
  const auto most = cleanup_level::force;
  CAF_CHECK_EQUAL(next(std::nullopt, most, 1), "conservative");
  CAF_CHECK_EQUAL(next(cleanup_level::conservative, most, 1), "moderate");
  CAF_CHECK_EQUAL(next(cleanup_level::moderate, most, 1), "aggressive after 1500 ms");
  CAF_CHECK_EQUAL(next(cleanup_level::aggressive, most, 1), "force");
  CAF_CHECK_EQUAL(next(cleanup_level::force, most, 1), "end");
}

CAF_TEST(a_cleanup_ends_as_soon_as_enough_is_free) {
  CAF_CHECK_EQUAL(next(std::nullopt, cleanup_level::force, 0), "end");
  CAF_CHECK_EQUAL(next(cleanup_level::conservative, cleanup_level::force, 0), "end");
  CAF_CHECK_EQUAL(next(cleanup_level::conservative, cleanup_level::force, 1), "moderate");
}

CAF_TEST(a_cleanup_ends_behind_the_highest_level_that_is_allowed) {
  CAF_CHECK_EQUAL(next(cleanup_level::conservative, cleanup_level::conservative, 1), "end");
  CAF_CHECK_EQUAL(next(cleanup_level::conservative, cleanup_level::moderate, 1), "moderate");
  CAF_CHECK_EQUAL(next(cleanup_level::moderate, cleanup_level::moderate, 1), "end");
  CAF_CHECK_EQUAL(next(cleanup_level::aggressive, cleanup_level::aggressive, 1), "end");
}

CAF_TEST(a_probe_takes_its_time_or_what_is_left_of_the_whole) {
  const auto step = [](milliseconds left) {
    return name(next_step({cleanup_level::moderate, cleanup_level::force, 1, start + left}, start, 1500ms));
  };
  CAF_CHECK_EQUAL(step(2s), "aggressive after 1500 ms");
  CAF_CHECK_EQUAL(step(1500ms), "aggressive after 1500 ms");
  CAF_CHECK_EQUAL(step(1499ms), "aggressive after 1499 ms");
  CAF_CHECK_EQUAL(step(750ms), "aggressive after 750 ms");
}

CAF_TEST(less_than_half_of_a_probe_is_none_because_silence_of_a_moment_proves_nothing) {
  const auto step = next_step({cleanup_level::moderate, cleanup_level::force, 1, start + 749ms}, start, 1500ms);
  CAF_CHECK_EQUAL(name(step), "aggressive");
}

CAF_TEST(what_needs_no_time_is_still_done_behind_the_deadline) {
  const auto late = [](cleanup_level done) {
    return name(next_step({done, cleanup_level::force, 1, start}, start + 10s, 1500ms));
  };
  CAF_CHECK_EQUAL(late(cleanup_level::conservative), "moderate");
  CAF_CHECK_EQUAL(late(cleanup_level::moderate), "aggressive");
  CAF_CHECK_EQUAL(late(cleanup_level::aggressive), "force");
}

// Every cleanup that there can be with up to three needed: each level frees any number of them, the needed may grow
// once in between, and time passes as it likes.
CAF_TEST(every_cleanup_ends_runs_no_level_twice_and_keeps_to_its_bounds) {
  std::size_t cleanups = 0, wrong = 0;
  for (const auto max_level : all_levels)
    for (std::size_t needed = 0; needed <= 3; ++needed)
      for (std::size_t frees = 0; frees < 256; ++frees) // two bits a level
        for (const auto delay : {0ms, 400ms, 1000ms, 2500ms})
          for (const auto timeout : {1ms, 1500ms, 30'000ms})
            for (std::size_t grows_at = 0; grows_at <= 4; ++grows_at) {
              ++cleanups;
              escalation state{std::nullopt, max_level, needed, start + 2s};
              auto now = start;
              std::vector<cleanup_level> ran;
              while (const auto step = next_step(state, now, timeout)) {
                wrong += state.needed == 0;
                wrong += step->level > max_level;
                wrong += !ran.empty() && step->level <= ran.back();
                wrong += ran.empty() && step->level != cleanup_level::conservative;
                wrong += step->probe > timeout || (step->probe > 0ms && now + step->probe > state.deadline);
                wrong += step->probe > 0ms && step->level != cleanup_level::aggressive;
                if (ran.size() == 4) break; // it does not end
                ran.push_back(step->level);
                state.done = step->level;
                state.needed -= std::min(state.needed, (frees >> (2 * static_cast<int>(step->level))) & 3);
                if (ran.size() == grows_at) ++state.needed;
                now += step->probe + delay;
              }
              wrong += ran.size() > 4;
              // It gives up only where it may not go on.
              wrong += state.needed > 0 && (ran.empty() || ran.back() != max_level);
            }
  CAF_CHECK_EQUAL(cleanups, 4u * 4 * 256 * 4 * 3 * 5);
  CAF_CHECK_EQUAL(wrong, 0u);
}

CAF_TEST(in_the_background_everybody_is_probed_whether_anybody_is_needed_or_not) {
  for (const std::size_t needed : {0, 1, 5}) {
    escalation state{std::nullopt, cleanup_level::aggressive, needed, start + 2s, true};
    CAF_CHECK_EQUAL(name(next_step(state, start, 1500ms)), "conservative");
    state.done = cleanup_level::conservative;
    CAF_CHECK_EQUAL(name(next_step(state, start, 1500ms)), "aggressive after 1500 ms");
    state.done = cleanup_level::aggressive;
    CAF_CHECK_EQUAL(name(next_step(state, start, 1500ms)), "end");
  }
}

CAF_TEST(in_the_background_no_level_takes_more_than_the_inactive_and_the_proven_dead) {
  for (const auto level : all_levels) {
    CAF_CHECK(takes({std::nullopt, cleanup_level::force, 1, start, true}, level) == cleanup_level::conservative);
    CAF_CHECK(takes({std::nullopt, cleanup_level::force, 1, start, false}, level) == level);
  }
}

CAF_TEST(the_background_cleanup_of_twenty_starts_at_18_and_stops_at_16) {
  const auto marks = watermarks_of(20, 0.9, 0.8);
  CAF_CHECK_EQUAL(marks.start, 18u);
  CAF_CHECK_EQUAL(marks.stop, 16u);
}

CAF_TEST(small_limits_have_watermarks_too) {
  const auto one = watermarks_of(1, 0.9, 0.8);
  CAF_CHECK_EQUAL(one.start, 1u);
  CAF_CHECK_EQUAL(one.stop, 0u);
  const auto two = watermarks_of(2, 0.9, 0.8);
  CAF_CHECK_EQUAL(two.start, 2u);
  CAF_CHECK_EQUAL(two.stop, 1u);
}

CAF_TEST(equal_ratios_leave_a_step_between_the_watermarks) {
  const auto marks = watermarks_of(10, 0.8, 0.8);
  CAF_CHECK_EQUAL(marks.start, 8u);
  CAF_CHECK_EQUAL(marks.stop, 7u);
}

CAF_TEST(a_start_ratio_of_nothing_starts_with_the_first_and_one_of_all_with_the_last) {
  CAF_CHECK_EQUAL(watermarks_of(20, 0, 0).start, 1u);
  CAF_CHECK_EQUAL(watermarks_of(20, 0, 0).stop, 0u);
  CAF_CHECK_EQUAL(watermarks_of(20, 1, 1).start, 20u);
  CAF_CHECK_EQUAL(watermarks_of(20, 1, 1).stop, 19u);
}

// The shares in whole thousandths, where no rounding can go wrong, are what the ratios must come to.
CAF_TEST(the_watermarks_of_every_limit_up_to_1000_are_shares_of_it_in_order) {
  constexpr std::uint32_t shares[][2] = {{900, 800}, {800, 800}, {1000, 1000}, {1000, 0},  {0, 0},     {500, 499},
                                         {950, 333}, {700, 100}, {1, 0},       {999, 998}, {100, 100}, {1000, 999},
                                         {70, 70},   {550, 140}, {290, 70},    {570, 560}};
  std::size_t wrong = 0;
  for (std::uint32_t limit = 1; limit <= 1000; ++limit)
    for (const auto& [start_share, stop_share] : shares) {
      const auto marks = watermarks_of(limit, start_share / 1000.0, stop_share / 1000.0);
      const auto begin = std::clamp((limit * start_share + 999) / 1000, 1u, limit);
      wrong += marks.start != begin;
      wrong += marks.stop != std::min(limit * stop_share / 1000, begin - 1);
      wrong += marks.start < 1 || marks.start > limit || marks.stop >= marks.start;
    }
  CAF_CHECK_EQUAL(wrong, 0u);
}
