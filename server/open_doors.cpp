#include "server/open_doors.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/io_context.hpp>

#include "config/configuration.hpp"
#include "config/file_text.hpp"
#include "net/http/client.hpp"
#include "net/http/url.hpp"
#include "server/demo_files.hpp"
#include "server/rules.hpp"

namespace gangway {

namespace {

constexpr std::size_t key_file_bytes_max = 256 * 1024;

token_rules token_rules_of(const settings& values) {
  const auto& auth = values.auth;
  token_rules result;
  if (!auth.issuer.empty()) result.issuer = auth.issuer;
  if (!auth.audience.empty()) result.audience = auth.audience;
  result.leeway = std::chrono::duration_cast<std::chrono::seconds>(auth.leeway);
  result.user_claim = auth.user_claim;
  result.tier_claim = auth.tier_claim;
  result.role_claims = {auth.roles_claim};
  if (auth.roles_claim == "roles") result.role_claims = {"role", "roles"};
  return result;
}

connection_rules connection_rules_of(const settings& values, std::uint32_t connections_max) {
  connection_rules result;
  result.frame_bytes_max = values.client.frame_bytes_max.bytes;
  result.frame_bytes_max_unauthenticated = std::min(result.frame_bytes_max_unauthenticated, result.frame_bytes_max);
  result.queue_bytes_max = values.client.queue_bytes_max.bytes;
  result.bad_frames_max = values.client.bad_frames_max;
  for (std::size_t which = 0; which < tiers; ++which) {
    const auto& own = overrides_of(values, static_cast<tier>(which));
    result.frames[which] = {own.frames_per_second.value_or(values.limits.frames_per_second),
                            own.bytes_per_second.value_or(values.limits.bytes_per_second).bytes};
  }
  result.authentication_timeout = values.auth.timeout;
  result.expiry_grace = values.auth.expiry_grace;
  result.insecure_query_token = values.auth.insecure_query_token;
  result.handshake_timeout = values.client.handshake_timeout;
  result.keep_alive_timeout = values.client.keep_alive_timeout;
  result.pause_max = values.heartbeat.timeout / 2;
  result.stall_max = values.heartbeat.timeout;
  // The kernel gives up a peer when the roll call would.
  result.user_timeout = values.heartbeat.interval + values.heartbeat.timeout;
  result.accept_rate = values.limits.accept_rate;
  result.dials_per_address = values.limits.dials_per_address;
  result.connections_max = connections_max;
  result.reserve_ratio = values.node.enterprise_reserve.value;
  // Strangers leave half of the descriptors to those who are known.
  result.unauthenticated_max = std::min(values.limits.unauthenticated, std::max(connections_max / 2, 1U));
  result.unauthenticated_per_address_max =
      std::min(values.limits.unauthenticated_per_address, result.unauthenticated_max);
  result.origins = values.origins;
  result.proxies = trusted_proxies{values.trusted_proxies};
  if (values.deflate.enabled) result.deflate_threshold = values.deflate.threshold.bytes;
  return result;
}

} // namespace

std::variant<std::shared_ptr<const key_set>, std::string> load_keys(const settings& values) {
  const auto& auth = values.auth;
  if (!auth.jwks_url.empty()) return std::shared_ptr<const key_set>{};
  if (!auth.public_key_file.empty()) {
    const auto file = read_trusted_text(auth.public_key_file, key_file_bytes_max);
    if (const auto* fault = std::get_if<file_fault>(&file)) return "auth.public_key_file " + fault->reason;
    auto keys = key_set::of_pem(std::get<file_text>(file).text);
    if (const auto* reason = std::get_if<std::string>(&keys))
      return "auth.public_key_file " + absolute_path(auth.public_key_file) + ": " + *reason;
    return std::make_shared<const key_set>(std::get<key_set>(std::move(keys)));
  }
  if (auth.secret_file.empty()) return std::make_shared<const key_set>(key_set::of_secret(auth.secret));
  auto read = read_secret_file(auth.secret_file);
  if (const auto* fault = std::get_if<file_fault>(&read)) return "auth.secret_file " + fault->reason;
  auto& secret = std::get<file_text>(read).text;
  if (secret.size() < secret_bytes_min)
    return "auth.secret_file " + absolute_path(auth.secret_file) + ": the secret must have at least 32 bytes";
  return std::make_shared<const key_set>(key_set::of_secret(std::move(secret)));
}

std::variant<tls_context, std::string> load_certificate(const settings& values) {
  if (values.tls.certificate_file.empty()) return tls_context{};
  for (const auto& [option, file] : {std::pair{"tls.certificate_file", values.tls.certificate_file},
                                     std::pair{"tls.key_file", values.tls.key_file}}) {
    // A certificate is nothing without its key.
    const bool is_key = file == values.tls.key_file;
    const auto read = is_key ? read_trusted_text(file, key_file_bytes_max) : read_text(file, key_file_bytes_max);
    if (const auto* fault = std::get_if<file_fault>(&read)) return std::string{option} + ' ' + fault->reason;
  }
  return load_tls_context(values.tls.certificate_file, values.tls.key_file);
}

std::variant<doors, std::string> doors_of(const settings& values, const std::string& development_secret,
                                          std::uint32_t connections_max) {
  doors result;
  auto keys = load_keys(values);
  if (auto* reason = std::get_if<std::string>(&keys)) return std::move(*reason);
  auto certificate = load_certificate(values);
  if (auto* reason = std::get_if<std::string>(&certificate)) return std::move(*reason);
  const auto& auth = values.auth;
  result.tokens = {token_rules_of(values), std::get<std::shared_ptr<const key_set>>(std::move(keys)), nullptr};
  if (!auth.simulation_secret.empty())
    result.tokens.simulation_keys = std::make_shared<const key_set>(key_set::of_secret(auth.simulation_secret));
  if (!auth.jwks_url.empty()) {
    if (!parse_http_url(auth.jwks_url)) return "auth.jwks_url \"" + auth.jwks_url + "\" cannot be read as a URL";
    if (!auth.jwks_ca_file.empty()) {
      const auto read = read_trusted_text(auth.jwks_ca_file, key_file_bytes_max);
      if (const auto* fault = std::get_if<file_fault>(&read)) return "auth.jwks_ca_file " + fault->reason;
    }
    try {
      boost::asio::io_context nowhere;
      make_http_client(nowhere, {.ca_file = auth.jwks_ca_file});
    } catch (const std::runtime_error& error) {
      return "auth.jwks_ca_file: " + std::string{error.what()};
    }
    result.jwks = jwks_place{auth.jwks_url, auth.jwks_ca_file, {auth.jwks_refresh, auth.jwks_retry}};
  }
  result.tokens.wrong_signatures_per_address = values.limits.wrong_signatures_per_address;
  result.tls = std::get<tls_context>(std::move(certificate));
  result.inbound = std::make_shared<inbound_budget>(
      inbound_limits{values.limits.unauthenticated_bytes.bytes, values.limits.inbound_bytes_per_user.bytes});
  result.connections = connection_rules_of(values, connections_max);
  result.http.version = GANGWAY_VERSION;
  result.http.admin_role = values.admin.role;
  result.http.dev = !development_secret.empty();
  if (!result.http.dev) return result;
  result.http.demo_secret = development_secret;
  result.tokens.development_keys = std::make_shared<const key_set>(key_set::of_secret(development_secret));
  for (const auto& file : demo_files())
    result.http.files[std::string{file.path}] = {std::string{file.content_type}, std::string{file.body}};
  return result;
}

} // namespace gangway
