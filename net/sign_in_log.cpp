#include "net/sign_in_log.hpp"

#include <utility>

#include "protocol/log.hpp"

namespace gangway {

void sign_in_log::add(const connection_id& id, const user_id& user, std::string_view tier, bool simulation,
                      const arrival& how) {
  if (!lines_.take(std::chrono::steady_clock::now())) return leave_out();
  log::info("signed in", {{"user", user},
                          {"connection", to_string(id)},
                          {"client", how.client.to_string()},
                          {"transport", how.shown},
                          {"tls", how.tls},
                          {"tier", tier},
                          {"simulation", simulation}});
}

void sign_in_log::leave_out() {
  if (left_out_++ > 0) return;
  next_.expires_after(std::chrono::seconds{1});
  next_.async_wait([this](const boost::system::error_code& error) {
    if (!error) flush();
  });
}

void sign_in_log::flush() {
  if (const auto count = std::exchange(left_out_, 0); count > 0)
    log::info("sign-ins were left out of the log", {{"count", count}});
}

} // namespace gangway
