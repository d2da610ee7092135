#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <unordered_map>
#include <utility>

namespace gangway {

/// One loop's connections that found no seat, in the order in which they came. Each is heard: when the line is full,
/// the next one gets in, and one of the oldest gives way. Not thread-safe.
class standing_line {
  struct entry {
    std::uint64_t address; ///< as a hash
    std::function<void()> give_way;
  };

public:
  /// Of so many of the oldest, the one whose address has the most in the line gives way; of several, the oldest.
  static constexpr std::size_t looked_at = 16;

  /// A place in the line, given back when it goes. Movable.
  class place {
  public:
    place() = default;
    place(place&& other) noexcept : line_{std::exchange(other.line_, nullptr)}, at_{other.at_} {}

    place& operator=(place&& other) noexcept {
      std::swap(line_, other.line_);
      std::swap(at_, other.at_);
      return *this;
    }

    ~place() { give_back(); }

    void give_back() noexcept;

  private:
    friend standing_line;

    place(standing_line& line, std::list<entry>::iterator at) noexcept : line_{&line}, at_{at} {}

    standing_line* line_ = nullptr;
    std::list<entry>::iterator at_;
  };

  /// @pre most > 0
  explicit standing_line(std::size_t most) : most_{most} {}

  /// Takes a place at the end. `give_way` is called when somebody else needs it, and gives it back.
  place join(std::uint64_t address, std::function<void()> give_way);

  /// Makes one of the oldest give way. Returns false if nobody stands.
  bool shorten();

  std::size_t size() const noexcept { return line_.size(); }

private:
  std::size_t most_;
  std::list<entry> line_;
  std::unordered_map<std::uint64_t, std::size_t> of_address_;
};

} // namespace gangway
