#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// Lets so many through per second, and as many at once after a quiet second.
///
/// It keeps one time, the one at which the bucket would be full again (the "theoretical arrival time" of the generic
/// cell rate algorithm, ITU-T I.371): whoever comes adds to the debt, and time pays it off.
class token_bucket {
public:
  /// Makes a full bucket of a `share`th of `rate` per second, which holds one at least. With a rate of 0 it is never
  /// empty.
  /// @pre share > 0
  token_bucket(std::uint32_t rate, std::size_t share) noexcept;

  /// Takes one, if there is one at `now`.
  /// @pre `now` is never earlier than at the last call
  bool take(steady_time now) noexcept;

private:
  std::chrono::nanoseconds interval_{0}; // in which one comes in
  std::chrono::nanoseconds depth_{0};    // in which it is filled
  steady_time full_at_{};
};

} // namespace gangway
