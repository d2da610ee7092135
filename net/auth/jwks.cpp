// JSON Web Keys (RFC 7517, 7518 section 6, 8037 section 2) as OpenSSL's keys.

#include <algorithm>

#include <nlohmann/json.hpp>
#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/param_build.h>

#include "net/auth/base64url.hpp"
#include "net/auth/keys.hpp"
#include "net/auth/openssl_deleter.hpp"

namespace gangway {

namespace {

using nlohmann::json;

constexpr std::size_t coordinate_bytes = 32; // of P-256 and Ed25519
constexpr std::size_t exponent_bytes_max = 8;

std::optional<std::string> text_of(const json& from, const char* name) {
  const auto found = from.find(name);
  if (found == from.end() || !found->is_string()) return std::nullopt;
  return found->get<std::string>();
}

std::optional<std::string> bytes_of(const json& from, const char* name) {
  const auto text = text_of(from, name);
  return text ? from_base64url(*text) : std::nullopt;
}

EVP_PKEY* make_key(const char* type, OSSL_PARAM_BLD* parts) {
  const std::unique_ptr<OSSL_PARAM, openssl_deleter<&OSSL_PARAM_free>> parameters{OSSL_PARAM_BLD_to_param(parts)};
  const std::unique_ptr<EVP_PKEY_CTX, openssl_deleter<&EVP_PKEY_CTX_free>> context{
      EVP_PKEY_CTX_new_from_name(nullptr, type, nullptr)};
  EVP_PKEY* result = nullptr;
  if (!parameters || !context || EVP_PKEY_fromdata_init(context.get()) != 1
      || EVP_PKEY_fromdata(context.get(), &result, EVP_PKEY_PUBLIC_KEY, parameters.get()) != 1)
    return nullptr;
  return result;
}

bool is_on_curve(EVP_PKEY* key) {
  const std::unique_ptr<EVP_PKEY_CTX, openssl_deleter<&EVP_PKEY_CTX_free>> check{
      EVP_PKEY_CTX_new_from_pkey(nullptr, key, nullptr)};
  return check && EVP_PKEY_public_check_quick(check.get()) == 1;
}

EVP_PKEY* make_rsa_key(const json& jwk) {
  const auto modulus = bytes_of(jwk, "n");
  const auto exponent = bytes_of(jwk, "e");
  if (!modulus || !exponent || exponent->empty() || exponent->size() > exponent_bytes_max) return nullptr;
  const auto number = [](const std::string& bytes) {
    return BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), static_cast<int>(bytes.size()), nullptr);
  };
  const std::unique_ptr<BIGNUM, openssl_deleter<&BN_free>> n{number(*modulus)};
  const std::unique_ptr<BIGNUM, openssl_deleter<&BN_free>> e{number(*exponent)};
  const std::unique_ptr<OSSL_PARAM_BLD, openssl_deleter<&OSSL_PARAM_BLD_free>> parts{OSSL_PARAM_BLD_new()};
  // Whether the modulus is composite is not asked: that takes seconds for many long ones, and a wrong one verifies
  // nothing.
  if (!n || !e || !key_set::is_rsa_size(BN_num_bits(n.get())) || BN_is_odd(n.get()) == 0 || BN_is_odd(e.get()) == 0
      || BN_is_one(e.get()) == 1 || !parts || OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_N, n.get()) != 1
      || OSSL_PARAM_BLD_push_BN(parts.get(), OSSL_PKEY_PARAM_RSA_E, e.get()) != 1)
    return nullptr;
  return make_key("RSA", parts.get());
}

EVP_PKEY* make_curve_key(const json& jwk) {
  const auto x = bytes_of(jwk, "x");
  const auto y = bytes_of(jwk, "y");
  if (text_of(jwk, "crv") != "P-256" || !x || !y || x->size() != coordinate_bytes || y->size() != coordinate_bytes)
    return nullptr;
  const auto point = '\x04' + *x + *y; // uncompressed (SEC 1, 2.3.3)
  const std::unique_ptr<OSSL_PARAM_BLD, openssl_deleter<&OSSL_PARAM_BLD_free>> parts{OSSL_PARAM_BLD_new()};
  if (!parts || OSSL_PARAM_BLD_push_utf8_string(parts.get(), OSSL_PKEY_PARAM_GROUP_NAME, "prime256v1", 0) != 1
      || OSSL_PARAM_BLD_push_octet_string(parts.get(), OSSL_PKEY_PARAM_PUB_KEY, point.data(), point.size()) != 1)
    return nullptr;
  auto* result = make_key("EC", parts.get());
  if (result == nullptr || is_on_curve(result)) return result;
  EVP_PKEY_free(result);
  return nullptr;
}

EVP_PKEY* make_edwards_key(const json& jwk) {
  const auto x = bytes_of(jwk, "x");
  if (text_of(jwk, "crv") != "Ed25519" || !x || x->size() != coordinate_bytes) return nullptr;
  return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, nullptr, reinterpret_cast<const unsigned char*>(x->data()),
                                     x->size());
}

EVP_PKEY* make_public_key(const json& jwk) {
  const auto type = text_of(jwk, "kty");
  if (type == "RSA") return make_rsa_key(jwk);
  if (type == "EC") return make_curve_key(jwk);
  if (type == "OKP") return make_edwards_key(jwk);
  return nullptr;
}

bool is_for_signatures(const json& jwk) {
  if (const auto use = jwk.find("use"); use != jwk.end() && *use != "sig") return false;
  const auto operations = jwk.find("key_ops");
  return operations == jwk.end()
         || (operations->is_array()
             && std::find(operations->begin(), operations->end(), "verify") != operations->end());
}

} // namespace

// A key that cannot be used is no fault of the set.
struct jwk_reader {
  static std::optional<key_set::key> read(const json& jwk) {
    if (!jwk.is_object() || !is_for_signatures(jwk)) return std::nullopt;
    key_set::key result;
    result.public_key.reset(make_public_key(jwk));
    const auto algorithm = key_set::algorithm_of(result.public_key.get());
    if (!algorithm) return std::nullopt;
    if (const auto named = jwk.find("alg"); named != jwk.end())
      if (!named->is_string() || parse_signature_algorithm(named->get_ref<const std::string&>()) != algorithm)
        return std::nullopt;
    result.algorithm = *algorithm;
    result.id = text_of(jwk, "kid");
    return result;
  }
};

std::variant<key_set, std::string> key_set::of_jwks(std::string_view text) {
  const auto document = json::parse(text, nullptr, false);
  if (!document.is_object()) return "it is no JSON object";
  const auto keys = document.find("keys");
  if (keys == document.end() || !keys->is_array()) return "it has no list of \"keys\"";
  key_set result;
  for (const auto& jwk : *keys) {
    if (result.keys_.size() >= keys_max) break;
    if (auto read = jwk_reader::read(jwk)) result.keys_.push_back(std::move(*read));
  }
  ERR_clear_error();
  if (result.keys_.empty()) return "it has no key for RS256, ES256 or EdDSA";
  return result;
}

} // namespace gangway
