#pragma once

/// What a run has come to so far, from its events: the open run of a snapshot.

#include "protocol/events.hpp"

namespace gangway {

/// Adds one event to what the run has come to. Pure; an event of another run must not be given.
void fold(open_run& run, const event_body& body);

} // namespace gangway
