#pragma once

/// What is counted, as plain integers: each user's directory adds up on its own loop what happens at its users, the
/// store what it writes, and whoever looks adds up the directories.

#include <array>
#include <chrono>
#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <type_traits>

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

/// What somebody got who opened a thread: the events behind the position it named, a snapshot though it named one, or
/// a snapshot since it named none.
enum class resume_result : std::uint8_t { tail, snapshot, new_ };
inline constexpr std::size_t resume_results = 3;
std::string_view to_string(resume_result result) noexcept;

/// How a run ended. `interrupted`: its manager or the server went away in the middle.
enum class run_outcome : std::uint8_t { completed, failed, cancelled, interrupted };
inline constexpr std::size_t run_outcomes = 4;
std::string_view to_string(run_outcome outcome) noexcept;

/// RFC 6455's name for a connection that ended without a close frame; never sent.
inline constexpr std::uint16_t no_close_frame = 1006;

/// The close codes that are told apart, ascending: those of RFC 6455 that mean something here, and ours.
inline constexpr std::array<std::uint16_t, 20> counted_close_codes{1000, 1001, 1002, 1006, 1007, 1009, 4001,
                                                                   4003, 4005, 4008, 4010, 4012, 4013, 4029,
                                                                   4440, 4441, 4500, 4501, 4502, 4503};

/// Returns the place of `code` among them; behind the last for any other.
std::size_t place_of_close_code(std::uint16_t code) noexcept;

/// Upper bounds of a length of time.
inline constexpr std::array<std::chrono::microseconds, 14> time_bounds{
    std::chrono::microseconds{100},        std::chrono::microseconds{250},       std::chrono::microseconds{500},
    std::chrono::microseconds{1'000},      std::chrono::microseconds{2'500},     std::chrono::microseconds{5'000},
    std::chrono::microseconds{10'000},     std::chrono::microseconds{50'000},    std::chrono::microseconds{250'000},
    std::chrono::microseconds{1'000'000},  std::chrono::microseconds{2'000'000}, std::chrono::microseconds{5'000'000},
    std::chrono::microseconds{10'000'000}, std::chrono::microseconds{30'000'000}};

/// Upper bounds of a number of things.
inline constexpr std::array<std::uint64_t, 12> count_bounds{1, 2, 5, 10, 25, 50, 100, 250, 500, 1'000, 2'500, 5'000};

/// How often a value fell under each bound, as Prometheus counts it.
template <const auto& Bounds>
struct basic_histogram {
  using value_type = typename std::remove_cvref_t<decltype(Bounds)>::value_type;

  /// Upper bounds; one more bucket is beyond the last.
  static constexpr const auto& bounds = Bounds;

  std::array<std::uint64_t, Bounds.size() + 1> buckets{}; ///< each alone, not added up
  value_type sum{};

  void observe(value_type value) noexcept;
  std::uint64_t count() const noexcept;
  basic_histogram& operator+=(const basic_histogram& other) noexcept;
  friend bool operator==(const basic_histogram&, const basic_histogram&) = default;
};

extern template struct basic_histogram<time_bounds>;
extern template struct basic_histogram<count_bounds>;

using histogram = basic_histogram<time_bounds>;
using count_histogram = basic_histogram<count_bounds>;

/// Everything that directories count; the sum of two is the count of both.
struct measures {
  std::array<std::array<std::array<std::uint64_t, cleanup_outcomes>, cleanup_levels>, cleanup_scopes> cleanups{};
  std::array<std::array<std::uint64_t, eviction_reasons>, cleanup_levels> evictions{};
  std::array<std::uint64_t, probe_results> probes{};
  histogram cleanup_time;
  std::array<histogram, admission_outcomes> admission_time{};
  histogram queue_time;
  std::array<std::uint64_t, counted_close_codes.size() + 1> disconnects{}; ///< the last: by any other code
  std::array<std::uint64_t, resume_results> resumes{};
  std::map<std::string, std::array<std::uint64_t, run_outcomes>> runs; ///< by agent: as few as are configured
  histogram first_event_time;

  measures& operator+=(const measures& other);
  friend bool operator==(const measures&, const measures&) = default;
};

/// What the store counts.
struct store_measures {
  histogram commit_time;        ///< from the begin of a batch's transaction to its commit
  count_histogram batch_events; ///< events of a committed batch
  friend bool operator==(const store_measures&, const store_measures&) = default;
};

} // namespace gangway
