#include "net/session.hpp"

#define CAF_SUITE session
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "net/auth/base64url.hpp"
#include "tests/net/harbour.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::literals;

namespace {

const std::string ada_is_connected = R"({"type":"connected","user_id":"ada"})";

std::string connect_frame(const std::string& token, int id = 1) {
  return R"({"id":)" + std::to_string(id) + R"(,"type":"connect","token":")" + token + "\"}";
}

std::string code_of(const std::string& reply) {
  constexpr std::string_view name = R"("code":")";
  const auto begin = reply.find(name);
  if (begin == reply.npos) return reply;
  const auto value = begin + name.size();
  return reply.substr(value, reply.find('"', value) - value);
}

/// The session of a client whose directory is deaf, and the actor to admit it with.
void admit(harbour& there) {
  there.heard.last_session().link.admit(caf::actor_cast<caf::strong_actor_ptr>(there.user));
}

/// Nothing more is heard of the sessions so far: the next line is that of a new one.
void expect_silence(harbour& there) {
  raw_client client{there.port};
  client.upgrade(there.bearer("bob"));
  CAF_CHECK_EQUAL(there.heard.next(), "opened bob pro");
}

} // namespace

// -- who it is -----------------------------------------------------------------------------------

CAF_TEST(a_token_in_the_header_names_the_user) {
  harbour there;
  raw_client client{there.port};
  CAF_CHECK_EQUAL(client.upgrade(there.bearer("105945141827451681156")).status, 101);
  CAF_CHECK_EQUAL(client.read_text(), R"({"type":"connected","user_id":"105945141827451681156"})");
  CAF_CHECK_EQUAL(there.heard.next(), "opened 105945141827451681156 pro");
  client.send_text(R"({"id":7,"type":"ping"})");
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":7,"result":{}})");
  CAF_CHECK_EQUAL(there.heard.next(), "ping");
  client.hang_up();
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
}

CAF_TEST(a_token_in_the_subprotocol_names_the_user_and_is_not_echoed) {
  harbour there;
  raw_client client{there.port};
  const auto offer = "gangway.v1.json, base64url.bearer.authorization.gangway." + to_base64url(there.token("ada"));
  const auto answer = client.upgrade({{"Sec-WebSocket-Protocol", offer}});
  CAF_CHECK_EQUAL(answer.status, 101);
  CAF_CHECK(answer.has("Sec-WebSocket-Protocol: gangway.v1.json\r\n"));
  CAF_CHECK_EQUAL(client.read_text(), ada_is_connected);
}

CAF_TEST(a_client_that_offers_no_subprotocol_gets_none) {
  harbour there;
  raw_client client{there.port};
  const auto answer = client.upgrade(there.bearer("ada"));
  CAF_CHECK_EQUAL(answer.status, 101);
  CAF_CHECK(!answer.has("Sec-WebSocket-Protocol"));
}

CAF_TEST(a_connect_names_the_user_and_is_answered_with_the_greeting) {
  harbour there;
  raw_client client{there.port};
  CAF_CHECK_EQUAL(client.upgrade().status, 101);
  client.send_text(R"({"id":1,"type":"status"})");
  const auto refused = client.read_text();
  CAF_CHECK_EQUAL(code_of(refused), "unauthenticated");
  CAF_CHECK(refused.starts_with(R"({"id":1,)"));
  client.send_text(R"({"id":2,"type":"connect"})");
  CAF_CHECK_EQUAL(code_of(client.read_text()), "unauthenticated");
  // What follows the token at once must wait for the user, not get lost.
  client.send_text(connect_frame(there.token("ada"), 3));
  client.send_text(R"({"id":4,"type":"ping"})");
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":3,"result":)" + ada_is_connected + "}");
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":4,"result":{}})");
  client.send_text(connect_frame(there.token("ada"), 5));
  CAF_CHECK_EQUAL(code_of(client.read_text()), "bad_request");
}

