#pragma once

/// Does a manager work, and is anybody there behind its connections? A probe asks both at once; what it learns is
/// judged here. No verdict without evidence: silence counts only when the probe is over, and only if we were listening:
/// not us alone, but the session too, which lives on a loop of its own and says so by a look at its link behind our
/// last ping.

#include <optional>
#include <vector>

#include "protocol/cleanup.hpp"
#include "protocol/link_observation.hpp"

namespace gangway {

/// What a probe knows of one connection.
struct connection_probe {
  bool answered = false;                ///< by a pong with the probe's nonce, or by a frame since it began
  std::uint32_t pings = 0;              ///< of this probe that went out
  std::optional<link_observation> seen; ///< the last one
  std::uint64_t nonce = 0;              ///< of the last ping
};

/// Returns why the connection is dead, if that is proven. `is_over`: the probe's time is up, so silence counts: two
/// pings, no answer, while we read and nothing of ours waits before them, as seen with the last ping. Without that look
/// the silence may be ours. What the kernel shows counts at once: data that it has sent again and again for `patience`
/// without a single acknowledgement.
std::optional<finding> judge(const connection_probe& probe, bool is_over, std::chrono::milliseconds patience) noexcept;

/// What the user knows a manager must say of itself.
struct manager_books {
  manager_id manager;
  thread_id thread;
  std::vector<connection_id> must_have; ///< open when it was asked, and still
  std::vector<connection_id> may_have;  ///< the others that were or are on their way to it
};

/// What a manager said of itself when it was probed.
struct manager_answer {
  manager_id manager;
  thread_id thread;
  std::vector<connection_id> connections;
  std::chrono::milliseconds leaving_for{0}; ///< since when the slowest close does not finish
  std::chrono::milliseconds stuck_for{0};   ///< how long its oldest question has had no answer
};

/// Since when a close or a question is not just slow.
struct manager_patience {
  std::chrono::milliseconds leaving;
  std::chrono::milliseconds stuck;
};

/// Returns what is wrong with a manager that answered, if anything: `mismatched`, `stuck_closing` or `unfit`, the first
/// that holds. (`hung` is one that did not answer.)
std::optional<finding> judge(const manager_books& expected, const manager_answer& answer,
                             const manager_patience& patience);

} // namespace gangway
