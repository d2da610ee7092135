#pragma once

#include "net/asio_scheduler.hpp"

#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include <chrono>
#include <cstddef>
#include <future>
#include <optional>
#include <thread>
#include <utility>

namespace gangway::test {

using namespace std::chrono_literals;
using std::chrono::steady_clock;

using go_atom = caf::atom_constant<caf::atom("go")>;
using tick_atom = caf::atom_constant<caf::atom("tick")>;
using where_atom = caf::atom_constant<caf::atom("where")>;

// Longer than anything here takes on a busy machine under a sanitizer.
constexpr auto patience = 60s;

// Never comes within a test. CAF counts no hours.
constexpr auto an_hour = 60min;

/// A system on two loops, as main builds it.
struct two_loops {
  event_loops loops{2};
  caf::actor_system_config config;
  std::optional<caf::actor_system> system;

  explicit two_loops(std::size_t messages_per_turn = 0) {
    asio_scheduler::install(config, loops);
    if (messages_per_turn > 0) config.set("scheduler.max-throughput", messages_per_turn);
    system.emplace(config);
  }

  asio_scheduler& scheduler() { return asio_scheduler::of(*system); }

  template <class Function, class... Arguments>
  auto spawn_on_loop(std::size_t loop, Function function, Arguments&&... arguments) {
    return spawn_on(scheduler().unit(loop), function, std::forward<Arguments>(arguments)...);
  }
};

/// Returns what `future` brings; fails the test if it brings nothing.
template <class Value>
Value take(std::future<Value>& future) {
  CAF_REQUIRE(future.wait_for(patience) == std::future_status::ready);
  return future.get();
}

/// Returns whether `condition` comes true while there is patience.
template <class Condition>
bool comes_true(Condition&& condition) {
  for (const auto deadline = steady_clock::now() + patience; steady_clock::now() < deadline;) {
    if (condition()) return true;
    std::this_thread::yield();
  }
  return condition();
}

} // namespace gangway::test
