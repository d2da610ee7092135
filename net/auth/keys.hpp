#pragma once

/// The keys that tokens are checked by: secrets (HS256), and public keys from PEM files or JSON Web Key Sets (RFC
/// 7517).

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <openssl/types.h>

namespace gangway {

/// How a token is signed (RFC 7518, 3.1; RFC 8037, 3.1; RFC 9864). There are others, and they are not accepted.
enum class signature_algorithm : std::uint8_t { hs256, rs256, es256, eddsa };

/// Returns the algorithm of that name, as a token's header spells it. EdDSA and its newer name, Ed25519 (RFC
/// 9864, 2.2), are the same.
std::optional<signature_algorithm> parse_signature_algorithm(std::string_view name) noexcept;

/// Returns the name of an algorithm, the older one of EdDSA's.
std::string_view to_string(signature_algorithm which) noexcept;

/// What a token's header says of the key that it was signed with.
struct key_hint {
  signature_algorithm algorithm = signature_algorithm::hs256;
  std::optional<std::string> id; ///< `kid`
};

/// What became of a signature.
enum class signature_verdict : std::uint8_t {
  good,
  wrong,
  unknown_key, ///< no key of that id and algorithm is known
};

/// A set of keys that does not change. The key decides the algorithm: each stands for one, and is asked only for tokens
/// that say the same.
class key_set {
public:
  /// Returns whether an RSA key of so many bits is accepted: 2,048 at least (RFC 7518, 3.3), and 8,192 at most, beyond
  /// which a signature takes milliseconds to check.
  static bool is_rsa_size(int bits) noexcept { return bits >= 2048 && bits <= 8192; }

  /// The most keys that are kept of a JSON Web Key Set.
  static constexpr std::size_t keys_max = 64;

  /// Returns the set of one secret, for HS256.
  static key_set of_secret(std::string secret);

  /// Returns the public keys of a PEM text: RSA of 2,048 bits or more (RS256), P-256 (ES256) or Ed25519 (EdDSA), as
  /// "PUBLIC KEY", "RSA PUBLIC KEY" or "CERTIFICATE"; or what is wrong with it. Several are all good: the old key and
  /// the new one, while tokens are signed anew.
  static std::variant<key_set, std::string> of_pem(std::string_view text);

  /// Returns the keys of a JSON Web Key Set that verify signatures, or what is wrong with it. Keys of other kinds and
  /// for other uses are left out (RFC 7517, 5), secrets (`oct`) and private keys as well: a set that anybody may fetch
  /// holds none. A member that is null counts as absent. A set without a single usable key is refused.
  static std::variant<key_set, std::string> of_jwks(std::string_view text);

  key_set(key_set&&) noexcept;
  key_set& operator=(key_set&&) noexcept;
  ~key_set();

  /// Returns whether one of the keys that the hint means signed `message`. With an id only the keys of that id are
  /// asked, and those that have none, which may be meant; without, a few of that algorithm.
  signature_verdict check(const key_hint& hint, std::string_view message, std::string_view signature) const;

  std::size_t size() const noexcept { return keys_.size(); }

  /// Returns what of a JSON Web Key Set was left out, and why: a few lines such as `key 2 ("b"): its use is "enc"`.
  const std::vector<std::string>& left_out() const noexcept { return left_out_; }

  /// Returns which keys these are, for the log: `RS256 "a", ES256 "b"`, a few of them. Never a key itself.
  std::string describe() const;

private:
  struct pkey_deleter {
    void operator()(EVP_PKEY* key) const noexcept;
  };
  using pkey = std::unique_ptr<EVP_PKEY, pkey_deleter>;

  struct key {
    signature_algorithm algorithm = signature_algorithm::hs256;
    std::optional<std::string> id;
    std::string secret; // of HS256
    pkey public_key;    // of the others
  };

  key_set() = default;

  static bool has_signed(const key& by, std::string_view message, std::string_view signature);
  static std::optional<signature_algorithm> algorithm_of(EVP_PKEY* public_key) noexcept;

  friend struct jwk_reader;

  std::vector<key> keys_;
  std::vector<std::string> left_out_;
};

/// Returns a text that somebody else chose as it may stand in a line of the log: in quotes, and cut if it is long.
std::string quote_for_log(std::string_view text);

/// Returns the HMAC-SHA256 of `message`, 32 bytes.
std::string sign_hs256(std::string_view secret, std::string_view message);

} // namespace gangway