CAF_TEST(a_connect_with_a_bad_token_ends_the_connection) {
  harbour there;
  for (const auto& [token, code] :
       {std::pair{there.token("ada", true), "token_expired"}, std::pair{there.token("ada") + "x", "unauthenticated"},
        std::pair{there.token(std::string(256, 'a')), "unauthenticated"},
        std::pair{std::string{"garbage"}, "unauthenticated"}}) {
    raw_client client{there.port};
    client.upgrade();
    client.send_text(connect_frame(token));
    CAF_CHECK_EQUAL(code_of(client.read_text()), code);
    const auto farewell = client.read_text();
    const std::string number = code == std::string_view{"token_expired"} ? "4005" : "4500";
    CAF_CHECK_NOT_EQUAL(farewell.find("\"code\":" + number), farewell.npos);
    CAF_CHECK_EQUAL(client.read_text(), "<close " + number + ">");
    client.hang_up();
    CAF_CHECK_EQUAL(there.heard.next_end(), number + " by us");
  }
  CAF_CHECK(!there.heard.has_more());
}

CAF_TEST(a_client_that_never_names_itself_is_closed) {
  harbour there{{.with = [](doors& rules) { rules.connections.authentication_timeout = 100ms; }}};
  raw_client client{there.port};
  client.upgrade();
  CAF_CHECK_NOT_EQUAL(client.read_text().find(R"("type":"disconnect")"), std::string::npos);
  CAF_CHECK_EQUAL(client.read_text(), "<close 4502>");
  client.hang_up();
  CAF_CHECK_EQUAL(there.heard.next_end(), "4502 by us");
}

CAF_TEST(a_socket_that_was_greeted_unasked_may_still_ask_in_its_first_frame) {
  harbour there;
  auto client = there.enter();
  client.send_text("no frame");
  CAF_CHECK_EQUAL(code_of(client.read_text()), "bad_frame");
  client.send_text(R"({"id":1,"type":"connect","capabilities":["json_ping"]})");
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":1,"result":)" + ada_is_connected + "}");
  client.send_text(R"({"id":2,"type":"connect"})");
  CAF_CHECK_EQUAL(code_of(client.read_text()), "bad_request");
  auto other = there.enter("bob");
  other.send_text(R"({"id":1,"type":"ping"})");
  other.read_text();
  other.send_text(R"({"id":2,"type":"connect"})");
  CAF_CHECK_EQUAL(code_of(other.read_text()), "bad_request");
}

CAF_TEST(a_socket_may_ask_for_its_one_thread_in_its_url) {
  harbour there;
  raw_client client{there.port};
  CAF_CHECK_EQUAL(client.upgrade(there.bearer("ada"), "/ws?thread_id=t1&color=blue").status, 101);
  CAF_CHECK_EQUAL(there.heard.next(), "opened ada pro wants t1");
  raw_client other{there.port};
  CAF_CHECK_EQUAL(other.upgrade(there.bearer("bob"), "/ws?after_seq=7&epoch=k%33Jq&thread_id=t2").status, 101);
  CAF_CHECK_EQUAL(there.heard.next(), "opened bob pro wants t2 after k3Jq 7");
}

CAF_TEST(a_socket_that_says_who_it_is_by_its_connect_gets_its_one_thread_too) {
  harbour there;
  raw_client client{there.port};
  CAF_CHECK_EQUAL(client.upgrade({}, "/ws?thread_id=t1&epoch=e&after_seq=0").status, 101);
  client.send_text(connect_frame(there.token("ada")));
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":1,"result":)" + ada_is_connected + "}");
  CAF_CHECK_EQUAL(there.heard.next(), "opened ada pro wants t1 after e 0");
  client.send_text(connect_frame(there.token("ada"), 2));
  CAF_CHECK_EQUAL(code_of(client.read_text()), "bad_request");
}

