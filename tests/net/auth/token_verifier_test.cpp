#include "net/auth/token_verifier.hpp"

#define CAF_SUITE token_verifier
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "tests/net/auth/signer.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;

namespace {

const std::string secret = "a secret of at least thirty-two bytes, for tests";
const std::string simulation_secret = "another secret of at least thirty-two bytes";

std::shared_ptr<const key_set> secrets(const std::string& text) {
  return std::make_shared<const key_set>(key_set::of_secret(text));
}

std::shared_ptr<const key_set> keys_of(const std::string& jwks) {
  return std::make_shared<const key_set>(std::get<key_set>(key_set::of_jwks(jwks)));
}

std::string payload(std::chrono::seconds left = 1h) {
  const auto end = std::chrono::floor<std::chrono::seconds>(utc_now() + left).time_since_epoch().count();
  return R"({"sub":"ada","roles":["gangway_admin"],"exp":)" + std::to_string(end) + '}';
}

std::string hs256(const std::string& with, std::chrono::seconds left = 1h) {
  return make_token({{"ada"}, "", {"gangway_admin"}, utc_now() + left}, with, {}, utc_now());
}

/// What a verifier says at once; nothing if it has to ask.
std::optional<token_verdict> ask(token_verifier& whom, const std::string& token) {
  auto said = std::make_shared<std::optional<token_verdict>>();
  whom.verify(token, [said](token_verdict verdict) { *said = std::move(verdict); });
  return *said;
}

bool is_believed(const std::optional<token_verdict>& said) {
  return said && std::holds_alternative<token_claims>(*said);
}

bool is_refused_as(const std::optional<token_verdict>& said, token_trouble kind) {
  return said && std::holds_alternative<token_fault>(*said) && std::get<token_fault>(*said).kind == kind;
}

/// Somebody who has newer keys, once the test lets him.
struct key_server {
  std::vector<std::function<void(key_renewal)>> asked;

  token_verifier::ask_for_keys port() {
    return [this](auto done) { asked.push_back(std::move(done)); };
  }
};

} // namespace

CAF_TEST(a_token_is_judged_at_once_if_its_key_is_known) {
  token_verifier verifier{{{}, secrets(secret), nullptr}};
  CAF_CHECK(is_believed(ask(verifier, hs256(secret))));
  CAF_CHECK(is_refused_as(ask(verifier, hs256(simulation_secret)), token_trouble::wrong_signature));
  CAF_CHECK(is_refused_as(ask(verifier, hs256(secret, -1h)), token_trouble::expired));
  CAF_CHECK(is_refused_as(ask(verifier, ""), token_trouble::invalid));
  // Without anybody to ask an unknown key is final.
  CAF_CHECK(is_refused_as(ask(verifier, signer{"ES256"}.token_of(payload())), token_trouble::unknown_key));
}

CAF_TEST(an_address_that_shows_too_many_wrong_signatures_is_not_judged_and_others_are) {
  token_verifier verifier{{{}, secrets(secret), nullptr, nullptr, 2}};
  const auto from = [&](const std::string& token, const char* address) {
    std::optional<token_verdict> said;
    verifier.verify(
        token, [&](token_verdict verdict) { said = std::move(verdict); }, boost::asio::ip::make_address(address));
    return said;
  };
  const auto known = hs256(secret);
  CAF_CHECK(is_believed(from(known, "192.0.2.1")));
  const auto most = 2 * address_rates::hold.count();
  for (std::int64_t i = 0; i < most; ++i)
    CAF_CHECK(is_refused_as(from(hs256(simulation_secret, 1h + std::chrono::seconds{i}), "192.0.2.1"),
                            token_trouble::wrong_signature));
  CAF_CHECK(is_refused_as(from(hs256(simulation_secret, 3h), "192.0.2.1"), token_trouble::unavailable));
  CAF_CHECK(is_refused_as(from(hs256(secret, 2h), "192.0.2.1"), token_trouble::unavailable));
  // What has been found good is, wherever it comes from; and what is no token costs nothing to refuse.
  CAF_CHECK(is_believed(from(known, "192.0.2.1")));
  CAF_CHECK(is_refused_as(from("", "192.0.2.1"), token_trouble::invalid));
  CAF_CHECK(is_believed(from(hs256(secret, 2h), "192.0.2.2")));
  CAF_CHECK(is_believed(ask(verifier, hs256(secret, 3h))));
}

