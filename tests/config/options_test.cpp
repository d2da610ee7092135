#include "config/options.hpp"

#define CAF_SUITE options
#include "caf/test/unit_test.hpp"

#include <chrono>

#include "tests/config/folder.hpp"

using namespace gangway;
using namespace gangway::test;
using namespace std::chrono_literals;

namespace {

struct names_of_a_tier {
  std::vector<std::string> names;

  void section(std::string_view, std::string_view) {}

  template <class Value>
  void operator()(const option& about, const Value&) {
    if (about.key.starts_with("tiers.pro.")) names.emplace_back(about.key.substr(10));
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(options_tests, folder)

CAF_TEST(a_tier_is_printed_where_it_differs_and_only_in_what_differs) {
  settings values;
  CAF_CHECK(print_settings(values, true).find("\n[tiers.") == std::string::npos);
  values.tiers.pro.grace_extra = 0;
  const auto page = print_settings(values, true);
  const auto begin = page.find("\n[tiers.");
  CAF_REQUIRE(begin != page.npos);
  CAF_CHECK_EQUAL(page.substr(begin, page.find("\n\n", begin) - begin),
                  "\n[tiers.pro]\n# As grace.extra. 0 to 100000.\ngrace_extra = 0");
  CAF_CHECK(page.find("\n[tiers.", begin + 1) == page.npos);
}

CAF_TEST(the_page_names_all_that_a_tier_may_set) {
  names_of_a_tier tier;
  settings values;
  visit_settings(values, tier);
  const auto page = print_settings(values, true);
  const auto end = page.find("\n[tiers]\n");
  CAF_REQUIRE(end != page.npos);
  const auto says = page.substr(page.rfind("\n\n", end), end - page.rfind("\n\n", end));
  CAF_CHECK_EQUAL(tier.names.size(), 7u);
  for (const auto& name : tier.names)
    if (says.find(name) == says.npos) CAF_ERROR(name << " is not named");
}

CAF_TEST(a_tier_has_what_it_sets_and_leaves_the_rest_to_everybody) {
  const auto [values, errors, warnings, is_environment_chosen] =
      load("[tiers.free]\nmanagers_per_user = 1\nmax_level = \"aggressive\"\n"
           "[tiers.enterprise]\ngrace_duration = \"2m\"\ngrace_extra = 0\n"
           "connections_per_user = 100000\n",
           {{"GANGWAY_TIERS_FREE_MANAGERS_PER_USER", "2"},
            {"GANGWAY_TIERS_PRO_MANAGERS_PER_USER", "40"},
            {"GANGWAY_TIERS_PRO_GRACE_DURATION", ""}});
  check_lines(errors, {});
  check_lines(warnings, {});
  auto free = tier_overrides{};
  free.managers_per_user = 2;
  free.max_level = "aggressive";
  CAF_CHECK(values.tiers.free == free);
  auto pro = tier_overrides{};
  pro.managers_per_user = 40;
  CAF_CHECK(values.tiers.pro == pro);
  auto enterprise = tier_overrides{};
  enterprise.grace_duration = 2min;
  enterprise.grace_extra = 0;
  enterprise.connections_per_user = 100'000;
  CAF_CHECK(values.tiers.enterprise == enterprise);
}

CAF_TEST(a_tier_nobody_knows_is_refused_with_those_there_are) {
  check_lines(load("[tiers.gold]\nmanagers_per_user = 5\n").errors,
              {"gangway.toml:1:8: unknown tier gold; the tiers are free, pro and enterprise"});
  check_lines(load("[tiers]\nmanagers_per_user = 5\n").errors,
              {"gangway.toml:2:1: unknown tier managers_per_user; the tiers are free, pro and enterprise"});
  check_lines(load("[tiers]\npro = 5\n").errors, {"gangway.toml:2:1: tiers.pro is a section: write [tiers.pro]"});
  check_lines(load("[tiers.pro]\nmanager_per_user = 5\n").errors,
              {"gangway.toml:2:1: unknown key tiers.pro.manager_per_user; did you mean tiers.pro.managers_per_user?"});
  check_lines(load("[tiers]\n").errors, {});
  check_lines(load("", {{"GANGWAY_TIERS_PRO_MANAGER_PER_USER", "5"}}).warnings,
              {"GANGWAY_TIERS_PRO_MANAGER_PER_USER is not an option; did you mean "
               "GANGWAY_TIERS_PRO_MANAGERS_PER_USER?"});
}

CAF_TEST(what_a_tier_sets_is_bounded_as_it_is_for_everybody) {
  const auto accept = [&](const std::string& text) { check_lines(load("[tiers.pro]\n" + text).errors, {}); };
  const auto refuse = [&](const std::string& text, const std::string& error) {
    check_lines(load("[tiers.pro]\n" + text).errors, {"gangway.toml:2:" + error});
  };
  accept("managers_per_user = 1");
  refuse("managers_per_user = 0", "21: tiers.pro.managers_per_user must be between 1 and 100000, not 0");
  accept("connections_per_user = 100000");
  refuse("connections_per_user = 100001",
         "24: tiers.pro.connections_per_user must be between 1 and 100000, not 100001");
  accept("max_level = \"conservative\"");
  refuse("max_level = \"gentle\"",
         "13: tiers.pro.max_level must be one of conservative, moderate, aggressive, force, not \"gentle\"");
  accept("grace_extra = 0");
  refuse("grace_extra = \"0\"", "15: tiers.pro.grace_extra must be a whole number, not a string");
  accept("grace_duration = \"1h\"");
  refuse("grace_duration = \"3600001ms\"", "18: tiers.pro.grace_duration must be between 10ms and 1h, not 3600001ms");
  check_lines(load("", {{"GANGWAY_TIERS_PRO_GRACE_EXTRA", "-1"}}).errors,
              {"GANGWAY_TIERS_PRO_GRACE_EXTRA must be a whole number, not \"-1\""});
}

CAF_TEST(the_ladder_s_options_are_taken_at_their_bounds_and_refused_beyond) {
  struct bound {
    std::string section, key, good, bad, complaint;
  };
  const std::vector<bound> bounds{
      {"cleanup", "start_ratio", "1", "1.0001", "must be between 0.0 and 1.0, not 1.0001"},
      {"cleanup", "stop_ratio", "0", "-0.1", "must be between 0.0 and 1.0, not -0.1"},
      {"cleanup", "stop_ratio", "0.0", "nan", "must be between 0.0 and 1.0, not nan"},
      {"cleanup", "start_ratio", "0.9", "\"0.9\"", "must be a ratio such as 0.9, not a string"},
      {"cleanup", "idle_after", "\"10ms\"", "\"9ms\"", "must be between 10ms and 24h, not 9ms"},
      {"cleanup", "probe_timeout", "\"10ms\"", "\"9ms\"", "must be between 10ms and 30s, not 9ms"},
      {"cleanup", "deadline", "\"30s\"", "\"30001ms\"", "must be between 10ms and 30s, not 30001ms"},
      {"cleanup", "max_level", "\"moderate\"", "\"Moderate\"",
       "must be one of conservative, moderate, aggressive, force, not \"Moderate\""},
      {"cleanup", "resume_window", "\"24h\"", "\"25h\"", "must be between 10ms and 24h, not 25h"},
      {"grace", "extra", "0", "100001", "must be between 0 and 100000, not 100001"},
      {"grace", "duration", "\"1h\"", "\"61m\"", "must be between 10ms and 1h, not 61m"},
      {"grace", "cooldown", "\"0s\"", "\"25h\"", "must be between 0s and 24h, not 25h"},
      {"queue", "max", "0", "-1", "must be between 0 and 100000, not -1"},
      {"queue", "timeout", "\"10ms\"", "\"0s\"", "must be between 10ms and 1h, not 0s"},
      {"run", "stall_after", "\"36s\"", "\"0s\"", "must be between 10ms and 24h, not 0s"},
      {"run", "total_max", "\"24h\"", "\"25h\"", "must be between 10ms and 24h, not 25h"},
      {"manager", "open_timeout", "\"1h\"", "\"61m\"", "must be between 10ms and 1h, not 61m"},
      {"limits", "connections", "10000000", "10000001", "must be between 0 and 10000000, not 10000001"},
      {"limits", "accept_rate", "0", "10000001", "must be between 0 and 10000000, not 10000001"},
      {"node", "memory_max", "\"16384GiB\"", "\"16385GiB\"", "must be between 0B and 16384GiB, not 16385GiB"},
      {"node", "memory_high", "0.0", "2", "must be between 0.0 and 1.0, not 2.0"},
      {"node", "memory_critical", "1.0", "inf", "must be between 0.0 and 1.0, not inf"},
      {"node", "loop_lag_high", "\"10ms\"", "\"61s\"", "must be between 10ms and 1m, not 61s"},
      {"node", "enterprise_reserve", "0.5", "0.51", "must be between 0.0 and 0.5, not 0.51"},
  };
  for (const auto& [section, key, good, bad, complaint] : bounds) {
    const auto line = '[' + section + "]\n" + key + " = ";
    check_lines(load(line + good).errors, {});
    const auto place = "gangway.toml:2:" + std::to_string(key.size() + 4) + ": ";
    check_lines(load(line + bad).errors, {place + section + '.' + key + ' ' + complaint});
  }
}

CAF_TEST(options_of_the_ladder_that_contradict_each_other_are_refused) {
  check_lines(load("[cleanup]\nstart_ratio = 0.81").errors, {});
  check_lines(load("[cleanup]\nstart_ratio = 0.8").errors,
              {"cleanup.stop_ratio (0.8) must be less than cleanup.start_ratio (0.8)"});
  check_lines(load("[cleanup]\nprobe_timeout = \"1999ms\"").errors, {});
  check_lines(load("[cleanup]\nprobe_timeout = \"2s\"").errors,
              {"cleanup.probe_timeout (2s) must be shorter than cleanup.deadline (2s)"});
  check_lines(load("[node]\nmemory_high = 0.89").errors, {});
  check_lines(load("[node]\nmemory_high = 0.9").errors,
              {"node.memory_high (0.9) must be less than node.memory_critical (0.9)"});
  check_lines(load("[loop]\nstall_max = \"201ms\"").errors, {});
  check_lines(load("[loop]\nstall_max = \"200ms\"").errors,
              {"node.loop_lag_high (200ms) must be shorter than loop.stall_max (200ms)"});
  check_lines(load("[run]\ntotal_max = \"121s\"").errors, {});
  check_lines(load("[run]\ntotal_max = \"2m\"").errors,
              {"run.stall_after (2m) must be shorter than run.total_max (2m)"});
}

CAF_TEST_FIXTURE_SCOPE_END()
