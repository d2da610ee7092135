#include "net/http/reader.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <utility>

#include <boost/asio/buffer.hpp>
#include <boost/beast/core/string.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/optional/optional.hpp>

namespace gangway {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using parse_error = boost::system::error_code;

// Beast keeps a header's name and value with 16-bit lengths, and throws at a longer one.
constexpr std::size_t header_bytes_limit = 65'000;

// The shortest end of a chunked body. Beast 1.81 aborts (an assertion that forgets the first chunk) if it has seen a
// part of the last chunk's line and is given the rest in fewer bytes than these.
constexpr std::size_t last_chunk_bytes = std::string_view{"0\r\n\r\n"}.size();

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

bool is_token(std::string_view text) {
  constexpr std::string_view signs = "!#$%&'*+-.^_`|~";
  return !text.empty() && std::all_of(text.begin(), text.end(), [&](char letter) {
    return (letter >= '0' && letter <= '9') || (letter >= 'A' && letter <= 'Z') || (letter >= 'a' && letter <= 'z')
           || signs.find(letter) != signs.npos;
  });
}

bool is_header_value(std::string_view text) {
  return std::all_of(text.begin(), text.end(), [](char letter) {
    const auto byte = static_cast<unsigned char>(letter);
    return byte == '\t' || (byte >= 0x20 && byte != 0x7F);
  });
}

// Shows each piece of the body where it stands instead of copying it: with one element parsed at a time, one `put` of
// the parser is one piece at most.
struct passing_body {
  using value_type = std::string_view;

  class reader {
  public:
    template <bool IsRequest, class Fields>
    reader(http::header<IsRequest, Fields>& /*head*/, value_type& seen) : seen_{seen} {}

    void init(const boost::optional<std::uint64_t>& /*length*/, parse_error& error) { error = {}; }

    std::size_t put(asio::const_buffer piece, parse_error& error) {
      error = {};
      seen_ = {static_cast<const char*>(piece.data()), piece.size()};
      return piece.size();
    }

    void finish(parse_error& error) { error = {}; }

  private:
    value_type& seen_;
  };
};

} // namespace

std::string_view header_of(const http_headers& headers, std::string_view name) {
  const auto found = std::find_if(headers.begin(), headers.end(),
                                  [name](const auto& one) { return boost::beast::iequals(one.first, name); });
  return found == headers.end() ? std::string_view{} : found->second;
}

bool is_idempotent(std::string_view method) {
  constexpr std::array methods{"GET", "HEAD", "PUT", "DELETE", "OPTIONS", "TRACE"};
  return std::find(methods.begin(), methods.end(), method) != methods.end();
}

std::optional<std::string> request_text(const http_call& call, const http_url& url) {
  constexpr std::array own{"Host", "Content-Length", "Transfer-Encoding", "Connection"};
  constexpr std::array with_body{"POST", "PUT", "PATCH"};
  if (!is_token(call.method) || call.method == "CONNECT") return std::nullopt;
  std::string out;
  const auto add = [&out](std::string_view name, std::string_view value) {
    out.append(name).append(": ").append(value).append("\r\n");
  };
  out.append(call.method).append(" ").append(url.target).append(" HTTP/1.1\r\n");
  add("Host", host_header_of(url));
  if (header_of(call.headers, "User-Agent").empty()) add("User-Agent", "gangway");
  if (header_of(call.headers, "Accept").empty()) add("Accept", "*/*");
  for (const auto& [name, value] : call.headers) {
    if (!is_token(name) || !is_header_value(value)) return std::nullopt;
    if (std::any_of(own.begin(), own.end(), [&name = name](auto one) { return boost::beast::iequals(one, name); }))
      return std::nullopt;
    add(name, value);
  }
  if (!call.body.empty() || std::find(with_body.begin(), with_body.end(), call.method) != with_body.end())
    add("Content-Length", std::to_string(call.body.size()));
  return out.append("\r\n").append(call.body);
}

struct http_reader::parsing {
  http::response_parser<passing_body> parser;
};

