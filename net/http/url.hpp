#pragma once

/// Where an outgoing request goes.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace gangway {

/// An `http` or `https` URL, taken apart.
struct http_url {
  bool is_tls = false;
  std::string host; ///< in lower case; of an IPv6 address without its brackets
  std::uint16_t port = 80;
  std::string target; ///< path and query as they were written; "/" if there is none

  friend bool operator==(const http_url&, const http_url&) = default;
};

/// Returns the parts of `text`, or nothing if it is not an absolute URL of http or https with a host. A user and a
/// password in it are refused, because a URL is logged and kept where no secret should be; so is anything escaped in
/// the host. What follows a `#` is dropped, because it is never sent.
std::optional<http_url> parse_http_url(std::string_view text);

/// Returns the value of the Host header: without the port if the scheme implies it.
std::string host_header_of(const http_url& url);

} // namespace gangway
