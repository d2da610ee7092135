#define CAF_SUITE asio_scheduler
#include "tests/net/scheduler_two_loops.hpp"

#include <caf/test/unit_test.hpp>
#include <caf/test/unit_test_impl.hpp>

#include <atomic>
#include <future>
#include <memory>
#include <set>
#include <stdexcept>
#include <string>
#include <thread>
#include <vector>

using namespace gangway;
using namespace gangway::test;

using caf::event_based_actor;

namespace {

constexpr int senders = 24;
constexpr int receivers = 24;
constexpr int messages_per_pair = 2'000;

struct tally {
  std::atomic<int> disordered{0};
  std::atomic<int> unfinished{receivers};
  std::promise<void> finished;
};

/// Knows how many messages it has had from each sender, and hence which one must come next.
caf::behavior counting_actor(event_based_actor* self, tally* result) {
  return {[self, result, next = std::vector<int>(senders), total = 0](int sender, int sequence) mutable {
    if (sequence != next[static_cast<std::size_t>(sender)]++) ++result->disordered;
    if (++total < senders * messages_per_pair) return;
    self->quit();
    if (--result->unfinished == 0) result->finished.set_value();
  }};
}

/// Sends one message to every receiver, then yields by a message to itself.
caf::behavior chatty_actor(event_based_actor* self, int number, std::vector<caf::actor> others) {
  self->send(self, go_atom::value);
  return {[self, number, others, sequence = 0](go_atom) mutable {
    for (const auto& other : others)
      self->send(other, number, sequence);
    if (++sequence < messages_per_pair)
      self->send(self, go_atom::value);
    else
      self->quit();
  }};
}

} // namespace

CAF_TEST(the_order_of_every_senders_messages_is_kept_across_loops_threads_and_detached_actors) {
  tally result;
  two_loops host;
  std::vector<caf::actor> others;
  for (std::size_t i = 0; i < receivers; ++i)
    others.push_back(host.spawn_on_loop(i % 2, counting_actor, &result));
  for (int number = 0; number < senders - 2; ++number)
    host.spawn_on_loop(static_cast<std::size_t>(number / 2 % 2), chatty_actor, number, others);
  host.system->spawn<caf::detached>(chatty_actor, senders - 2, others);
  std::thread outsider{[&others] {
    for (int sequence = 0; sequence < messages_per_pair; ++sequence)
      for (const auto& other : others)
        caf::anon_send(other, senders - 1, sequence);
  }};
  auto finished = result.finished.get_future();
  take(finished);
  outsider.join();
  CAF_CHECK_EQUAL(result.disordered.load(), 0);
}

// -- homes ------------------------------------------------------------------------------------------------------------

namespace {

/// Says on which loop it runs, and has a child that says the same, down to `depth`.
caf::behavior homebody_actor(event_based_actor* self, event_loops* loops, int depth) {
  caf::actor child;
  if (depth > 0) child = self->spawn<caf::linked>(homebody_actor, loops, depth - 1);
  return {[self, loops, child](where_atom) -> caf::result<std::vector<int>> {
    std::vector<int> found{static_cast<int>(loops->current())};
    if (!child) return found;
    auto answer = self->make_response_promise<std::vector<int>>();
    self->request(child, patience, where_atom::value).then([answer, found](const std::vector<int>& below) mutable {
      auto all = found;
      all.insert(all.end(), below.begin(), below.end());
      answer.deliver(all);
    });
    return answer;
  }};
}

/// Passes the question on.
caf::behavior courier_actor(event_based_actor* self, caf::actor whom) {
  self->link_to(whom);
  return {[self, whom](where_atom) { return self->delegate(whom, where_atom::value); }};
}

std::vector<int> ask_where(caf::actor_system& system, const caf::actor& whom) {
  std::vector<int> result;
  caf::scoped_actor self{system};
  self->request(whom, patience, where_atom::value)
      .receive([&](const std::vector<int>& found) { result = found; },
               [&](const caf::error& error) { CAF_FAIL(system.render(error)); });
  return result;
}

} // namespace

CAF_TEST(an_actor_runs_on_the_loop_it_was_given_and_its_descendants_follow_it) {
  two_loops host;
  for (std::size_t loop = 0; loop < 2; ++loop) {
    const auto homebody = host.spawn_on_loop(loop, homebody_actor, &host.loops, 3);
    // Whoever writes to it does not move it: main, and an actor of the other loop, twice each.
    const auto courier = host.spawn_on_loop(1 - loop, courier_actor, homebody);
    for (const auto& asked : {homebody, courier, homebody, courier})
      CAF_CHECK_EQUAL(ask_where(*host.system, asked), std::vector<int>(4, static_cast<int>(loop)));
    caf::anon_send_exit(courier, caf::exit_reason::user_shutdown);
  }
}

