#define CAF_SUITE frame_budget

#include "net/frame_budget.hpp"

#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

constexpr frame_rates ten_frames{10, 0};
constexpr frame_rates ten_bytes{0, 10};

/// Says frames of one byte until one is not within the budget, at most `most`; returns how many were.
int say(frame_budget& subject, const frame_rates& rates, steady_time now, int most = 100'000, bool is_light = false) {
  int said = 0;
  while (said < most && subject.take(rates, is_light, 1, now) == frame_verdict::within)
    ++said;
  return said;
}

constexpr auto start = steady_time{} + 1h;

} // namespace

CAF_TEST(ten_seconds_of_frames_may_come_at_once_and_no_more) {
  frame_budget subject;
  CAF_CHECK_EQUAL(say(subject, ten_frames, start), 100);
}

CAF_TEST(what_was_spent_comes_back_at_the_rate) {
  frame_budget subject;
  say(subject, ten_frames, start);
  CAF_CHECK_EQUAL(say(subject, ten_frames, start + 99ms), 0);
  CAF_CHECK_EQUAL(say(subject, ten_frames, start + 100ms), 1);
  CAF_CHECK_EQUAL(say(subject, ten_frames, start + 1100ms), 10);
  CAF_CHECK_EQUAL(say(subject, ten_frames, start + 1h), 100);
}

CAF_TEST(who_keeps_to_the_rate_is_never_refused) {
  frame_budget subject;
  for (int i = 0; i < 100'000; ++i)
    CAF_REQUIRE(subject.take(ten_frames, false, 100, start + i * 100ms) == frame_verdict::within);
}

CAF_TEST(bytes_have_a_budget_of_their_own) {
  frame_budget subject;
  CAF_CHECK_EQUAL(say(subject, ten_bytes, start), 100);
  CAF_CHECK(subject.take(ten_bytes, false, 10, start + 1s) == frame_verdict::within);
  CAF_CHECK(subject.take(ten_bytes, false, 1, start + 1s) == frame_verdict::refused);
}

CAF_TEST(one_large_frame_is_within_the_budget_however_large_and_is_paid_for_by_the_next_ones) {
  frame_budget subject;
  CAF_CHECK(subject.take(ten_bytes, false, 1'000, start) == frame_verdict::within);
  CAF_CHECK(subject.take(ten_bytes, false, 1, start + 89s) == frame_verdict::refused);
  CAF_CHECK(subject.take(ten_bytes, false, 1, start + 91s) == frame_verdict::within);
}

CAF_TEST(acknowledgements_and_pongs_cost_an_eighth) {
  frame_budget subject;
  CAF_CHECK_EQUAL(say(subject, ten_frames, start, 100'000, true), 800);
}

CAF_TEST(who_is_refused_is_told_when_there_is_room_and_then_there_is) {
  frame_budget subject;
  say(subject, ten_bytes, start, 99);
  subject.take(ten_bytes, false, 51, start);
  CAF_CHECK(subject.take(ten_bytes, false, 1, start) == frame_verdict::refused);
  const auto wait = subject.retry_after(ten_bytes, start);
  CAF_CHECK_EQUAL(wait.count(), 5'000);
  CAF_CHECK(subject.take(ten_bytes, false, 1, start + wait) == frame_verdict::refused);
  CAF_CHECK(subject.take(ten_bytes, false, 1, start + wait + 1ms) == frame_verdict::within);
}

CAF_TEST(who_goes_on_for_a_thousand_refused_frames_is_abusive_and_one_less_is_not) {
  frame_budget subject;
  say(subject, ten_frames, start, 100);
  for (int i = 0; i < 1'000; ++i)
    CAF_REQUIRE(subject.take(ten_frames, false, 1, start) == frame_verdict::refused);
  CAF_CHECK(subject.take(ten_frames, false, 1, start) == frame_verdict::abusive);
}

CAF_TEST(a_row_of_refused_frames_ends_when_half_of_the_budget_is_back_and_not_before) {
  for (const auto& [rest, expected] :
       {std::pair{4900ms, frame_verdict::abusive}, std::pair{5000ms, frame_verdict::refused}}) {
    frame_budget subject;
    say(subject, ten_frames, start, 100);
    for (int i = 0; i < 1'000; ++i)
      subject.take(ten_frames, false, 1, start);
    while (subject.take(ten_frames, false, 1, start + rest) == frame_verdict::within) {
    }
    CAF_CHECK(subject.take(ten_frames, false, 1, start + rest) == expected);
  }
}

CAF_TEST(without_rates_nothing_is_refused) {
  frame_budget subject;
  CAF_CHECK_EQUAL(say(subject, {}, start, 1'000'000), 1'000'000);
}
