#include "net/tcp_progress.hpp"

// The kernel's own header, because glibc's tcp_info ends before some of the fields; the two cannot be read in one file,
// and Asio reads glibc's.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace gangway {

tcp_progress progress_of(int descriptor) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return {};
  return {.unacknowledged = info.tcpi_unacked,
          .retransmissions = info.tcpi_retransmits,
          .acknowledged_ago = std::chrono::milliseconds{info.tcpi_last_ack_recv},
          .sent_ago = std::chrono::milliseconds{info.tcpi_last_data_sent},
          .unsent_bytes = info.tcpi_notsent_bytes,
          .acknowledged_bytes = info.tcpi_bytes_acked};
}

void set_user_timeout(int descriptor, std::chrono::milliseconds timeout) noexcept {
  const auto value = static_cast<unsigned>(timeout.count());
  ::setsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &value, sizeof value);
}

} // namespace gangway