CAF_TEST(a_token_that_was_good_is_good_until_it_expires) {
  token_rules rules;
  rules.leeway = 0s;
  token_verifier verifier{{rules, secrets(secret), nullptr}};
  const auto token = hs256(secret, 2s);
  CAF_CHECK(is_believed(ask(verifier, token)));
  CAF_CHECK(is_believed(ask(verifier, token)));
  std::this_thread::sleep_until(utc_now() + 2100ms); // tidy: allow (a token's times are those of the clock)
  CAF_CHECK(is_refused_as(ask(verifier, token), token_trouble::expired));
}

CAF_TEST(a_token_of_a_key_that_was_withdrawn_is_good_no_more) {
  const signer old{"ES256"};
  const signer next{"ES256"};
  token_verifier verifier{{{}, keys_of(key_set_of(old.jwk("old"), next.jwk("next"))), nullptr}};
  const auto token = old.token_of(payload(), "old");
  CAF_CHECK(is_believed(ask(verifier, token)));
  verifier.use(keys_of(key_set_of(next.jwk("next"))));
  CAF_CHECK(is_refused_as(ask(verifier, token), token_trouble::unknown_key));
}

CAF_TEST(a_token_of_an_unknown_key_waits_for_newer_ones) {
  const signer old{"ES256"};
  const signer next{"ES256"};
  key_server server;
  token_verifier verifier{{{}, keys_of(key_set_of(old.jwk("old"))), nullptr}, server.port()};
  std::vector<token_verdict> said;
  verifier.verify(next.token_of(payload(), "next"), [&](token_verdict verdict) { said.push_back(std::move(verdict)); });
  CAF_CHECK(said.empty());
  CAF_REQUIRE_EQUAL(server.asked.size(), 1u);
  verifier.use(keys_of(key_set_of(old.jwk("old"), next.jwk("next"))));
  server.asked.back()(key_renewal::done);
  CAF_REQUIRE_EQUAL(said.size(), 1u);
  CAF_CHECK(std::holds_alternative<token_claims>(said.back()));
  // And is known from then on.
  CAF_CHECK(is_believed(ask(verifier, next.token_of(payload(), "next"))));
  CAF_CHECK_EQUAL(server.asked.size(), 1u);
}

CAF_TEST(a_token_is_bad_only_by_keys_that_came_after_it_was_shown) {
  const signer known{"ES256"};
  const signer stranger{"ES256"};
  const std::pair<key_renewal, token_trouble> cases[] = {{key_renewal::done, token_trouble::unknown_key},
                                                         {key_renewal::not_yet, token_trouble::unavailable},
                                                         {key_renewal::unavailable, token_trouble::unavailable}};
  for (const auto& [renewal, expected] : cases) {
    key_server server;
    token_verifier verifier{{{}, keys_of(key_set_of(known.jwk("a"))), nullptr}, server.port()};
    std::optional<token_verdict> said;
    verifier.verify(stranger.token_of(payload(), "b"), [&](token_verdict verdict) { said = std::move(verdict); });
    server.asked.back()(renewal);
    CAF_CHECK(is_refused_as(said, expected));
    // An algorithm that no set has is not worth a question, and neither is a token that says something wrong.
    CAF_CHECK(is_refused_as(ask(verifier, hs256(secret)), token_trouble::invalid));
    CAF_CHECK(is_refused_as(ask(verifier, known.token_of(payload(-1h), "a")), token_trouble::expired));
    CAF_CHECK_EQUAL(server.asked.size(), 1u);
  }
}

// An issuer that exchanged its key under the old name, or whose keys have none, had everybody refused with 401 until
// the server was started again.
CAF_TEST(a_key_may_be_exchanged_under_its_name_or_without_one) {
  for (const auto* id : {"a", ""}) {
    const signer old{"ES256"};
    const signer next{"ES256"};
    const std::pair<key_renewal, token_trouble> cases[] = {{key_renewal::done, token_trouble::wrong_signature},
                                                           {key_renewal::not_yet, token_trouble::unavailable},
                                                           {key_renewal::unavailable, token_trouble::unavailable}};
    key_server server;
    token_verifier verifier{{{}, keys_of(key_set_of(old.jwk(id))), nullptr}, server.port()};
    std::optional<token_verdict> said;
    const auto show = [&](const signer& by) {
      said.reset();
      verifier.verify(by.token_of(payload(), id), [&](token_verdict verdict) { said = std::move(verdict); });
    };
    for (const auto& [renewal, expected] : cases) {
      show(next);
      CAF_REQUIRE(!said);
      server.asked.back()(renewal);
      CAF_CHECK(is_refused_as(said, expected));
    }
    // Whose key is in force does not wait for any of this.
    show(old);
    CAF_CHECK(is_believed(said));
    show(next);
    verifier.use(keys_of(key_set_of(next.jwk(id))));
    server.asked.back()(key_renewal::done);
    CAF_CHECK(is_believed(said));
  }
}

