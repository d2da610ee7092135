#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/address.hpp>
#include <boost/asio/steady_timer.hpp>

#include "net/token_bucket.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// How somebody came who has not signed in yet, or only now.
struct arrival {
  boost::asio::ip::address client;
  std::string_view shown; ///< where the token was: a literal such as "header"
  bool tls = false;
};

/// One loop's record of who signed in, in the log: a line for each, but no more a second than a disk takes, and a line
/// a second with how many were left out. Not thread-safe.
class sign_in_log {
public:
  static constexpr std::uint32_t lines_max = 50; ///< a second

  explicit sign_in_log(boost::asio::io_context& loop) : next_{loop} {}

  void add(const connection_id& id, const user_id& user, std::string_view tier, bool simulation, const arrival& how);

  /// Says how many were left out, if any were.
  void flush();

private:
  void leave_out();

  token_bucket lines_{lines_max, 1};
  boost::asio::steady_timer next_;
  std::uint64_t left_out_ = 0;
};

} // namespace gangway
