#pragma once

#include "net/event_loops.hpp"
#include "net/loop_clock.hpp"

#include <caf/actor_config.hpp>
#include <caf/actor_system.hpp>
#include <caf/actor_system_config.hpp>
#include <caf/execution_unit.hpp>
#include <caf/infer_handle.hpp>
#include <caf/resumable.hpp>
#include <caf/scheduler/abstract_coordinator.hpp>

#include <cstddef>
#include <utility>
#include <vector>

namespace gangway {

/// CAF's scheduler on the event loops: sockets and actors share threads, no frame changes hands between them.
///
/// Every actor has a home loop and is only ever run there: its parent's for one that an actor spawns, the one given to
/// `spawn_on`, else the next in turn. A runnable actor is posted to its home, never run inline, which keeps the order
/// of each sender's messages. No `scoped_actor` on a loop: it would wait for the thread that it blocks.
///
/// The loops start and stop with the actor system. On shutdown the system must be destroyed while the loops turn:
/// utility actors end, the loops are joined, what is still runnable is ended with `user_shutdown` (its state destroyed,
/// its requests answered), and last the clock drops what is scheduled. Whatever becomes runnable later (a detached
/// actor may still send) is ended likewise on the spot. Sockets and other handlers that hold actors must be gone
/// before: a context destroys them after the system.
class asio_scheduler final : public caf::scheduler::abstract_coordinator {
public:
  /// How many messages an actor may handle before its loop turns to others. CAF's default, unlimited, lets one busy
  /// actor keep timers and sockets waiting for seconds. `scheduler.max-throughput` overrides it.
  static constexpr std::size_t messages_per_turn = 50;

  /// Makes systems of `config` run on `loops`.
  /// @pre `loops` outlives the system and does not run yet
  static void install(caf::actor_system_config& config, event_loops& loops);

  /// Returns the scheduler of `system`.
  /// @pre `install` was called for its configuration
  static asio_scheduler& of(caf::actor_system& system);

  asio_scheduler(caf::actor_system& system, event_loops& loops);

  /// Returns loop `index` as the host for a new actor: `actor_config{scheduler.unit(i)}`. May be used on any thread.
  /// @pre `index` < `loops().size()`
  caf::execution_unit* unit(std::size_t index) noexcept { return &units_[index]; }

  event_loops& loops() noexcept { return loops_; }

  void enqueue(caf::resumable* job) override;
  loop_clock& clock() noexcept override { return clock_; }

protected:
  void init(caf::actor_system_config& config) override;
  void start() override;
  void stop() override;

private:
  /// A loop, as an actor sees it: its `context()`.
  class loop_unit final : public caf::execution_unit {
  public:
    void belong_to(asio_scheduler& scheduler);

    // Posts to the job's home, which need not be this loop: the caller is the sender's.
    void exec_later(caf::resumable* job) override;

  private:
    asio_scheduler* scheduler_ = nullptr;
  };

  std::size_t home_of(const caf::resumable& job);
  void post(std::size_t index, caf::resumable* job);
  void take_turn(std::size_t index, caf::resumable* job);
  void end(caf::resumable* job);

  event_loops& loops_;
  std::vector<loop_unit> units_;
  loop_clock clock_;
};

/// Spawns a function-based actor on a chosen loop, such as one directory shard per loop.
///
/// Its children follow it there. May be called on any thread, with `unit` from `asio_scheduler::unit`.
template <caf::spawn_options Options = caf::no_spawn_options, class Function, class... Arguments>
caf::infer_handle_from_fun_t<Function> spawn_on(caf::execution_unit* unit, Function function,
                                                Arguments&&... arguments) {
  caf::actor_config config{unit};
  return unit->system().spawn_functor<Options>(std::true_type{}, config, function,
                                               std::forward<Arguments>(arguments)...);
}

} // namespace gangway
