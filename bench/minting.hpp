#pragma once

/// Keys, a certificate and tokens for clients that sign in as strangers would: made by OpenSSL and RFC 7515, and not by
/// what the server checks them with.

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <ctime>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

namespace gangway {

/// Frees what OpenSSL gave.
template <auto Function>
struct freed_by {
  template <class Value>
  void operator()(Value* value) const noexcept {
    Function(value);
  }
};

using private_key = std::unique_ptr<EVP_PKEY, freed_by<EVP_PKEY_free>>;
using file_handle = std::unique_ptr<std::FILE, freed_by<std::fclose>>;

/// For how long certificates and tokens are good.
inline constexpr long day_seconds = 86'400;

/// @throws std::runtime_error unless `good`
inline void ensure(bool good, const std::string& what) {
  if (!good) throw std::runtime_error{what};
}

/// Returns a new key for tokens of that algorithm.
inline private_key make_key(std::string_view algorithm) {
  private_key result;
  if (algorithm == "RS256") result.reset(EVP_RSA_gen(2048));
  if (algorithm == "ES256") result.reset(EVP_EC_gen("P-256"));
  if (algorithm == "EdDSA") result.reset(EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519"));
  ensure(result != nullptr, "cannot make a key for " + std::string{algorithm});
  return result;
}

inline file_handle open_file(const std::string& path, const char* mode) {
  file_handle result{std::fopen(path.c_str(), mode)};
  ensure(result != nullptr, "cannot open " + path);
  return result;
}

inline void write_private_key(const std::string& path, EVP_PKEY* key) {
  const auto file = open_file(path, "w");
  ensure(PEM_write_PrivateKey(file.get(), key, nullptr, nullptr, 0, nullptr, nullptr) == 1, "cannot write " + path);
}

/// Writes the public half behind what the file holds already.
inline void append_public_key(const std::string& path, EVP_PKEY* key) {
  const auto file = open_file(path, "a");
  ensure(PEM_write_PUBKEY(file.get(), key) == 1, "cannot write " + path);
}

inline private_key read_private_key(const std::string& path) {
  const auto file = open_file(path, "r");
  private_key result{PEM_read_PrivateKey(file.get(), nullptr, nullptr, nullptr)};
  ensure(result != nullptr, "no key is in " + path);
  return result;
}

/// Writes a certificate for 127.0.0.1 that `key` signs for itself, good for a day.
inline void write_certificate(const std::string& path, EVP_PKEY* key) {
  const std::unique_ptr<X509, freed_by<X509_free>> made{X509_new()};
  auto* subject = X509_get_subject_name(made.get());
  const auto* name = reinterpret_cast<const unsigned char*>("127.0.0.1");
  ensure(X509_set_version(made.get(), 2) == 1 && ASN1_INTEGER_set(X509_get_serialNumber(made.get()), 1) == 1
             && X509_gmtime_adj(X509_getm_notBefore(made.get()), 0) != nullptr
             && X509_gmtime_adj(X509_getm_notAfter(made.get()), day_seconds) != nullptr
             && X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, name, -1, -1, 0) == 1
             && X509_set_issuer_name(made.get(), subject) == 1 && X509_set_pubkey(made.get(), key) == 1
             && X509_sign(made.get(), key, EVP_sha256()) > 0,
         "cannot make a certificate");
  ensure(PEM_write_X509(open_file(path, "w").get(), made.get()) == 1, "cannot write " + path);
}

inline std::string base64url(std::string_view bytes) {
  constexpr std::string_view letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::string result;
  std::uint32_t bits = 0;
  unsigned count = 0;
  for (const auto byte : bytes) {
    bits = bits << 8U | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6)
      result += letters[bits >> (count - 6) & 63U];
  }
  if (count > 0) result += letters[bits << (6 - count) & 63U];
  return result;
}

/// Makes tokens of one algorithm, no two of them the same.
class token_mint {
public:
  /// @pre `secret` is for HS256, `key` for the others
  token_mint(std::string algorithm, std::string secret, private_key key)
      : algorithm_{std::move(algorithm)}, secret_{std::move(secret)}, key_{std::move(key)} {}

  std::string make(const std::string& user) {
    const auto now = static_cast<std::int64_t>(std::time(nullptr));
    const auto claims = R"({"sub":")" + user + R"(","iat":)" + std::to_string(now) + R"(,"exp":)"
                        + std::to_string(now + day_seconds) + R"(,"jti":")" + series_ + std::to_string(++made_) + "\"}";
    auto result = base64url(R"({"alg":")" + algorithm_ + R"(","typ":"JWT"})") + "." + base64url(claims);
    const auto signature = key_ ? sign_with_key(result) : sign_with_secret(result);
    return result + "." + base64url(signature);
  }

private:
  std::string sign_with_secret(const std::string& text) const {
    std::string result(EVP_MAX_MD_SIZE, '\0');
    unsigned size = 0;
    HMAC(EVP_sha256(), secret_.data(), static_cast<int>(secret_.size()),
         reinterpret_cast<const unsigned char*>(text.data()), text.size(),
         reinterpret_cast<unsigned char*>(result.data()), &size);
    result.resize(size);
    return result;
  }

  std::string sign_with_key(const std::string& text) const {
    const std::unique_ptr<EVP_MD_CTX, freed_by<EVP_MD_CTX_free>> context{EVP_MD_CTX_new()};
    const auto* digest = algorithm_ == "EdDSA" ? nullptr : EVP_sha256();
    std::string result(static_cast<std::size_t>(EVP_PKEY_get_size(key_.get())), '\0');
    auto size = result.size();
    ensure(EVP_DigestSignInit(context.get(), nullptr, digest, nullptr, key_.get()) == 1
               && EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(result.data()), &size,
                                 reinterpret_cast<const unsigned char*>(text.data()), text.size())
                      == 1,
           "cannot sign with " + algorithm_);
    result.resize(size);
    return algorithm_ == "ES256" ? to_fixed_size(result) : result;
  }

  // OpenSSL gives a DER sequence, a token has the two numbers themselves, 32 bytes each (RFC 7518, 3.4).
  static std::string to_fixed_size(const std::string& der) {
    const auto* bytes = reinterpret_cast<const unsigned char*>(der.data());
    const std::unique_ptr<ECDSA_SIG, freed_by<ECDSA_SIG_free>> both{
        d2i_ECDSA_SIG(nullptr, &bytes, static_cast<long>(der.size()))};
    ensure(both != nullptr, "cannot read a signature");
    std::string result(64, '\0');
    auto* into = reinterpret_cast<unsigned char*>(result.data());
    BN_bn2binpad(ECDSA_SIG_get0_r(both.get()), into, 32);
    BN_bn2binpad(ECDSA_SIG_get0_s(both.get()), into + 32, 32);
    return result;
  }

  std::string algorithm_;
  std::string secret_;
  private_key key_;
  std::string series_ = std::to_string(std::time(nullptr)) + "-" + std::to_string(std::clock()) + "-";
  std::uint64_t made_ = 0;
};

} // namespace gangway
