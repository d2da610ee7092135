#pragma once

/// The words everybody here uses: ids, enumerations, time. No actor, no socket, no JSON.

#include <array>
#include <chrono>
#include <compare>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace gangway {

// -- time ----------------------------------------------------------------------------------------

/// A point on the clock that only moves forward. Everything that is judged (idle, silent, late) is judged by it.
using steady_time = std::chrono::steady_clock::time_point;

/// A stored or transmitted time: UTC, whole milliseconds. Never compared with a `steady_time`.
using utc_time = std::chrono::sys_time<std::chrono::milliseconds>;

/// Returns the wall clock's time. For stamps only; a decision never asks it.
utc_time utc_now() noexcept;

// -- ids -----------------------------------------------------------------------------------------

/// 16 bytes, made by the server in one place (`make_uuid`), version 7 of RFC 9562: sorted by time of creation.
struct uuid {
  std::array<std::uint8_t, 16> bytes{};

  friend auto operator<=>(const uuid&, const uuid&) = default;

  /// Returns whether this is the id of anything; the nil id names nothing.
  explicit operator bool() const noexcept { return *this != uuid{}; }
};

/// Returns a new id. Ids of one process never repeat and ascend in time, to the millisecond.
uuid make_uuid();

/// Returns the 36 characters `0192c3f2-….`, lower case.
std::string to_string(const uuid& id);

/// Returns the id that `text` spells, or nothing if it is not 36 characters of the canonical form.
std::optional<uuid> parse_uuid(std::string_view text) noexcept;

/// An id of one kind of thing, so that a run's id cannot be passed for a connection's.
template <class Tag>
struct strong_uuid : uuid {
  static strong_uuid make() { return {make_uuid()}; }

  static std::optional<strong_uuid> parse(std::string_view text) noexcept {
    if (auto id = parse_uuid(text)) return strong_uuid{*id};
    return std::nullopt;
  }

  friend auto operator<=>(const strong_uuid&, const strong_uuid&) = default;
};

using connection_id = strong_uuid<struct connection_tag>;
using manager_id = strong_uuid<struct manager_tag>;
using run_id = strong_uuid<struct run_tag>;
using message_id = strong_uuid<struct message_tag>;

/// A name given by somebody else, opaque to us, of one kind.
template <class Tag>
struct strong_name {
  std::string value;

  friend auto operator<=>(const strong_name&, const strong_name&) = default;
};

/// Whoever a token's `sub` names: 1 to 255 bytes of UTF-8 without control characters. Not a number: OAuth subjects
/// of 21 digits do not fit 64 bits.
using user_id = strong_name<struct user_tag>;

/// One conversation of one user, `[A-Za-z0-9_-]{1,128}`. Two users may both have a thread "t1"; they are two threads.
using thread_id = strong_name<struct thread_tag>;

/// What a user pays for, smallest first: the order in which a node sheds load.
enum class tier : std::uint8_t { free, pro, enterprise };
inline constexpr std::size_t tiers = 3;

/// Returns the tier's name in tokens and settings.
std::string_view to_string(tier which) noexcept;

/// Returns the tier of that name; a name that nobody knows, or none, is `free`.
tier parse_tier(std::string_view name) noexcept;

/// Returns whether `text` can be a user's id.
bool is_user_id(std::string_view text) noexcept;

/// Returns whether `text` can be a thread's id.
bool is_thread_id(std::string_view text) noexcept;

/// Returns whether `text` is well-formed UTF-8 (RFC 3629: no surrogates, no overlong forms).
bool is_utf8(std::string_view text) noexcept;

/// Returns which of `homes` places (loops, directory shards) a user belongs to: the same one on every call.
/// @pre homes > 0
std::size_t home_of(const user_id& user, std::size_t homes) noexcept;

// -- positions in a thread's log -----------------------------------------------------------------

/// The place of an event in its thread's log. The first event is 1; 0 is "before the first".
using sequence = std::uint64_t;

/// Raised whenever a thread gets a new manager; the store accepts appends of the current one only.
using generation = std::uint64_t;

/// Names one unbroken history of a thread; it changes only when history was lost or rewritten.
using epoch = std::string;

/// Where a client says it is in a thread's log.
struct log_position {
  gangway::epoch epoch;
  sequence after = 0;

  friend bool operator==(const log_position&, const log_position&) = default;
};

// -- text ----------------------------------------------------------------------------------------

/// A value that is already JSON, kept as its text so that nobody parses it twice.
struct json_text {
  std::string value;

  friend bool operator==(const json_text&, const json_text&) = default;
};

/// One encoded frame, shared by every connection that gets it.
using frame = std::shared_ptr<const std::string>;

} // namespace gangway

template <class Tag>
struct std::hash<gangway::strong_name<Tag>> {
  std::size_t operator()(const gangway::strong_name<Tag>& name) const noexcept {
    return std::hash<std::string>{}(name.value);
  }
};

template <class Tag>
struct std::hash<gangway::strong_uuid<Tag>> {
  std::size_t operator()(const gangway::strong_uuid<Tag>& id) const noexcept {
    // The last eight bytes of a version 7 id are random already.
    std::size_t result = 0;
    for (std::size_t i = 8; i < 16; ++i)
      result = (result << 8) | id.bytes[i];
    return result;
  }
};
