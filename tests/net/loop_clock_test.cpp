#define CAF_SUITE loop_clock
#include "tests/net/scheduler_two_loops.hpp"

#include <caf/test/unit_test.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <vector>

using namespace gangway;
using namespace gangway::test;

using caf::event_based_actor;

namespace {

/// Takes a question and never answers.
caf::behavior deaf_actor(event_based_actor*) {
  return {[](const std::string&) { return caf::delegated<int>{}; }};
}

/// Reports the numbers it was sent, in the order in which they came.
caf::behavior recording_actor(event_based_actor* self, std::size_t count, std::promise<std::vector<int>>* recorded) {
  return {[=, numbers = std::vector<int>{}](int number) mutable {
    numbers.push_back(number);
    if (numbers.size() < count) return;
    self->quit();
    recorded->set_value(numbers);
  }};
}

} // namespace

CAF_TEST(delayed_messages_come_in_the_order_of_their_time_and_not_before_it) {
  std::promise<std::vector<int>> recorded;
  two_loops host;
  const auto recorder = host.spawn_on_loop(0, recording_actor, std::size_t{6}, &recorded);
  const auto start = steady_clock::now();
  // Sent by an actor on the other loop, all at once, the last first; equal times keep the order of sending.
  host.spawn_on_loop(1, [recorder](event_based_actor* self) {
    self->delayed_send(recorder, an_hour, 6);
    self->delayed_send(recorder, 60ms, 5);
    self->delayed_send(recorder, 40ms, 3);
    self->scheduled_send(recorder, self->clock().now() + 50ms, 4);
    self->delayed_send(recorder, 20ms, 2);
    self->send(recorder, 0);
    self->delayed_send(recorder, 0ms, 1);
  });
  auto result = recorded.get_future();
  CAF_CHECK_EQUAL(take(result), (std::vector<int>{0, 1, 2, 3, 4, 5}));
  CAF_CHECK(steady_clock::now() - start >= 60ms);
}

CAF_TEST(delayed_messages_of_plain_threads_and_detached_actors_come_too) {
  std::promise<std::vector<int>> recorded;
  two_loops host;
  const auto recorder = host.spawn_on_loop(0, recording_actor, std::size_t{2}, &recorded);
  caf::delayed_anon_send(recorder, an_hour, 3);
  caf::delayed_anon_send(recorder, 60ms, 2);
  host.system->spawn<caf::detached>([recorder](event_based_actor* self) { self->delayed_send(recorder, 5ms, 1); });
  auto result = recorded.get_future();
  CAF_CHECK_EQUAL(take(result), (std::vector<int>{1, 2}));
}

CAF_TEST(a_request_times_out_on_a_loop_in_a_detached_actor_and_in_a_scoped_one) {
  std::promise<caf::error> on_same_loop;
  std::promise<caf::error> on_other_loop;
  std::promise<caf::error> detached;
  two_loops host;
  const auto deaf = host.spawn_on_loop(0, deaf_actor);
  const auto ask = [deaf](std::promise<caf::error>* outcome) {
    return [=](event_based_actor* self) {
      self->request(deaf, 20ms, std::string{"hello?"})
          .then([=](int) { outcome->set_value({}); }, [=](const caf::error& error) { outcome->set_value(error); });
    };
  };
  host.spawn_on_loop(0, ask(&on_same_loop));
  host.spawn_on_loop(1, ask(&on_other_loop));
  host.system->spawn<caf::detached>(ask(&detached));
  for (auto* outcome : {&on_same_loop, &on_other_loop, &detached}) {
    auto result = outcome->get_future();
    CAF_CHECK(take(result) == caf::sec::request_timeout);
  }
  caf::error scoped;
  caf::scoped_actor self{*host.system};
  self->request(deaf, 20ms, std::string{"hello?"})
      .receive([](int) {}, [&](const caf::error& error) { scoped = error; });
  CAF_CHECK(scoped == caf::sec::request_timeout);
}

CAF_TEST(an_answered_request_does_not_time_out_later) {
  std::atomic<int> answers{0};
  std::atomic<int> errors{0};
  std::promise<void> later;
  two_loops host;
  const auto echo =
      host.spawn_on_loop(0, [](event_based_actor*) -> caf::behavior { return {[](int number) { return number; }}; });
  host.spawn_on_loop(1, [&, echo](event_based_actor* self) -> caf::behavior {
    for (int number = 0; number < 100; ++number)
      self->request(echo, 500ms, number).then([&](int) { ++answers; }, [&](const caf::error&) { ++errors; });
    self->delayed_send(self, 600ms, tick_atom::value);
    return {[&, self](tick_atom) {
      self->quit();
      later.set_value();
    }};
  });
  auto result = later.get_future();
  take(result);
  CAF_CHECK_EQUAL(answers.load() + errors.load(), 100);
  CAF_CHECK_EQUAL(errors.load(), 0);
}

CAF_TEST(a_receive_timeout_fires_after_silence_and_every_message_puts_it_off) {
  std::promise<int> heard;
  two_loops host;
  const auto start = steady_clock::now();
  host.spawn_on_loop(0, [&heard](event_based_actor* self) -> caf::behavior {
    const auto count = std::make_shared<int>(0);
    for (int number = 1; number <= 4; ++number)
      self->delayed_send(self, number * 50ms, number);
    return {[count](int) { ++*count; }, caf::after(500ms) >>
                                            [self, count, &heard] {
                                              self->quit();
                                              heard.set_value(*count);
                                            }};
  });
  auto result = heard.get_future();
  CAF_CHECK_EQUAL(take(result), 4);
  CAF_CHECK(steady_clock::now() - start >= 700ms);
}

CAF_TEST(an_actor_that_ends_takes_its_timeouts_along) {
  two_loops host;
  const auto deaf = host.spawn_on_loop(0, deaf_actor);
  const auto ask = [deaf](event_based_actor* self) -> caf::behavior {
    self->request(deaf, an_hour, std::string{"hello?"}).then([](int) {});
    return {[self](go_atom) { self->quit(); }};
  };
  // The timeout of an hour holds a reference: the actor is only destroyed if its end cancels it.
  for (const bool detached : {false, true}) {
    auto asker = detached ? host.system->spawn<caf::detached>(ask) : host.spawn_on_loop(1, ask);
    const auto address = asker.address();
    caf::anon_send(asker, go_atom::value);
    asker = nullptr;
    CAF_CHECK(comes_true([&] { return address.get()->strong_refs == 0; }));
  }
}
