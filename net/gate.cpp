#include "net/gate.hpp"

#include <algorithm>
#include <limits>

namespace gangway {

bool is_open_to(const node_gate& state, std::optional<tier> who) noexcept {
  const auto& open = state.open_to_tier;
  return who ? open[static_cast<std::size_t>(*who)] : std::find(open.begin(), open.end(), true) != open.end();
}

std::uint32_t room_for(std::optional<tier> who, std::uint32_t connections_max, double reserve_ratio) noexcept {
  if (connections_max == 0) return std::numeric_limits<std::uint32_t>::max();
  const auto reserve = who == tier::enterprise ? 0 : static_cast<std::uint32_t>(connections_max * reserve_ratio);
  return connections_max - reserve;
}

void gate::set(const node_gate& state) noexcept {
  auto packed = static_cast<std::uint64_t>(std::max<std::chrono::milliseconds::rep>(0, state.retry_after.count()));
  for (const bool open : state.open_to_tier)
    packed = packed << 1U | (open ? 1U : 0U);
  state_.store(packed, std::memory_order_relaxed);
}

node_gate gate::get() const noexcept {
  auto packed = state_.load(std::memory_order_relaxed);
  node_gate result;
  for (auto open = result.open_to_tier.rbegin(); open != result.open_to_tier.rend(); ++open, packed >>= 1U)
    *open = (packed & 1U) != 0;
  result.retry_after = std::chrono::milliseconds{static_cast<std::chrono::milliseconds::rep>(packed)};
  return result;
}

void berth_return::operator()(berths* from) const noexcept { from->taken_.fetch_sub(1, std::memory_order_relaxed); }

berth berths::take(std::uint32_t room) noexcept {
  auto taken = taken_.load(std::memory_order_relaxed);
  while (taken < room)
    if (taken_.compare_exchange_weak(taken, taken + 1, std::memory_order_relaxed)) return berth{this};
  return nullptr;
}

} // namespace gangway
