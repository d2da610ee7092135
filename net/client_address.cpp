#include "net/client_address.hpp"

#include <algorithm>
#include <variant>

namespace gangway {

namespace {

namespace ip = boost::asio::ip;
using network = std::variant<ip::network_v4, ip::network_v6>;

// A network of IPv4 addresses stays one when it is written as IPv6: ::ffff:10.0.0.0/104 is 10.0.0.0/8.
network narrowed(const ip::network_v6& known) {
  constexpr unsigned short mapped_bits = 96;
  if (!known.address().is_v4_mapped() || known.prefix_length() < mapped_bits) return known;
  return ip::network_v4{ip::make_address_v4(ip::v4_mapped, known.address()),
                        static_cast<unsigned short>(known.prefix_length() - mapped_bits)};
}

std::optional<network> parse_network(const std::string& text) {
  boost::system::error_code error;
  const auto address = unmapped(ip::make_address(text, error));
  if (!error && address.is_v4()) return ip::network_v4{address.to_v4(), 32};
  if (!error) return ip::network_v6{address.to_v6(), 128};
  if (const auto v4 = ip::make_network_v4(text, error); !error) return v4;
  if (const auto v6 = ip::make_network_v6(text, error); !error) return narrowed(v6);
  return std::nullopt;
}

// An entry is an address, perhaps with a port: "10.1.2.3:4567", "[2001:db8::1]:4567".
std::optional<ip_address> parse_entry(std::string_view text) {
  text.remove_prefix(std::min(text.find_first_not_of(" \t"), text.size()));
  text = text.substr(0, text.find_last_not_of(" \t") + 1);
  if (text.starts_with('[')) {
    text = text.substr(1, text.find(']') - 1);
  } else if (std::count(text.begin(), text.end(), ':') == 1) {
    text = text.substr(0, text.find(':'));
  }
  boost::system::error_code error;
  const auto address = ip::make_address(std::string{text}, error);
  if (error) return std::nullopt;
  return unmapped(address);
}

} // namespace

ip_address unmapped(const ip_address& address) {
  if (address.is_v6() && address.to_v6().is_v4_mapped()) return ip::make_address_v4(ip::v4_mapped, address.to_v6());
  return address;
}

trusted_proxies::trusted_proxies(const std::vector<std::string>& networks) {
  for (const auto& text : networks) {
    const auto read = parse_network(text);
    if (!read) continue;
    if (const auto* v4 = std::get_if<ip::network_v4>(&*read))
      v4_.push_back(*v4);
    else
      v6_.push_back(std::get<ip::network_v6>(*read));
  }
}

bool trusted_proxies::contains(const ip_address& address) const {
  const auto holds = [](const auto& network, const auto& one) {
    using other = std::decay_t<decltype(network)>;
    return network.canonical() == other{one, network.prefix_length()}.canonical();
  };
  const auto known = unmapped(address);
  if (known.is_v4())
    return std::any_of(v4_.begin(), v4_.end(), [&](const auto& network) { return holds(network, known.to_v4()); });
  return std::any_of(v6_.begin(), v6_.end(), [&](const auto& network) { return holds(network, known.to_v6()); });
}

ip_address client_address(const ip_address& peer, std::string_view forwarded_for, const trusted_proxies& trusted) {
  auto result = unmapped(peer);
  while (trusted.contains(result) && !forwarded_for.empty()) {
    const auto comma = forwarded_for.rfind(',');
    const auto entry = parse_entry(comma == forwarded_for.npos ? forwarded_for : forwarded_for.substr(comma + 1));
    forwarded_for = forwarded_for.substr(0, comma == forwarded_for.npos ? 0 : comma);
    if (!entry) break;
    result = *entry;
  }
  return result;
}

} // namespace gangway
