#pragma once

#include <chrono>
#include <map>
#include <optional>

#include <boost/asio/io_context.hpp>
#include <boost/asio/steady_timer.hpp>

#include "protocol/vocabulary.hpp"

namespace gangway {

class session;

/// One loop's sessions by when they end with their tokens: one timer for all of them, since a connection that is idle
/// runs none of its own. Not thread-safe.
class token_expiries {
public:
  /// Where a session stands; nothing while it is not known here. The session's to keep, and to `forget` before its end.
  using place = std::optional<std::multimap<steady_time, session*>::iterator>;

  explicit token_expiries(boost::asio::io_context& loop) : timer_{loop} {}

  /// Ends `whom` at `when`, and not at the time that was said before.
  void set(place& where, session& whom, steady_time when);

  /// Forgets a session, if it is known.
  void forget(place& where);

private:
  void arm();
  void on_time();

  std::multimap<steady_time, session*> by_time_;
  boost::asio::steady_timer timer_;
};

} // namespace gangway
