#include "net/auth/jwks_source.hpp"

#define CAF_SUITE jwks_source
#include <deque>

#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "tests/net/auth/signer.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;

namespace {

/// A source whose fetches the test answers itself, on a loop that the test turns.
struct workplace {
  boost::asio::io_context loop;
  std::deque<std::function<void(jwks_source::fetched)>> fetches;
  std::vector<std::size_t> sets; ///< the sizes of those that came into force
  std::vector<std::string> states;
  std::vector<key_renewal> renewals;
  jwks_source source;

  explicit workplace(jwks_rules rules = {1h, 200ms})
      : source{loop,
               rules,
               [this](auto done) { fetches.push_back(std::move(done)); },
               {[this](const std::shared_ptr<const key_set>& keys) { sets.push_back(keys->size()); },
                [this](const std::string& state) { states.push_back(state); }}} {}

  void renew() {
    source.renew([this](key_renewal what) { renewals.push_back(what); });
  }

  void answer(jwks_source::fetched what) {
    CAF_REQUIRE(!fetches.empty());
    const auto done = std::move(fetches.front());
    fetches.pop_front();
    done(std::move(what));
  }

  void answer_with(const std::string& body, std::optional<std::chrono::seconds> max_age = {}) {
    answer(jwks_document{body, max_age});
  }

  /// Turns the loop until another fetch begins. Returns after how long, or nothing if none began in time.
  std::optional<std::chrono::milliseconds> next_fetch(std::chrono::milliseconds patience) {
    const auto begin = std::chrono::steady_clock::now();
    const auto before = fetches.size();
    loop.restart();
    while (fetches.size() == before) {
      const auto gone = std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
      if (gone > patience) return std::nullopt;
      loop.run_one_for(patience - gone + 1ms);
    }
    return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
  }
};

const std::string one_key = key_set_of(signer{"ES256"}.jwk("a"));
const std::string two_keys = key_set_of(signer{"ES256"}.jwk("a"), signer{"EdDSA"}.jwk("b"));

} // namespace

CAF_TEST(it_is_not_ready_before_the_first_keys) {
  workplace here;
  here.source.start();
  CAF_CHECK(!here.states.at(0).empty());
  here.answer_with(one_key);
  CAF_CHECK_EQUAL(here.sets, std::vector<std::size_t>{1});
  CAF_CHECK_EQUAL(here.states.back(), "");
}

CAF_TEST(an_empty_answer_is_no_set_of_keys) {
  workplace here;
  here.source.start();
  here.answer_with("");
  CAF_CHECK(!here.states.back().empty());
  CAF_CHECK(here.sets.empty());
}

CAF_TEST(whoever_asks_while_a_fetch_is_under_way_waits_for_that_one) {
  workplace here;
  here.source.start();
  here.answer_with(one_key);
  CAF_CHECK(!here.next_fetch(250ms)); // a little longer than `retry`
  for (int i = 0; i < 50; ++i)
    here.renew();
  CAF_CHECK_EQUAL(here.fetches.size(), 1u);
  CAF_CHECK(here.renewals.empty());
  here.answer_with(two_keys);
  CAF_CHECK_EQUAL(here.renewals, std::vector<key_renewal>(50, key_renewal::done));
  CAF_CHECK_EQUAL(here.sets, (std::vector<std::size_t>{1, 2}));
}

CAF_TEST(it_is_not_asked_again_so_soon) {
  workplace here;
  here.source.start();
  here.answer_with(one_key);
  here.renew();
  CAF_CHECK(here.fetches.empty());
  CAF_CHECK_EQUAL(here.renewals, std::vector<key_renewal>{key_renewal::not_yet});
}

CAF_TEST(keys_stay_in_force_while_newer_ones_cannot_be_had) {
  workplace here;
  here.source.start();
  here.answer_with(one_key);
  CAF_CHECK(!here.next_fetch(250ms));
  for (const auto& bad : {jwks_source::fetched{"nobody listens"}, jwks_source::fetched{jwks_document{"<html>", {}}},
                          jwks_source::fetched{jwks_document{R"({"keys":[]})", {}}}}) {
    here.renew();
    here.answer(bad);
    CAF_CHECK(here.renewals.back() == key_renewal::unavailable);
    // Neither does whoever comes too soon after it learn that his key is bad.
    here.renew();
    CAF_CHECK(here.renewals.back() == key_renewal::unavailable);
    CAF_CHECK(here.next_fetch(1s).has_value()); // it tries again by itself
    here.answer(bad);
    CAF_CHECK(here.next_fetch(1s).has_value());
    here.answer_with(one_key);
    CAF_CHECK(!here.next_fetch(250ms));
  }
  CAF_CHECK_EQUAL(here.sets, std::vector<std::size_t>{1}); // the same keys once more are no news
  CAF_CHECK_EQUAL(here.states.back(), "");
  CAF_CHECK_EQUAL(here.states.size(), 2u); // not yet, ready; nothing in between
}

CAF_TEST(a_start_without_keys_is_tried_again_soon_and_says_why) {
  workplace here{{1h, 2s}};
  here.source.start();
  here.answer("nobody listens");
  CAF_CHECK(here.states.back().find("nobody listens") != std::string::npos);
  const auto first = here.next_fetch(5s);
  CAF_CHECK(first && *first >= 400ms && *first < 1900ms);
  here.answer("nobody listens");
  const auto second = here.next_fetch(5s);
  CAF_CHECK(second && *second >= 900ms);
  here.answer_with(one_key);
  CAF_CHECK_EQUAL(here.states.back(), "");
}

CAF_TEST(keys_are_fetched_again_when_their_server_says_so) {
  workplace here{{1h, 100ms}};
  here.source.start();
  here.answer_with(one_key, 1s);
  const auto after = here.next_fetch(5s);
  CAF_CHECK(after && *after >= 900ms);
  // Not more often than `retry`, whatever the server says.
  here.answer_with(two_keys, 0s);
  const auto next = here.next_fetch(5s);
  CAF_CHECK(next && *next >= 90ms);
}

CAF_TEST(whoever_waits_at_the_end_is_told_so) {
  workplace here;
  here.source.start();
  here.renew();
  here.source.stop();
  here.renew();
  CAF_CHECK_EQUAL(here.renewals, std::vector<key_renewal>(2, key_renewal::unavailable));
  here.answer_with(one_key);
  CAF_CHECK(here.sets.empty());
}

CAF_TEST(cache_control_says_how_long_an_answer_may_be_kept) {
  CAF_CHECK(!max_age_of(""));
  CAF_CHECK(!max_age_of("public, must-revalidate"));
  CAF_CHECK(max_age_of("max-age=600") == 600s);
  CAF_CHECK(max_age_of("public,max-age=600 , immutable") == 600s);
  CAF_CHECK(max_age_of("max-age=\"60\"") == 60s);
  CAF_CHECK(max_age_of("no-cache") == 0s);
  CAF_CHECK(max_age_of("max-age=600, no-store") == 0s);
  CAF_CHECK(!max_age_of("max-age=, max-age=x, max-age=-1, s-maxage=5"));
  CAF_CHECK(max_age_of("max-age=99999999999999999999999") == 365 * 24h);
}
