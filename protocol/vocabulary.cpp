#include "protocol/vocabulary.hpp"

#include <cstdlib>
#include <cstring>

#include <unistd.h>

namespace gangway {

namespace {

constexpr std::string_view hexadecimal = "0123456789abcdef";

// Returns 64 random bits. Entropy is fetched 256 bytes at a time, the most that one getentropy gives.
std::uint64_t random_bits() {
  static thread_local std::array<std::uint64_t, 32> pool;
  static thread_local std::size_t used = pool.size();
  if (used == pool.size()) {
    // Fails only on a kernel without the call, where no id and no key can be trusted.
    if (getentropy(pool.data(), sizeof pool) != 0) std::abort();
    used = 0;
  }
  return pool[used++];
}

constexpr int nibble(char c) noexcept {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

constexpr bool has_dash_before(std::size_t byte) noexcept { return byte == 4 || byte == 6 || byte == 8 || byte == 10; }

} // namespace

utc_time utc_now() noexcept { return std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now()); }

uuid make_uuid() {
  // RFC 9562, 6.2, method 1: within a millisecond, and while the clock stands or goes back, the 12 bits of rand_a
  // count. The count starts in the lower half of its range; when it overflows, the next millisecond is borrowed.
  static thread_local std::uint64_t stamp = 0;
  static thread_local std::uint64_t count = 0;
  const auto now = static_cast<std::uint64_t>(utc_now().time_since_epoch().count());
  if (now > stamp) {
    stamp = now;
    count = random_bits() & 0x7ff;
  } else if (++count > 0xfff) {
    ++stamp;
    count = 0;
  }
  const std::uint64_t high = (stamp << 16) | 0x7000 | count;
  const std::uint64_t low = (random_bits() >> 2) | (std::uint64_t{1} << 63);
  uuid result;
  for (std::size_t i = 0; i < 8; ++i) {
    result.bytes[i] = static_cast<std::uint8_t>(high >> (56 - 8 * i));
    result.bytes[8 + i] = static_cast<std::uint8_t>(low >> (56 - 8 * i));
  }
  return result;
}

std::string to_string(const uuid& id) {
  std::string result(36, '-');
  std::size_t at = 0;
  for (std::size_t i = 0; i < id.bytes.size(); ++i) {
    if (has_dash_before(i)) ++at;
    result[at++] = hexadecimal[id.bytes[i] >> 4];
    result[at++] = hexadecimal[id.bytes[i] & 15];
  }
  return result;
}

std::optional<uuid> parse_uuid(std::string_view text) noexcept {
  if (text.size() != 36) return std::nullopt;
  uuid result;
  std::size_t at = 0;
  for (std::size_t i = 0; i < result.bytes.size(); ++i) {
    if (has_dash_before(i) && text[at++] != '-') return std::nullopt;
    const int high = nibble(text[at++]);
    const int low = nibble(text[at++]);
    if (high < 0 || low < 0) return std::nullopt;
    result.bytes[i] = static_cast<std::uint8_t>(high << 4 | low);
  }
  return result;
}

std::string_view to_string(tier which) noexcept {
  switch (which) {
  case tier::free:
    return "free";
  case tier::pro:
    return "pro";
  case tier::enterprise:
    return "enterprise";
  }
  return "free";
}

tier parse_tier(std::string_view name) noexcept {
  if (name == to_string(tier::enterprise)) return tier::enterprise;
  return name == to_string(tier::pro) ? tier::pro : tier::free;
}

bool is_user_id(std::string_view text) noexcept {
  if (text.empty() || text.size() > 255 || !is_utf8(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if (byte < 0x20 || byte == 0x7f) return false;
    // U+0080 to U+009F, the second set of control characters, are C2 80 to C2 9F; C2 is never a second byte.
    if (byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0) return false;
  }
  return true;
}

bool is_thread_id(std::string_view text) noexcept {
  if (text.empty() || text.size() > 128) return false;
  for (const char c : text) {
    const bool allowed =
        (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '-';
    if (!allowed) return false;
  }
  return true;
}

bool is_utf8(std::string_view text) noexcept {
  const auto* at = reinterpret_cast<const unsigned char*>(text.data());
  const auto* const end = at + text.size();
  while (at != end) {
    if (end - at >= 8) {
      std::uint64_t block;
      std::memcpy(&block, at, sizeof block);
      if ((block & 0x8080808080808080) == 0) {
        at += 8;
        continue;
      }
    }
    const unsigned char first = *at++;
    if (first < 0x80) continue;
    // The Unicode Standard, table 3-7: only the second byte's range depends on the first.
    std::ptrdiff_t more = 1;
    unsigned char low = 0x80;
    unsigned char high = 0xbf;
    if (first < 0xc2) {
      return false;
    } else if (first < 0xe0) {
      more = 1;
    } else if (first < 0xf0) {
      more = 2;
      if (first == 0xe0) low = 0xa0;
      if (first == 0xed) high = 0x9f;
    } else if (first < 0xf5) {
      more = 3;
      if (first == 0xf0) low = 0x90;
      if (first == 0xf4) high = 0x8f;
    } else {
      return false;
    }
    if (end - at < more || *at < low || *at > high) return false;
    for (std::ptrdiff_t i = 1; i < more; ++i) {
      if ((at[i] & 0xc0) != 0x80) return false;
    }
    at += more;
  }
  return true;
}

std::size_t home_of(const user_id& user, std::size_t homes) noexcept {
  // FNV-1a, then the finalizer of MurmurHash3: the low bits of FNV alone are poor for ids that differ at the end.
  std::uint64_t hash = 0xcbf29ce484222325;
  for (const char c : user.value)
    hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001b3;
  hash = (hash ^ (hash >> 33)) * 0xff51afd7ed558ccd;
  hash = (hash ^ (hash >> 33)) * 0xc4ceb9fe1a85ec53;
  hash ^= hash >> 33;
  return static_cast<std::size_t>(hash % homes);
}

} // namespace gangway
