#include "net/auth/keys.hpp"

#define CAF_SUITE keys
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "net/auth/base64url.hpp"
#include "net/auth/jwt.hpp"
#include "tests/net/auth/signer.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;

namespace {

constexpr utc_time now{std::chrono::seconds{1'800'000'000}};
const std::string payload = R"({"sub":"ada","exp":1900000000})";

// The keys of these are slow to make.
const signer& rsa() {
  static const signer made{"RS256"};
  return made;
}
const signer& curve() {
  static const signer made{"ES256"};
  return made;
}
const signer& edwards() {
  static const signer made{"EdDSA"};
  return made;
}

key_set jwks(const std::string& text) {
  auto read = key_set::of_jwks(text);
  if (const auto* reason = std::get_if<std::string>(&read)) CAF_FAIL("refused: " << *reason);
  return std::get<key_set>(std::move(read));
}

key_set pem(const std::string& text) {
  auto read = key_set::of_pem(text);
  if (const auto* reason = std::get_if<std::string>(&read)) CAF_FAIL("refused: " << *reason);
  return std::get<key_set>(std::move(read));
}

bool is_refused(std::variant<key_set, std::string> read) { return std::holds_alternative<std::string>(read); }

signature_verdict check(const key_set& keys, const std::string& token) {
  const auto parsed = parse_token(token);
  if (const auto* fault = std::get_if<token_fault>(&parsed)) CAF_FAIL(fault->reason);
  const auto& parts = std::get<parsed_token>(parsed);
  return keys.check(parts.key, parts.signed_part, parts.signature);
}

bool is_good(const key_set& keys, const std::string& token) { return check(keys, token) == signature_verdict::good; }

bool is_believed(const key_set& keys, const std::string& token) {
  return std::holds_alternative<token_claims>(verify_token(token, keys, {}, now));
}

std::string with_last_changed(std::string token) {
  auto& letter = token[token.size() - 10];
  letter = letter == 'A' ? 'B' : 'A';
  return token;
}

// "This is what the RFCs sign": the claims of RFC 7515's examples.
const std::string joe =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

} // namespace

CAF_TEST(the_signature_of_rfc_7515_a_2_is_good) {
  const auto keys = jwks(
      R"({"keys":[{"kty":"RSA","n":"ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJP)"
      R"(MEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsL)"
      R"(A9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q)"
      R"(2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ","e":"AQAB"}]})");
  const auto token =
      "eyJhbGciOiJSUzI1NiJ9." + joe
      + ".cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5juj"
        "Gbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K"
        "0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6L"
        "bgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
  CAF_CHECK(is_good(keys, token));
  CAF_CHECK(check(keys, with_last_changed(token)) == signature_verdict::wrong);
}

CAF_TEST(the_signature_of_rfc_7515_a_3_is_good) {
  const auto keys = jwks(R"({"keys":[{"kty":"EC","crv":"P-256","x":"f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU",)"
                         R"("y":"x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0"}]})");
  const auto token = "eyJhbGciOiJFUzI1NiJ9." + joe
                     + ".DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
  CAF_CHECK(is_good(keys, token));
  CAF_CHECK(check(keys, with_last_changed(token)) == signature_verdict::wrong);
}

CAF_TEST(the_signature_of_rfc_8037_a_4_is_good) {
  const auto keys =
      jwks(R"({"keys":[{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}]})");
  const std::string token = "eyJhbGciOiJFZERTQSJ9.RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc"
                            ".hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
  CAF_CHECK(is_good(keys, token));
  CAF_CHECK(check(keys, with_last_changed(token)) == signature_verdict::wrong);
}

CAF_TEST(each_kind_of_key_is_read_from_pem_and_from_a_key_set) {
  for (const auto* one : {&rsa(), &curve(), &edwards()}) {
    const auto token = one->token_of(payload);
    CAF_CHECK(is_believed(pem(one->pem()), token));
    CAF_CHECK(is_believed(pem(one->certificate()), token));
    CAF_CHECK(is_believed(pem("a comment\n" + one->pem() + "another\n"), token));
    CAF_CHECK(is_believed(jwks(key_set_of(one->jwk("k"))), token));
    CAF_CHECK(is_believed(jwks(key_set_of(one->jwk("k"))), one->token_of(payload, "k")));
    CAF_CHECK(!is_believed(jwks(key_set_of(one->jwk("k"))), with_last_changed(token)));
  }
}

