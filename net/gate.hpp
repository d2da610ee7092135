#pragma once

/// How full the house is, and who may still come in: the limits of the whole node, not of one user.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "net/doors.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// Returns whether a gate lets somebody of that tier in. Who has not said yet (no tier) is let in as long as anybody
/// is, and asked again once it is known.
bool is_open_to(const node_gate& state, std::optional<tier> who) noexcept;

/// Returns how many sessions there may be before nobody of that tier is let in any more: `connections_max`, without the
/// part of `reserve_ratio` that is kept for enterprise. Who has not said yet is not let into the reserve: else
/// strangers would fill it. A limit of 0 is none.
/// @pre 0 <= reserve_ratio <= 1
std::uint32_t room_for(std::optional<tier> who, std::uint32_t connections_max, double reserve_ratio) noexcept;

/// The node's judgement of whom to let in, said by one thread and asked by every loop. Open to everybody at first.
class gate {
public:
  gate() noexcept { set({}); }

  void set(const node_gate& state) noexcept;
  node_gate get() const noexcept;

private:
  std::atomic<std::uint64_t> state_{0}; // the milliseconds to wait, then a bit per tier
};

class berths;

/// Gives a place back.
struct berth_return {
  void operator()(berths* from) const noexcept;
};

/// A place for one session, given back when it goes; null: none was free.
using berth = std::unique_ptr<berths, berth_return>;

/// The places for the sessions of all loops, taken and given back on any. One count: a share for each loop would refuse
/// a user, whose sessions all live on one, while most places are free.
class berths {
public:
  /// Takes a place, if fewer than `room` are taken.
  berth take(std::uint32_t room) noexcept;

  std::uint32_t taken() const noexcept { return taken_.load(std::memory_order_relaxed); }

private:
  friend berth_return;

  std::atomic<std::uint32_t> taken_{0};
};

} // namespace gangway