// A thread that waits for a slot is greeted late, and hears of the queue first.
CAF_TEST(a_connect_that_comes_before_the_greeting_is_answered_with_it) {
  harbour there{{.is_deaf = true}};
  raw_client client{there.port};
  client.upgrade(there.bearer("ada"), "/ws?thread_id=t1");
  there.heard.next();
  const auto link = there.heard.last_session().link;
  const std::string notice = R"({"type":"notice","kind":"queued","position":1})";
  link.send(notice);
  admit(there);
  client.send_text(R"({"id":1,"type":"connect"})");
  client.send_text(R"({"id":2,"type":"connect"})");
  client.send_text(R"({"id":3,"type":"ping"})");
  CAF_CHECK_EQUAL(client.read_text(), notice);
  const auto refused = client.read_text();
  CAF_CHECK(refused.starts_with(R"({"id":2,)"));
  CAF_CHECK_EQUAL(code_of(refused), "bad_request");
  CAF_CHECK_EQUAL(there.heard.next(), "ping");
  link.send(ada_is_connected);
  link.send(notice);
  CAF_CHECK_EQUAL(client.read_text(), ada_is_connected);
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":1,"result":)" + ada_is_connected + "}");
  CAF_CHECK_EQUAL(client.read_text(), notice);
}

CAF_TEST(a_connect_that_comes_after_a_late_greeting_is_answered_with_it) {
  harbour there{{.is_deaf = true}};
  raw_client client{there.port};
  client.upgrade(there.bearer("ada"), "/ws?thread_id=t1");
  there.heard.next();
  const auto link = there.heard.last_session().link;
  const std::string notice = R"({"type":"notice","kind":"queued","position":1})";
  link.send(notice);
  admit(there);
  link.send(notice);
  link.send(ada_is_connected);
  link.send(notice);
  for (const auto& line : {notice, notice, ada_is_connected, notice})
    CAF_CHECK_EQUAL(client.read_text(), line);
  client.send_text(R"({"id":1,"type":"connect"})");
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":1,"result":)" + ada_is_connected + "}");
}

CAF_TEST(a_connect_that_waits_for_its_greeting_ends_with_its_socket) {
  harbour there{{.is_deaf = true}};
  raw_client client{there.port};
  client.upgrade(there.bearer("ada"), "/ws?thread_id=t1");
  there.heard.next();
  const auto link = there.heard.last_session().link;
  admit(there);
  client.send_text(R"({"id":1,"type":"connect"})");
  client.send_text(R"({"id":2,"type":"ping"})");
  CAF_CHECK_EQUAL(there.heard.next(), "ping");
  const close_reason reason{close_code::manager_limit, "no room", 500ms};
  link.close(reason);
  link.send(ada_is_connected);
  CAF_CHECK_EQUAL(client.read_text(), wire::disconnect(reason));
  CAF_CHECK_EQUAL(client.read_text(), "<close 4441>");
}

CAF_TEST(a_token_is_renewed_for_its_own_user_only) {
  harbour there;
  auto client = there.enter();
  const auto refresh = [&](const std::string& token) {
    client.send_text(R"({"id":1,"type":"token.refresh","token":")" + token + "\"}");
    return client.read_text();
  };
  CAF_CHECK_NOT_EQUAL(refresh(there.token("ada")).find(R"("expires_at":)"), std::string::npos);
  CAF_CHECK_EQUAL(code_of(refresh(there.token("bob"))), "forbidden");
  CAF_CHECK_EQUAL(code_of(refresh(there.token("ada", true))), "token_expired");
  CAF_CHECK_EQUAL(code_of(refresh("garbage")), "unauthenticated");
  client.send_text(R"({"id":2,"type":"ping"})");
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":2,"result":{}})");
}

// -- pings ---------------------------------------------------------------------------------------

