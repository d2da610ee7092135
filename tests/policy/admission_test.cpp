#define CAF_SUITE admission

#include "actors/policy/admission.hpp"

#include <string>

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

const steady_time start{1000s};
const grace_terms usual{5, 60s, 5min};

std::string name(admission value) {
  switch (value) {
  case admission::reserve:
    return "reserve";
  case admission::wait:
    return "wait";
  case admission::refuse_as_full:
    return "refuse_as_full";
  case admission::refuse_as_leaking:
    return "refuse_as_leaking";
  }
  return "?";
}

#define CHECK_ADMIT(now, expected) CAF_CHECK_EQUAL(name(admit(now)), name(admission::expected))

} // namespace

CAF_TEST(the_20th_gets_a_slot_and_the_21st_waits) {
  CHECK_ADMIT((occupancy{19, 20, 0, 0, 32}), reserve);
  CHECK_ADMIT((occupancy{20, 20, 0, 0, 32}), wait);
}

CAF_TEST(a_free_slot_that_somebody_waits_for_is_not_free) {
  CHECK_ADMIT((occupancy{19, 20, 0, 0, 32}), reserve);
  CHECK_ADMIT((occupancy{19, 20, 0, 1, 32}), wait);
}

CAF_TEST(the_32nd_may_wait_and_the_33rd_is_refused) {
  CHECK_ADMIT((occupancy{20, 20, 0, 31, 32}), wait);
  CHECK_ADMIT((occupancy{20, 20, 0, 32, 32}), refuse_as_full);
}

CAF_TEST(one_limit_of_managers_that_do_not_end_is_too_many_and_one_less_is_not) {
  CHECK_ADMIT((occupancy{0, 20, 19, 0, 32}), reserve);
  CHECK_ADMIT((occupancy{0, 20, 20, 0, 32}), refuse_as_leaking);
}

CAF_TEST(a_grace_raises_the_limit_that_is_asked_about) {
  CHECK_ADMIT((occupancy{24, 25, 0, 0, 32}), reserve);
  CHECK_ADMIT((occupancy{25, 25, 0, 0, 32}), wait);
}

CAF_TEST(every_small_occupancy_keeps_the_rules) {
  std::size_t wrong = 0, cases = 0;
  for (std::uint32_t used = 0; used <= 5; ++used)
    for (std::uint32_t limit = 1; limit <= 4; ++limit)
      for (std::uint32_t ending = 0; ending <= 5; ++ending)
        for (std::uint32_t waiting = 0; waiting <= 4; ++waiting)
          for (std::uint32_t waiting_max = 0; waiting_max <= 3; ++waiting_max) {
            const auto answer = admit({used, limit, ending, waiting, waiting_max});
            const bool leaks = ending >= limit;
            // Nobody is let in over the limit, or past somebody who waits, or while too many do not end.
            if (answer == admission::reserve) wrong += used >= limit || waiting > 0 || leaks;
            if (answer == admission::wait) wrong += waiting >= waiting_max || leaks || (used < limit && waiting == 0);
            if (answer == admission::refuse_as_full) wrong += waiting < waiting_max || leaks;
            wrong += leaks != (answer == admission::refuse_as_leaking);
            ++cases;
          }
  CAF_CHECK_EQUAL(cases, 2880u);
  CAF_CHECK_EQUAL(wrong, 0u);
}

CAF_TEST(a_grace_allows_all_of_its_extra_until_its_last_moment_and_nothing_then) {
  const grace last{start + 60s};
  CAF_CHECK_EQUAL(extra_allowed(last, usual, start), 5u);
  CAF_CHECK_EQUAL(extra_allowed(last, usual, start + 60s - 1ms), 5u);
  CAF_CHECK_EQUAL(extra_allowed(last, usual, start + 60s), 0u);
  CAF_CHECK_EQUAL(extra_allowed({}, usual, start), 0u);
}

CAF_TEST(the_first_grace_begins_when_it_is_asked_for) {
  CAF_CHECK(begin_grace({}, usual, false, start) == grace{start + 60s});
}

CAF_TEST(a_second_grace_begins_after_the_cool_down_and_not_a_moment_before) {
  const grace last{start + 60s};
  CAF_CHECK(!begin_grace(last, usual, false, start + 30s));
  CAF_CHECK(!begin_grace(last, usual, false, start + 60s));
  CAF_CHECK(!begin_grace(last, usual, false, start + 60s + 5min - 1ms));
  CAF_CHECK(begin_grace(last, usual, false, start + 60s + 5min) == grace{start + 60s + 5min + 60s});
}

CAF_TEST(a_pressed_node_bears_no_grace_whatever_the_user_may_have) {
  CAF_CHECK(!begin_grace({}, usual, true, start));
  CAF_CHECK(begin_grace({}, usual, false, start));
}

CAF_TEST(terms_without_extra_or_duration_are_no_grace) {
  CAF_CHECK(!begin_grace({}, {0, 60s, 5min}, false, start));
  CAF_CHECK(begin_grace({}, {1, 60s, 5min}, false, start));
  CAF_CHECK(!begin_grace({}, {5, 0ms, 5min}, false, start));
  CAF_CHECK(begin_grace({}, {5, 1ms, 5min}, false, start));
}

CAF_TEST(a_grace_without_a_cool_down_may_follow_the_last_at_once) {
  const grace_terms restless{5, 60s, 0ms};
  const grace last{start + 60s};
  CAF_CHECK(!begin_grace(last, restless, false, start + 60s - 1ms));
  CAF_CHECK(begin_grace(last, restless, false, start + 60s));
}

CAF_TEST(a_grace_is_remembered_until_its_cool_down_is_over_because_forgetting_would_end_it) {
  const grace last{start + 60s};
  CAF_CHECK(is_remembered(last, usual, start));
  CAF_CHECK(is_remembered(last, usual, start + 60s + 5min - 1ms));
  CAF_CHECK(!is_remembered(last, usual, start + 60s + 5min));
  CAF_CHECK(!is_remembered({}, usual, start));
}

// Whoever asks again and again, at whatever moment, gets no more than one grace in each duration and cool-down.
CAF_TEST(graces_never_overlap_and_never_skip_their_cool_down) {
  const grace_terms terms{2, 7s, 11s};
  grace last;
  std::size_t begun = 0;
  steady_time earliest = start;
  for (auto now = start; now < start + 200s; now += 1s) {
    CAF_CHECK(extra_allowed(last, terms, now) == 0 || extra_allowed(last, terms, now) == 2);
    const auto next = begin_grace(last, terms, false, now);
    if (!next) continue;
    CAF_CHECK(now >= earliest);
    CAF_CHECK_EQUAL(extra_allowed(last, terms, now), 0u);
    earliest = now + 7s + 11s;
    last = *next;
    ++begun;
  }
  CAF_CHECK_EQUAL(begun, 12u);
}
