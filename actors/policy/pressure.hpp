#pragma once

/// What a node does that is short of something itself: it cleans up after the lower tiers first, then lets only those
/// in that it keeps a reserve for. It never takes a stranger's live session to make room for another's: no order is
/// `force`.

#include <array>
#include <bitset>
#include <chrono>
#include <cstdint>
#include <optional>

#include "protocol/cleanup.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// How short the node is, by the worst of its readings.
enum class pressure_level : std::uint8_t { normal, elevated, critical };

/// What the node measures of itself.
struct node_reading {
  std::uint64_t memory_used = 0;         ///< bytes of this process that no other could have
  std::uint64_t memory_max = 0;          ///< bytes; 0: unknown, and so no reason for anything
  std::chrono::milliseconds loop_lag{0}; ///< of the latest loop
  std::uint64_t connections = 0;
  std::uint64_t connections_max = 0; ///< 0: none

  friend bool operator==(const node_reading&, const node_reading&) = default;
};

/// Where shortage begins.
/// @pre memory_high < memory_critical, connections_high < 1, and loop_lag_high is more than zero
struct pressure_rules {
  double memory_high = 0.8; ///< of `memory_max`: elevated
  double memory_critical = 0.9;
  std::chrono::milliseconds loop_lag_high{200}; ///< elevated; five times it is critical
  double connections_high = 0.9;                ///< of `connections_max`: elevated; all of them is critical

  friend bool operator==(const pressure_rules&, const pressure_rules&) = default;
};

/// One step of relief: the users of a tier, and how far their cleanup may go.
struct relief {
  gangway::tier tier = gangway::tier::free;
  cleanup_level level = cleanup_level::conservative;

  friend bool operator==(const relief&, const relief&) = default;
};

/// What is remembered from one look to the next.
struct pressure_state {
  pressure_level level = pressure_level::normal;
  std::optional<steady_time> below_elevated_since; ///< all readings are well below it; unset in `normal`
  std::optional<steady_time> below_critical_since; ///< the same; set only while `critical`
  std::bitset<tiers * cleanup_levels> ordered;     ///< in this round, by `order_index`
  std::array<std::chrono::milliseconds, 3> lags{}; ///< of the looks before, whatever the level
  steady_time last_order{};                        ///< of this round; means nothing before the first

  friend bool operator==(const pressure_state&, const pressure_state&) = default;
};

/// What one look leads to.
struct pressure_step {
  pressure_state state;
  std::optional<relief> order; ///< at most one a look, so that each may show its effect before the next
};

/// Whom the doors let in, and what those are told who are sent away.
struct door_policy {
  std::array<bool, tiers> open_to_tier{true, true, true}; ///< in the order of `tier`
  std::chrono::milliseconds retry_after{0};

  friend bool operator==(const door_policy&, const door_policy&) = default;
};

/// For how long the readings must stay below 90 % of a level's threshold before the level is left.
inline constexpr std::chrono::milliseconds pressure_calm{5'000};

/// How long a round of orders may show its effect before the next begins: what was not idle then may be by now.
inline constexpr std::chrono::milliseconds pressure_round{30'000};

/// Returns the reading with the lag that lasted: the least of this look and the three before. A loop that was late once
/// is not short of anything.
node_reading lasting(const node_reading& reading, const pressure_state& before) noexcept;

/// Returns the level that the readings show by themselves, wherever the node comes from.
/// @param share of each threshold that counts as reaching it
pressure_level measure_pressure(const node_reading& reading, const pressure_rules& rules, double share = 1.0) noexcept;

/// Returns what a look at `now` leads to. A level is entered at once. It is left when every reading has stayed below 90
/// % of its threshold for `pressure_calm`, so that a reading around a threshold does not open and shut the doors.
///
/// Orders of a round: `elevated`: free conservative, free moderate, pro conservative, pro moderate; `critical`: the
/// same and each tier's aggressive, enterprise last. One a look, while the readings themselves show the level, each
/// once a round.
/// @pre the looks of one node come in order of time
pressure_step look_at_pressure(const pressure_state& before, const node_reading& reading, const pressure_rules& rules,
                               steady_time now) noexcept;

/// Returns whom the doors let in: everybody, until the pressure is critical; then enterprise only.
door_policy doors_under(pressure_level level) noexcept;

/// Returns whether users may have more than their limit for a while: only where nothing is short.
bool allows_grace(pressure_level level) noexcept;

} // namespace gangway
