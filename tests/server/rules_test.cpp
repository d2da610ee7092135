#define CAF_SUITE rules

#include "server/rules.hpp"

#include <limits>

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

constexpr auto free_tier = static_cast<std::size_t>(tier::free);
constexpr auto pro_tier = static_cast<std::size_t>(tier::pro);
constexpr auto enterprise_tier = static_cast<std::size_t>(tier::enterprise);

} // namespace

// A default that is written down twice is a default that differs one day.
CAF_TEST(the_defaults_of_the_settings_are_those_of_the_rules) {
  for (const auto& rules : user_rules_of(settings{})) {
    const user_rules usual;
    CAF_CHECK_EQUAL(rules.managers_max, usual.managers_max);
    CAF_CHECK_EQUAL(rules.connections_max, usual.connections_max);
    CAF_CHECK_EQUAL(rules.credit, usual.credit);
    CAF_CHECK(rules.heartbeat == usual.heartbeat);
    CAF_CHECK(rules.linger == usual.linger);
    CAF_CHECK(rules.open_timeout == usual.open_timeout);
    CAF_CHECK(rules.retire_timeout == usual.retire_timeout);
    CAF_CHECK(rules.jitter_max == usual.jitter_max);
    CAF_CHECK_EQUAL(rules.cleanup.start_ratio, usual.cleanup.start_ratio);
    CAF_CHECK_EQUAL(rules.cleanup.stop_ratio, usual.cleanup.stop_ratio);
    CAF_CHECK(rules.cleanup.idle_after == usual.cleanup.idle_after);
    CAF_CHECK(rules.cleanup.probe_timeout == usual.cleanup.probe_timeout);
    CAF_CHECK(rules.cleanup.deadline == usual.cleanup.deadline);
    CAF_CHECK(rules.cleanup.max_level == usual.cleanup.max_level);
    CAF_CHECK(rules.cleanup.resume_window == usual.cleanup.resume_window);
    CAF_CHECK_EQUAL(rules.grace.extra, usual.grace.extra);
    CAF_CHECK(rules.grace.duration == usual.grace.duration);
    CAF_CHECK(rules.grace.cooldown == usual.grace.cooldown);
    CAF_CHECK_EQUAL(rules.queue.max, usual.queue.max);
    CAF_CHECK(rules.queue.timeout == usual.queue.timeout);
    CAF_CHECK(rules.run.stall_after == usual.run.stall_after);
    CAF_CHECK(rules.run.total_max == usual.run.total_max);
  }
  const auto pressure = pressure_rules_of(settings{});
  CAF_CHECK(pressure == pressure_rules{});
}

CAF_TEST(every_setting_of_the_ladder_reaches_its_rule) {
  settings values;
  values.limits.managers_per_user = 1;
  values.limits.connections_per_user = 2;
  values.heartbeat.interval = 3ms;
  values.heartbeat.timeout = 4ms;
  values.manager.linger = 5ms;
  values.manager.open_timeout = 6ms;
  values.manager.retire_timeout = 7ms;
  values.client.reconnect_jitter_max = 8ms;
  values.cleanup = {{0.5}, {0.25}, 9ms, 10ms, 11ms, "moderate", 12ms};
  values.grace = {13, 14ms, 15ms};
  values.queue = {16, 17ms};
  values.run = {18ms, 19ms};
  const auto rules = user_rules_of(values)[free_tier];
  CAF_CHECK_EQUAL(rules.managers_max, 1u);
  CAF_CHECK_EQUAL(rules.connections_max, 2u);
  CAF_CHECK(rules.heartbeat == (cadence{3ms, 4ms}));
  CAF_CHECK(rules.linger == 5ms);
  CAF_CHECK(rules.open_timeout == 6ms);
  CAF_CHECK(rules.retire_timeout == 7ms);
  CAF_CHECK(rules.jitter_max == 8ms);
  CAF_CHECK_EQUAL(rules.cleanup.start_ratio, 0.5);
  CAF_CHECK_EQUAL(rules.cleanup.stop_ratio, 0.25);
  CAF_CHECK(rules.cleanup.idle_after == 9ms);
  CAF_CHECK(rules.cleanup.probe_timeout == 10ms);
  CAF_CHECK(rules.cleanup.deadline == 11ms);
  CAF_CHECK(rules.cleanup.max_level == cleanup_level::moderate);
  CAF_CHECK(rules.cleanup.resume_window == 12ms);
  CAF_CHECK_EQUAL(rules.grace.extra, 13u);
  CAF_CHECK(rules.grace.duration == 14ms);
  CAF_CHECK(rules.grace.cooldown == 15ms);
  CAF_CHECK_EQUAL(rules.queue.max, 16u);
  CAF_CHECK(rules.queue.timeout == 17ms);
  CAF_CHECK(rules.run.stall_after == 18ms);
  CAF_CHECK(rules.run.total_max == 19ms);
}

