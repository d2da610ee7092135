#include "net/auth/jwks_source.hpp"

#include <algorithm>
#include <charconv>
#include <utility>

#include "protocol/log.hpp"

namespace gangway {

namespace {

using namespace std::chrono_literals;

// While there are no keys nobody gets in: the first tries come quickly.
constexpr std::chrono::milliseconds backoff_first{500};

// However long a server allows: a key that was withdrawn must go some day.
constexpr std::chrono::milliseconds refresh_max = 24h;

} // namespace

std::optional<std::chrono::seconds> max_age_of(std::string_view cache_control) {
  constexpr std::int64_t most = 365 * 24 * 3600;
  std::optional<std::chrono::seconds> result;
  while (!cache_control.empty()) {
    const auto end = std::min(cache_control.find(','), cache_control.size());
    auto part = cache_control.substr(0, end);
    cache_control.remove_prefix(std::min(end + 1, cache_control.size()));
    part.remove_prefix(std::min(part.find_first_not_of(" \t"), part.size()));
    part = part.substr(0, part.find_last_not_of(" \t") + 1);
    if (part == "no-store" || part == "no-cache") return 0s;
    if (!part.starts_with("max-age=")) continue;
    part.remove_prefix(8);
    if (part.size() >= 2 && part.front() == '"' && part.back() == '"') part = part.substr(1, part.size() - 2);
    std::uint64_t seconds = 0;
    const auto [rest, error] = std::from_chars(part.data(), part.data() + part.size(), seconds);
    if (rest != part.data() + part.size() || part.empty()) continue;
    if (error == std::errc{}) result = std::chrono::seconds{std::min<std::uint64_t>(seconds, most)};
    if (error == std::errc::result_out_of_range) result = std::chrono::seconds{most};
  }
  return result;
}

jwks_source::jwks_source(boost::asio::io_context& loop, jwks_rules rules, fetch how, listener whom)
    : rules_{rules}, fetch_{std::move(how)}, whom_{std::move(whom)}, next_{loop} {}

void jwks_source::start() {
  report("the keys that tokens are checked by have not been fetched yet");
  begin();
}

void jwks_source::stop() {
  stopped_ = true;
  next_.cancel();
  for (const auto& done : std::exchange(waiting_, {}))
    done(key_renewal::unavailable);
}

void jwks_source::renew(std::function<void(key_renewal)> done) {
  if (stopped_) return done(key_renewal::unavailable);
  const bool is_too_soon = fetched_at_ && std::chrono::steady_clock::now() - *fetched_at_ < rules_.retry;
  if (!fetching_ && is_too_soon) return done(trouble_.empty() ? key_renewal::not_yet : key_renewal::unavailable);
  waiting_.push_back(std::move(done));
  if (!fetching_) begin();
}

void jwks_source::begin() {
  fetching_ = true;
  next_.cancel();
  fetch_([this](fetched what) {
    if (!stopped_) on_fetched(std::move(what));
  });
}

void jwks_source::on_fetched(fetched what) {
  fetching_ = false;
  fetched_at_ = std::chrono::steady_clock::now();
  auto delay = rules_.refresh;
  std::string trouble;
  if (const auto* document = std::get_if<jwks_document>(&what)) {
    if (document->max_age) delay = std::clamp<std::chrono::milliseconds>(*document->max_age, rules_.retry, refresh_max);
    // The same keys once more are no reason to forget whom they let in.
    if (!body_ || document->body != *body_) {
      auto read = key_set::of_jwks(document->body);
      if (const auto* reason = std::get_if<std::string>(&read)) {
        trouble = "the key set (JWKS) cannot be used: " + *reason;
      } else {
        body_ = document->body;
        auto keys = std::make_shared<const key_set>(std::get<key_set>(std::move(read)));
        log::info("keys for tokens fetched", {{"keys", keys->size()}});
        say_what_is_left_out(*keys);
        whom_.on_keys(std::move(keys));
      }
    }
  } else {
    trouble = "the key set (JWKS) cannot be fetched: " + std::get<std::string>(what);
  }
  if (!trouble.empty()) {
    backoff_ = std::min(std::max(backoff_ * 2, backoff_first), rules_.retry);
    delay = body_ ? rules_.retry : backoff_;
    if (!body_)
      log::error("no token can be checked, so nobody can sign in", {{"reason", trouble}});
    else if (trouble != trouble_)
      log::warning("the keys for tokens stay as they are", {{"reason", trouble}});
  } else {
    backoff_ = 0ms;
  }
  trouble_ = std::move(trouble);
  // Old keys are good keys: only who has none at all is not ready.
  report(body_ ? "" : trouble_);
  for (const auto& done : std::exchange(waiting_, {}))
    done(trouble_.empty() ? key_renewal::done : key_renewal::unavailable);
  schedule(delay);
}

// Once, and not with every fetch of a set that has something else new.
void jwks_source::say_what_is_left_out(const key_set& keys) {
  if (keys.left_out() == left_out_) return;
  left_out_ = keys.left_out();
  for (const auto& reason : left_out_)
    log::warning("a key of the key set (JWKS) is not used", {{"reason", reason}});
}

void jwks_source::report(const std::string& state) {
  if (std::exchange(state_, state) != state) whom_.on_state(state);
}

void jwks_source::schedule(std::chrono::milliseconds delay) {
  next_.expires_after(delay);
  next_.async_wait([this](const boost::system::error_code& error) {
    if (!error && !fetching_ && !stopped_) begin();
  });
}

} // namespace gangway
