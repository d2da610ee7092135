#pragma once

/// How reports become sums: what a directory makes of its users' news, and whoever looks of the directories'. Pure.

#include "protocol/messages.hpp"

namespace gangway {

/// Puts what a user has now into `sum`, in the place of what it had `before`. The users themselves are
/// not counted by it.
/// @pre `before` is in `sum`
void recount(tally& sum, const user_counted& before, const user_counted& after);

/// Adds one directory's tally to the sum of several.
void add(tally& sum, const tally& part);

/// Counts an admission: its time by its outcome, and that of one that queued as time in the queue too.
void count(measures& sum, const admission_ended& report);

/// Counts what a probe found.
void count(measures& sum, const probe_ended& report);

/// Counts a cleanup, whom it evicted, and its time.
void count(measures& sum, const cleanup_ended& report);

/// Counts a connection that is over, by its close code. What a client says in our own range has no meaning of ours.
void count(measures& sum, const connection_ended& report);

/// Counts a thread that was opened, by what its client got.
void count(measures& sum, const thread_opened& report);

/// Counts a run by its agent and outcome, and the time to its first event if there was one.
void count(measures& sum, const run_finished& report);

} // namespace gangway