CAF_TEST(a_ping_carries_its_nonce_there_and_back) {
  harbour there;
  auto client = there.enter();
  const auto link = there.heard.last_session().link;
  link.ping(18446744073709551615U);
  const auto ping = client.read_frame();
  CAF_CHECK(ping == (websocket_frame{9, "18446744073709551615"}));
  client.send_frame(0x8A, ping.payload);
  CAF_CHECK_EQUAL(there.heard.next(), "pong 18446744073709551615");
  client.send_frame(0x8A, "not ours");
  CAF_CHECK_EQUAL(there.heard.next(), "pong 0");
}

CAF_TEST(a_client_that_asked_for_it_gets_json_pings_too) {
  harbour there;
  raw_client client{there.port};
  client.upgrade();
  client.send_text(R"({"id":1,"type":"connect","capabilities":["json_ping"],"token":")" + there.token("ada") + "\"}");
  client.read_text();
  there.heard.next();
  there.heard.last_session().link.ping(7);
  CAF_CHECK_EQUAL(client.read_text(), R"({"type":"ping"})");
  client.send_text(R"({"type":"pong"})");
  CAF_CHECK_EQUAL(there.heard.next(), "pong 0");
}

// -- answers -------------------------------------------------------------------------------------

CAF_TEST(a_request_is_answered_once_and_only_if_it_was_made) {
  harbour there;
  auto client = there.enter();
  const auto link = there.heard.last_session().link;
  client.send_text(R"({"id":5,"type":"thread.open","thread_id":"t1"})");
  CAF_CHECK_EQUAL(there.heard.next(), "open_thread");
  for (const auto* answer : {"the first", "another"})
    link.reply(5, answer);
  link.reply(6, "of nobody's question");
  link.send("a notice");
  CAF_CHECK_EQUAL(client.read_text(), "the first");
  CAF_CHECK_EQUAL(client.read_text(), "a notice");
}

CAF_TEST(more_unanswered_requests_than_any_client_has_are_not_read_until_one_is_answered) {
  harbour there;
  auto client = there.enter();
  const auto link = there.heard.last_session().link;
  const auto ask = [&](std::size_t id) {
    client.send_text(R"({"id":)" + std::to_string(id) + R"(,"type":"thread.list"})");
  };
  for (std::size_t id = 1; id <= session::requests_max + 2; ++id)
    ask(id);
  for (std::size_t id = 1; id <= session::requests_max; ++id)
    CAF_CHECK_EQUAL(there.heard.next(), "list_threads");
  // Its loop has had the time to read more.
  link.send(std::string{"a frame"});
  CAF_CHECK_EQUAL(client.read_text(), "a frame");
  CAF_CHECK(!there.heard.has_more());
  link.reply(1, "an answer");
  CAF_CHECK_EQUAL(client.read_text(), "an answer");
  CAF_CHECK_EQUAL(there.heard.next(), "list_threads");
  link.reply(2, "another one");
  CAF_CHECK_EQUAL(client.read_text(), "another one");
  CAF_CHECK_EQUAL(there.heard.next(), "list_threads");
  CAF_CHECK(!there.heard.has_more());
}

// -- bad frames ----------------------------------------------------------------------------------

CAF_TEST(a_bad_frame_costs_a_reply_and_too_many_cost_the_connection) {
  harbour there{{.with = [](doors& rules) { rules.connections.bad_frames_max = 3; }}};
  auto client = there.enter();
  client.send_text(R"({"id":1,"type":)");
  CAF_CHECK_EQUAL(code_of(client.read_text()), "bad_frame");
  client.send_frame(0x82, "binary");
  CAF_CHECK_EQUAL(code_of(client.read_text()), "bad_frame");
  // Neither of these is held against anybody.
  client.send_text(R"({"id":2,"type":"dance"})");
  CAF_CHECK_EQUAL(code_of(client.read_text()), "unknown_type");
  client.send_text(R"({"id":3,"type":"thread.open","thread_id":"no/slash"})");
  CAF_CHECK_EQUAL(code_of(client.read_text()), "bad_request");
  client.send_text("");
  CAF_CHECK_EQUAL(code_of(client.read_text()), "bad_frame");
  client.send_text(R"({"id":4,"type":"ping"})");
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":4,"result":{}})");
  client.send_text("[]");
  CAF_CHECK_NOT_EQUAL(client.read_text().find(R"("code":4003)"), std::string::npos);
  CAF_CHECK_EQUAL(client.read_text(), "<close 4003>");
  client.hang_up();
  CAF_CHECK_EQUAL(there.heard.next(), "ping");
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
}

