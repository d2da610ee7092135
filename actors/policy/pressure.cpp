#include "actors/policy/pressure.hpp"

#include <algorithm>

namespace gangway {

namespace {

constexpr double well_below = 0.9;
constexpr std::int64_t critical_lag = 5; // times the high one

std::size_t order_index(const relief& order) noexcept {
  return static_cast<std::size_t>(order.tier) * cleanup_levels + static_cast<std::size_t>(order.level);
}

/// Whether a part of a whole reaches a threshold; a whole that nobody knows is never reached.
bool reaches(std::uint64_t part, std::uint64_t whole, double threshold) noexcept {
  return whole > 0 && static_cast<double>(part) >= static_cast<double>(whole) * threshold;
}

bool reaches(std::chrono::milliseconds part, std::chrono::milliseconds threshold, double share) noexcept {
  return static_cast<double>(part.count()) >= static_cast<double>(threshold.count()) * share;
}

/// Since when the readings have been well below a level that they were below `since` at the look before.
std::optional<steady_time> calm(bool below, std::optional<steady_time> since, steady_time now) noexcept {
  if (!below) return std::nullopt;
  return since ? since : now;
}

bool is_over(const std::optional<steady_time>& calm_since, steady_time now) noexcept {
  return calm_since && now - *calm_since >= pressure_calm;
}

/// The first order of a level's round that has not been given. The lowest tier is done with before the next begins.
std::optional<relief> next_order(pressure_level level, const std::bitset<tiers * cleanup_levels>& ordered) noexcept {
  if (level == pressure_level::normal) return std::nullopt;
  const bool critical = level == pressure_level::critical;
  const auto last_tier = critical ? tier::enterprise : tier::pro;
  const auto last_level = critical ? cleanup_level::aggressive : cleanup_level::moderate;
  for (std::size_t who = 0; who <= static_cast<std::size_t>(last_tier); ++who)
    for (std::size_t how_far = 0; how_far <= static_cast<std::size_t>(last_level); ++how_far) {
      const relief order{static_cast<tier>(who), static_cast<cleanup_level>(how_far)};
      if (!ordered.test(order_index(order))) return order;
    }
  return std::nullopt;
}

} // namespace

node_reading lasting(const node_reading& reading, const pressure_state& before) noexcept {
  auto result = reading;
  result.loop_lag = std::min(result.loop_lag, *std::min_element(before.lags.begin(), before.lags.end()));
  return result;
}

pressure_level measure_pressure(const node_reading& reading, const pressure_rules& rules, double share) noexcept {
  if (reaches(reading.memory_used, reading.memory_max, rules.memory_critical * share)
      || reaches(reading.loop_lag, rules.loop_lag_high * critical_lag, share)
      || reaches(reading.connections, reading.connections_max, share))
    return pressure_level::critical;
  if (reaches(reading.memory_used, reading.memory_max, rules.memory_high * share)
      || reaches(reading.loop_lag, rules.loop_lag_high, share)
      || reaches(reading.connections, reading.connections_max, rules.connections_high * share))
    return pressure_level::elevated;
  return pressure_level::normal;
}

pressure_step look_at_pressure(const pressure_state& before, const node_reading& reading, const pressure_rules& rules,
                               steady_time now) noexcept {
  pressure_step result{before, std::nullopt};
  auto& state = result.state;
  std::shift_left(state.lags.begin(), state.lags.end(), 1);
  state.lags.back() = reading.loop_lag;
  const auto lasted = lasting(reading, before);
  const auto shown = measure_pressure(lasted, rules);
  // What the readings would still show if they were a ninth higher: a level is kept until it is out of their reach.
  const auto near = measure_pressure(lasted, rules, well_below);
  state.below_elevated_since = calm(near < pressure_level::elevated, before.below_elevated_since, now);
  state.below_critical_since = calm(near < pressure_level::critical, before.below_critical_since, now);
  if (state.level == pressure_level::critical && is_over(state.below_critical_since, now))
    state.level = pressure_level::elevated;
  if (state.level == pressure_level::elevated && is_over(state.below_elevated_since, now))
    state.level = pressure_level::normal;
  state.level = std::max(state.level, shown);
  if (state.level < pressure_level::critical) state.below_critical_since.reset();
  if (state.level == pressure_level::normal) {
    pressure_step nothing;
    nothing.state.lags = state.lags;
    return nothing;
  }

  // Nobody goes for a shortage that is over: what lingers of it is caution.
  result.order = next_order(shown, state.ordered);
  if (!result.order && shown > pressure_level::normal && now - state.last_order >= pressure_round) {
    state.ordered.reset();
    result.order = next_order(shown, state.ordered);
  }
  if (result.order) {
    state.ordered.set(order_index(*result.order));
    state.last_order = now;
  }
  return result;
}

door_policy doors_under(pressure_level level) noexcept {
  if (level != pressure_level::critical) return {};
  return {{false, false, true}, pressure_calm};
}

bool allows_grace(pressure_level level) noexcept { return level == pressure_level::normal; }

} // namespace gangway
