#include "net/close_frame.hpp"

#define CAF_SUITE close_frame
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "protocol/wire.hpp"
#include "tests/net/harbour.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::literals;

namespace {

/// What a client does that fails its connection, and the code that it is told. None of them ends by a timer.
struct fault {
  unsigned first;
  std::string payload;
  unsigned code;
};

const std::vector<fault> plain_faults = {
    {0x91, "{}", 1002}, {0x81, "\xff", 1007}, {0x81, std::string(5000, 'x'), 1009}, {0x88, "x", 1002}};
const std::vector<fault> deflated_faults = {{0xc1, "\xff\xff\xff\xff", 1007}, {0xc1, "\x07", 1007}};

harbour_options patient(std::size_t status_bytes = 0) {
  return {.status_bytes = status_bytes, .with = [](doors& rules) {
            rules.connections.close_timeout = 1h;
            rules.connections.frame_bytes_max = 4096;
            rules.connections.deflate_threshold = 1'000'000;
          }};
}

raw_client enter(harbour& there, bool deflate) {
  raw_client client{there.port};
  auto headers = there.bearer("ada");
  if (deflate) headers.emplace_back("Sec-WebSocket-Extensions", "permessage-deflate");
  CAF_CHECK_EQUAL(client.upgrade(headers).status, 101);
  CAF_CHECK_EQUAL(client.read_text(), R"({"type":"connected","user_id":"ada"})");
  CAF_CHECK_EQUAL(there.heard.next(), "opened ada pro");
  return client;
}

template <class Function>
void for_each_fault(Function function) {
  for (const bool deflate : {false, true}) {
    auto faults = plain_faults;
    if (deflate) faults.insert(faults.end(), deflated_faults.begin(), deflated_faults.end());
    for (const auto& one : faults)
      function(one, deflate);
  }
}

} // namespace

// What could not be inflated ended TCP without a close frame, if an answer was on its way; 1002 overtook the answer.
CAF_TEST(what_came_before_a_fault_is_answered_first) {
  harbour there{patient()};
  for_each_fault([&](const fault& what, bool deflate) {
    auto client = enter(there, deflate);
    client.send_text(R"({"id":7,"type":"thread.list"})");
    CAF_CHECK_EQUAL(there.heard.next(), "list_threads");
    client.send_frame(what.first, what.payload);
    const auto link = there.heard.last_session().link;
    // So that the fault is there before the answer is.
    client.send_text(R"({"id":8,"type":"ping"})");
    link.send(std::string{R"({"type":"notice"})"});
    CAF_CHECK_EQUAL(client.read_text(), R"({"type":"notice"})");
    link.reply(7, wire::reply(7, R"({"threads":[]})"));
    CAF_CHECK_EQUAL(client.read_text(), R"({"id":7,"result":{"threads":[]}})");
    CAF_CHECK_EQUAL(client.read_text(), "<close " + std::to_string(what.code) + ">");
    CAF_CHECK(client.is_hung_up());
    CAF_CHECK_EQUAL(there.heard.next(), "closed");
    CAF_CHECK_EQUAL(there.heard.next_end(), std::to_string(what.code));
  });
}

CAF_TEST(an_answer_of_any_length_is_whole_before_a_fault_is_told) {
  for (const std::size_t size : {10, 200, 70'000, 900'000}) {
    harbour there{patient(size)};
    for_each_fault([&](const fault& what, bool deflate) {
      auto client = enter(there, deflate);
      client.send_text(R"({"id":7,"type":"status"})");
      client.send_frame(what.first, what.payload);
      CAF_CHECK_EQUAL(client.read_text(), wire::reply(7, R"({"filler":")" + std::string(size, 'x') + "\"}"));
      CAF_CHECK_EQUAL(client.read_text(), "<close " + std::to_string(what.code) + ">");
      CAF_CHECK(client.is_hung_up());
      CAF_CHECK_EQUAL(there.heard.next(), "status");
      CAF_CHECK_EQUAL(there.heard.next(), "closed");
    });
  }
}

CAF_TEST(a_fault_with_nothing_before_it_is_told_at_once) {
  harbour there{patient()};
  for_each_fault([&](const fault& what, bool deflate) {
    auto client = enter(there, deflate);
    client.send_frame(what.first, what.payload);
    CAF_CHECK_EQUAL(client.read_text(), "<close " + std::to_string(what.code) + ">");
    CAF_CHECK(client.is_hung_up());
    CAF_CHECK_EQUAL(there.heard.next(), "closed");
  });
}

CAF_TEST(an_answer_that_never_comes_does_not_keep_a_fault_from_being_told) {
  auto options = patient();
  options.with = [](doors& rules) {
    rules.connections.close_timeout = 100ms;
    rules.connections.deflate_threshold = 1'000'000;
    rules.connections.frame_bytes_max = 4096;
  };
  harbour there{options};
  for_each_fault([&](const fault& what, bool deflate) {
    auto client = enter(there, deflate);
    client.send_text(R"({"id":7,"type":"thread.list"})");
    client.send_frame(what.first, what.payload);
    CAF_CHECK_EQUAL(client.read_text(), "<close " + std::to_string(what.code) + ">");
    CAF_CHECK(client.is_hung_up());
    CAF_CHECK_EQUAL(there.heard.next(), "list_threads");
    CAF_CHECK_EQUAL(there.heard.next(), "closed");
  });
}

CAF_TEST(a_connection_that_waits_to_be_told_of_its_fault_ends_with_the_server) {
  for_each_fault([&](const fault& what, bool deflate) {
    harbour there{patient()};
    auto client = enter(there, deflate);
    client.send_text(R"({"id":7,"type":"thread.list"})");
    client.send_frame(what.first, what.payload);
    CAF_CHECK_EQUAL(there.heard.next(), "list_threads");
  });
}
