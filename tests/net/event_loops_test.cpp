#define CAF_SUITE event_loops
#include "tests/net/scheduler_two_loops.hpp"

#include <caf/test/unit_test.hpp>

#include <future>
#include <string>
#include <vector>

using namespace gangway;
using namespace gangway::test;

CAF_TEST(lag_shows_a_loop_that_is_blocked_while_it_is_blocked_and_just_after) {
  std::promise<void> begun;
  std::promise<void> release;
  two_loops host;
  auto released = release.get_future();
  CAF_REQUIRE(comes_true([&] { return host.loops.beats(0) > 0 && host.loops.beats(1) > 0; }));
  boost::asio::post(host.loops.context(1), [&] {
    begun.set_value();
    released.wait();
  });
  begun.get_future().wait();
  CAF_CHECK(comes_true([&] { return host.loops.lag(1) > 300ms; }));
  const auto standing = host.loops.beats(1);
  release.set_value();
  CAF_CHECK(comes_true([&] { return host.loops.beats(1) > standing; }));
  CAF_CHECK(host.loops.lag(1) > 300ms);
  CAF_CHECK(host.loops.lag(0) < host.loops.lag(1));
  // It is forgotten again, or verdicts would stay void for ever.
  CAF_CHECK(comes_true([&] { return host.loops.lag(1) < 200ms; }));
}

CAF_TEST(what_is_queued_when_loops_stop_runs_on_the_thread_that_stops_them_and_what_comes_later_is_refused) {
  event_loops loops{2};
  std::vector<std::size_t> ran_on;
  CAF_CHECK(loops.post(0, [&] { ran_on.push_back(loops.current()); }));
  loops.stop();
  CAF_CHECK(ran_on == std::vector<std::size_t>{event_loops::npos});
  CAF_CHECK(!loops.post(0, [&] { ran_on.push_back(0); }));
  CAF_CHECK_EQUAL(ran_on.size(), 1u);
}
