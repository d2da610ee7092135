#include "net/tcp_progress.hpp"

// The kernel's own header, because glibc's tcp_info ends before the field; the two cannot be read in one file, and Asio
// reads glibc's.
#include <linux/tcp.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace gangway {

std::uint64_t bytes_acknowledged(int descriptor) noexcept {
  tcp_info info{};
  socklen_t size = sizeof info;
  if (::getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, &info, &size) != 0) return 0;
  return info.tcpi_bytes_acked;
}

} // namespace gangway
