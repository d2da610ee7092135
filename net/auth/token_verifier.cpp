#include "net/auth/token_verifier.hpp"

#include <utility>

#include "protocol/log.hpp"

namespace gangway {

namespace {

token_fault not_judged(token_fault because) {
  return {token_trouble::unavailable, "the key that the token is signed with is not known yet; come again later",
          std::move(because.received), std::move(because.wanted)};
}

} // namespace

token_verifier::token_verifier(basis by, ask_for_keys ask)
    : by_{std::move(by)}, ask_{std::move(ask)}, wrong_signatures_{by_.wrong_signatures_per_address} {}

void token_verifier::use(std::shared_ptr<const key_set> keys) {
  by_.keys = std::move(keys);
  cache_.clear();
}

void token_verifier::note_refusal(const token_fault& fault, std::string_view who) {
  if (!notes_.take(std::chrono::steady_clock::now())) return;
  constexpr std::string_view message = "a client was refused";
  if (fault.received.empty() && fault.wanted.empty())
    return log::info(message, {{"reason", fault.reason}, {"client", who}});
  log::info(message,
            {{"reason", fault.reason}, {"received", fault.received}, {"wanted", fault.wanted}, {"client", who}});
}

void token_verifier::verify(std::string token, answer done, address client) {
  if (const auto bare = without_scheme(token); bare.size() != token.size()) token = std::string{bare};
  auto verdict = judge(token, utc_now(), client);
  if (!may_be_newer(verdict)) return done(std::move(verdict));
  ask_([this, token = std::move(token), done = std::move(done), client = std::move(client)](key_renewal renewal) {
    judge_again(token, renewal, done, client);
  });
}

// Newer keys may have other names, or take the place of old ones under the same. A token that was found good is not
// judged again, so that nobody waits here whose key is in force.
bool token_verifier::may_be_newer(const token_verdict& verdict) const {
  const auto* fault = std::get_if<token_fault>(&verdict);
  return ask_ && fault != nullptr
         && (fault->kind == token_trouble::unknown_key || fault->kind == token_trouble::wrong_signature);
}

// Whoever signs with a key that is newer than ours must not be told that the token is bad: only keys that came after it
// was shown can say so. Else one stranger with a key of his own invention, just before the keys are exchanged, would
// have everybody turned away who has the new one.
void token_verifier::judge_again(std::string_view token, key_renewal renewal, const answer& done,
                                 const address& client) {
  auto verdict = judge(token, utc_now(), client);
  if (may_be_newer(verdict) && (renewal != key_renewal::done || !by_.keys)) {
    auto& fault = std::get<token_fault>(verdict);
    verdict = not_judged(std::move(fault));
  }
  done(std::move(verdict));
}

token_verdict token_verifier::judge(std::string_view token, utc_time now, const address& client) {
  const auto* known = token.size() > token_bytes_max ? nullptr : cache_.find(token);
  if (known != nullptr) {
    if (now < known->expires_at + by_.rules.leeway) return *known;
    const auto seconds = [](utc_time when) {
      return std::to_string(std::chrono::floor<std::chrono::seconds>(when).time_since_epoch().count());
    };
    return token_fault{token_trouble::expired, "the token has expired", "exp " + seconds(known->expires_at),
                       "later than " + seconds(now - by_.rules.leeway)};
  }
  const auto parsed = parse_token(token);
  if (const auto* fault = std::get_if<token_fault>(&parsed)) return *fault;
  const auto at = std::chrono::steady_clock::now();
  if (client && wrong_signatures_.is_beyond(*client, at))
    return token_fault{token_trouble::unavailable, "too many tokens from this address had a wrong signature"};
  auto verdict = judge_signed(std::get<parsed_token>(parsed), now);
  const auto* fault = std::get_if<token_fault>(&verdict);
  if (client && fault != nullptr && fault->kind == token_trouble::wrong_signature) wrong_signatures_.count(*client, at);
  if (const auto* claims = std::get_if<token_claims>(&verdict)) cache_.add(token, *claims);
  return verdict;
}

// Only a signature that is good makes it a simulation's token; everything else is the real keys' to judge.
token_verdict token_verifier::judge_signed(const parsed_token& token, utc_time now) const {
  const auto& simulation = by_.simulation_keys;
  if (simulation && simulation->check(token.key, token.signed_part, token.signature) == signature_verdict::good) {
    auto verdict = judge_token(token, *simulation, by_.rules, now);
    if (auto* claims = std::get_if<token_claims>(&verdict)) {
      claims->simulation = true;
      claims->roles.clear(); // whoever may test may not administrate
    }
    return verdict;
  }
  const auto& development = by_.development_keys;
  if (development && development->check(token.key, token.signed_part, token.signature) == signature_verdict::good)
    return judge_token(token, *development, by_.rules, now);
  // Keys that are fetched are public: none of them makes such a signature.
  if (ask_ && token.key.algorithm == signature_algorithm::hs256)
    return token_fault{token_trouble::invalid, "the token is signed with HS256, and tokens here are not", "alg HS256",
                       by_.keys ? by_.keys->describe() : "alg RS256, ES256 or EdDSA"};
  if (!by_.keys) return token_fault{token_trouble::unknown_key, "no keys to check tokens by are known yet"};
  return judge_token(token, *by_.keys, by_.rules, now);
}

} // namespace gangway
