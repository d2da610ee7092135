#include "net/upgrade.hpp"

#include <algorithm>
#include <utility>

#include "net/extensions.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

using field = boost::beast::http::field;

http_answer no_upgrade() {
  auto result = http_error(426, "bad_request", "this path speaks WebSocket (RFC 6455, version 13) only");
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

// The first one present decides, even if it is no good.
std::variant<credential, http_answer> credential_of(const http_request& request, const http_query& query,
                                                    const connection_rules& rules) {
  if (auto token = token_of(request)) return shown_token{std::move(*token)};
  if (const auto* ticket = find(query, "ticket")) return shown_ticket{*ticket};
  for (const auto* name : {"access_token", "token"}) {
    const auto* token = find(query, name);
    if (token == nullptr) continue;
    if (rules.insecure_query_token && std::string_view{name} == "access_token") return shown_token{*token};
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
  if (!is_upgrade(request) || joined(request, field::sec_websocket_version) != "13") return no_upgrade();
  auto wanted = wanted_of(query);
  if (const auto* reason = std::get_if<std::string>(&wanted)) return http_error(400, "bad_request", *reason);
  const auto key = header(request, field::sec_websocket_key);
  if (!is_key(key) || request.count(field::sec_websocket_key) != 1)
    return http_error(400, "bad_request", "Sec-WebSocket-Key is not 16 bytes in base64");
  if (said_more || !request.body().empty())
    return http_error(400, "bad_request", "a client says nothing more before its upgrade is answered");
  if (!is_origin_allowed(request, host, rules.origins))
    return http_error(403, "forbidden", "this origin is neither the server's own nor among `origins`");
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
  if (rules.deflate_threshold) result.websocket.deflate = choose_deflate(*extensions);
  result.credential = std::get<credential>(std::move(shown));
  result.wanted = std::get<std::optional<wanted_thread>>(std::move(wanted));
  return result;
}

} // namespace gangway
