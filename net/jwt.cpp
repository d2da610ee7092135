#include "net/jwt.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdint>

#include <nlohmann/json.hpp>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

namespace gangway {

namespace {

using nlohmann::json;

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> digits = [] {
  std::array<std::int8_t, 256> result{};
  result.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    result[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  return result;
}();

constexpr std::size_t signature_size = 32;

// The latest time that is worth telling apart, so that sums with a leeway cannot overflow: the year 9999.
constexpr std::int64_t seconds_max = 253'402'300'799;

using signature = std::array<unsigned char, signature_size>;

std::optional<signature> sign(std::string_view secret, std::string_view message) {
  signature result;
  unsigned int size = 0;
  const auto* done = HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()),
                          reinterpret_cast<const unsigned char*>(message.data()), message.size(), result.data(), &size);
  if (done == nullptr || size != signature_size) return std::nullopt;
  return result;
}

token_fault invalid(std::string reason) { return {false, std::move(reason)}; }

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

void collect_roles(const json& payload, const char* claim, std::vector<std::string>& roles) {
  const auto found = payload.find(claim);
  if (found == payload.end()) return;
  if (found->is_string()) roles.push_back(found->get<std::string>());
  if (!found->is_array()) return;
  for (const auto& role : *found)
    if (role.is_string()) roles.push_back(role.get<std::string>());
}

std::variant<token_claims, token_fault> judge(const json& payload, const token_rules& rules, utc_time now) {
  const auto time = std::chrono::floor<std::chrono::seconds>(now).time_since_epoch();
  const auto expiry = payload.find("exp");
  if (expiry == payload.end()) return invalid("the token never expires: it has no exp");
  const auto expires = to_time(*expiry);
  if (!expires) return invalid("the token's exp is not a number");
  if (time >= *expires + rules.leeway) return token_fault{true, "the token has expired"};
  if (const auto begin = payload.find("nbf"); begin != payload.end()) {
    const auto starts = to_time(*begin);
    if (!starts) return invalid("the token's nbf is not a number");
    if (time + rules.leeway < *starts) return invalid("the token is not valid yet (nbf)");
  }
  if (rules.issuer) {
    const auto issuer = payload.find("iss");
    if (issuer == payload.end() || *issuer != *rules.issuer) return invalid("the token is from another issuer (iss)");
  }
  if (rules.audience) {
    const auto audience = payload.find("aud");
    if (audience == payload.end() || !contains(*audience, *rules.audience))
      return invalid("the token is for another audience (aud)");
  }
  const auto subject = payload.find("sub");
  if (subject == payload.end() || !subject->is_string()) return invalid("the token names no user: sub is not a string");
  token_claims result;
  result.user.value = subject->get<std::string>();
  if (!is_user_id(result.user.value))
    return invalid("the token's sub is no user id: that is 1 to 255 bytes of UTF-8 without control characters");
  if (const auto tier = payload.find("tier"); tier != payload.end() && tier->is_string())
    result.tier = tier->get<std::string>();
  collect_roles(payload, "role", result.roles);
  collect_roles(payload, "roles", result.roles);
  result.expires_at = utc_time{*expires};
  return result;
}

} // namespace

std::variant<token_claims, token_fault> verify_token(std::string_view token, const token_rules& rules, utc_time now) {
  if (token.size() > token_bytes_max) return invalid("the token is longer than 8 KiB");
  const auto first = token.find('.');
  const auto second = token.find('.', first == token.npos ? first : first + 1);
  if (second == token.npos || token.find('.', second + 1) != token.npos)
    return invalid("the token is not made of three parts");

  const auto header = parse_object(token.substr(0, first));
  if (!header) return invalid("the token's header cannot be read");
  const auto algorithm = header->find("alg");
  if (algorithm == header->end() || *algorithm != "HS256") return invalid("the token is not signed with HS256");
  if (header->contains("crit")) return invalid("the token demands an extension (crit), and none is known");

  const auto claimed = from_base64url(token.substr(second + 1));
  const auto computed = sign(rules.secret, token.substr(0, second));
  if (!claimed || !computed || claimed->size() != computed->size()
      || CRYPTO_memcmp(claimed->data(), computed->data(), computed->size()) != 0)
    return invalid("the token's signature is wrong");

  const auto payload = parse_object(token.substr(first + 1, second - first - 1));
  if (!payload) return invalid("the token's claims cannot be read");
  return judge(*payload, rules, now);
}

std::string make_token(const token_claims& claims, const token_rules& rules, utc_time now) {
  const auto seconds = [](utc_time when) {
    return std::chrono::floor<std::chrono::seconds>(when).time_since_epoch().count();
  };
  json payload{{"sub", claims.user.value}, {"iat", seconds(now)}, {"exp", seconds(claims.expires_at)}};
  if (!claims.tier.empty()) payload["tier"] = claims.tier;
  if (!claims.roles.empty()) payload["roles"] = claims.roles;
  if (rules.issuer) payload["iss"] = *rules.issuer;
  if (rules.audience) payload["aud"] = *rules.audience;
  const auto dump = [](const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); };
  auto result = to_base64url(R"({"alg":"HS256","typ":"JWT"})") + '.' + to_base64url(dump(payload));
  const auto signed_with = sign(rules.secret, result).value_or(signature{});
  return result + '.' + to_base64url({reinterpret_cast<const char*>(signed_with.data()), signed_with.size()});
}

std::string to_base64url(std::string_view bytes) {
  std::string result;
  result.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned int count = 0;
  for (const char byte : bytes) {
    bits = bits << 8U | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6)
      result += alphabet[bits >> (count - 6) & 0x3FU];
  }
  if (count > 0) result += alphabet[bits << (6 - count) & 0x3FU];
  return result;
}

std::optional<std::string> from_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string result;
  result.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned int count = 0;
  for (const char letter : text) {
    const auto digit = digits[static_cast<unsigned char>(letter)];
    if (digit < 0) return std::nullopt;
    bits = bits << 6U | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    result += static_cast<char>(bits >> count & 0xFFU);
  }
  if ((bits & ((1U << count) - 1U)) != 0) return std::nullopt;
  return result;
}

} // namespace gangway
