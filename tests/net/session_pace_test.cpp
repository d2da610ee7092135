/// How a session treats clients that read slowly, or not at all. tidy: allow (a part of session_test.cpp, which is
/// long)

#include "net/session.hpp"

#include <string>
#include <thread>

#define CAF_SUITE session_pace
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "tests/net/harbour.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::literals;

CAF_TEST(what_was_sent_is_reported_when_the_kernel_has_taken_it_and_not_before) {
  harbour there;
  auto client = there.enter("ada", 4096);
  const auto link = there.heard.last_session().link;
  caf::scoped_actor self{*there.system};
  const auto whom = caf::actor_cast<caf::weak_actor_ptr>(self);
  std::vector<std::uint32_t> reported;
  const auto await_report = [&](std::chrono::milliseconds patience) {
    self->receive([&](const frames_written& report) { reported.push_back(report.bytes); },
                  caf::after(patience) >> [&] { reported.push_back(0); });
    return reported.back();
  };
  link.mark(whom, 1);
  CAF_CHECK_EQUAL(await_report(5s), 1u); // nothing was in front of it
  link.send(std::make_shared<const std::string>(16'000'000, 'x'));
  link.mark(whom, 2);
  link.send("last");
  link.mark(whom, 3);
  CAF_CHECK_EQUAL(await_report(300ms), 0u);
  CAF_CHECK_EQUAL(client.read_text().size(), 16'000'000u);
  CAF_CHECK_EQUAL(await_report(5s), 2u);
  CAF_CHECK_EQUAL(await_report(5s), 3u);
}

CAF_TEST(large_answers_wait_for_their_turns_so_that_the_queue_is_never_longer_than_one_of_them) {
  harbour there;
  auto client = there.enter("ada", 4096);
  const auto link = there.heard.last_session().link;
  caf::scoped_actor self{*there.system};
  const auto whom = caf::actor_cast<caf::weak_actor_ptr>(self);
  constexpr std::uint64_t wishes = 20;
  constexpr std::size_t bytes = 700'000;
  for (std::uint64_t number = 1; number <= wishes; ++number)
    link.ask_turn({whom, number, bytes, std::nullopt});
  bool is_whole = true;
  std::thread reader{[&] {
    for (std::uint64_t number = 1; number <= wishes; ++number)
      is_whole = client.read_text().size() == bytes && is_whole;
  }};
  const std::string text(bytes, 'x');
  std::uint64_t written = 0; // that our kernel has: what it keeps for a slow reader is its own affair
  for (std::uint64_t number = 1; number <= wishes; ++number) {
    bool has_turn = false;
    self->receive_while([&] { return !has_turn; })(
        [&](const turn_granted& granted) {
          CAF_CHECK_EQUAL(granted.number, number);
          has_turn = true;
        },
        [&](const frames_written&) { ++written; },
        caf::after(30s) >>
            [&] {
              CAF_ERROR("nobody got a turn");
              has_turn = true;
            });
    const auto queued = number - 1 - written;
    CAF_CHECK(queued * bytes <= there.rules.connections.queue_bytes_max);
    link.send(text);
    link.mark(whom, bytes);
    link.end_turn(whom, number);
  }
  reader.join();
  CAF_CHECK(is_whole);
}

CAF_TEST(a_client_that_takes_nothing_is_closed_as_slow_after_a_time_and_not_for_what_waits) {
  harbour there{{.with = [](doors& rules) {
    rules.connections.close_timeout = 100ms;
    rules.connections.stall_max = 400ms;
  }}};
  auto client = there.enter("ada", 4096);
  const auto link = there.heard.last_session().link;
  const auto text = std::make_shared<const std::string>(64 * 1024, 'x');
  // More than the kernel takes for us.
  for (int i = 0; i < 1000; ++i)
    link.send(text);
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
  CAF_CHECK_EQUAL(there.heard.next_end(), "4008 by us");
}

CAF_TEST(ten_thousand_commands_of_a_client_that_reads_no_answers_end_bounded) {
  harbour there{{.is_quiet = true, .status_bytes = 4000, .with = [](doors& rules) {
                   rules.connections.close_timeout = 100ms;
                   rules.connections.pause_max = 100ms;
                 }}};
  auto client = there.enter("ada", 4096);
  // The server stops reading long before the 40 MB of answers exist; then it gives the client up.
  for (int i = 0; i < 10'000 && client.send_text(R"({"id":1,"type":"status"})"); ++i) {
  }
  CAF_CHECK_EQUAL(there.heard.next(), "closed");
}

CAF_TEST(a_client_that_reads_slowly_but_reads_keeps_its_connection) {
  harbour there{{.status_bytes = 8'000'000, .with = [](doors& rules) { rules.connections.pause_max = 500ms; }}};
  auto client = there.enter("ada", 4096);
  client.send_text(R"({"id":1,"type":"status"})");
  CAF_CHECK_EQUAL(there.heard.next(), "status");
  client.send_text(R"({"id":2,"type":"ping"})");
  CAF_CHECK_EQUAL(there.heard.next(), "ping");
  // Reading pauses behind the long answer that is still being written. This one is heard when the pause is over.
  client.send_text(R"({"id":3,"type":"ping"})");
  client.read_slowly(100'000, 10ms);
  CAF_CHECK_EQUAL(there.heard.next(), "ping");
  CAF_CHECK_EQUAL(client.read_text().size(), R"({"id":1,"result":{"filler":""}})"sv.size() + 8'000'000);
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":2,"result":{}})");
  CAF_CHECK_EQUAL(client.read_text(), R"({"id":3,"result":{}})");
}

CAF_TEST(ten_thousand_commands_sent_at_once_are_all_answered_to_a_client_that_reads) {
  harbour there{{.is_quiet = true, .with = [](doors& rules) { rules.connections.pause_max = 20ms; }}};
  auto client = there.enter();
  for (int i = 0; i < 10'000; ++i)
    client.send_text(R"({"id":)" + std::to_string(i) + R"(,"type":"ping"})");
  bool all = true;
  for (int i = 0; i < 10'000; ++i)
    all = all && client.read_text() == R"({"id":)" + std::to_string(i) + R"(,"result":{}})";
  CAF_CHECK(all);
}
