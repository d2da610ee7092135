#pragma once

/// What any storage engine must do with decisions. A part of engine_conformance.hpp, which includes it.

namespace gangway::store_tests {

using words = std::vector<std::string>;

/// An engine, and the short form of recording and asking.
struct engine_with_decisions : opened_engine {
  void record(const decision_row& what) { record(std::vector{what}); }

  void record(const std::vector<decision_row>& all) {
    writer->begin(false);
    for (const auto& what : all)
      writer->record(what);
    writer->commit();
  }

  std::vector<std::string> found(const get_decisions& question) { return bodies(reader->decisions(question)); }
  std::vector<std::string> about(const std::string& subject) { return found({.subject = subject}); }
};

CAF_TEST_FIXTURE_SCOPE(engine_decisions, engine_with_decisions)

CAF_TEST(a_decision_is_found_by_its_id_its_subjects_and_its_user) {
  const auto one = decided("ann", at(1), {"m1", "c1", "c2"}, R"({"n":1})");
  record(one);
  record(decided("bob", at(2), {"m2"}, R"({"n":2})"));
  CAF_CHECK(found({.id = one.id}) == (words{R"({"n":1})"}));
  for (const auto* subject : {"m1", "c1", "c2"})
    CAF_CHECK(about(subject) == (words{R"({"n":1})"}));
  CAF_CHECK(found({.user = user_id{"ann"}}) == (words{R"({"n":1})"}));
  CAF_CHECK(found({}) == (words{R"({"n":2})", R"({"n":1})"}));
  CAF_CHECK(found({.id = decision_id::make()}).empty());
  CAF_CHECK(about("m").empty());
  CAF_CHECK(about("M1").empty());
  CAF_CHECK(found({.user = user_id{"an"}}).empty());
}

CAF_TEST(every_condition_of_a_question_must_be_met) {
  const auto one = decided("ann", at(1), {"shared", "m1"}, "1");
  const auto other = decided("bob", at(2), {"shared"}, "2");
  record({one, other});
  CAF_CHECK(about("shared") == (words{"2", "1"}));
  CAF_CHECK(found({.subject = "shared", .user = user_id{"ann"}}) == (words{"1"}));
  CAF_CHECK(found({.subject = "m1", .user = user_id{"bob"}}).empty());
  CAF_CHECK(found({.id = one.id, .subject = "m1", .user = user_id{"ann"}}) == (words{"1"}));
  CAF_CHECK(found({.id = one.id, .user = user_id{"bob"}}).empty());
  CAF_CHECK(found({.id = other.id, .subject = "m1"}).empty());
}

CAF_TEST(decisions_come_newest_first_and_of_one_millisecond_the_last_made) {
  const auto first = decided("ann", at(5), {"m1"}, "first");
  const auto second = decided("ann", at(5), {"m1"}, "second");
  const auto newest = decided("ann", at(6), {"m1"}, "newest");
  const auto oldest = decided("ann", at(4), {"m1"}, "oldest");
  record({second, newest, first, oldest});
  const words expected{"newest", "second", "first", "oldest"};
  CAF_CHECK(found({}) == expected);
  CAF_CHECK(about("m1") == expected);
  CAF_CHECK(found({.user = user_id{"ann"}}) == expected);
  CAF_CHECK(found({.user = user_id{"ann"}, .limit = 3}) == (words{"newest", "second", "first"}));
}

CAF_TEST(a_limit_of_nothing_is_one_and_one_beyond_a_thousand_is_a_thousand) {
  std::vector<decision_row> many;
  for (int i = 0; i <= 1000; ++i)
    many.push_back(decided("ann", at(i), {"m1"}, std::to_string(i)));
  record(many);
  for (const auto& question : std::vector<get_decisions>{{}, {.subject = "m1"}, {.user = user_id{"ann"}}}) {
    const auto answered = [&](std::uint32_t limit) {
      auto limited = question;
      limited.limit = limit;
      return found(limited).size();
    };
    CAF_CHECK_EQUAL(answered(0), 1u);
    CAF_CHECK_EQUAL(answered(1), 1u);
    CAF_CHECK_EQUAL(answered(2), 2u);
    CAF_CHECK_EQUAL(answered(999), 999u);
    CAF_CHECK_EQUAL(answered(1000), 1000u);
    CAF_CHECK_EQUAL(answered(1001), 1000u);
  }
}

CAF_TEST(a_decision_that_names_somebody_twice_is_found_once) {
  record(decided("ann", at(1), {"m1", "c1", "c1"}, "1"));
  CAF_CHECK(about("c1") == (words{"1"}));
}

CAF_TEST(a_decision_about_nobody_is_kept_too) {
  record(decided("ann", at(1), {}, "1"));
  CAF_CHECK(found({}) == (words{"1"}));
}

CAF_TEST(a_decision_recorded_again_stays_as_it_was_first) {
  const auto first = decided("ann", at(1), {"m1"}, "first");
  auto again = first;
  again.user = {"bob"};
  again.subjects = {"m2"};
  again.body = {"again"};
  record(first);
  record(again);
  CAF_CHECK(found({}) == (words{"first"}));
  CAF_CHECK(about("m2").empty());
}

CAF_TEST(a_decision_rolled_back_leaves_nothing_and_one_committed_survives_a_restart) {
  const auto lost = decided("ann", at(1), {"m1"}, "lost");
  writer->begin(false);
  writer->record(lost);
  writer->roll_back();
  CAF_CHECK(about("m1").empty());
  record(decided("ann", at(2), {"m1"}, "kept"));
  reopen();
  CAF_CHECK(about("m1") == (words{"kept"}));
}

CAF_TEST(a_body_is_kept_to_the_byte) {
  const std::string body = R"({"user_id":"gr)"
                           "\u00fc\u0301\U0001F6A2"
                           R"( \"'\\ %_","roster":[]})";
  record(decided("gr\u00fcn'--", at(1), {"m1"}, body));
  CAF_CHECK(found({.user = user_id{"gr\u00fcn'--"}}) == (words{body}));
}

CAF_TEST(a_decision_is_kept_for_thirty_days_of_the_next_ones_time_and_not_a_millisecond_longer) {
  constexpr auto age = std::chrono::milliseconds{decision_age_max}.count();
  record(decided("ann", at(0), {"m0"}, "0"));
  record(decided("ann", at(1), {"m1"}, "1"));
  record(decided("bob", at(age), {}, "just thirty days"));
  CAF_CHECK(about("m0") == (words{"0"}));
  record(decided("bob", at(age + 1), {}, "one more"));
  CAF_CHECK(about("m0").empty());
  CAF_CHECK(about("m1") == (words{"1"}));
  CAF_CHECK(found({}) == (words{"one more", "just thirty days", "1"}));
}

CAF_TEST(a_clock_that_was_wrong_by_years_costs_no_later_decision) {
  constexpr std::int64_t years = 10LL * 365 * 86'400'000;
  record(decided("ann", at(years), {}, "from a future that was none"));
  record(decided("ann", at(1), {"m1"}, "1"));
  record(decided("ann", at(2), {}, "2"));
  CAF_CHECK(about("m1") == (words{"1"}));
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace gangway::store_tests
