#pragma once

/// The way from HTTP to a WebSocket: what a request for one must be like, and what it brings.

#include <optional>
#include <string>
#include <variant>

#include "net/doors.hpp"
#include "net/http_message.hpp"
#include "net/websocket.hpp"
#include "protocol/messages.hpp"

namespace gangway {

/// What somebody shows to be let in (protocol.md, "Authentication"): nothing yet, a token, or a ticket.
struct shown_token {
  std::string text;
  std::string_view where; ///< it was shown: a literal for the log
};
struct shown_ticket {
  std::string text;
};
using credential = std::variant<std::monostate, shown_token, shown_ticket>;

/// A request for a WebSocket that is as it must be.
struct upgrade_request {
  websocket_upgrade websocket;
  gangway::credential credential;
  std::optional<wanted_thread> wanted;
};

/// Returns what the request brings, or the answer that says what is wrong with it: 405, 426, 400, or 403 for a foreign
/// origin. `host` is the one that the client asked for, `said_more` whether bytes came behind the request.
std::variant<upgrade_request, http_answer> judge_upgrade(const http_request& request, const http_query& query,
                                                         std::string_view host, bool said_more,
                                                         const connection_rules& rules);

} // namespace gangway
