#include "actors/policy/note_budget.hpp"

#include <algorithm>
#include <utility>

namespace gangway {

std::optional<std::uint32_t> take_note(note_budget& from, const note_terms& terms, steady_time now) noexcept {
  const auto full_at = std::max(from.full_at, now) + terms.interval;
  if (full_at - now > terms.at_once * terms.interval) {
    ++from.left_out;
    return std::nullopt;
  }
  from.full_at = full_at;
  return std::exchange(from.left_out, 0);
}

} // namespace gangway
