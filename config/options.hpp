#pragma once

/// The table of options: each named once, with what it does and what it may be. To add one, add its member to
/// `settings`, its line here, and write `config/gangway.toml` anew (`gangwayd --print-config`).

#include <cstdint>
#include <limits>
#include <string_view>

#include "config/settings.hpp"

namespace gangway {

/// What is known of an option besides its value.
struct option {
  std::string_view key; ///< as in TOML, dotted: "heartbeat.interval"
  std::string_view says;
  std::int64_t least = 0; ///< of a number, of milliseconds, of bytes, of thousandths
  std::int64_t most = std::numeric_limits<std::int64_t>::max();
  std::string_view one_of = {}; ///< the words that a string may be, separated by ", "; any if empty
  bool secret = false;
};

namespace option_bounds {
inline constexpr std::int64_t soon = 10, second = 1'000, minute = 60'000, hour = 3'600'000, day = 24 * hour;
inline constexpr std::int64_t kibibyte = 1'024, mebibyte = 1'024 * kibibyte, tebibyte = 1'024 * 1'024 * mebibyte;
inline constexpr std::int64_t half = 500, whole = 1'000; // of a ratio
inline constexpr std::int64_t per_user_max = 100'000, server_max = 10'000'000;
inline constexpr std::string_view cleanup_levels = "conservative, moderate, aggressive, force";
} // namespace option_bounds

/// The names of one tier's section and options.
struct tier_keys {
  std::string_view section;
  std::string_view managers_per_user;
  std::string_view connections_per_user;
  std::string_view frames_per_second;
  std::string_view bytes_per_second;
  std::string_view max_level;
  std::string_view grace_extra;
  std::string_view grace_duration;
};

/// Shows each option of one tier, as an optional.
template <class Tier, class Visitor>
void visit_tier(const tier_keys& keys, Tier& tier, Visitor&& visit) {
  using namespace option_bounds;
  visit.section(keys.section, "What is different for the users of this tier.");
  visit({.key = keys.managers_per_user, .says = "As limits.managers_per_user.", .least = 1, .most = per_user_max},
        tier.managers_per_user);
  visit({.key = keys.connections_per_user, .says = "As limits.connections_per_user.", .least = 1, .most = per_user_max},
        tier.connections_per_user);
  visit({.key = keys.frames_per_second, .says = "As limits.frames_per_second.", .least = 0, .most = server_max},
        tier.frames_per_second);
  visit({.key = keys.bytes_per_second, .says = "As limits.bytes_per_second.", .least = 0, .most = tebibyte},
        tier.bytes_per_second);
  visit({.key = keys.max_level, .says = "As cleanup.max_level.", .one_of = cleanup_levels}, tier.max_level);
  visit({.key = keys.grace_extra, .says = "As grace.extra.", .least = 0, .most = per_user_max}, tier.grace_extra);
  visit({.key = keys.grace_duration, .says = "As grace.duration.", .least = soon, .most = hour}, tier.grace_duration);
}

/// Shows each option to `visit(option, value)`, and each section before its options to `visit.section(name, says)`, in
/// the order in which they are printed. `Settings` is `settings` or `const settings`. Agents are shown by
/// `visit_agent`.
template <class Settings, class Visitor>
void visit_settings(Settings& values, Visitor&& visit) {
  using namespace option_bounds;

  visit({.key = "listen",
         .says = "Where clients connect: an address and a port, such as \"0.0.0.0:8080\" or \"[::]:8080\"."},
        values.listen);
  visit({.key = "environment",
         .says = "\"auto\" is production on Cloud Run and Kubernetes, development elsewhere.",
         .one_of = "auto, development, staging, production"},
        values.environment);
  visit({.key = "origins",
         .says = "Web origins whose pages may connect, such as \"https://chat.example.com\"; pages of the same "
                 "host and port always may."},
        values.origins);
  visit({.key = "trusted_proxies",
         .says = "Addresses or networks, such as \"10.0.0.0/8\", of proxies whose X-Forwarded-For and -Host are true."},
        values.trusted_proxies);

  visit.section("admin", "The listener for operators: status, metrics and the admin API.");
  visit({.key = "admin.listen", .says = "Address and port for operators. Clients must not be able to reach it."},
        values.admin.listen);
  visit({.key = "admin.role", .says = "The role that a token must carry for every request there."}, values.admin.role);

  visit.section("auth",
                "Who may connect: whoever has a token (JWT) that is signed with auth.secret (HS256), or for which\n"
                "# auth.public_key_file or auth.jwks_url has the key (RS256, ES256, EdDSA). One of the three is set.");
  visit({.key = "auth.secret",
         .says = "What tokens are signed with, at least 32 bytes. Better given by auth.secret_file or the environment.",
         .secret = true},
        values.auth.secret);
  visit({.key = "auth.secret_file",
         .says = "A file that holds the secret, such as a mounted one; nobody but its owner may write it."},
        values.auth.secret_file);
  visit({.key = "auth.public_key_file",
         .says =
             "Public keys or certificates in PEM: RSA, P-256 or Ed25519. Several are all good. SIGHUP reads it again."},
        values.auth.public_key_file);
  visit({.key = "auth.jwks_url", .says = "Where the issuer publishes its keys (JWKS): https, or http on this machine."},
        values.auth.jwks_url);
  visit({.key = "auth.jwks_ca_file",
         .says = "The authorities that are trusted for auth.jwks_url, in PEM; empty: those of the system."},
        values.auth.jwks_ca_file);
  visit({.key = "auth.jwks_refresh",
         .says = "How often the keys are fetched if their server does not say how long they are good.",
         .least = second,
         .most = day},
        values.auth.jwks_refresh);
  visit({.key = "auth.jwks_retry",
         .says = "A token that no key fits has them fetched at once, but not more often than this.",
         .least = 100,
         .most = hour},
        values.auth.jwks_retry);
  visit({.key = "auth.issuer", .says = "If set, a token's `iss` must be this."}, values.auth.issuer);
  visit({.key = "auth.audience", .says = "If set, a token's `aud` must contain this."}, values.auth.audience);
  visit({.key = "auth.user_claim", .says = "The claim that names the user; \"a.b\" is b inside of a."},
        values.auth.user_claim);
  visit({.key = "auth.tier_claim", .says = "The claim that names the user's tier."}, values.auth.tier_claim);
  visit(
      {.key = "auth.roles_claim",
       .says = "The claim that lists the user's roles, as \"scope\" does; with \"roles\" the claim `role` counts too."},
      values.auth.roles_claim);
  visit({.key = "auth.leeway",
         .says = "How far the clock of the token's maker may be off.",
         .least = 0,
         .most = 10 * minute},
        values.auth.leeway);
  visit({.key = "auth.timeout",
         .says = "How long a connection may stay without a valid token (4502).",
         .least = soon,
         .most = hour},
        values.auth.timeout);
  visit({.key = "auth.expiry_grace",
         .says = "How long a connection outlives its token, which it may renew meanwhile (4005).",
         .least = 0,
         .most = day},
        values.auth.expiry_grace);
  visit({.key = "auth.insecure_query_token",
         .says = "Whether ?access_token= is looked at. Addresses are written into logs: use tickets instead."},
        values.auth.insecure_query_token);
  visit({.key = "auth.simulation_secret",
         .says = "A second secret (HS256) for end-to-end tests, whose connections are marked. Not in production.",
         .secret = true},
        values.auth.simulation_secret);

  visit.section("tls", "TLS on both listeners, if both files are set. SIGHUP reads them again; no connection is lost.");
  visit({.key = "tls.certificate_file", .says = "The certificate, then the intermediate certificates, in PEM."},
        values.tls.certificate_file);
  visit({.key = "tls.key_file", .says = "Its private key in PEM, without a passphrase."}, values.tls.key_file);

  visit.section("store", "The durable log of threads and events.");
  visit({.key = "store.path", .says = "The database's file; its folder must exist. Use a local disk."},
        values.store.path);

  visit.section("history", "How much is kept. A client that asks for events that are gone gets a snapshot.");
  visit({.key = "history.run_ttl",
         .says =
             "How long all events of a run are kept after its end. Then message deltas are merged into whole messages.",
         .least = 0,
         .most = 365 * day},
        values.history.run_ttl);
  visit({.key = "history.age_max",
         .says = "How long a run is kept after its end, with its messages; 0s: for ever.",
         .least = 0,
         .most = 10 * 365 * day},
        values.history.age_max);
  visit({.key = "history.thread_bytes_max",
         .says = "The most bytes of events in a thread; beyond it, its oldest runs are deleted. 0: no limit.",
         .least = 0,
         .most = 16 * tebibyte},
        values.history.thread_bytes_max);

  visit.section("limits", "Limits for each user and for the whole server.");
  visit({.key = "limits.managers_per_user",
         .says = "Threads that one user may have open at a time.",
         .least = 1,
         .most = per_user_max},
        values.limits.managers_per_user);
  visit({.key = "limits.connections_per_user",
         .says = "WebSocket connections that one user may have at a time.",
         .least = 1,
         .most = per_user_max},
        values.limits.connections_per_user);
  visit({.key = "limits.connections",
         .says = "WebSocket connections of the whole server; 0: as many as file descriptors allow.",
         .least = 0,
         .most = server_max},
        values.limits.connections);
  visit({.key = "limits.accept_rate",
         .says =
             "New WebSocket connections a second for the whole server; those that come without a token have half of "
             "it. 0: no limit.",
         .least = 0,
         .most = server_max},
        values.limits.accept_rate);
  visit({.key = "limits.frames_per_second",
         .says = "Frames a second from one connection, on average over ten seconds; beyond it rate_limited, then 4013. "
                 "0: no limit.",
         .least = 0,
         .most = server_max},
        values.limits.frames_per_second);
  visit({.key = "limits.bytes_per_second",
         .says = "Bytes a second in these frames, in the same way.",
         .least = 0,
         .most = tebibyte},
        values.limits.bytes_per_second);
  visit({.key = "limits.unauthenticated",
         .says = "Connections that have not shown a valid token, in all; the next one is answered 503.",
         .least = 1,
         .most = server_max},
        values.limits.unauthenticated);
  visit({.key = "limits.unauthenticated_per_address",
         .says = "The same from one address (of IPv6: from one /64). Behind a proxy set trusted_proxies.",
         .least = 1,
         .most = server_max},
        values.limits.unauthenticated_per_address);
  visit({.key = "limits.dials_per_address",
         .says =
             "New TCP connections a second from one address, on average over eight seconds; more are closed at once. "
             "0: no limit.",
         .least = 0,
         .most = server_max},
        values.limits.dials_per_address);
  visit({.key = "limits.wrong_signatures_per_address",
         .says =
             "Tokens with a wrong signature that are checked a second from one address, for each event loop; beyond "
             "it new tokens from there are answered 503. 0: no limit.",
         .least = 0,
         .most = server_max},
        values.limits.wrong_signatures_per_address);
  visit({.key = "limits.unauthenticated_bytes",
         .says =
             "Memory for unfinished requests and frames of all connections that have not shown a valid token, beyond "
             "4 KiB each.",
         .least = mebibyte,
         .most = tebibyte},
        values.limits.unauthenticated_bytes);
  visit({.key = "limits.inbound_bytes_per_user",
         .says = "Memory for unfinished frames of all connections of one user, beyond 4 KiB each; at least twice "
                 "client.frame_bytes_max.",
         .least = mebibyte,
         .most = tebibyte},
        values.limits.inbound_bytes_per_user);

  visit.section("cleanup", "How threads are closed to make room when a user reaches the limit.");
  visit({.key = "cleanup.start_ratio",
         .says = "The share of the limit at which a background cleanup starts: what is inactive or dead is closed.",
         .least = 0,
         .most = whole},
        values.cleanup.start_ratio);
  visit({.key = "cleanup.stop_ratio",
         .says = "The share of the limit at which it stops; less than start_ratio.",
         .least = 0,
         .most = whole},
        values.cleanup.stop_ratio);
  visit({.key = "cleanup.idle_after",
         .says = "A thread is idle when it has no run and has not been used for this long.",
         .least = soon,
         .most = day},
        values.cleanup.idle_after);
  visit({.key = "cleanup.probe_timeout",
         .says = "How long a thread or connection may take to answer a probe; shorter than cleanup.deadline.",
         .least = soon,
         .most = 30 * second},
        values.cleanup.probe_timeout);
  visit({.key = "cleanup.deadline",
         .says = "How long a whole cleanup may take while a client waits for it.",
         .least = soon,
         .most = 30 * second},
        values.cleanup.deadline);
  visit({.key = "cleanup.max_level", .says = "The highest level that a cleanup may use.", .one_of = cleanup_levels},
        values.cleanup.max_level);
  visit(
      {.key = "cleanup.resume_window",
       .says = "How long a thread that was evicted and reopened again and again waits before it may evict another one.",
       .least = soon,
       .most = day},
      values.cleanup.resume_window);

  visit.section("grace", "A grace period: more threads than the limit for a while, when none can be closed.");
  visit({.key = "grace.extra", .says = "How many more threads; 0: no grace period.", .least = 0, .most = per_user_max},
        values.grace.extra);
  visit({.key = "grace.duration", .says = "How long the grace period lasts.", .least = soon, .most = hour},
        values.grace.duration);
  visit({.key = "grace.cooldown",
         .says = "How long it takes until the next grace period may begin.",
         .least = 0,
         .most = day},
        values.grace.cooldown);

  visit.section("queue", "Requests that wait when the limit is reached and there is no grace period.");
  visit({.key = "queue.max",
         .says = "How many requests of one user may wait; 0: no queue.",
         .least = 0,
         .most = per_user_max},
        values.queue.max);
  visit({.key = "queue.timeout", .says = "How long each of them may wait.", .least = soon, .most = hour},
        values.queue.timeout);

  visit.section(
      "tiers",
      "What is different for the users of a tier, which their token names: in [tiers.free], [tiers.pro] and\n"
      "# [tiers.enterprise], managers_per_user, connections_per_user, frames_per_second, "
      "bytes_per_second,\n# max_level, grace_extra and grace_duration.\n# What is not set there is as for everybody.");
  visit_tier({"tiers.free", "tiers.free.managers_per_user", "tiers.free.connections_per_user",
              "tiers.free.frames_per_second", "tiers.free.bytes_per_second", "tiers.free.max_level",
              "tiers.free.grace_extra", "tiers.free.grace_duration"},
             values.tiers.free, visit);
  visit_tier({"tiers.pro", "tiers.pro.managers_per_user", "tiers.pro.connections_per_user",
              "tiers.pro.frames_per_second", "tiers.pro.bytes_per_second", "tiers.pro.max_level",
              "tiers.pro.grace_extra", "tiers.pro.grace_duration"},
             values.tiers.pro, visit);
  visit_tier({"tiers.enterprise", "tiers.enterprise.managers_per_user", "tiers.enterprise.connections_per_user",
              "tiers.enterprise.frames_per_second", "tiers.enterprise.bytes_per_second", "tiers.enterprise.max_level",
              "tiers.enterprise.grace_extra", "tiers.enterprise.grace_duration"},
             values.tiers.enterprise, visit);

  visit.section("node",
                "What the server does when memory, time or connections run short. Lower tiers are cleaned up first.");
  visit({.key = "node.memory_max",
         .says = "The memory it may use; 0: the limit of its cgroup, or all that the machine has.",
         .least = 0,
         .most = 16 * tebibyte},
        values.node.memory_max);
  visit({.key = "node.memory_high",
         .says = "The share of node.memory_max at which the server cleans up and allows no grace period.",
         .least = 0,
         .most = whole},
        values.node.memory_high);
  visit({.key = "node.memory_critical",
         .says = "The share of node.memory_max from which only enterprise users may connect; more than memory_high.",
         .least = 0,
         .most = whole},
        values.node.memory_critical);
  visit({.key = "node.loop_lag_high",
         .says = "A lag of the event loops that counts as memory_high does; five times as much is critical.",
         .least = soon,
         .most = minute},
        values.node.loop_lag_high);
  visit({.key = "node.enterprise_reserve",
         .says = "The share of the server's connections that is reserved for enterprise users.",
         .least = 0,
         .most = half},
        values.node.enterprise_reserve);

  visit.section("manager", "A manager is the live part of an open thread.");
  visit({.key = "manager.linger",
         .says = "How long a thread stays open without a connection and without a run.",
         .least = 0,
         .most = day},
        values.manager.linger);
  visit({.key = "manager.open_timeout",
         .says = "How long a thread may take to open before its place is given to others.",
         .least = soon,
         .most = hour},
        values.manager.open_timeout);
  visit({.key = "manager.retire_timeout",
         .says = "How long a thread's manager may take to end before it is made to.",
         .least = soon,
         .most = hour},
        values.manager.retire_timeout);

  visit.section("run", "The answer of an agent.");
  visit({.key = "run.stall_after",
         .says = "A run without output for this long no longer protects its thread from a cleanup.",
         .least = soon,
         .most = day},
        values.run.stall_after);
  visit({.key = "run.total_max",
         .says = "A run that takes longer than this does not protect its thread either.",
         .least = soon,
         .most = day},
        values.run.total_max);
  visit({.key = "run.detached_max",
         .says = "How long a run goes on while nobody has its thread open; then it is cancelled.",
         .least = soon,
         .most = day},
        values.run.detached_max);

  visit.section("heartbeat", "How dead connections are found.");
  visit({.key = "heartbeat.interval", .says = "How often a connection is pinged.", .least = soon, .most = hour},
        values.heartbeat.interval);
  visit({.key = "heartbeat.timeout",
         .says = "How long its answer may take; shorter than the interval.",
         .least = soon,
         .most = hour},
        values.heartbeat.timeout);

  visit.section("client", "Limits for one connection.");
  visit({.key = "client.queue_bytes_max",
         .says = "Bytes that may wait to be sent on one connection; what it cannot take yet stays in the log.",
         .least = 4 * kibibyte,
         .most = 1'024 * mebibyte},
        values.client.queue_bytes_max);
  visit({.key = "client.frame_bytes_max",
         .says = "The largest frame a client may send; 64KiB at most before it has authenticated.",
         .least = kibibyte,
         .most = 64 * mebibyte},
        values.client.frame_bytes_max);
  visit({.key = "client.bad_frames_max",
         .says = "Frames that cannot be read, before the connection is closed (4003).",
         .least = 1,
         .most = 1'000'000},
        values.client.bad_frames_max);
  visit({.key = "client.handshake_timeout",
         .says = "How long a client may take to send its HTTP request.",
         .least = soon,
         .most = hour},
        values.client.handshake_timeout);
  visit({.key = "client.keep_alive_timeout",
         .says = "How long a connection may wait for its next HTTP request. Longer than a load balancer keeps its own "
                 "open, often 60s.",
         .least = soon,
         .most = hour},
        values.client.keep_alive_timeout);
  visit({.key = "client.reconnect_jitter_max",
         .says = "Clients wait a random time up to this before they reconnect, so that they do not come all at once.",
         .least = 0,
         .most = hour},
        values.client.reconnect_jitter_max);

  visit.section("deflate",
                "Compression of frames (permessage-deflate) for clients that offer it: worth it for long frames over\n"
                "# thin lines; costs processor time, and some 50KiB for each connection that has it.");
  visit({.key = "deflate.enabled", .says = "Whether compression is accepted."}, values.deflate.enabled);
  visit(
      {.key = "deflate.threshold", .says = "Shorter frames are sent uncompressed.", .least = 0, .most = 64 * mebibyte},
      values.deflate.threshold);

  visit.section("loop", "The event loops that carry sockets and actors.");
  visit({.key = "loop.threads", .says = "The number of event loops; 0: one per core.", .least = 0, .most = 256},
        values.loop.threads);
  visit({.key = "loop.stall_max",
         .says = "If a loop does not respond for this long, the process exits, so that its supervisor restarts it.",
         .least = 10 * soon,
         .most = hour},
        values.loop.stall_max);

  visit.section("log", "Lines on standard error.");
  visit({.key = "log.level", .says = "The lowest level that is written.", .one_of = "debug, info, warning, error"},
        values.log.level);
  visit({.key = "log.format",
         .says = "\"auto\" is text on a terminal and one JSON object per line elsewhere.",
         .one_of = "auto, text, json"},
        values.log.format);

  visit.section("shutdown", "An orderly shutdown, at SIGTERM.");
  visit({.key = "shutdown.timeout", .says = "How long the whole shutdown may take.", .least = soon, .most = hour},
        values.shutdown.timeout);
  visit({.key = "shutdown.batch_size",
         .says = "Connections are closed in batches of this size.",
         .least = 1,
         .most = 1'000'000},
        values.shutdown.batch_size);
  visit({.key = "shutdown.batch_interval", .says = "The time from one batch to the next.", .least = 0, .most = hour},
        values.shutdown.batch_interval);
}

/// Shows each option of one `[[agents]]` entry.
template <class Agent, class Visitor>
void visit_agent(Agent& agent, Visitor&& visit) {
  visit({.key = "agents.name", .says = "What clients call it: letters, digits, _ and -, at most 64."}, agent.name);
  visit({.key = "agents.kind",
         .says = "\"builtin\" needs no network; it streams answers and has a calculator, a clock and a search."},
        agent.kind);
}

} // namespace gangway
