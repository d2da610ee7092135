#pragma once

/// HTTP without sockets: the answers as values, and the questions that a request's header answers.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <boost/beast/http/message.hpp>
#include <boost/beast/http/string_body.hpp>

#include "net/request_target.hpp"
#include "protocol/messages.hpp"

namespace gangway {

using http_request = boost::beast::http::request<boost::beast::http::string_body>;

/// An answer before it is text.
struct http_answer {
  unsigned status = 200;
  std::string body;
  std::string content_type = "application/json";
  std::vector<std::pair<std::string_view, std::string>> headers{};
  bool is_secret = false; ///< nobody on the way may keep it
  std::string note{};     ///< why somebody was refused, for the log; empty if it does not belong there
};

/// Returns `{"error":{"code":…,"message":…}}` with that status.
http_answer http_error(unsigned status, std::string_view code, std::string_view message);

/// Returns the 405 that says which methods a path answers.
http_answer wrong_method(std::string allowed);

/// Returns the 503 of a server that has no room, and says when to come again.
http_answer overloaded(std::string_view reason, std::chrono::milliseconds retry_after);

/// What becomes of a connection behind an answer: it ends, or waits so long for the next request.
using keep_alive_time = std::optional<std::chrono::seconds>;

/// Returns the answer as it goes out; without the body if it answers a HEAD. It always says what becomes of the
/// connection: HTTP/1.0 takes an answer that does not for one that ends with the connection.
std::string to_text(const http_answer& answer, bool is_head, keep_alive_time keep_alive);

/// Returns the value of a header, empty if there is none.
std::string_view header(const http_request& request, boost::beast::http::field name);

/// Returns the value of a header that is a list, with its lines joined by commas (RFC 9110, 5.3).
std::string joined(const http_request& request, boost::beast::http::field name);
std::string joined(const http_request& request, std::string_view name);

/// Returns whether a header that is a list of tokens, however many lines it takes, holds `token`, in whatever case.
bool header_has_token(const http_request& request, boost::beast::http::field name, std::string_view token);

/// Whether a client waits before it sends its body, and for what (RFC 9110, 10.1.1).
enum class expectation : std::uint8_t { none, go_ahead, unknown };

/// Returns what the header `Expect` says. HTTP/1.0 has no interim answers and is promised none.
expectation expectation_of(const http_request& request);

/// Returns the token of `Authorization: Bearer`, or of the subprotocol `base64url.bearer.authorization.gangway.…`: the
/// first that is present, even if it is empty or garbled. Nothing if neither is.
std::optional<std::string> token_of(const http_request& request);

/// Returns whether an offered subprotocol is such a token.
bool is_token_subprotocol(std::string_view offered);

/// Returns the first value of that name, null if there is none.
const std::string* find(const http_query& query, std::string_view name);

/// Returns the thread that `/ws?thread_id=…[&epoch=…&after_seq=…]` asks for, nothing if it asks for none, or what is
/// wrong with it. Of several values of one name the first counts, and other names are ignored.
std::variant<std::optional<wanted_thread>, std::string> wanted_of(const http_query& query);

/// Returns whether the body is said to be JSON. A foreign page's form cannot say so without asking us first (CORS).
bool is_json(const http_request& request);

/// Returns what is wrong with the request's Host header (RFC 9112, 3.2), or nothing. An empty one is right where there
/// is no host to name (RFC 9110, 7.2).
std::string complain_about_host(const http_request& request);

/// Returns the host that the client asked for: by X-Forwarded-Host, if a trusted proxy passed the request on, else by
/// Host.
std::string_view host_of(const http_request& request, bool from_trusted_proxy);

/// Returns whether the request comes from nowhere in particular (no Origin), from a page of `host`, which is this very
/// host and port, or from one of `origins`.
bool is_origin_allowed(const http_request& request, std::string_view host, const std::vector<std::string>& origins);

/// Returns whether the Host header names this machine: localhost, 127.0.0.0/8 or ::1. A page of a foreign name that
/// resolves to this machine does not get past it.
bool is_host_loopback(const http_request& request);

} // namespace gangway
