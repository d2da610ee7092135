#pragma once

#include <memory>
#include <string>
#include <variant>

namespace boost::asio::ssl {
class context;
}

namespace gangway {

/// A certificate with its key, and how TLS is spoken with them. Connections keep the one that they began with.
using tls_context = std::shared_ptr<boost::asio::ssl::context>;

/// Reads a certificate chain and its key, both in PEM, for servers: TLS 1.2 and 1.3, with forward secrecy and
/// authenticated encryption only. Returns what is wrong instead: "tls.key_file \"…\" does not fit the certificate".
std::variant<tls_context, std::string> load_tls_context(const std::string& certificate_file,
                                                        const std::string& key_file);

} // namespace gangway
