#pragma once

/// A sum that tells whether bytes were copied as they were. No protection from anybody who means harm.

#include <cstdint>
#include <string_view>

namespace gangway {

/// FNV-1a of 64 bits (http://www.isthe.com/chongo/tech/comp/fnv/).
class checksum {
public:
  constexpr void add(std::string_view bytes) noexcept {
    for (const char byte : bytes)
      value_ = (value_ ^ static_cast<unsigned char>(byte)) * 0x100000001b3;
  }
  constexpr std::uint64_t value() const noexcept { return value_; }

private:
  std::uint64_t value_ = 0xcbf29ce484222325;
};

} // namespace gangway
