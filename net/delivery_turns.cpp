#include "net/delivery_turns.hpp"

#include <utility>

namespace gangway {

std::optional<turn_request> delivery_turns::next(std::size_t queued, steady_time now) {
  if (waiting_.empty()) return std::nullopt;
  std::erase_if(granted_, [&](const granted_turn& one) { return now - one.since >= patience; });
  std::uint64_t expected = queued;
  for (const auto& one : granted_)
    expected += one.wish.bytes;
  const bool fits = expected + waiting_.front().bytes <= window_ / 2;
  if (!fits && (!granted_.empty() || queued > window_ / 2)) return std::nullopt;
  auto result = std::move(waiting_.front());
  waiting_.erase(waiting_.begin());
  granted_.push_back({result, now});
  return result;
}

void delivery_turns::end(const caf::weak_actor_ptr& whom, std::uint64_t number) {
  const auto is_it = [&](const turn_request& wish) { return wish.number == number && wish.whom == whom; };
  if (std::erase_if(granted_, [&](const granted_turn& one) { return is_it(one.wish); }) == 0)
    std::erase_if(waiting_, is_it);
}

void delivery_turns::answered(std::int64_t request) {
  std::erase_if(granted_, [&](const granted_turn& one) { return one.wish.request == request; });
}

void delivery_turns::clear() {
  waiting_ = {};
  granted_ = {};
}

} // namespace gangway
