#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <unordered_map>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// One loop's TLS handshakes, one after the other: each keeps the loop for as long as a signature takes, which is
/// longer than anything else there. Those that are signed in go first: between two handshakes the loop does what else
/// there is, and for as long as they took together it does nothing but that. Addresses take turns, so that one which
/// begins thousands of handshakes waits for itself. Not thread-safe.
class handshake_turns {
public:
  /// Returns whether it did what was to do; false if nobody needs it any more, which costs nobody a turn.
  using work = std::function<bool()>;

  explicit handshake_turns(boost::asio::io_context& loop);

  /// Does it when the turn of that address comes, never from within this call.
  void ask(const boost::asio::ip::address& client, work what);

  /// Forgets those that wait.
  void stop();

  std::size_t waiting() const noexcept { return waiting_; }

private:
  void arm(steady_time::duration delay);
  void do_next();

  std::unordered_map<std::uint64_t, std::deque<work>> of_address_; // by its hash
  std::deque<std::uint64_t> turns_;                                // the addresses that wait, each once
  std::size_t waiting_ = 0;
  bool armed_ = false;
  std::uint64_t salt_;
  boost::asio::steady_timer pause_;
};

} // namespace gangway
