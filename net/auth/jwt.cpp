#include "net/auth/jwt.hpp"

#include <algorithm>
#include <cmath>
#include <utility>

#include <nlohmann/json.hpp>

#include "net/auth/base64url.hpp"

namespace gangway {

namespace {

using nlohmann::json;

// The latest time that is worth telling apart, so that sums with a leeway cannot overflow: the year 9999.
constexpr std::int64_t seconds_max = 253'402'300'799;

token_fault invalid(std::string reason) { return {token_trouble::invalid, std::move(reason)}; }

std::optional<json> parse_object(std::string_view part) {
  auto text = from_base64url(part);
  if (!text) return std::nullopt;
  auto value = json::parse(*text, nullptr, false);
  if (!value.is_object()) return std::nullopt;
  return value;
}

// A NumericDate (RFC 7519, 2), which may have a fraction; rounded down.
std::optional<std::chrono::seconds> to_time(const json& value) {
  if (value.is_number_unsigned())
    return std::chrono::seconds{std::min<std::uint64_t>(value.get<std::uint64_t>(), seconds_max)};
  if (value.is_number_integer()) return std::chrono::seconds{std::max<std::int64_t>(value.get<std::int64_t>(), 0)};
  if (!value.is_number_float() || std::isnan(value.get<double>())) return std::nullopt;
  const auto floored = std::floor(value.get<double>());
  return std::chrono::seconds{static_cast<std::int64_t>(std::clamp(floored, 0.0, static_cast<double>(seconds_max)))};
}

bool contains(const json& audience, const std::string& wanted) {
  if (audience.is_string()) return audience.get_ref<const std::string&>() == wanted;
  if (!audience.is_array()) return false;
  return std::any_of(audience.begin(), audience.end(),
                     [&](const json& one) { return one.is_string() && one.get_ref<const std::string&>() == wanted; });
}

// The claim of that name, or the member that the name is a path to.
const json* find_claim(const json& payload, std::string_view name) {
  if (!payload.is_object()) return nullptr;
  if (const auto found = payload.find(name); found != payload.end()) return &*found;
  const auto dot = name.find('.');
  if (dot == name.npos) return nullptr;
  const auto inner = payload.find(name.substr(0, dot));
  return inner == payload.end() ? nullptr : find_claim(*inner, name.substr(dot + 1));
}

void collect_roles(const json* claim, std::vector<std::string>& roles) {
  if (claim == nullptr) return;
  if (claim->is_string()) roles.push_back(claim->get<std::string>());
  if (!claim->is_array()) return;
  for (const auto& role : *claim)
    if (role.is_string()) roles.push_back(role.get<std::string>());
}

// What is wrong with the token's times and with whom it is from and for, or its end.
std::variant<std::chrono::seconds, token_fault> judge_validity(const json& payload, const token_rules& rules,
                                                               utc_time now) {
  const auto time = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch();
  const auto expiry = payload.find("exp");
  if (expiry == payload.end()) return invalid("the token never expires: it has no exp");
  const auto expires = to_time(*expiry);
  if (!expires) return invalid("the token's exp is not a number");
  if (time >= *expires + rules.leeway) return token_fault{token_trouble::expired, "the token has expired"};
  if (const auto begin = payload.find("nbf"); begin != payload.end()) {
    const auto starts = to_time(*begin);
    if (!starts) return invalid("the token's nbf is not a number");
    if (time + rules.leeway < *starts) return invalid("the token is not valid yet (nbf)");
  }
  if (rules.issuer) {
    const auto issuer = payload.find("iss");
    if (issuer == payload.end()) return invalid("the token does not say from whom it is (iss)");
    if (*issuer != *rules.issuer) return invalid("the token is from another issuer (iss)");
  }
  if (rules.audience) {
    const auto audience = payload.find("aud");
    if (audience == payload.end()) return invalid("the token does not say for whom it is (aud)");
    if (!contains(*audience, *rules.audience)) return invalid("the token is for another audience (aud)");
  }
  return *expires;
}

token_verdict judge_claims(const parsed_token& token, const token_rules& rules, utc_time now) {
  const auto payload = parse_object(token.payload);
  if (!payload) return invalid("the token's claims cannot be read");
  auto validity = judge_validity(*payload, rules, now);
  if (auto* fault = std::get_if<token_fault>(&validity)) return std::move(*fault);
  const auto* subject = find_claim(*payload, rules.user_claim);
  if (subject == nullptr || !subject->is_string())
    return invalid("the token names no user: " + rules.user_claim + " is not a string");
  token_claims result;
  result.user.value = subject->get<std::string>();
  if (!is_user_id(result.user.value))
    return invalid("the token's " + rules.user_claim
                   + " is no user id: that is 1 to 255 bytes of UTF-8 without control characters");
  if (const auto* tier = find_claim(*payload, rules.tier_claim); tier != nullptr && tier->is_string())
    result.tier = tier->get<std::string>();
  for (const auto& name : rules.role_claims)
    collect_roles(find_claim(*payload, name), result.roles);
  result.expires_at = utc_time{std::get<std::chrono::seconds>(validity)};
  return result;
}

} // namespace

std::variant<parsed_token, token_fault> parse_token(std::string_view token) {
  if (token.size() > token_bytes_max) return invalid("the token is longer than 8 KiB");
  const auto first = token.find('.');
  const auto second = token.find('.', first == token.npos ? first : first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos)
    return invalid("the token is not made of three parts");
  const auto header = parse_object(token.substr(0, first));
  if (!header) return invalid("the token's header cannot be read");
  const auto named = header->find("alg");
  const auto algorithm = named != header->end() && named->is_string()
                             ? parse_signature_algorithm(named->get_ref<const std::string&>())
                             : std::nullopt;
  if (!algorithm) return invalid("the token is not signed with HS256, RS256, ES256 or EdDSA");
  if (header->contains("crit")) return invalid("the token demands an extension (crit), and none is known");
  parsed_token result{
      {*algorithm, std::nullopt}, token.substr(0, second), token.substr(first + 1, second - first - 1), {}};
  if (const auto id = header->find("kid"); id != header->end()) {
    if (!id->is_string()) return invalid("the token's kid is no string");
    result.key.id = id->get<std::string>();
  }
  auto signature = from_base64url(token.substr(second + 1));
  if (!signature) return invalid("the token's signature is wrong");
  result.signature = std::move(*signature);
  return result;
}

token_verdict judge_token(const parsed_token& token, const key_set& keys, const token_rules& rules, utc_time now) {
  switch (keys.check(token.key, token.signed_part, token.signature)) {
  case signature_verdict::unknown_key:
    return token_fault{token_trouble::unknown_key, "the token is signed with a key that is not known"};
  case signature_verdict::wrong:
    return invalid("the token's signature is wrong");
  case signature_verdict::good:
    break;
  }
  return judge_claims(token, rules, now);
}

token_verdict verify_token(std::string_view token, const key_set& keys, const token_rules& rules, utc_time now) {
  const auto parsed = parse_token(token);
  if (const auto* fault = std::get_if<token_fault>(&parsed)) return *fault;
  return judge_token(std::get<parsed_token>(parsed), keys, rules, now);
}

std::string make_token(const token_claims& claims, std::string_view secret, const token_rules& rules, utc_time now) {
  const auto seconds = [](utc_time when) {
    return std::chrono::floor<std::chrono::seconds>(when).time_since_epoch().count();
  };
  json payload{{rules.user_claim, claims.user.value}, {"iat", seconds(now)}, {"exp", seconds(claims.expires_at)}};
  if (!claims.tier.empty()) payload[rules.tier_claim] = claims.tier;
  if (!claims.roles.empty()) payload[rules.role_claims.back()] = claims.roles;
  if (rules.issuer) payload["iss"] = *rules.issuer;
  if (rules.audience) payload["aud"] = *rules.audience;
  const auto dump = [](const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); };
  auto result = to_base64url(R"({"alg":"HS256","typ":"JWT"})") + '.' + to_base64url(dump(payload));
  return result + '.' + to_base64url(sign_hs256(secret, result));
}

} // namespace gangway
