#pragma once

#include <memory>
#include <optional>
#include <string>

#include "net/auth/jwt.hpp"
#include "net/auth/tickets.hpp"
#include "net/gate.hpp"
#include "net/lobby.hpp"
#include "net/sign_in_log.hpp"
#include "net/websocket.hpp"
#include "protocol/messages.hpp"

namespace gangway {

/// Who somebody is, as a token or a ticket has shown.
struct identity {
  user_id user;
  std::string tier;
  std::optional<utc_time> expires_at; ///< none: a ticket, which is good for as long as the connection lasts
  bool simulation = false;

  identity() = default;

  explicit identity(token_claims claims)
      : user{std::move(claims.user)},
        tier{std::move(claims.tier)},
        expires_at{claims.expires_at},
        simulation{claims.simulation} {}

  explicit identity(ticket_grant grant) : user{std::move(grant.user)}, tier{std::move(grant.tier)} {}
};

/// Whoever comes aboard: a connection whose upgrade was accepted but not answered yet, and what its request said.
struct newcomer {
  std::size_t loop = 0; ///< where it is to live
  std::unique_ptr<upgraded_connection> connection;
  websocket_upgrade upgrade;
  std::optional<identity> who;         ///< if a token or a ticket came with it
  std::optional<wanted_thread> wanted; ///< if it asked for one thread at once
  berth place;
  lobby_seat seat; ///< until it has shown who it is
  arrival how;
};

} // namespace gangway
