/// The user actor's tier, and what it keeps when that falls.

#include <algorithm>

#include "actors/user.hpp"

namespace gangway {

void user_state::on_token_renewed(const token_renewed& report) {
  auto* known = heard(report.connection);
  if (known == nullptr) return;
  known->tier = report.tier;
  settle_tier();
  report_count();
  reconsider();
}

// The highest among its connections. Who has none for a moment comes back to what he left.
void user_state::settle_tier() {
  if (connections_.empty()) return;
  change_tier(std::max_element(connections_.begin(), connections_.end(), [](const auto& lhs, const auto& rhs) {
                return lhs.tier < rhs.tier;
              })->tier);
}

void user_state::change_tier(gangway::tier to) {
  if (to == tier_) return;
  kept_ = keep_room(kept_, tier_, to, slots_used(), static_cast<std::uint32_t>(connections_.size()), now(),
                    rules().tier_kept);
  tier_ = to;
  retry_not_before_ = {};
  if (cleanup_
      && (cleanup_->record.scope == cleanup_scope::request || cleanup_->record.scope == cleanup_scope::surplus))
    cleanup_->state.max_level = rules().cleanup.max_level;
  schedule_patience();
}

std::uint32_t user_state::connections_limit() const {
  return std::max(rules().connections_max, is_kept(kept_, now()) ? kept_->connections : 0);
}

// By which room is made before anybody asks: a page that loads again must find its threads.
std::uint32_t user_state::usual_limit() const {
  const auto limit_of = [&](tier which) { return services_->rules[static_cast<std::size_t>(which)].managers_max; };
  return is_kept(kept_, now()) ? std::max(limit_of(tier_), limit_of(kept_->from)) : limit_of(tier_);
}

} // namespace gangway
