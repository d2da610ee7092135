#include "net/inbound_budget.hpp"

#include <algorithm>
#include <functional>

#include "net/address_hash.hpp"

namespace gangway {

inbound_budget::inbound_budget(inbound_limits limits) : limits_{limits}, salt_{make_salt()} {}

inbound_share inbound_budget::of_stranger() noexcept { return {strangers_, {}, limits_.strangers}; }

inbound_share inbound_budget::of(const user_id& who) noexcept {
  const auto hash = mix(std::hash<std::string>{}(who.value) ^ salt_);
  return {users_, {&rows_[0][hash % cells_max], &rows_[1][(hash >> 32U) % cells_max]}, limits_.per_user};
}

inbound_bytes inbound_budget::held() const noexcept {
  return {strangers_.load(std::memory_order_relaxed), users_.load(std::memory_order_relaxed)};
}

inbound_share::inbound_share(inbound_share&& other) noexcept
    : total_{std::exchange(other.total_, nullptr)},
      cells_{other.cells_},
      limit_{other.limit_},
      counted_{std::exchange(other.counted_, 0)} {}

inbound_share& inbound_share::operator=(inbound_share&& other) noexcept {
  std::swap(total_, other.total_);
  std::swap(cells_, other.cells_);
  std::swap(limit_, other.limit_);
  std::swap(counted_, other.counted_);
  return *this;
}

bool inbound_share::hold(std::size_t bytes) noexcept {
  if (total_ == nullptr) return true;
  const std::uint64_t wanted = bytes > inbound_budget::free_bytes ? bytes : 0;
  if (wanted == counted_) return true;
  const auto move = [](count& what, std::uint64_t from, std::uint64_t to) {
    return what.fetch_add(to - from, std::memory_order_relaxed) + (to - from);
  };
  const auto move_all = [&](std::uint64_t from, std::uint64_t to) {
    const auto total = move(*total_, from, to);
    return cells_[0] == nullptr ? total : std::min(move(*cells_[0], from, to), move(*cells_[1], from, to));
  };
  const auto held = move_all(counted_, wanted);
  if (wanted > counted_ && held > limit_) {
    move_all(wanted, counted_);
    return false;
  }
  counted_ = wanted;
  return true;
}

} // namespace gangway
