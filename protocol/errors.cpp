#include "protocol/errors.hpp"

namespace gangway {

std::string_view to_string(error_code code) noexcept {
  switch (code) {
  case error_code::bad_frame:
    return "bad_frame";
  case error_code::unknown_type:
    return "unknown_type";
  case error_code::bad_request:
    return "bad_request";
  case error_code::not_found:
    return "not_found";
  case error_code::not_open:
    return "not_open";
  case error_code::unauthenticated:
    return "unauthenticated";
  case error_code::token_expired:
    return "token_expired";
  case error_code::forbidden:
    return "forbidden";
  case error_code::manager_limit:
    return "manager_limit";
  case error_code::queue_full:
    return "queue_full";
  case error_code::queue_timeout:
    return "queue_timeout";
  case error_code::busy:
    return "busy";
  case error_code::too_large:
    return "too_large";
  case error_code::rate_limited:
    return "rate_limited";
  case error_code::overloaded:
    return "overloaded";
  case error_code::store_unavailable:
    return "store_unavailable";
  case error_code::agent_unavailable:
    return "agent_unavailable";
  case error_code::draining:
    return "draining";
  case error_code::internal:
    return "internal";
  }
  return "internal";
}

bool is_temporary(error_code code) noexcept {
  switch (code) {
  case error_code::manager_limit:
  case error_code::queue_full:
  case error_code::queue_timeout:
  case error_code::busy:
  case error_code::rate_limited:
  case error_code::overloaded:
  case error_code::store_unavailable:
  case error_code::agent_unavailable:
  case error_code::draining:
    return true;
  // The rest needs another command, another token, or somebody who looks into it.
  default:
    return false;
  }
}

close_reason to_close_reason(const command_error& error) {
  const auto code = [&] {
    switch (error.code) {
    case error_code::manager_limit:
    case error_code::queue_full:
    case error_code::queue_timeout:
      return close_code::manager_limit;
    case error_code::overloaded:
      return close_code::node_overloaded;
    case error_code::rate_limited:
      return close_code::rate_limited;
    case error_code::bad_request:
    case error_code::not_found:
      return close_code::bad_request;
    case error_code::forbidden:
      return close_code::forbidden;
    default:
      return close_code::state_lost;
    }
  }();
  constexpr std::size_t text_max = 123; // RFC 6455, 5.5: a control frame's 125 bytes without the code
  auto text = error.message.substr(0, text_max);
  // Not in the middle of a character.
  while (!is_utf8(text))
    text.pop_back();
  return {code, std::move(text), error.retry_after};
}

std::string to_string(errc code) {
  switch (code) {
  case errc::store_unavailable:
    return "store_unavailable";
  case errc::stale_generation:
    return "stale_generation";
  case errc::sequence_gap:
    return "sequence_gap";
  case errc::unknown_agent:
    return "unknown_agent";
  }
  return "unknown_error";
}

} // namespace gangway
