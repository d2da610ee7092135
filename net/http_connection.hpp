#pragma once

/// A TCP connection as long as it speaks HTTP: health, pages, the admin API, and the way to a WebSocket.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <unordered_set>

#include <boost/asio/ip/tcp.hpp>

#include "net/doors.hpp"
#include "net/event_loops.hpp"
#include "net/gate.hpp"
#include "net/jwt.hpp"
#include "net/newcomer.hpp"
#include "net/token_bucket.hpp"

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
  token_bucket upgrades; ///< how many are looked at
  std::function<berth(const std::optional<token_claims>&)> find_place;
  std::function<void(newcomer)> on_upgrade;
  std::unordered_set<std::shared_ptr<http_connection>> connections{};
  std::function<void()> on_left{}; ///< a connection has ended, or is a session now
};

/// Answers the requests of one connection, one after the other, until it ends or becomes a session.
///
/// Bounded: a header of 16 KiB, a body of 64 KiB, `handshake_timeout` for each request, `inspector_timeout` and
/// `order_timeout` for what the inspector answers. Unknown paths get 404, other methods 405, a `/ws` that is no upgrade
/// 426, an order that is not `application/json` 415; errors are JSON, `{"error":{"code":…,"message":…}}`.
class http_connection {
public:
  virtual ~http_connection() = default;

  /// Begins on the loop of `home`.
  /// @pre called on that loop, and `socket` belongs to it
  static void begin(http_home& home, boost::asio::ip::tcp::socket socket, door which);

  /// Ends at once.
  /// @pre called on the connection's loop
  virtual void drop() = 0;
};

} // namespace gangway