CAF_TEST(an_old_key_and_a_new_one_are_both_good) {
  const signer next{"ES256"};
  const auto both = pem(curve().pem() + next.pem());
  CAF_CHECK(is_believed(both, curve().token_of(payload)));
  CAF_CHECK(is_believed(both, next.token_of(payload)));
  const auto set = jwks(key_set_of(curve().jwk("old"), next.jwk("new")));
  CAF_CHECK(is_believed(set, curve().token_of(payload, "old")));
  CAF_CHECK(is_believed(set, next.token_of(payload, "new")));
  CAF_CHECK(check(set, next.token_of(payload, "old")) == signature_verdict::wrong);
  // Without an id both are asked.
  CAF_CHECK(is_believed(set, next.token_of(payload)));
}

CAF_TEST(a_key_that_is_not_known_is_no_wrong_signature) {
  const auto set = jwks(key_set_of(curve().jwk("a")));
  CAF_CHECK(check(set, curve().token_of(payload, "b")) == signature_verdict::unknown_key);
  CAF_CHECK(check(set, rsa().token_of(payload)) == signature_verdict::unknown_key);
  CAF_CHECK(check(set, rsa().token_of(payload, "a")) == signature_verdict::unknown_key);
}

CAF_TEST(the_kid_of_a_token_is_compared_and_nothing_else) {
  const auto set = jwks(key_set_of(curve().jwk("a")));
  for (const auto& id :
       {std::string{"../../dev/null"}, std::string{"a' OR '1'='1"}, std::string{"A"}, std::string(4000, 'a')})
    CAF_CHECK(check(set, curve().token_of(payload, id)) == signature_verdict::unknown_key);
  for (const auto* header : {R"({"alg":"ES256","kid":7})", R"({"alg":"ES256","kid":["a"]})"})
    CAF_CHECK(!is_believed(set, curve().token(header, payload)));
  CAF_CHECK(is_believed(set, curve().token(R"({"alg":"ES256","kid":null})", payload)));
}

CAF_TEST(a_public_key_is_no_secret) {
  for (const auto* one : {&rsa(), &curve(), &edwards()})
    for (const auto& known : {one->pem(), one->jwk("k"), one->certificate()}) {
      const auto forged = [&](const std::string& header) {
        auto token = to_base64url(header) + '.' + to_base64url(payload);
        return token + '.' + to_base64url(sign_hs256(known, token));
      };
      for (const auto* header : {R"({"alg":"HS256"})", R"({"alg":"HS256","kid":"k"})", R"({"alg":"RS256"})",
                                 R"({"alg":"ES256"})", R"({"alg":"EdDSA","kid":"k"})"}) {
        CAF_CHECK(!is_believed(pem(one->pem()), forged(header)));
        CAF_CHECK(!is_believed(jwks(key_set_of(one->jwk("k"))), forged(header)));
      }
    }
}

