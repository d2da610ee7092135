#pragma once

/// What an error between actors says to a client.

#include <caf/error.hpp>

#include "protocol/messages.hpp"

namespace gangway {

/// Returns what a client is told when something it needed failed with `reason`.
command_error to_command_error(const caf::error& reason);

} // namespace gangway
