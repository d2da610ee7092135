#define CAF_SUITE cleanup

#include "protocol/cleanup.hpp"

#include <string>
#include <string_view>
#include <vector>

#include <nlohmann/json.hpp>

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::string_literals;

namespace {

/// Returns an id that ends in `last`.
template <class Id>
Id id(char last) {
  return *Id::parse("0192c3f2-0000-7000-8000-00000000000"s + last);
}

std::string text(char last) { return "0192c3f2-0000-7000-8000-00000000000"s + last; }

template <class Enumerator>
std::string names(std::size_t count) {
  std::string result;
  for (std::size_t i = 0; i < count; ++i)
    result += std::string{to_string(static_cast<Enumerator>(i))} + ' ';
  return result;
}

/// A cleanup that evicted two and closed one, with every field set.
decision whole() {
  decision result;
  result.id = id<decision_id>('d');
  result.user = {"Zo\u00eb \"z\""};
  result.tier = "pro";
  result.time = utc_time{std::chrono::milliseconds{1'795'293'901'263}};
  result.scope = cleanup_scope::manual;
  result.level = cleanup_level::aggressive;
  result.outcome = cleanup_outcome::partly;
  result.used = 20;
  result.limit = 21;
  result.needed = 3;
  result.took = std::chrono::microseconds{1'512'345};
  result.attempts = {{cleanup_level::conservative, 1, 1}, {cleanup_level::aggressive, 2, 1}};
  result.roster = {
      {id<manager_id>('1'), {"t1"}, true, false, 2, std::chrono::milliseconds{61'000}, {}},
      {id<manager_id>('2'), {"t2"}, false, true, 0, std::chrono::milliseconds{5}, {finding::hung, finding::silent}}};
  result.evictions = {{id<manager_id>('2'),
                       {"t2"},
                       {id<connection_id>('a'), id<connection_id>('b')},
                       cleanup_level::aggressive,
                       eviction_reason::zombie,
                       {finding::hung, finding::silent}},
                      {id<manager_id>('3'), {"t3"}, {}, cleanup_level::conservative, eviction_reason::inactive, {}}};
  result.connections = {
      {id<connection_id>('b'), close_code::evicted, "evicted: no answer", finding::silent},
      {id<connection_id>('c'), close_code::no_pong, "no pong", {}},
  };
  return result;
}

} // namespace

CAF_TEST(everything_has_the_name_of_its_enumerator) {
  CAF_CHECK_EQUAL(names<cleanup_level>(cleanup_levels), "conservative moderate aggressive force ");
  CAF_CHECK_EQUAL(names<cleanup_scope>(cleanup_scopes), "request background surplus node manual ");
  CAF_CHECK_EQUAL(names<eviction_reason>(eviction_reasons), "zombie inactive idle least_recently_useful ");
  CAF_CHECK_EQUAL(names<finding>(findings), "hung mismatched stuck_closing unfit silent unreachable stalled crashed ");
  CAF_CHECK_EQUAL(names<cleanup_outcome>(cleanup_outcomes), "freed partly nothing ");
  CAF_CHECK_EQUAL(names<decision::kind>(5),
                  "cleanup connection_replaced connection_dead manager_crashed manager_leaked ");
}

CAF_TEST(what_is_no_enumerator_is_unknown) {
  CAF_CHECK_EQUAL(to_string(static_cast<cleanup_level>(cleanup_levels)), "unknown");
  CAF_CHECK_EQUAL(to_string(static_cast<cleanup_scope>(cleanup_scopes)), "unknown");
  CAF_CHECK_EQUAL(to_string(static_cast<eviction_reason>(eviction_reasons)), "unknown");
  CAF_CHECK_EQUAL(to_string(static_cast<finding>(findings)), "unknown");
  CAF_CHECK_EQUAL(to_string(static_cast<cleanup_outcome>(cleanup_outcomes)), "unknown");
  CAF_CHECK_EQUAL(to_string(static_cast<decision::kind>(5)), "unknown");
}

CAF_TEST(a_level_is_read_by_its_name_and_by_nothing_else) {
  for (std::size_t i = 0; i < cleanup_levels; ++i) {
    const auto level = static_cast<cleanup_level>(i);
    CAF_CHECK(parse_cleanup_level(to_string(level)) == level);
  }
  for (const auto* other : {"", "Force", "force ", "forc", "forces", "unknown", "0", "3"})
    CAF_CHECK(!parse_cleanup_level(other));
}

CAF_TEST(levels_ascend_so_that_each_contains_the_lower_ones) {
  CAF_CHECK(cleanup_level::conservative < cleanup_level::moderate);
  CAF_CHECK(cleanup_level::moderate < cleanup_level::aggressive);
  CAF_CHECK(cleanup_level::aggressive < cleanup_level::force);
}

CAF_TEST(a_cleanup_is_encoded_with_everything_that_it_was_made_from) {
  const auto expected = nlohmann::ordered_json::parse(
      R"({"decision_id":")" + text('d')
      + R"(","kind":"cleanup","user_id":"Zo\u00eb \"z\"","tier":"pro","ts":1795293901263,"scope":"manual",)"
        R"("level":"aggressive","outcome":"partly","needed":3,"attempts":[)"
        R"({"level":"conservative","candidates":1,"evicted":1},{"level":"aggressive","candidates":2,"evicted":1}],)"
        R"("managers_used":20,"managers_max":21,"took_us":1512345,"evictions":[{"manager_id":")"
      + text('2') + R"(","thread_id":"t2","connections":[")" + text('a') + R"(",")" + text('b')
      + R"("],"level":"aggressive","reason":"zombie","evidence":["hung","silent"]},{"manager_id":")" + text('3')
      + R"(","thread_id":"t3","connections":[],"level":"conservative","reason":"inactive","evidence":[]}],)"
        R"("connections":[{"connection_id":")"
      + text('b') + R"(","code":4440,"reason":"evicted: no answer","evidence":["silent"]},{"connection_id":")"
      + text('c') + R"(","code":4012,"reason":"no pong"}],"roster":[{"manager_id":")" + text('1')
      + R"(","thread_id":"t1","opening":true,"live_run":false,"living_connections":2,"useful_ms_ago":61000,)"
        R"("evidence":[]},{"manager_id":")"
      + text('2')
      + R"(","thread_id":"t2","opening":false,"live_run":true,"living_connections":0,"useful_ms_ago":5,)"
        R"("evidence":["hung","silent"]}]})");
  CAF_CHECK_EQUAL(nlohmann::ordered_json::parse(encode(whole()).value).dump(), expected.dump());
}

