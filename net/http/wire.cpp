#include "net/http/wire.hpp"

#include <cerrno>
#include <new>
#include <stdexcept>
#include <utility>

#include <sys/socket.h>

#include <boost/asio/buffer.hpp>
#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>
#include <boost/asio/ssl/error.hpp>
#include <boost/asio/ssl/stream.hpp>
#include <openssl/ssl.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>

namespace gangway {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;

// HTTP/1.1 is all that we speak; a server that prefers HTTP/2 is told so (RFC 7301).
constexpr unsigned char protocols[] = "\x08http/1.1";

} // namespace

struct http_wire::secure_stream {
  asio::ssl::stream<tcp::socket&> stream;
};

http_wire::http_wire(asio::io_context& context, asio::ssl::context* tls, const std::string& host) : socket_{context} {
  if (tls == nullptr) return;
  secure_ = std::make_unique<secure_stream>(secure_stream{{socket_, *tls}});
  auto* const ssl = secure_->stream.native_handle();
  socket_error error;
  asio::ip::make_address(host, error);
  if (!error) {
    if (::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl), host.c_str()) != 1) throw std::bad_alloc{};
    return;
  }
  // The dot that makes a name absolute stands in no certificate.
  const auto name = host.substr(0, host.size() - (host.ends_with('.') ? 1 : 0));
  ::SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
  if (::SSL_set1_host(ssl, name.c_str()) != 1 || SSL_set_tlsext_host_name(ssl, name.c_str()) != 1)
    throw std::bad_alloc{};
}

http_wire::~http_wire() = default;

void http_wire::connect(const tcp::endpoint& where, on_done done) {
  on_done_ = std::move(done);
  socket_.async_connect(where, [self = shared_from_this()](socket_error error) {
    socket_error ignored;
    if (!error) self->socket_.set_option(tcp::no_delay{true}, ignored);
    if (auto done = std::exchange(self->on_done_, nullptr)) done(error);
  });
}

void http_wire::shake_hands(on_done done) {
  on_done_ = std::move(done);
  auto finish = [self = shared_from_this()](socket_error error) {
    if (auto done = std::exchange(self->on_done_, nullptr)) done(error);
  };
  if (secure_)
    secure_->stream.async_handshake(asio::ssl::stream_base::client, std::move(finish));
  else
    asio::post(socket_.get_executor(), [finish = std::move(finish)] { finish({}); });
}

std::string http_wire::certificate_fault() const {
  const auto verdict = secure_ ? ::SSL_get_verify_result(secure_->stream.native_handle()) : X509_V_OK;
  return verdict == X509_V_OK ? std::string{} : ::X509_verify_cert_error_string(verdict);
}

void http_wire::read(on_bytes done) {
  on_bytes_ = std::move(done);
  if (std::exchange(is_reading_, true)) return;
  auto finish = [self = shared_from_this()](socket_error error, std::size_t size) { self->on_read(error, size); };
  if (secure_)
    secure_->stream.async_read_some(asio::buffer(in_), std::move(finish));
  else
    socket_.async_read_some(asio::buffer(in_), std::move(finish));
}

void http_wire::on_read(socket_error error, std::size_t size) {
  // Another read into the same memory begins when the callback asks for it, and by then it has used these bytes.
  is_reading_ = false;
  if (auto done = std::exchange(on_bytes_, nullptr)) done(error, {in_.data(), size});
}

void http_wire::write(const std::shared_ptr<const std::string>& text, std::size_t from, on_sent done) {
  on_sent_ = std::move(done);
  auto finish = [self = shared_from_this(), text](socket_error error, std::size_t size) {
    if (auto done = std::exchange(self->on_sent_, nullptr)) done(error, size);
  };
  const auto buffer = asio::buffer(text->data() + from, text->size() - from);
  if (secure_)
    secure_->stream.async_write_some(buffer, std::move(finish));
  else
    socket_.async_write_some(buffer, std::move(finish));
}

bool http_wire::is_quiet() {
  char byte = 0;
  return ::recv(socket_.native_handle(), &byte, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
}

void http_wire::close() {
  // What they hold may hold this wire.
  const auto keep = shared_from_this();
  on_done_ = nullptr;
  on_bytes_ = nullptr;
  on_sent_ = nullptr;
  socket_error ignored;
  socket_.close(ignored);
}

asio::ssl::context make_tls_context(const std::string& ca_file) {
  asio::ssl::context result{asio::ssl::context::tls_client};
  ::SSL_CTX_set_min_proto_version(result.native_handle(), TLS1_2_VERSION);
  ::SSL_CTX_set_options(result.native_handle(), SSL_OP_NO_RENEGOTIATION);
  ::SSL_CTX_set_alpn_protos(result.native_handle(), protocols, sizeof protocols - 1);
  result.set_verify_mode(asio::ssl::verify_peer);
  boost::system::error_code error;
  if (ca_file.empty())
    result.set_default_verify_paths(error);
  else
    result.load_verify_file(ca_file, error);
  if (error)
    throw std::runtime_error{"no certificates to trust can be read from " + (ca_file.empty() ? "the system" : ca_file)
                             + ": " + error.message()};
  return result;
}

bool is_truncation(const boost::system::error_code& error) { return error == asio::ssl::error::stream_truncated; }

bool is_tls_error(const boost::system::error_code& error) {
  return error.category() == asio::error::get_ssl_category()
         || error.category() == asio::ssl::error::get_stream_category();
}

} // namespace gangway
