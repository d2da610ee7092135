#include "net/auth/keys.hpp"

#include <algorithm>
#include <array>
#include <utility>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <openssl/pem.h>
#include <openssl/pemerr.h>
#include <openssl/x509.h>

#include "net/auth/openssl_deleter.hpp"

namespace gangway {

namespace {

// Of both ES256 (RFC 7518, 3.4) and EdDSA with Ed25519 (RFC 8032, 5.1.6).
constexpr std::size_t curve_signature_bytes = 64;

// A token without a key id may be of any key of its algorithm; asking all of a large set would be a gift to whoever
// sends garbage.
constexpr std::size_t guesses_max = 4;

const unsigned char* bytes_of(std::string_view text) { return reinterpret_cast<const unsigned char*>(text.data()); }

// r and s of 32 bytes each, as a token has them, become the DER that OpenSSL wants.
std::optional<std::string> to_der(std::string_view signature) {
  constexpr int half = curve_signature_bytes / 2;
  const std::unique_ptr<ECDSA_SIG, openssl_deleter<&ECDSA_SIG_free>> pair{ECDSA_SIG_new()};
  auto* r = BN_bin2bn(bytes_of(signature), half, nullptr);
  auto* s = BN_bin2bn(bytes_of(signature) + half, half, nullptr);
  if (!pair || r == nullptr || s == nullptr || ECDSA_SIG_set0(pair.get(), r, s) != 1) {
    BN_free(r);
    BN_free(s);
    return std::nullopt;
  }
  unsigned char* der = nullptr;
  const int size = i2d_ECDSA_SIG(pair.get(), &der);
  if (size <= 0) return std::nullopt;
  std::string result{reinterpret_cast<char*>(der), static_cast<std::size_t>(size)};
  OPENSSL_free(der);
  return result;
}

} // namespace

std::optional<signature_algorithm> parse_signature_algorithm(std::string_view name) noexcept {
  if (name == "HS256") return signature_algorithm::hs256;
  if (name == "RS256") return signature_algorithm::rs256;
  if (name == "ES256") return signature_algorithm::es256;
  if (name == "EdDSA" || name == "Ed25519") return signature_algorithm::eddsa;
  return std::nullopt;
}

std::string_view to_string(signature_algorithm which) noexcept {
  switch (which) {
  case signature_algorithm::hs256:
    return "HS256";
  case signature_algorithm::rs256:
    return "RS256";
  case signature_algorithm::es256:
    return "ES256";
  case signature_algorithm::eddsa:
    return "EdDSA";
  }
  return "";
}

std::string quote_for_log(std::string_view text) {
  constexpr std::size_t bytes_max = 128;
  if (text.size() <= bytes_max) return '"' + std::string{text} + '"';
  auto end = bytes_max;
  // Not in the middle of a character.
  while (end > 0 && (static_cast<unsigned char>(text[end]) & 0xc0U) == 0x80U)
    --end;
  return '"' + std::string{text.substr(0, end)} + "\" and " + std::to_string(text.size() - end) + " bytes more";
}

std::string key_set::describe() const {
  constexpr std::size_t shown_max = 6;
  std::string result;
  for (std::size_t i = 0; i < std::min(keys_.size(), shown_max); ++i) {
    result.append(i > 0 ? ", " : "").append(to_string(keys_[i].algorithm));
    if (keys_[i].id) result.append(" ").append(quote_for_log(*keys_[i].id));
  }
  if (keys_.size() > shown_max) result += " and " + std::to_string(keys_.size() - shown_max) + " more";
  return result;
}

std::string sign_hs256(std::string_view secret, std::string_view message) {
  std::array<unsigned char, EVP_MAX_MD_SIZE> digest{};
  unsigned int size = 0;
  HMAC(EVP_sha256(), secret.data(), static_cast<int>(secret.size()), bytes_of(message), message.size(), digest.data(),
       &size);
  return {reinterpret_cast<const char*>(digest.data()), size};
}

key_set::key_set(key_set&&) noexcept = default;
key_set& key_set::operator=(key_set&&) noexcept = default;
key_set::~key_set() = default;

void key_set::pkey_deleter::operator()(EVP_PKEY* key) const noexcept { EVP_PKEY_free(key); }

key_set key_set::of_secret(std::string secret) {
  key_set result;
  result.keys_.push_back({signature_algorithm::hs256, std::nullopt, std::move(secret), nullptr});
  return result;
}

std::optional<signature_algorithm> key_set::algorithm_of(EVP_PKEY* public_key) noexcept {
  if (public_key == nullptr) return std::nullopt;
  if (EVP_PKEY_is_a(public_key, "RSA") == 1 && is_rsa_size(EVP_PKEY_get_bits(public_key)))
    return signature_algorithm::rs256;
  if (EVP_PKEY_is_a(public_key, "ED25519") == 1) return signature_algorithm::eddsa;
  if (EVP_PKEY_is_a(public_key, "EC") != 1) return std::nullopt;
  std::array<char, 32> group{};
  std::size_t size = 0;
  if (EVP_PKEY_get_group_name(public_key, group.data(), group.size(), &size) != 1) return std::nullopt;
  return std::string_view{group.data(), size} == "prime256v1" ? std::optional{signature_algorithm::es256}
                                                              : std::nullopt;
}

std::variant<key_set, std::string> key_set::of_pem(std::string_view text) {
  const std::unique_ptr<BIO, openssl_deleter<&BIO_free>> source{
      BIO_new_mem_buf(text.data(), static_cast<int>(text.size()))};
  key_set result;
  for (;;) {
    char* name = nullptr;
    char* head = nullptr;
    unsigned char* data = nullptr;
    long size = 0;
    if (PEM_read_bio(source.get(), &name, &head, &data, &size) != 1) break;
    const std::string label{name};
    const auto* next = static_cast<const unsigned char*>(data);
    key found;
    if (label == "PUBLIC KEY") {
      found.public_key.reset(d2i_PUBKEY(nullptr, &next, size));
    } else if (label == "RSA PUBLIC KEY") {
      found.public_key.reset(d2i_PublicKey(EVP_PKEY_RSA, nullptr, &next, size));
    } else if (label == "CERTIFICATE") {
      const std::unique_ptr<X509, openssl_deleter<&X509_free>> certificate{d2i_X509(nullptr, &next, size)};
      if (certificate) found.public_key.reset(X509_get_pubkey(certificate.get()));
    }
    OPENSSL_free(name);
    OPENSSL_free(head);
    OPENSSL_clear_free(data, static_cast<std::size_t>(size));
    if (label.find("PRIVATE KEY") != label.npos)
      return "it holds a private key: keep that where tokens are made, and give the public one";
    const auto algorithm = algorithm_of(found.public_key.get());
    if (!algorithm) return "its \"" + label + "\" is no RSA key of 2048 to 8192 bits, no P-256 and no Ed25519 key";
    found.algorithm = *algorithm;
    result.keys_.push_back(std::move(found));
  }
  // Nothing more begins, or what began cannot be read: half of a rotation must not look like the whole.
  const bool is_whole = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  ERR_clear_error();
  if (!is_whole) return "something in it that looks like PEM cannot be read";
  if (result.keys_.empty()) return "it holds no public key in PEM";
  return result;
}

signature_verdict key_set::check(const key_hint& hint, std::string_view message, std::string_view signature) const {
  std::size_t asked = 0;
  bool is_named = !hint.id; // whether a key is meant that we have
  for (const auto& candidate : keys_) {
    if (candidate.algorithm != hint.algorithm) continue;
    if (hint.id && candidate.id && candidate.id != hint.id) continue;
    if (++asked > guesses_max) break;
    if (has_signed(candidate, message, signature)) return signature_verdict::good;
    is_named |= candidate.id.has_value();
  }
  return asked > 0 && is_named ? signature_verdict::wrong : signature_verdict::unknown_key;
}

bool key_set::has_signed(const key& by, std::string_view message, std::string_view signature) {
  if (by.algorithm == signature_algorithm::hs256) {
    const auto expected = sign_hs256(by.secret, message);
    return signature.size() == expected.size()
           && CRYPTO_memcmp(signature.data(), expected.data(), expected.size()) == 0;
  }
  std::optional<std::string> der;
  if (by.algorithm != signature_algorithm::rs256 && signature.size() != curve_signature_bytes) return false;
  if (by.algorithm == signature_algorithm::es256) {
    der = to_der(signature);
    if (!der) return false;
    signature = *der;
  }
  const auto* digest = by.algorithm == signature_algorithm::eddsa ? nullptr : EVP_sha256();
  const std::unique_ptr<EVP_MD_CTX, openssl_deleter<&EVP_MD_CTX_free>> context{EVP_MD_CTX_new()};
  const bool good =
      context && EVP_DigestVerifyInit(context.get(), nullptr, digest, nullptr, by.public_key.get()) == 1
      && EVP_DigestVerify(context.get(), bytes_of(signature), signature.size(), bytes_of(message), message.size()) == 1;
  // What a refusal leaves in OpenSSL's queue would be taken for the error of the next TLS call on this thread.
  if (!good) ERR_clear_error();
  return good;
}

} // namespace gangway
