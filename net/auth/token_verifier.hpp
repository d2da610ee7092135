#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "net/address_rates.hpp"
#include "net/auth/jwt.hpp"
#include "net/auth/keys.hpp"
#include "net/auth/token_cache.hpp"
#include "net/token_bucket.hpp"

namespace gangway {

/// What came of asking for newer keys.
enum class key_renewal : std::uint8_t {
  done,        ///< they are here, new or not
  not_yet,     ///< they came not long ago, and are not asked for again so soon
  unavailable, ///< they could not be had
};

/// When to come again while a token cannot be judged.
inline constexpr std::chrono::seconds keys_retry_after{2};

/// For how long newer keys may be waited for: somewhat longer than a fetch takes.
inline constexpr std::chrono::seconds keys_patience{10};

/// One loop's judge of tokens: knows the keys in force, asks for newer ones when a token's is unknown or did not make
/// its signature, and remembers what it found good. Not thread-safe.
class token_verifier {
public:
  using answer = std::function<void(token_verdict)>;

  /// Asks for newer keys; its argument is called later, on this loop, after `use` was called with what came.
  using ask_for_keys = std::function<void(std::function<void(key_renewal)>)>;

  /// What all loops go by. `keys` is null until the first ones come; `ask` may be empty: then there are no newer ones.
  struct basis {
    token_rules rules;
    std::shared_ptr<const key_set> keys;
    std::shared_ptr<const key_set> simulation_keys;            ///< for end-to-end tests; null if there are none
    std::shared_ptr<const key_set> development_keys = nullptr; ///< of the tokens that `--dev` makes; null without it
    std::uint32_t wrong_signatures_per_address = 0;            ///< a second, for each loop; 0: no limit
  };

  explicit token_verifier(basis by, ask_for_keys ask = {});

  /// Goes by these keys from now on.
  void use(std::shared_ptr<const key_set> keys);

  /// Writes into the log that somebody was refused, unless too many are: strangers must not fill disks. `who` is what
  /// is known of its bearer.
  void note_refusal(const token_fault& fault, std::string_view who);

  /// Calls `done` with what `token` says at this time: at once, or later on this loop if newer keys are needed.
  /// "Bearer" before it does not count. Nobody's signatures are looked at while too many that came from his address
  /// were wrong; `client` is none for those who have signed in.
  void verify(std::string token, answer done, std::optional<boost::asio::ip::address> client = std::nullopt);

private:
  using address = std::optional<boost::asio::ip::address>;

  token_verdict judge(std::string_view token, utc_time now, const address& client);
  void judge_again(std::string_view token, key_renewal renewal, const answer& done, const address& client);
  token_verdict judge_signed(const parsed_token& token, utc_time now) const;
  bool may_be_newer(const token_verdict& verdict) const;

  static constexpr std::size_t cache_entries_max = 16'384;
  static constexpr std::uint32_t refusals_noted_max = 20; // a second

  basis by_;
  ask_for_keys ask_;
  token_cache cache_{cache_entries_max};
  token_bucket notes_{refusals_noted_max, 1};
  address_rates wrong_signatures_;
};

} // namespace gangway
