#include "net/http_connection.hpp"

#define CAF_SUITE http_connection
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include <nlohmann/json.hpp>

#include "net/auth/base64url.hpp"
#include "tests/net/harbour.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;

namespace {

harbour_options in_dev() {
  return {.with = [](doors& rules) {
    rules.http.dev = true;
    rules.http.demo_secret = harbour::secret;
    rules.http.files["/"] = {"text/html; charset=utf-8", "<!doctype html>"};
  }};
}

std::string code_of(const http_response& response) {
  const auto body = nlohmann::json::parse(response.body, nullptr, false);
  return body.is_object() && body.contains("error") ? body["error"]["code"].get<std::string>() : response.body;
}

} // namespace

CAF_TEST(one_connection_answers_many_requests) {
  harbour there;
  raw_client client{there.port};
  CAF_CHECK_EQUAL(client.request("GET", "/health/live").body, R"({"status":"alive"})");
  CAF_CHECK_EQUAL(client.request("GET", "/version?x=1").body, R"({"version":"1.2.3"})");
  const auto head = client.request("HEAD", "/version");
  CAF_CHECK_EQUAL(head.status, 200);
  CAF_CHECK(head.has("Content-Length: 19\r\n"));
  const auto missing = client.request("GET", "/nothing");
  CAF_CHECK_EQUAL(missing.status, 404);
  CAF_CHECK_EQUAL(code_of(missing), "not_found");
  const auto wrong = client.request("POST", "/version", {}, "{}");
  CAF_CHECK_EQUAL(wrong.status, 405);
  CAF_CHECK(wrong.has("Allow: GET, HEAD\r\n"));
  // The admin API has its own door, and the demo's are closed.
  CAF_CHECK_EQUAL(client.request("GET", "/api/v1/status").status, 404);
  CAF_CHECK_EQUAL(client.request("POST", "/dev/token", {}, R"({"user":"ada"})").status, 404);
  CAF_CHECK_EQUAL(client.request("GET", "/version", {{"Connection", "close"}}).status, 200);
  CAF_CHECK(client.is_hung_up());
}

CAF_TEST(health_is_the_inspectors_answer) {
  harbour there;
  raw_client client{there.port};
  CAF_CHECK_EQUAL(client.request("GET", "/health").body, R"({"status":"ok"})");
  CAF_CHECK_EQUAL(there.heard.next(), "asked GET /health");
  CAF_CHECK_EQUAL(client.request("HEAD", "/health/ready").status, 200);
  CAF_CHECK_EQUAL(there.heard.next(), "asked GET /health/ready");
}

CAF_TEST(an_inspector_that_does_not_answer_is_503) {
  harbour there{{.is_silent = true, .with = [](doors& rules) { rules.http.inspector_timeout = 50ms; }}};
  raw_client client{there.port};
  const auto answer = client.request("GET", "/health");
  CAF_CHECK_EQUAL(answer.status, 503);
  CAF_CHECK_NOT_EQUAL(answer.body.find("the inspector does not answer"), std::string::npos);
  CAF_CHECK_EQUAL(client.request("GET", "/health/live").status, 200);
}

