#include "net/credential_desk.hpp"

#include <chrono>
#include <optional>
#include <string>

#include "protocol/json.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

constexpr std::chrono::hours demo_token_age{12};

/// Who is asked for.
struct somebody {
  user_id user;
  std::string tier;
};

// Reads whom a body names, `key` being what it calls the user. Nothing if it names nobody who may be.
std::optional<somebody> read_somebody(const http_request& request, std::string_view key) {
  const std::string_view names[] = {key, "tier"};
  std::string_view values[2];
  if (json::find_members(request.body(), names, values, wire::depth_max) != json::verdict::object) return std::nullopt;
  auto user = json::to_text(values[0]);
  auto tier = values[1].empty() ? std::optional<std::string>{""} : json::to_text(values[1]);
  if (!user || !is_user_id(*user) || !tier) return std::nullopt;
  return somebody{{std::move(*user)}, std::move(*tier)};
}

http_answer names_nobody(std::string_view key) {
  return http_error(400, "bad_request",
                    "say {\"" + std::string{key}
                        + "\":…,\"tier\":…}: 1 to 255 bytes without control characters, and a tier if any");
}

} // namespace

http_answer issue_ticket(const http_request& request, ticket_office& office) {
  if (request.method() != boost::beast::http::verb::post) return wrong_method("POST");
  auto who = read_somebody(request, "user_id");
  if (!who) return names_nobody("user_id");
  const auto ticket = office.issue({std::move(who->user), std::move(who->tier)}, std::chrono::steady_clock::now());
  if (!ticket) return overloaded("too many tickets wait to be used", ticket_office::age_max);
  const auto age_max = std::chrono::duration_cast<std::chrono::milliseconds>(ticket_office::age_max);
  auto result = json::object{}.text("ticket", *ticket).number("expires_in_ms", age_max.count()).take();
  return {.body = json::object{}.raw("result", result).take(), .is_secret = true};
}

http_answer make_demo_token(const http_request& request, std::string_view secret, const token_rules& rules) {
  if (request.method() != boost::beast::http::verb::post) return wrong_method("POST");
  auto who = read_somebody(request, "user");
  if (!who) return names_nobody("user");
  const auto now = utc_now();
  const token_claims claims{std::move(who->user), std::move(who->tier), {}, now + demo_token_age};
  return {.body = json::object{}.text("token", make_token(claims, secret, rules, now)).take(), .is_secret = true};
}

} // namespace gangway
