#include "net/auth/token_cache.hpp"

#define CAF_SUITE token_cache
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

token_claims claims(const std::string& user) { return {{user}, "", {}, utc_now()}; }

} // namespace

CAF_TEST(what_was_added_is_found_and_nothing_else) {
  token_cache cache{10};
  CAF_CHECK(cache.find("a") == nullptr);
  cache.add("a", claims("ada"));
  cache.add("b", claims("bob"));
  CAF_REQUIRE(cache.find("a") != nullptr);
  CAF_CHECK_EQUAL(cache.find("a")->user.value, "ada");
  CAF_CHECK_EQUAL(cache.find("b")->user.value, "bob");
  CAF_CHECK(cache.find("c") == nullptr);
  cache.clear();
  CAF_CHECK(cache.find("a") == nullptr);
  CAF_CHECK_EQUAL(cache.size(), 0u);
}

CAF_TEST(a_full_cache_forgets_the_oldest) {
  token_cache cache{3};
  for (const auto* token : {"a", "b", "c", "a", "d", "e"})
    cache.add(token, claims(token));
  CAF_CHECK_EQUAL(cache.size(), 3u);
  CAF_CHECK(cache.find("a") == nullptr);
  CAF_CHECK(cache.find("b") == nullptr);
  for (const auto* token : {"c", "d", "e"})
    CAF_CHECK(cache.find(token) != nullptr);
}
