#pragma once

/// What the settings mean to the doors: rules, keys and certificates.

#include <memory>
#include <string>
#include <variant>

#include "config/settings.hpp"
#include "net/auth/keys.hpp"
#include "net/doors.hpp"
#include "net/tls_context.hpp"

namespace gangway {

/// Reads the keys that tokens are checked by: null if they are fetched from `auth.jwks_url`. Returns what is wrong
/// instead. Also called while the server runs: a secret that is not in a file stays what it is.
std::variant<std::shared_ptr<const key_set>, std::string> load_keys(const settings& values);

/// Reads the certificate and its key: null if TLS is not wanted. Returns what is wrong instead.
std::variant<tls_context, std::string> load_certificate(const settings& values);

/// Returns what the doors go by, but for who is behind them; or what is wrong with the files that the settings name.
/// With a `development_secret`, of `--dev`, the demo page's tokens are signed with it, and tokens of it are good beside
/// those that the settings name. It is never a secret of theirs.
std::variant<doors, std::string> doors_of(const settings& values, const std::string& development_secret,
                                          std::uint32_t connections_max);

} // namespace gangway
