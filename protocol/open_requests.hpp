#pragma once

/// The requests of one connection that have not been answered.

#include <algorithm>
#include <cstdint>
#include <vector>

namespace gangway {

/// Lets each request be answered once. A client that uses an id again before its answer gets two answers. Pure data.
class open_requests {
public:
  void open(std::int64_t request) { open_.push_back(request); }

  /// Returns whether the request was open; now it no longer is.
  bool settle(std::int64_t request) {
    const auto found = std::find(open_.begin(), open_.end(), request);
    if (found == open_.end()) return false;
    open_.erase(found);
    if (open_.empty() && open_.capacity() > 64) open_.shrink_to_fit();
    return true;
  }

  std::size_t size() const noexcept { return open_.size(); }

private:
  std::vector<std::int64_t> open_; // the oldest, which is mostly answered next, first
};

} // namespace gangway
