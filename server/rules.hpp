#pragma once

/// What the settings mean to the actors and the doors: the tiers worked out, names turned into values.

#include <array>
#include <cstdint>

#include "actors/policy/pressure.hpp"
#include "actors/store/engine.hpp"
#include "actors/user_rules.hpp"
#include "config/settings.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// Returns what is different for the users of a tier.
const tier_overrides& overrides_of(const settings& values, tier which);

/// Returns the rules of each tier's users, in the order of `tier`: what a tier does not set is as for everybody.
/// @pre the settings are valid
std::array<user_rules, tiers> user_rules_of(const settings& values);

/// Returns what is kept of the past.
history_rules history_rules_of(const settings& values);

/// Returns how much may be on its way to a connection from one thread: so little of the session's queue that all of the
/// threads that a user may have fit into it, each with what it was about to send.
std::size_t delivery_bytes_max_of(const settings& values) noexcept;

/// Returns from where on the node is short of something.
/// @pre the settings are valid
pressure_rules pressure_rules_of(const settings& values);

/// Returns how many connections the server takes: `limits.connections`, but no more than there are file descriptors
/// for, or nothing but an error would come of the next; some are kept for what is no connection (the database, admin
/// requests, and those who are told that it is full).
/// @param descriptors that the process may have
std::uint32_t connections_max_of(const settings& values, std::uint64_t descriptors) noexcept;

} // namespace gangway
