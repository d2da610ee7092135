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

// Whoever makes tokens for longer meant milliseconds.
constexpr std::chrono::hours ahead_max{3653 * 24};

token_fault invalid(std::string reason, std::string received = {}, std::string wanted = {}) {
  return {token_trouble::invalid, std::move(reason), std::move(received), std::move(wanted)};
}

// A claim for the log: whatever it is, and not too much of it.
std::string show(const json& value) {
  if (value.is_string()) return quote_for_log(value.get_ref<const std::string&>());
  constexpr std::size_t bytes_max = 256;
  auto text = value.dump(-1, ' ', true, json::error_handler_t::replace);
  return text.size() <= bytes_max ? text : text.substr(0, bytes_max) + "…";
}

std::string show(std::chrono::seconds when) { return std::to_string(when.count()); }

// What makes two names that look alike different.
std::string difference_of(const json& received, const std::string& wanted) {
  if (!received.is_string()) return {};
  const auto bare = [](std::string_view text) {
    if (text.ends_with('/')) text.remove_suffix(1);
    std::string result{text};
    std::transform(result.begin(), result.end(), result.begin(),
                   [](char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; });
    return result;
  };
  const auto& text = received.get_ref<const std::string&>();
  if (bare(text) != bare(wanted)) return {};
  return text.ends_with('/') != wanted.ends_with('/') ? " (they differ in the last slash)" : " (they differ in case)";
}

std::string show_key(const key_hint& key) {
  std::string result{to_string(key.algorithm)};
  return key.id ? result + ' ' + quote_for_log(*key.id) : result;
}

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

// Whether a claim holds several words in one string, as `scope` does. It may stand in another one, or have a URL before
// it: "realm.scope", "https://example.com/scope".
bool is_scope(std::string_view name) {
  const auto last = name.find_last_of("./:");
  const auto word = last == name.npos ? name : name.substr(last + 1);
  return word == "scope" || word == "scp";
}

void add_roles(std::string_view text, bool has_words, std::vector<std::string>& roles) {
  if (!has_words) return roles.emplace_back(text), void();
  while (!text.empty()) {
    const auto end = std::min(text.find(' '), text.size());
    if (end > 0) roles.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

void collect_roles(const json* claim, bool has_words, std::vector<std::string>& roles) {
  if (claim == nullptr) return;
  if (claim->is_string()) add_roles(claim->get_ref<const std::string&>(), has_words, roles);
  if (!claim->is_array()) return;
  for (const auto& role : *claim)
    if (role.is_string()) add_roles(role.get_ref<const std::string&>(), has_words, roles);
}

// What is wrong with the token's times and with whom it is from and for, or its end.
std::variant<std::chrono::seconds, token_fault> judge_validity(const json& payload, const token_rules& rules,
                                                               utc_time now) {
  const auto time = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch();
  const auto expiry = payload.find("exp");
  if (expiry == payload.end()) return invalid("the token never expires: it has no exp");
  const auto expires = to_time(*expiry);
  if (!expires) return invalid("the token's exp is not a number", "exp " + show(*expiry), "seconds since 1970");
  if (time >= *expires + rules.leeway)
    return token_fault{token_trouble::expired, "the token has expired", "exp " + show(*expiry),
                       "later than " + show(time - rules.leeway)};
  if (*expires > time + ahead_max)
    return invalid("the token's exp is more than ten years ahead: it counts seconds, not milliseconds",
                   "exp " + show(*expiry), "at most " + show(time + ahead_max));
  if (const auto begin = payload.find("nbf"); begin != payload.end()) {
    const auto starts = to_time(*begin);
    if (!starts) return invalid("the token's nbf is not a number", "nbf " + show(*begin), "seconds since 1970");
    if (time + rules.leeway < *starts)
      return invalid("the token is not valid yet (nbf)", "nbf " + show(*begin), "at most " + show(time + rules.leeway));
  }
  if (rules.issuer) {
    const auto issuer = payload.find("iss");
    if (issuer == payload.end())
      return invalid("the token does not say from whom it is (iss)", "no iss", "iss " + quote_for_log(*rules.issuer));
    if (*issuer != *rules.issuer)
      return invalid("the token is from another issuer (iss)", "iss " + show(*issuer),
                     "iss " + quote_for_log(*rules.issuer) + difference_of(*issuer, *rules.issuer));
  }
  if (rules.audience) {
    const auto audience = payload.find("aud");
    if (audience == payload.end())
      return invalid("the token does not say for whom it is (aud)", "no aud", "aud " + quote_for_log(*rules.audience));
    if (!contains(*audience, *rules.audience))
      return invalid("the token is for another audience (aud)", "aud " + show(*audience),
                     "aud " + quote_for_log(*rules.audience) + difference_of(*audience, *rules.audience));
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
    collect_roles(find_claim(*payload, name), is_scope(name), result.roles);
  result.expires_at = utc_time{std::get<std::chrono::seconds>(validity)};
  return result;
}

} // namespace

std::string_view without_scheme(std::string_view token) noexcept {
  constexpr std::string_view scheme = "bearer";
  static constexpr std::string_view blanks = " \t\r\n";
  const auto trim = [](std::string_view text) {
    text.remove_prefix(std::min(text.find_first_not_of(blanks), text.size()));
    return text.substr(0, text.find_last_not_of(blanks) + 1);
  };
  token = trim(token);
  const bool has_scheme =
      token.size() > scheme.size() && blanks.find(token[scheme.size()]) != blanks.npos
      && std::equal(scheme.begin(), scheme.end(), token.begin(), [](char a, char b) { return a == (b | 0x20); });
  return has_scheme ? trim(token.substr(scheme.size())) : token;
}

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
  if (!algorithm)
    return invalid("the token is not signed with HS256, RS256, ES256 or EdDSA",
                   named == header->end() ? "no alg" : "alg " + show(*named), "alg HS256, RS256, ES256 or EdDSA");
  if (header->contains("crit")) return invalid("the token demands an extension (crit), and none is known");
  parsed_token result{
      {*algorithm, std::nullopt}, token.substr(0, second), token.substr(first + 1, second - first - 1), {}};
  if (const auto id = header->find("kid"); id != header->end() && !id->is_null()) {
    if (!id->is_string()) return invalid("the token's kid is no string", "kid " + show(*id), "a string");
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
    return token_fault{token_trouble::unknown_key, "the token is signed with a key that is not known",
                       show_key(token.key), keys.describe()};
  case signature_verdict::wrong:
    return token_fault{token_trouble::wrong_signature, "the token's signature is wrong", show_key(token.key),
                       keys.describe()};
  case signature_verdict::good:
    break;
  }
  return judge_claims(token, rules, now);
}

std::optional<user_id> claimed_user(std::string_view token, const token_rules& rules) {
  const auto parsed = parse_token(without_scheme(token));
  const auto* parts = std::get_if<parsed_token>(&parsed);
  const auto payload = parts != nullptr ? parse_object(parts->payload) : std::nullopt;
  const auto* subject = payload ? find_claim(*payload, rules.user_claim) : nullptr;
  if (subject == nullptr || !subject->is_string()) return std::nullopt;
  user_id result{subject->get<std::string>()};
  return is_user_id(result.value) ? std::optional{std::move(result)} : std::nullopt;
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
