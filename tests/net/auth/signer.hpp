#pragma once

/// Signs tokens with keys that are made for a test, by OpenSSL's own functions and not by ours.

#include <memory>
#include <string>

#include <openssl/types.h>

namespace gangway::testing {

/// A key pair and everything that a test needs of it.
class signer {
public:
  /// Makes a pair of keys for "RS256", "ES256" or "EdDSA". `bits` counts for RSA alone.
  explicit signer(std::string algorithm, unsigned bits = 2048);

  /// The public key as "PUBLIC KEY", in PEM.
  std::string pem() const;

  /// The private key in PEM.
  std::string private_pem() const;

  /// A certificate of the key, signed by itself, in PEM.
  std::string certificate() const;

  /// The public key as a JWK with this id; without an id if it is empty.
  std::string jwk(const std::string& id, const std::string& more = "") const;

  /// A token of these JSON texts.
  std::string token(const std::string& header, const std::string& payload) const;

  /// The same with a plain header, with this key id unless it is empty.
  std::string token_of(const std::string& payload, const std::string& id = "") const;

  /// A signature as a token has it; of ES256 in DER if `as_der`.
  std::string sign(const std::string& message, bool as_der = false) const;

private:
  std::string algorithm_;
  std::shared_ptr<EVP_PKEY> key_;
};

/// A JSON Web Key Set of these keys.
template <class... Keys>
std::string key_set_of(const Keys&... keys) {
  std::string result;
  ((result += (result.empty() ? "" : ",") + std::string{keys}), ...);
  return "{\"keys\":[" + result + "]}";
}

} // namespace gangway::testing
