#include "net/auth/base64url.hpp"

#include <array>
#include <cstddef>
#include <cstdint>

namespace gangway {

namespace {

constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

constexpr std::array<std::int8_t, 256> digits = [] {
  std::array<std::int8_t, 256> result{};
  result.fill(-1);
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    result[static_cast<unsigned char>(alphabet[i])] = static_cast<std::int8_t>(i);
  return result;
}();

} // namespace

std::string to_base64url(std::string_view bytes) {
  std::string result;
  result.reserve((bytes.size() * 4 + 2) / 3);
  std::uint32_t bits = 0;
  unsigned int count = 0;
  for (const char byte : bytes) {
    bits = bits << 8U | static_cast<unsigned char>(byte);
    for (count += 8; count >= 6; count -= 6)
      result += alphabet[bits >> (count - 6) & 0x3FU];
  }
  if (count > 0) result += alphabet[bits << (6 - count) & 0x3FU];
  return result;
}

std::optional<std::string> from_base64url(std::string_view text) {
  if (text.size() % 4 == 1) return std::nullopt;
  std::string result;
  result.reserve(text.size() * 3 / 4);
  std::uint32_t bits = 0;
  unsigned int count = 0;
  for (const char letter : text) {
    const auto digit = digits[static_cast<unsigned char>(letter)];
    if (digit < 0) return std::nullopt;
    bits = bits << 6U | static_cast<std::uint32_t>(digit);
    count += 6;
    if (count < 8) continue;
    count -= 8;
    result += static_cast<char>(bits >> count & 0xFFU);
  }
  if ((bits & ((1U << count) - 1U)) != 0) return std::nullopt;
  return result;
}

} // namespace gangway
