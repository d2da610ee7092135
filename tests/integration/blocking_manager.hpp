#pragma once

#include <algorithm>
#include <chrono>
#include <future>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "actors/manager.hpp"
#include "protocol/actors.hpp"
#include "protocol/wire.hpp"

namespace gangway::test {

/// A handler that blocks its thread, and what becomes of the manager it belongs to.
class blockade {
  std::promise<void> entered_, released_, destroyed_;
  std::promise<std::string> written_;
  std::shared_future<void> gate_ = released_.get_future().share();
  bool lifted_ = false;

public:
  std::future<void> entered = entered_.get_future();        ///< its handler blocks
  std::future<std::string> written = written_.get_future(); ///< what its write was answered with when it woke
  std::future<void> destroyed = destroyed_.get_future();    ///< it has ended

  ~blockade() { lift(); }

  /// Lets the handler go on.
  void lift() {
    if (!std::exchange(lifted_, true)) released_.set_value();
  }

  // What the manager does.
  void block() {
    entered_.set_value();
    gate_.wait();
  }
  void write_answered(std::string answer) { written_.set_value(std::move(answer)); }
  void end() { destroyed_.set_value(); }
};

/// A manager whose handler of a message blocks its thread. It opened its thread as a real one does, so that it has a
/// generation to write by; when it wakes it writes, and ends once that is answered, if it was told to meanwhile.
class blocking_manager final : public manager_actor::base {
public:
  blocking_manager(caf::actor_config& config, user_actor owner, manager_identity identity, store_actor store,
                   std::shared_ptr<blockade> blocked)
      : manager_actor::base{config},
        owner_{std::move(owner)},
        identity_{std::move(identity)},
        store_{std::move(store)},
        blocked_{std::move(blocked)} {}

  void on_exit() override {
    blocked_->end();
    owner_ = user_actor{};
    store_ = store_actor{};
  }

private:
  behavior_type make_behavior() override {
    request(store_, caf::infinite, open_log{identity_.user, identity_.thread, utc_now()})
        .await([this](const log_opened& opened) {
          log_ = opened;
          send(owner_, manager_opened{identity_.manager});
        });
    return {
        [this](const gangway::attach& order) {
          connections_.push_back(order.origin.connection);
          order.link.send(
              wire::reply(*order.origin.request, wire::opened(identity_.thread, identity_.manager, log_.epoch, 0, {})));
          send(owner_, frame_handled{identity_.manager, order.origin});
        },
        [this](const gangway::detach& order) { std::erase(connections_, order.connection); },
        [this](const send_message&) {
          blocked_->block();
          write();
        },
        [](const cancel_run&) {},
        [](const acknowledge&) {},
        [](const frames_written&) {},
        [](const turn_granted&) {},
        [](const read_history&) {},
        [](const run_produced&) {},
        [this](const probe& question) {
          heartbeat report;
          report.manager = identity_.manager;
          report.turn = question.turn;
          report.thread = identity_.thread;
          for (const auto& connection : connections_)
            report.connections.push_back({connection, {}});
          send(owner_, report);
        },
        [this](const retire&) {
          retiring_ = true;
          if (!writing_) quit();
        },
        [](const get_vitals&) { return vitals{}; },
    };
  }

  void write() {
    writing_ = true;
    const auto done = [this](std::string answer) {
      blocked_->write_answered(std::move(answer));
      writing_ = false;
      if (retiring_) quit();
    };
    std::vector<thread_event> events{{log_.last + 1, {}, utc_now(), custom_event{"late", {"null"}}}};
    request(store_, caf::infinite, append_events{log_.log, log_.generation, std::move(events), false})
        .then([done](const events_appended&) { done("written"); },
              [done, this](const caf::error& reason) {
                done(reason == errc::stale_generation ? "stale_generation" : home_system().render(reason));
              });
  }

  user_actor owner_;
  manager_identity identity_;
  store_actor store_;
  std::shared_ptr<blockade> blocked_;
  log_opened log_;
  std::vector<connection_id> connections_;
  bool writing_ = false;
  bool retiring_ = false;
};

} // namespace gangway::test
