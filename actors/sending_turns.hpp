#pragma once

/// What somebody wants to send one connection that is too large to go out unasked: it waits here for its turns.

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "protocol/session_link.hpp"

namespace gangway {

/// A turn that was asked for. It ends with its last copy, which is why whoever sends keeps one until it has sent.
class sending_turn {
public:
  sending_turn(session_link link, turn_request wish) : link_{std::move(link)}, wish_{std::move(wish)} {
    link_.ask_turn(wish_);
  }

  sending_turn(const sending_turn&) = delete;
  sending_turn& operator=(const sending_turn&) = delete;

  ~sending_turn() { link_.end_turn(std::move(wish_.whom), wish_.number); }

  std::uint64_t number() const noexcept { return wish_.number; }

private:
  session_link link_;
  turn_request wish_;
};

/// One connection's wishes of one actor, the oldest first. One at a time is made known to the session, so that whoever
/// wants much does not come before others who want little.
class sending_turns {
public:
  using work = std::function<void(const std::shared_ptr<sending_turn>&)>;

  void want(const session_link& link, turn_request wish, work what) {
    wishes_.push_back({std::move(wish), std::move(what), nullptr});
    if (wishes_.size() == 1) ask(link);
  }

  /// Returns what may be done now, and the turn to do it in, if that turn is still wanted.
  std::pair<work, std::shared_ptr<sending_turn>> take(const session_link& link, std::uint64_t number) {
    if (wishes_.empty() || wishes_.front().asked->number() != number) return {};
    auto next = std::move(wishes_.front());
    wishes_.erase(wishes_.begin());
    if (!wishes_.empty()) ask(link);
    return {std::move(next.what), std::move(next.asked)};
  }

  bool empty() const noexcept { return wishes_.empty(); }

private:
  struct wished {
    turn_request wish;
    work what;
    std::shared_ptr<sending_turn> asked;
  };

  void ask(const session_link& link) {
    auto& first = wishes_.front();
    first.asked = std::make_shared<sending_turn>(link, first.wish);
  }

  std::vector<wished> wishes_;
};

} // namespace gangway
