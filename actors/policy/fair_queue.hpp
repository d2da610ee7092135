#pragma once

/// Who is served next, when many wait and some of them ask for much.

#include <cstddef>
#include <deque>
#include <map>
#include <utility>

namespace gangway {

/// What waits, by who asked for it. Everybody is served in turn, each in the order in which he asked: however much one
/// asks for, the others wait for one piece of it at most.
template <class Owner, class Item>
class fair_queue {
public:
  bool empty() const noexcept { return turns_.empty(); }

  std::size_t size() const noexcept { return size_; }

  void push(const Owner& owner, Item item) {
    auto& mine = waiting_[owner];
    if (mine.empty()) turns_.push_back(owner);
    mine.push_back(std::move(item));
    ++size_;
  }

  /// Takes the next. @pre not empty
  std::pair<Owner, Item> pop() {
    auto owner = std::move(turns_.front());
    turns_.pop_front();
    const auto found = waiting_.find(owner);
    auto item = std::move(found->second.front());
    found->second.pop_front();
    --size_;
    if (found->second.empty())
      waiting_.erase(found);
    else
      turns_.push_back(owner);
    return {std::move(owner), std::move(item)};
  }

private:
  std::deque<Owner> turns_;
  std::map<Owner, std::deque<Item>> waiting_;
  std::size_t size_ = 0;
};

} // namespace gangway
