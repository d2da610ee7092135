#include "net/auth/tickets.hpp"

#define CAF_SUITE tickets
#include <set>

#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

constexpr steady_time start{1h};

} // namespace

CAF_TEST(a_ticket_opens_once) {
  ticket_office office{3};
  const auto ticket = office.issue({{"ada"}, "pro"}, start);
  CAF_REQUIRE(ticket.has_value());
  CAF_CHECK(office.redeem(*ticket, start) == (ticket_grant{{"ada"}, "pro"}));
  CAF_CHECK(!office.redeem(*ticket, start));
}

CAF_TEST(a_ticket_is_good_for_thirty_seconds) {
  ticket_office office{0};
  const auto in_time = *office.issue({{"ada"}, ""}, start);
  const auto late = *office.issue({{"ada"}, ""}, start);
  CAF_CHECK(office.redeem(in_time, start + 30s).has_value());
  CAF_CHECK(!office.redeem(late, start + 30s + 1ms));
}

CAF_TEST(a_ticket_that_was_used_for_nothing_is_good_again) {
  ticket_office office{0};
  const auto ticket = *office.issue({{"ada"}, "pro"}, start);
  const auto granted = office.redeem(ticket, start + 20s);
  office.put_back(ticket, *granted, start + 20s);
  // Its first time is over, its second is not.
  CAF_CHECK(office.issue({{"bob"}, ""}, start + 40s).has_value());
  CAF_CHECK(office.redeem(ticket, start + 50s).has_value());
  office.put_back(ticket, *granted, start + 50s);
  CAF_CHECK(!office.redeem(ticket, start + 81s));
}

CAF_TEST(tickets_differ_and_fit_into_an_address) {
  ticket_office office{1};
  std::set<std::string> seen;
  for (int i = 0; i < 1000; ++i) {
    const auto ticket = *office.issue({{"ada"}, ""}, start);
    CAF_CHECK(seen.insert(ticket).second);
    CAF_CHECK_EQUAL(ticket.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_."),
                    std::string::npos);
  }
}

CAF_TEST(an_unknown_ticket_opens_nothing) {
  ticket_office office{1};
  const auto ticket = *office.issue({{"ada"}, ""}, start);
  for (const auto& wrong : {std::string{}, std::string{"1."}, ticket + "A", ticket.substr(1), "0" + ticket.substr(1)})
    CAF_CHECK(!office.redeem(wrong, start));
  CAF_CHECK(office.redeem(ticket, start).has_value());
}

CAF_TEST(a_ticket_says_which_office_it_is_from) {
  ticket_office office{12};
  const auto ticket = *office.issue({{"ada"}, ""}, start);
  CAF_CHECK(office_of(ticket, 13) == std::optional<std::size_t>{12});
  CAF_CHECK(!office_of(ticket, 12));
  for (const auto* wrong : {"", ".", "1", "x.y", "-1.y", " 1.y", "99999999999999999999999.y"})
    CAF_CHECK(!office_of(wrong, 4));
}

CAF_TEST(more_than_so_many_are_not_open_at_a_time) {
  ticket_office office{0};
  for (std::size_t i = 0; i < ticket_office::open_max; ++i)
    CAF_REQUIRE(office.issue({{"ada"}, ""}, start).has_value());
  CAF_CHECK(!office.issue({{"ada"}, ""}, start + 30s));
  CAF_CHECK(office.issue({{"ada"}, ""}, start + 31s).has_value());
}
