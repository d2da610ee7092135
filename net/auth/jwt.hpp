#pragma once

/// JSON Web Tokens (RFC 7519) in their compact form (RFC 7515, 7.1).

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "net/auth/keys.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// The longest token that is looked at.
inline constexpr std::size_t token_bytes_max = 8 * 1024;

/// What a token's claims are checked by, and where they are. A name that is no claim by itself is a path: "a.b" is the
/// member `b` of the claim `a`.
struct token_rules {
  std::optional<std::string> issuer;   ///< `iss` must be it, if set
  std::optional<std::string> audience; ///< `aud` must contain it, if set
  std::chrono::seconds leeway{60};     ///< for `exp` and `nbf`
  std::string user_claim = "sub";
  std::string tier_claim = "tier";
  /// Each a string, or a list of them. What is called `scope` or `scp` has several in one string (RFC 8693, 4.2).
  std::vector<std::string> role_claims{"role", "roles"};
};

/// What a token says about its bearer.
struct token_claims {
  user_id user;
  std::string tier; ///< empty if there is none
  std::vector<std::string> roles;
  utc_time expires_at;     ///< `exp`
  bool simulation = false; ///< it was signed with the simulation key

  friend bool operator==(const token_claims&, const token_claims&) = default;
};

/// How a token is not to be believed.
enum class token_trouble : std::uint8_t {
  invalid,
  wrong_signature, ///< by the keys in force: newer ones under the same names may say otherwise
  expired,         ///< it was good once: the client should get a new one
  unknown_key,     ///< newer keys may know it
  unavailable,     ///< the keys that it would be checked by cannot be had now: the client should come again
};

/// Why a token is refused. The reason quotes nothing of the token, and is what its bearer is told; the rest is for the
/// log.
struct token_fault {
  token_trouble kind = token_trouble::invalid;
  std::string reason;
  std::string received = {}; ///< what of the token is meant
  std::string wanted = {};   ///< what it should be

  friend bool operator==(const token_fault&, const token_fault&) = default;
};

using token_verdict = std::variant<token_claims, token_fault>;

/// A token whose three parts can be read, and whose header demands nothing that is not understood. Believe none of it
/// before its signature is checked. The views are into the text that was parsed.
struct parsed_token {
  key_hint key;
  std::string_view signed_part;
  std::string_view payload; ///< base64url of JSON
  std::string signature;
};

/// Returns a token without "Bearer " before it, in whatever case, and without blanks around it: some clients put the
/// whole value of their header wherever a token belongs.
std::string_view without_scheme(std::string_view token) noexcept;

/// Returns the parts of a token, or why they cannot be read. Headers that name or bring keys (`jku`, `jwk`, `x5u`,
/// `x5c`) are not looked at; `alg: none` and other algorithms are refused, and so is `crit`: no extension is known.
std::variant<parsed_token, token_fault> parse_token(std::string_view token);

/// Returns what a token claims at the time `now`, or why it is not to be believed: signed with an unknown key, or
/// wrongly; without `exp`, expired, good for more than ten years (an `exp` in milliseconds), not yet valid (`nbf`), of
/// another issuer or for another audience than the rules
/// name, or without a user id.
token_verdict judge_token(const parsed_token& token, const key_set& keys, const token_rules& rules, utc_time now);

/// `parse_token`, then `judge_token`.
token_verdict verify_token(std::string_view token, const key_set& keys, const token_rules& rules, utc_time now);

/// Returns whom a token names, whoever signed it: to be believed of nothing.
std::optional<user_id> claimed_user(std::string_view token, const token_rules& rules);

/// Returns a token of these claims signed by HS256, with the issuer and the audience of the rules.
std::string make_token(const token_claims& claims, std::string_view secret, const token_rules& rules, utc_time now);

} // namespace gangway