CAF_TEST(bearer_before_a_token_does_not_count) {
  token_verifier verifier{{{}, secrets(secret), nullptr}};
  const auto token = hs256(secret);
  for (const auto& shown :
       {"Bearer " + token, "bearer " + token, "BEARER   " + token, " " + token + "\r\n", "bEaReR\t" + token})
    CAF_CHECK(is_believed(ask(verifier, shown)));
  for (const auto& shown :
       {"Bearer" + token, "Basic " + token, std::string{"Bearer"}, std::string{"Bearer "}, "Bearer Bearer " + token})
    CAF_CHECK(!is_believed(ask(verifier, shown)));
}

CAF_TEST(tokens_that_dev_makes_stand_beside_every_source_of_keys) {
  const signer known{"RS256"};
  key_server server;
  token_verifier by_set{{{}, keys_of(key_set_of(known.jwk("a"))), nullptr, secrets(simulation_secret)}, server.port()};
  token_verifier by_secret{{{}, secrets(secret), nullptr, secrets(simulation_secret)}};
  for (auto* verifier : {&by_set, &by_secret}) {
    const auto said = ask(*verifier, hs256(simulation_secret));
    CAF_REQUIRE(is_believed(said));
    CAF_CHECK(!std::get<token_claims>(*said).simulation);
    CAF_CHECK_EQUAL(std::get<token_claims>(*said).roles.size(), 1u);
  }
  CAF_CHECK(is_believed(ask(by_secret, hs256(secret))));
  CAF_CHECK(server.asked.empty());
}

CAF_TEST(without_any_keys_nobody_is_refused_for_good) {
  key_server server;
  token_verifier verifier{{{}, nullptr, nullptr}, server.port()};
  for (const auto renewal : {key_renewal::done, key_renewal::not_yet, key_renewal::unavailable}) {
    std::optional<token_verdict> said;
    verifier.verify(signer{"ES256"}.token_of(payload()), [&](token_verdict verdict) { said = std::move(verdict); });
    server.asked.back()(renewal);
    CAF_CHECK(is_refused_as(said, token_trouble::unavailable));
  }
}

CAF_TEST(a_simulation_is_marked_and_has_no_roles) {
  token_verifier verifier{{{}, secrets(secret), secrets(simulation_secret)}};
  const auto played = ask(verifier, hs256(simulation_secret));
  CAF_REQUIRE(is_believed(played));
  CAF_CHECK(std::get<token_claims>(*played).simulation);
  CAF_CHECK(std::get<token_claims>(*played).roles.empty());
  const auto real = ask(verifier, hs256(secret));
  CAF_REQUIRE(is_believed(real));
  CAF_CHECK(!std::get<token_claims>(*real).simulation);
  CAF_CHECK_EQUAL(std::get<token_claims>(*real).roles.size(), 1u);
  CAF_CHECK(is_refused_as(ask(verifier, hs256(simulation_secret, -1h)), token_trouble::expired));
  CAF_CHECK(is_refused_as(ask(verifier, hs256(simulation_secret + "x")), token_trouble::wrong_signature));
  // Newer keys do not touch it, and what was found good keeps its mark.
  verifier.use(secrets("a third secret of at least thirty-two bytes, too"));
  CAF_CHECK(std::get<token_claims>(*ask(verifier, hs256(simulation_secret))).simulation);
  CAF_CHECK(std::get<token_claims>(*ask(verifier, hs256(simulation_secret))).simulation);
}

CAF_TEST(a_simulation_key_stands_beside_public_keys) {
  const signer known{"RS256"};
  key_server server;
  token_verifier verifier{{{}, keys_of(key_set_of(known.jwk("a"))), secrets(simulation_secret)}, server.port()};
  CAF_CHECK(is_believed(ask(verifier, hs256(simulation_secret))));
  CAF_CHECK(server.asked.empty());
}
