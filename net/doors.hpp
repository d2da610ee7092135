#pragma once

/// What net is given by the server's main: the actors to speak to, and what to speak by. net itself knows no actor but
/// by its interface.

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "protocol/actors.hpp"

namespace gangway {

/// What HS256 tokens are checked by.
struct token_rules {
  std::string secret;                  ///< at least 32 bytes
  std::optional<std::string> issuer;   ///< `iss` must be it, if set
  std::optional<std::string> audience; ///< `aud` must contain it, if set
  std::chrono::seconds leeway{60};     ///< for `exp` and `nbf`
};

/// A file that the public listener serves as it is: the demo page's.
struct static_file {
  std::string content_type;
  std::string body;
};

/// Limits and times of connections, from the settings.
struct connection_rules {
  std::size_t frame_bytes_max = 1024 * 1024;
  std::size_t frame_bytes_max_unauthenticated = 64 * 1024;
  std::size_t queue_bytes_max = 1024 * 1024; ///< frames waiting for one socket; beyond it, 4008
  std::uint32_t bad_frames_max = 16;
  std::chrono::milliseconds authentication_timeout{10'000}; ///< from the upgrade to a valid token
  std::chrono::milliseconds handshake_timeout{10'000};      ///< for a whole HTTP request
  std::chrono::milliseconds close_timeout{2'000};           ///< for the closing handshake
  std::chrono::milliseconds pause_max{5'000};               ///< of reading, while the client takes nothing; then 4008
  std::vector<std::string> origins;                         ///< allowed besides the same host
  token_rules tokens;
};

/// What both listeners answer by.
struct http_rules {
  std::string version;                                ///< of the server, for `/version`
  std::string admin_role = "gangway_admin";           ///< what an admin request's token must carry
  std::map<std::string, static_file> files;           ///< by their path, such as "/"
  std::chrono::milliseconds inspector_timeout{2'000}; ///< for the inspector's answer; then 503
  bool dev = false; ///< opens `POST /dev/token`, and the admin listener without a token, to this machine alone
};

/// The actors behind the doors: one directory per event loop, `home_of(user, directories.size())` is the user's.
struct entrances {
  std::vector<directory_actor> directories;
  inspector_actor inspector;
};

/// Everything that net is told, once and for all.
struct doors {
  connection_rules connections;
  http_rules http;
  entrances behind;
};

} // namespace gangway
