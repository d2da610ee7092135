#pragma once

#include <cstdint>

#include <boost/asio/ip/address.hpp>

namespace gangway {

/// Returns a well-mixed hash: every bit of the input moves every bit of the output (the finalizer of SplitMix64).
std::uint64_t mix(std::uint64_t value) noexcept;

/// Returns a number that nobody can guess.
std::uint64_t make_salt();

/// Returns the hash by which a client's address is counted. An IPv6 address counts as its /64, of which one client may
/// have all. `salt` keeps strangers from looking for addresses that share a place in a table.
std::uint64_t hash_of(const boost::asio::ip::address& client, std::uint64_t salt) noexcept;

} // namespace gangway
