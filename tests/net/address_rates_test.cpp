#include "net/address_rates.hpp"

#define CAF_SUITE address_rates
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

boost::asio::ip::address at(const char* text) { return boost::asio::ip::make_address(text); }

/// How many of so many at one time are within the rate.
int taken(address_rates& rates, const boost::asio::ip::address& client, steady_time now, int many) {
  int result = 0;
  for (int i = 0; i < many; ++i)
    if (rates.take(client, now)) ++result;
  return result;
}

} // namespace

CAF_TEST(an_address_has_its_rate_and_what_is_held_of_it_at_once) {
  address_rates rates{10};
  const steady_time begin{1h};
  CAF_CHECK_EQUAL(taken(rates, at("192.0.2.1"), begin, 200), 80);
  CAF_CHECK_EQUAL(taken(rates, at("192.0.2.1"), begin + 1s, 200), 10);
  CAF_CHECK_EQUAL(taken(rates, at("192.0.2.1"), begin + 1h, 200), 80);
}

CAF_TEST(addresses_do_not_pay_for_each_other) {
  address_rates rates{10};
  const steady_time begin{1h};
  for (std::uint32_t i = 0; i < 500; ++i)
    taken(rates, boost::asio::ip::address_v4{0x0A000000U + i}, begin, 200);
  int refused = 0;
  for (std::uint32_t i = 0; i < 500; ++i)
    if (rates.is_beyond(boost::asio::ip::address_v4{0xC0000000U + i}, begin)) ++refused;
  // Each of the two cells is taken by chance one time in eight.
  CAF_CHECK(refused < 30);
}

CAF_TEST(an_ipv6_network_is_one_address) {
  address_rates rates{1};
  const steady_time begin{1h};
  taken(rates, at("2001:db8::1"), begin, 100);
  CAF_CHECK(rates.is_beyond(at("2001:db8::ffff:1"), begin));
  CAF_CHECK(!rates.is_beyond(at("2001:db8:0:1::1"), begin));
}

CAF_TEST(to_look_costs_nothing) {
  address_rates rates{1};
  const steady_time begin{1h};
  for (int i = 0; i < 100; ++i)
    CAF_CHECK(!rates.is_beyond(at("192.0.2.1"), begin));
  CAF_CHECK_EQUAL(taken(rates, at("192.0.2.1"), begin, 100), 8);
  for (int i = 0; i < 1000; ++i)
    rates.is_beyond(at("192.0.2.1"), begin);
  CAF_CHECK_EQUAL(taken(rates, at("192.0.2.1"), begin + 1s, 100), 1);
}

CAF_TEST(without_a_rate_nobody_is_beyond_it) {
  address_rates rates{0};
  CAF_CHECK_EQUAL(taken(rates, at("192.0.2.1"), steady_time{1h}, 1000), 1000);
}
