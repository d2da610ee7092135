#include "net/http_message.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include <boost/asio/ip/address.hpp>
#include <boost/beast/http/rfc7230.hpp>
#include <boost/beast/http/status.hpp>

#include "net/auth/base64url.hpp"
#include "net/client_address.hpp"
#include "protocol/json.hpp"

namespace gangway {

namespace {

namespace http = boost::beast::http;

constexpr std::string_view token_subprotocol = "base64url.bearer.authorization.gangway.";

std::string_view view(boost::beast::string_view text) { return {text.data(), text.size()}; }

std::string to_lower(std::string_view text) {
  std::string result{text};
  for (auto& letter : result)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return result;
}

// Calls `found` with each token of a list header until it returns true; whether it did.
template <class Function>
bool any_token(const http_request& request, http::field name, Function found) {
  const auto [first, last] = request.equal_range(name);
  return std::any_of(first, last, [&](const auto& line) {
    const http::token_list tokens{line.value()};
    return std::any_of(tokens.begin(), tokens.end(), [&](const auto& token) { return found(view(token)); });
  });
}

// A host and its port, as the Host header and the end of an Origin name them; in lower case. By hand, because
// Boost.URL 1.81 takes "http://127.0.0.1.example.com" for the host 127.0.0.1.
struct authority {
  std::string host;
  std::string port;
  friend bool operator==(const authority&, const authority&) = default;
};

std::optional<authority> parse_authority(std::string_view text, std::string_view default_port) {
  if (text.empty() || text.find_first_of("/?#@\\ ") != text.npos) return std::nullopt;
  const auto bracket = text.rfind(']');
  const auto colon = text.find(':', bracket == text.npos ? 0 : bracket);
  authority result{to_lower(text.substr(0, colon)), std::string{default_port}};
  if (colon != text.npos && colon + 1 < text.size()) result.port = text.substr(colon + 1);
  if (result.host.empty() || result.port.find_first_not_of("0123456789") != result.port.npos) return std::nullopt;
  return result;
}

std::string date_now() {
  std::array<char, 32> text{};
  const auto now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  return {text.data(), std::strftime(text.data(), text.size(), "%a, %d %b %Y %H:%M:%S GMT", &parts)};
}

} // namespace

http_answer http_error(unsigned status, std::string_view code, std::string_view message) {
  const auto error = json::object{}.text("code", code).text("message", message).take();
  return {.status = status, .body = json::object{}.raw("error", error).take()};
}

http_answer wrong_method(std::string allowed) {
  auto result = http_error(405, "bad_request", "this path answers " + allowed);
  result.headers.emplace_back("Allow", std::move(allowed));
  return result;
}

http_answer overloaded(std::string_view reason, std::chrono::milliseconds retry_after) {
  auto result = http_error(503, "overloaded", reason);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(retry_after).count();
  result.headers.emplace_back("Retry-After", std::to_string(std::max<std::int64_t>(1, seconds)));
  return result;
}

std::string to_text(const http_answer& answer, bool is_head, keep_alive_time keep_alive) {
  std::string out = "HTTP/1.1 " + std::to_string(answer.status) + ' ';
  out += view(http::obsolete_reason(http::int_to_status(answer.status)));
  const auto add = [&out](std::string_view name, std::string_view value) {
    out.append("\r\n").append(name).append(": ").append(value);
  };
  add("Server", "gangway");
  add("Date", date_now());
  add("Content-Type", answer.content_type);
  add("Content-Length", std::to_string(answer.body.size()));
  add("Cache-Control", answer.is_secret ? "no-store" : "no-cache");
  add("X-Content-Type-Options", "nosniff");
  for (const auto& [name, value] : answer.headers)
    add(name, value);
  add("Connection", keep_alive ? "keep-alive" : "close");
  if (keep_alive) add("Keep-Alive", "timeout=" + std::to_string(keep_alive->count()));
  out += "\r\n\r\n";
  if (!is_head) out += answer.body;
  return out;
}

std::string_view header(const http_request& request, http::field name) { return view(request[name]); }

template <class Name>
std::string join_lines(const http_request& request, Name name) {
  std::string result;
  const auto [first, last] = request.equal_range(name);
  std::for_each(first, last, [&](const auto& line) {
    if (!result.empty()) result += ", ";
    result += view(line.value());
  });
  return result;
}

std::string joined(const http_request& request, http::field name) { return join_lines(request, name); }

std::string joined(const http_request& request, std::string_view name) {
  return join_lines(request, boost::beast::string_view{name.data(), name.size()});
}

bool header_has_token(const http_request& request, http::field name, std::string_view token) {
  return any_token(request, name, [&](std::string_view candidate) { return to_lower(candidate) == token; });
}

expectation expectation_of(const http_request& request) {
  const auto expected = to_lower(joined(request, http::field::expect));
  if (request.version() < 11 || expected.empty()) return expectation::none;
  return expected == "100-continue" ? expectation::go_ahead : expectation::unknown;
}

bool is_token_subprotocol(std::string_view offered) { return offered.starts_with(token_subprotocol); }

std::optional<std::string> token_of(const http_request& request) {
  const auto authorization = header(request, http::field::authorization);
  const auto scheme = authorization.substr(0, authorization.find(' '));
  if (to_lower(scheme) == "bearer") {
    auto token = authorization.substr(scheme.size());
    token.remove_prefix(std::min(token.find_first_not_of(' '), token.size()));
    return std::string{token};
  }
  std::optional<std::string> result;
  any_token(request, http::field::sec_websocket_protocol, [&](std::string_view offered) {
    if (!is_token_subprotocol(offered)) return false;
    // Garbled base64 is a token that nobody signed, and is refused as such.
    result = from_base64url(offered.substr(token_subprotocol.size())).value_or(std::string{});
    return true;
  });
  return result;
}

const std::string* find(const http_query& query, std::string_view name) {
  const auto found = std::find_if(query.begin(), query.end(), [&](const auto& one) { return one.first == name; });
  return found == query.end() ? nullptr : &found->second;
}

std::variant<std::optional<wanted_thread>, std::string> wanted_of(const http_query& query) {
  constexpr sequence sequence_max = 1ULL << 53U; // what a client's numbers hold
  const auto* thread = find(query, "thread_id");
  const auto* epoch = find(query, "epoch");
  const auto* after = find(query, "after_seq");
  if (thread == nullptr && epoch == nullptr && after == nullptr) return std::nullopt;
  if (thread == nullptr) return "epoch and after_seq must come together with thread_id";
  if (!is_thread_id(*thread)) return "thread_id must be 1 to 128 characters of A-Z, a-z, 0-9, '_' and '-'";
  wanted_thread result{{*thread}, std::nullopt};
  if (epoch == nullptr && after == nullptr) return result;
  if (after == nullptr) return "epoch must come together with after_seq";
  if (epoch == nullptr) return "after_seq must come together with epoch";
  sequence seq = 0;
  const auto* last = after->data() + after->size();
  const auto [end, error] = std::from_chars(after->data(), last, seq);
  if (error != std::errc{} || end != last || seq > sequence_max)
    return "after_seq must be an integer from 0 to " + std::to_string(sequence_max);
  result.position = log_position{*epoch, seq};
  return result;
}

bool is_json(const http_request& request) {
  auto type = header(request, http::field::content_type);
  type = type.substr(0, type.find(';'));
  type = type.substr(0, type.find_last_not_of(" \t") + 1);
  return to_lower(type) == "application/json";
}

std::string complain_about_host(const http_request& request) {
  const auto count = request.count(http::field::host);
  // Health checks of old speak HTTP/1.0, which has none.
  if (count == 0 && request.version() == 10) return {};
  if (count == 0) return "the request has no Host header";
  if (count > 1) return "the request has several Host headers";
  const auto host = header(request, http::field::host);
  return host.empty() || parse_authority(host, "80") ? std::string{} : "the Host header cannot be read";
}

std::string_view host_of(const http_request& request, bool from_trusted_proxy) {
  if (from_trusted_proxy)
    if (const auto forwarded = view(request["X-Forwarded-Host"]); !forwarded.empty())
      return forwarded.substr(0, forwarded.find(','));
  return header(request, http::field::host);
}

namespace {

// An origin as it is compared: in lower case, without a slash that some web views put behind it, and without the port
// that its scheme stands for.
std::string origin_key(std::string_view origin) {
  auto result = to_lower(origin);
  if (result.ends_with('/') && !result.ends_with("://")) result.pop_back();
  for (const auto& [scheme, port] : {std::pair{"http://", ":80"}, std::pair{"https://", ":443"}})
    if (result.starts_with(scheme) && result.ends_with(port))
      result.resize(result.size() - std::string_view{port}.size());
  return result;
}

} // namespace

bool is_origin_allowed(const http_request& request, std::string_view host, const std::vector<std::string>& origins) {
  const auto origin = header(request, http::field::origin);
  if (request.count(http::field::origin) == 0) return true;
  if (request.count(http::field::origin) > 1) return false;
  const auto key = origin_key(origin);
  if (std::any_of(origins.begin(), origins.end(), [&](const auto& one) { return origin_key(one) == key; })) return true;
  for (const auto& [scheme, port] : {std::pair{"http://", "80"}, std::pair{"https://", "443"}}) {
    if (!key.starts_with(scheme)) continue;
    const auto page = parse_authority(std::string_view{key}.substr(std::string_view{scheme}.size()), port);
    return page && page == parse_authority(host, port);
  }
  return false;
}

bool is_host_loopback(const http_request& request) {
  const auto named = parse_authority(header(request, http::field::host), "80");
  if (!named) return false;
  auto host = named->host;
  if (host == "localhost") return true;
  if (host.starts_with('[') && host.ends_with(']')) host = host.substr(1, host.size() - 2);
  boost::system::error_code error;
  const auto address = boost::asio::ip::make_address(host, error);
  return !error && unmapped(address).is_loopback();
}

} // namespace gangway
