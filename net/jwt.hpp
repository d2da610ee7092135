#pragma once

/// Tokens: JSON Web Tokens (RFC 7519) signed with HS256 (RFC 7518, 3.2), and the base64url they are written in.

#include <chrono>
#include <cstddef>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "net/doors.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// The longest token that is looked at.
inline constexpr std::size_t token_bytes_max = 8 * 1024;

/// What a token says about its bearer.
struct token_claims {
  user_id user;                   ///< `sub`
  std::string tier;               ///< `tier`, empty if there is none
  std::vector<std::string> roles; ///< `role` and `roles`
  utc_time expires_at;            ///< `exp`

  friend bool operator==(const token_claims&, const token_claims&) = default;
};

/// Why a token is refused. The reason quotes nothing of the token.
struct token_fault {
  bool expired = false; ///< it was good once: the client should get a new one
  std::string reason;

  friend bool operator==(const token_fault&, const token_fault&) = default;
};

/// Returns what `token` claims at the time `now`, or why it is not to be believed.
///
/// The key decides the algorithm: only HS256 is, whatever the header proposes, and headers that name keys (`jku`,
/// `jwk`, `x5u`, `x5c`) are not looked at. `exp` is required; `nbf`, and `iss` and `aud` if the rules name them, are
/// checked; a `crit` header is refused, since no extension is understood. `sub` must be a user id.
std::variant<token_claims, token_fault> verify_token(std::string_view token, const token_rules& rules, utc_time now);

/// Returns a token of these claims, with the issuer and the audience of the rules: for `gangwayctl token` and `--dev`.
std::string make_token(const token_claims& claims, const token_rules& rules, utc_time now);

/// Returns the base64url form of `bytes`, without padding (RFC 4648, 5).
std::string to_base64url(std::string_view bytes);

/// Returns the bytes that `text` is the base64url form of, or nothing: other characters, padding, an impossible length
/// and stray low bits are refused, so that one value has one form.
std::optional<std::string> from_base64url(std::string_view text);

} // namespace gangway
