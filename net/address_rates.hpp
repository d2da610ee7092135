#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>

#include <boost/asio/ip/address.hpp>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// Counts what each address does, against so much a second and address, with `hold` of that at once. Not thread-safe.
///
/// Kept in two rows of cells, each address in one cell of each row, so that its memory is the same however many there
/// are. A cell is the time at which its bucket would be full again (generic cell rate algorithm, ITU-T I.371). Where
/// addresses share a cell the other row tells them apart: one is beyond its rate only if both of its cells are.
class address_rates {
public:
  static constexpr std::chrono::seconds hold{8};

  /// With a rate of 0 nobody is ever beyond it.
  explicit address_rates(std::uint32_t per_second);

  /// Returns whether that address is beyond its rate.
  bool is_beyond(const boost::asio::ip::address& client, steady_time now) const noexcept;

  /// Counts one more for that address.
  void count(const boost::asio::ip::address& client, steady_time now) noexcept;

  /// Counts one for that address, unless it is beyond its rate. Returns whether it was counted.
  bool take(const boost::asio::ip::address& client, steady_time now) noexcept;

private:
  static constexpr std::size_t cells_max = 4096; // per row; a power of two

  using row = std::array<steady_time, cells_max>;

  std::chrono::nanoseconds interval_{0}; // in which one comes in
  std::uint64_t salt_;
  std::array<row, 2> rows_{};
};

} // namespace gangway
