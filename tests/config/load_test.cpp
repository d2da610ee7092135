#include "config/configuration.hpp"

#define CAF_SUITE load
#include "caf/test/unit_test.hpp"

#include <algorithm>
#include <chrono>
#include <fstream>

#include "tests/config/folder.hpp"

using namespace gangway;
using namespace gangway::test;
using namespace std::chrono_literals;

namespace {

const std::string good_secret(32, 's');
const std::string short_secret(31, 's');

} // namespace

CAF_TEST_FIXTURE_SCOPE(load_tests, folder)

CAF_TEST(without_a_file_the_defaults_are_those_of_the_contract) {
  const auto [values, errors, warnings, is_environment_chosen] = load_settings(std::nullopt, {});
  check_lines(errors, {});
  check_lines(warnings, {});
  CAF_CHECK_EQUAL(values.listen, "127.0.0.1:8080");
  CAF_CHECK_EQUAL(values.admin.listen, "127.0.0.1:8081");
  CAF_CHECK_EQUAL(values.environment, "development");
  CAF_CHECK(values.auth.timeout == 10s);
  CAF_CHECK(values.auth.secret.empty());
  CAF_CHECK_EQUAL(values.limits.managers_per_user, 20u);
  CAF_CHECK_EQUAL(values.limits.connections_per_user, 64u);
  CAF_CHECK_EQUAL(values.limits.connections, 0u);
  CAF_CHECK_EQUAL(values.limits.accept_rate, 0u);
  CAF_CHECK(values.cleanup.start_ratio == ratio{0.9});
  CAF_CHECK(values.cleanup.stop_ratio == ratio{0.8});
  CAF_CHECK(values.cleanup.idle_after == 5min);
  CAF_CHECK(values.cleanup.probe_timeout == 1500ms);
  CAF_CHECK(values.cleanup.deadline == 2s);
  CAF_CHECK_EQUAL(values.cleanup.max_level, "force");
  CAF_CHECK(values.cleanup.resume_window == 2min);
  CAF_CHECK_EQUAL(values.grace.extra, 5u);
  CAF_CHECK(values.grace.duration == 60s);
  CAF_CHECK(values.grace.cooldown == 5min);
  CAF_CHECK_EQUAL(values.queue.max, 32u);
  CAF_CHECK(values.queue.timeout == 30s);
  CAF_CHECK(values.tiers.free == tier_overrides{});
  CAF_CHECK(values.tiers.pro == tier_overrides{});
  CAF_CHECK(values.tiers.enterprise == tier_overrides{});
  CAF_CHECK(values.node.memory_max == byte_size{0});
  CAF_CHECK(values.node.memory_high == ratio{0.8});
  CAF_CHECK(values.node.memory_critical == ratio{0.9});
  CAF_CHECK(values.node.loop_lag_high == 200ms);
  CAF_CHECK(values.node.enterprise_reserve == ratio{0.1});
  CAF_CHECK(values.manager.linger == 60s);
  CAF_CHECK(values.manager.open_timeout == 30s);
  CAF_CHECK(values.run.stall_after == 2min);
  CAF_CHECK(values.run.total_max == 30min);
  CAF_CHECK(values.heartbeat.interval == 25s);
  CAF_CHECK(values.heartbeat.timeout == 10s);
  CAF_CHECK(values.client.queue_bytes_max == byte_size{1'048'576});
  CAF_CHECK(values.client.frame_bytes_max == byte_size{1'048'576});
  CAF_CHECK(values.shutdown.timeout == 30s);
  CAF_CHECK_EQUAL(values.agents.size(), 1u);
  CAF_CHECK(values.agents.front() == settings::agent{});
}

CAF_TEST(the_committed_file_is_exactly_what_the_table_generates_and_loads) {
  std::ifstream stream{GANGWAY_TOML, std::ios::binary};
  const std::string committed{std::istreambuf_iterator<char>{stream}, {}};
  CAF_REQUIRE(committed == print_settings(settings{}, false));
  const auto [values, errors, warnings, is_environment_chosen] = load_settings(GANGWAY_TOML, {});
  check_lines(errors, {});
  check_lines(warnings, {});
  auto expected = settings{};
  expected.environment = "development";
  expected.store.path = (std::filesystem::path{GANGWAY_TOML}.parent_path() / "gangway.db").string();
  CAF_CHECK_EQUAL(print_settings(values, false), print_settings(expected, false));
}

