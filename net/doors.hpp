#pragma once

/// What net is given by the server's main: the actors to speak to, and what to speak by. net itself knows no actor but
/// by its interface.

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "net/auth/jwks_source.hpp"
#include "net/auth/token_verifier.hpp"
#include "net/client_address.hpp"
#include "net/frame_budget.hpp"
#include "net/inbound_budget.hpp"
#include "net/tls_context.hpp"
#include "protocol/actors.hpp"

namespace gangway {

/// Where a JSON Web Key Set is fetched from, and how often.
struct jwks_place {
  std::string url;
  std::string ca_file; ///< of the authority that its server's certificate is checked by; empty: the system's
  jwks_rules rules;
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
  std::size_t queue_bytes_max = 1024 * 1024; ///< one socket's delivery window: frames that wait to be sent
  std::uint32_t bad_frames_max = 16;
  std::array<frame_rates, tiers> frames{};                  ///< in the order of `tier`; whoever has none yet is free
  std::chrono::milliseconds authentication_timeout{10'000}; ///< from the upgrade to a valid token
  std::chrono::milliseconds handshake_timeout{10'000};      ///< for a whole HTTP request
  std::chrono::milliseconds keep_alive_timeout{75'000};     ///< from one HTTP request to the next
  std::chrono::milliseconds close_timeout{2'000};           ///< for the closing handshake
  std::chrono::milliseconds pause_max{5'000};               ///< of reading, while the client takes nothing; then 4008
  std::chrono::milliseconds stall_max{10'000};              ///< for which none of what waits may move; then 4008
  std::vector<std::string> origins;                         ///< allowed besides the same host
  trusted_proxies proxies;                                  ///< whose word on their clients counts
  bool insecure_query_token = false;                        ///< `?access_token=` is looked at
  std::chrono::milliseconds expiry_grace{30'000};           ///< from a token's end to its connection's, 4005
  std::optional<std::size_t> deflate_threshold;             ///< permessage-deflate, from this size on; none: never
  std::uint32_t unauthenticated_max = 8192;                 ///< connections without a valid token, in all
  std::uint32_t unauthenticated_per_address_max = 1024;     ///< and from one address
  std::chrono::milliseconds user_timeout{35'000}; ///< for which a peer's kernel may acknowledge nothing of what we sent
  std::uint32_t accept_rate = 0;                  ///< upgrades per second, and as many at once; 0: unlimited
  std::uint32_t dials_per_address = 0;            ///< connections per second; 0: unlimited
  std::uint32_t connections_max = 0;              ///< of the whole node; 0: unlimited
  double reserve_ratio = 0.1;                     ///< the part of `connections_max` that is kept for enterprise
};

/// Whom the node lets in, as its resources stand. The others are answered 503, or 4029 if their tier is only known by
/// their connect frame.
struct node_gate {
  std::array<bool, tiers> open_to_tier{true, true, true}; ///< in the order of `tier`
  std::chrono::milliseconds retry_after{1'000};           ///< that those who are sent away are told
  friend bool operator==(const node_gate&, const node_gate&) = default;
};

/// What both listeners answer by.
struct http_rules {
  std::string version;                                ///< of the server, for `/version`
  std::string admin_role = "gangway_admin";           ///< what an admin request's token must carry
  std::map<std::string, static_file> files;           ///< by their path, such as "/"
  std::chrono::milliseconds inspector_timeout{2'000}; ///< for the inspector's answer; then 503
  std::chrono::milliseconds order_timeout{35'000};    ///< for its answer to a POST: a cleanup takes its time
  std::string demo_secret;                            ///< signs the demo page's tokens; empty: there are none
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
  token_verifier::basis tokens;
  std::optional<jwks_place> jwks;          ///< where the keys of `tokens` come from, if they do
  tls_context tls;                         ///< null: both listeners speak plain TCP
  std::shared_ptr<inbound_budget> inbound; ///< null: one with limits of its own
};

} // namespace gangway
