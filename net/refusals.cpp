#include "net/refusals.hpp"

#include <algorithm>

#include "net/auth/token_verifier.hpp"
#include "protocol/log.hpp"

namespace gangway {

http_answer not_found() { return http_error(404, "not_found", "nothing is served at this path"); }

http_answer to_answer(const token_fault& fault) {
  if (fault.kind == token_trouble::unavailable) return overloaded(fault.reason, keys_retry_after);
  auto result =
      http_error(401, fault.kind == token_trouble::expired ? "token_expired" : "unauthenticated", fault.reason);
  result.headers.emplace_back("WWW-Authenticate", "Bearer error=\"invalid_token\"");
  return result;
}

token_fault lacks_role(const std::string& reason, const std::vector<std::string>& roles, const std::string& wanted) {
  constexpr std::size_t shown_max = 8;
  std::string received = roles.empty() ? "no role" : "roles";
  for (std::size_t i = 0; i < std::min(roles.size(), shown_max); ++i)
    received += (i > 0 ? ", " : " ") + quote_for_log(roles[i]);
  if (roles.size() > shown_max) received += " and " + std::to_string(roles.size() - shown_max) + " more";
  return {token_trouble::invalid, reason, received, "role " + quote_for_log(wanted)};
}

http_answer no_seat() {
  return overloaded("too many connections have not shown who they are", std::chrono::seconds{1});
}

http_answer too_fast() {
  return overloaded("more clients come at once than the server lets in", std::chrono::seconds{1});
}

http_answer too_much_held() {
  return overloaded("the server holds too much of what is not whole yet", std::chrono::seconds{1});
}

token_fault bad_ticket() { return {token_trouble::invalid, "the ticket is unknown, used or too old"}; }

} // namespace gangway