http_reader::http_reader(bool is_head, const http_limits& limits)
    : is_head_{is_head},
      header_bytes_max_{limits.header_bytes_max == 0 ? header_bytes_limit
                                                     : std::min(limits.header_bytes_max, header_bytes_limit)},
      body_bytes_max_{limits.body_bytes_max} {}

http_reader::~http_reader() = default;
http_reader::http_reader(http_reader&& other) noexcept = default;
http_reader& http_reader::operator=(http_reader&& other) noexcept = default;

void http_reader::add(std::string_view bytes) {
  in_.erase(0, std::exchange(used_, 0));
  in_ += bytes;
}

http_reader::event http_reader::next() {
  for (;;) {
    if (!parsing_) {
      parsing_ = std::make_unique<parsing>();
      parsing_->parser.header_limit(static_cast<std::uint32_t>(header_bytes_max_));
      parsing_->parser.body_limit(body_bytes_max_ == 0 ? boost::none : boost::optional<std::uint64_t>{body_bytes_max_});
      parsing_->parser.skip(is_head_);
    }
    auto& parser = parsing_->parser;
    if (has_head_ && parser.is_done()) return event::end;
    if (in_.size() - used_ < (is_within_chunk_line_ ? last_chunk_bytes : 1)) return event::nothing;

    parser.get().body() = {};
    parse_error error;
    const auto count = parser.put(asio::buffer(in_.data() + used_, in_.size() - used_), error);
    used_ += count;
    if (!has_head_) head_bytes_ += count;
    const auto rest = in_.size() - used_;
    is_within_chunk_line_ = has_head_ && error == http::error::need_more;
    if (error == http::error::need_more) {
      // What is kept for later is a part of the head, of a chunk's size or of the trailer.
      if (rest + (has_head_ ? 0 : head_bytes_) > header_bytes_max_)
        error = http::error::header_limit;
      else
        return event::nothing;
    }
    if (error == http::error::header_limit || (!has_head_ && head_bytes_ > header_bytes_max_))
      return fail(http_failure_kind::too_large,
                  "the answer's head is longer than " + std::to_string(header_bytes_max_) + " bytes");
    if (error == http::error::body_limit)
      return fail(http_failure_kind::too_large,
                  "the answer's body is longer than " + std::to_string(body_bytes_max_) + " bytes");
    if (error) return fail(http_failure_kind::protocol, "the answer is not HTTP/1.1: " + error.message());

    if (!has_head_ && parser.is_header_done()) {
      if (const auto found = on_head(); found != event::nothing) return found;
    } else if (!parser.get().body().empty()) {
      return event::piece;
    }
  }
}

http_reader::event http_reader::on_head() {
  const auto& message = parsing_->parser.get();
  status_ = message.result_int();
  if (status_ < 100 || status_ == 101)
    return fail(http_failure_kind::protocol, "the answer's status is " + std::to_string(status_));
  if (status_ < 200) {
    parsing_.reset();
    return event::nothing;
  }
  has_head_ = true;
  for (const auto& field : message)
    headers_.emplace_back(view(field.name_string()), view(field.value()));
  return event::head;
}

http_reader::event http_reader::fail(http_failure_kind kind, std::string reason) {
  fault_ = http_failure{kind, std::move(reason)};
  return event::fault;
}

bool http_reader::add_end() { return has_head_ && parsing_->parser.need_eof(); }

std::string_view http_reader::piece() const noexcept { return parsing_->parser.get().body(); }

bool http_reader::is_reusable() const { return parsing_->parser.keep_alive() && used_ == in_.size(); }

std::optional<std::chrono::seconds> http_reader::keep_alive_timeout() const {
  constexpr std::string_view name = "timeout=";
  const auto value = header_of(headers_, "Keep-Alive");
  const auto found = value.find(name);
  if (found == value.npos) return std::nullopt;
  unsigned seconds = 0;
  const auto* first = value.data() + found + name.size();
  const auto [end, error] = std::from_chars(first, value.data() + value.size(), seconds);
  if (error != std::errc{}) return std::nullopt;
  return std::chrono::seconds{seconds};
}

} // namespace gangway
