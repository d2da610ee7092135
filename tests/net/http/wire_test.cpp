#include "net/http/wire.hpp"

#define CAF_SUITE http_wire
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include <atomic>
#include <future>
#include <stdexcept>

#include <fcntl.h>
#include <signal.h> // NOLINT: kill is POSIX's
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tests/net/http/caller.hpp"
#include "tests/net/http/certificates.hpp"
#include "tests/net/http/odd_server.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;

namespace {

const authority& ours() {
  static const authority result;
  return result;
}

http_client_options trusting_ours() { return {.ca_file = ours().file.path()}; }

// A server that counts the requests that it has read.
struct counting_server {
  explicit counting_server(const tls_identity& identity)
      : server{[this](odd_peer& peer) {
                 while (!peer.read_request().empty()) {
                   ++requests;
                   peer.send(ok("secret"));
                 }
               },
               identity} {}

  std::atomic<int> requests{0};
  odd_server server;
};

// What becomes of a call to a server of that certificate, by that host; it must not have been told the request.
std::string refusal_of(const tls_identity& identity, const std::string& host = "localhost",
                       const http_client_options& options = trusting_ours()) {
  counting_server there{identity};
  auto result = caller{options}.get(there.server.url("/", host));
  if (there.requests > 0) result += " (and yet it was asked)";
  return result.starts_with("tls: ") ? result.substr(result.rfind(": ") + 2) : result;
}

// OpenSSL's own server, as its command line starts it.
class openssl_server {
public:
  explicit openssl_server(const tls_identity& identity) : certificate_{identity.certificate}, key_{identity.key} {
    int out[2];
    if (::pipe2(out, O_CLOEXEC) != 0) throw std::runtime_error{"no pipe"};
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, out[1], STDOUT_FILENO);
    ::posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    const char* arguments[] = {
        "openssl", "s_server",          "-accept", "127.0.0.1:0", "-www", "-cert", certificate_.path().c_str(),
        "-key",    key_.path().c_str(), nullptr};
    const auto failed = ::posix_spawnp(&process_, "openssl", &actions, nullptr, const_cast<char**>(arguments), environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(out[1]);
    // It says "ACCEPT 127.0.0.1:PORT" when it listens.
    std::string said;
    char byte = 0;
    while (failed == 0 && said.find("ACCEPT ") == said.npos && ::read(out[0], &byte, 1) == 1)
      said = byte == '\n' ? "" : said + byte;
    said.clear();
    while (failed == 0 && ::read(out[0], &byte, 1) == 1 && byte != '\n')
      said += byte;
    ::close(out[0]);
    address = said;
  }

  ~openssl_server() {
    if (process_ <= 0) return;
    ::kill(process_, SIGKILL);
    ::waitpid(process_, nullptr, 0);
  }

  std::string address;

private:
  temporary_file certificate_;
  temporary_file key_;
  pid_t process_ = 0;
};

} // namespace

CAF_TEST(a_server_whose_certificate_is_good_is_asked) {
  counting_server there{ours().issue("DNS:localhost,DNS:*.localhost,IP:127.0.0.1")};
  caller who{trusting_ours()};
  CAF_CHECK_EQUAL(who.get(there.server.url("/", "localhost")), "200 secret");
  CAF_CHECK_EQUAL(who.get(there.server.url("/", "LocalHost")), "200 secret");
  CAF_CHECK_EQUAL(who.post(there.server.url("/", "localhost"), "body"), "200 secret");
  CAF_CHECK_EQUAL(there.server.connections(), 1u);
  CAF_CHECK_EQUAL(who.get(there.server.url("/", "127.0.0.1")), "200 secret");
  CAF_CHECK_EQUAL(there.server.connections(), 2u);
  CAF_CHECK_EQUAL(there.requests, 4);
}

CAF_TEST(openssls_own_server_is_understood) {
  openssl_server there{ours().issue("IP:127.0.0.1")};
  CAF_REQUIRE(there.address.starts_with("127.0.0.1:"));
  const auto page = caller{trusting_ours()}.get("https://" + there.address + '/');
  CAF_CHECK(page.starts_with("200 <HTML>"));
  CAF_CHECK(page.find("TLSv1.3") != page.npos);
}

CAF_TEST(a_certificate_for_another_host_is_refused) {
  for (const auto* names : {"DNS:example.com", "DNS:local", "DNS:*", "DNS:*.localhost", "DNS:l*", "IP:127.0.0.1",
                            "email:localhost", "URI:https://localhost/"})
    CAF_CHECK_EQUAL(refusal_of(ours().issue(names)), "hostname mismatch");
  for (const auto* names : {"DNS:localhost", "DNS:127.0.0.1", "IP:127.0.0.2"})
    CAF_CHECK_EQUAL(refusal_of(ours().issue(names), "127.0.0.1"), "IP address mismatch");
}

CAF_TEST(a_certificate_at_another_time_is_refused) {
  CAF_CHECK_EQUAL(refusal_of(ours().issue("DNS:localhost", -48h, -1h)), "certificate has expired");
  CAF_CHECK_EQUAL(refusal_of(ours().issue("DNS:localhost", 1h, 48h)), "certificate is not yet valid");
}

CAF_TEST(a_certificate_that_nobody_trusted_has_signed_is_refused) {
  CAF_CHECK_EQUAL(refusal_of(self_signed("DNS:localhost")), "self-signed certificate");
  const authority other;
  CAF_CHECK_EQUAL(refusal_of(other.issue("DNS:localhost")), "unable to get local issuer certificate");
  // The system does not know the test's authority.
  CAF_CHECK_EQUAL(refusal_of(ours().issue("DNS:localhost"), "localhost", {}), "unable to get local issuer certificate");
}

