#pragma once

/// Extensions of the WebSocket protocol as clients offer them, and what is made of an offer of permessage-deflate.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gangway {

/// One element of `Sec-WebSocket-Extensions`.
struct offered_extension {
  std::string name;
  std::vector<std::pair<std::string, std::optional<std::string>>> parameters; ///< values without quotes

  friend bool operator==(const offered_extension&, const offered_extension&) = default;
};

/// Reads a list of extensions (RFC 6455, 9.1), or of subprotocols, which are extensions without parameters (4.1).
/// Nothing if it is no such list. An empty one is: proxies blank what they do not know.
std::optional<std::vector<offered_extension>> parse_extensions(std::string_view text);

/// What is agreed on with a client that offers permessage-deflate (RFC 7692, 7.1), beside that no context is kept.
struct deflate_agreement {
  int server_window_bits = 11;       ///< ours, small: it is memory for every connection
  bool client_limits_itself = false; ///< it may be told how large its own window is

  friend bool operator==(const deflate_agreement&, const deflate_agreement&) = default;
};

/// Returns what the first offer that can be accepted leads to, nothing if there is none. An offer with a parameter that
/// is unknown, comes twice, or has a wrong value is declined.
std::optional<deflate_agreement> choose_deflate(const std::vector<offered_extension>& offers);

/// Returns the offer that asks for exactly this.
std::string to_offer(const deflate_agreement& what);

} // namespace gangway
