#include "net/tls_context.hpp"

#include <array>
#include <string_view>

#include <boost/asio/ssl/context.hpp>
#include <openssl/err.h>
#include <openssl/ssl.h>

namespace gangway {

namespace {

namespace ssl = boost::asio::ssl;

// For TLS 1.2; what TLS 1.3 has is all good.
constexpr const char* ciphers = "ECDHE+AESGCM:ECDHE+CHACHA20";

// In the form of ALPN (RFC 7301, 3.1): a WebSocket needs HTTP/1.1, and browsers would rather have HTTP/2.
constexpr std::string_view protocols = "\x08http/1.1";

int choose_protocol(SSL*, const unsigned char** chosen, unsigned char* size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  unsigned char* found = nullptr;
  const auto verdict = SSL_select_next_proto(&found, size, reinterpret_cast<const unsigned char*>(protocols.data()),
                                             protocols.size(), offered, offered_size);
  *chosen = found;
  return verdict == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

std::string last_error() {
  std::array<char, 256> text{};
  ERR_error_string_n(ERR_get_error(), text.data(), text.size());
  ERR_clear_error();
  const std::string_view whole{text.data()};
  return std::string{whole.substr(whole.rfind(':') + 1)};
}

} // namespace

std::variant<tls_context, std::string> load_tls_context(const std::string& certificate_file,
                                                        const std::string& key_file) {
  const auto complain = [](std::string_view option, const std::string& file, const std::string& reason) {
    return std::string{option} + " \"" + file + "\" " + reason;
  };
  auto result = std::make_shared<ssl::context>(ssl::context::tls_server);
  auto* native = result->native_handle();
  SSL_CTX_set_min_proto_version(native, TLS1_2_VERSION);
  SSL_CTX_set_cipher_list(native, ciphers);
  SSL_CTX_set_options(native, SSL_OP_NO_COMPRESSION | SSL_OP_NO_RENEGOTIATION | SSL_OP_CIPHER_SERVER_PREFERENCE
                                  | SSL_OP_PRIORITIZE_CHACHA | SSL_OP_NO_TICKET);
  // Sessions are not resumed: their cache would be a lock that all loops share.
  SSL_CTX_set_session_cache_mode(native, SSL_SESS_CACHE_OFF);
  SSL_CTX_set_num_tickets(native, 0);
  // OpenSSL gives its own buffers back between records; Asio's stay.
  SSL_CTX_set_mode(native, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(native, choose_protocol, nullptr);
  // A passphrase cannot be asked for.
  SSL_CTX_set_default_passwd_cb(native, [](char*, int, int, void*) { return 0; });
  ERR_clear_error();
  if (SSL_CTX_use_certificate_chain_file(native, certificate_file.c_str()) != 1)
    return complain("tls.certificate_file", certificate_file, "holds no certificate in PEM (" + last_error() + ')');
  if (SSL_CTX_use_PrivateKey_file(native, key_file.c_str(), SSL_FILETYPE_PEM) != 1)
    return complain("tls.key_file", key_file,
                    "holds no key in PEM that fits the certificate and has no passphrase (" + last_error() + ')');
  if (SSL_CTX_check_private_key(native) != 1)
    return complain("tls.key_file", key_file, "does not fit the certificate (" + last_error() + ')');
  return result;
}

} // namespace gangway
