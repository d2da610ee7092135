#include "net/auth/jwks_fetch.hpp"

#include <memory>
#include <utility>

namespace gangway {

namespace {

constexpr std::uint64_t body_bytes_max = 256 * 1024;

// Somebody waits at the door meanwhile.
constexpr std::chrono::seconds total_timeout{8};

jwks_source::fetched read(const http_result& what) {
  if (const auto* failure = std::get_if<http_failure>(&what)) return failure->reason;
  const auto& document = std::get<http_document>(what);
  if (document.status != 200) return "its server answered " + std::to_string(document.status);
  return jwks_document{document.body, max_age_of(header_of(document.headers, "Cache-Control"))};
}

} // namespace

jwks_source::fetch fetch_jwks_from(http_client& client, std::string url) {
  http_call call;
  call.url = std::move(url);
  call.headers = {{"Accept", "application/json"}, {"User-Agent", "gangwayd"}};
  call.limits.connect_timeout = call.limits.first_byte_timeout = call.limits.total_timeout = total_timeout;
  call.limits.body_bytes_max = body_bytes_max;
  return [&client, call = std::move(call), running = std::make_shared<http_running>()](auto done) {
    *running = fetch(client, call, [done = std::move(done)](const http_result& what) { done(read(what)); });
  };
}

} // namespace gangway
