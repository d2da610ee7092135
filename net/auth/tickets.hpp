#pragma once

#include <chrono>
#include <cstddef>
#include <deque>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// Whom a ticket lets in.
struct ticket_grant {
  user_id user;
  std::string tier;
  friend bool operator==(const ticket_grant&, const ticket_grant&) = default;
};

/// One loop's tickets: each opens one connection, once and soon. A ticket says which loop keeps it, so that of two who
/// show the same one at the same time exactly one gets in, without a lock. Not thread-safe.
class ticket_office {
public:
  static constexpr std::chrono::seconds age_max{30};

  /// The most tickets that wait to be used; whoever asks for more waits for older ones to go.
  static constexpr std::size_t open_max = 100'000;

  explicit ticket_office(std::size_t loop) : loop_{loop} {}

  /// Returns a new ticket, letters that fit into a URL as they are; or nothing if too many are open.
  std::optional<std::string> issue(ticket_grant grant, steady_time now);

  /// Returns what the ticket grants, and grants it no more; nothing if it is unknown here, used or too old.
  std::optional<ticket_grant> redeem(std::string_view ticket, steady_time now);

  /// Makes a ticket good again whose bearer was sent away for want of room: he was told to come again with it. It has
  /// its whole time once more.
  void put_back(std::string ticket, ticket_grant grant, steady_time now);

private:
  struct open_ticket {
    ticket_grant grant;
    steady_time since;
  };

  void forget_old(steady_time now);

  std::size_t loop_;
  std::unordered_map<std::string, open_ticket> open_;
  std::deque<std::pair<steady_time, std::string>> by_age_;
};

/// Returns the loop whose office issued this ticket, if one of `loops` loops did.
std::optional<std::size_t> office_of(std::string_view ticket, std::size_t loops);

} // namespace gangway