CAF_TEST(only_a_dry_run_says_that_it_was_one) {
  auto what = whole();
  CAF_CHECK(!nlohmann::json::parse(encode(what).value).contains("dry_run"));
  what.dry_run = true;
  CAF_CHECK(nlohmann::json::parse(encode(what).value).at("dry_run") == true);
}

CAF_TEST(what_was_no_cleanup_has_no_level_and_no_scope) {
  auto what = whole();
  what.what = decision::kind::connection_dead;
  const auto encoded = nlohmann::json::parse(encode(what).value);
  CAF_CHECK_EQUAL(encoded.at("kind"), "connection_dead");
  for (const auto* absent : {"scope", "level", "outcome", "needed", "attempts"})
    CAF_CHECK(!encoded.contains(absent));
  for (const auto* present : {"decision_id", "user_id", "tier", "ts", "managers_used", "managers_max", "took_us",
                              "evictions", "connections", "roster"})
    CAF_CHECK(encoded.contains(present));
}

CAF_TEST(a_decision_about_nobody_is_json_too) {
  const auto encoded = nlohmann::json::parse(encode({}).value);
  for (const auto* empty : {"attempts", "evictions", "connections", "roster"})
    CAF_CHECK(encoded.at(empty) == nlohmann::json::array());
  CAF_CHECK_EQUAL(encoded.at("ts"), 0);
}

CAF_TEST(a_decision_is_found_by_every_manager_and_connection_that_it_ended) {
  const auto subjects = subjects_of(whole());
  CAF_CHECK(subjects == (std::vector{text('2'), text('a'), text('b'), text('3'), text('b'), text('c')}));
  // Not by those that were only considered.
  CAF_CHECK(subjects_of({}).empty());
  auto nobody = whole();
  nobody.evictions.clear();
  nobody.connections.clear();
  CAF_CHECK(subjects_of(nobody).empty());
}
