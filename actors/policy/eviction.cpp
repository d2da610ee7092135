#include "actors/policy/eviction.hpp"

#include <algorithm>
#include <tuple>

namespace gangway {

std::optional<eviction_reason> may_evict(const candidate& one, cleanup_level level, steady_time now,
                                         std::chrono::milliseconds idle_after) noexcept {
  if (one.opening || one.live_run) return std::nullopt;
  if (one.proven_dead) return eviction_reason::zombie;
  if (one.living_connections == 0) return eviction_reason::inactive;
  if (level >= cleanup_level::moderate && now - one.last_useful > idle_after) return eviction_reason::idle;
  if (level == cleanup_level::force) return eviction_reason::least_recently_useful;
  return std::nullopt;
}

std::vector<choice> choose_evictions(std::span<const candidate> roster, cleanup_level level, std::size_t needed,
                                     steady_time now, std::chrono::milliseconds idle_after) {
  struct ranked {
    eviction_reason reason; // declared in the order of deadness
    const candidate* who;
  };
  std::vector<ranked> eligible;
  for (const auto& one : roster)
    if (const auto reason = may_evict(one, level, now, idle_after)) eligible.push_back({*reason, &one});
  const auto key = [](const ranked& one) { return std::tie(one.reason, one.who->last_useful, one.who->manager); };
  std::sort(eligible.begin(), eligible.end(), [&](const auto& lhs, const auto& rhs) { return key(lhs) < key(rhs); });
  eligible.resize(std::min(needed, eligible.size()));
  std::vector<choice> result;
  for (const auto& one : eligible)
    result.push_back({one.who->manager, one.reason});
  return result;
}

connection_id choose_replaced(std::span<const connection_candidate> connections) {
  const auto key = [](const connection_candidate& one) {
    return std::make_tuple(!one.suspect, one.last_useful, one.connection);
  };
  return std::min_element(connections.begin(), connections.end(),
                          [&](const auto& lhs, const auto& rhs) { return key(lhs) < key(rhs); })
      ->connection;
}

} // namespace gangway
