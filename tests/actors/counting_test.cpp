#define CAF_SUITE counting

#include "actors/counting.hpp"

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

constexpr auto pro = static_cast<std::size_t>(tier::pro);

} // namespace

CAF_TEST(every_number_of_a_user_is_in_the_sum) {
  tally sum;
  recount(sum, tier::pro, {}, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  tally expected{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, {}};
  expected.connections_by_tier[pro] = 1;
  CAF_CHECK(sum == expected);
}

CAF_TEST(what_a_user_had_before_is_replaced_and_not_added_to) {
  tally sum;
  const user_counted before{5, 4, 3, 2, 1, 6, 5, 4, 1}, other{1, 1, 1, 1, 1, 1, 1, 1, 1};
  recount(sum, tier::pro, {}, other);
  const auto without = sum;
  recount(sum, tier::pro, {}, before);
  CAF_CHECK(sum != without);
  recount(sum, tier::pro, before, {});
  CAF_CHECK(sum == without);
}

CAF_TEST(the_tallies_of_directories_add_up_number_by_number) {
  tally sum{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, {1, 2, 3}};
  add(sum, {10, 20, 30, 40, 50, 60, 70, 80, 90, 100, {10, 20, 30}});
  CAF_CHECK(sum == (tally{11, 22, 33, 44, 55, 66, 77, 88, 99, 110, {11, 22, 33}}));
}

CAF_TEST(an_admission_is_counted_under_its_outcome) {
  measures sum;
  count(sum, admission_ended{admission_outcome::cleaned, 3ms});
  CAF_CHECK_EQUAL(sum.admission_time[static_cast<std::size_t>(admission_outcome::cleaned)].count(), 1u);
  CAF_CHECK(sum.admission_time[static_cast<std::size_t>(admission_outcome::cleaned)].sum == 3ms);
  CAF_CHECK_EQUAL(sum.admission_time[static_cast<std::size_t>(admission_outcome::immediate)].count(), 0u);
}

CAF_TEST(an_admission_from_the_queue_is_a_time_in_the_queue) {
  measures sum;
  count(sum, admission_ended{admission_outcome::queued, 4s});
  CAF_CHECK_EQUAL(sum.queue_time.count(), 1u);
  CAF_CHECK(sum.queue_time.sum == 4s);
}

CAF_TEST(any_other_admission_is_no_time_in_the_queue) {
  measures sum;
  for (const auto outcome :
       {admission_outcome::immediate, admission_outcome::cleaned, admission_outcome::grace, admission_outcome::refused})
    count(sum, admission_ended{outcome, 4s});
  CAF_CHECK_EQUAL(sum.queue_time.count(), 0u);
}

CAF_TEST(the_results_of_probes_add_up) {
  measures sum;
  count(sum, probe_ended{{1, 2, 3}});
  count(sum, probe_ended{{10, 0, 5}});
  CAF_CHECK(sum.probes == (std::array<std::uint64_t, probe_results>{11, 2, 8}));
}

CAF_TEST(a_cleanup_is_counted_once_with_its_time_and_whom_it_evicted) {
  measures sum;
  cleanup_ended report{cleanup_scope::background, cleanup_level::aggressive, cleanup_outcome::partly, 20ms, {}};
  report.evictions[0] = {1, 2, 0, 0};
  report.evictions[2] = {3, 0, 0, 4};
  count(sum, report);
  count(sum, report);
  measures expected;
  expected.cleanups[static_cast<std::size_t>(cleanup_scope::background)][static_cast<std::size_t>(
      cleanup_level::aggressive)][static_cast<std::size_t>(cleanup_outcome::partly)] = 2;
  expected.evictions[0] = {2, 4, 0, 0};
  expected.evictions[2] = {6, 0, 0, 8};
  expected.cleanup_time.observe(20ms);
  expected.cleanup_time.observe(20ms);
  CAF_CHECK(sum == expected);
}
