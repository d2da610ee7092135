#pragma once

/// The client's half of HTTP/1.1 without sockets: the text of a request, and an answer as its bytes come in.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/http/client.hpp"
#include "net/http/url.hpp"

namespace gangway {

/// Returns the request as it goes out, or nothing if its method or a header cannot be sent: no token, a line break, or
/// a header that is the client's own.
std::optional<std::string> request_text(const http_call& call, const http_url& url);

/// Returns whether the same request may be sent twice (RFC 9110, 9.2.2).
bool is_idempotent(std::string_view method);

/// Reads one answer. Answers 1xx on the way are skipped. It owns what it was given and has not used yet, which is never
/// more than one read and the largest head.
class http_reader {
public:
  enum class event : std::uint8_t {
    nothing, ///< more bytes are needed
    head,    ///< `status` and `headers` are there
    piece,   ///< `piece` is there, until the next call of `next`
    end,     ///< the answer is whole
    fault,   ///< `fault` says why there will be none
  };

  /// @param is_head whether the request is a HEAD, whose answer has no body
  http_reader(bool is_head, const http_limits& limits);
  ~http_reader();
  http_reader(http_reader&& other) noexcept;
  http_reader& operator=(http_reader&& other) noexcept;

  /// Takes what came.
  void add(std::string_view bytes);

  /// Returns what comes next. Not to be called after `end` or `fault`.
  event next();

  /// Takes the end of the connection. Returns whether it is the end of the answer, too.
  /// @pre `next` has returned `nothing`
  bool add_end();

  unsigned status() const noexcept { return status_; }
  const http_headers& headers() const noexcept { return headers_; }
  std::string_view piece() const noexcept;
  const http_failure& fault() const noexcept { return *fault_; }

  bool has_head() const noexcept { return has_head_; }

  /// Returns whether the connection can take another request.
  /// @pre `next` has returned `end`
  bool is_reusable() const;

  /// Returns for how long the server says that it keeps the connection, if it does.
  std::optional<std::chrono::seconds> keep_alive_timeout() const;

private:
  struct parsing;

  event on_head();
  event fail(http_failure_kind kind, std::string reason);

  bool is_head_;
  std::size_t header_bytes_max_;
  std::uint64_t body_bytes_max_;
  std::unique_ptr<parsing> parsing_;
  std::string in_;
  std::size_t used_ = 0;       ///< of `in_`
  std::size_t head_bytes_ = 0; ///< used for heads, those of 1xx included
  bool has_head_ = false;
  bool is_within_chunk_line_ = false; ///< or within the trailer
  unsigned status_ = 0;
  http_headers headers_;
  std::optional<http_failure> fault_;
};

} // namespace gangway
