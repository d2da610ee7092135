#pragma once

/// What those are answered who are not let in, or not yet.

#include <string>
#include <vector>

#include "net/auth/jwt.hpp"
#include "net/http_message.hpp"

namespace gangway {

http_answer not_found();

/// Returns 401 for a token that is no good, and 503 for one that cannot be judged now.
http_answer to_answer(const token_fault& fault);

/// Returns what the log says of somebody whose token carries these roles, and not the one that is wanted.
token_fault lacks_role(const std::string& reason, const std::vector<std::string>& roles, const std::string& wanted);

/// All of these are 503, with a time to come again.
http_answer no_seat();
http_answer too_fast();
http_answer too_much_held();

token_fault bad_ticket();

} // namespace gangway
