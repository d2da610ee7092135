#pragma once

/// A TCP connection as long as it speaks HTTP: health, pages, the admin API, and the way to a WebSocket.

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>

#include "net/auth/tickets.hpp"
#include "net/auth/token_verifier.hpp"
#include "net/doors.hpp"
#include "net/event_loops.hpp"
#include "net/gate.hpp"
#include "net/lobby.hpp"
#include "net/newcomer.hpp"
#include "net/standing_line.hpp"
#include "net/token_bucket.hpp"
#include "net/transport.hpp"

namespace gangway {

/// Whom a listener lets in.
enum class door : std::uint8_t {
  visitors,       ///< `/ws`, health, version, the demo page
  administrators, ///< `/api/v1/…`, `/metrics`, `/console/…`
};

class http_connection;

/// One loop's HTTP connections, and what they go by. Touched on that loop alone; outlives every one of them.
struct http_home {
  event_loops& loops;
  std::size_t index; ///< of the loop
  const doors& rules;
  const std::atomic<bool>& ready; ///< whether upgrades are let in
  const gangway::gate& gate;
  std::array<lobby, 2>& lobbies; ///< by door, of all loops: the seats of those who have not shown a valid token
  token_verifier& tokens;
  ticket_office& tickets;
  std::array<standing_line, 2> lines; ///< by door: those who find no seat, for a moment
  token_bucket upgrades;              ///< how many are let in, and
  token_bucket stranger_upgrades;     ///< of those who have shown nothing yet
  /// Asks the office that issued a ticket what it grants, and is answered on this loop.
  std::function<void(std::string ticket, std::function<void(std::optional<ticket_grant>)>)> redeem;
  /// Gives a ticket back that was redeemed for nothing.
  std::function<void(std::string ticket, ticket_grant)> put_back;
  std::function<berth(const std::optional<identity>&)> find_place;
  std::function<void(newcomer)> on_upgrade;
  std::unordered_set<std::shared_ptr<http_connection>> connections{};
  token_bucket notes{1, 1};        ///< of those who find no seat: a line a second
  std::function<void()> on_left{}; ///< a connection has ended, or is a session now
};

/// Answers the requests of one connection, one after the other, until it ends or becomes a session.
///
/// Bounded: a header of 16 KiB, a body of 64 KiB, `handshake_timeout` for TLS and for each request,
/// `keep_alive_timeout` between two of them, `inspector_timeout` and `order_timeout` for what the inspector answers.
/// Unknown paths get 404, other methods 405, a `/ws` that is no upgrade 426, an order that is not `application/json`
/// 415; errors are JSON, `{"error":{"code":…,"message":…}}`.
class http_connection {
public:
  virtual ~http_connection() = default;

  /// Begins on the loop of `home`. Without a seat it must show a token at once, or may ask for the health.
  /// @pre called on that loop, and `stream` belongs to it
  static void begin(http_home& home, std::shared_ptr<transport> stream, door which);

  /// Ends at once.
  /// @pre called on the connection's loop
  virtual void drop() = 0;
};

} // namespace gangway
