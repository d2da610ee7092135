#include "net/auth/base64url.hpp"
#include "net/session.hpp"

#define CAF_SUITE session_tokens
#include <condition_variable>
#include <future>
#include <mutex>
#include <thread>

#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/write.hpp>
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "tests/net/auth/signer.hpp"
#include "tests/net/harbour.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;

namespace {

const std::string simulation_secret = "another secret of at least thirty-two bytes";

harbour_options with(std::function<void(doors&)> change) {
  harbour_options result;
  result.with = std::move(change);
  return result;
}

std::string token_for(const std::string& user, std::chrono::milliseconds left,
                      std::string_view secret = harbour::secret) {
  return make_token({{user}, "pro", {}, utc_now() + left}, secret, {}, utc_now());
}

raw_client::headers bearer(const std::string& token) { return {{"Authorization", "Bearer " + token}}; }

std::string refresh(raw_client& client, const std::string& token) {
  client.send_text(R"({"id":9,"type":"token.refresh","token":")" + token + "\"}");
  return client.read_text();
}

std::chrono::milliseconds since(std::chrono::steady_clock::time_point begin) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(std::chrono::steady_clock::now() - begin);
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != text.npos; }

} // namespace

CAF_TEST(a_connection_ends_after_its_token_and_the_grace) {
  harbour there{with([](doors& rules) { rules.connections.expiry_grace = 300ms; })};
  raw_client client{there.port};
  // A token's times are whole seconds, rounded down.
  const auto begin = std::chrono::steady_clock::now();
  CAF_REQUIRE_EQUAL(client.upgrade(bearer(token_for("ada", 2s))).status, 101);
  client.read_text();
  const auto last = client.read_text();
  CAF_CHECK(has(last, R"("type":"disconnect","code":4005)"));
  CAF_CHECK(has(last, R"("reconnect":true)"));
  CAF_CHECK(client.read_frame().is_close(4005));
  CAF_CHECK(since(begin) >= 1200ms);
  there.heard.next();
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  CAF_CHECK_EQUAL(there.heard.next_end(), "4005 by us");
}

CAF_TEST(a_token_that_is_within_the_leeway_has_the_grace_from_now_on) {
  harbour there{with([](doors& rules) { rules.connections.expiry_grace = 500ms; })};
  raw_client client{there.port};
  const auto begin = std::chrono::steady_clock::now();
  CAF_REQUIRE_EQUAL(client.upgrade(bearer(token_for("ada", -30s))).status, 101);
  client.read_text();
  CAF_CHECK(has(client.read_text(), "4005"));
  CAF_CHECK(since(begin) >= 450ms);
}

CAF_TEST(a_token_that_is_renewed_ends_nothing) {
  harbour there{with([](doors& rules) { rules.connections.expiry_grace = 0ms; })};
  const auto token = token_for("ada", 2s);
  raw_client client{there.port};
  client.upgrade(bearer(token));
  client.read_text();
  raw_client witness{there.port};
  witness.upgrade(bearer(token));
  witness.read_text();
  CAF_CHECK(has(refresh(client, token_for("ada", 1h)), "expires_at"));
  // Another connection with the same token shows when the time has come.
  CAF_CHECK(has(witness.read_text(), "4005"));
  client.send_text(R"({"id":1,"type":"ping"})");
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":1,"result":{}})");
  // And one that ends sooner ends the connection sooner.
  CAF_CHECK(has(refresh(client, token_for("ada", 1s)), "expires_at"));
  CAF_CHECK(has(client.read_text(), "4005"));
}

CAF_TEST(a_renewal_that_is_refused_changes_nothing) {
  harbour there{with([](doors& rules) { rules.connections.expiry_grace = 200ms; })};
  raw_client client{there.port};
  client.upgrade(bearer(token_for("ada", 2s)));
  client.read_text();
  CAF_CHECK(has(refresh(client, token_for("bob", 1h)), "forbidden"));
  CAF_CHECK(has(refresh(client, "garbled"), "unauthenticated"));
  CAF_CHECK(has(client.read_text(), "4005"));
}

