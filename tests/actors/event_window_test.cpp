#define CAF_SUITE event_window
#include "actors/event_window.hpp"

#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

frame text_of(std::size_t bytes) { return std::make_shared<const std::string>(bytes, 'x'); }

} // namespace

CAF_TEST(an_empty_window_covers_the_newest_position_only) {
  event_window window;
  window.reset(5);
  CAF_CHECK(window.covers(4));
  CAF_CHECK(!window.covers(3));
}

CAF_TEST(every_frame_is_found_at_its_place) {
  event_window window;
  for (sequence seq = 7; seq < 40; ++seq)
    window.push(seq, text_of(seq));
  for (sequence seq = 7; seq < 40; ++seq)
    CAF_CHECK_EQUAL(window.at(seq)->size(), seq);
  CAF_CHECK(window.covers(6));
  CAF_CHECK(!window.covers(5));
}

CAF_TEST(the_oldest_frame_is_forgotten_beyond_the_number) {
  event_window window;
  for (sequence seq = 1; seq <= event_window::frames_max; ++seq)
    window.push(seq, text_of(1));
  CAF_CHECK(window.covers(0));
  window.push(event_window::frames_max + 1, text_of(1));
  CAF_CHECK(!window.covers(0));
  CAF_CHECK(window.covers(1));
  CAF_CHECK_EQUAL(window.size(), event_window::frames_max);
}

CAF_TEST(the_oldest_frames_are_forgotten_beyond_the_bytes) {
  event_window window;
  window.push(1, text_of(event_window::bytes_max - 1));
  window.push(2, text_of(1));
  CAF_CHECK(window.covers(0));
  window.push(3, text_of(1));
  CAF_CHECK(!window.covers(0));
  CAF_CHECK_EQUAL(window.bytes(), 2u);
}

CAF_TEST(a_frame_larger_than_the_window_is_kept_alone) {
  event_window window;
  window.push(1, text_of(1));
  window.push(2, text_of(event_window::bytes_max * 2));
  CAF_CHECK(window.covers(1));
  CAF_CHECK_EQUAL(window.size(), 1u);
}

CAF_TEST(what_everybody_has_is_forgotten_and_the_rest_stays) {
  event_window window;
  for (sequence seq = 1; seq <= 10; ++seq)
    window.push(seq, text_of(seq));
  window.forget(0);
  CAF_CHECK_EQUAL(window.size(), 10u);
  window.forget(4);
  CAF_CHECK_EQUAL(window.size(), 6u);
  CAF_CHECK_EQUAL(window.bytes(), 45u);
  CAF_CHECK(window.covers(4));
  CAF_CHECK(!window.covers(3));
  CAF_CHECK_EQUAL(window.at(5)->size(), 5u);
  window.forget(99);
  CAF_CHECK_EQUAL(window.size(), 0u);
  CAF_CHECK_EQUAL(window.bytes(), 0u);
  CAF_CHECK(window.covers(10));
  window.push(11, text_of(11));
  CAF_CHECK_EQUAL(window.at(11)->size(), 11u);
  CAF_CHECK(!window.covers(9));
}
