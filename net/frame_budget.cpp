#include "net/frame_budget.hpp"

#include <algorithm>

namespace gangway {

namespace {

using std::chrono::nanoseconds;
using namespace std::chrono_literals;

constexpr std::chrono::milliseconds retry_min{100};

nanoseconds cost_of_frame(const frame_rates& rates, bool is_light) noexcept {
  if (rates.frames_per_second == 0) return nanoseconds::zero();
  return nanoseconds{1s} / rates.frames_per_second / (is_light ? frame_budget::light_per_frame : 1);
}

} // namespace

// What is owed of either, a frame of that cost included: it has to fit. Its bytes need not, only begin to: they have
// been read already.
steady_time::duration frame_budget::debt(const frame_rates& rates, nanoseconds frame, steady_time now) const noexcept {
  auto result = steady_time::duration::zero();
  if (rates.frames_per_second > 0) result = std::max(frames_full_at_, now) + frame - now;
  if (rates.bytes_per_second > 0) result = std::max(result, bytes_full_at_ + nanoseconds{1} - now);
  return result;
}

frame_verdict frame_budget::take(const frame_rates& rates, bool is_light, std::size_t bytes, steady_time now) noexcept {
  const auto cost = cost_of_frame(rates, is_light);
  const auto owed = debt(rates, cost, now);
  if (owed > hold) return refused_ < refused_max ? (++refused_, frame_verdict::refused) : frame_verdict::abusive;
  if (owed <= hold / 2 + cost) refused_ = 0;
  frames_full_at_ = std::max(frames_full_at_, now) + cost;
  if (rates.bytes_per_second > 0) {
    const std::chrono::duration<double> seconds{static_cast<double>(bytes)
                                                / static_cast<double>(rates.bytes_per_second)};
    bytes_full_at_ = std::max(bytes_full_at_, now) + std::chrono::duration_cast<nanoseconds>(seconds);
  }
  return frame_verdict::within;
}

std::chrono::milliseconds frame_budget::retry_after(const frame_rates& rates, steady_time now) const noexcept {
  return std::max(retry_min, std::chrono::ceil<std::chrono::milliseconds>(debt(rates, cost_of_frame(rates, false), now)
                                                                          - hold - nanoseconds{1}));
}

} // namespace gangway
