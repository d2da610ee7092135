#pragma once

#include <string>

#include "net/auth/jwks_source.hpp"
#include "net/http/client.hpp"

namespace gangway {

/// Returns how a source fetches its key set from `url`, through a client that must outlive what is returned. Once that
/// is destroyed no fetch is under way.
jwks_source::fetch fetch_jwks_from(http_client& client, std::string url);

} // namespace gangway
