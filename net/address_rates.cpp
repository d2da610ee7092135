#include "net/address_rates.hpp"

#include <algorithm>

#include "net/address_hash.hpp"

namespace gangway {

address_rates::address_rates(std::uint32_t per_second) : salt_{make_salt()} {
  if (per_second > 0) interval_ = std::chrono::nanoseconds{std::chrono::seconds{1}} / per_second;
}

bool address_rates::is_beyond(const boost::asio::ip::address& client, steady_time now) const noexcept {
  if (interval_.count() == 0) return false;
  const auto hash = hash_of(client, salt_);
  const auto full_at = std::min(rows_[0][hash % cells_max], rows_[1][(hash >> 32U) % cells_max]);
  return full_at + interval_ - now > hold;
}

void address_rates::count(const boost::asio::ip::address& client, steady_time now) noexcept {
  const auto hash = hash_of(client, salt_);
  for (auto* cell : {&rows_[0][hash % cells_max], &rows_[1][(hash >> 32U) % cells_max]})
    *cell = std::max(*cell, now) + interval_;
}

bool address_rates::take(const boost::asio::ip::address& client, steady_time now) noexcept {
  if (is_beyond(client, now)) return false;
  count(client, now);
  return true;
}

} // namespace gangway
