#define CAF_SUITE inspector_request

#include "actors/inspector_request.hpp"

#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

using places = std::vector<std::string>;

std::string fault_of(std::string_view body) {
  const auto parsed = parse_cleanup(body);
  const auto* fault = std::get_if<request_fault>(&parsed);
  return fault ? fault->message : "";
}

std::uint32_t limit_of_text(const std::string& text) {
  const auto parsed = limit_of({{"limit", text}}, 50);
  const auto* number = std::get_if<std::uint32_t>(&parsed);
  return number ? *number : 0;
}

} // namespace

CAF_TEST(a_path_without_places_matches_itself_alone) {
  CAF_CHECK(match_path("/api/v1/users", "/api/v1/users") == places{});
  CAF_CHECK(!match_path("/api/v1/users", "/api/v1/user"));
  CAF_CHECK(!match_path("/api/v1/users", "/api/v1/users/"));
  CAF_CHECK(!match_path("/api/v1/users", "/api/v1"));
}

CAF_TEST(a_place_holds_what_the_path_says_there) {
  CAF_CHECK(match_path("/users/{}/cleanup", "/users/ann/cleanup") == places{"ann"});
  CAF_CHECK(match_path("/users/{}/threads/{}", "/users/ann/threads/t1") == (places{"ann", "t1"}));
  CAF_CHECK(!match_path("/users/{}/cleanup", "/users/ann/other"));
}

CAF_TEST(a_place_is_never_empty) {
  CAF_CHECK(!match_path("/users/{}", "/users/"));
  CAF_CHECK(!match_path("/users/{}/cleanup", "/users//cleanup"));
  CAF_CHECK(match_path("/users/{}", "/users/a") == places{"a"});
}

CAF_TEST(a_user_may_be_called_anything_because_places_are_decoded_after_the_path_is_split) {
  CAF_CHECK(match_path("/users/{}", "/users/ann%2Fbob%20%C3%A9%25") == places{"ann/bob \xC3\xA9%"});
  CAF_CHECK(match_path("/users/{}", "/users/a+b") == places{"a+b"});
  CAF_CHECK(!match_path("/users/{}", "/users/ann/bob"));
}

CAF_TEST(a_place_that_cannot_be_decoded_matches_nothing) {
  for (const auto* bad : {"/users/%", "/users/a%2", "/users/%zz", "/users/%2", "/users/%-1"})
    CAF_CHECK(!match_path("/users/{}", bad));
  CAF_CHECK(match_path("/users/{}", "/users/%2d") == places{"-"});
}

CAF_TEST(of_several_values_the_last_counts) {
  CAF_CHECK(find_value({{"user", "a"}, {"limit", "1"}, {"user", "b"}}, "user") == "b");
  CAF_CHECK(!find_value({{"user", "a"}}, "subject"));
}

CAF_TEST(a_limit_is_from_1_to_1000) {
  CAF_CHECK_EQUAL(limit_of_text("1"), 1u);
  CAF_CHECK_EQUAL(limit_of_text("1000"), 1000u);
  for (const auto* bad : {"0", "1001", "-1", "", "x", "5x", " 5", "5.0", "99999999999"})
    CAF_CHECK_EQUAL(limit_of_text(bad), 0u);
}

CAF_TEST(no_limit_is_the_usual_one) {
  const auto parsed = limit_of({{"user", "a"}}, 50);
  CAF_REQUIRE(std::holds_alternative<std::uint32_t>(parsed));
  CAF_CHECK_EQUAL(std::get<std::uint32_t>(parsed), 50u);
}

CAF_TEST(a_cleanup_says_its_level_and_may_say_more) {
  const auto least = parse_cleanup(R"({"level":"moderate"})");
  CAF_REQUIRE(std::holds_alternative<clean_up>(least));
  CAF_CHECK(std::get<clean_up>(least) == (clean_up{cleanup_scope::manual, cleanup_level::moderate, 0, false}));
  const auto most = parse_cleanup(R"({"level":"force","needed":3,"dry_run":true})");
  CAF_REQUIRE(std::holds_alternative<clean_up>(most));
  CAF_CHECK(std::get<clean_up>(most) == (clean_up{cleanup_scope::manual, cleanup_level::force, 3, true}));
}

CAF_TEST(a_cleanup_without_a_level_is_refused) {
  for (const auto* body : {"{}", R"({"level":"hard"})", R"({"level":3})", R"({"needed":1})"})
    CAF_CHECK_EQUAL(fault_of(body), "level is one of conservative, moderate, aggressive, force");
}

CAF_TEST(how_many_are_needed_is_a_whole_number) {
  CAF_CHECK_EQUAL(fault_of(R"({"level":"force","needed":4294967295})"), "");
  for (const auto* bad : {"-1", "1.5", "\"1\"", "null", "4294967296"})
    CAF_CHECK(fault_of(R"({"level":"force","needed":)" + std::string{bad} + '}').starts_with("needed is"));
}

CAF_TEST(a_dry_run_is_a_truth_value) {
  for (const auto* bad : {"1", "\"true\"", "null"})
    CAF_CHECK_EQUAL(fault_of(R"({"level":"force","dry_run":)" + std::string{bad} + '}'), "dry_run is true or false");
}

// Who asks for {"level":"force","dryrun":true} does not want to lose anything.
CAF_TEST(a_misspelled_member_is_refused) {
  CAF_CHECK_EQUAL(fault_of(R"({"level":"force","dryrun":true})"),
                  "the body has level, needed and dry_run, but no \"dryrun\"");
}

CAF_TEST(a_body_that_is_no_object_is_refused) {
  for (const auto* bad : {"", "[]", "null", "{", "level=force", "{\"level\":\"force\"}x", "\xff"})
    CAF_CHECK(fault_of(bad).starts_with("the body is a JSON object"));
}
