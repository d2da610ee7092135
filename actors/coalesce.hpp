#pragma once

#include <vector>

#include "protocol/events.hpp"

namespace gangway {

/// Returns the events with every unbroken row of pieces of one thing (a message's text, a call's arguments, a thought)
/// joined into one event, that of the last piece, with the `first_seq` of the first: what a connection gets that is
/// behind, so that what it has to read is its text and not a frame for each word. Pure.
std::vector<thread_event> coalesce(std::vector<thread_event> events);

} // namespace gangway
