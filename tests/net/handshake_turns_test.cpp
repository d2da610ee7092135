#include "net/handshake_turns.hpp"

#include <string>

#define CAF_SUITE handshake_turns
#include <boost/asio/post.hpp>
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

boost::asio::ip::address at(const char* text) { return boost::asio::ip::make_address(text); }

struct turns_fixture {
  boost::asio::io_context loop;
  handshake_turns turns{loop};
  std::string done;

  void ask(char name, const char* address, bool is_needed = true) {
    turns.ask(at(address), [this, name, is_needed] {
      done += name;
      return is_needed;
    });
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(handshake_turns_tests, turns_fixture)

CAF_TEST(addresses_take_turns_so_that_one_with_thousands_waits_for_itself) {
  for (const auto name : {'a', 'b', 'c'})
    ask(name, "192.0.2.1");
  ask('x', "192.0.2.2");
  ask('y', "192.0.2.3");
  CAF_CHECK_EQUAL(done, "");
  CAF_CHECK_EQUAL(turns.waiting(), 5u);
  loop.run();
  CAF_CHECK_EQUAL(done, "axybc");
  CAF_CHECK_EQUAL(turns.waiting(), 0u);
}

CAF_TEST(what_else_there_is_on_the_loop_goes_between_two_handshakes) {
  ask('a', "192.0.2.1");
  ask('b', "192.0.2.1");
  loop.run_one();
  boost::asio::post(loop, [this] { done += '-'; });
  loop.run();
  CAF_CHECK_EQUAL(done, "a-b");
}

CAF_TEST(the_loop_is_left_alone_for_as_long_as_a_handshake_took) {
  const auto begin = std::chrono::steady_clock::now();
  auto second = begin;
  turns.ask(at("192.0.2.1"), [begin] {
    while (std::chrono::steady_clock::now() < begin + 20ms) {
    }
    return true;
  });
  turns.ask(at("192.0.2.1"), [&second] {
    second = std::chrono::steady_clock::now();
    return true;
  });
  loop.run();
  CAF_CHECK(second - begin >= 40ms);
}

CAF_TEST(what_nobody_needs_any_more_takes_no_turn) {
  ask('a', "192.0.2.1", false);
  ask('b', "192.0.2.1", false);
  ask('c', "192.0.2.1");
  ask('d', "192.0.2.1");
  loop.run_one();
  CAF_CHECK_EQUAL(done, "abc");
  loop.run();
  CAF_CHECK_EQUAL(done, "abcd");
}

CAF_TEST(turns_can_be_asked_for_within_a_turn_and_behind_the_last) {
  turns.ask(at("192.0.2.1"), [this] {
    done += 'a';
    ask('b', "192.0.2.1");
    return true;
  });
  loop.run();
  loop.restart();
  ask('c', "192.0.2.1");
  loop.run();
  CAF_CHECK_EQUAL(done, "abc");
}

CAF_TEST(a_stop_forgets_those_that_wait) {
  ask('a', "192.0.2.1");
  turns.stop();
  loop.run();
  CAF_CHECK_EQUAL(done, "");
  CAF_CHECK_EQUAL(turns.waiting(), 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
