#include "tests/net/auth/signer.hpp"

#include <stdexcept>
#include <vector>

#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>

#include "net/auth/base64url.hpp"

namespace gangway::testing {

namespace {

std::string text_of(BIO* memory) {
  char* data = nullptr;
  const auto size = BIO_get_mem_data(memory, &data);
  std::string result{data, static_cast<std::size_t>(size)};
  BIO_free(memory);
  return result;
}

std::string bytes_of(const BIGNUM* number, int size) {
  std::string result(static_cast<std::size_t>(size), '\0');
  BN_bn2binpad(number, reinterpret_cast<unsigned char*>(result.data()), size);
  return result;
}

std::string number_of(EVP_PKEY* key, const char* name, int size = 0) {
  BIGNUM* number = nullptr;
  EVP_PKEY_get_bn_param(key, name, &number);
  auto result = to_base64url(bytes_of(number, size > 0 ? size : BN_num_bytes(number)));
  BN_free(number);
  return result;
}

} // namespace

signer::signer(std::string algorithm, unsigned bits) : algorithm_{std::move(algorithm)} {
  EVP_PKEY* key = nullptr;
  if (algorithm_ == "RS256") key = EVP_RSA_gen(bits);
  if (algorithm_ == "ES256") key = EVP_EC_gen("P-256");
  if (algorithm_ == "EdDSA") key = EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519");
  if (key == nullptr) throw std::runtime_error{"no key for " + algorithm_};
  key_ = {key, EVP_PKEY_free};
}

std::string signer::pem() const {
  auto* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_PUBKEY(memory, key_.get());
  return text_of(memory);
}

std::string signer::private_pem() const {
  auto* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_PrivateKey(memory, key_.get(), nullptr, nullptr, 0, nullptr, nullptr);
  return text_of(memory);
}

std::string signer::certificate() const {
  auto* certificate = X509_new();
  X509_set_version(certificate, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
  X509_gmtime_adj(X509_getm_notBefore(certificate), 0);
  X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
  X509_set_pubkey(certificate, key_.get());
  X509_sign(certificate, key_.get(), algorithm_ == "EdDSA" ? nullptr : EVP_sha256());
  auto* memory = BIO_new(BIO_s_mem());
  PEM_write_bio_X509(memory, certificate);
  X509_free(certificate);
  return text_of(memory);
}

std::string signer::jwk(const std::string& id, const std::string& more) const {
  std::string result = "{";
  if (!id.empty()) result += R"("kid":")" + id + "\",";
  if (algorithm_ == "RS256") {
    result += R"("kty":"RSA","n":")" + number_of(key_.get(), OSSL_PKEY_PARAM_RSA_N) + R"(","e":")"
              + number_of(key_.get(), OSSL_PKEY_PARAM_RSA_E) + '"';
  } else if (algorithm_ == "ES256") {
    result += R"("kty":"EC","crv":"P-256","x":")" + number_of(key_.get(), OSSL_PKEY_PARAM_EC_PUB_X, 32) + R"(","y":")"
              + number_of(key_.get(), OSSL_PKEY_PARAM_EC_PUB_Y, 32) + '"';
  } else {
    std::string raw(32, '\0');
    auto size = raw.size();
    EVP_PKEY_get_raw_public_key(key_.get(), reinterpret_cast<unsigned char*>(raw.data()), &size);
    result += R"("kty":"OKP","crv":"Ed25519","x":")" + to_base64url(raw) + '"';
  }
  return result + more + '}';
}

std::string signer::sign(const std::string& message, bool as_der) const {
  auto* context = EVP_MD_CTX_new();
  const auto* bytes = reinterpret_cast<const unsigned char*>(message.data());
  std::size_t size = 0;
  EVP_DigestSignInit(context, nullptr, algorithm_ == "EdDSA" ? nullptr : EVP_sha256(), nullptr, key_.get());
  EVP_DigestSign(context, nullptr, &size, bytes, message.size());
  std::string result(size, '\0');
  EVP_DigestSign(context, reinterpret_cast<unsigned char*>(result.data()), &size, bytes, message.size());
  EVP_MD_CTX_free(context);
  result.resize(size);
  if (algorithm_ != "ES256" || as_der) return result;
  const auto* der = reinterpret_cast<const unsigned char*>(result.data());
  auto* pair = d2i_ECDSA_SIG(nullptr, &der, static_cast<long>(size));
  auto plain = bytes_of(ECDSA_SIG_get0_r(pair), 32) + bytes_of(ECDSA_SIG_get0_s(pair), 32);
  ECDSA_SIG_free(pair);
  return plain;
}

std::string signer::token(const std::string& header, const std::string& payload) const {
  auto result = to_base64url(header) + '.' + to_base64url(payload);
  return result + '.' + to_base64url(sign(result));
}

std::string signer::token_of(const std::string& payload, const std::string& id) const {
  return token(R"({"alg":")" + algorithm_ + '"' + (id.empty() ? "" : R"(,"kid":")" + id + '"') + '}', payload);
}

} // namespace gangway::testing
