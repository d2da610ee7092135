#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/parser.hpp>

#include "net/http_message.hpp"

namespace gangway {

/// Makes requests of the bytes that come over one connection, one after the other: knows no socket and no clock.
///
/// A header may have 16 KiB, a body 64 KiB, and chunks are refused. Empty lines before a request are skipped (RFC 9112,
/// 2.2): old clients end a body with one too many. So is a byte order mark before a body.
class request_reader {
public:
  enum class step : std::uint8_t {
    needs_more, ///< bytes
    says_go_on, ///< 100 Continue is to be said; then `parse` again
    done,       ///< `request` is whole
    refused,    ///< `refusal` says why; the connection cannot go on
  };

  request_reader();

  /// Begins the next request, with the bytes that are there already.
  void begin();

  /// Returns where the next bytes are to be read to; `commit` says how many came.
  boost::asio::mutable_buffer prepare();
  void commit(std::size_t size) { buffer_.commit(size); }

  /// Returns how many bytes it keeps of a request that is not whole.
  std::size_t held_bytes() const noexcept;

  /// Looks at what has come. No bytes of a client's can make it throw.
  step parse();

  /// Returns whether anything of a request has come; empty lines are nothing.
  bool has_begun() const noexcept { return has_begun_; }

  /// Returns whether the answer has no body.
  bool is_head() const noexcept { return is_head_; }

  /// Returns whether bytes came behind the request.
  bool has_more() const noexcept { return buffer_.size() > 0; }

  http_request& request() noexcept { return request_; }
  const http_request& request() const noexcept { return request_; }
  http_answer& refusal() noexcept { return refusal_; }

private:
  bool skip_empty_lines();
  std::optional<step> judge_header();
  step refuse(http_answer why);
  step refuse(const boost::system::error_code& error);

  boost::beast::flat_buffer buffer_;
  std::optional<boost::beast::http::request_parser<boost::beast::http::string_body>> parser_;
  std::size_t header_bytes_ = 0; // read of a header that is not whole yet
  bool has_begun_ = false;
  bool is_head_ = false;
  http_request request_;
  http_answer refusal_;
};

} // namespace gangway
