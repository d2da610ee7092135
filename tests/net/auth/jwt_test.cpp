#include "net/auth/jwt.hpp"

#define CAF_SUITE jwt
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "net/auth/base64url.hpp"

using namespace gangway;
using namespace std::chrono_literals;

namespace {

const std::string secret = "a secret of at least thirty-two bytes, for tests";

const token_rules rules;

/// The rules of an issuer and an audience.
token_rules strict_rules(std::string issuer, std::string audience) {
  token_rules result;
  result.issuer = std::move(issuer);
  result.audience = std::move(audience);
  return result;
}

// An arbitrary moment; nothing here asks the clock.
constexpr utc_time now{std::chrono::seconds{1'800'000'000}};

/// A token of any header and payload, correctly signed.
std::string sign(const std::string& header, const std::string& payload, const std::string& by = secret) {
  auto result = to_base64url(header) + '.' + to_base64url(payload);
  return result + '.' + to_base64url(sign_hs256(by, result));
}

std::string claim(const std::string& payload) { return sign(R"({"alg":"HS256"})", payload); }

/// What the token says, or a failed test.
token_claims accept(const std::string& token, const token_rules& by = rules, utc_time when = now) {
  auto verdict = verify_token(token, key_set::of_secret(secret), by, when);
  if (const auto* fault = std::get_if<token_fault>(&verdict)) CAF_FAIL("refused: " << fault->reason);
  return std::get<token_claims>(verdict);
}

token_fault refuse(const std::string& token, const token_rules& by = rules, utc_time when = now) {
  auto verdict = verify_token(token, key_set::of_secret(secret), by, when);
  if (std::holds_alternative<token_claims>(verdict)) CAF_FAIL("accepted");
  return std::get<token_fault>(verdict);
}

std::string expiring(std::chrono::seconds when) {
  return claim(R"({"sub":"ada","exp":)" + std::to_string((now.time_since_epoch() / 1s) + when.count()) + "}");
}

} // namespace

CAF_TEST(the_token_of_rfc_7515_a_1_has_a_good_signature_and_is_long_expired) {
  const auto secret =
      *from_base64url("AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow");
  const std::string token =
      "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9."
      "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ."
      "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
  const auto theirs = key_set::of_secret(secret);
  token_rules by;
  by.issuer = "joe";
  const auto reason_at = [&](utc_time when) { return std::get<token_fault>(verify_token(token, theirs, by, when)); };
  CAF_CHECK(reason_at(now).kind == token_trouble::expired);
  // In its day only the user was missing.
  const utc_time then{1'300'819'379s};
  CAF_CHECK_EQUAL(reason_at(then).reason, "the token names no user: sub is not a string");
  CAF_CHECK_EQUAL(refuse(token, rules, then).reason, "the token's signature is wrong");
}

CAF_TEST(a_token_made_here_is_believed_here) {
  const token_claims claims{{"105945141827451681156"}, "pro", {"gangway_admin", "reader"}, now + 1h};
  CAF_CHECK(accept(make_token(claims, secret, rules, now)) == claims);
  const auto strict = strict_rules("us", "gangway");
  CAF_CHECK(accept(make_token(claims, secret, strict, now), strict) == claims);
}

CAF_TEST(the_key_decides_the_algorithm) {
  const std::string payload = R"({"sub":"ada","exp":1900000000})";
  accept(sign(R"({"alg":"HS256"})", payload));
  for (const auto* header : {R"({"alg":"none"})", R"({"alg":"None"})", R"({"alg":"HS512"})", R"({"alg":"hs256"})",
                             R"({"alg":["HS256"]})", R"({"alg":null})", R"({})"})
    CAF_CHECK_EQUAL(refuse(sign(header, payload)).reason, "the token is not signed with HS256, RS256, ES256 or EdDSA");
  for (const auto* header : {R"({"alg":"RS256"})", R"({"alg":"ES256"})", R"({"alg":"EdDSA"})"})
    CAF_CHECK(refuse(sign(header, payload)).kind == token_trouble::unknown_key);
  const auto unsigned_token = to_base64url(R"({"alg":"none"})") + '.' + to_base64url(payload) + '.';
  CAF_CHECK_EQUAL(refuse(unsigned_token).reason, "the token is not signed with HS256, RS256, ES256 or EdDSA");
}

CAF_TEST(an_unknown_extension_is_refused) {
  CAF_CHECK(refuse(sign(R"({"alg":"HS256","crit":["exp"]})", R"({"sub":"ada","exp":1900000000})")).kind
            == token_trouble::invalid);
}

CAF_TEST(a_tampered_token_is_refused_wherever_it_was_touched) {
  const auto good = expiring(1h);
  accept(good);
  for (std::size_t i = 0; i < good.size(); ++i) {
    auto bad = good;
    bad[i] = bad[i] == 'A' ? 'B' : 'A';
    refuse(bad);
  }
  refuse(good.substr(0, good.size() - 1));
  refuse(good + "A");
  refuse(good.substr(0, good.rfind('.') + 1));
}

CAF_TEST(a_token_has_three_parts) {
  for (const auto* token : {"", ".", "..", "...", "a.b", "a.b.c.d", "a..b"})
    refuse(token);
}

CAF_TEST(a_token_expires_at_exp_plus_leeway_and_not_before) {
  accept(expiring(-59s));
  CAF_CHECK(refuse(expiring(-60s)).kind == token_trouble::expired);
  CAF_CHECK(refuse(claim(R"({"sub":"ada"})")).kind == token_trouble::invalid);
  CAF_CHECK(refuse(claim(R"({"sub":"ada","exp":"1900000000"})")).kind == token_trouble::invalid);
  accept(claim(R"({"sub":"ada","exp":1.9e9})"));
  CAF_CHECK(refuse(claim(R"({"sub":"ada","exp":-1})")).kind == token_trouble::expired);
  CAF_CHECK(refuse(claim(R"({"sub":"ada","exp":-1e300})")).kind == token_trouble::expired);
}

// An `exp` in milliseconds made a token good until the year 9999.
CAF_TEST(a_token_for_more_than_ten_years_is_refused_as_implausible) {
  accept(expiring(10 * 365 * 24h));
  for (const auto* exp : {"1800003600000", "1.8000036e12", "1e300", "18446744073709551615", "4000000000"}) {
    const auto fault = refuse(claim(std::string{R"({"sub":"ada","exp":)"} + exp + '}'));
    CAF_CHECK(fault.kind == token_trouble::invalid);
    CAF_CHECK(fault.reason.find("milliseconds") != std::string::npos);
    CAF_CHECK(fault.received.starts_with("exp "));
  }
  // What `iat` says is not looked at.
  for (const auto* iat : {"1800000000000", "-1", "1.5", "\"yesterday\"", "null", "1e300"})
    accept(claim(std::string{R"({"sub":"ada","exp":1900000000,"iat":)"} + iat + '}'));
  refuse(claim(R"({"sub":"ada","exp":1900000000,"nbf":1800000000000})"));
}

CAF_TEST(a_refusal_names_what_was_received_and_what_was_wanted) {
  auto by = strict_rules("https://issuer.test", "gangway");
  const auto of = [&](const std::string& rest) {
    return refuse(claim(R"({"sub":"ada","exp":1900000000)" + rest + '}'), by);
  };
  const auto slash = of(R"(,"iss":"https://issuer.test/","aud":"gangway")");
  CAF_CHECK_EQUAL(slash.received, R"(iss "https://issuer.test/")");
  CAF_CHECK_EQUAL(slash.wanted, R"(iss "https://issuer.test" (they differ in the last slash))");
  CAF_CHECK_EQUAL(slash.reason, "the token is from another issuer (iss)");
  CAF_CHECK(of(R"(,"iss":"https://Issuer.test")").wanted.find("case") != std::string::npos);
  const auto list = of(R"(,"iss":"https://issuer.test","aud":["a","b"])");
  CAF_CHECK_EQUAL(list.received, R"(aud ["a","b"])");
  CAF_CHECK_EQUAL(list.wanted, R"(aud "gangway")");
  // However long it is.
  CAF_CHECK(of(R"(,"iss":")" + std::string(4000, 'x') + '"').received.size() < 300);
  CAF_CHECK(of(R"(,"iss":"https://issuer.test","aud":[")" + std::string(4000, 'x') + "\"]").received.size() < 300);
  const auto expired = refuse(expiring(-1h));
  CAF_CHECK_EQUAL(expired.received, "exp 1799996400");
  CAF_CHECK_EQUAL(expired.wanted, "later than 1799999940");
  CAF_CHECK_EQUAL(refuse(sign(R"({"alg":"HS512"})", "{}")).received, R"(alg "HS512")");
  const auto other = refuse(sign(R"({"alg":"HS256","kid":"k1"})", "{}", secret + "x"));
  CAF_CHECK_EQUAL(other.received, R"(HS256 "k1")");
  CAF_CHECK_EQUAL(other.wanted, "HS256");
}

CAF_TEST(a_token_begins_at_nbf_minus_leeway_and_not_before) {
  accept(claim(R"({"sub":"ada","exp":1900000000,"nbf":1800000060})"));
  CAF_CHECK(refuse(claim(R"({"sub":"ada","exp":1900000000,"nbf":1800000061})")).kind == token_trouble::invalid);
  refuse(claim(R"({"sub":"ada","exp":1900000000,"nbf":null})"));
}

CAF_TEST(issuer_and_audience_are_checked_when_the_rules_name_them) {
  const auto strict = strict_rules("us", "gangway");
  accept(claim(R"({"sub":"ada","exp":1900000000,"iss":"us","aud":"gangway"})"), strict);
  accept(claim(R"({"sub":"ada","exp":1900000000,"iss":"us","aud":["other","gangway"]})"), strict);
  for (const auto* payload : {R"({"sub":"ada","exp":1900000000,"iss":"them","aud":"gangway"})",
                              R"({"sub":"ada","exp":1900000000,"aud":"gangway"})",
                              R"({"sub":"ada","exp":1900000000,"iss":"us","aud":"other"})",
                              R"({"sub":"ada","exp":1900000000,"iss":"us","aud":[]})",
                              R"({"sub":"ada","exp":1900000000,"iss":"us","aud":{"gangway":1}})",
                              R"({"sub":"ada","exp":1900000000,"iss":"us"})"})
    refuse(claim(payload), strict);
}

CAF_TEST(a_subject_is_a_user_id) {
  const auto of = [](const std::string& subject) { return claim(R"({"exp":1900000000,"sub":)" + subject + "}"); };
  CAF_CHECK_EQUAL(accept(of(R"("105945141827451681156")")).user.value, "105945141827451681156");
  accept(of('"' + std::string(255, 'a') + '"'));
  refuse(of('"' + std::string(256, 'a') + '"'));
  refuse(of('"' + std::string(300, 'a') + '"'));
  refuse(of(R"("")"));
  refuse(of(R"("a\u0007b")"));
  refuse(of(R"("a\u0000b")"));
  refuse(of("7"));
  refuse(of("\"\xff\""));
}

CAF_TEST(roles_come_from_either_claim) {
  const auto roles = [](const std::string& rest) {
    return accept(claim(R"({"sub":"ada","exp":1900000000)" + rest + "}")).roles;
  };
  CAF_CHECK(roles("").empty());
  CAF_CHECK(roles(R"(,"role":"a")") == std::vector<std::string>{"a"});
  CAF_CHECK(roles(R"(,"role":"a","roles":["b",7,"c"])") == (std::vector<std::string>{"a", "b", "c"}));
}

CAF_TEST(a_scope_has_several_roles_in_one_string_and_other_claims_have_one) {
  const auto roles = [](const std::string& name, const std::string& claims) {
    auto by = rules;
    by.role_claims = {name};
    return accept(claim(R"({"sub":"ada","exp":1900000000,)" + claims + '}'), by).roles;
  };
  using list = std::vector<std::string>;
  const list both{"openid", "gangway_admin"};
  CAF_CHECK(roles("scope", R"("scope":"openid gangway_admin")") == both);
  CAF_CHECK(roles("scope", R"("scope":"  openid   gangway_admin ")") == both);
  CAF_CHECK(roles("scp", R"("scp":["openid","gangway_admin"])") == both);
  CAF_CHECK(roles("realm.scope", R"("realm":{"scope":"openid gangway_admin"})") == both);
  CAF_CHECK(roles("https://example.com/scope", R"("https://example.com/scope":"openid gangway_admin")") == both);
  CAF_CHECK(roles("roles", R"("scope":"openid gangway_admin")").empty());
  CAF_CHECK(roles("roles", R"("roles":"no gangway_admin")") == list{"no gangway_admin"});
  CAF_CHECK(roles("telescope", R"("telescope":"no gangway_admin")") == list{"no gangway_admin"});
  CAF_CHECK(roles("scope", R"("scope":{"gangway_admin":true})").empty());
}

CAF_TEST(a_token_of_8_kib_is_read_and_one_byte_more_is_not) {
  // Blanks in the payload fill it up, blanks in the header reach the sizes between base64's steps.
  const auto sized = [](std::size_t bytes) {
    for (std::size_t blanks = bytes * 3 / 4 - 100; blanks < bytes * 3 / 4; ++blanks)
      for (std::size_t more = 0; more < 3; ++more) {
        auto token = sign(R"({"alg":"HS256"})" + std::string(more, ' '),
                          R"({"sub":"ada","exp":1900000000})" + std::string(blanks, ' '));
        if (token.size() == bytes) return token;
      }
    return std::string{};
  };
  CAF_REQUIRE_EQUAL(sized(token_bytes_max).size(), token_bytes_max);
  accept(sized(token_bytes_max));
  CAF_CHECK_EQUAL(refuse(sized(token_bytes_max) + "A").reason, "the token is longer than 8 KiB");
}

CAF_TEST(base64url_is_strict_and_its_own_inverse) {
  for (const auto* text : {"", "f", "fo", "foo", "foob", "fooba", "foobar", "\xff\xfe\xfd"})
    CAF_CHECK_EQUAL(from_base64url(to_base64url(text)).value_or("?"), text);
  CAF_CHECK_EQUAL(to_base64url("\xfb\xff"), "-_8");
  CAF_CHECK_EQUAL(to_base64url("foobar"), "Zm9vYmFy");
  for (const auto* text : {"Zg==", "Zm9v\n", "Zm+v", "Zm/v", "Z", "Zm9vY", "Zh", "Zm9", " Zm9v"})
    CAF_CHECK(!from_base64url(text));
  CAF_CHECK(from_base64url("Zg"));
  CAF_CHECK(from_base64url("Zm8"));
}
