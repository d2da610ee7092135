#pragma once

#include "net/event_loops.hpp"

#include <caf/actor_clock.hpp>
#include <caf/actor_control_block.hpp>

#include <memory>
#include <vector>

namespace gangway {

/// CAF's clock on the loops' own timers: one schedule and one timer per loop, no thread of its own.
///
/// A call from a loop goes to that loop's schedule without a lock. An actor of a loop sets and cancels its timeouts on
/// that loop, so both meet in the same schedule. Calls from any other thread (detached actors, tests, main) are posted
/// to the loop that the actor's id names, in the order made. Once the loops have been stopped, calls do nothing.
class loop_clock final : public caf::actor_clock {
public:
  /// @pre `loops` outlives the clock
  explicit loop_clock(event_loops& loops);
  ~loop_clock() override;

  void set_ordinary_timeout(time_point due, caf::abstract_actor* self, caf::atom_value type, uint64_t id) override;
  void set_multi_timeout(time_point due, caf::abstract_actor* self, caf::atom_value type, uint64_t id) override;
  void set_request_timeout(time_point due, caf::abstract_actor* self, caf::message_id id) override;
  void cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) override;
  void cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) override;
  void cancel_timeouts(caf::abstract_actor* self) override;
  void schedule_message(time_point due, caf::strong_actor_ptr receiver, caf::mailbox_element_ptr content) override;
  void schedule_message(time_point due, caf::group target, caf::strong_actor_ptr sender, caf::message content) override;
  void cancel_all() override;

  /// Drops all that is still scheduled, and with it what holds actors alive.
  /// @pre the loops have been stopped
  void stop();

private:
  class schedule;

  template <class Change>
  void change(std::size_t fallback, Change&& change);

  event_loops& loops_;
  std::vector<std::unique_ptr<schedule>> schedules_;
};

} // namespace gangway
