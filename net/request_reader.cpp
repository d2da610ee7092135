#include "net/request_reader.hpp"

#include <string>
#include <string_view>
#include <utility>

#include <boost/beast/http/error.hpp>

#include "protocol/json.hpp"

namespace gangway {

namespace {

namespace http = boost::beast::http;
using parse_error = boost::system::error_code;

constexpr std::uint32_t header_bytes_max = 16 * 1024;
constexpr std::uint64_t body_bytes_max = 64 * 1024;
constexpr std::size_t piece_bytes = 4 * 1024; // that are read at once

} // namespace

request_reader::request_reader() : buffer_{header_bytes_max + body_bytes_max + piece_bytes} {}

void request_reader::begin() {
  if (buffer_.size() == 0 && buffer_.capacity() > piece_bytes) buffer_.shrink_to_fit();
  parser_.emplace();
  parser_->header_limit(header_bytes_max);
  parser_->body_limit(body_bytes_max);
  header_bytes_ = 0;
  has_begun_ = is_head_ = false;
}

boost::asio::mutable_buffer request_reader::prepare() { return buffer_.prepare(piece_bytes); }

std::size_t request_reader::held_bytes() const noexcept {
  return buffer_.capacity() + (parser_->is_header_done() ? parser_->get().body().capacity() : 0);
}

request_reader::step request_reader::parse() {
  if (!parser_->got_some() && !skip_empty_lines())
    return header_bytes_ > header_bytes_max ? refuse(http::error::header_limit) : step::needs_more;
  has_begun_ = true;
  while (buffer_.size() > 0) {
    parse_error error;
    const bool in_header = !parser_->is_header_done();
    const auto used = parser_->put(buffer_.data(), error);
    buffer_.consume(used);
    if (in_header) header_bytes_ += used;
    is_head_ = parser_->get().method() == http::verb::head;
    // Beast's own limit is for what it looks at in one go.
    if (header_bytes_ + (parser_->is_header_done() ? 0 : buffer_.size()) > header_bytes_max)
      return refuse(http::error::header_limit);
    if (error && error != http::error::need_more) return refuse(error);
    if (in_header && parser_->is_header_done())
      if (const auto verdict = judge_header()) return *verdict;
    if (parser_->is_done()) {
      request_ = parser_->release();
      const auto body = json::without_byte_order_mark(request_.body());
      if (body.size() < request_.body().size()) request_.body() = std::string{body};
      return step::done;
    }
    if (used == 0) break;
  }
  // No state of the parser may lead to a throw: it would end the process.
  if (buffer_.size() + piece_bytes > buffer_.max_size()) return refuse(http::error::buffer_overflow);
  return step::needs_more;
}

// Returns whether a request begins behind them.
bool request_reader::skip_empty_lines() {
  const auto bytes = buffer_.data();
  std::string_view text{static_cast<const char*>(bytes.data()), bytes.size()};
  while (text.starts_with("\r\n") || text.starts_with('\n'))
    text.remove_prefix(text.front() == '\n' ? 1 : 2);
  const auto skipped = bytes.size() - text.size();
  const bool begins = !text.empty() && text != "\r";
  header_bytes_ += skipped;
  buffer_.consume(skipped);
  return begins && header_bytes_ <= header_bytes_max;
}

// Judges a header whose body may still be to come. Returns nothing if the body is welcome.
std::optional<request_reader::step> request_reader::judge_header() {
  // Beast 1.81 asserts what is not so of a chunk that comes in pieces, and nobody needs chunks to ask us something.
  if (parser_->chunked()) return refuse(http_error(411, "bad_request", "a request's body has a Content-Length"));
  switch (expectation_of(parser_->get())) {
  case expectation::none:
    return std::nullopt;
  case expectation::unknown:
    return refuse(http_error(417, "bad_request", "no expectation is met but \"Expect: 100-continue\""));
  case expectation::go_ahead:
    break;
  }
  const auto left = parser_->content_length_remaining();
  return left && *left > buffer_.size() ? std::optional{step::says_go_on} : std::nullopt;
}

request_reader::step request_reader::refuse(http_answer why) {
  refusal_ = std::move(why);
  return step::refused;
}

request_reader::step request_reader::refuse(const parse_error& error) {
  if (error == http::error::header_limit || error == http::error::buffer_overflow)
    return refuse(http_error(431, "too_large", "the header is longer than 16 KiB"));
  if (error == http::error::body_limit) return refuse(http_error(413, "too_large", "the body is longer than 64 KiB"));
  return refuse(http_error(400, "bad_request", "this is not HTTP/1.1: " + error.message()));
}

} // namespace gangway