CAF_TEST(actors_spawned_from_outside_are_spread_over_all_loops) {
  two_loops host;
  std::set<int> seen;
  for (int number = 0; number < 2; ++number) {
    const auto homebody = host.system->spawn(homebody_actor, &host.loops, 0);
    for (const auto loop : ask_where(*host.system, homebody))
      seen.insert(loop);
  }
  CAF_CHECK(seen == (std::set<int>{0, 1}));
}

CAF_TEST(a_lazy_actor_starts_on_its_given_loop_whoever_writes_to_it_first) {
  two_loops host;
  for (int loop = 0; loop < 2; ++loop) {
    const auto lazy =
        spawn_on<caf::lazy_init>(host.scheduler().unit(static_cast<std::size_t>(loop)), homebody_actor, &host.loops, 0);
    CAF_CHECK_EQUAL(ask_where(*host.system, lazy), std::vector<int>{loop});
  }
}

// -- fairness ---------------------------------------------------------------------------------------------------------

namespace {

/// Writes to itself until the time is up.
caf::behavior busy_actor(event_based_actor* self, steady_clock::time_point until) {
  self->send(self, go_atom::value);
  return {[self, until](go_atom) {
    if (steady_clock::now() < until)
      self->send(self, go_atom::value);
    else
      self->quit();
  }};
}

/// Asks for `count` ticks 5 ms ahead, one after the other, and reports how late the latest was.
caf::behavior ticking_actor(event_based_actor* self, int count,
                            std::shared_ptr<std::promise<steady_clock::duration>> latest) {
  const auto ask = [self] {
    self->delayed_send(self, 5ms, tick_atom::value);
    return steady_clock::now() + 5ms;
  };
  return {[=, due = ask(), late = steady_clock::duration{}, left = count](tick_atom) mutable {
    late = std::max(late, steady_clock::now() - due);
    if (--left > 0) {
      due = ask();
      return;
    }
    self->quit();
    latest->set_value(late);
  }};
}

steady_clock::duration latest_tick_beside_busy_actors(two_loops& host, int busy, std::chrono::milliseconds span) {
  const auto latest = std::make_shared<std::promise<steady_clock::duration>>();
  host.spawn_on_loop(0, ticking_actor, 40, latest);
  const auto until = steady_clock::now() + span;
  for (int number = 0; number < busy; ++number)
    host.spawn_on_loop(0, busy_actor, until);
  auto result = latest->get_future();
  return take(result);
}

} // namespace

CAF_TEST(a_busy_actor_does_not_keep_timers_waiting) {
  two_loops host;
  const auto latest = latest_tick_beside_busy_actors(host, 10, 1s);
  const auto milliseconds = std::chrono::duration_cast<std::chrono::milliseconds>(latest).count();
  CAF_MESSAGE("the latest tick came " << milliseconds << " ms late");
  CAF_CHECK(latest < 500ms);
}

