#include "net/tcp_progress.hpp"

#define CAF_SUITE tcp_progress
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>

#include <future>

#include "net/session.hpp"
#include "tests/net/harbour.hpp"

using namespace gangway;
using namespace gangway::testing;
using namespace std::chrono_literals;
using std::chrono::steady_clock;

namespace {

// More than the kernel takes for a client that does not read.
constexpr std::size_t much = 16'000'000;

harbour_options with_long_queues() {
  return {.with = [](doors& rules) { rules.connections.queue_bytes_max = 4 * much; }};
}

/// Returns a client whose session has been admitted: from there on somebody hears what its socket shows.
raw_client embark(harbour& there, int receive_buffer = 0) {
  auto client = there.enter("ada", receive_buffer);
  client.send_text(R"({"id":1,"type":"ping"})");
  client.read_text();
  there.heard.next();
  return client;
}

/// Returns what the socket shows at a ping.
link_observation look(harbour& there) {
  static std::uint64_t nonce = 100;
  there.heard.last_session().link.ping(++nonce);
  const auto result = there.heard.next_observation();
  CAF_CHECK_EQUAL(result.nonce, nonce);
  return result;
}

/// Looks when what the client has read is known to be written: the ping before this one came behind it.
link_observation look_again(harbour& there) {
  look(there);
  return look(there);
}

/// Looks until the session says that it reads, which it does not right after its loop was late.
link_observation look_until_reading(harbour& there) {
  const auto patience = steady_clock::now() + 30s;
  auto result = look(there);
  while (!result.reading && steady_clock::now() < patience)
    result = look(there);
  return result;
}

/// Looks until the queue has not moved for `at_least`, which it begins to once the kernel's buffers are full.
link_observation look_until_stalled(harbour& there, std::chrono::milliseconds at_least) {
  const auto patience = steady_clock::now() + 30s;
  auto result = look(there);
  while (result.stalled_for < at_least && steady_clock::now() < patience)
    result = look(there);
  return result;
}

/// Returns the server's end of a client's connection: both are in this process. -1 if there is none.
int other_end(const raw_client& client) {
  for (int descriptor = 3; descriptor < 1024; ++descriptor) {
    sockaddr_in address{};
    socklen_t size = sizeof address;
    if (::getpeername(descriptor, reinterpret_cast<sockaddr*>(&address), &size) == 0 && address.sin_family == AF_INET
        && ntohs(address.sin_port) == client.port())
      return descriptor;
  }
  return -1;
}

/// Returns once our end has sent something, and then nothing for so long.
void await_silence(const raw_client& client, std::chrono::milliseconds at_least) {
  const auto descriptor = other_end(client);
  const auto patience = steady_clock::now() + 30s;
  auto seen = progress_of(descriptor);
  while ((seen.acknowledged_bytes < 1000 || seen.sent_ago < at_least) && steady_clock::now() < patience)
    seen = progress_of(descriptor);
}

unsigned user_timeout_of(int descriptor) {
  unsigned result = 0;
  socklen_t size = sizeof result;
  ::getsockopt(descriptor, IPPROTO_TCP, TCP_USER_TIMEOUT, &result, &size);
  return result;
}

} // namespace

CAF_TEST(each_ping_comes_with_one_observation_of_a_healthy_socket) {
  harbour there;
  auto client = embark(there);
  for (int i = 0; i < 3; ++i) {
    const auto seen = look_again(there);
    CAF_CHECK_EQUAL(seen.queued_bytes, 0u);
    CAF_CHECK(seen.stalled_for == 0ms);
    CAF_CHECK_EQUAL(seen.retransmissions, 0u);
    CAF_CHECK(seen.unheard_for < 30s);
    CAF_CHECK(look_until_reading(there).reading);
  }
}

CAF_TEST(an_observation_does_not_wait_for_the_pong_and_comes_before_it) {
  harbour there;
  auto client = embark(there);
  const auto seen = look(there);
  const auto ping = client.read_frame();
  CAF_CHECK(ping == (websocket_frame{9, std::to_string(seen.nonce)}));
  CAF_CHECK(!there.heard.has_more());
  client.send_frame(0x8A, ping.payload);
  CAF_CHECK_EQUAL(there.heard.next(), "pong " + ping.payload);
}

