#define CAF_SUITE measures

#include "protocol/measures.hpp"

#include <set>
#include <string>

#include "protocol/errors.hpp"

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

/// Returns in which bucket, and in no other, a length is counted once.
std::size_t bucket_of(std::chrono::microseconds length) {
  histogram counts;
  counts.observe(length);
  CAF_CHECK_EQUAL(counts.count(), 1u);
  CAF_CHECK(counts.sum == length);
  for (std::size_t i = 0; i < counts.buckets.size(); ++i)
    if (counts.buckets[i] == 1) return i;
  CAF_FAIL("it is in no bucket");
}

/// Sets every cell to a number of its own, from `first` on; returns how many there are.
std::uint64_t fill(measures& what, std::uint64_t first) {
  auto next = first;
  const auto fill_histogram = [&](histogram& one) {
    for (auto& bucket : one.buckets)
      bucket = next++;
    one.sum = std::chrono::microseconds{next++};
  };
  for (auto& scope : what.cleanups)
    for (auto& level : scope)
      for (auto& outcome : level)
        outcome = next++;
  for (auto& level : what.evictions)
    for (auto& reason : level)
      reason = next++;
  for (auto& result : what.probes)
    result = next++;
  fill_histogram(what.cleanup_time);
  for (auto& outcome : what.admission_time)
    fill_histogram(outcome);
  fill_histogram(what.queue_time);
  for (auto& code : what.disconnects)
    code = next++;
  for (auto& result : what.resumes)
    result = next++;
  for (auto& outcome : what.runs["builtin"])
    outcome = next++;
  fill_histogram(what.first_event_time);
  return next - first;
}

} // namespace

CAF_TEST(everything_counted_has_a_name) {
  std::string outcomes, results, resumes, runs;
  for (std::size_t i = 0; i <= admission_outcomes; ++i)
    outcomes += std::string{to_string(static_cast<admission_outcome>(i))} + ' ';
  for (std::size_t i = 0; i <= probe_results; ++i)
    results += std::string{to_string(static_cast<probe_result>(i))} + ' ';
  CAF_CHECK_EQUAL(outcomes, "immediate cleaned grace queued refused unknown ");
  CAF_CHECK_EQUAL(results, "alive dead void unknown ");
  for (std::size_t i = 0; i <= resume_results; ++i)
    resumes += std::string{to_string(static_cast<resume_result>(i))} + ' ';
  for (std::size_t i = 0; i <= run_outcomes; ++i)
    runs += std::string{to_string(static_cast<run_outcome>(i))} + ' ';
  CAF_CHECK_EQUAL(resumes, "tail snapshot new unknown ");
  CAF_CHECK_EQUAL(runs, "completed failed cancelled interrupted unknown ");
}

CAF_TEST(every_close_code_that_is_ours_or_common_has_a_place_of_its_own) {
  std::set<std::size_t> places;
  for (const auto code :
       {close_code::going_away, close_code::too_large, close_code::shutdown, close_code::too_many_bad_frames,
        close_code::token_expired, close_code::slow_consumer, close_code::state_lost, close_code::no_pong,
        close_code::rate_limited, close_code::node_overloaded, close_code::evicted, close_code::manager_limit,
        close_code::invalid_token, close_code::bad_request, close_code::never_authenticated, close_code::forbidden})
    places.insert(place_of_close_code(static_cast<std::uint16_t>(code)));
  for (const std::uint16_t code : {1000, 1002, 1006, 1007})
    places.insert(place_of_close_code(code));
  CAF_CHECK_EQUAL(places.size(), counted_close_codes.size());
  CAF_CHECK_EQUAL(*places.rbegin(), counted_close_codes.size() - 1);
}

CAF_TEST(every_other_close_code_has_the_last_place) {
  std::size_t known = 0;
  for (unsigned code = 0; code <= 65'535; ++code) {
    const auto place = place_of_close_code(static_cast<std::uint16_t>(code));
    if (place < counted_close_codes.size())
      known += counted_close_codes[place] == code;
    else
      CAF_REQUIRE_EQUAL(place, counted_close_codes.size());
  }
  CAF_CHECK_EQUAL(known, counted_close_codes.size());
}

