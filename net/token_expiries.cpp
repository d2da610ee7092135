#include "net/token_expiries.hpp"

#include "net/session.hpp"

namespace gangway {

void token_expiries::set(place& where, session& whom, steady_time when) {
  forget(where);
  where = by_time_.emplace(when, &whom);
  if (*where == by_time_.begin()) arm();
}

void token_expiries::forget(place& where) {
  if (!where) return;
  by_time_.erase(*where);
  where.reset();
  if (by_time_.empty()) timer_.cancel();
}

void token_expiries::arm() {
  timer_.expires_at(by_time_.begin()->first);
  timer_.async_wait([this](const boost::system::error_code& error) {
    if (!error) on_time();
  });
}

// A session that is told forgets its place, or says that it ends later.
void token_expiries::on_time() {
  const auto now = std::chrono::steady_clock::now();
  while (!by_time_.empty() && by_time_.begin()->first <= now)
    by_time_.begin()->second->on_token_expired();
  if (!by_time_.empty()) arm();
}

} // namespace gangway
