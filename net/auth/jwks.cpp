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

// A member that is null is absent: some issuers write every member that they know of.
const json* find(const json& from, const char* name) {
  const auto found = from.find(name);
  return found == from.end() || found->is_null() ? nullptr : &*found;
}

std::optional<std::string> text_of(const json& from, const char* name) {
  const auto* found = find(from, name);
  return found == nullptr || !found->is_string() ? std::nullopt : std::optional{found->get<std::string>()};
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

// What a key that could not be made of the JWK lacks, in a few words.
std::string complain_about_kind(const json& jwk) {
  const auto type = text_of(jwk, "kty");
  if (!type) return "it has no kty";
  if (type == "oct") return "it is a secret (oct), and whoever fetches the set knows it";
  const auto curve = text_of(jwk, "crv").value_or("");
  if (type == "EC" && curve != "P-256") return "its curve is " + quote_for_log(curve) + ", not P-256";
  if (type == "OKP" && curve != "Ed25519") return "its curve is " + quote_for_log(curve) + ", not Ed25519";
  if (type == "EC") return "its x and y are no point of P-256 in base64url";
  if (type == "OKP") return "its x is not 32 bytes in base64url";
  if (type != "RSA") return "its kty is " + quote_for_log(*type) + ", not RSA, EC or OKP";
  const auto modulus = bytes_of(jwk, "n");
  if (!modulus || !bytes_of(jwk, "e")) return "its n or e is missing or no base64url";
  const auto bits = 8 * modulus->size();
  if (bits < 2048) return "it is too short: RSA keys have 2048 bits or more";
  if (bits > 8192) return "it is too long: RSA keys have 8192 bits at most";
  return "its n and e are no RSA key of 2048 to 8192 bits";
}

// Why a key is not for signatures that we check; empty if it is.
std::string complain_about_use(const json& jwk) {
  if (const auto* use = find(jwk, "use"); use != nullptr && *use != "sig")
    return "its use is " + (use->is_string() ? quote_for_log(use->get_ref<const std::string&>()) : "no text")
           + ", not \"sig\"";
  const auto* operations = find(jwk, "key_ops");
  const bool verifies =
      operations == nullptr
      || (operations->is_array() && std::find(operations->begin(), operations->end(), "verify") != operations->end());
  return verifies ? std::string{} : "its key_ops do not name \"verify\"";
}

constexpr std::size_t left_out_lines_max = 8;

} // namespace

// A key that cannot be used is no fault of the set.
struct jwk_reader {
  // Returns the key, or why it is left out.
  static std::variant<key_set::key, std::string> read(const json& jwk) {
    if (!jwk.is_object()) return "it is no object";
    if (auto complaint = complain_about_use(jwk); !complaint.empty()) return complaint;
    if (find(jwk, "d") != nullptr) return "it is a private key, and whoever fetches the set can sign with it";
    key_set::key result;
    result.public_key.reset(make_public_key(jwk));
    const auto algorithm = key_set::algorithm_of(result.public_key.get());
    if (!algorithm) return complain_about_kind(jwk);
    if (const auto* named = find(jwk, "alg"); named != nullptr) {
      const auto name = text_of(jwk, "alg").value_or("");
      if (parse_signature_algorithm(name) != algorithm)
        return "its alg is " + quote_for_log(name) + ", not " + std::string{to_string(*algorithm)};
    }
    result.algorithm = *algorithm;
    result.id = text_of(jwk, "kid");
    return result;
  }

  // The same key twice would be asked twice.
  static bool is_known(const key_set& keys, const key_set::key& one) {
    return std::any_of(keys.keys_.begin(), keys.keys_.end(), [&](const auto& other) {
      return other.id == one.id && EVP_PKEY_eq(other.public_key.get(), one.public_key.get()) == 1;
    });
  }

  static void leave_out(key_set& keys, const json& jwk, std::size_t number, const std::string& reason) {
    if (keys.left_out_.size() == left_out_lines_max) keys.left_out_.emplace_back("and more");
    if (keys.left_out_.size() > left_out_lines_max) return;
    const auto id = jwk.is_object() ? text_of(jwk, "kid") : std::nullopt;
    keys.left_out_.push_back("key " + std::to_string(number) + (id ? " (" + quote_for_log(*id) + ")" : "") + ": "
                             + reason);
  }
};

std::variant<key_set, std::string> key_set::of_jwks(std::string_view text) {
  const auto document = json::parse(text, nullptr, false);
  if (!document.is_object()) return "it is no JSON object";
  const auto keys = document.find("keys");
  if (keys == document.end() || !keys->is_array()) return "it has no list of \"keys\"";
  key_set result;
  std::size_t number = 0;
  for (const auto& jwk : *keys) {
    ++number;
    if (result.keys_.size() >= keys_max) {
      jwk_reader::leave_out(result, jwk, number, "a set has 64 keys at most");
      break;
    }
    auto read = jwk_reader::read(jwk);
    if (const auto* reason = std::get_if<std::string>(&read)) {
      jwk_reader::leave_out(result, jwk, number, *reason);
    } else if (auto& one = std::get<key_set::key>(read); jwk_reader::is_known(result, one)) {
      jwk_reader::leave_out(result, jwk, number, "it is there twice");
    } else {
      result.keys_.push_back(std::move(one));
    }
  }
  ERR_clear_error();
  if (result.keys_.empty()) {
    std::string complaint = "it has no key for RS256, ES256 or EdDSA";
    for (const auto& line : result.left_out_)
      complaint += "; " + line;
    return complaint;
  }
  return result;
}

} // namespace gangway