CAF_TEST(a_tier_has_its_own_where_it_sets_it_and_everybody_s_elsewhere) {
  settings values;
  values.limits.managers_per_user = 10;
  values.tiers.free.max_level = "conservative";
  values.tiers.pro.managers_per_user = 40;
  values.tiers.pro.grace_duration = 2min;
  values.tiers.enterprise = {100, 200, "aggressive", 0, 3min, {}, {}};
  const auto rules = user_rules_of(values);
  CAF_CHECK_EQUAL(rules[free_tier].managers_max, 10u);
  CAF_CHECK(rules[free_tier].cleanup.max_level == cleanup_level::conservative);
  CAF_CHECK_EQUAL(rules[free_tier].grace.extra, 5u);
  CAF_CHECK_EQUAL(rules[pro_tier].managers_max, 40u);
  CAF_CHECK_EQUAL(rules[pro_tier].connections_max, 64u);
  CAF_CHECK(rules[pro_tier].cleanup.max_level == cleanup_level::force);
  CAF_CHECK(rules[pro_tier].grace.duration == 2min);
  CAF_CHECK_EQUAL(rules[enterprise_tier].managers_max, 100u);
  CAF_CHECK_EQUAL(rules[enterprise_tier].connections_max, 200u);
  CAF_CHECK(rules[enterprise_tier].cleanup.max_level == cleanup_level::aggressive);
  CAF_CHECK_EQUAL(rules[enterprise_tier].grace.extra, 0u);
  CAF_CHECK(rules[enterprise_tier].grace.duration == 3min);
}

CAF_TEST(the_node_s_settings_reach_the_pressure_s_rules) {
  settings values;
  values.node.memory_high = {0.5};
  values.node.memory_critical = {0.75};
  values.node.loop_lag_high = 50ms;
  values.node.enterprise_reserve = {0.25};
  CAF_CHECK(pressure_rules_of(values) == (pressure_rules{0.5, 0.75, 50ms, 0.75}));
}

CAF_TEST(connections_end_where_the_setting_or_the_descriptors_do) {
  settings values;
  CAF_CHECK_EQUAL(connections_max_of(values, 20'000), 19'744u);
  CAF_CHECK_EQUAL(connections_max_of(values, 1'024), 768u);
  CAF_CHECK_EQUAL(connections_max_of(values, 100), 75u);
  CAF_CHECK_EQUAL(connections_max_of(values, 0), 1u);
  CAF_CHECK_EQUAL(connections_max_of(values, std::numeric_limits<std::uint64_t>::max()),
                  std::numeric_limits<std::uint32_t>::max());
  values.limits.connections = 768;
  CAF_CHECK_EQUAL(connections_max_of(values, 1'024), 768u);
  CAF_CHECK_EQUAL(connections_max_of(values, 1'023), 768u);
  CAF_CHECK_EQUAL(connections_max_of(values, 1'020), 765u);
  values.limits.connections = 1;
  CAF_CHECK_EQUAL(connections_max_of(values, 1'024), 1u);
}
