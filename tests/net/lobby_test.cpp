#include "net/lobby.hpp"

#define CAF_SUITE lobby
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

boost::asio::ip::address at(const char* text) { return boost::asio::ip::make_address(text); }

} // namespace

CAF_TEST(there_are_so_many_seats_and_they_come_back) {
  lobby here{2, 2};
  auto first = here.enter();
  auto second = here.enter();
  CAF_CHECK(first && second && !here.enter());
  auto moved = std::move(first);
  CAF_CHECK(moved && !first && !here.enter());
  moved.give_back();
  moved.give_back();
  CAF_CHECK_EQUAL(here.taken(), 1u);
  CAF_CHECK(here.enter());
  second = lobby_seat{};
  CAF_CHECK_EQUAL(here.taken(), 0u);
}

CAF_TEST(a_lobby_is_crowded_when_more_than_half_is_taken) {
  lobby here{4, 4};
  auto one = here.enter();
  auto two = here.enter();
  CAF_CHECK(!here.is_crowded());
  const auto three = here.enter();
  CAF_CHECK(here.is_crowded());
}

CAF_TEST(an_address_has_so_many_and_others_have_theirs) {
  lobby here{100, 3};
  std::vector<lobby_seat> seats;
  const auto sit = [&](const char* where) {
    auto seat = here.enter();
    const bool found = seat && seat.name(at(where));
    if (found) seats.push_back(std::move(seat));
    return found;
  };
  for (int i = 0; i < 3; ++i)
    CAF_CHECK(sit("192.0.2.1"));
  CAF_CHECK(!sit("192.0.2.1"));
  CAF_CHECK(sit("192.0.2.2"));
  seats.erase(seats.begin());
  CAF_CHECK(sit("192.0.2.1"));
  CAF_CHECK(!sit("192.0.2.1"));
  // Who was refused has left no trace.
  CAF_CHECK_EQUAL(here.taken(), seats.size());
}

CAF_TEST(an_ipv6_network_is_one_address) {
  lobby here{100, 1};
  auto one = here.enter();
  auto neighbour = here.enter();
  auto other = here.enter();
  CAF_CHECK(one.name(at("2001:db8::1")));
  CAF_CHECK(!neighbour.name(at("2001:db8::ffff:1")));
  CAF_CHECK(other.name(at("2001:db8:0:1::1")));
}

CAF_TEST(a_seat_is_named_once) {
  lobby here{100, 1};
  auto one = here.enter();
  auto other = here.enter();
  CAF_CHECK(one.name(at("192.0.2.1")));
  CAF_CHECK(one.name(at("192.0.2.2")));
  CAF_CHECK(other.name(at("192.0.2.2")));
}

CAF_TEST(thousands_of_addresses_do_not_crowd_each_other_out) {
  lobby here{20'000, 4};
  std::vector<lobby_seat> seats;
  std::size_t refused = 0;
  for (std::uint32_t i = 0; i < 8'000; ++i) {
    auto seat = here.enter();
    if (!seat.name(boost::asio::ip::address_v4{0x0A000000U + i})) ++refused;
    seats.push_back(std::move(seat));
  }
  CAF_CHECK(refused < 80);
}
