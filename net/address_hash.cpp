#include "net/address_hash.hpp"

#include <random>

namespace gangway {

std::uint64_t mix(std::uint64_t value) noexcept {
  value += 0x9e3779b97f4a7c15U;
  value = (value ^ value >> 30U) * 0xbf58476d1ce4e5b9U;
  value = (value ^ value >> 27U) * 0x94d049bb133111ebU;
  return value ^ value >> 31U;
}

std::uint64_t make_salt() {
  std::random_device device;
  return static_cast<std::uint64_t>(device()) << 32U | device();
}

std::uint64_t hash_of(const boost::asio::ip::address& client, std::uint64_t salt) noexcept {
  std::uint64_t bits = 0;
  if (client.is_v4()) {
    bits = client.to_v4().to_uint();
  } else {
    const auto bytes = client.to_v6().to_bytes();
    for (std::size_t i = 0; i < 8; ++i)
      bits = bits << 8U | bytes[i];
    bits = mix(bits); // never the bits of an IPv4 address by accident
  }
  return mix(bits ^ salt);
}

} // namespace gangway
