#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/auth/keys.hpp"
#include "net/auth/token_verifier.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// A JSON Web Key Set as it was fetched.
struct jwks_document {
  std::string body;
  std::optional<std::chrono::seconds> max_age; ///< for how long it may be kept, if its server said so
};

/// How often keys are fetched.
struct jwks_rules {
  std::chrono::milliseconds refresh{900'000}; ///< if the server does not say how long a set may be kept
  std::chrono::milliseconds retry{30'000};    ///< the least time between two fetches for a token that no key fits
};

/// Returns for how long an answer may be kept by its `Cache-Control` (RFC 9111, 5.2.2), or nothing if it does not say.
std::optional<std::chrono::seconds> max_age_of(std::string_view cache_control);

/// Keeps the keys of a JSON Web Key Set current: fetched at the start, before they are stale, and when a token's key is
/// unknown or its signature wrong: a key may be exchanged under its name. One fetch at a time, whoever asks; a fetch
/// that fails leaves the keys in force. Lives on one loop.
class jwks_source {
public:
  using fetched = std::variant<jwks_document, std::string>; ///< or why it could not be had

  /// Begins one fetch and calls its argument once, later, on the same loop; or never, once the source is gone.
  using fetch = std::function<void(std::function<void(fetched)>)>;

  struct listener {
    std::function<void(std::shared_ptr<const key_set>)> on_keys; ///< new ones are in force
    /// What is in the way, in a few words; empty: nothing. Said when it changes.
    std::function<void(const std::string&)> on_state;
  };

  jwks_source(boost::asio::io_context& loop, jwks_rules rules, fetch how, listener whom);

  /// Fetches the first set.
  void start();

  /// Ends all fetching; whoever waits is answered `unavailable`. Not undone.
  void stop();

  /// Asks for newer keys; `done` is called with what came of it, perhaps at once.
  void renew(std::function<void(key_renewal)> done);

private:
  void begin();
  void on_fetched(fetched what);
  void report(const std::string& state);
  void say_what_is_left_out(const key_set& keys);
  void schedule(std::chrono::milliseconds delay);

  jwks_rules rules_;
  fetch fetch_;
  listener whom_;
  boost::asio::steady_timer next_;
  std::vector<std::function<void(key_renewal)>> waiting_;
  std::optional<std::string> body_;   ///< of the set in force
  std::vector<std::string> left_out_; ///< of that set, as it was said last
  std::string trouble_;               ///< of the last fetch
  std::string state_;                 ///< as it was said last
  std::optional<steady_time> fetched_at_;
  std::chrono::milliseconds backoff_{0}; ///< while there are no keys at all
  bool fetching_ = false;
  bool stopped_ = false;
};

} // namespace gangway
