#pragma once

#include <optional>

#include "net/gate.hpp"
#include "net/jwt.hpp"
#include "net/websocket.hpp"
#include "protocol/messages.hpp"

namespace gangway {

/// Whoever comes aboard: a socket whose upgrade was accepted but not answered yet, and what its request said.
struct newcomer {
  loose_socket socket;
  websocket_upgrade upgrade;
  std::optional<token_claims> claims;  ///< if a token came with it
  std::optional<wanted_thread> wanted; ///< if it asked for one thread at once
  berth place;
};

} // namespace gangway
