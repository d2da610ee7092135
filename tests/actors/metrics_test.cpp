#define CAF_SUITE metrics

#include "actors/metrics.hpp"

#include <map>
#include <set>
#include <sstream>

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

/// The text, taken apart as its reader does: what is announced, and the value of each series.
struct page {
  explicit page(const metrics_snapshot& what) {
    std::istringstream text{render_metrics(what)};
    for (std::string line; std::getline(text, line);) {
      const auto end = line.rfind(' ');
      if (line.starts_with("# TYPE "))
        types[line.substr(7, end - 7)] = line.substr(end + 1);
      else if (line.starts_with("# HELP "))
        helped.insert(line.substr(7, line.find(' ', 7) - 7));
      else
        values[line.substr(0, end)] = std::stod(line.substr(end + 1));
    }
  }

  double at(const std::string& series) const {
    const auto found = values.find(series);
    if (found == values.end()) CAF_FAIL("no series " << series);
    return found->second;
  }

  std::size_t count(const std::string& beginning) const {
    std::size_t result = 0;
    for (const auto& [series, value] : values)
      if (series.starts_with(beginning)) ++result;
    return result;
  }

  std::map<std::string, std::string> types;
  std::set<std::string> helped;
  std::map<std::string, double> values;
};

metrics_snapshot busy() {
  metrics_snapshot result;
  result.mailboxes = {{"store", 7}};
  result.loop_lag = {1ms, 250us};
  result.inbound = {65'536, 4096};
  result.process = {4096u, 12u, 1'500'000us};
  result.process_start = utc_time{1'700'000'000'500ms};
  result.counted.runs["builtin"] = {};
  return result;
}

} // namespace

CAF_TEST(the_metrics_are_those_of_the_contract) {
  const std::map<std::string, std::string> expected{
      {"gangway_users", "gauge"},
      {"gangway_managers", "gauge"},
      {"gangway_leaked_managers", "gauge"},
      {"gangway_connections", "gauge"},
      {"gangway_runs_active", "gauge"},
      {"gangway_grace_active", "gauge"},
      {"gangway_queue_depth", "gauge"},
      {"gangway_cleanup_runs_total", "counter"},
      {"gangway_cleanup_evictions_total", "counter"},
      {"gangway_cleanup_seconds", "histogram"},
      {"gangway_admission_seconds", "histogram"},
      {"gangway_queue_wait_seconds", "histogram"},
      {"gangway_probes_total", "counter"},
      {"gangway_disconnects_total", "counter"},
      {"gangway_slow_consumers_total", "counter"},
      {"gangway_resumes_total", "counter"},
      {"gangway_runs_total", "counter"},
      {"gangway_run_first_event_seconds", "histogram"},
      {"gangway_store_commit_seconds", "histogram"},
      {"gangway_store_batch_events", "histogram"},
      {"gangway_loop_lag_seconds", "gauge"},
      {"gangway_inbound_bytes", "gauge"},
      {"gangway_mailbox_messages", "gauge"},
      {"process_cpu_seconds_total", "counter"},
      {"process_resident_memory_bytes", "gauge"},
      {"process_open_fds", "gauge"},
      {"process_start_time_seconds", "gauge"},
  };
  const page shown{busy()};
  CAF_CHECK(shown.types == expected);
  for (const auto& [name, type] : expected)
    CAF_CHECK_EQUAL(shown.helped.count(name), 1u);
}

CAF_TEST(labels_are_of_few_values_so_that_users_do_not_add_series) {
  const std::set<std::string> allowed{"signed_in", "state", "tier", "scope",  "level", "outcome", "reason",
                                      "loop",      "actor", "le",   "result", "code",  "agent"};
  for (const auto& [series, value] : page{busy()}.values)
    for (auto at = series.find_first_of("{,"); at != std::string::npos; at = series.find(',', at + 1))
      CAF_CHECK_EQUAL(allowed.count(series.substr(at + 1, series.find('=', at) - at - 1)), 1u);
}

CAF_TEST(every_manager_is_shown_in_one_state) {
  auto what = busy();
  what.count.managers = 20;
  what.count.opening = 2;
  what.count.zombies = 5;
  what.count.retiring = 4;
  what.count.leaked = 1;
  const page shown{what};
  CAF_CHECK_EQUAL(shown.at(R"(gangway_managers{state="opening"})"), 2);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_managers{state="open"})"), 13);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_managers{state="zombie"})"), 5);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_managers{state="retiring"})"), 3);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_managers{state="leaked"})"), 1);
  CAF_CHECK_EQUAL(shown.at("gangway_leaked_managers"), 1);
}

