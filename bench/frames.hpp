#pragma once

/// Text frames made by hand, for clients that should cost next to nothing.

#include <array>
#include <cstddef>
#include <string>
#include <string_view>

namespace gangway {

enum class opcode : unsigned { text = 1, close = 8, ping = 9, pong = 10 };

/// Returns a masked frame of at most 125 bytes (RFC 6455, 5.2). One mask does for all: it hides nothing from a proxy
/// here.
/// @pre `payload.size() <= 125`
inline std::string to_frame(std::string_view payload, opcode what = opcode::text) {
  constexpr std::array<unsigned char, 4> mask{0x5a, 0xc3, 0x17, 0x8e};
  std::string result{static_cast<char>(0x80 | static_cast<unsigned>(what)), static_cast<char>(0x80 | payload.size())};
  result.append(mask.begin(), mask.end());
  for (std::size_t i = 0; i < payload.size(); ++i)
    result.push_back(static_cast<char>(static_cast<unsigned char>(payload[i]) ^ mask[i % mask.size()]));
  return result;
}

struct incoming_frame {
  opcode what = opcode::text;
  std::string_view payload;
  std::size_t size = 0; ///< of the whole; 0 if it is not complete yet
};

/// Returns the frame that `bytes` begin with.
inline incoming_frame find_frame(std::string_view bytes) {
  const auto at = [&](std::size_t index) { return static_cast<unsigned char>(bytes[index]); };
  if (bytes.size() < 2) return {};
  std::size_t header = 2;
  std::size_t length = at(1) & 0x7fU;
  if (length > 125) {
    header += length == 126 ? 2 : 8;
    if (bytes.size() < header) return {};
    length = 0;
    for (std::size_t i = 2; i < header; ++i)
      length = length * 256 + at(i);
  }
  if (bytes.size() < header + length) return {};
  return {static_cast<opcode>(at(0) & 0x0fU), bytes.substr(header, length), header + length};
}

} // namespace gangway
