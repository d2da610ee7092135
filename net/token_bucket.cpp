#include "net/token_bucket.hpp"

#include <algorithm>

namespace gangway {

using namespace std::chrono_literals;

token_bucket::token_bucket(std::uint32_t rate, std::size_t share) noexcept {
  if (rate == 0) return;
  interval_ = std::chrono::nanoseconds{1s} * share / rate;
  depth_ = std::max<std::chrono::nanoseconds>(1s, interval_);
}

bool token_bucket::take(steady_time now) noexcept {
  const auto full_at = std::max(full_at_, now) + interval_;
  if (full_at - now > depth_) return false;
  full_at_ = full_at;
  return true;
}

} // namespace gangway
