#pragma once

/// HTTP/1.1 towards others: the port that whoever asks a server something holds, and its values.
///
/// Everything here lives on one event loop: a client is made, used and destroyed on it (or while it does not run), and
/// calls its handlers there.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace boost::asio {
class io_context;
} // namespace boost::asio

namespace gangway {

/// Names and values as they came, or as they shall go.
using http_headers = std::vector<std::pair<std::string, std::string>>;

/// Returns the value of the first header of that name, in whatever case; empty if there is none.
std::string_view header_of(const http_headers& headers, std::string_view name);

/// How long a call may take and how large its answer may be. A zero is no limit.
struct http_limits {
  using duration = std::chrono::milliseconds;
  duration connect_timeout{10'000};         ///< for name, connection and TLS together
  duration first_byte_timeout{30'000};      ///< from the request's last byte to the end of the answer's head
  duration idle_timeout{30'000};            ///< between two pieces of what is sent, and of the answer's body
  duration total_timeout{};                 ///< from `send` to the end
  std::size_t header_bytes_max = 32 * 1024; ///< 65,000 at most, which is also what 0 means
  std::uint64_t body_bytes_max = 1024 * 1024;
};

/// What is asked of a server.
struct http_call {
  std::string method = "GET";
  std::string url{}; ///< http or https; `parse_http_url` says which are refused
  /// Without Host, Content-Length, Transfer-Encoding and Connection, which are the client's own.
  http_headers headers{};
  std::string body{};
  http_limits limits{};
};

/// What became of a call that has no whole answer.
enum class http_failure_kind : std::uint8_t {
  bad_call,  ///< the method or a header cannot be sent
  bad_url,   ///< not an absolute URL of http or https, or one with a user in it
  resolve,   ///< the host's name is unknown, or nobody could be asked
  connect,   ///< nobody listens there, or cannot be reached
  tls,       ///< no secure connection: the certificate is not the host's or not trusted, or no TLS is spoken there
  timeout,   ///< one of the limits' times has passed
  too_large, ///< the answer is larger than the limits allow
  protocol,  ///< the answer is not HTTP/1.1
  closed,    ///< the connection, or the client, ended before the answer did
};

/// Returns the kind's name, for logs and metrics.
std::string_view to_string(http_failure_kind kind) noexcept;

/// Why a call has no whole answer.
struct http_failure {
  http_failure_kind kind;
  std::string reason; ///< plain English for a log; names the host at most, never a path, a header or a body
};

/// Hears one answer, piece by piece. What it is told refers to memory that is good until it returns. It may cancel its
/// call, send others, and destroy its client.
class http_answer_handler {
public:
  virtual ~http_answer_handler() = default;

  /// The head is whole. A redirect is an answer like others. Called at most once, and not for 1xx.
  virtual void on_head(unsigned status, const http_headers& headers) = 0;

  /// Some of the body, as soon as it has come; never empty.
  virtual void on_body(std::string_view piece) = 0;

  /// The call has ended: with the whole answer, or with a failure, maybe in the middle of one. Called once, and nothing
  /// after it; not at all for a call that was cancelled.
  virtual void on_end(const std::optional<http_failure>& failure) = 0;
};

/// Holds a call that runs: whoever destroys it (or assigns another) cancels the call, and nothing is called any more.
/// So an owner that keeps it as a member cannot be called after its own end. After the call has ended it holds nothing.
class [[nodiscard]] http_running {
public:
  http_running() = default;
  explicit http_running(std::function<void()> cancel) : cancel_{std::move(cancel)} {}
  http_running(http_running&& other) noexcept : cancel_{std::exchange(other.cancel_, nullptr)} {}
  http_running& operator=(http_running&& other) noexcept {
    // Cancelling may release the handler, and with it the owner of this very object: it comes last.
    auto mine = std::exchange(cancel_, std::exchange(other.cancel_, nullptr));
    if (mine) mine();
    return *this;
  }
  ~http_running() { cancel(); }

  /// Ends the call at once: its connection is closed, its handler let go.
  void cancel() {
    if (auto mine = std::exchange(cancel_, nullptr)) mine();
  }

private:
  std::function<void()> cancel_;
};

/// Sends requests. The port: tests put their own in its place.
///
/// Destroying it ends every call that still runs with the failure `closed`, told from the loop's next turn and not from
/// the destructor; if the loop does not turn any more, handlers are let go without it.
class http_client {
public:
  virtual ~http_client() = default;

  /// Begins a call. Never calls the handler itself: whatever is wrong, it hears from the loop later. Keeps the handler
  /// until the end of the call.
  /// @pre `handler` is not null
  virtual http_running send(http_call call, std::shared_ptr<http_answer_handler> handler) = 0;
};

/// What the real client goes by.
struct http_client_options {
  std::string ca_file{};                         ///< PEM of those whose certificates are trusted; the system's if empty
  std::size_t idle_max = 16;                     ///< connections kept for the next call, for all servers together
  std::chrono::milliseconds idle_timeout{4'000}; ///< for which one is kept; below what servers usually allow (5 s)
};

/// Returns a client on `context`, which must outlive it. Certificates and the host's name in them are always verified
/// (TLS 1.2 or newer). A connection is kept for the next call to the same scheme, host and port. If a kept one turns
/// out to be closed before anything of the answer has come, the call is tried once more on a new one, unless something
/// was sent and the method is not idempotent (RFC 9110, 9.2.2).
///
/// A name is looked up on a thread of Asio's, one at a time per loop; a call gives up waiting for it in time, but the
/// end of `context` waits for a lookup in flight.
/// @throws std::runtime_error if `ca_file` cannot be read
std::unique_ptr<http_client> make_http_client(boost::asio::io_context& context, http_client_options options = {});

/// A whole answer.
struct http_document {
  unsigned status = 0;
  http_headers headers;
  std::string body;
};

using http_result = std::variant<http_document, http_failure>;

/// Sends a call and collects its answer; `done` is called once with either, unless the call is cancelled.
http_running fetch(http_client& client, http_call call, std::function<void(http_result)> done);

} // namespace gangway