// A user whose manager is both still opening and a zombie counts it twice.
CAF_TEST(the_open_managers_are_never_less_than_none) {
  auto what = busy();
  what.count.managers = what.count.opening = what.count.zombies = 3;
  CAF_CHECK_EQUAL(page{what}.at(R"(gangway_managers{state="open"})"), 0);
}

CAF_TEST(what_there_is_now_is_shown) {
  auto what = busy();
  what.count.users = 11;
  what.count.runs = 12;
  what.count.waiting = 13;
  what.count.graces = 14;
  what.count.connections_by_tier = {15, 16, 17};
  const page shown{what};
  CAF_CHECK_EQUAL(shown.at("gangway_users"), 11);
  CAF_CHECK_EQUAL(shown.at("gangway_runs_active"), 12);
  CAF_CHECK_EQUAL(shown.at("gangway_queue_depth"), 13);
  CAF_CHECK_EQUAL(shown.at("gangway_grace_active"), 14);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_connections{tier="free"})"), 15);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_connections{tier="pro"})"), 16);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_connections{tier="enterprise"})"), 17);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_mailbox_messages{actor="store"})"), 7);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_loop_lag_seconds{loop="0"})"), 0.001);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_loop_lag_seconds{loop="1"})"), 0.00025);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_inbound_bytes{signed_in="false"})"), 65'536);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_inbound_bytes{signed_in="true"})"), 4096);
  CAF_CHECK_EQUAL(shown.at("process_cpu_seconds_total"), 1.5);
  CAF_CHECK_EQUAL(shown.at("process_resident_memory_bytes"), 4096);
  CAF_CHECK_EQUAL(shown.at("process_open_fds"), 12);
  CAF_CHECK_EQUAL(shown.at("process_start_time_seconds"), 1'700'000'000.5);
}

CAF_TEST(what_never_happened_is_there_as_0_because_a_rate_needs_a_beginning) {
  metrics_snapshot what;
  what.counted.runs["builtin"] = {};
  const page shown{what};
  CAF_CHECK_EQUAL(shown.count("gangway_cleanup_runs_total{"), cleanup_scopes * cleanup_levels * cleanup_outcomes);
  CAF_CHECK_EQUAL(shown.count("gangway_cleanup_evictions_total{"), cleanup_levels * eviction_reasons);
  CAF_CHECK_EQUAL(shown.count("gangway_admission_seconds_count{"), admission_outcomes);
  CAF_CHECK_EQUAL(shown.count("gangway_probes_total{"), probe_results);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_cleanup_runs_total{scope="request",level="force",outcome="nothing"})"), 0);
  CAF_CHECK_EQUAL(shown.at("gangway_queue_wait_seconds_count"), 0);
  CAF_CHECK_EQUAL(shown.count("gangway_disconnects_total{"), counted_close_codes.size() + 1);
  CAF_CHECK_EQUAL(shown.at("gangway_slow_consumers_total"), 0);
  CAF_CHECK_EQUAL(shown.count("gangway_resumes_total{"), resume_results);
  CAF_CHECK_EQUAL(shown.count("gangway_runs_total{agent=\"builtin\","), run_outcomes);
  CAF_CHECK_EQUAL(shown.at("gangway_run_first_event_seconds_count"), 0);
  CAF_CHECK_EQUAL(shown.at("gangway_store_commit_seconds_count"), 0);
  CAF_CHECK_EQUAL(shown.at("gangway_store_batch_events_count"), 0);
}

CAF_TEST(connections_that_ended_are_shown_by_their_code) {
  auto what = busy();
  for (std::size_t i = 0; i < what.counted.disconnects.size(); ++i)
    what.counted.disconnects[i] = 100 + i;
  const page shown{what};
  for (const auto code : counted_close_codes)
    CAF_CHECK_EQUAL(shown.at("gangway_disconnects_total{code=\"" + std::to_string(code) + "\"}"),
                    100 + place_of_close_code(code));
  CAF_CHECK_EQUAL(shown.at(R"(gangway_disconnects_total{code="other"})"), 100 + counted_close_codes.size());
  CAF_CHECK_EQUAL(shown.at("gangway_slow_consumers_total"), shown.at(R"(gangway_disconnects_total{code="4008"})"));
}