// -- from the user's side ------------------------------------------------------------------------

CAF_TEST(commands_wait_until_the_user_lets_them_through) {
  harbour there{{.is_deaf = true}};
  raw_client client{there.port};
  client.upgrade(there.bearer("ada"));
  CAF_CHECK_EQUAL(there.heard.next(), "opened ada pro");
  client.send_text(R"({"type":"ping"})");
  const auto link = there.heard.last_session().link;
  link.send(std::string{"first"});
  CAF_CHECK_EQUAL(client.read_text(), "first");
  CAF_CHECK(!there.heard.has_more());
  admit(there);
  CAF_CHECK_EQUAL(there.heard.next(), "ping");
}

CAF_TEST(a_client_that_leaves_before_it_is_admitted_is_reported_once_it_is) {
  harbour there{{.is_deaf = true}};
  {
    raw_client client{there.port};
    client.upgrade(there.bearer("ada"));
    CAF_CHECK_EQUAL(there.heard.next(), "opened ada pro");
  }
  // The session finds out when it writes to the socket that is gone, or reads from it.
  const auto link = there.heard.last_session().link;
  for (int i = 0; i < 100; ++i)
    link.send(std::string{"anybody?"});
  CAF_CHECK_EQUAL(there.heard.next_end(), "1006");
  admit(there);
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  admit(there);
  link.send(std::string{"anybody?"});
  link.ping(1);
  link.close({close_code::evicted, "again", {}});
  expect_silence(there);
  raw_client nameless{there.port};
  nameless.upgrade();
  nameless.send_frame(0x88, "\x03\xE9");
  CAF_CHECK_EQUAL(there.heard.next_end(), "1001");
}

CAF_TEST(a_session_that_ended_before_it_is_admitted_is_reported_once_it_is) {
  harbour there{{.is_deaf = true}};
  raw_client client{there.port};
  client.upgrade(there.bearer("ada"));
  CAF_CHECK_EQUAL(there.heard.next(), "opened ada pro");
  const auto link = there.heard.last_session().link;
  link.close({close_code::state_lost, "gone", {}});
  CAF_CHECK_EQUAL(client.read_text(), wire::disconnect({close_code::state_lost, "gone", {}}));
  CAF_CHECK_EQUAL(client.read_text(), "<close 4010>");
  client.send_frame(0x88, "\x0f\xaa");
  CAF_CHECK(client.is_hung_up());
  admit(there);
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  admit(there);
  expect_silence(there);
}

CAF_TEST(a_user_that_never_answers_costs_the_connection) {
  harbour there{{.is_deaf = true, .with = [](doors& rules) { rules.connections.authentication_timeout = 100ms; }}};
  raw_client client{there.port};
  client.upgrade(there.bearer("ada"));
  client.read_text();
  CAF_CHECK_EQUAL(client.read_text(), "<close 4010>");
}

CAF_TEST(what_was_queued_is_said_before_the_close) {
  harbour there;
  auto client = there.enter();
  const auto link = there.heard.last_session().link;
  for (int i = 0; i < 100; ++i)
    link.send(std::to_string(i));
  link.close({close_code::evicted, "room for another", 500ms});
  link.send(std::string{"too late"});
  for (int i = 0; i < 100; ++i)
    CAF_CHECK_EQUAL(client.read_text(), std::to_string(i));
  CAF_CHECK_EQUAL(client.read_text(), wire::disconnect({close_code::evicted, "room for another", 500ms}));
  CAF_CHECK_EQUAL(client.read_text(), "<close 4440>");
  client.send_frame(0x88, "\x03\xE8");
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  // Not by what the client says to it.
  CAF_CHECK_EQUAL(there.heard.next_end(), "4440 by us");
}