CAF_TEST(a_simulation_is_announced_as_one) {
  harbour there{with([](doors& rules) {
    rules.tokens.simulation_keys = std::make_shared<const key_set>(key_set::of_secret(simulation_secret));
  })};
  raw_client played{there.port};
  CAF_REQUIRE_EQUAL(played.upgrade(bearer(token_for("ada", 1h, simulation_secret))).status, 101);
  played.read_text();
  there.heard.next();
  CAF_CHECK(there.heard.last_session().simulation);
  CAF_CHECK(has(refresh(played, token_for("ada", 1h)), "forbidden"));
  CAF_CHECK(has(refresh(played, token_for("ada", 1h, simulation_secret)), "expires_at"));
  raw_client real{there.port};
  real.upgrade(bearer(token_for("bob", 1h)));
  real.read_text();
  there.heard.next();
  CAF_CHECK(!there.heard.last_session().simulation);
  CAF_CHECK(has(refresh(real, token_for("bob", 1h, simulation_secret)), "forbidden"));
  raw_client operator_{there.admin_port};
  const auto order = make_token({{"ada"}, "", {"gangway_admin"}, utc_now() + 1h}, simulation_secret, {}, utc_now());
  CAF_CHECK_EQUAL(operator_.request("GET", "/api/v1/status", bearer(order)).status, 403);
}

CAF_TEST(a_ticket_opens_one_connection) {
  harbour there;
  raw_client back_end{there.admin_port};
  auto headers = bearer(there.token("back end", false, {"gangway_admin"}));
  headers.emplace_back("Content-Type", "application/json");
  const auto issued = back_end.request("POST", "/api/v1/tickets", headers, R"({"user_id":"ada","tier":"pro"})");
  CAF_REQUIRE_EQUAL(issued.status, 200);
  CAF_CHECK(has(issued.body, R"("expires_in_ms":30000)"));
  const auto begin = issued.body.find("\"ticket\":\"") + 10;
  const auto ticket = issued.body.substr(begin, issued.body.find('"', begin) - begin);
  // Of all that show it at the same time, from whatever loop, one gets in.
  std::vector<raw_client> clients;
  for (int i = 0; i < 8; ++i) {
    clients.emplace_back(there.port);
    clients.back().send("GET /ws?ticket=" + ticket
                        + " HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                          "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  }
  int let_in = 0;
  for (auto& client : clients) {
    const auto status = client.read_response().status;
    CAF_CHECK(status == 101 || status == 401);
    if (status == 101) ++let_in;
  }
  CAF_CHECK_EQUAL(there.heard.next(), "opened ada pro");
  CAF_CHECK_EQUAL(let_in, 1);
  for (const auto* wrong : {"", "x", "0.", "7.abc", "0.abc"}) {
    raw_client client{there.port};
    CAF_CHECK_EQUAL(client.upgrade({}, std::string{"/ws?ticket="} + wrong).status, 401);
  }
  for (const auto* body : {"", "7", "{}", R"({"user_id":7})", R"({"user_id":""})", R"({"user_id":"ada","tier":7})"})
    CAF_CHECK_EQUAL(back_end.request("POST", "/api/v1/tickets", headers, body).status, 400);
  CAF_CHECK_EQUAL(back_end.request("GET", "/api/v1/tickets", headers).status, 405);
}

CAF_TEST(a_token_in_the_address_is_looked_at_only_if_that_is_allowed) {
  harbour strict;
  harbour lenient{with([](doors& rules) { rules.connections.insecure_query_token = true; })};
  const auto path = "/ws?access_token=" + strict.token("ada");
  CAF_CHECK_EQUAL(raw_client{strict.port}.upgrade({}, path).status, 400);
  CAF_CHECK_EQUAL(raw_client{lenient.port}.upgrade({}, path).status, 101);
  CAF_CHECK_EQUAL(raw_client{lenient.port}.upgrade({}, path + "x").status, 401);
  CAF_CHECK_EQUAL(raw_client{lenient.port}.upgrade({}, "/ws?token=" + strict.token("ada")).status, 400);
  // The header decides, if there is one.
  CAF_CHECK_EQUAL(raw_client{lenient.port}.upgrade(bearer("garbled"), path).status, 401);
}

CAF_TEST(strangers_have_so_many_seats_and_give_them_back) {
  harbour there{with([](doors& rules) {
    rules.connections.unauthenticated_max = 100;
    rules.connections.unauthenticated_per_address_max = 3;
  })};
  std::vector<raw_client> strangers;
  for (int i = 0; i < 3; ++i) {
    strangers.emplace_back(there.port);
    CAF_REQUIRE_EQUAL(strangers.back().upgrade().status, 101);
  }
  const auto refused = raw_client{there.port}.upgrade();
  CAF_CHECK_EQUAL(refused.status, 503);
  CAF_CHECK(refused.has("Retry-After: 1"));
  CAF_CHECK_EQUAL(raw_client{there.port}.request("GET", "/version").status, 503);
  // They keep nobody out who shows a token at once, nor who looks after the server.
  CAF_CHECK_EQUAL(raw_client{there.port}.upgrade(bearer(there.token("bob"))).status, 101);
  CAF_CHECK_EQUAL(raw_client{there.port}.request("GET", "/health/live").status, 200);
  // Administrators have seats of their own.
  CAF_CHECK_EQUAL(raw_client{there.admin_port}.request("GET", "/nowhere").status, 401);
  // Who says who he is makes room, and so does who goes.
  strangers[0].send_text(R"({"id":1,"type":"connect","token":")" + there.token("ada") + "\"}");
  CAF_CHECK(has(strangers[0].read_text(), "connected"));
  strangers.emplace_back(there.port);
  CAF_CHECK_EQUAL(strangers.back().upgrade().status, 101);
  strangers[1].hang_up();
  int status = 0;
  for (int i = 0; i < 100 && status != 101; ++i) {
    strangers.emplace_back(there.port);
    status = strangers.back().upgrade().status;
  }
  CAF_CHECK_EQUAL(status, 101);
}

