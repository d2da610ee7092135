#include "net/lobby.hpp"

#include <algorithm>
#include <utility>

#include "net/address_hash.hpp"

namespace gangway {

lobby_seat::lobby_seat(lobby_seat&& other) noexcept
    : lobby_{std::exchange(other.lobby_, nullptr)}, hash_{std::exchange(other.hash_, std::nullopt)} {}

lobby_seat& lobby_seat::operator=(lobby_seat&& other) noexcept {
  std::swap(lobby_, other.lobby_);
  std::swap(hash_, other.hash_);
  return *this;
}

bool lobby_seat::name(const boost::asio::ip::address& client) noexcept {
  if (lobby_ == nullptr || hash_) return true;
  const auto hash = hash_of(client, lobby_->salt_);
  const auto cells = lobby_->cells_of(hash);
  const auto first = cells[0]->fetch_add(1, std::memory_order_relaxed);
  const auto second = cells[1]->fetch_add(1, std::memory_order_relaxed);
  hash_ = hash;
  return std::min(first, second) < lobby_->per_address_max_;
}

void lobby_seat::give_back() noexcept {
  auto* from = std::exchange(lobby_, nullptr);
  if (from == nullptr) return;
  if (hash_)
    for (auto* cell : from->cells_of(*hash_))
      cell->fetch_sub(1, std::memory_order_relaxed);
  hash_.reset();
  from->total_.fetch_sub(1, std::memory_order_relaxed);
}

lobby::lobby(std::uint32_t total_max, std::uint32_t per_address_max)
    : total_max_{total_max}, per_address_max_{per_address_max}, salt_{make_salt()} {}

lobby_seat lobby::enter() noexcept {
  if (total_.fetch_add(1, std::memory_order_relaxed) < total_max_) return lobby_seat{this};
  total_.fetch_sub(1, std::memory_order_relaxed);
  return {};
}

std::array<std::atomic<std::uint32_t>*, 2> lobby::cells_of(std::uint64_t hash) noexcept {
  return {&rows_[0][hash % cells_max], &rows_[1][(hash >> 32U) % cells_max]};
}

} // namespace gangway
