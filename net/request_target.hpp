#pragma once

/// What a request asks for: the target of its first line, taken apart.

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace gangway {

/// A request's query, decoded: names and values as they came.
using http_query = std::vector<std::pair<std::string, std::string>>;

struct request_target {
  std::string path; ///< as it came, undecoded; "*" is the whole server (OPTIONS)
  http_query query;
  std::string authority; ///< host and port, if the target names them; they count instead of the Host header then

  friend bool operator==(const request_target&, const request_target&) = default;
};

/// Reads a path with its query, an absolute address (`http://host/path?query`, which proxies are sent), or `*`
/// (RFC 9112, 3.2). Nothing if it is none of them, or if the path is wrongly encoded.
///
/// Queries are read as browsers and people write them, not as RFC 3986 wants them: `[`, `|` and `{` need not be
/// encoded, and a `%` without two digits is a `%`. A `+` is a `+`, not a blank: of the two it is the one that names are
/// made of, and whoever means a blank can say `%20`.
std::optional<request_target> parse_target(std::string_view text);

} // namespace gangway