CAF_TEST(clients_of_a_trusted_proxy_are_counted_by_their_own_address) {
  harbour there{with([](doors& rules) {
    rules.connections.unauthenticated_per_address_max = 1;
    rules.connections.proxies = trusted_proxies{{"127.0.0.1"}};
  })};
  const auto from = [](const std::string& address) { return raw_client::headers{{"X-Forwarded-For", address}}; };
  raw_client one{there.port};
  CAF_CHECK_EQUAL(one.upgrade(from("192.0.2.1")).status, 101);
  raw_client other{there.port};
  CAF_CHECK_EQUAL(other.upgrade(from("192.0.2.2")).status, 101);
  raw_client again{there.port};
  CAF_CHECK_EQUAL(again.upgrade(from("203.0.113.1, 192.0.2.1")).status, 503);
}

CAF_TEST(a_ticket_is_not_used_up_by_a_server_that_is_full) {
  harbour there{with([](doors& rules) { rules.connections.connections_max = 2; })};
  raw_client first{there.port};
  raw_client second{there.port};
  first.upgrade();
  second.upgrade();
  raw_client back_end{there.admin_port};
  auto headers = bearer(there.token("back end", false, {"gangway_admin"}));
  headers.emplace_back("Content-Type", "application/json");
  const auto issued = back_end.request("POST", "/api/v1/tickets", headers, R"({"user_id":"ada"})");
  const auto begin = issued.body.find("\"ticket\":\"") + 10;
  const auto path = "/ws?ticket=" + issued.body.substr(begin, issued.body.find('"', begin) - begin);
  CAF_CHECK_EQUAL(raw_client{there.port}.upgrade({}, path).status, 503);
  first.hang_up();
  second.hang_up();
  there.heard.next_end();
  there.heard.next_end();
  CAF_CHECK_EQUAL(raw_client{there.port}.upgrade({}, path).status, 101);
}

CAF_TEST(whoever_waits_for_keys_that_do_not_come_is_told_to_come_again) {
  // A key server that accepts and never answers.
  boost::asio::io_context nowhere;
  boost::asio::ip::tcp::acceptor mute{nowhere, {boost::asio::ip::address_v4::loopback(), 0}};
  const auto url = "http://127.0.0.1:" + std::to_string(mute.local_endpoint().port()) + "/keys";
  harbour there{with([&](doors& rules) {
    rules.tokens.keys = nullptr;
    rules.jwks = jwks_place{url, "", {}};
    rules.connections.authentication_timeout = 300ms;
    rules.connections.handshake_timeout = 300ms;
  })};
  const auto token = signer{"ES256"}.token_of(R"({"sub":"ada","exp":4000000000})");
  raw_client by_header{there.port};
  by_header.send("GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nAuthorization: Bearer "
                 + token + "\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
  raw_client by_frame{there.port};
  by_frame.upgrade();
  by_frame.send_text(R"({"id":1,"type":"connect","token":")" + token + "\"}");
  // That takes longer than a request may, and a client without a token may stay.
  const auto answer = by_header.read_response();
  CAF_CHECK_EQUAL(answer.status, 503);
  CAF_CHECK(answer.has("Retry-After: "));
  const auto refusal = by_frame.read_text();
  CAF_CHECK(has(refusal, "overloaded") && has(refusal, "retry_after_ms"));
  CAF_CHECK(has(by_frame.read_text(), R"("code":4029)"));
  CAF_CHECK(by_frame.read_frame().is_close(4029));
}

