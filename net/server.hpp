#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include "net/doors.hpp"
#include "net/event_loops.hpp"
#include "net/gate.hpp"
#include "net/http_connection.hpp"
#include "protocol/errors.hpp"

namespace gangway {

class listener;

/// Everything of net that clients meet: the listeners, and the connections and sessions of every loop.
///
/// Made before the loops stop and destroyed, after `shut_down`, while they still turn and the actor system still lives:
/// it holds actors. Not thread-safe: main's.
class server {
public:
  /// How sessions are closed when the server ends, so that their clients do not all come back in one instant.
  struct pace {
    std::uint32_t batch_size = 100; ///< over all loops
    std::chrono::milliseconds batch_interval{100};
  };

  server(event_loops& loops, doors rules);
  ~server();

  server(const server&) = delete;
  server& operator=(const server&) = delete;

  /// Opens a port for visitors or administrators and returns its number, or says what is in the way: "cannot listen on
  /// 127.0.0.1:8080: Address already in use".
  std::variant<std::uint16_t, std::string> listen(const std::string& address, door which);

  /// Says where users come in, and lets upgrades in. To be called once at most; before it they are answered 503.
  void open_to(std::vector<directory_actor> directories);

  /// Lets upgrades in, or answers them 503.
  void set_ready(bool ready) noexcept;

  /// Says whom the node lets in from now on; everybody, until it is called. From any thread.
  void set_gate(const node_gate& state) noexcept;

  /// Returns how many sessions there are, over all loops. From any thread.
  std::uint64_t connections() const noexcept;

  /// Closes the ports, then the sessions batch by batch, each with `reason`, and what is left at `deadline` without a
  /// word. Returns when all are gone; from then on nothing of this server touches an actor.
  /// @pre not called on a loop; the loops turn
  void shut_down(const close_reason& reason, pace how, std::chrono::steady_clock::time_point deadline);

private:
  struct floor;

  template <class Function>
  void on_every_loop(Function work);

  std::size_t home_of_visitor(const floor& from, const std::optional<token_claims>& claims) const;
  berth find_place(const floor& from, const std::optional<token_claims>& claims);
  void move_home(const floor& from, newcomer who);

  event_loops& loops_;
  doors rules_; ///< does not change once `ready_` is set
  std::atomic<bool> ready_{false};
  gate gate_;
  std::vector<std::unique_ptr<floor>> floors_;
  std::vector<std::shared_ptr<listener>> listeners_;
};

} // namespace gangway