CAF_TEST(a_length_counts_under_the_first_bound_that_it_does_not_exceed) {
  for (std::size_t i = 0; i < histogram::bounds.size(); ++i) {
    CAF_CHECK_EQUAL(bucket_of(histogram::bounds[i] - 1us), i);
    CAF_CHECK_EQUAL(bucket_of(histogram::bounds[i]), i);
    CAF_CHECK_EQUAL(bucket_of(histogram::bounds[i] + 1us), i + 1);
  }
  CAF_CHECK_EQUAL(bucket_of(0us), 0u);
  CAF_CHECK_EQUAL(bucket_of(24h), histogram::bounds.size());
}

CAF_TEST(bounds_ascend) {
  for (std::size_t i = 1; i < histogram::bounds.size(); ++i)
    CAF_CHECK(histogram::bounds[i - 1] < histogram::bounds[i]);
  for (std::size_t i = 1; i < count_histogram::bounds.size(); ++i)
    CAF_CHECK(count_histogram::bounds[i - 1] < count_histogram::bounds[i]);
}

CAF_TEST(numbers_are_counted_as_lengths_of_time_are) {
  count_histogram counts;
  for (const std::uint64_t number : {0, 1, 2, 3, 5, 6, 5'000, 5'001})
    counts.observe(number);
  CAF_CHECK_EQUAL(counts.count(), 8u);
  CAF_CHECK_EQUAL(counts.sum, 10'018u);
  CAF_CHECK(counts.buckets == (std::array<std::uint64_t, 13>{2, 1, 2, 1, 0, 0, 0, 0, 0, 0, 0, 1, 1}));
}

CAF_TEST(a_histogram_knows_how_many_and_how_long_together) {
  histogram counts;
  CAF_CHECK_EQUAL(counts.count(), 0u);
  for (const auto length : {100us, 100us, 3'000us, 60'000'000us})
    counts.observe(length);
  CAF_CHECK_EQUAL(counts.count(), 4u);
  CAF_CHECK(counts.sum == 60'003'200us);
  CAF_CHECK_EQUAL(counts.buckets[0], 2u);
  CAF_CHECK_EQUAL(counts.buckets.back(), 1u);
}

CAF_TEST(the_sum_of_two_is_the_count_of_both_in_every_cell) {
  measures one, other, both;
  const auto cells = fill(one, 1);
  CAF_CHECK_EQUAL(fill(other, 1'000'000), cells);
  // Each cell of the sum is its number in both: 1 and 1,000,000, 2 and 1,000,001, …
  fill(both, 0);
  const auto expected = [&] {
    auto result = both;
    const auto each = [](auto& cell) { cell = 1'000'001 + 2 * cell; };
    const auto each_of = [&](histogram& counts) {
      for (auto& bucket : counts.buckets)
        each(bucket);
      counts.sum = 1'000'001us + 2 * counts.sum;
    };
    for (auto& scope : result.cleanups)
      for (auto& level : scope)
        for (auto& outcome : level)
          each(outcome);
    for (auto& level : result.evictions)
      for (auto& reason : level)
        each(reason);
    for (auto& result_count : result.probes)
      each(result_count);
    each_of(result.cleanup_time);
    for (auto& outcome : result.admission_time)
      each_of(outcome);
    each_of(result.queue_time);
    for (auto& code : result.disconnects)
      each(code);
    for (auto& resume : result.resumes)
      each(resume);
    for (auto& outcome : result.runs["builtin"])
      each(outcome);
    each_of(result.first_event_time);
    return result;
  }();
  one += other;
  CAF_CHECK(one == expected);
  // So that nothing is left out above: the test counts every number that `measures` holds, here or on the heap.
  const auto numbers = (cells - run_outcomes) * sizeof(std::uint64_t);
  CAF_CHECK_EQUAL(numbers + sizeof(measures::runs), sizeof(measures));
}

CAF_TEST(an_agent_that_one_of_two_knows_is_in_their_sum) {
  measures one, other;
  one.runs["here"] = {1, 2, 3, 4};
  other.runs["there"] = {5, 6, 7, 8};
  one += other;
  CAF_CHECK(one.runs.at("here") == (std::array<std::uint64_t, run_outcomes>{1, 2, 3, 4}));
  CAF_CHECK(one.runs.at("there") == (std::array<std::uint64_t, run_outcomes>{5, 6, 7, 8}));
}

CAF_TEST(nothing_added_changes_nothing) {
  measures one;
  fill(one, 1);
  const auto before = one;
  one += {};
  CAF_CHECK(one == before);
}
