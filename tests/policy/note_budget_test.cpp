#define CAF_SUITE note_budget

#include "actors/policy/note_budget.hpp"

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

constexpr auto start = steady_time{} + 1h;
constexpr note_terms terms{3, 500ms};

} // namespace

CAF_TEST(as_many_as_may_come_at_once_are_noted_and_the_next_is_not) {
  note_budget budget;
  for (int i = 0; i < 3; ++i)
    CAF_CHECK(take_note(budget, terms, start) == 0u);
  CAF_CHECK(!take_note(budget, terms, start));
}

CAF_TEST(the_next_note_says_how_many_were_left_out_and_the_one_behind_it_none) {
  note_budget budget;
  for (int i = 0; i < 10; ++i)
    take_note(budget, terms, start);
  CAF_CHECK(!take_note(budget, terms, start + 499ms));
  CAF_CHECK(take_note(budget, terms, start + 500ms) == 8u);
  CAF_CHECK(take_note(budget, terms, start + 1s) == 0u);
}

CAF_TEST(what_is_left_out_does_not_make_the_next_one_come_later) {
  note_budget budget;
  std::uint32_t noted = 0;
  for (auto time = 0ms; time < 10s; time += 1ms)
    noted += take_note(budget, terms, start + time).has_value();
  CAF_CHECK_EQUAL(noted, 3u + 19u);
}

CAF_TEST(a_quiet_time_gives_back_as_many_as_may_come_at_once_and_no_more) {
  note_budget budget;
  for (int i = 0; i < 3; ++i)
    take_note(budget, terms, start);
  for (int i = 0; i < 3; ++i)
    CAF_CHECK(take_note(budget, terms, start + 1h) == 0u);
  CAF_CHECK(!take_note(budget, terms, start + 1h));
}
