#include "net/upgrade.hpp"

#include <algorithm>
#include <utility>

#include "net/extensions.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

using field = boost::beast::http::field;

// A refusal that whoever runs the server should know of: browsers show nobody what it says.
http_answer noted(http_answer refusal, std::string note) {
  refusal.note = std::move(note);
  return refusal;
}

// Returns what keeps the request from being one for a WebSocket (RFC 6455, 4.2.1), or nothing.
std::string missing_of(const http_request& request) {
  std::string result;
  bool is_for_a_proxy = false;
  const auto add = [&](const std::string& what, bool is_the_proxys) {
    result += (result.empty() ? "" : ", ") + what;
    is_for_a_proxy = is_for_a_proxy || is_the_proxys;
  };
  if (request.version() < 11) add("it came by HTTP/1.0 instead of HTTP/1.1", true);
  if (!header_has_token(request, field::upgrade, "websocket")) add("it has no header \"Upgrade: websocket\"", true);
  if (!header_has_token(request, field::connection, "upgrade")) add("it has no header \"Connection: Upgrade\"", true);
  if (joined(request, field::sec_websocket_version) != "13")
    add("it has no header \"Sec-WebSocket-Version: 13\"", false);
  if (is_for_a_proxy)
    result +=
        ". A proxy on the way has to speak HTTP/1.1 to this server and to pass the headers Upgrade and Connection "
        "on; nginx does with: proxy_http_version 1.1; proxy_set_header Upgrade $http_upgrade; proxy_set_header "
        "Connection \"upgrade\";";
  return result;
}

http_answer no_upgrade(const http_request& request, const std::string& missing) {
  auto result = http_error(426, "bad_request",
                           "this path speaks WebSocket (RFC 6455) only, and the request asks for none: " + missing);
  // A page or a health check that merely looks at the path is no news.
  if (request.count(field::sec_websocket_key) > 0) result.note = "no request for a WebSocket: " + missing;
  result.headers.emplace_back("Upgrade", "websocket");
  result.headers.emplace_back("Connection", "Upgrade");
  result.headers.emplace_back("Sec-WebSocket-Version", "13");
  return result;
}

// 16 bytes in base64: 22 letters, of which the last one has four bits to spare, and two signs (RFC 6455, 4.2.1).
bool is_key(std::string_view text) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  return text.size() == 24 && text.ends_with("==") && text.find_first_not_of(letters) == 22;
}

http_answer foreign_origin(const http_request& request, std::string_view host) {
  constexpr std::size_t shown_max = 256;
  const auto quoted = [](std::string_view text) { return '"' + std::string{text.substr(0, shown_max)} + '"'; };
  const auto origin = quoted(joined(request, field::origin));
  auto reason = "the origin " + origin + " is neither the host and port that were asked for, " + quoted(host)
                + ", nor among `origins`";
  return noted(http_error(403, "forbidden", reason + ": to let its pages in, add it there, origins = [" + origin + "]"),
               reason);
}

// The first one present decides, even if it is no good.
std::variant<credential, http_answer> credential_of(const http_request& request, const http_query& query,
                                                    const connection_rules& rules) {
  if (auto token = token_of(request))
    return shown_token{std::move(*token), request.count(field::authorization) > 0 ? "header" : "subprotocol"};
  if (const auto* ticket = find(query, "ticket")) return shown_ticket{std::string{without_scheme(*ticket)}};
  for (const auto* name : {"access_token", "token"}) {
    const auto* token = find(query, name);
    if (token == nullptr) continue;
    if (rules.insecure_query_token && std::string_view{name} == "access_token") return shown_token{*token, "query"};
    return http_error(400, "bad_request",
                      "a token comes in the Authorization header, the subprotocol or a connect frame: addresses are "
                      "written into logs");
  }
  return credential{};
}

} // namespace

std::variant<upgrade_request, http_answer> judge_upgrade(const http_request& request, const http_query& query,
                                                         std::string_view host, bool said_more,
                                                         const connection_rules& rules) {
  if (request.method() != boost::beast::http::verb::get) return wrong_method("GET");
  if (const auto missing = missing_of(request); !missing.empty()) return no_upgrade(request, missing);
  auto wanted = wanted_of(query);
  if (const auto* reason = std::get_if<std::string>(&wanted)) return http_error(400, "bad_request", *reason);
  const auto key = header(request, field::sec_websocket_key);
  if (!is_key(key) || request.count(field::sec_websocket_key) != 1)
    return http_error(400, "bad_request", "Sec-WebSocket-Key is not 16 bytes in base64");
  if (said_more || !request.body().empty())
    return http_error(400, "bad_request", "a client says nothing more before its upgrade is answered");
  if (!is_origin_allowed(request, host, rules.origins)) return foreign_origin(request, host);
  const auto protocols = parse_extensions(joined(request, field::sec_websocket_protocol));
  const auto extensions = parse_extensions(joined(request, field::sec_websocket_extensions));
  const auto is_protocol = [](const offered_extension& one) { return one.parameters.empty(); };
  if (!protocols || !extensions || !std::all_of(protocols->begin(), protocols->end(), is_protocol))
    return http_error(400, "bad_request", "Sec-WebSocket-Protocol or -Extensions is no list");
  auto shown = credential_of(request, query, rules);
  if (auto* refusal = std::get_if<http_answer>(&shown)) return std::move(*refusal);
  upgrade_request result;
  result.websocket.key = key;
  // As it is spelled: what is compared in whatever case is not what was offered (RFC 6455, 4.2.2).
  result.websocket.with_subprotocol = std::any_of(
      protocols->begin(), protocols->end(), [](const offered_extension& one) { return one.name == wire::subprotocol; });
  // A browser takes an answer that names none of what its page offered for a failure, and the token is not to be named.
  const auto is_token = [](const offered_extension& one) { return is_token_subprotocol(one.name); };
  if (!result.websocket.with_subprotocol && std::any_of(protocols->begin(), protocols->end(), is_token)) {
    const std::string reason = "a token is offered as a subprotocol, and gangway.v1.json is not: offer both";
    return noted(http_error(400, "bad_request", reason), reason);
  }
  if (rules.deflate_threshold) result.websocket.deflate = choose_deflate(*extensions);
  result.credential = std::get<credential>(std::move(shown));
  result.wanted = std::get<std::optional<wanted_thread>>(std::move(wanted));
  return result;
}

} // namespace gangway