CAF_TEST(what_is_no_http_is_said_so_and_ends) {
  harbour there;
  for (const auto& [text, status] :
       {std::pair{std::string{"hello\r\n\r\n"}, 400}, std::pair{std::string{"GET / HTTP/3.0\r\n\r\n"}, 400},
        std::pair{std::string{"GET nothing HTTP/1.1\r\nHost: x\r\n\r\n"}, 400},
        std::pair{"GET / HTTP/1.1\r\nX: " + std::string(17'000, 'x') + "\r\n\r\n", 431},
        std::pair{std::string{"POST / HTTP/1.1\r\nContent-Length: 65537\r\n\r\n"}, 413}}) {
    raw_client client{there.port};
    client.send(text);
    CAF_CHECK_EQUAL(client.read_response().status, status);
  }
  raw_client client{there.port};
  CAF_CHECK_EQUAL(client.request("POST", "/nothing", {}, std::string(65'536, 'x')).status, 404);
}

CAF_TEST(half_a_request_is_cut_off_in_time) {
  harbour there{{.with = [](doors& rules) { rules.connections.handshake_timeout = 100ms; }}};
  raw_client silent{there.port};
  raw_client half{there.port};
  half.send("GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: webso");
  CAF_CHECK(half.is_hung_up());
  CAF_CHECK(silent.is_hung_up());
  CAF_CHECK_EQUAL(raw_client{there.port}.request("GET", "/health/live").status, 200);
}

// -- upgrades ------------------------------------------------------------------------------------

CAF_TEST(ws_speaks_websocket_only) {
  harbour there;
  raw_client client{there.port};
  const auto plain = client.request("GET", "/ws");
  CAF_CHECK_EQUAL(plain.status, 426);
  CAF_CHECK(plain.has("Upgrade: websocket\r\n"));
  const auto old = client.request("GET", "/ws",
                                  {{"Connection", "keep-alive, Upgrade"},
                                   {"Upgrade", "WebSocket"},
                                   {"Sec-WebSocket-Version", "8"},
                                   {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}});
  CAF_CHECK_EQUAL(old.status, 426);
  CAF_CHECK(old.has("Sec-WebSocket-Version: 13\r\n"));
  CAF_CHECK_EQUAL(client.request("POST", "/ws", {}, "{}").status, 405);
  const auto keyless = client.request(
      "GET", "/ws", {{"Connection", "Upgrade"}, {"Upgrade", "websocket"}, {"Sec-WebSocket-Version", "13"}});
  CAF_CHECK_EQUAL(keyless.status, 400);
  for (const auto* path : {"/ws?thread_id=no%2Fslash", "/ws?epoch=e&after_seq=1", "/ws?thread_id=t&after_seq=1"})
    CAF_CHECK_EQUAL(client.upgrade(there.bearer("ada"), path).status, 400);
  for (const auto* path : {"/ws?access_token=x", "/ws?thread_id=t&token=x"})
    CAF_CHECK_EQUAL(client.upgrade({}, path).status, 400);
  CAF_CHECK_EQUAL(raw_client{there.port}.upgrade(there.bearer("ada"), "/ws?color=blue").status, 101);
}

CAF_TEST(a_bad_token_is_401_and_quotes_nothing_of_it) {
  harbour there;
  for (const auto& [token, code] :
       {std::pair{there.token("ada", true), "token_expired"},
        std::pair{there.token("ada") + "tampered", "unauthenticated"},
        std::pair{there.token(std::string(300, 'a')), "unauthenticated"},
        std::pair{there.token("a\tb"), "unauthenticated"}, std::pair{std::string{"garbage"}, "unauthenticated"},
        std::pair{std::string{}, "unauthenticated"}}) {
    raw_client client{there.port};
    const auto refused = client.upgrade({{"Authorization", "Bearer " + token}});
    CAF_CHECK_EQUAL(refused.status, 401);
    CAF_CHECK_EQUAL(code_of(refused), code);
    CAF_CHECK(refused.has("WWW-Authenticate: Bearer"));
    if (!token.empty()) CAF_CHECK_EQUAL((refused.head + refused.body).find(token.substr(0, 12)), std::string::npos);
  }
  CAF_CHECK(!there.heard.has_more());
}

CAF_TEST(the_first_token_present_decides) {
  harbour there;
  const auto offer = "base64url.bearer.authorization.gangway." + to_base64url(there.token("ada")) + ", gangway.v1.json";
  CAF_CHECK_EQUAL(
      raw_client{there.port}.upgrade({{"Authorization", "Bearer garbage"}, {"Sec-WebSocket-Protocol", offer}}).status,
      401);
  // Another scheme is for somebody else: a proxy's password.
  CAF_CHECK_EQUAL(
      raw_client{there.port}.upgrade({{"Authorization", "Basic YTpi"}, {"Sec-WebSocket-Protocol", offer}}).status, 101);
  CAF_CHECK_EQUAL(
      raw_client{there.port}
          .upgrade({{"Sec-WebSocket-Protocol", "gangway.v1.json, base64url.bearer.authorization.gangway.A"}})
          .status,
      401);
}

CAF_TEST(an_origin_is_the_same_host_or_listed) {
  harbour there{{.with = [](doors& rules) { rules.connections.origins = {"https://app.example.com"}; }}};
  const auto status = [&](const std::string& origin, const std::string& host) {
    auto headers = there.bearer("ada");
    headers.insert(headers.end(), {{"Origin", origin}, {"Host", host}});
    return raw_client{there.port}.upgrade(headers).status;
  };
  CAF_CHECK_EQUAL(status("http://chat.example.com", "chat.example.com"), 101);
  CAF_CHECK_EQUAL(status("http://Chat.example.com:8080", "chat.example.com:8080"), 101);
  CAF_CHECK_EQUAL(status("https://chat.example.com", "chat.example.com:443"), 101);
  CAF_CHECK_EQUAL(status("https://app.example.com", "chat.example.com"), 101);
  CAF_CHECK_EQUAL(status("http://app.example.com", "chat.example.com"), 403);
  CAF_CHECK_EQUAL(status("http://chat.example.com", "chat.example.com:8080"), 403);
  CAF_CHECK_EQUAL(status("http://chat.example.com.evil.example", "chat.example.com"), 403);
  CAF_CHECK_EQUAL(status("http://127.0.0.1.evil.example", "127.0.0.1"), 403);
  CAF_CHECK_EQUAL(status("http://[::1]:80", "[::1]"), 101);
  CAF_CHECK_EQUAL(status("http://evil.example@127.0.0.1", "127.0.0.1"), 403);
  CAF_CHECK_EQUAL(status("http://127.0.0.1/evil.example", "127.0.0.1"), 403);
  CAF_CHECK_EQUAL(status("file://", "chat.example.com"), 403);
  CAF_CHECK_EQUAL(status("null", "chat.example.com"), 403);
  CAF_CHECK_EQUAL(status("", "chat.example.com"), 403);
}

CAF_TEST(a_client_that_does_not_wait_for_the_upgrade_is_refused) {
  harbour there;
  raw_client client{there.port};
  client.send(
      "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x80\x12\x34\x56\x78");
  CAF_CHECK_EQUAL(client.read_response().status, 400);
}

CAF_TEST(a_body_in_chunks_is_refused_however_it_comes) {
  harbour there;
  raw_client client{there.port};
  client.send("POST /version HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
  CAF_CHECK_EQUAL(client.read_response().status, 411);
  raw_client other{there.port};
  for (const auto* piece :
       {"POST /version HTTP/1.1\r\nHost: x\r\nTransfer-Enco", "ding: chunked\r\n\r", "\n", "0\r\n", "\r"}) {
    other.send(piece);
    std::this_thread::sleep_for(20ms); // tidy: allow (so that the pieces come one by one)
  }
  CAF_CHECK_EQUAL(other.read_response().status, 411);
  // What would not fit any buffer, if it were read.
  for (const auto& rest : {"1;" + std::string(100'000, 'x'), "0\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n"}) {
    raw_client long_winded{there.port};
    long_winded.send("POST /version HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n" + rest);
    CAF_CHECK_EQUAL(long_winded.read_response().status, 411);
  }
  CAF_CHECK_EQUAL(raw_client{there.port}.request("GET", "/version").status, 200);
}

// -- the demo and the admin's door ---------------------------------------------------------------

CAF_TEST(a_page_comes_with_a_strict_policy) {
  harbour there{in_dev()};
  const auto page = raw_client{there.port}.request("GET", "/");
  CAF_CHECK_EQUAL(page.body, "<!doctype html>");
  CAF_CHECK(page.has("Content-Type: text/html; charset=utf-8\r\n"));
  CAF_CHECK(page.has("Content-Security-Policy: default-src 'none'; script-src 'self'; style-src 'self'; "
                     "connect-src 'self'; img-src 'self' data:; base-uri 'none'; form-action 'none'; "
                     "frame-ancestors 'none'\r\n"));
  CAF_CHECK(page.has("X-Content-Type-Options: nosniff\r\n"));
  CAF_CHECK(page.has("Cache-Control: no-cache\r\n"));
}

CAF_TEST(a_demo_token_is_for_this_machines_own_pages) {
  harbour there{in_dev()};
  const auto ask = [&](const raw_client::headers& headers, const std::string& body = R"({"user":"ada"})") {
    return raw_client{there.port}.request("POST", "/dev/token", headers, body);
  };
  const auto given = ask({{"Host", "localhost:8080"}, {"Origin", "http://localhost:8080"}});
  CAF_REQUIRE_EQUAL(given.status, 200);
  const auto token = nlohmann::json::parse(given.body)["token"].get<std::string>();
  CAF_CHECK_EQUAL(raw_client{there.port}.upgrade({{"Authorization", "Bearer " + token}}).status, 101);
  CAF_CHECK_EQUAL(ask({{"Host", "[::1]:8080"}}).status, 200);
  CAF_CHECK_EQUAL(ask({{"Host", "evil.example"}}).status, 403);
  CAF_CHECK_EQUAL(ask({{"Host", ""}}).status, 403);
  CAF_CHECK_EQUAL(ask({{"Host", "127.0.0.1.evil.example"}}).status, 403);
  CAF_CHECK_EQUAL(ask({{"Host", "localhost:8080"}, {"Origin", "http://evil.example"}}).status, 403);
  CAF_CHECK_EQUAL(ask({}, R"({"user":""})").status, 400);
  CAF_CHECK_EQUAL(ask({}, R"({"user":7})").status, 400);
  CAF_CHECK_EQUAL(ask({}, "nonsense").status, 400);
  CAF_CHECK_EQUAL(raw_client{there.port}.request("GET", "/dev/token").status, 405);
}

CAF_TEST(an_administrator_needs_the_role) {
  harbour there;
  const auto ask = [&](const std::string& token, const std::string& path = "/api/v1/status") {
    raw_client::headers headers;
    if (!token.empty()) headers.emplace_back("Authorization", "Bearer " + token);
    return raw_client{there.admin_port}.request("GET", path, headers);
  };
  CAF_CHECK_EQUAL(ask("").status, 401);
  CAF_CHECK_EQUAL(ask("garbage").status, 401);
  CAF_CHECK_EQUAL(ask(there.token("ada")).status, 403);
  CAF_CHECK_EQUAL(ask(there.token("ada", false, {"reader"})).status, 403);
  CAF_CHECK(!there.heard.has_more());
  const auto admin = there.token("ada", false, {"reader", "gangway_admin"});
  CAF_CHECK_EQUAL(ask(admin).status, 200);
  CAF_CHECK_EQUAL(there.heard.next(), "asked GET /api/v1/status");
  CAF_CHECK_EQUAL(ask(admin, "/api/v1/decisions?user=a%20b&limit=5").status, 200);
  CAF_CHECK_EQUAL(there.heard.next(), "asked GET /api/v1/decisions user=a b limit=5");
  CAF_CHECK_EQUAL(ask(admin, "/ws").status, 404);
}

CAF_TEST(an_administrators_order_comes_with_its_body) {
  harbour there{in_dev()};
  const auto order = [&](const std::string& type, const std::string& path = "/api/v1/users/ada/cleanup") {
    raw_client::headers headers;
    if (!type.empty()) headers.emplace_back("Content-Type", type);
    return raw_client{there.admin_port}.request("POST", path, headers, R"({"level":"moderate"})");
  };
  CAF_CHECK_EQUAL(order("application/json").body, R"({"status":"ok"})");
  CAF_CHECK_EQUAL(there.heard.next(), R"(asked POST /api/v1/users/ada/cleanup {"level":"moderate"})");
  // What a foreign page's form can send without asking is none of these.
  for (const auto* type : {"", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"})
    CAF_CHECK_EQUAL(order(type).status, 415);
  const auto misplaced = order("application/json", "/metrics");
  CAF_CHECK_EQUAL(misplaced.status, 405);
  CAF_CHECK(misplaced.has("Allow: GET, HEAD\r\n"));
  // No form sends it, and it has no body that could be anything.
  CAF_CHECK_EQUAL(raw_client{there.admin_port}.request("DELETE", "/api/v1/users/ada").status, 200);
  CAF_CHECK_EQUAL(there.heard.next(), "asked DELETE /api/v1/users/ada");
  const auto other = raw_client{there.admin_port}.request("PUT", "/api/v1/users/ada");
  CAF_CHECK_EQUAL(other.status, 405);
  CAF_CHECK(other.has("Allow: GET, HEAD, POST, DELETE\r\n"));
  CAF_CHECK(!there.heard.has_more());
}

CAF_TEST(an_order_may_take_longer_than_a_question) {
  harbour there{{.is_silent = true, .with = [](doors& rules) {
                   rules.http.dev = true;
                   rules.http.inspector_timeout = 50ms;
                   rules.http.order_timeout = 500ms;
                 }}};
  const auto took = [&](const std::string& method) {
    const auto start = std::chrono::steady_clock::now();
    raw_client client{there.admin_port};
    CAF_CHECK_EQUAL(client.request(method, "/api/v1/x", {{"Content-Type", "application/json"}}).status, 503);
    return std::chrono::steady_clock::now() - start;
  };
  CAF_CHECK(took("GET") >= 50ms);
  CAF_CHECK(took("POST") >= 500ms);
}

CAF_TEST(an_answer_comes_with_the_inspectors_content_type) {
  harbour there{in_dev()};
  const auto answer = raw_client{there.admin_port}.request("GET", "/metrics");
  CAF_CHECK_EQUAL(answer.body, "gangway_users 1\n");
  CAF_CHECK(answer.has("Content-Type: text/plain; version=0.0.4\r\n"));
  CAF_CHECK(raw_client{there.admin_port}.request("GET", "/api/v1/x").has("Content-Type: application/json\r\n"));
}

CAF_TEST(in_dev_an_administrator_without_a_token_sits_at_this_machine) {
  harbour there{in_dev()};
  const auto ask = [&](const raw_client::headers& headers) {
    return raw_client{there.admin_port}.request("GET", "/metrics", headers).status;
  };
  CAF_CHECK_EQUAL(ask({}), 200);
  CAF_CHECK_EQUAL(ask({{"Host", "evil.example"}}), 403);
  CAF_CHECK_EQUAL(ask({{"Origin", "http://evil.example"}}), 403);
  CAF_CHECK_EQUAL(ask({{"Authorization", "Bearer garbage"}}), 401);
}
