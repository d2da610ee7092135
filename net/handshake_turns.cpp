#include "net/handshake_turns.hpp"

#include <utility>

#include "net/address_hash.hpp"

namespace gangway {

handshake_turns::handshake_turns(boost::asio::io_context& loop) : salt_{make_salt()}, pause_{loop} {}

void handshake_turns::ask(const boost::asio::ip::address& client, work what) {
  const auto address = hash_of(client, salt_);
  auto& line = of_address_[address];
  if (line.empty()) turns_.push_back(address);
  line.push_back(std::move(what));
  ++waiting_;
  if (!armed_) arm(steady_time::duration::zero());
}

void handshake_turns::stop() {
  pause_.cancel();
  of_address_.clear();
  turns_.clear();
  waiting_ = 0;
}

void handshake_turns::arm(steady_time::duration delay) {
  armed_ = true;
  pause_.expires_after(delay);
  pause_.async_wait([this](const boost::system::error_code& error) {
    if (!error) do_next();
  });
}

void handshake_turns::do_next() {
  const auto begun = std::chrono::steady_clock::now();
  bool is_done = false;
  while (!is_done && !turns_.empty()) {
    const auto address = turns_.front();
    turns_.pop_front();
    const auto line = of_address_.find(address);
    const auto next = std::move(line->second.front());
    line->second.pop_front();
    if (line->second.empty())
      of_address_.erase(line);
    else
      turns_.push_back(address);
    --waiting_;
    is_done = next();
  }
  // What it took is what the others get now.
  armed_ = false;
  if (!turns_.empty()) arm(std::chrono::steady_clock::now() - begun);
}

} // namespace gangway
