#include "net/client_address.hpp"

#define CAF_SUITE client_address
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

const trusted_proxies trusted{{"10.0.0.0/8", "127.0.0.1", "fd00::/8"}};

std::string client(const char* peer, const char* forwarded) {
  return client_address(boost::asio::ip::make_address(peer), forwarded, trusted).to_string();
}

} // namespace

CAF_TEST(a_peer_that_nobody_trusts_is_the_client) {
  CAF_CHECK_EQUAL(client("192.0.2.1", "198.51.100.1"), "192.0.2.1");
  CAF_CHECK_EQUAL(client("2001:db8::1", "198.51.100.1"), "2001:db8::1");
}

CAF_TEST(a_trusted_proxy_is_believed_and_whom_it_quotes_is_not) {
  CAF_CHECK_EQUAL(client("10.1.2.3", "198.51.100.1"), "198.51.100.1");
  CAF_CHECK_EQUAL(client("10.1.2.3", "203.0.113.9, 198.51.100.1"), "198.51.100.1");
  CAF_CHECK_EQUAL(client("10.1.2.3", "203.0.113.9,198.51.100.1 , 10.9.9.9"), "198.51.100.1");
  CAF_CHECK_EQUAL(client("fd00::1", "2001:db8::7"), "2001:db8::7");
  CAF_CHECK_EQUAL(client("::ffff:10.1.2.3", "198.51.100.1"), "198.51.100.1");
}

CAF_TEST(an_ipv4_address_is_one_however_it_is_written) {
  CAF_CHECK_EQUAL(client("::ffff:192.0.2.1", ""), "192.0.2.1");
  CAF_CHECK_EQUAL(client("10.1.2.3", "::ffff:198.51.100.1"), "198.51.100.1");
  CAF_CHECK_EQUAL(client("10.1.2.3", "198.51.100.1, [::ffff:10.9.9.9]:4711"), "198.51.100.1");
  const trusted_proxies mapped{{"::ffff:10.0.0.0/104", "::ffff:192.0.2.1"}};
  const auto holds = [&](const char* address) { return mapped.contains(boost::asio::ip::make_address(address)); };
  for (const auto* in : {"10.0.0.0", "10.255.255.255", "::ffff:10.1.1.1", "192.0.2.1", "::ffff:192.0.2.1"})
    CAF_CHECK(holds(in));
  for (const auto* out : {"11.0.0.0", "192.0.2.2", "::10.0.0.1", "::ffff:11.0.0.0"})
    CAF_CHECK(!holds(out));
  CAF_CHECK(trusted_proxies{{"::/0"}}.contains(boost::asio::ip::make_address("2001:db8::1")));
}

CAF_TEST(ports_and_brackets_are_no_part_of_an_address) {
  CAF_CHECK_EQUAL(client("127.0.0.1", "198.51.100.1:4711"), "198.51.100.1");
  CAF_CHECK_EQUAL(client("127.0.0.1", "[2001:db8::7]:4711"), "2001:db8::7");
  CAF_CHECK_EQUAL(client("127.0.0.1", "[2001:db8::7]"), "2001:db8::7");
}

CAF_TEST(what_cannot_be_read_ends_the_search) {
  for (const auto* garbled : {"", " ", ",", "unknown", "198.51.100.1, _hidden", "198.51.100.1,", "[", "[]:1", "1.2.3"})
    CAF_CHECK_EQUAL(client("127.0.0.1", garbled), "127.0.0.1");
  CAF_CHECK_EQUAL(client("127.0.0.1", "10.0.0.1, 10.0.0.2"), "10.0.0.1");
}

CAF_TEST(networks_hold_what_is_in_them) {
  const auto holds = [](const char* address) { return trusted.contains(boost::asio::ip::make_address(address)); };
  for (const auto* in : {"10.0.0.0", "10.255.255.255", "127.0.0.1", "fd12::", "::ffff:10.1.1.1"})
    CAF_CHECK(holds(in));
  for (const auto* out : {"11.0.0.0", "9.255.255.255", "127.0.0.2", "fe80::1", "::1", "::ffff:11.0.0.1"})
    CAF_CHECK(!holds(out));
  CAF_CHECK(!trusted_proxies{}.contains(boost::asio::ip::make_address("127.0.0.1")));
}