CAF_TEST(conversations_are_shown_by_what_came_of_them) {
  auto what = busy();
  what.counted.resumes = {1, 2, 3};
  what.counted.runs["builtin"] = {4, 5, 6, 7};
  what.counted.runs["a \"quoted\" one"] = {8, 0, 0, 0};
  what.counted.first_event_time.observe(20ms);
  const page shown{what};
  CAF_CHECK_EQUAL(shown.at(R"(gangway_resumes_total{result="tail"})"), 1);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_resumes_total{result="snapshot"})"), 2);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_resumes_total{result="new"})"), 3);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_runs_total{agent="builtin",outcome="completed"})"), 4);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_runs_total{agent="builtin",outcome="failed"})"), 5);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_runs_total{agent="builtin",outcome="cancelled"})"), 6);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_runs_total{agent="builtin",outcome="interrupted"})"), 7);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_runs_total{agent="a \"quoted\" one",outcome="completed"})"), 8);
  CAF_CHECK_EQUAL(shown.at("gangway_run_first_event_seconds_sum"), 0.02);
}

CAF_TEST(what_the_store_wrote_is_shown_in_seconds_and_in_events) {
  auto what = busy();
  what.stored.commit_time.observe(2ms);
  for (const std::uint64_t events : {1, 2, 30})
    what.stored.batch_events.observe(events);
  const page shown{what};
  CAF_CHECK_EQUAL(shown.at(R"(gangway_store_commit_seconds_bucket{le="0.0025"})"), 1);
  CAF_CHECK_EQUAL(shown.at("gangway_store_commit_seconds_sum"), 0.002);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_store_batch_events_bucket{le="1"})"), 1);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_store_batch_events_bucket{le="25"})"), 2);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_store_batch_events_bucket{le="50"})"), 3);
  CAF_CHECK_EQUAL(shown.at("gangway_store_batch_events_count"), 3);
  CAF_CHECK_EQUAL(shown.at("gangway_store_batch_events_sum"), 33);
}

CAF_TEST(what_happened_is_counted_under_its_names) {
  auto what = busy();
  what.counted.cleanups[static_cast<std::size_t>(cleanup_scope::node)][static_cast<std::size_t>(
      cleanup_level::moderate)][static_cast<std::size_t>(cleanup_outcome::partly)] = 3;
  what.counted.evictions[static_cast<std::size_t>(cleanup_level::aggressive)]
                        [static_cast<std::size_t>(eviction_reason::zombie)] = 20;
  what.counted.probes = {1, 2, 3};
  const page shown{what};
  CAF_CHECK_EQUAL(shown.at(R"(gangway_cleanup_runs_total{scope="node",level="moderate",outcome="partly"})"), 3);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_cleanup_evictions_total{level="aggressive",reason="zombie"})"), 20);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_probes_total{result="alive"})"), 1);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_probes_total{result="dead"})"), 2);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_probes_total{result="void"})"), 3);
}

CAF_TEST(a_bucket_holds_every_length_up_to_its_bound) {
  auto what = busy();
  auto& lengths = what.counted.admission_time[static_cast<std::size_t>(admission_outcome::cleaned)];
  for (const auto length : {100us, 101us, 5'000us, 31'000'000us})
    lengths.observe(length);
  const page shown{what};
  const auto bucket = [&](const std::string& bound) {
    return shown.at(R"(gangway_admission_seconds_bucket{outcome="cleaned",le=")" + bound + "\"}");
  };
  CAF_CHECK_EQUAL(bucket("0.0001"), 1);
  CAF_CHECK_EQUAL(bucket("0.00025"), 2);
  CAF_CHECK_EQUAL(bucket("0.0025"), 2);
  CAF_CHECK_EQUAL(bucket("0.005"), 3);
  CAF_CHECK_EQUAL(bucket("30"), 3);
  CAF_CHECK_EQUAL(bucket("+Inf"), 4);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_admission_seconds_count{outcome="cleaned"})"), 4);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_admission_seconds_sum{outcome="cleaned"})"), 31.005201);
  CAF_CHECK_EQUAL(shown.count("gangway_admission_seconds_bucket{outcome=\"cleaned\""), histogram::bounds.size() + 1);
  CAF_CHECK_EQUAL(shown.at(R"(gangway_admission_seconds_count{outcome="refused"})"), 0);
}

CAF_TEST(what_the_system_does_not_tell_is_left_out) {
  const page shown{metrics_snapshot{}};
  CAF_CHECK_EQUAL(shown.count("process_"), 0u);
  CAF_CHECK_EQUAL(shown.types.count("process_open_fds"), 0u);
  CAF_CHECK_EQUAL(page{busy()}.count("process_"), 4u);
}