CAF_TEST(what_is_printed_loads_as_the_same_settings) {
  settings odd;
  odd.listen = "[::1]:0";
  odd.environment = "staging";
  odd.origins = {"https://a.example", "http://localhost:3000"};
  odd.auth.secret = good_secret + "\"\\ ü";
  odd.store.path = "/a \"quoted\" \\ path";
  odd.heartbeat.interval = 1501ms;
  odd.heartbeat.timeout = 1500ms;
  odd.client.queue_bytes_max = {5'000};
  odd.cleanup.start_ratio = {1};
  odd.cleanup.stop_ratio = {1.0 / 3};
  odd.tiers.pro.managers_per_user = 40;
  odd.tiers.pro.max_level = "moderate";
  odd.tiers.enterprise = {100, 200, "force", 0, 90s, 300, byte_size{1024}};
  odd.agents = {{"first", "builtin"}, {"second", "builtin"}};
  const auto again = load(print_settings(odd, false));
  check_lines(again.errors, {});
  CAF_CHECK_EQUAL(print_settings(again.values, false), print_settings(odd, false));
}

CAF_TEST(a_redacted_page_shows_no_secret_and_cannot_be_loaded_by_mistake) {
  settings values;
  values.auth.secret = good_secret;
  const auto page = print_settings(values, true);
  CAF_CHECK(page.find(good_secret) == page.npos);
  CAF_CHECK(page.find("secret = \"(hidden)\"") != page.npos);
  const auto errors = load(page).errors;
  CAF_REQUIRE_EQUAL(errors.size(), 1u);
  CAF_CHECK(errors[0].ends_with(": auth.secret must have at least 32 bytes"));
  CAF_CHECK(print_settings(settings{}, true) == print_settings(settings{}, false));
}

CAF_TEST(an_unknown_key_names_its_place_and_the_nearest_known_one) {
  check_lines(load("lisen = \"127.0.0.1:1\"\n").errors, {"gangway.toml:1:1: unknown key lisen; did you mean listen?"});
  check_lines(load("[heartbeat]\n  intervall = \"1s\"\n").errors,
              {"gangway.toml:2:3: unknown key heartbeat.intervall; did you mean heartbeat.interval?"});
  check_lines(load("managers_per_user = 3\n").errors,
              {"gangway.toml:1:1: unknown key managers_per_user; did you mean limits.managers_per_user?"});
  check_lines(load("[[agents]]\nnam = \"x\"\n").errors,
              {"gangway.toml:2:1: unknown key agents.nam; did you mean agents.name?"});
  check_lines(load("agent = 1\n").errors, {"gangway.toml:1:1: unknown key agent; did you mean agents?"});
}

CAF_TEST(an_unknown_section_names_the_nearest_known_one) {
  check_lines(load("[heartbeet]\ninterval = \"1s\"\n").errors,
              {"gangway.toml:1:2: unknown section [heartbeet]; did you mean [heartbeat]?"});
  check_lines(load("[agent]\nname = \"x\"\n").errors,
              {"gangway.toml:1:2: unknown section [agent]; did you mean [[agents]]?"});
  check_lines(load("auth = \"x\"\n").errors, {"gangway.toml:1:1: auth is a section: write [auth]"});
  check_lines(load("[agents]\nname = \"x\"\n").errors,
              {"gangway.toml:1:1: agents is a list of sections: write [[agents]] for each"});
}

CAF_TEST(a_value_of_the_wrong_type_is_refused_with_its_place) {
  const auto refuse = [&](const std::string& text, const std::string& error) {
    check_lines(load(text).errors, {"gangway.toml:" + error});
  };
  refuse("listen = 8080", "1:10: listen must be a string, not a whole number");
  refuse("[listen]\nx = 1", "1:1: listen must be a string, not a table");
  refuse("origins = \"https://a.example\"", "1:11: origins must be an array of strings, not a string");
  refuse("origins = [1]", "1:11: origins must be an array of strings, not one with a whole number");
  refuse("[limits]\nmanagers_per_user = \"20\"", "2:21: limits.managers_per_user must be a whole number, not a string");
  refuse("[limits]\nmanagers_per_user = 2.5", "2:21: limits.managers_per_user must be a whole number, not a fraction");
  refuse("[limits]\nmanagers_per_user = true", "2:21: limits.managers_per_user must be a whole number, not a boolean");
  refuse("[heartbeat]\ninterval = 25",
         "2:12: heartbeat.interval must be a duration such as \"1500ms\", \"25s\", \"5m\" "
         "or \"1h\", not a whole number");
  refuse("[heartbeat]\ninterval = \"25\"", "2:12: heartbeat.interval must be a duration such as \"1500ms\", \"25s\", "
                                           "\"5m\" or \"1h\", not \"25\"");
  refuse("[client]\nqueue_bytes_max = \"1MB\"",
         "2:19: client.queue_bytes_max must be a size such as 4096, \"64KiB\" or \"1MiB\", not \"1MB\"");
  refuse("[client]\nqueue_bytes_max = -1", "2:19: client.queue_bytes_max must not be negative");
}

CAF_TEST(a_value_at_its_bound_is_taken_and_one_beyond_is_refused) {
  const auto accept = [&](const std::string& text) { check_lines(load(text).errors, {}); };
  const auto refuse = [&](const std::string& text, const std::string& error) {
    check_lines(load(text).errors, {"gangway.toml:" + error});
  };
  accept("[limits]\nmanagers_per_user = 1");
  refuse("[limits]\nmanagers_per_user = 0", "2:21: limits.managers_per_user must be between 1 and 100000, not 0");
  accept("[limits]\nmanagers_per_user = 100000");
  refuse("[limits]\nmanagers_per_user = 100001",
         "2:21: limits.managers_per_user must be between 1 and 100000, not 100001");
  refuse("[limits]\nmanagers_per_user = 4294967297",
         "2:21: limits.managers_per_user must be between 1 and 100000, not 4294967297");
  refuse("[limits]\nmanagers_per_user = -1", "2:21: limits.managers_per_user must be between 1 and 100000, not -1");
  accept("[auth]\nleeway = \"10m\"");
  refuse("[auth]\nleeway = \"600001ms\"", "2:10: auth.leeway must be between 0s and 10m, not 600001ms");
  accept("[client]\nqueue_bytes_max = 4096");
  refuse("[client]\nqueue_bytes_max = 4095", "2:19: client.queue_bytes_max must be between 4KiB and 1GiB, not 4095B");
  accept("[auth]\nsecret = \"" + good_secret + '"');
  refuse("[auth]\nsecret = \"" + short_secret + '"', "2:10: auth.secret must have at least 32 bytes");
  accept("[log]\nlevel = \"warning\"");
  refuse("[log]\nlevel = \"warn\"", "2:9: log.level must be one of debug, info, warning, error, not \"warn\"");
  accept("environment = \"staging\"");
  refuse("environment = \"prod\"",
         "1:15: environment must be one of auto, development, staging, production, not \"prod\"");
  refuse("listen = \"localhost:80\"", "1:10: listen must be an address and a port, such as \"127.0.0.1:8080\" or "
                                      "\"[::]:8080\", not \"localhost:80\"");
  accept("origins = [\"https://chat.example.com\", \"http://localhost:3000\", \"http://[::1]:1\"]");
  for (const auto* origin : {"tauri://localhost", "capacitor://localhost", "ionic://localhost", "file://", "null",
                             "chrome-extension://abcdefghijklmnop", "moz-extension://0b1c-2d", "app://obsidian.md",
                             "vscode-webview://a_b", "tauri://localhost:1430", "web+x.y-z://a"})
    accept("origins = [\"" + std::string{origin} + "\"]");
  for (const auto* origin :
       {"*", "://a", "tauri://", "tauri:", "1a://b", "tauri://localhost/", "tauri://a@b", "https://",
        "https://*.example.com", "tauri://localhost?x", "file:///", "a b://c", "TAURI://localhost"})
    CAF_CHECK_EQUAL(load("origins = [\"" + std::string{origin} + "\"]").errors.size(), 1u);
  refuse("origins = [\"https://chat.example.com/\"]",
         "1:11: origins must hold origins such as \"https://chat.example.com\" (lower case, nothing after the host or "
         "port), not \"https://chat.example.com/\"");
  refuse("[store]\npath = \"\"", "2:8: store.path must not be empty");
  refuse("[store]\npath = \"a\\nb\"", "2:8: store.path must not contain control characters");
}

CAF_TEST(options_that_contradict_each_other_are_refused) {
  check_lines(load("[heartbeat]\ninterval = \"10s\"\ntimeout = \"9999ms\"").errors, {});
  check_lines(load("[heartbeat]\ninterval = \"10s\"\ntimeout = \"10s\"").errors,
              {"heartbeat.timeout (10s) must be shorter than heartbeat.interval (10s)"});
  check_lines(load("listen = \"127.0.0.1:8081\"").errors,
              {"listen and admin.listen must differ, and are both \"127.0.0.1:8081\""});
  check_lines(load("listen = \"127.0.0.1:0\"\nadmin.listen = \"127.0.0.1:0\"").errors, {});
}

CAF_TEST(a_value_that_cannot_be_read_does_not_also_contradict_by_its_default) {
  check_lines(
      load("[heartbeat]\ninterval = \"5\"\ntimeout = \"30s\"").errors,
      {"gangway.toml:2:12: heartbeat.interval must be a duration such as \"1500ms\", \"25s\", \"5m\" or \"1h\", "
       "not \"5\""});
}

CAF_TEST(all_problems_are_told_at_once) {
  const auto result = load("lisen = \"x\"\n[log]\nlevel = \"loud\"\n[limits]\nmanagers_per_user = 0\n[heartbeat]\n"
                           "timeout = \"30s\"\n",
                           {{"GANGWAY_LOG_FORMAT", "xml"}, {"GANGWAY_LIMITS_CONNECTIONS_PER_USER", "many"}});
  auto errors = result.errors;
  std::sort(errors.begin(), errors.end());
  check_lines(errors, {"GANGWAY_LIMITS_CONNECTIONS_PER_USER must be a whole number, not \"many\"",
                       "GANGWAY_LOG_FORMAT must be one of auto, text, json, not \"xml\"",
                       "gangway.toml:1:1: unknown key lisen; did you mean listen?",
                       "gangway.toml:3:9: log.level must be one of debug, info, warning, error, not \"loud\"",
                       "gangway.toml:5:21: limits.managers_per_user must be between 1 and 100000, not 0",
                       "heartbeat.timeout (30s) must be shorter than heartbeat.interval (25s)"});
}

CAF_TEST(a_file_that_is_missing_or_not_toml_is_an_error_with_its_place) {
  const auto missing = path + "/missing.toml";
  check_lines(load_settings(missing, {}).errors, {missing + ": cannot be read: No such file or directory"});
  check_lines(load_settings(path, {}).errors, {path + ": cannot be read: Is a directory"});
  const auto broken = load("listen = \n");
  CAF_REQUIRE_EQUAL(broken.errors.size(), 1u);
  CAF_CHECK(broken.errors[0].starts_with("gangway.toml:1:10: "));
  check_lines(load("").errors, {});
}

CAF_TEST(a_relative_path_begins_at_the_folder_of_the_file_that_has_it) {
  const auto values = load("[store]\npath = \"data/../here.db\"\n[tls]\ncertificate_file = \"/etc/c.pem\"\nkey_file = "
                           "\"key.pem\"\n",
                           {{"GANGWAY_AUTH_JWKS_CA_FILE", "ca.pem"}})
                          .values;
  CAF_CHECK_EQUAL(values.store.path, path + "/here.db");
  CAF_CHECK_EQUAL(values.tls.certificate_file, "/etc/c.pem");
  CAF_CHECK_EQUAL(values.tls.key_file, path + "/key.pem");
  CAF_CHECK_EQUAL(values.auth.jwks_ca_file, "ca.pem");
  // Neither in the file nor in a variable: where the program runs.
  CAF_CHECK_EQUAL(load("").values.store.path, "gangway.db");
}

CAF_TEST(what_was_typed_cannot_act_in_a_complaint_about_it) {
  const auto complaints = [&](const std::string& text, const environment_map& variables = {}) {
    return load(text, variables).errors;
  };
  check_lines(complaints("", {{"GANGWAY_HEARTBEAT_INTERVAL", "20s\r"}}),
              {"GANGWAY_HEARTBEAT_INTERVAL must be a duration such as \"1500ms\", \"25s\", \"5m\" or \"1h\", not "
               "\"20s\\r\""});
  check_lines(complaints("[log]\nlevel = \"a\\u202eb\"\n"),
              {"gangway.toml:2:9: log.level must be one of debug, info, warning, error, not \"a\\u202eb\""});
  check_lines(complaints("\"a\\u001b[31m\" = 1\n"), {"gangway.toml:1:1: unknown key a\\u001b[31m"});
  check_lines(load("", {{"GANGWAY_\x1b[2J", "x"}}).warnings, {"GANGWAY_\\u001b[2J is not an option"});
}

CAF_TEST(a_far_fetched_name_is_not_suggested) {
  check_lines(load("foo = 1\n").errors, {"gangway.toml:1:1: unknown key foo"});
  check_lines(load("[foo]\nbar = 1\n").errors, {"gangway.toml:1:2: unknown section [foo]"});
}

CAF_TEST(an_environment_is_chosen_only_if_somebody_named_it) {
  CAF_CHECK(!load("").is_environment_chosen);
  CAF_CHECK(!load("environment = \"auto\"", {{"K_SERVICE", "x"}}).is_environment_chosen);
  CAF_CHECK(load("", {{"GANGWAY_ENVIRONMENT", "production"}}).is_environment_chosen);
}

CAF_TEST(the_environment_wins_over_the_file_and_the_file_over_the_defaults) {
  const auto [values, errors, warnings, is_environment_chosen] =
      load("listen = \"127.0.0.1:1\"\n[store]\npath = \"file.db\"\n[limits]\nmanagers_per_user = 3\n",
           {{"GANGWAY_STORE_PATH", "variable.db"}, {"GANGWAY_LIMITS_MANAGERS_PER_USER", "7"}, {"GANGWAY_LISTEN", ""}});
  check_lines(errors, {});
  check_lines(warnings, {});
  CAF_CHECK_EQUAL(values.listen, "127.0.0.1:1"); // an empty variable counts as not set
  CAF_CHECK_EQUAL(values.store.path, "variable.db");
  CAF_CHECK_EQUAL(values.limits.managers_per_user, 7u);
  CAF_CHECK_EQUAL(values.limits.connections_per_user, 64u);
}

CAF_TEST(variables_set_values_of_every_kind) {
  const auto [values, errors, warnings, is_environment_chosen] =
      load_settings(std::nullopt, {{"GANGWAY_LISTEN", "[::]:9000"},
                                   {"GANGWAY_ORIGINS", "https://a.example, http://b:1"},
                                   {"GANGWAY_HEARTBEAT_INTERVAL", "11s"},
                                   {"GANGWAY_CLIENT_QUEUE_BYTES_MAX", "64KiB"},
                                   {"GANGWAY_CLEANUP_START_RATIO", "0.95"},
                                   {"GANGWAY_AUTH_SECRET", good_secret},
                                   {"HOME", "/"}});
  check_lines(errors, {});
  check_lines(warnings, {});
  CAF_CHECK_EQUAL(values.listen, "[::]:9000");
  CAF_CHECK(values.origins == (lines{"https://a.example", "http://b:1"}));
  CAF_CHECK(values.heartbeat.interval == 11s);
  CAF_CHECK(values.client.queue_bytes_max == byte_size{65'536});
  CAF_CHECK(values.cleanup.start_ratio == ratio{0.95});
  check_lines(load("", {{"GANGWAY_CLEANUP_STOP_RATIO", "80%"}}).errors,
              {"GANGWAY_CLEANUP_STOP_RATIO must be a ratio such as 0.9, not \"80%\""});
  CAF_CHECK_EQUAL(values.auth.secret, good_secret);
}

CAF_TEST(a_refused_secret_is_not_shown) {
  const auto errors = load_settings(std::nullopt, {{"GANGWAY_AUTH_SECRET", "hunter2"}}).errors;
  check_lines(errors, {"GANGWAY_AUTH_SECRET must have at least 32 bytes"});
}

CAF_TEST(an_unknown_variable_is_a_warning_that_names_the_nearest_option) {
  const auto result = load_settings(
      std::nullopt,
      {{"GANGWAY_STORE_PTAH", "x"}, {"GANGWAY_PORT", "9090"}, {"GANGWAY_AGENTS", "x"}, {"GANGWAYCTL_TOKEN", "x"}});
  check_lines(result.errors, {});
  check_lines(result.warnings,
              {"GANGWAY_AGENTS is not an option; agents are set in the file alone", "GANGWAY_PORT is not an option",
               "GANGWAY_STORE_PTAH is not an option; did you mean GANGWAY_STORE_PATH?"});
}

CAF_TEST(what_kubernetes_makes_for_a_service_of_our_name_is_no_mistake) {
  const auto result = load_settings(std::nullopt, {{"GANGWAY_PORT", "tcp://10.0.0.1:8080"},
                                                   {"GANGWAY_PORT_8080_TCP", "tcp://10.0.0.1:8080"},
                                                   {"GANGWAY_PORT_8080_TCP_ADDR", "10.0.0.1"},
                                                   {"GANGWAY_SERVICE_HOST", "10.0.0.1"},
                                                   {"GANGWAY_SERVICE_PORT", "8080"},
                                                   {"GANGWAY_SERVICE_PORT_HTTP", "8080"},
                                                   {"GANGWAY_ADMIN_PORT", "tcp://10.0.0.1:8081"},
                                                   {"GANGWAY_ADMIN_SERVICE_HOST", "10.0.0.1"}});
  check_lines(result.errors, {});
  check_lines(result.warnings, {});
}

CAF_TEST(the_environment_is_recognised_unless_it_is_named) {
  const auto environment_of = [](const environment_map& variables) {
    return load_settings(std::nullopt, variables).values.environment;
  };
  CAF_CHECK_EQUAL(environment_of({}), "development");
  CAF_CHECK_EQUAL(environment_of({{"K_SERVICE", "gangway"}}), "production");
  CAF_CHECK_EQUAL(environment_of({{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}}), "production");
  CAF_CHECK_EQUAL(environment_of({{"K_SERVICE", "gangway"}, {"GANGWAY_ENVIRONMENT", "staging"}}), "staging");
  CAF_CHECK_EQUAL(load("environment = \"development\"", {{"K_SERVICE", "x"}}).values.environment, "development");
}

CAF_TEST(a_secret_is_read_from_its_file_without_the_line_end) {
  for (const auto* end : {"", "\n", "\r\n"}) {
    const auto* mark = *end == '\r' ? "\xef\xbb\xbf" : ""; // as some editors begin a file
    const auto file = write("secret", mark + good_secret + end).string();
    const auto result = load("[auth]\nsecret_file = \"" + file + '"');
    check_lines(result.errors, {});
    CAF_CHECK_EQUAL(result.values.auth.secret, good_secret);
    const auto page = print_settings(result.values, false);
    CAF_CHECK(page.find(good_secret) == page.npos);
    check_lines(load(page).errors, {});
  }
}

CAF_TEST(a_secret_file_that_is_missing_empty_or_short_is_refused) {
  const auto refuse = [&](const std::string& name, const std::string& complaint) {
    check_lines(load("[auth]\nsecret_file = \"" + path + '/' + name + '"').errors,
                {"auth.secret_file " + name + complaint});
  };
  refuse("none", ": cannot be read: No such file or directory");
  write("empty", "\n");
  refuse("empty", ": is empty");
  write("short", short_secret);
  refuse("short", ": the secret must have at least 32 bytes");
  write("huge", std::string(65'537, 's'));
  refuse("huge", ": is larger than 64 KiB");
}

// Whoever may write the secret may sign in as anybody.
CAF_TEST(a_secret_file_that_others_may_write_is_refused_and_one_that_they_may_read_is_warned_of) {
  namespace fs = std::filesystem;
  const auto file = write("guarded", good_secret);
  const auto link = file.parent_path() / "link";
  fs::remove(link);
  fs::create_symlink(file, link);
  // A link counts as what it leads to: mounted secrets are links.
  for (const auto& name : {file, link}) {
    const auto text = "[auth]\nsecret_file = \"" + name.string() + '"';
    for (const auto mode : {0600, 0400}) {
      fs::permissions(file, static_cast<fs::perms>(mode));
      const auto result = load(text);
      check_lines(result.errors, {});
      check_lines(result.warnings, {});
    }
    for (const auto mode : {0640, 0604, 0644, 0444, 0440}) {
      fs::permissions(file, static_cast<fs::perms>(mode));
      const auto result = load(text);
      check_lines(result.errors, {});
      CAF_REQUIRE_EQUAL(result.warnings.size(), 1u);
      CAF_CHECK_NOT_EQUAL(result.warnings.front().find("can be read by others"), std::string::npos);
      CAF_CHECK_EQUAL(result.values.auth.secret, good_secret);
    }
    for (const auto mode : {0660, 0602, 0666, 0620, 0777}) {
      fs::permissions(file, static_cast<fs::perms>(mode));
      const auto result = load(text);
      CAF_REQUIRE_EQUAL(result.errors.size(), 1u);
      CAF_CHECK_NOT_EQUAL(result.errors.front().find("can be written by others"), std::string::npos);
    }
  }
  fs::permissions(file, static_cast<fs::perms>(0600));
}

CAF_TEST(of_a_secret_and_a_file_of_it_the_later_source_wins_and_one_source_cannot_give_both) {
  const auto file = write("secret", std::string(40, 'f')).string();
  const auto name_file = "[auth]\nsecret_file = \"" + file + '"';
  const auto by_variable = load(name_file, {{"GANGWAY_AUTH_SECRET", good_secret}});
  check_lines(by_variable.errors, {});
  CAF_CHECK_EQUAL(by_variable.values.auth.secret, good_secret);
  const auto by_file = load("[auth]\nsecret = \"" + good_secret + '"', {{"GANGWAY_AUTH_SECRET_FILE", file}});
  check_lines(by_file.errors, {});
  CAF_CHECK_EQUAL(by_file.values.auth.secret, std::string(40, 'f'));
  check_lines(load(name_file + "\nsecret = \"" + good_secret + '"').errors,
              {"auth.secret and auth.secret_file are both set; keep one"});
}

CAF_TEST(agents_are_listed_with_different_names_and_a_kind_that_is_there) {
  const auto two = load("[[agents]]\nname = \"a\"\n[[agents]]\nname = \"b\"\nkind = \"builtin\"\n");
  check_lines(two.errors, {});
  CAF_REQUIRE_EQUAL(two.values.agents.size(), 2u);
  CAF_CHECK(two.values.agents[0] == (settings::agent{"a", "builtin"}));
  CAF_CHECK(two.values.agents[1] == (settings::agent{"b", "builtin"}));
  check_lines(load("[[agents]]\nname = \"a\"\n[[agents]]\nname = \"a\"\n").errors,
              {"agents must have different names, and two are \"a\""});
  check_lines(load("agents = []").errors, {"agents must name at least one"});
  check_lines(load("[[agents]]\nkind = \"openai\"").errors,
              {"gangway.toml:2:8: agents.kind \"openai\" is not available in this version; \"builtin\" is"});
  check_lines(load("[[agents]]\nkind = \"magic\"").errors,
              {"gangway.toml:2:8: agents.kind must be \"builtin\", not \"magic\""});
  check_lines(load("[[agents]]\nname = \"" + std::string(64, 'n') + '"').errors, {});
  check_lines(
      load("[[agents]]\nname = \"" + std::string(65, 'n') + '"').errors,
      {"gangway.toml:2:8: agents.name must be 1 to 64 letters, digits, _ or -, not \"" + std::string(65, 'n') + '"'});
}

CAF_TEST(settings_made_by_hand_are_checked_like_loaded_ones) {
  check_lines(validate(settings{}), {});
  settings wrong;
  wrong.admin.role.clear();
  wrong.limits.managers_per_user = 0;
  wrong.auth.secret = short_secret;
  wrong.cleanup.stop_ratio = {2};
  wrong.tiers.pro.managers_per_user = 0;
  wrong.agents.clear();
  check_lines(validate(wrong), {"admin.role must not be empty", "auth.secret must have at least 32 bytes",
                                "limits.managers_per_user must be between 1 and 100000, not 0",
                                "cleanup.stop_ratio must be between 0.0 and 1.0, not 2.0",
                                "tiers.pro.managers_per_user must be between 1 and 100000, not 0",
                                "cleanup.stop_ratio (2.0) must be less than cleanup.start_ratio (0.9)",
                                "agents must name at least one"});
}

CAF_TEST_FIXTURE_SCOPE_END()