// Nothing was read for as long as the keys took, and whoever was pinged meanwhile looked dead.
CAF_TEST(a_client_is_heard_while_newer_keys_are_fetched_for_its_new_token) {
  boost::asio::io_context nowhere;
  boost::asio::ip::tcp::acceptor mute{nowhere, {boost::asio::ip::address_v4::loopback(), 0}};
  const auto url = "http://127.0.0.1:" + std::to_string(mute.local_endpoint().port()) + "/keys";
  harbour there{with([&](doors& rules) {
    rules.tokens.keys = nullptr;
    rules.tokens.simulation_keys = std::make_shared<const key_set>(key_set::of_secret(simulation_secret));
    rules.jwks = jwks_place{url, "", {}};
  })};
  const auto token = signer{"ES256"}.token_of(R"({"sub":"ada","exp":4000000000})");
  raw_client client{there.port};
  client.upgrade(bearer(token_for("ada", 1h, simulation_secret)));
  client.read_text();
  there.heard.next();
  client.send_text(R"({"id":1,"type":"token.refresh","token":")" + token + "\"}");
  client.send_text(R"({"id":2,"type":"ping"})");
  CAF_CHECK(has(client.read_text(), R"("id":2)"));
  CAF_CHECK_EQUAL(there.heard.next(), "ping");
  there.heard.last_session().link.ping(7);
  CAF_CHECK_EQUAL(client.read_frame().payload, "7");
  client.send_frame(0x8A, "7");
  CAF_CHECK_EQUAL(there.heard.next(), "pong 7");
  there.heard.next_observation();
  // A second one waits its turn, and so does what comes behind it: that silence is ours.
  client.send_text(R"({"id":3,"type":"token.refresh","token":")" + token + "\"}");
  bool is_reading = true;
  for (std::uint64_t nonce = 8; is_reading && nonce < 10'000; ++nonce) {
    there.heard.last_session().link.ping(nonce);
    is_reading = there.heard.next_observation().reading;
  }
  CAF_CHECK(!is_reading);
}

// Whoever showed a token in time must not be told that he did not, because its key had to be fetched.
CAF_TEST(a_connect_outlasts_the_timeout_while_keys_are_fetched) {
  boost::asio::io_context nowhere;
  boost::asio::ip::tcp::acceptor issuer{nowhere, {boost::asio::ip::address_v4::loopback(), 0}};
  const auto url = "http://127.0.0.1:" + std::to_string(issuer.local_endpoint().port()) + "/keys";
  constexpr auto timeout = 300ms;
  harbour there{with([&](doors& rules) {
    rules.tokens.keys = nullptr;
    rules.jwks = jwks_place{url, "", {}};
    rules.connections.authentication_timeout = timeout;
  })};
  auto asker = issuer.accept();
  const signer known{"ES256"};
  const auto end = std::chrono::floor<std::chrono::seconds>(utc_now() + 1h).time_since_epoch().count();
  raw_client client{there.port};
  client.upgrade();
  client.send_text(R"({"id":1,"type":"connect","token":")"
                   + known.token_of(R"({"sub":"ada","exp":)" + std::to_string(end) + '}', "a") + "\"}");
  // Another connection, which says nothing, shows when the timeout is over.
  raw_client witness{there.port};
  witness.upgrade();
  CAF_CHECK(has(witness.read_text(), "4502"));
  const auto body = key_set_of(known.jwk("a"));
  const auto answer = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                      + std::to_string(body.size()) + "\r\n\r\n" + body;
  boost::asio::write(asker, boost::asio::buffer(answer));
  CAF_CHECK(has(client.read_text(), "connected"));
}

