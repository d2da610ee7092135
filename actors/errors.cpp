#include "actors/errors.hpp"

namespace gangway {

command_error to_command_error(const caf::error& reason) {
  using namespace std::chrono_literals;
  if (reason == errc::store_unavailable)
    return {error_code::store_unavailable, "the store cannot be used right now; nothing was changed", 1000ms, {}};
  if (reason == errc::unknown_agent) return {error_code::not_found, "no agent of that name is configured", {}, {}};
  if (reason == errc::stale_generation || reason == errc::sequence_gap)
    return {error_code::not_open, "the thread was erased, or taken over by a newer manager; open it again", {}, {}};
  return {error_code::internal, "something went wrong inside the server; open the thread again", {}, {}};
}

} // namespace gangway
