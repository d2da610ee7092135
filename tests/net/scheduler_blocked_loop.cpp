// A server in miniature whose handler misbehaves as its argument says, for loop_watchdog_test.

#include "net/asio_scheduler.hpp"
#include "net/loop_watchdog.hpp"

#include <caf/all.hpp>

#include <future>
#include <iostream>
#include <string>
#include <thread>

using namespace std::chrono_literals;

namespace {

constexpr auto stall_max = 400ms;

/// Blocks its thread for `span`, as a handler does that waits for a lock or a disk.
void block(std::chrono::milliseconds span) {
  std::promise<void> never;
  never.get_future().wait_for(span);
}

void block_for_ever() { std::promise<void>{}.get_future().wait(); }

caf::behavior sleepy_actor(caf::event_based_actor*, std::promise<void>* awake) {
  return {[awake](const std::string& how) {
    if (how == "briefly") {
      block(stall_max / 4);
      awake->set_value();
      return;
    }
    awake->set_value();
    block_for_ever();
  }};
}

} // namespace

int main(int count, char** arguments) {
  const std::string how = count > 1 ? arguments[1] : "briefly";
  std::promise<void> awake;
  gangway::event_loops loops{2};
  caf::actor_system_config config;
  gangway::asio_scheduler::install(config, loops);
  const gangway::loop_watchdog watchdog{loops, stall_max, [how](const std::string& line) {
                                          if (how == "with a hanging log") block_for_ever();
                                          std::cout << line << std::endl;
                                        }};
  caf::actor_system system{config};
  const auto sleeper = gangway::spawn_on(gangway::asio_scheduler::of(system).unit(1), sleepy_actor, &awake);
  caf::anon_send(sleeper, how);
  awake.get_future().wait();
  if (how == "briefly") {
    // Long enough for the watchdog to make a mistake.
    const auto enough = loops.beats(1) + 2 * (stall_max / gangway::event_loops::beat_interval);
    while (loops.beats(1) < enough)
      std::this_thread::yield();
    caf::anon_send_exit(sleeper, caf::exit_reason::user_shutdown);
    std::cout << "ended in peace" << std::endl;
    return 0;
  }
  // Otherwise the sleeper never ends: either the system waits for it, or its loop cannot be joined.
  system.await_actors_before_shutdown(how != "while it is stopped");
  return 0;
}
