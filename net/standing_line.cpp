#include "net/standing_line.hpp"

namespace gangway {

void standing_line::place::give_back() noexcept {
  auto* from = std::exchange(line_, nullptr);
  if (from == nullptr) return;
  const auto count = from->of_address_.find(at_->address);
  if (--count->second == 0) from->of_address_.erase(count);
  from->line_.erase(at_);
}

standing_line::place standing_line::join(std::uint64_t address, std::function<void()> give_way) {
  if (line_.size() >= most_) shorten();
  ++of_address_[address];
  return {*this, line_.insert(line_.end(), {address, std::move(give_way)})};
}

bool standing_line::shorten() {
  if (line_.empty()) return false;
  auto chosen = line_.begin();
  auto most = of_address_.at(chosen->address);
  auto one = line_.begin();
  for (std::size_t i = 0; i < looked_at && one != line_.end(); ++i, ++one)
    if (const auto count = of_address_.at(one->address); count > most) {
      chosen = one;
      most = count;
    }
  // It is gone behind this call.
  const auto give_way = std::move(chosen->give_way);
  give_way();
  return true;
}

} // namespace gangway
