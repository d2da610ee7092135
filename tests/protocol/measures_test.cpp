#define CAF_SUITE measures

#include "protocol/measures.hpp"

#include <numeric>
#include <string>

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
  return next - first;
}

} // namespace

CAF_TEST(everything_counted_has_a_name) {
  std::string outcomes, results;
  for (std::size_t i = 0; i <= admission_outcomes; ++i)
    outcomes += std::string{to_string(static_cast<admission_outcome>(i))} + ' ';
  for (std::size_t i = 0; i <= probe_results; ++i)
    results += std::string{to_string(static_cast<probe_result>(i))} + ' ';
  CAF_CHECK_EQUAL(outcomes, "immediate cleaned grace queued refused unknown ");
  CAF_CHECK_EQUAL(results, "alive dead void unknown ");
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
    return result;
  }();
  one += other;
  CAF_CHECK(one == expected);
  // So that nothing is left out above: the test counts every number that `measures` holds.
  CAF_CHECK_EQUAL(cells * sizeof(std::uint64_t), sizeof(measures));
}

CAF_TEST(nothing_added_changes_nothing) {
  measures one;
  fill(one, 1);
  const auto before = one;
  one += {};
  CAF_CHECK(one == before);
}
