#pragma once

/// Who may send a large frame on a connection, and when.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <vector>

#include "protocol/delivery.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// The turns of one connection. Everybody has one wish at a time and asks again when it is fulfilled, so that first
/// come, first served is fair over threads. A frame that will fit is made at once; one that is longer than that goes
/// alone. Pure data: no actor is told anything here.
class delivery_turns {
public:
  /// For so long a turn keeps others from theirs: whoever takes longer may never end it.
  static constexpr std::chrono::seconds patience{5};

  /// @param window bytes that may be queued for the connection. Half of it is for large frames; the other half is for
  /// what goes out without a turn.
  explicit delivery_turns(std::size_t window) : window_{window} {}

  void ask(turn_request wish) { waiting_.push_back(std::move(wish)); }

  /// Returns whose turn it is now, if anybody's, with so many bytes in the queue.
  std::optional<turn_request> next(std::size_t queued, steady_time now);

  void end(const caf::weak_actor_ptr& whom, std::uint64_t number);

  /// The request has been answered.
  void answered(std::int64_t request);

  bool empty() const noexcept { return waiting_.empty(); }

  void clear();

private:
  struct granted_turn {
    turn_request wish;
    steady_time since;
  };

  std::size_t window_;
  std::vector<turn_request> waiting_;
  std::vector<granted_turn> granted_;
};

} // namespace gangway