CAF_TEST(a_judgement_that_does_not_come_ends_the_connection_with_503) {
  harbour there;
  // The loop whose tickets these seem to be stands still, until the first has been told so.
  std::promise<void> stands;
  std::promise<void> goes_on;
  there.loops.post(1, [&] {
    stands.set_value();
    goes_on.get_future().wait();
  });
  stands.get_future().wait();
  std::mutex gate;
  std::condition_variable changed;
  std::vector<int> told;
  std::vector<std::thread> clients;
  constexpr int many = 12;
  for (int i = 0; i < many; ++i)
    clients.emplace_back([&] {
      raw_client client{there.port};
      client.send("GET /ws?ticket=1.abc HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                  "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n");
      int status = 0;
      try {
        const auto answer = client.read_response();
        // One answer, and then the end: the next request may be somebody else's.
        if (client.is_hung_up() && (answer.status == 401 || answer.has("Retry-After: "))) status = answer.status;
      } catch (const std::exception&) {
      }
      const std::lock_guard lock{gate};
      told.push_back(status);
      changed.notify_all();
    });
  {
    std::unique_lock lock{gate};
    changed.wait_for(lock, 60s, [&] { return !told.empty(); });
    CAF_CHECK(!told.empty() && told.front() == 503);
  }
  goes_on.set_value();
  for (auto& client : clients)
    client.join();
  CAF_CHECK_EQUAL(told.size(), static_cast<std::size_t>(many));
}

CAF_TEST(garbage_for_a_renewal_is_not_judged_for_ever) {
  harbour there{with([](doors& rules) { rules.connections.bad_frames_max = 3; })};
  raw_client client{there.port};
  client.upgrade(bearer(token_for("ada", 1h)));
  client.read_text();
  for (int i = 0; i < 3; ++i)
    CAF_CHECK(has(refresh(client, "garbage"), "unauthenticated"));
  CAF_CHECK(has(refresh(client, "garbage"), "4003"));
}

CAF_TEST(new_keys_are_in_force_at_once) {
  harbour there;
  const signer next{"ES256"};
  const auto end = std::chrono::floor<std::chrono::seconds>(utc_now() + 1h).time_since_epoch().count();
  const auto token = next.token_of(R"({"sub":"ada","exp":)" + std::to_string(end) + '}');
  CAF_CHECK_EQUAL(raw_client{there.port}.upgrade(bearer(token)).status, 401);
  there.doors_->use_keys(std::make_shared<const key_set>(std::get<key_set>(key_set::of_pem(next.pem()))));
  int status = 0;
  for (int i = 0; i < 100 && status != 101; ++i)
    status = raw_client{there.port}.upgrade(bearer(token)).status;
  CAF_CHECK_EQUAL(status, 101);
}

// Architecture.md said so, and only those with a token at the upgrade did.
CAF_TEST(whoever_signs_in_by_connect_moves_to_the_loop_of_his_user) {
  harbour there;
  const auto somebody_of = [&](std::size_t loop) {
    std::string name = "ada";
    while (home_of({name}, there.loops.size()) != loop)
      name += 'a';
    return name;
  };
  // Connections are dealt out to the loops in turn.
  for (const std::size_t home : {0, 0, 1, 1}) {
    const auto token = there.token(somebody_of(home));
    raw_client client{there.port};
    CAF_REQUIRE_EQUAL(client.upgrade().status, 101);
    client.send_text(R"({"id":1,"type":"connect","token":")" + token + "\"}");
    CAF_CHECK(has(client.read_text(), "connected"));
    std::promise<void> release;
    const auto released = release.get_future().share();
    there.loops.post(1 - home, [released] { released.wait(); });
    CAF_CHECK(has(refresh(client, token), R"("result")"));
    release.set_value();
  }
}

CAF_TEST(a_first_frame_in_pieces_or_with_more_behind_it_is_heard_whole_wherever_its_user_lives) {
  harbour there;
  for (const auto* user : {"ada", "bob", "cleo", "dora", "eve", "fay"}) {
    raw_client client{there.port};
    CAF_REQUIRE_EQUAL(client.upgrade().status, 101);
    const auto frames = raw_client::frame_of(0x81, R"({"id":1,"type":"connect","token":")" + there.token(user) + "\"}")
                        + raw_client::frame_of(0x81, R"({"id":2,"type":"ping"})");
    std::size_t sent = 0;
    for (const auto end : {std::size_t{1}, std::size_t{3}, frames.size() / 2, frames.size()}) {
      client.send(frames.substr(sent, end - sent));
      sent = end;
    }
    CAF_CHECK(has(client.read_text(), "connected"));
    CAF_CHECK(has(client.read_text(), R"("id":2)"));
  }
}
