#pragma once

#include <array>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <boost/asio/ip/tcp.hpp>

#include "net/address_rates.hpp"
#include "net/auth/jwks_source.hpp"
#include "net/auth/tickets.hpp"
#include "net/doors.hpp"
#include "net/event_loops.hpp"
#include "net/gate.hpp"
#include "net/http/client.hpp"
#include "net/http_connection.hpp"
#include "net/lobby.hpp"
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

  /// Checks tokens by these keys from now on. From any thread.
  void use_keys(std::shared_ptr<const key_set> keys);

  /// Shows new connections this certificate from now on; those that are open keep theirs. From any thread.
  /// @pre `context` is not null, and the server has spoken TLS from its start
  void use_certificate(tls_context context);

  /// Says whom the node lets in from now on; everybody, until it is called. From any thread.
  void set_gate(const node_gate& state) noexcept;

  /// Returns how many sessions there are, over all loops. From any thread.
  std::uint64_t connections() const noexcept;

  /// Closes the ports, ends the fetching of keys, then the sessions batch by batch, each with `reason`, and what is
  /// left at `deadline` without a word. Returns when all are gone; from then on nothing of this server touches an
  /// actor.
  /// @pre not called on a loop; the loops turn
  void shut_down(const close_reason& reason, pace how, std::chrono::steady_clock::time_point deadline);

private:
  struct floor;

  template <class Function>
  void on_every_loop(Function work);

  bool may_dial(const boost::asio::ip::tcp::socket& socket);
  void accept(std::size_t loop, boost::asio::ip::tcp::socket socket, door which, bool is_scarce);
  void fetch_keys();
  void report_keys(const std::string& trouble);
  void ask_for_keys(std::size_t loop, std::function<void(key_renewal)> done);
  void redeem(std::size_t loop, std::string ticket, std::function<void(std::optional<ticket_grant>)> done);
  void put_back(std::string ticket, ticket_grant granted);
  berth find_place(const std::optional<identity>& who);
  void move_home(newcomer who);

  event_loops& loops_;
  doors rules_; ///< does not change once `ready_` is set
  std::atomic<bool> ready_{false};
  gate gate_;
  berths places_;                  ///< outlives whoever has one: the sessions, on the floors
  std::array<lobby, 2> lobbies_;   ///< of visitors and of administrators: neither can crowd the others out
  address_rates dials_;            ///< of both listeners, on loop 0
  token_bucket dial_notes_{1, 10}; ///< a line in ten seconds about them
  std::vector<std::unique_ptr<floor>> floors_;
  std::unique_ptr<http_client> key_server_; ///< on loop 0, as its source
  std::unique_ptr<jwks_source> key_source_;
  std::vector<std::shared_ptr<listener>> listeners_;
};

} // namespace gangway
