#pragma once

#include <optional>
#include <utility>

#include <boost/asio/ip/tcp.hpp>
#include <unistd.h>

namespace gangway {

/// A connected TCP socket that belongs to no loop: on its way from one to another. Closed if nobody takes it.
class loose_socket {
public:
  loose_socket(int descriptor, bool is_v6) noexcept : descriptor_{descriptor}, is_v6_{is_v6} {}

  loose_socket(loose_socket&& other) noexcept
      : descriptor_{std::exchange(other.descriptor_, -1)}, is_v6_{other.is_v6_} {}

  loose_socket& operator=(loose_socket&&) = delete;

  ~loose_socket() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  bool is_v6() const noexcept { return is_v6_; }

  /// Returns the descriptor, which is the caller's to close from now on.
  int take() noexcept { return std::exchange(descriptor_, -1); }

private:
  int descriptor_;
  bool is_v6_;
};

/// Takes the descriptor out of a TCP socket of Asio's; nothing if it is of no use any more.
template <class Socket>
std::optional<loose_socket> loosen(Socket& socket) {
  boost::system::error_code error;
  const bool is_v6 = socket.local_endpoint(error).protocol() == boost::asio::ip::tcp::v6();
  if (error) return std::nullopt;
  loose_socket result{socket.release(error), is_v6};
  if (error) return std::nullopt;
  return result;
}

} // namespace gangway
