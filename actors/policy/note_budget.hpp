#pragma once

/// How often the same thing is written down: who makes it happen all the time must not fill the log, nor push out of
/// the record what is known of others.

#include <chrono>
#include <cstdint>
#include <optional>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// So many notes at once, and one more in each interval.
struct note_terms {
  std::uint32_t at_once = 60;
  std::chrono::milliseconds interval{500};
};

/// What was written down, and what was not.
struct note_budget {
  steady_time full_at{}; ///< when as many as ever may come at once
  std::uint32_t left_out = 0;
};

/// Returns how many were left out since the last note, if one more may be written down at `now`; nothing if it is left
/// out too.
/// @pre `now` is never earlier than at the last call
std::optional<std::uint32_t> take_note(note_budget& from, const note_terms& terms, steady_time now) noexcept;

} // namespace gangway
