#include "server/rules.hpp"

#include <algorithm>
#include <limits>

namespace gangway {

namespace {

constexpr std::uint64_t spare_descriptors_max = 256;

user_rules user_rules_of(const settings& values, const tier_overrides& own) {
  user_rules rules;
  rules.managers_max = own.managers_per_user.value_or(values.limits.managers_per_user);
  rules.connections_max = own.connections_per_user.value_or(values.limits.connections_per_user);
  rules.heartbeat = {values.heartbeat.interval, values.heartbeat.timeout};
  rules.linger = values.manager.linger;
  rules.open_timeout = values.manager.open_timeout;
  rules.retire_timeout = values.manager.retire_timeout;
  rules.jitter_max = values.client.reconnect_jitter_max;
  const auto max_level = parse_cleanup_level(own.max_level.value_or(values.cleanup.max_level));
  rules.cleanup = {values.cleanup.start_ratio.value, values.cleanup.stop_ratio.value,
                   values.cleanup.idle_after,        values.cleanup.probe_timeout,
                   values.cleanup.deadline,          max_level.value_or(cleanup_level::conservative),
                   values.cleanup.resume_window};
  rules.grace = {own.grace_extra.value_or(values.grace.extra), own.grace_duration.value_or(values.grace.duration),
                 values.grace.cooldown};
  rules.queue = {values.queue.max, values.queue.timeout};
  rules.run = {values.run.stall_after, values.run.total_max};
  return rules;
}

} // namespace

const tier_overrides& overrides_of(const settings& values, tier which) {
  switch (which) {
  case tier::free:
    return values.tiers.free;
  case tier::pro:
    return values.tiers.pro;
  case tier::enterprise:
    return values.tiers.enterprise;
  }
  return values.tiers.free;
}

std::array<user_rules, tiers> user_rules_of(const settings& values) {
  std::array<user_rules, tiers> result;
  for (std::size_t which = 0; which < tiers; ++which)
    result[which] = user_rules_of(values, overrides_of(values, static_cast<tier>(which)));
  return result;
}

history_rules history_rules_of(const settings& values) {
  const auto& history = values.history;
  return {history.run_ttl, history.age_max, history.thread_bytes_max.bytes};
}

std::size_t delivery_bytes_max_of(const settings& values) noexcept {
  // Half of the window is for large frames, which wait for their turn. Of the other half each thread gets its part, and
  // may exceed it by one frame as long again.
  std::uint64_t threads = 32;
  for (const auto& rules : user_rules_of(values))
    threads = std::max<std::uint64_t>(threads, std::uint64_t{rules.managers_max} + rules.grace.extra);
  return std::max<std::uint64_t>(1, values.client.queue_bytes_max.bytes / 4 / threads);
}

pressure_rules pressure_rules_of(const settings& values) {
  pressure_rules rules;
  rules.memory_high = values.node.memory_high.value;
  rules.memory_critical = values.node.memory_critical.value;
  rules.loop_lag_high = values.node.loop_lag_high;
  rules.connections_high = 1 - values.node.enterprise_reserve.value;
  return rules;
}

std::uint32_t connections_max_of(const settings& values, std::uint64_t descriptors) noexcept {
  const auto spare = std::min(descriptors / 4, spare_descriptors_max);
  const auto possible = std::min<std::uint64_t>(std::max<std::uint64_t>(descriptors - spare, 1),
                                                std::numeric_limits<std::uint32_t>::max());
  const auto wanted = values.limits.connections;
  return static_cast<std::uint32_t>(wanted == 0 ? possible : std::min<std::uint64_t>(wanted, possible));
}

} // namespace gangway
