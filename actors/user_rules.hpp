#pragma once

/// The limits and times that a user's actor goes by: one set for each tier.

#include <chrono>
#include <cstdint>

#include "actors/policy/liveness.hpp"
#include "protocol/cleanup.hpp"

namespace gangway {

/// When and how far room is made.
struct cleanup_rules {
  double start_ratio = 0.9; ///< of the limit: a background cleanup starts there
  double stop_ratio = 0.8;  ///< and ends there
  std::chrono::milliseconds idle_after{300'000};
  std::chrono::milliseconds probe_timeout{1'500};
  std::chrono::milliseconds deadline{2'000}; ///< of a whole cleanup
  cleanup_level max_level = cleanup_level::force;
  std::chrono::milliseconds resume_window{120'000}; ///< how long an evicted thread may not evict others in its turn
};

/// How far and how long the limit may be exceeded when nobody can go.
struct grace_rules {
  std::uint32_t extra = 5;
  std::chrono::milliseconds duration{60'000};
  std::chrono::milliseconds cooldown{300'000}; ///< from one grace's end to the next one's begin
};

/// How many may wait for a slot, and how long.
struct queue_rules {
  std::uint32_t max = 32;
  std::chrono::milliseconds timeout{30'000};
};

/// How long a run protects its manager.
struct run_rules {
  std::chrono::milliseconds stall_after{120'000}; ///< since its last event
  std::chrono::milliseconds total_max{1'800'000}; ///< since its begin
};

/// The limits and times of every user of a tier.
struct user_rules {
  std::uint32_t managers_max = 20;
  std::uint32_t connections_max = 64;
  std::uint32_t credit = 8; ///< frames of one attachment that its manager may have unanswered
  gangway::cadence heartbeat{std::chrono::milliseconds{25'000}, std::chrono::milliseconds{10'000}};
  std::chrono::milliseconds linger{60'000};        ///< of a manager without connection and run
  std::chrono::milliseconds open_timeout{30'000};  ///< of a manager whose thread does not open; then it is given up
  std::chrono::milliseconds retire_timeout{5'000}; ///< then it is killed
  std::chrono::milliseconds jitter_max{2'000};     ///< that clients are told to spread their reconnects by
  std::chrono::milliseconds tier_kept{120'000};    ///< for which a user may have what it had when its tier fell
  cleanup_rules cleanup;
  grace_rules grace;
  queue_rules queue;
  run_rules run;
};

} // namespace gangway