CAF_TEST(old_tls_is_refused) {
  auto identity = ours().issue("DNS:localhost");
  identity.is_old = true;
  const auto result = refusal_of(identity);
  CAF_MESSAGE(result);
  CAF_CHECK(result.find("protocol version") != result.npos || result.find("unsupported protocol") != result.npos);
}

CAF_TEST(a_server_is_told_by_which_name_it_is_wanted) {
  odd_server server{[](odd_peer& peer) {
                      if (!peer.read_request().empty()) peer.send(ok('[' + peer.server_name() + ']'));
                    },
                    ours().issue("DNS:localhost,IP:127.0.0.1")};
  caller who{trusting_ours()};
  CAF_CHECK_EQUAL(who.get(server.url("/", "localhost")), "200 [localhost]");
  CAF_CHECK_EQUAL(who.get(server.url("/", "127.0.0.1")), "200 []");
}

// Without a length only TLS's goodbye tells the end of an answer from an end that somebody in between has made.
CAF_TEST(an_answer_that_lasts_until_the_end_needs_tlss_goodbye) {
  for (const bool is_polite : {true, false}) {
    odd_server server{[=](odd_peer& peer) {
                        peer.read_request();
                        peer.send("HTTP/1.1 200 OK\r\n\r\nkeys");
                        if (is_polite) peer.say_goodbye();
                      },
                      ours().issue("DNS:localhost")};
    const auto result = caller{trusting_ours()}.get(server.url("/", "localhost"));
    CAF_CHECK_EQUAL(result.substr(0, 8), is_polite ? "200 keys" : "closed: ");
  }
  odd_server server{answering_once(ok("keys")), ours().issue("DNS:localhost")};
  CAF_CHECK_EQUAL(caller{trusting_ours()}.get(server.url("/", "localhost")), "200 keys");
}

CAF_TEST(a_kept_connection_that_turns_out_closed_is_replaced_under_tls_too) {
  for (const bool is_polite : {true, false}) {
    odd_server server{[=](odd_peer& peer) {
                        peer.read_request();
                        peer.send(ok(std::to_string(peer.number())));
                        peer.read_request();
                        if (is_polite) peer.say_goodbye();
                      },
                      ours().issue("DNS:localhost")};
    caller who{trusting_ours()};
    CAF_CHECK_EQUAL(who.get(server.url("/", "localhost")), "200 0");
    CAF_CHECK_EQUAL(who.get(server.url("/", "localhost")), "200 1");
  }
}

CAF_TEST(large_bodies_go_both_ways_under_tls) {
  odd_server server{[](odd_peer& peer) {
                      const auto request = peer.read_request();
                      peer.send(ok(request.substr(request.find("\r\n\r\n") + 4)));
                      peer.is_hung_up();
                    },
                    ours().issue("DNS:localhost")};
  std::string body;
  for (unsigned i = 0; i < 1'000'000; ++i)
    body += static_cast<char>('a' + i % 26);
  CAF_CHECK(caller{trusting_ours()}.post(server.url("/", "localhost"), body) == "200 " + body);
}

CAF_TEST(who_speaks_no_tls_is_refused_and_who_says_nothing_is_given_up) {
  odd_server talkative{[](odd_peer& peer) { peer.send("HTTP/1.1 400 Bad Request\r\n\r\n"); }};
  const auto refused = caller{}.get("https" + talkative.url().substr(4));
  CAF_CHECK(refused.starts_with("tls: no TLS with 127.0.0.1:"));
  odd_server silent{[](odd_peer& peer) { peer.read_request(); }};
  const auto given_up = caller{}.get("https" + silent.url().substr(4), {.connect_timeout = 200ms});
  CAF_CHECK(given_up.starts_with("timeout: no TLS with 127.0.0.1:"));
}

CAF_TEST(a_call_under_tls_may_be_cancelled_at_any_moment) {
  odd_server server{[](odd_peer& peer) {
                      peer.read_request();
                      peer.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nbo");
                      peer.is_hung_up();
                    },
                    ours().issue("DNS:localhost")};
  caller who{trusting_ours()};
  for (int turns = 0; turns < 40; ++turns) {
    auto log = std::make_shared<witness>();
    const http_call call{.method = "POST", .url = server.url("/", "localhost"), .body = std::string(1'000'000, 'x')};
    auto running = who.send(call, log);
    for (int turn = 0; turn < turns; ++turn)
      who.on_loop([] {});
    who.on_loop([&] { running.cancel(); });
    CAF_CHECK_EQUAL(log.use_count(), 1);
  }
}

CAF_TEST(certificates_to_trust_must_be_there) {
  event_loops loops{1};
  const auto try_with = [&](const std::string& path) {
    try {
      make_http_client(loops.context(0), {.ca_file = path});
      return std::string{"made"};
    } catch (const std::runtime_error& error) {
      return std::string{error.what()};
    }
  };
  const temporary_file nonsense{"nonsense"};
  CAF_CHECK(try_with(nonsense.path() + ".missing").starts_with("no certificates to trust can be read from /"));
  CAF_CHECK(try_with(nonsense.path()).starts_with("no certificates to trust can be read from /"));
  CAF_CHECK_EQUAL(try_with(ours().file.path()), "made");
}
