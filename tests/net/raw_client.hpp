#pragma once

/// A client made of a plain socket and hand-made frames, so that it can also say what no library would.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gangway::testing {

struct http_response {
  int status = 0; ///< 0: the server hung up
  std::string head;
  std::string body;

  bool has(std::string_view line) const { return head.find(line) != head.npos; }
};

struct websocket_frame {
  int opcode = -1; ///< -1: the server hung up without a close frame
  std::string payload;

  bool is_close(unsigned code) const;
  friend bool operator==(const websocket_frame&, const websocket_frame&) = default;
};

/// Blocking, with a limit of patience for every step; what does not come in time counts as hung up.
class raw_client {
public:
  using headers = std::vector<std::pair<std::string, std::string>>;

  /// Connects to the loopback port; `receive_buffer` is the kernel's, for slow readers.
  explicit raw_client(std::uint16_t port, int receive_buffer = 0);

  /// Takes a socket that is not connected yet.
  raw_client(int descriptor, std::uint16_t port);

  raw_client(raw_client&& other) noexcept;
  ~raw_client();

  /// Hangs up.
  void hang_up();

  /// Sends bytes as they are. Returns false if the server takes no more.
  bool send(std::string_view bytes);

  http_response read_response(bool is_head = false);
  http_response request(const std::string& method, const std::string& path, const headers& more = {},
                        const std::string& body = {});

  /// Asks for a WebSocket at `path`.
  http_response upgrade(const headers& more = {}, const std::string& path = "/ws");

  /// Returns the bytes of one frame; `first` is FIN, the reserved bits and the opcode.
  static std::string frame_of(unsigned first, std::string_view payload, bool masked = true);

  /// Sends one frame.
  bool send_frame(unsigned first, std::string_view payload, bool masked = true);
  bool send_text(std::string_view payload) { return send_frame(0x81, payload); }

  /// Returns the next frame; pings and pongs count.
  websocket_frame read_frame();

  /// Returns the text of the next text frame, skipping pings; "<hung up>", "<close 4008>" if it is none.
  std::string read_text();

  /// Takes bytes off the wire, so many at a time and with a pause between, until the server says no more for a while;
  /// what came is read by the other functions.
  void read_slowly(std::size_t bytes, std::chrono::milliseconds pause);

  /// Takes at least so many bytes off the wire; what came is read by the other functions. Returns false if the server
  /// says no more.
  bool receive(std::size_t bytes);

  /// Returns the port at this end.
  std::uint16_t port() const;

  /// Returns whether the server hangs up before it says anything more.
  bool is_hung_up();

private:
  bool fill();
  std::optional<std::string> take(std::size_t bytes);

  int descriptor_ = -1;
  std::string received_;
};

} // namespace gangway::testing
