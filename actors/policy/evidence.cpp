#include "actors/policy/evidence.hpp"

#include <algorithm>

namespace gangway {

namespace {

// Once may be a lost packet; twice in a row, and no word of the peer's kernel for so long, is a link that is down.
constexpr std::uint32_t retransmissions_min = 2;

// A ping in each half of the probe.
constexpr std::uint32_t pings_min = 2;

bool contains(const std::vector<connection_id>& all, const connection_id& one) {
  return std::find(all.begin(), all.end(), one) != all.end();
}

} // namespace

std::optional<finding> judge(const connection_probe& probe, bool is_over, std::chrono::milliseconds patience) noexcept {
  if (probe.answered) return std::nullopt;
  const auto& seen = probe.seen;
  if (seen && seen->unacknowledged > 0 && seen->retransmissions >= retransmissions_min && seen->unheard_for >= patience)
    return finding::unreachable;
  // A session whose loop stands still sees no pong, and does not look either.
  if (!is_over || !seen || seen->nonce < probe.nonce) return std::nullopt;
  // What we have not given to the kernel yet is before our pings: while it moves, the peer may not have seen them.
  if (seen->queued_bytes > 0) return seen->stalled_for >= patience / 2 ? std::optional{finding::stalled} : std::nullopt;
  if (probe.pings < pings_min || !seen->reading) return std::nullopt;
  return finding::silent;
}

std::optional<finding> judge(const manager_books& expected, const manager_answer& answer,
                             const manager_patience& patience) {
  const auto knows = [&](const connection_id& one) { return contains(answer.connections, one); };
  const auto is_known = [&](const connection_id& one) {
    return contains(expected.must_have, one) || contains(expected.may_have, one);
  };
  if (answer.manager != expected.manager || answer.thread != expected.thread
      || !std::all_of(expected.must_have.begin(), expected.must_have.end(), knows)
      || !std::all_of(answer.connections.begin(), answer.connections.end(), is_known))
    return finding::mismatched;
  if (answer.leaving_for >= patience.leaving) return finding::stuck_closing;
  if (answer.stuck_for >= patience.stuck) return finding::unfit;
  return std::nullopt;
}

} // namespace gangway