CAF_TEST(a_client_that_does_not_read_shows_in_the_queue) {
  harbour there{with_long_queues()};
  auto client = embark(there, 4096);
  const auto link = there.heard.last_session().link;
  const std::string text(much, 'x');
  link.send(text);
  link.send(std::string{"behind it"});
  const auto start = steady_clock::now();
  const auto seen = look_until_stalled(there, 100ms);
  CAF_CHECK_EQUAL(seen.queued_bytes, much + 9);
  CAF_CHECK(seen.stalled_for >= 100ms);
  CAF_CHECK(seen.stalled_for < 30s);
  // What joins the queue does not make it move.
  link.send(std::string{"last"});
  CAF_CHECK(look(there).stalled_for >= seen.stalled_for);
  // Once it reads, nothing waits.
  CAF_CHECK(client.read_text() == text);
  CAF_CHECK_EQUAL(client.read_text(), "behind it");
  CAF_CHECK_EQUAL(client.read_text(), "last");
  link.send(std::string{"and more"});
  CAF_CHECK_EQUAL(client.read_text(), "and more");
  const auto after = look_again(there);
  CAF_CHECK_EQUAL(after.queued_bytes, 0u);
  CAF_CHECK(after.stalled_for == 0ms);
  CAF_CHECK(after.unheard_for <= steady_clock::now() - start + 20ms);
}

// One long frame takes a slow reader minutes, and the socket says that it is written at their end only: by that alone
// a client on a thin line was stalled, and dead.
CAF_TEST(a_long_frame_that_moves_does_not_stall) {
  harbour there{with_long_queues()};
  auto client = embark(there, 4096);
  there.heard.last_session().link.send(std::string(much, 'x'));
  CAF_CHECK(look_until_stalled(there, 200ms).stalled_for >= 200ms);
  const auto moved = steady_clock::now();
  CAF_CHECK(client.receive(much / 2));
  const auto seen = look(there);
  CAF_CHECK_EQUAL(seen.queued_bytes, much);
  // The kernel counts in ticks of up to 10 ms.
  CAF_CHECK(seen.stalled_for <= steady_clock::now() - moved + 20ms);
}

CAF_TEST(the_first_observation_tells_how_long_the_queue_has_stalled) {
  harbour there{with_long_queues()};
  auto client = embark(there, 4096);
  there.heard.last_session().link.send(std::string(much, 'x'));
  await_silence(client, 200ms);
  const auto seen = look(there);
  CAF_CHECK(seen.stalled_for >= 200ms);
  CAF_CHECK(seen.stalled_for < 30s);
}

CAF_TEST(a_queue_stalls_from_when_it_begins_to_wait) {
  harbour there{with_long_queues()};
  auto client = embark(there, 4096);
  const auto link = there.heard.last_session().link;
  // More than the client's end takes, and less than ours.
  link.send(std::string(100'000, 'x'));
  await_silence(client, 200ms);
  const auto before = look_again(there);
  // What our kernel holds back waits too: a ping would be behind it.
  CAF_CHECK(before.queued_bytes > 0u);
  CAF_CHECK(before.queued_bytes < 100'000u);
  const auto start = steady_clock::now();
  link.send(std::string(much, 'x'));
  const auto after = look(there);
  CAF_CHECK_EQUAL(after.queued_bytes, much);
  CAF_CHECK(after.stalled_for <= steady_clock::now() - start + 1ms);
}

CAF_TEST(silence_is_ours_while_we_do_not_read) {
  harbour there{with_long_queues()};
  auto client = embark(there, 4096);
  there.heard.last_session().link.send(std::string(much, 'x'));
  CAF_CHECK(look_until_reading(there).reading);
  // Its answer would have to wait behind what is not read: no more is taken from this client.
  client.send_text(R"({"id":1,"type":"ping"})");
  CAF_CHECK_EQUAL(there.heard.next(), "ping");
  CAF_CHECK(!look(there).reading);
}

// A pong that came meanwhile is not read yet when the session looks.
CAF_TEST(silence_is_ours_while_our_loop_stood_still) {
  harbour there;
  std::string name = "a";
  while (home_of({name}, there.loops.size()) != 1)
    name += 'a';
  auto client = there.enter(name);
  client.send_text(R"({"id":1,"type":"ping"})");
  client.read_text();
  there.heard.next();
  CAF_REQUIRE(look_until_reading(there).reading);
  there.loops.post(1, [] { std::promise<void>{}.get_future().wait_for(2 * session::stood_still); });
  CAF_CHECK(!look(there).reading);
  CAF_CHECK(look_until_reading(there).reading);
}

CAF_TEST(the_kernel_gives_up_a_peer_that_acknowledges_nothing) {
  harbour usual;
  auto client = usual.enter();
  CAF_CHECK_EQUAL(user_timeout_of(other_end(client)), 35'000u);
  harbour other{{.with = [](doors& rules) { rules.connections.user_timeout = 12'345ms; }}};
  auto stranger = other.enter();
  CAF_CHECK_EQUAL(user_timeout_of(other_end(stranger)), 12'345u);
}

CAF_TEST(a_socket_that_is_none_shows_nothing) {
  const auto seen = progress_of(-1);
  CAF_CHECK_EQUAL(seen.acknowledged_bytes, 0u);
  CAF_CHECK_EQUAL(seen.unacknowledged, 0u);
  CAF_CHECK(seen.acknowledged_ago == 0ms);
}