CAF_TEST(only_a_socket_that_was_let_in_has_an_end) {
  harbour there;
  raw_client refused{there.port};
  CAF_CHECK_EQUAL(refused.upgrade({{"Authorization", "Bearer garbage"}}).status, 401);
  raw_client visitor{there.port};
  visitor.request("GET", "/version");
  visitor.hang_up();
  raw_client nameless{there.port};
  nameless.upgrade();
  nameless.send_frame(0x88, "\x03\xE9");
  CAF_CHECK_EQUAL(there.heard.next_end(), "1001");
}

CAF_TEST(a_client_that_ignores_the_close_is_cut_off) {
  harbour there{{.with = [](doors& rules) { rules.connections.close_timeout = 100ms; }}};
  auto client = there.enter();
  there.heard.last_session().link.close({close_code::evicted, "room for another", {}});
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  client.read_text();
  CAF_CHECK_EQUAL(client.read_text(), "<close 4440>");
  CAF_CHECK(client.is_hung_up());
}

// While its closing handshake was waited for, it took up room that others were refused for.
CAF_TEST(a_client_that_must_leave_and_ignores_the_close_is_left_at_once_and_still_reads_why) {
  harbour there{{.with = [](doors& rules) { rules.connections.close_timeout = 1h; }}};
  auto client = there.enter();
  there.heard.last_session().link.leave({close_code::evicted, "replaced", {}});
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  client.read_text();
  CAF_CHECK_EQUAL(client.read_text(), "<close 4440>");
  CAF_CHECK(client.is_hung_up());
}

CAF_TEST(a_client_that_is_closing_and_must_leave_is_not_waited_for) {
  harbour there{{.with = [](doors& rules) { rules.connections.close_timeout = 1h; }}};
  auto client = there.enter();
  const auto link = there.heard.last_session().link;
  link.close({close_code::evicted, "room for another", {}});
  link.leave({close_code::evicted, "replaced", {}});
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  CAF_CHECK_EQUAL(there.heard.next_end(), "4440 by us");
}

CAF_TEST(a_client_that_must_leave_and_reads_nothing_is_dropped) {
  harbour there{{.status_bytes = 4 * 1024 * 1024, .with = [](doors& rules) {
                   rules.connections.close_timeout = 1h;
                   rules.connections.queue_bytes_max = 64 * 1024 * 1024;
                 }}};
  auto client = there.enter();
  for (int i = 1; i <= 4; ++i)
    client.send_text(R"({"id":)" + std::to_string(i) + R"(,"type":"status"})");
  CAF_CHECK_EQUAL(there.heard.next(), "status");
  there.heard.last_session().link.leave({close_code::evicted, "replaced", {}});
  for (auto line = there.heard.next(); line != "closed"; line = there.heard.next())
    CAF_REQUIRE(line != "<nothing>");
}

CAF_TEST(a_client_that_answers_the_close_and_does_not_hang_up_is_hung_up_on) {
  harbour there{{.with = [](doors& rules) { rules.connections.close_timeout = 1h; }}};
  auto client = there.enter();
  there.heard.last_session().link.close({close_code::evicted, "room for another", {}});
  client.read_text();
  CAF_CHECK_EQUAL(client.read_text(), "<close 4440>");
  client.send_frame(0x88, "\x11\x58");
  CAF_CHECK(client.is_hung_up());
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
}

CAF_TEST(links_are_equal_when_they_reach_the_same_session) {
  harbour there;
  auto first = there.enter("ada");
  const auto link = there.heard.last_session().link;
  CAF_CHECK(link == there.heard.last_session().link);
  auto second = there.enter("ada");
  CAF_CHECK(!(link == there.heard.last_session().link));
}
