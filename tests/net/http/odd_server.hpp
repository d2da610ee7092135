#pragma once

/// An HTTP server made of plain sockets and hand-made answers, so that it can also answer as no library would.

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

struct ssl_st;
struct ssl_ctx_st;

namespace gangway::testing {

/// How a server speaks TLS.
struct tls_identity {
  std::string certificate; ///< PEM
  std::string key;         ///< PEM
  bool is_old = false;     ///< speaks TLS 1.1 at most
};

/// The server's end of one connection. Blocking, with a limit of patience for every step; what does not come in time
/// counts as hung up.
class odd_peer {
public:
  odd_peer(int descriptor, std::size_t number, ssl_ctx_st* tls);
  ~odd_peer();
  odd_peer(const odd_peer&) = delete;
  odd_peer& operator=(const odd_peer&) = delete;

  /// Returns how many came before this one.
  std::size_t number() const noexcept { return number_; }

  /// Shakes hands, if this is TLS. Returns false if the client does not.
  bool begin();

  /// Returns the name that the client asked for in TLS; empty if it named none.
  std::string server_name() const;

  /// Returns the next request, its body included; nothing if the client hangs up.
  std::string read_request();

  /// Sends bytes as they are, in one piece if they are few. Returns false if the client takes no more.
  bool send(std::string_view bytes);

  /// Returns whether the client hangs up before it says anything more.
  bool is_hung_up();

  /// Ends TLS as it should be ended.
  void say_goodbye();

  /// Makes the end a reset.
  void become_rude();

  /// Wakes up whoever waits for the client, from another thread.
  void interrupt();

private:
  bool fill();

  int descriptor_;
  std::size_t number_;
  ssl_st* tls_ = nullptr;
  std::string received_;
};

/// Listens on a loopback port and plays `script` to each connection, on a thread of its own; when the script returns,
/// the connection ends.
class odd_server {
public:
  using script = std::function<void(odd_peer&)>;

  explicit odd_server(script play, const std::optional<tls_identity>& tls = {});
  ~odd_server();

  std::uint16_t port() const noexcept { return port_; }
  std::string url(const std::string& path = "/", const std::string& host = "127.0.0.1") const;

  /// Returns how many connections have come.
  std::size_t connections() const noexcept { return connections_; }

private:
  void accept();

  script play_;
  ssl_ctx_st* tls_ = nullptr;
  int listener_ = -1;
  std::uint16_t port_ = 0;
  std::atomic<std::size_t> connections_{0};
  std::mutex gate_;
  bool is_ending_ = false;
  std::vector<std::unique_ptr<odd_peer>> peers_;
  std::vector<std::thread> players_;
  std::thread acceptor_;
};

/// Returns a script that answers each request of a connection with `answer`, until the client hangs up.
odd_server::script answering(std::string answer);

/// Returns a script that answers one request with `answer` and ends.
odd_server::script answering_once(std::string answer);

/// Returns an answer 200 with that body and its length.
std::string ok(std::string_view body, std::string_view more_headers = {});

} // namespace gangway::testing
