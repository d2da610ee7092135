#pragma once

/// Where a client is, behind the proxies that are trusted to say so.

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <boost/asio/ip/address.hpp>
#include <boost/asio/ip/network_v4.hpp>
#include <boost/asio/ip/network_v6.hpp>

namespace gangway {

using ip_address = boost::asio::ip::address;

/// Returns the IPv4 address that an IPv6 address stands for (`::ffff:10.0.0.1`), as a listener of both sees it, and
/// every other address as it is.
ip_address unmapped(const ip_address& address);

/// The networks of proxies whose word on their clients counts.
class trusted_proxies {
public:
  trusted_proxies() = default;

  /// Reads addresses and networks: "10.0.0.0/8", "::1". What is neither is left out: the settings were checked.
  explicit trusted_proxies(const std::vector<std::string>& networks);

  bool contains(const ip_address& address) const;
  bool empty() const noexcept { return v4_.empty() && v6_.empty(); }

private:
  std::vector<boost::asio::ip::network_v4> v4_;
  std::vector<boost::asio::ip::network_v6> v6_;
};

/// Returns the client's address: the peer's own, unless that is a trusted proxy. Then it is the last address of
/// `forwarded_for` (X-Forwarded-For; several lines joined by commas) that is none of a trusted proxy: what is before it
/// was written by whom nobody trusts. What cannot be read ends the search.
ip_address client_address(const ip_address& peer, std::string_view forwarded_for, const trusted_proxies& trusted);

} // namespace gangway
