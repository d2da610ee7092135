#include "net/websocket.hpp"

#define CAF_SUITE websocket_plain
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "tests/net/harbour.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;

namespace {

/// A frame of `bytes` bytes that is a `ping` command.
std::string command_of(std::size_t bytes) {
  std::string result = R"({"id":1,"type":"ping","filler":")";
  return result + std::string(bytes - result.size() - 2, 'x') + "\"}";
}

const std::string answered = R"({"id":1,"result":{}})";

} // namespace

CAF_TEST(what_rfc_6455_calls_a_failed_connection_is_failed) {
  harbour there;
  struct {
    const char* what;
    unsigned first;
    std::string payload;
    bool masked;
    unsigned code;
  } const cases[] = {
      {"unmasked", 0x81, "{}", false, 1002},
      {"a reserved bit", 0xC1, "{}", true, 1002},
      {"a reserved opcode", 0x83, "{}", true, 1002},
      {"a continuation of nothing", 0x80, "{}", true, 1002},
      {"a fragmented ping", 0x09, "", true, 1002},
      {"a long ping", 0x89, std::string(126, 'x'), true, 1002},
      {"a close with half a code", 0x88, "\x03", true, 1002},
      {"a close with a code of nobody", 0x88, std::string("\x03\xEC", 2), true, 1002},
      {"no UTF-8", 0x81, "{\"\xC3\x28\"}", true, 1007},
      {"half a character", 0x81, "\xE2\x82", true, 1007},
      {"a surrogate", 0x81, "\xED\xA0\x80", true, 1007},
  };
  for (const auto& one : cases) {
    CAF_MESSAGE(one.what);
    auto client = there.enter();
    client.send_frame(one.first, one.payload, one.masked);
    CAF_CHECK(client.read_frame().is_close(one.code));
    CAF_CHECK_EQUAL(there.heard.next(), "closed");
    CAF_CHECK_EQUAL(there.heard.next_end(), std::to_string(one.code));
  }
}

CAF_TEST(an_end_is_known_by_what_the_client_said) {
  harbour there;
  const auto end_of = [&](const std::string& payload) {
    auto client = there.enter();
    client.send_frame(0x88, payload);
    CAF_CHECK_EQUAL(there.heard.next(), "closed");
    return there.heard.next_end();
  };
  CAF_CHECK_EQUAL(end_of("\x03\xE8"), "1000");
  CAF_CHECK_EQUAL(end_of("\x03\xE9"
                         "I am leaving"),
                  "1001");
  CAF_CHECK_EQUAL(end_of("\x11\x58"), "4440");
  // No code is as good as 1000, which it is answered with.
  CAF_CHECK_EQUAL(end_of(""), "1000");
}

CAF_TEST(a_client_that_says_nothing_has_ended_without_a_close_frame) {
  harbour there;
  there.enter().hang_up();
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  CAF_CHECK_EQUAL(there.heard.next_end(), "1006");
}

CAF_TEST(a_message_may_be_as_long_as_allowed_and_no_longer) {
  harbour there{{.with = [](doors& rules) { rules.connections.frame_bytes_max = 200'000; }}};
  auto client = there.enter();
  for (const std::size_t bytes : {125U, 126U, 511U, 512U, 513U, 1024U, 1537U, 65535U, 65536U, 200'000U}) {
    client.send_text(command_of(bytes));
    CAF_CHECK_EQUAL(client.read_text(), answered);
    CAF_CHECK_EQUAL(there.heard.next(), "ping");
  }
  client.send_text(command_of(200'001));
  CAF_CHECK(client.read_frame().is_close(1009));
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
}

CAF_TEST(before_authentication_a_message_may_have_64_kib) {
  harbour there;
  raw_client client{there.port};
  client.upgrade();
  client.send_text(command_of(64 * 1024));
  CAF_CHECK_NOT_EQUAL(client.read_text().find("unauthenticated"), std::string::npos);
  client.send_text(command_of(64 * 1024 + 1));
  CAF_CHECK(client.read_frame().is_close(1009));
  CAF_CHECK_EQUAL(there.heard.next_end(), "1009");
}

CAF_TEST(a_message_may_come_in_pieces_with_a_ping_between_them) {
  harbour there;
  auto client = there.enter();
  client.send_frame(0x01, R"({"id":1,)");
  client.send_frame(0x89, "still there?");
  client.send_frame(0x00, R"("type":)");
  client.send_frame(0x00, "");
  client.send_frame(0x80, R"("ping"})");
  CAF_CHECK(client.read_frame() == (websocket_frame{10, "still there?"}));
  CAF_CHECK_EQUAL(client.read_text(), answered);
}

CAF_TEST(a_close_is_answered_with_its_code_and_the_server_hangs_up) {
  harbour there;
  auto client = there.enter();
  client.send_frame(0x88, std::string("\x0F\xA0", 2) + "bye");
  CAF_CHECK(client.read_frame().is_close(4000));
  CAF_CHECK(client.is_hung_up());
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  CAF_CHECK(!there.heard.has_more());
}

CAF_TEST(an_answer_longer_than_64_kib_is_one_frame) {
  harbour there;
  auto client = there.enter();
  const std::string text(300'000, 'x');
  there.heard.last_session().link.send(text);
  CAF_CHECK(client.read_frame() == (websocket_frame{1, text}));
}

CAF_TEST(a_client_that_says_too_much_at_once_still_reads_why) {
  harbour there{{.with = [](doors& rules) { rules.connections.frame_bytes_max = 1000; }}};
  auto client = there.enter();
  // Most of this is still on its way when the server has seen enough.
  client.send_text(command_of(3'000'000));
  CAF_CHECK(client.read_frame().is_close(1009));
}
