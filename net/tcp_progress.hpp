#pragma once

#include <chrono>
#include <cstdint>

namespace gangway {

/// What our kernel knows of the other end of a TCP connection.
struct tcp_progress {
  std::uint32_t unacknowledged = 0;              ///< segments on their way
  std::uint32_t retransmissions = 0;             ///< in a row, without an acknowledgement in between
  std::chrono::milliseconds acknowledged_ago{0}; ///< since the last acknowledgement, of whatever
  std::chrono::milliseconds sent_ago{0};         ///< since data was last sent
  std::uint32_t unsent_bytes = 0;                ///< that it has taken and not sent, for want of room at the other end
  std::uint64_t acknowledged_bytes = 0;          ///< since the connection began
};

/// Returns what the kernel tells of a TCP socket; zeros if it does not.
tcp_progress progress_of(int descriptor) noexcept;

/// Has the kernel end the connection when what was sent stays unacknowledged for `timeout`, or finds no room at the
/// other end for as long (TCP_USER_TIMEOUT, RFC 5482); 0 leaves it to the system.
void set_user_timeout(int descriptor, std::chrono::milliseconds timeout) noexcept;

} // namespace gangway
