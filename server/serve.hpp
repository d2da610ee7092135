#pragma once

/// gangwayd at work: settings, actors and net, put together.

#include <functional>
#include <string>

#include "config/settings.hpp"

namespace gangway {

/// Keeps the signals that `serve` waits for from every thread, so that none of them ends the process out of order.
/// @pre no other thread runs yet: not even the log's
void block_signals();

/// Serves until the process is asked to end, then ends in order. Returns the exit status: 0 after an orderly end, 1 if
/// it could not start or a part failed that nothing works without; the reason is on standard error.
/// @pre `values` are valid and name a source of keys; `block_signals` was called
/// `development_secret` is empty outside of `--dev`, see `doors_of`.
/// `on_claimed` is called once the ports and the store are ours, and ends the start if it returns a reason.
int serve(const settings& values, const std::string& development_secret,
          const std::function<std::string()>& on_claimed);

} // namespace gangway
