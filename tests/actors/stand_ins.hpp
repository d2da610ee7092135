#pragma once

/// Managers that misbehave, each named for its fault.

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <stdexcept>
#include <utility>
#include <vector>

#include "actors/manager.hpp"
#include "protocol/actors.hpp"
#include "protocol/wire.hpp"

namespace gangway::test {

/// Takes everything and answers nothing, not even the order to end.
inline manager_actor::behavior_type deaf_manager(manager_actor::pointer) {
  return {
      [](const attach&) {},       [](const detach&) {},       [](const send_message&) {},
      [](const cancel_run&) {},   [](const acknowledge&) {},  [](const frames_written&) {},
      [](const turn_granted&) {}, [](const read_history&) {}, [](const run_produced&) {},
      [](const probe&) {},        [](const retire&) {},       [](const get_vitals&) { return vitals{}; },
  };
}

/// Opens, and knows nobody by the time a message comes: as one that has dropped a slow connection.
inline manager_actor::behavior_type forgetful_manager(manager_actor::pointer self, user_actor owner,
                                                      manager_identity identity) {
  self->send(owner, manager_opened{identity.manager});
  return {
      [=](const attach& order) {
        if (const auto request = order.origin.request)
          order.link.reply(*request,
                           wire::reply(*request, wire::opened(identity.thread, identity.manager, "epoch", 0, {})));
        self->send(owner, frame_handled{identity.manager, order.origin});
      },
      [](const detach&) {},
      [=](const send_message& command) {
        self->send(owner, frame_handled{identity.manager, command.origin, false, false});
      },
      [](const cancel_run&) {},
      [](const acknowledge&) {},
      [](const frames_written&) {},
      [](const turn_granted&) {},
      [](const read_history&) {},
      [](const run_produced&) {},
      [](const probe&) {},
      [=](const retire&) { self->quit(); },
      [](const get_vitals&) { return vitals{}; },
  };
}

/// Crashes before its thread is open.
inline manager_actor::behavior_type stillborn_manager(manager_actor::pointer self) {
  self->set_exception_handler(
      [](caf::scheduled_actor*, std::exception_ptr&) -> caf::error { return caf::sec::runtime_error; });
  return {
      [](const attach&) { throw std::runtime_error{"a handler that fails"}; },
      [](const detach&) {},
      [](const send_message&) {},
      [](const cancel_run&) {},
      [](const acknowledge&) {},
      [](const frames_written&) {},
      [](const turn_granted&) {},
      [](const read_history&) {},
      [](const run_produced&) {},
      [](const probe&) {},
      [](const retire&) {},
      [](const get_vitals&) { return vitals{}; },
  };
}

/// Changes what a manager says of itself; returns false if it says nothing at all.
using heartbeat_flaw = std::function<bool(heartbeat&)>;

/// Opens, answers whoever opens its thread, and ends when it is told to. It differs from a sound manager in what it
/// says of itself; so to everybody else it looks active.
inline manager_actor::behavior_type flawed_manager(manager_actor::pointer self, user_actor owner,
                                                   manager_identity identity, heartbeat_flaw flaw,
                                                   std::function<void()> on_message = {}) {
  auto connections = std::make_shared<std::vector<connection_id>>();
  const auto handled = [=](const request_origin& origin) {
    self->send(owner, frame_handled{identity.manager, origin});
  };
  self->send(owner, manager_opened{identity.manager});
  return {
      [=](const attach& order) {
        const auto& who = order.origin.connection;
        if (std::find(connections->begin(), connections->end(), who) == connections->end()) connections->push_back(who);
        const auto opened = wire::opened(identity.thread, identity.manager, "epoch", 0, {});
        if (order.greeting)
          order.link.send(wire::connected(*order.greeting, opened));
        else if (order.origin.request)
          order.link.reply(*order.origin.request, wire::reply(*order.origin.request, opened));
        handled(order.origin);
      },
      [=](const detach& order) { std::erase(*connections, order.connection); },
      [=](const send_message& command) {
        if (on_message) on_message();
        handled(command.origin);
      },
      [=](const cancel_run& command) { handled(command.origin); },
      [](const acknowledge&) {},
      [](const frames_written&) {},
      [](const turn_granted&) {},
      [=](const read_history& command) { handled(command.origin); },
      [](const run_produced&) {},
      [=](const probe& question) {
        heartbeat report;
        report.manager = identity.manager;
        report.turn = question.turn;
        report.thread = identity.thread;
        for (const auto& connection : *connections)
          report.connections.push_back({connection, {}});
        if (flaw(report)) self->send(owner, report);
      },
      [=](const retire&) { self->quit(); },
      [](const get_vitals&) { return vitals{}; },
  };
}

// What they say of themselves, one fault each.

/// Filed its thread under another id.
inline bool misfile(heartbeat& report) {
  report.thread.value += "-mismatched";
  return true;
}

/// Knows none of the connections that use it.
inline bool forget_connections(heartbeat& report) {
  report.connections.clear();
  return true;
}

/// Holds on to a connection whose close never finishes.
inline bool never_finish_closing(heartbeat& report) {
  report.connections.push_back({connection_id::make(), std::chrono::seconds{15}});
  return true;
}

/// Could not take a connection or a message: what it asked for is never answered.
inline bool fail_validation(heartbeat& report) {
  report.stuck_for = std::chrono::seconds{30};
  return true;
}

/// Never says that it works.
inline bool say_nothing(heartbeat&) { return false; }

/// Works.
inline bool be_sound(heartbeat&) { return true; }

/// Works until it gets a message, then throws.
inline manager_actor::behavior_type crashing_manager(manager_actor::pointer self, user_actor owner,
                                                     manager_identity identity) {
  self->set_exception_handler(
      [](caf::scheduled_actor*, std::exception_ptr&) -> caf::error { return caf::sec::runtime_error; });
  return flawed_manager(self, std::move(owner), std::move(identity), be_sound,
                        [] { throw std::runtime_error{"a handler that fails"}; });
}

/// Keeps managers from ending, whatever they are told, as a handler does that blocks its thread.
class blockade {
public:
  bool blocks = false;

  void hold(caf::resumable* one) {
    if (std::find(held_.begin(), held_.end(), one) == held_.end()) held_.push_back(one);
  }

  /// Lets everybody go on; returns those who have something to do.
  std::vector<caf::resumable*> lift() {
    blocks = false;
    return std::exchange(held_, {});
  }

private:
  std::vector<caf::resumable*> held_;
};

/// A sound manager until its blockade begins: then it does nothing any more, and not even a kill ends it.
class blocked_manager final : public manager_actor::base {
public:
  using super = manager_actor::base;

  blocked_manager(caf::actor_config& cfg, user_actor owner, manager_identity identity, std::shared_ptr<blockade> until)
      : super(cfg), owner_{std::move(owner)}, identity_{std::move(identity)}, blockade_{std::move(until)} {}

  resume_result resume(caf::execution_unit* unit, std::size_t max_throughput) override {
    if (!blockade_->blocks) return super::resume(unit, max_throughput);
    blockade_->hold(this);
    return caf::resumable::awaiting_message;
  }

private:
  behavior_type make_behavior() override { return flawed_manager(this, owner_, identity_, be_sound); }

  user_actor owner_;
  manager_identity identity_;
  std::shared_ptr<blockade> blockade_;
};

} // namespace gangway::test
