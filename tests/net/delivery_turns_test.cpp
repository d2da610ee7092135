#include "net/delivery_turns.hpp"

#define CAF_SUITE delivery_turns
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace std::chrono_literals;
using gangway::delivery_turns;
using gangway::steady_time;

namespace {

constexpr auto start = steady_time{} + 24h;
constexpr std::size_t window = 1000;

struct fixture {
  delivery_turns turns{window};

  void ask(std::uint64_t number, std::uint64_t bytes) {
    turns.ask({nullptr, number, bytes, static_cast<std::int64_t>(number)});
  }

  /// Whose turn it is; 0: nobody's.
  std::uint64_t next(std::size_t queued = 0, steady_time now = start) {
    const auto turn = turns.next(queued, now);
    return turn ? turn->number : 0;
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(delivery_turns_tests, fixture)

CAF_TEST(nobody_has_a_turn_who_did_not_ask) { CAF_CHECK_EQUAL(next(), 0u); }

CAF_TEST(half_of_the_window_is_shared_by_those_whose_frames_will_fit_in_the_order_of_their_wishes) {
  for (std::uint64_t number = 1; number <= 3; ++number)
    ask(number, 250);
  CAF_CHECK_EQUAL(next(), 1u);
  CAF_CHECK_EQUAL(next(), 2u);
  CAF_CHECK_EQUAL(next(), 0u); // 500 are promised
  turns.end(nullptr, 1);
  CAF_CHECK_EQUAL(next(251), 0u);
  CAF_CHECK_EQUAL(next(0), 3u);
}

CAF_TEST(a_frame_longer_than_the_window_goes_alone) {
  ask(1, 5000);
  ask(2, 1);
  CAF_CHECK_EQUAL(next(501), 0u);
  CAF_CHECK_EQUAL(next(500), 1u);
  CAF_CHECK_EQUAL(next(), 0u);
  turns.end(nullptr, 1);
  CAF_CHECK_EQUAL(next(5000), 0u); // it is in the queue now
  CAF_CHECK_EQUAL(next(0), 2u);
}

CAF_TEST(a_turn_is_over_when_its_request_was_answered_by_whomever) {
  ask(1, 5000);
  ask(2, 5000);
  CAF_CHECK_EQUAL(next(), 1u);
  turns.answered(2); // is not its turn yet: it will end it
  CAF_CHECK_EQUAL(next(), 0u);
  turns.answered(1);
  CAF_CHECK_EQUAL(next(), 2u);
}

CAF_TEST(a_turn_that_is_not_ended_keeps_others_waiting_for_a_while_and_no_longer) {
  ask(1, 5000);
  ask(2, 5000);
  CAF_CHECK_EQUAL(next(), 1u);
  CAF_CHECK_EQUAL(next(0, start + delivery_turns::patience - 1ms), 0u);
  CAF_CHECK_EQUAL(next(0, start + delivery_turns::patience), 2u);
}

CAF_TEST(a_wish_that_is_taken_back_is_not_granted) {
  ask(1, 10);
  ask(2, 10);
  turns.end(nullptr, 1);
  CAF_CHECK_EQUAL(next(), 2u);
  CAF_CHECK(turns.empty());
}

CAF_TEST_FIXTURE_SCOPE_END()
