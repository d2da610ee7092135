#define CAF_SUITE counting

#include "actors/counting.hpp"

#include <numeric>

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

constexpr auto pro = static_cast<std::size_t>(tier::pro);

} // namespace

CAF_TEST(every_number_of_a_user_is_in_the_sum) {
  tally sum;
  recount(sum, {}, {1, 2, 3, 4, 5, 6, 7, 8, 9, tier::pro});
  tally expected{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, {}};
  expected.connections_by_tier[pro] = 1;
  CAF_CHECK(sum == expected);
}

CAF_TEST(what_a_user_had_before_is_replaced_and_not_added_to) {
  tally sum;
  const user_counted before{5, 4, 3, 2, 1, 6, 5, 4, 1, tier::pro}, other{1, 1, 1, 1, 1, 1, 1, 1, 1, tier::free};
  recount(sum, {}, other);
  const auto without = sum;
  recount(sum, {}, before);
  CAF_CHECK(sum != without);
  recount(sum, before, {});
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

CAF_TEST(a_connection_that_is_over_is_counted_under_its_code) {
  measures sum;
  count(sum, connection_ended{1006, false});
  count(sum, connection_ended{4008, true});
  count(sum, connection_ended{1001, true});
  count(sum, connection_ended{1001, false});
  CAF_CHECK_EQUAL(sum.disconnects[place_of_close_code(1006)], 1u);
  CAF_CHECK_EQUAL(sum.disconnects[place_of_close_code(4008)], 1u);
  CAF_CHECK_EQUAL(sum.disconnects[place_of_close_code(1001)], 2u);
  CAF_CHECK_EQUAL(std::accumulate(sum.disconnects.begin(), sum.disconnects.end(), 0u), 4u);
}

CAF_TEST(a_code_that_nobody_knows_is_counted_as_other) {
  measures sum;
  for (const std::uint16_t code : {0, 999, 1003, 1011, 3000, 3999})
    count(sum, connection_ended{code, false});
  CAF_CHECK_EQUAL(sum.disconnects.back(), 6u);
}

// Else any client could make it look as if we had closed it as slow.
CAF_TEST(a_client_that_closes_with_a_code_of_ours_is_counted_as_other) {
  measures sum;
  for (const auto code : counted_close_codes)
    count(sum, connection_ended{code, false});
  for (const auto code : counted_close_codes)
    CAF_CHECK_EQUAL(sum.disconnects[place_of_close_code(code)], code < 4000 ? 1u : 0u);
  CAF_CHECK_EQUAL(sum.disconnects.back(), 14u);
}

CAF_TEST(a_thread_that_was_opened_is_counted_by_what_its_client_got) {
  measures sum;
  for (const auto result : {resume_result::tail, resume_result::snapshot, resume_result::snapshot, resume_result::new_})
    count(sum, thread_opened{result});
  CAF_CHECK(sum.resumes == (std::array<std::uint64_t, resume_results>{1, 2, 1}));
}

CAF_TEST(a_run_is_counted_under_its_agent_and_outcome_with_the_time_to_its_first_event) {
  measures sum;
  count(sum, run_finished{"one", run_outcome::completed, 3ms});
  count(sum, run_finished{"one", run_outcome::completed, 4ms});
  count(sum, run_finished{"two", run_outcome::cancelled, 5ms});
  CAF_CHECK_EQUAL(sum.runs.size(), 2u);
  CAF_CHECK(sum.runs["one"] == (std::array<std::uint64_t, run_outcomes>{2, 0, 0, 0}));
  CAF_CHECK(sum.runs["two"] == (std::array<std::uint64_t, run_outcomes>{0, 0, 1, 0}));
  CAF_CHECK_EQUAL(sum.first_event_time.count(), 3u);
  CAF_CHECK(sum.first_event_time.sum == 12ms);
}

CAF_TEST(a_run_that_brought_nothing_has_no_first_event) {
  measures sum;
  count(sum, run_finished{"one", run_outcome::interrupted, {}});
  CAF_CHECK(sum.runs["one"] == (std::array<std::uint64_t, run_outcomes>{0, 0, 0, 1}));
  CAF_CHECK_EQUAL(sum.first_event_time.count(), 0u);
}
