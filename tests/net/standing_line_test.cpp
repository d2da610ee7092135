#include "net/standing_line.hpp"

#include <memory>
#include <string>
#include <vector>

#define CAF_SUITE standing_line
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

/// Those who came, by a letter each, and who had to go.
struct crowd {
  explicit crowd(std::size_t most) : line{most} {}

  void come(char name, std::uint64_t address) {
    auto& mine = places.emplace_back(std::make_unique<standing_line::place>());
    *mine = line.join(address, [this, name, &place = *mine] {
      gone += name;
      place.give_back();
    });
  }

  standing_line line;
  std::vector<std::unique_ptr<standing_line::place>> places;
  std::string gone;
};

} // namespace

CAF_TEST(there_is_room_for_the_next_one_because_the_oldest_gives_way) {
  crowd here{3};
  for (const auto name : {'a', 'b', 'c'})
    here.come(name, static_cast<std::uint64_t>(name));
  CAF_CHECK_EQUAL(here.gone, "");
  here.come('d', 'd');
  CAF_CHECK_EQUAL(here.gone, "a");
  CAF_CHECK_EQUAL(here.line.size(), 3u);
}

CAF_TEST(an_address_that_takes_most_of_the_line_gives_way_before_one_that_came_earlier) {
  crowd here{4};
  here.come('a', 1);
  here.come('x', 2);
  here.come('y', 2);
  here.come('b', 3);
  here.come('c', 4);
  CAF_CHECK_EQUAL(here.gone, "x");
  here.come('z', 2);
  CAF_CHECK_EQUAL(here.gone, "xa");
}

CAF_TEST(who_came_lately_does_not_give_way_whatever_his_address_does) {
  crowd here{standing_line::looked_at + 3};
  for (std::size_t i = 0; i < standing_line::looked_at; ++i)
    here.come(static_cast<char>('a' + i), i + 1);
  for (const auto name : {'X', 'Y', 'Z'})
    here.come(name, 100);
  here.come('!', 100);
  CAF_CHECK_EQUAL(here.gone, "a");
}

CAF_TEST(a_place_is_given_back_once) {
  crowd here{2};
  here.come('a', 1);
  here.come('b', 1);
  here.places[0]->give_back();
  here.places[0]->give_back();
  CAF_CHECK_EQUAL(here.line.size(), 1u);
  auto moved = std::move(*here.places[1]);
  here.places.clear();
  CAF_CHECK_EQUAL(here.line.size(), 1u);
  moved = standing_line::place{};
  CAF_CHECK_EQUAL(here.line.size(), 0u);
}

CAF_TEST(nobody_gives_way_where_nobody_stands) {
  crowd here{2};
  CAF_CHECK(!here.line.shorten());
  here.come('a', 1);
  CAF_CHECK(here.line.shorten());
  CAF_CHECK_EQUAL(here.gone, "a");
  CAF_CHECK(!here.line.shorten());
}
