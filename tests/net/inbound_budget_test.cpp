#include "net/inbound_budget.hpp"

#include <vector>

#define CAF_SUITE inbound_budget
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

constexpr std::size_t kib = 1024;

} // namespace

CAF_TEST(strangers_hold_so_much_together) {
  inbound_budget budget{{64 * kib, 1024 * kib}};
  auto one = budget.of_stranger();
  auto other = budget.of_stranger();
  CAF_CHECK(one.hold(40 * kib));
  CAF_CHECK(!other.hold(40 * kib));
  CAF_CHECK_EQUAL(budget.held().strangers, 40 * kib);
  CAF_CHECK(other.hold(24 * kib));
  CAF_CHECK(!other.hold(24 * kib + 1));
  CAF_CHECK_EQUAL(budget.held().strangers, 64 * kib);
  CAF_CHECK(one.hold(0));
  CAF_CHECK(other.hold(40 * kib));
  CAF_CHECK_EQUAL(budget.held().strangers, 40 * kib);
}

CAF_TEST(the_first_bytes_of_each_connection_are_free) {
  inbound_budget budget{{8 * kib, 8 * kib}};
  auto full = budget.of_stranger();
  CAF_CHECK(full.hold(8 * kib));
  std::vector<inbound_share> others;
  for (int i = 0; i < 100; ++i) {
    others.push_back(budget.of_stranger());
    CAF_CHECK(others.back().hold(inbound_budget::free_bytes));
  }
  CAF_CHECK(!others.front().hold(inbound_budget::free_bytes + 1));
}

CAF_TEST(users_hold_so_much_each_and_not_the_strangers) {
  inbound_budget budget{{8 * kib, 64 * kib}};
  auto ada = budget.of({"ada"});
  auto also_ada = budget.of({"ada"});
  auto bob = budget.of({"bob"});
  CAF_CHECK(ada.hold(40 * kib));
  CAF_CHECK(!also_ada.hold(40 * kib));
  CAF_CHECK(also_ada.hold(20 * kib));
  CAF_CHECK(bob.hold(64 * kib));
  CAF_CHECK_EQUAL(budget.held().users, 124 * kib);
  CAF_CHECK_EQUAL(budget.held().strangers, 0u);
}

CAF_TEST(what_ends_holds_nothing) {
  inbound_budget budget{{64 * kib, 64 * kib}};
  {
    auto one = budget.of_stranger();
    one.hold(10 * kib);
    auto moved = std::move(one);
    CAF_CHECK_EQUAL(budget.held().strangers, 10 * kib);
    // Somebody has signed in.
    moved = budget.of({"ada"});
    CAF_CHECK_EQUAL(budget.held().strangers, 0u);
    moved.hold(20 * kib);
    CAF_CHECK_EQUAL(budget.held().users, 20 * kib);
  }
  CAF_CHECK_EQUAL(budget.held().users, 0u);
}

CAF_TEST(whoever_has_much_may_always_have_less) {
  inbound_budget budget{{64 * kib, 64 * kib}};
  auto one = budget.of_stranger();
  auto other = budget.of_stranger();
  one.hold(60 * kib);
  other.hold(4 * kib + 0);
  CAF_CHECK(one.hold(50 * kib));
  CAF_CHECK_EQUAL(budget.held().strangers, 50 * kib);
}
