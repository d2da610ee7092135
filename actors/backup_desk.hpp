#pragma once

/// Where the inspector has copies of the database made, and fetched piece by piece.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gangway {

enum class backup_phase : std::uint8_t { copying, ready, failed };

/// A copy of the database.
struct backup_report {
  std::string id;
  backup_phase phase = backup_phase::copying;
  std::uint64_t bytes = 0; ///< of the copy, once it is ready
  std::uint64_t checksum = 0;
  std::string reason = {}; ///< why it failed
};

/// How much of a copy is fetched at once.
inline constexpr std::uint64_t backup_piece_bytes = 1024 * 1024;

/// Makes one copy at a time, on a thread of its own. None of its functions waits for that.
class backup_desk {
public:
  virtual ~backup_desk() = default;

  /// Begins a copy of the database as it is now; nothing if another one is made or fetched.
  virtual std::optional<backup_report> begin() = 0;

  /// Returns how it is with a copy, or nothing if it is not known.
  virtual std::optional<backup_report> find(std::string_view id) = 0;

  /// Returns the bytes of a copy that is ready from there on, `backup_piece_bytes` at most.
  virtual std::optional<std::string> read(std::string_view id, std::uint64_t offset) = 0;

  /// Removes a copy. Returns whether there was one.
  virtual bool remove(std::string_view id) = 0;
};

} // namespace gangway
