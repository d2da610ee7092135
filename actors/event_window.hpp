#pragma once

/// The newest frames of a thread, kept while somebody may be a little behind, so that the log need not be read.

#include <cstddef>
#include <vector>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// A contiguous piece of a thread's history, the newest end of it, bounded in number and bytes. Pure data.
class event_window {
public:
  static constexpr std::size_t frames_max = 512;
  static constexpr std::size_t bytes_max = 256 * 1024;

  /// Adds the next event's frame; forgets the oldest ones beyond the bounds.
  /// @pre empty, or `seq` is the newest one's plus one
  void push(sequence seq, frame text);

  /// Returns whether every event after `position` up to the newest is here.
  bool covers(sequence position) const noexcept { return position + 1 >= first_; }

  /// Returns the frame of event `seq`. @pre `covers(seq - 1)` and `seq` is not newer than the newest
  const frame& at(sequence seq) const { return frames_[begin_ + static_cast<std::size_t>(seq - first_)]; }

  /// Forgets the frames up to that of event `seq`.
  void forget(sequence seq);

  /// Forgets everything and gives the memory back; `next` is the event that comes next.
  void reset(sequence next);

  std::size_t size() const noexcept { return frames_.size() - begin_; }
  std::size_t bytes() const noexcept { return bytes_; }

private:
  void forget_first();
  void pack();

  std::vector<frame> frames_; ///< those before `begin_` are forgotten already
  std::size_t begin_ = 0;
  std::size_t bytes_ = 0;
  sequence first_ = 1;
};

} // namespace gangway
