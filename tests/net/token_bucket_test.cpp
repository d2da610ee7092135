#include "net/token_bucket.hpp"

#define CAF_SUITE token_bucket
#include <caf/test/unit_test.hpp>

using namespace std::chrono_literals;
using gangway::steady_time;
using gangway::token_bucket;

namespace {

constexpr auto start = steady_time{} + 24h;

/// How many of a hundred it lets through at one moment.
int take_all(token_bucket& from, steady_time now) {
  int result = 0;
  for (int i = 0; i < 100; ++i)
    result += from.take(now) ? 1 : 0;
  return result;
}

} // namespace

CAF_TEST(a_bucket_holds_what_comes_in_during_one_second) {
  for (const auto& [rate, share, expected] :
       {std::tuple{10U, 1U, 10}, {10U, 2U, 5}, {10U, 3U, 3}, {1U, 1U, 1}, {1U, 4U, 1}, {99U, 1U, 99}, {0U, 1U, 100}}) {
    token_bucket subject{rate, share};
    CAF_CHECK_EQUAL(take_all(subject, start), expected);
    CAF_CHECK_EQUAL(take_all(subject, start), rate == 0 ? 100 : 0);
  }
}

CAF_TEST(an_empty_bucket_lets_the_next_one_through_when_it_has_come_in) {
  token_bucket subject{10, 1};
  take_all(subject, start);
  CAF_CHECK(!subject.take(start + 100ms - 1ns));
  CAF_CHECK(subject.take(start + 100ms));
  CAF_CHECK(!subject.take(start + 200ms - 1ns));
  CAF_CHECK_EQUAL(take_all(subject, start + 500ms), 4);
}

CAF_TEST(a_share_of_less_than_one_per_second_comes_in_all_the_same) {
  token_bucket subject{1, 4};
  CAF_CHECK(subject.take(start));
  CAF_CHECK(!subject.take(start + 4s - 1ns));
  CAF_CHECK(subject.take(start + 4s));
}

CAF_TEST(a_bucket_does_not_overflow) {
  token_bucket subject{10, 1};
  take_all(subject, start);
  CAF_CHECK_EQUAL(take_all(subject, start + 1h), 10);
  CAF_CHECK_EQUAL(take_all(subject, start + 1h + 1s - 1ns), 9);
}
