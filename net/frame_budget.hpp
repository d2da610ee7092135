#pragma once

/// How much one connection may say: so many frames and so many bytes a second.

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// What a connection may say a second, on the average of `frame_budget::hold`. 0 of either: as much as it likes.
struct frame_rates {
  std::uint32_t frames_per_second = 0;
  std::uint64_t bytes_per_second = 0;

  friend bool operator==(const frame_rates&, const frame_rates&) = default;
};

/// What becomes of a frame.
enum class frame_verdict : std::uint8_t {
  within,  ///< it is obeyed
  refused, ///< it is answered `rate_limited` and not obeyed
  abusive, ///< the connection goes on and on, and is closed with 4013
};

/// What a connection has said lately, in two buckets (generic cell rate algorithm, ITU-T I.371): each keeps the time at
/// which it would be full again. Both hold `hold` of their rate, so that whoever opens all of its threads at once, or
/// comes back with much to say, is not taken for somebody who never stops.
class frame_budget {
public:
  static constexpr std::chrono::seconds hold{10};

  /// Refused in a row before a connection is abusive; the row ends when half of the budget is there again.
  static constexpr std::uint32_t refused_max = 1'000;

  /// Acknowledgements and pongs cost a part of a frame: who gets much acknowledges much.
  static constexpr std::uint32_t light_per_frame = 8;

  /// Judges a frame of that size. It is paid for only if it is within the budget; one that begins within it may end
  /// beyond, since it has been read already.
  /// @pre `now` is never earlier than at the last call
  frame_verdict take(const frame_rates& rates, bool is_light, std::size_t bytes, steady_time now) noexcept;

  /// Returns when a frame is within the budget again.
  std::chrono::milliseconds retry_after(const frame_rates& rates, steady_time now) const noexcept;

private:
  steady_time::duration debt(const frame_rates& rates, std::chrono::nanoseconds frame, steady_time now) const noexcept;

  steady_time frames_full_at_{};
  steady_time bytes_full_at_{};
  std::uint32_t refused_ = 0;
};

} // namespace gangway