CAF_TEST(headers_that_bring_keys_are_not_looked_at) {
  const signer attacker{"ES256"};
  const auto set = jwks(key_set_of(curve().jwk("a")));
  for (const auto& more : {R"("jwk":)" + attacker.jwk("a"), std::string{R"("jku":"http://127.0.0.1:1/keys")"},
                           std::string{R"("x5u":"http://127.0.0.1:1/chain")"}, std::string{R"("x5c":["MIIB"])"}}) {
    const auto header = R"({"alg":"ES256","kid":"a",)" + more + '}';
    CAF_CHECK(check(set, attacker.token(header, payload)) == signature_verdict::wrong);
    CAF_CHECK(is_believed(set, curve().token(header, payload)));
  }
}

CAF_TEST(a_signature_of_es256_is_64_bytes_and_no_der) {
  const auto set = jwks(key_set_of(curve().jwk("a")));
  const auto head = to_base64url(R"({"alg":"ES256"})") + '.' + to_base64url(payload);
  const auto good = curve().sign(head);
  CAF_REQUIRE_EQUAL(good.size(), 64u);
  CAF_CHECK(is_believed(set, head + '.' + to_base64url(good)));
  for (const auto& bad : {curve().sign(head, true), good.substr(1), good.substr(0, 63), good + '\0', std::string{},
                          std::string(64, '\0'), std::string(64, '\xff'), std::string(132, 'a')})
    CAF_CHECK(!is_believed(set, head + '.' + to_base64url(bad)));
}

CAF_TEST(a_key_without_an_id_may_be_meant_and_is_not_the_only_one_that_may) {
  const signer next{"ES256"};
  const auto set = jwks(key_set_of(curve().jwk("")));
  CAF_CHECK(is_believed(set, curve().token_of(payload, "a")));
  CAF_CHECK(check(set, next.token_of(payload, "d")) == signature_verdict::unknown_key);
  CAF_CHECK(check(set, next.token_of(payload)) == signature_verdict::wrong);
}

CAF_TEST(a_large_set_is_read_at_once) {
  // 64 moduli of 4,096 bits: whether they are composite is nobody's business here.
  std::string keys;
  for (int i = 0; i < 64; ++i) {
    std::string modulus(512, static_cast<char>(0x81 + i));
    modulus.back() = static_cast<char>(modulus.back() | 1);
    keys += (i > 0 ? "," : "") + (R"({"kty":"RSA","e":"AQAB","kid":")" + std::to_string(i)) + R"(","n":")"
            + to_base64url(modulus) + "\"}";
  }
  const auto begin = std::chrono::steady_clock::now();
  CAF_CHECK_EQUAL(jwks("{\"keys\":[" + keys + "]}").size(), 64u);
  CAF_CHECK(std::chrono::steady_clock::now() - begin < 1s);
  const auto huge = R"({"kty":"RSA","e":"AQAB","n":")" + to_base64url(std::string(2048, '\x91')) + "\"}";
  CAF_CHECK(is_refused(key_set::of_jwks(key_set_of(huge))));
}

CAF_TEST(half_of_a_rotation_does_not_look_like_the_whole) {
  const signer next{"ES256"};
  const auto second = next.pem();
  for (const auto& damaged :
       {second.substr(0, second.size() - 30), second.substr(0, 60), second.substr(0, 40) + "!!!!" + second.substr(44)})
    CAF_CHECK(is_refused(key_set::of_pem(curve().pem() + damaged)));
}

CAF_TEST(keys_that_cannot_check_signatures_are_left_out_of_a_set) {
  const auto good = curve().jwk("a");
  const auto size = [](const std::string& text) { return jwks(text).size(); };
  CAF_CHECK_EQUAL(
      size(key_set_of(good, R"({"kty":"oct","k":"c2VjcmV0IHNlY3JldCBzZWNyZXQgc2VjcmV0IHNlY3JldA","kid":"s"})")), 1u);
  for (const auto& other :
       {rsa().jwk("b", R"(,"use":"enc")"), rsa().jwk("b", R"(,"key_ops":["encrypt"])"),
        rsa().jwk("b", R"(,"alg":"RS512")"), rsa().jwk("b", R"(,"alg":"HS256")"), rsa().jwk("b", R"(,"alg":7)"),
        std::string{"7"}, std::string{"{}"}, std::string{R"({"kty":"RSA","n":"AQAB","e":"AQAB"})"}, // 17 bits
        std::string{R"({"kty":"EC","crv":"P-384","x":"","y":""})"},
        // A point that is not on the curve.
        R"({"kty":"EC","crv":"P-256","x":")" + to_base64url(std::string(32, 'x')) + R"(","y":")"
            + to_base64url(std::string(32, 'y')) + "\"}",
        std::string{R"({"kty":"OKP","crv":"X25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"})"},
        std::string{R"({"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg"})"}})
    CAF_CHECK_EQUAL(size(key_set_of(good, other)), 1u);
  CAF_CHECK_EQUAL(size(key_set_of(good, rsa().jwk("b", R"(,"use":"sig","key_ops":["verify"],"alg":"RS256")"))), 2u);
  const signer weak{"RS256", 1024};
  CAF_CHECK(is_refused(key_set::of_jwks(key_set_of(weak.jwk("a")))));
  CAF_CHECK(is_refused(key_set::of_pem(weak.pem())));
}

// RFC 9864 renamed EdDSA with Ed25519: keys and tokens by the new name were refused.
CAF_TEST(ed25519_is_eddsa_by_its_newer_name) {
  for (const auto* more : {"", R"(,"alg":"Ed25519")", R"(,"alg":"EdDSA")", R"(,"alg":null)"}) {
    const auto set = jwks(key_set_of(edwards().jwk("a", more)));
    for (const auto* alg : {"Ed25519", "EdDSA"})
      CAF_CHECK(is_believed(set, edwards().token(std::string{R"({"alg":")"} + alg + R"(","kid":"a"})", payload)));
  }
  CAF_CHECK(is_believed(pem(edwards().pem()), edwards().token(R"({"alg":"Ed25519"})", payload)));
  CAF_CHECK(is_refused(key_set::of_jwks(key_set_of(curve().jwk("a", R"(,"alg":"Ed25519")")))));
}

CAF_TEST(a_member_that_is_null_is_absent) {
  for (const auto* more :
       {R"(,"use":null)", R"(,"alg":null)", R"(,"key_ops":null)", R"(,"x5c":null,"x5t":null,"d":null)"})
    CAF_CHECK(is_believed(jwks(key_set_of(curve().jwk("a", more))), curve().token_of(payload, "a")));
  CAF_CHECK(is_believed(jwks(key_set_of(curve().jwk("", R"(,"kid":null)"))), curve().token_of(payload, "a")));
}

CAF_TEST(what_is_left_out_of_a_set_is_said_with_the_reason) {
  const auto reason = [](const std::string& key) { return jwks(key_set_of(edwards().jwk("a"), key)).left_out(); };
  const std::pair<std::string, std::string> cases[] = {
      {R"({"kty":"AKP","kid":"b"})", R"(key 2 ("b"): its kty is "AKP", not RSA, EC or OKP)"},
      {R"({"kty":"oct","k":"c2VjcmV0"})", "key 2: it is a secret (oct), and whoever fetches the set knows it"},
      {signer{"RS256", 1024}.jwk("b"), R"(key 2 ("b"): it is too short: RSA keys have 2048 bits or more)"},
      {curve().jwk("b", R"(,"d":"AAAA")"),
       R"(key 2 ("b"): it is a private key, and whoever fetches the set can sign with it)"},
      {curve().jwk("b", R"(,"use":"enc")"), R"(key 2 ("b"): its use is "enc", not "sig")"},
      {curve().jwk("b", R"(,"key_ops":["sign"])"), R"(key 2 ("b"): its key_ops do not name "verify")"},
      {rsa().jwk("b", R"(,"alg":"PS256")"), R"(key 2 ("b"): its alg is "PS256", not RS256)"},
      {edwards().jwk("a"), R"(key 2 ("a"): it is there twice)"},
      {R"({"kty":"EC","crv":"P-384"})", R"(key 2: its curve is "P-384", not P-256)"},
      {"7", "key 2: it is no object"}};
  for (const auto& [key, expected] : cases)
    CAF_CHECK_EQUAL(reason(key), std::vector<std::string>{expected});
  // Two keys of one name are two keys.
  CAF_CHECK_EQUAL(jwks(key_set_of(curve().jwk("a"), edwards().jwk("a"))).size(), 2u);
  std::string many = edwards().jwk("a");
  for (int i = 0; i < 60; ++i)
    many += R"(,{"kty":"AKP","kid":")" + std::string(1000, 'x') + "\"}";
  const auto lines = jwks(key_set_of(many)).left_out();
  CAF_CHECK_EQUAL(lines.size(), 9u);
  CAF_CHECK(lines.front().size() < 250);
  CAF_CHECK(std::get<std::string>(key_set::of_jwks(key_set_of(R"({"kty":"AKP"})"))).find("AKP") != std::string::npos);
}

CAF_TEST(a_set_without_keys_is_refused) {
  for (const auto* text :
       {"", "7", "[]", "{}", R"({"keys":{}})", R"({"keys":[]})", R"({"keys":[7]})", "<html>", "{\"keys\":["})
    CAF_CHECK(is_refused(key_set::of_jwks(text)));
  for (const auto& text : {std::string{}, std::string{"hello"}, rsa().private_pem(), curve().private_pem(),
                           std::string{"-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"}})
    CAF_CHECK(is_refused(key_set::of_pem(text)));
}

CAF_TEST(a_secret_is_for_hs256_alone_whatever_kid_a_token_names) {
  const auto keys = key_set::of_secret("a secret of at least thirty-two bytes, for tests");
  const auto head = to_base64url(R"({"alg":"HS256","kid":"whatever"})") + '.' + to_base64url(payload);
  CAF_CHECK(is_believed(
      keys, head + '.' + to_base64url(sign_hs256("a secret of at least thirty-two bytes, for tests", head))));
  CAF_CHECK(check(keys, rsa().token_of(payload)) == signature_verdict::unknown_key);
}
