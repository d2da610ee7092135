#pragma once

/// Every option of gangwayd with its default. `config/options.hpp` names each once, says what it does and what it may
/// be; reading, checking, `--print-config` and `gangway.toml` all come from there.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace gangway {

/// A length of time as people write it: "25s", "1500ms", "5m".
using duration = std::chrono::milliseconds;

/// A number of bytes as people write it: "1MiB", "64KiB", 4096.
struct byte_size {
  std::uint64_t bytes = 0;
  friend bool operator==(const byte_size&, const byte_size&) = default;
};

/// A part of a whole, 0 to 1, as people write it: 0.9.
struct ratio {
  double value = 0;
  friend bool operator==(const ratio&, const ratio&) = default;
};

/// What the users of one tier have instead of what everybody has; what is not set is as for everybody.
struct tier_overrides {
  std::optional<std::uint32_t> managers_per_user;
  std::optional<std::uint32_t> connections_per_user;
  std::optional<std::string> max_level;
  std::optional<std::uint32_t> grace_extra;
  std::optional<duration> grace_duration;
  std::optional<std::uint32_t> frames_per_second;
  std::optional<byte_size> bytes_per_second;
  friend bool operator==(const tier_overrides&, const tier_overrides&) = default;
};

/// What gangwayd runs by. Sections are nested structs; `visit_settings` names each option once.
struct settings {
  std::string listen = "127.0.0.1:8080";
  std::string environment = "auto"; ///< development, staging or production once loaded
  std::vector<std::string> origins;
  std::vector<std::string> trusted_proxies;

  struct {
    std::string listen = "127.0.0.1:8081";
    std::string role = "gangway_admin";
  } admin;

  struct {
    std::string secret;
    std::string secret_file; ///< read into `secret` when the settings are loaded
    std::string public_key_file;
    std::string jwks_url;
    std::string jwks_ca_file;
    duration jwks_refresh{900'000};
    duration jwks_retry{30'000};
    std::string issuer;
    std::string audience;
    std::string user_claim = "sub";
    std::string tier_claim = "tier";
    std::string roles_claim = "roles";
    duration leeway{60'000};
    duration timeout{10'000};
    duration expiry_grace{30'000};
    bool insecure_query_token = false;
    std::string simulation_secret;
  } auth;

  struct {
    std::string certificate_file;
    std::string key_file;
  } tls;

  struct {
    std::string path = "gangway.db";
  } store;

  struct {
    duration run_ttl{3'600'000};
    duration age_max{0};           ///< 0: for ever
    byte_size thread_bytes_max{0}; ///< 0: any
  } history;

  struct {
    std::uint32_t managers_per_user = 20;
    std::uint32_t connections_per_user = 64;
    std::uint32_t connections = 0;           ///< of the whole server; 0: as many as there are file descriptors
    std::uint32_t accept_rate = 0;           ///< a second; 0: as many as come
    std::uint32_t frames_per_second = 1'000; ///< of one connection; 0: as many as come
    byte_size bytes_per_second{4 * 1024 * 1024};
    std::uint32_t unauthenticated = 8'192;
    std::uint32_t unauthenticated_per_address = 1'024;
    std::uint32_t dials_per_address = 1'024;         ///< a second; 0: as many as come
    std::uint32_t wrong_signatures_per_address = 50; ///< a second; 0: as many as come
    byte_size unauthenticated_bytes{64 * 1024 * 1024};
    byte_size inbound_bytes_per_user{16 * 1024 * 1024};
  } limits;

  struct {
    ratio start_ratio{0.9};
    ratio stop_ratio{0.8};
    duration idle_after{300'000};
    duration probe_timeout{1'500};
    duration deadline{2'000};
    std::string max_level = "force";
    duration resume_window{120'000};
  } cleanup;

  struct {
    std::uint32_t extra = 5;
    gangway::duration duration{60'000};
    gangway::duration cooldown{300'000};
  } grace;

  struct {
    std::uint32_t max = 32;
    duration timeout{30'000};
  } queue;

  struct {
    tier_overrides free;
    tier_overrides pro;
    tier_overrides enterprise;
  } tiers;

  struct {
    byte_size memory_max{0}; ///< 0: the cgroup's limit, or the machine's memory
    ratio memory_high{0.8};
    ratio memory_critical{0.9};
    duration loop_lag_high{200};
    ratio enterprise_reserve{0.1};
  } node;

  struct {
    duration linger{60'000};
    duration open_timeout{30'000};
    duration retire_timeout{5'000};
  } manager;

  struct {
    duration stall_after{120'000};
    duration total_max{1'800'000};
    duration detached_max{600'000};
  } run;

  struct {
    duration interval{25'000};
    duration timeout{10'000};
  } heartbeat;

  struct {
    byte_size queue_bytes_max{1024 * 1024};
    byte_size frame_bytes_max{1024 * 1024};
    std::uint32_t bad_frames_max = 16;
    duration handshake_timeout{10'000};
    duration keep_alive_timeout{75'000};
    duration reconnect_jitter_max{2'000};
  } client;

  struct {
    bool enabled = false;
    byte_size threshold{1024};
  } deflate;

  struct {
    std::uint32_t threads = 0; ///< 0: one per core
    duration stall_max{30'000};
  } loop;

  struct {
    std::string level = "info";
    std::string format = "auto"; ///< auto (text on a terminal, else json), text, json
  } log;

  struct {
    duration timeout{30'000};
    std::uint32_t batch_size = 100;
    duration batch_interval{100};
  } shutdown;

  struct agent {
    std::string name = "builtin";
    std::string kind = "builtin";
    friend bool operator==(const agent&, const agent&) = default;
  };
  std::vector<agent> agents{agent{}};
};

} // namespace gangway
