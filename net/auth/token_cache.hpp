#pragma once

#include <array>
#include <cstddef>
#include <cstring>
#include <deque>
#include <string_view>
#include <unordered_map>

#include "net/auth/jwt.hpp"

namespace gangway {

/// Tokens that were found good, by their hash, until they expire: clients come back with the same one, and an elliptic
/// signature takes a fifth of a millisecond to check. Holds no token itself. When it is full the oldest entry goes.
class token_cache {
public:
  explicit token_cache(std::size_t entries_max) : entries_max_{entries_max} {}

  /// Returns what `token` was found to say, unless it is unknown here; whether it has expired is the caller's question.
  const token_claims* find(std::string_view token) const;

  /// Keeps what a token was found to say.
  void add(std::string_view token, token_claims claims);

  /// Forgets everything: the keys have changed.
  void clear();

  std::size_t size() const noexcept { return entries_.size(); }

private:
  using digest = std::array<unsigned char, 32>;

  struct first_bytes {
    std::size_t operator()(const digest& of) const noexcept {
      std::size_t result = 0;
      std::memcpy(&result, of.data(), sizeof result);
      return result;
    }
  };

  static digest hash(std::string_view token) noexcept;

  std::size_t entries_max_;
  std::unordered_map<digest, token_claims, first_bytes> entries_;
  std::deque<digest> by_age_;
};

} // namespace gangway
