#pragma once

#include <chrono>
#include <cstdint>

namespace gangway {

/// What a session sees of its socket: what is evidence when nobody answers.
struct link_observation {
  std::uint64_t nonce = 0;                  ///< of the ping that it was made with
  std::uint64_t queued_bytes = 0;           ///< waiting to be sent, here or in the kernel
  std::chrono::milliseconds stalled_for{0}; ///< since any of them last went; 0 if none wait
  std::uint32_t unacknowledged = 0;         ///< segments that the peer's kernel has not acknowledged
  std::uint32_t retransmissions = 0;        ///< in a row, without an acknowledgement in between
  std::chrono::milliseconds unheard_for{0}; ///< since the peer's kernel owes an acknowledgement; 0 if it owes none
  bool reading = true;                      ///< false: we did not read, so that silence is ours

  friend bool operator==(const link_observation&, const link_observation&) = default;
};

} // namespace gangway
