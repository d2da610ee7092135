#pragma once

#include <memory>
#include <utility>

#include <boost/asio/ssl/context.hpp>
#include <boost/asio/ssl/stream.hpp>

#include "net/plain_socket.hpp"

namespace gangway {

/// A TLS connection of ours as its server. It stays on its loop.
class tls_socket : public holding_socket<boost::asio::ssl::stream<plain_socket>> {
public:
  /// Keeps `context`, which may be replaced by a newer one meanwhile, for as long as it needs it.
  tls_socket(plain_socket&& socket, std::shared_ptr<boost::asio::ssl::context> context)
      : holding_socket{std::move(socket), *context}, context_{std::move(context)} {}

private:
  std::shared_ptr<boost::asio::ssl::context> context_;
};

} // namespace gangway
