#define CAF_SUITE tier_fall

#include "actors/policy/tier_fall.hpp"

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

constexpr auto start = steady_time{} + 1h;
constexpr auto how_long = 2min;

} // namespace

CAF_TEST(a_tier_that_falls_keeps_what_the_user_has_until_the_time_is_over) {
  const auto room = keep_room({}, tier::pro, tier::free, 15, 3, start, how_long);
  CAF_CHECK(room == (kept_room{tier::pro, start + how_long, 15, 3}));
  CAF_CHECK(is_kept(room, start + how_long - 1ms));
  CAF_CHECK(!is_kept(room, start + how_long));
}

CAF_TEST(a_tier_that_rises_or_stays_keeps_nothing) {
  CAF_CHECK(!keep_room({}, tier::free, tier::pro, 15, 3, start, how_long));
  CAF_CHECK(!keep_room({}, tier::pro, tier::pro, 15, 3, start, how_long));
}

CAF_TEST(who_has_the_tier_again_has_no_need_of_what_was_kept) {
  const auto room = keep_room({}, tier::pro, tier::free, 15, 3, start, how_long);
  CAF_CHECK(!keep_room(room, tier::free, tier::pro, 15, 3, start + 1s, how_long));
  CAF_CHECK(!keep_room(room, tier::free, tier::enterprise, 15, 3, start + 1s, how_long));
}

CAF_TEST(a_tier_that_rises_half_way_leaves_what_was_kept) {
  const auto room = keep_room({}, tier::enterprise, tier::free, 90, 3, start, how_long);
  CAF_CHECK(keep_room(room, tier::free, tier::pro, 90, 3, start + 1s, how_long) == room);
}

CAF_TEST(who_falls_twice_keeps_what_it_has_and_remembers_the_highest) {
  const auto room = keep_room({}, tier::enterprise, tier::pro, 90, 3, start, how_long);
  const auto again = keep_room(room, tier::pro, tier::free, 80, 2, start + 1s, how_long);
  CAF_CHECK(again == (kept_room{tier::enterprise, start + 1s + how_long, 80, 2}));
}

CAF_TEST(what_is_over_is_not_remembered) {
  const auto room = keep_room({}, tier::enterprise, tier::pro, 90, 3, start, how_long);
  const auto later = keep_room(room, tier::pro, tier::free, 20, 2, start + how_long, how_long);
  CAF_CHECK(later == (kept_room{tier::pro, start + 2 * how_long, 20, 2}));
}
