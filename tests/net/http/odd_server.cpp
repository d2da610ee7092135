#include "tests/net/http/odd_server.hpp"

#include <stdexcept>
#include <utility>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h> // NOLINT: pthread_sigmask is POSIX's
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>

namespace gangway::testing {

namespace {

// Longer than anything here takes on a busy machine under a sanitizer.
constexpr timeval patience{30, 0};

template <class Thing, class Read>
Thing* from_pem(const std::string& text, Read read) {
  auto* const source = ::BIO_new_mem_buf(text.data(), static_cast<int>(text.size()));
  auto* const result = read(source, nullptr, nullptr, nullptr);
  ::BIO_free(source);
  return result;
}

SSL_CTX* make_context(const tls_identity& identity) {
  auto* const result = ::SSL_CTX_new(::TLS_server_method());
  auto* const certificate = from_pem<X509>(identity.certificate, ::PEM_read_bio_X509);
  auto* const key = from_pem<EVP_PKEY>(identity.key, ::PEM_read_bio_PrivateKey);
  if (::SSL_CTX_use_certificate(result, certificate) != 1 || ::SSL_CTX_use_PrivateKey(result, key) != 1)
    throw std::runtime_error{"the test's certificate cannot be used"};
  ::X509_free(certificate);
  ::EVP_PKEY_free(key);
  if (identity.is_old) {
    ::SSL_CTX_set_security_level(result, 0);
    ::SSL_CTX_set_max_proto_version(result, TLS1_1_VERSION);
  }
  return result;
}

} // namespace

// -- one connection ------------------------------------------------------------------------------

odd_peer::odd_peer(int descriptor, std::size_t number, ssl_ctx_st* tls) : descriptor_{descriptor}, number_{number} {
  const int yes = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  if (tls == nullptr) return;
  tls_ = ::SSL_new(tls);
  ::SSL_set_fd(tls_, descriptor_);
}

odd_peer::~odd_peer() {
  ::SSL_free(tls_);
  ::close(descriptor_);
}

bool odd_peer::begin() {
  ::ERR_clear_error();
  return tls_ == nullptr || ::SSL_accept(tls_) == 1;
}

std::string odd_peer::server_name() const {
  const auto* const name = ::SSL_get_servername(tls_, TLSEXT_NAMETYPE_host_name);
  return name == nullptr ? "" : name;
}

bool odd_peer::fill() {
  char buffer[16384];
  ::ERR_clear_error();
  const auto size = tls_ == nullptr ? ::recv(descriptor_, buffer, sizeof buffer, 0)
                                    : ::SSL_read(tls_, buffer, static_cast<int>(sizeof buffer));
  if (size <= 0) return false;
  received_.append(buffer, static_cast<std::size_t>(size));
  return true;
}

std::string odd_peer::read_request() {
  std::size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == received_.npos)
    if (!fill()) return {};
  end += 4;
  constexpr std::string_view length = "Content-Length: ";
  if (const auto found = received_.find(length); found < end)
    end += std::stoul(received_.substr(found + length.size()));
  while (received_.size() < end)
    if (!fill()) return {};
  auto result = received_.substr(0, end);
  received_.erase(0, end);
  return result;
}

bool odd_peer::send(std::string_view bytes) {
  while (!bytes.empty()) {
    ::ERR_clear_error();
    const auto sent = tls_ == nullptr ? ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL)
                                      : ::SSL_write(tls_, bytes.data(), static_cast<int>(bytes.size()));
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool odd_peer::is_hung_up() { return received_.empty() && !fill(); }

void odd_peer::say_goodbye() { ::SSL_shutdown(tls_); }

void odd_peer::become_rude() {
  const linger at_once{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
  ::close(std::exchange(descriptor_, -1));
}

void odd_peer::interrupt() { ::shutdown(descriptor_, SHUT_RDWR); }

// -- the server ----------------------------------------------------------------------------------

odd_server::odd_server(script play, const std::optional<tls_identity>& tls) : play_{std::move(play)} {
  if (tls) tls_ = make_context(*tls);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  if (::bind(listener_, reinterpret_cast<const sockaddr*>(&address), size) != 0 || ::listen(listener_, 64) != 0
      || ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
    throw std::runtime_error{"no loopback port to listen on"};
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread{[this] { accept(); }};
}

odd_server::~odd_server() {
  {
    const std::lock_guard guard{gate_};
    is_ending_ = true;
    for (const auto& peer : peers_)
      peer->interrupt();
  }
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  for (auto& player : players_)
    player.join();
  peers_.clear();
  ::close(listener_);
  ::SSL_CTX_free(tls_);
}

std::string odd_server::url(const std::string& path, const std::string& host) const {
  return (tls_ == nullptr ? "http://" : "https://") + host + ':' + std::to_string(port_) + path;
}

void odd_server::accept() {
  for (;;) {
    const auto descriptor = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (descriptor < 0) return;
    const std::lock_guard guard{gate_};
    auto* const peer = peers_.emplace_back(std::make_unique<odd_peer>(descriptor, connections_++, tls_)).get();
    if (is_ending_) return;
    players_.emplace_back([this, peer] {
      // OpenSSL writes to a socket as to a file.
      sigset_t pipe_signal;
      ::sigemptyset(&pipe_signal);
      ::sigaddset(&pipe_signal, SIGPIPE);
      ::pthread_sigmask(SIG_BLOCK, &pipe_signal, nullptr);
      if (peer->begin()) play_(*peer);
      peer->interrupt();
    });
  }
}

odd_server::script answering(std::string answer) {
  return [answer = std::move(answer)](odd_peer& peer) {
    while (!peer.read_request().empty())
      peer.send(answer);
  };
}

odd_server::script answering_once(std::string answer) {
  return [answer = std::move(answer)](odd_peer& peer) {
    if (!peer.read_request().empty()) peer.send(answer);
  };
}

std::string ok(std::string_view body, std::string_view more_headers) {
  std::string result = "HTTP/1.1 200 OK\r\nContent-Length: " + std::to_string(body.size()) + "\r\n";
  return result.append(more_headers).append("\r\n").append(body);
}

} // namespace gangway::testing
