#include "net/first_frame.hpp"

#include <cstdint>

namespace gangway {

namespace {

constexpr std::size_t mask_bytes = 4;

std::uint8_t at(std::string_view bytes, std::size_t index) noexcept { return static_cast<std::uint8_t>(bytes[index]); }

// How many bytes say the length, beyond the first two.
std::size_t length_bytes(std::string_view bytes) noexcept {
  const auto length = at(bytes, 1) & 0x7FU;
  return length < 126 ? 0 : length == 126 ? 2 : 8;
}

} // namespace

std::optional<std::size_t> first_frame_bytes(std::string_view bytes, std::size_t most) noexcept {
  constexpr std::uint8_t whole_text = 0x81;
  constexpr std::uint8_t masked = 0x80;
  if (!bytes.empty() && at(bytes, 0) != whole_text) return std::nullopt;
  if (bytes.size() < 2) return 2;
  if ((at(bytes, 1) & masked) == 0) return std::nullopt;
  const auto header = 2 + length_bytes(bytes) + mask_bytes;
  if (bytes.size() < header) return header;
  std::uint64_t length = at(bytes, 1) & 0x7FU;
  if (length >= 126) {
    length = 0;
    for (std::size_t i = 0; i < length_bytes(bytes); ++i)
      length = length << 8U | at(bytes, 2 + i);
  }
  if (header > most || length > most - header) return std::nullopt;
  return header + static_cast<std::size_t>(length);
}

std::string first_frame_text(std::string_view frame) {
  const auto header = 2 + length_bytes(frame) + mask_bytes;
  const auto mask = frame.substr(header - mask_bytes, mask_bytes);
  std::string result{frame.substr(header)};
  for (std::size_t i = 0; i < result.size(); ++i)
    result[i] = static_cast<char>(static_cast<std::uint8_t>(result[i]) ^ at(mask, i % mask_bytes));
  return result;
}

} // namespace gangway
