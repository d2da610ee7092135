#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <optional>

#include <boost/asio/ip/address.hpp>

namespace gangway {

class lobby;

/// A place for a connection that has not shown a valid token; given back when it goes or has shown one. Movable, and
/// may end on any thread.
class lobby_seat {
public:
  lobby_seat() = default;
  lobby_seat(lobby_seat&& other) noexcept;
  lobby_seat& operator=(lobby_seat&& other) noexcept;
  ~lobby_seat() { give_back(); }

  explicit operator bool() const noexcept { return lobby_ != nullptr; }

  /// Counts for that address from now on as well. Returns false if it has too many already.
  bool name(const boost::asio::ip::address& client) noexcept;

  void give_back() noexcept;

private:
  friend lobby;

  explicit lobby_seat(lobby* of) noexcept : lobby_{of} {}

  lobby* lobby_ = nullptr;
  std::optional<std::uint64_t> hash_;
};

/// Where connections wait until they have shown a valid token: so many of one address, so many in all.
///
/// Counted in two rows of cells, each address in one cell of each row: without a lock, without an allocation, and from
/// any loop. Where strangers share a cell the other row tells them apart; an address is only refused if both of its
/// cells are full. An IPv6 address counts as its /64, of which one client may have all.
class lobby {
public:
  /// @pre both > 0
  lobby(std::uint32_t total_max, std::uint32_t per_address_max);

  /// Takes a seat, if there is one, for somebody whose address is not known yet.
  lobby_seat enter() noexcept;

  std::uint32_t taken() const noexcept { return total_.load(std::memory_order_relaxed); }

  /// Returns whether more than half of the seats are taken.
  bool is_crowded() const noexcept { return taken() > total_max_ / 2; }

private:
  friend lobby_seat;

  static constexpr std::size_t cells_max = 8192; // per row; a power of two

  std::array<std::atomic<std::uint32_t>*, 2> cells_of(std::uint64_t hash) noexcept;

  std::uint32_t total_max_;
  std::uint32_t per_address_max_;
  std::uint64_t salt_; // so that nobody can look for addresses that share cells
  std::atomic<std::uint32_t> total_{0};
  std::array<std::array<std::atomic<std::uint32_t>, cells_max>, 2> rows_{};
};

} // namespace gangway
