#pragma once

/// How many bytes of what is not whole yet the server holds for its clients: a request, a frame.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <utility>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// How much may be held, in bytes.
struct inbound_limits {
  std::uint64_t strangers = 64ULL * 1024 * 1024; ///< for all that have not shown a valid token, together
  std::uint64_t per_user = 16ULL * 1024 * 1024;  ///< for the connections of one user
};

/// How much is held now, in bytes.
struct inbound_bytes {
  std::uint64_t strangers = 0;
  std::uint64_t users = 0;
};

class inbound_share;

/// Counts those bytes, of all loops, without a lock. The first of each connection are free: what a short frame takes is
/// bounded by the number of connections, and nobody's sign-in is refused for what others hold.
///
/// Users are counted in two rows of cells, each in one cell of each row; one is beyond the limit only if both of its
/// cells are.
class inbound_budget {
public:
  static constexpr std::size_t free_bytes = 4 * 1024;

  explicit inbound_budget(inbound_limits limits);

  /// Begins to count for a stranger's connection, or for one of a user's.
  inbound_share of_stranger() noexcept;
  inbound_share of(const user_id& who) noexcept;

  /// From any thread.
  inbound_bytes held() const noexcept;

private:
  friend inbound_share;

  static constexpr std::size_t cells_max = 4096; // per row; a power of two

  using count = std::atomic<std::uint64_t>;

  inbound_limits limits_;
  std::uint64_t salt_;
  count strangers_{0};
  count users_{0};
  std::array<std::array<count, cells_max>, 2> rows_{};
};

/// What is held for one connection; nothing once it ends. Movable.
class inbound_share {
public:
  inbound_share() = default;
  inbound_share(inbound_share&& other) noexcept;
  inbound_share& operator=(inbound_share&& other) noexcept;
  ~inbound_share() { hold(0); }

  /// So many bytes are held from now on. Returns false, and holds what it held, if that is more than there may be.
  bool hold(std::size_t bytes) noexcept;

private:
  friend inbound_budget;

  using count = inbound_budget::count;

  inbound_share(count& total, std::array<count*, 2> cells, std::uint64_t limit) noexcept
      : total_{&total}, cells_{cells}, limit_{limit} {}

  count* total_ = nullptr;
  std::array<count*, 2> cells_{}; // null: the total is what is limited
  std::uint64_t limit_ = 0;
  std::uint64_t counted_ = 0;
};

} // namespace gangway
