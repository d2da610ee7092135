#pragma once

/// What is counted of admissions, cleanups and probes, as plain integers: each user's directory adds them up on its own
/// loop, and whoever looks adds up the directories.

#include <array>
#include <chrono>
#include <cstdint>

#include "protocol/cleanup.hpp"

namespace gangway {

/// How a request for a manager ended.
enum class admission_outcome : std::uint8_t { immediate, cleaned, grace, queued, refused };
inline constexpr std::size_t admission_outcomes = 5;
std::string_view to_string(admission_outcome outcome) noexcept;

/// How a probe of one manager or connection ended. `void_`: we lagged ourselves, so that silence proves nothing.
enum class probe_result : std::uint8_t { alive, dead, void_ };
inline constexpr std::size_t probe_results = 3;
std::string_view to_string(probe_result result) noexcept;

/// How often a length of time fell under each bound, as Prometheus counts it.
struct histogram {
  /// Upper bounds; one more bucket is beyond the last.
  static constexpr std::array<std::chrono::microseconds, 14> bounds{
      std::chrono::microseconds{100},        std::chrono::microseconds{250},       std::chrono::microseconds{500},
      std::chrono::microseconds{1'000},      std::chrono::microseconds{2'500},     std::chrono::microseconds{5'000},
      std::chrono::microseconds{10'000},     std::chrono::microseconds{50'000},    std::chrono::microseconds{250'000},
      std::chrono::microseconds{1'000'000},  std::chrono::microseconds{2'000'000}, std::chrono::microseconds{5'000'000},
      std::chrono::microseconds{10'000'000}, std::chrono::microseconds{30'000'000}};

  std::array<std::uint64_t, bounds.size() + 1> buckets{}; ///< each alone, not added up
  std::chrono::microseconds sum{0};

  void observe(std::chrono::microseconds length) noexcept;
  std::uint64_t count() const noexcept;
  histogram& operator+=(const histogram& other) noexcept;
  friend bool operator==(const histogram&, const histogram&) = default;
};

/// Everything that is counted; the sum of two is the count of both.
struct measures {

  std::array<std::array<std::array<std::uint64_t, cleanup_outcomes>, cleanup_levels>, cleanup_scopes> cleanups{};
  std::array<std::array<std::uint64_t, eviction_reasons>, cleanup_levels> evictions{};
  std::array<std::uint64_t, probe_results> probes{};
  histogram cleanup_time;
  std::array<histogram, admission_outcomes> admission_time{};
  histogram queue_time;

  measures& operator+=(const measures& other) noexcept;
  friend bool operator==(const measures&, const measures&) = default;
};

} // namespace gangway
