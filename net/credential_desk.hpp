#pragma once

/// What is given out to let somebody in: tickets to back ends, and tokens to the demo page. Who may ask has been
/// checked.

#include <string_view>

#include "net/auth/jwt.hpp"
#include "net/auth/tickets.hpp"
#include "net/http_message.hpp"

namespace gangway {

/// Answers a POST of `{"user_id":…,"tier":…}` with a ticket for that user: `{"result":{"ticket","expires_in_ms"}}`.
http_answer issue_ticket(const http_request& request, ticket_office& office);

/// Answers a POST of `{"user":…,"tier":…}` with a token for that user, good for half a day: `{"token":…}`.
http_answer make_demo_token(const http_request& request, std::string_view secret, const token_rules& rules);

} // namespace gangway
