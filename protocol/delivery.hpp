#pragma once

/// How answers and events share a connection. Small frames go out at once. Whoever has a large one asks the session for
/// a turn first, and makes the frame when it has got it: until then what it is made of stays in the log.

#include <cstdint>
#include <optional>

#include <caf/actor_control_block.hpp>
#include <caf/weak_intrusive_ptr.hpp>

namespace gangway {

/// Somebody's wish to send one large frame.
struct turn_request {
  caf::weak_actor_ptr whom;            ///< is told `turn_granted`
  std::uint64_t number = 0;            ///< tells the turns of one actor apart
  std::uint64_t bytes = 0;             ///< about as long as the frame will be
  std::optional<std::int64_t> request; ///< that the frame answers: once it is answered, by whomever, the turn is over
};

} // namespace gangway