CAF_TEST(a_busy_actor_would_keep_timers_waiting_if_it_could_handle_all_it_has) {
  two_loops host{1'000'000'000};
  CAF_CHECK(latest_tick_beside_busy_actors(host, 1, 1s) > 500ms);
}

// -- neighbours -------------------------------------------------------------------------------------------------------

CAF_TEST(an_exception_in_a_handler_ends_only_that_actor) {
  two_loops host;
  const auto echo =
      host.spawn_on_loop(0, [](event_based_actor*) -> caf::behavior { return {[](int number) { return number; }}; });
  const auto thrower = host.spawn_on_loop(0, [](event_based_actor* self) -> caf::behavior {
    // CAF's own handler prints, which belongs to no test.
    self->set_exception_handler([](std::exception_ptr&) -> caf::error { return caf::sec::runtime_error; });
    return {[](int) { throw std::runtime_error{"told to"}; }};
  });
  caf::scoped_actor self{*host.system};
  self->monitor(thrower);
  self->send(thrower, 1);
  self->receive([&](const caf::down_msg& down) { CAF_CHECK(down.reason == caf::sec::runtime_error); });
  self->request(echo, patience, 7)
      .receive([](int number) { CAF_CHECK_EQUAL(number, 7); },
               [&](const caf::error& error) { CAF_FAIL(host.system->render(error)); });
}

CAF_TEST(a_detached_actor_works_beside_the_loops_and_its_children_live_on_them) {
  std::promise<std::size_t> detached_at;
  two_loops host;
  const auto parent = host.system->spawn<caf::detached>([&](event_based_actor* self) -> caf::behavior {
    const auto child = self->spawn<caf::linked>(homebody_actor, &host.loops, 1);
    detached_at.set_value(host.loops.current());
    return {[self, child](where_atom) { return self->delegate(child, where_atom::value); }};
  });
  auto result = detached_at.get_future();
  CAF_CHECK_EQUAL(take(result), event_loops::npos);
  const auto found = ask_where(*host.system, parent);
  CAF_REQUIRE_EQUAL(found.size(), 2u);
  CAF_CHECK(found[0] == 0 || found[0] == 1);
  CAF_CHECK_EQUAL(found[0], found[1]);
  caf::anon_send_exit(parent, caf::exit_reason::user_shutdown);
}

// -- the end ----------------------------------------------------------------------------------------------------------

namespace {

/// Counts how many of its kind live; what an actor's state holds when a test asks whether the state was destroyed.
struct living {
  explicit living(std::atomic<int>& count) : count_(&count) { ++*count_; }
  living(const living&) = delete;
  living& operator=(const living&) = delete;
  ~living() { --*count_; }

private:
  std::atomic<int>* count_;
};

struct busy_state {
  std::unique_ptr<living> life;
  std::string ballast = std::string(200, 'x');
};

/// Never stops of its own accord; always has a message waiting, a delayed one pending and an open request.
caf::behavior restless_actor(caf::stateful_actor<busy_state>* self, std::atomic<int>* alive, caf::actor peer) {
  self->state.life = std::make_unique<living>(*alive);
  self->send(self, go_atom::value);
  self->delayed_send(self, an_hour, tick_atom::value);
  if (peer) {
    self->link_to(peer);
    self->request(peer, an_hour, where_atom::value).then([](int) {}, [](const caf::error&) {});
  }
  return {[self](go_atom) { self->send(self, go_atom::value); }, [](tick_atom) {},
          [](where_atom) -> caf::result<int> { return caf::skip; }};
}

void plant_restless_actors(two_loops& host, int count, std::atomic<int>& alive, std::vector<caf::actor>* planted) {
  caf::actor peer;
  for (int number = 0; number < count; ++number) {
    const auto next = host.spawn_on_loop(static_cast<std::size_t>(number % 2), restless_actor, &alive, peer);
    if (planted != nullptr) planted->push_back(next);
    peer = number % 10 == 9 ? caf::actor{} : next;
  }
  CAF_REQUIRE(comes_true([&] { return alive == count; }));
}

} // namespace

CAF_TEST(five_hundred_runnable_actors_that_are_killed_end_within_the_deadline) {
  std::atomic<int> alive{0};
  auto host = std::make_unique<two_loops>();
  std::vector<caf::actor> planted;
  plant_restless_actors(*host, 500, alive, &planted);
  const auto start = steady_clock::now();
  for (const auto& actor : planted)
    caf::anon_send_exit(actor, caf::exit_reason::kill);
  planted.clear();
  host->system.reset();
  CAF_CHECK(steady_clock::now() - start < 10s);
  CAF_CHECK_EQUAL(alive.load(), 0);
}

CAF_TEST(five_hundred_runnable_actors_that_nobody_told_end_with_the_system) {
  std::atomic<int> alive{0};
  auto host = std::make_unique<two_loops>();
  plant_restless_actors(*host, 500, alive, nullptr);
  host->system->await_actors_before_shutdown(false);
  const auto start = steady_clock::now();
  host->system.reset();
  CAF_CHECK(steady_clock::now() - start < 10s);
  CAF_CHECK_EQUAL(alive.load(), 0);
}

CAF_TEST(a_detached_actor_that_sends_after_the_loops_have_ended_leaks_nothing) {
  std::atomic<int> alive{0};
  auto host = std::make_unique<two_loops>();
  const auto idle = host->spawn_on_loop(0, [&alive](caf::stateful_actor<busy_state>* self) -> caf::behavior {
    self->state.life = std::make_unique<living>(alive);
    return {[](int) {}};
  });
  CAF_REQUIRE(comes_true([&] { return alive == 1; }));
  auto& loops = host->loops;
  host->system->spawn<caf::detached>([idle, &loops](event_based_actor* self) {
    // The system waits for detached actors only after the scheduler has stopped.
    while (loops.post(0, [] {}))
      std::this_thread::yield();
    self->send(idle, 1);
    self->delayed_send(idle, an_hour, 1);
  });
  host->system->await_actors_before_shutdown(false);
  host->system.reset();
  // What was sent last made it runnable, and what is runnable then is ended.
  CAF_CHECK_EQUAL(alive.load(), 0);
}

CAF_TEST(starting_and_stopping_two_hundred_times_neither_hangs_nor_leaks) {
  std::atomic<int> alive{0};
  for (int round = 0; round < 200; ++round) {
    two_loops host;
    const auto echo = host.spawn_on_loop(static_cast<std::size_t>(round % 2), restless_actor, &alive, caf::actor{});
    caf::delayed_anon_send(echo, an_hour, tick_atom::value);
    host.system->spawn<caf::detached>([echo](event_based_actor* self) { self->send(echo, tick_atom::value); });
    // Every other time it is ended by the system instead, wherever it happens to be.
    if (round % 2 == 0) caf::anon_send_exit(echo, caf::exit_reason::kill);
    host.system->await_actors_before_shutdown(round % 2 == 0);
  }
  CAF_CHECK_EQUAL(alive.load(), 0);
}
