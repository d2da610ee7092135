#pragma once

/// The small base that every actor stands on: it counts what the console shows of an actor (CAF's own profiler is
/// compiled out of Debian's package), and it replaces CAF's default handlers, which print.

#include <chrono>
#include <exception>
#include <utility>

#include <caf/all.hpp>
#include <caf/detail/pretty_type_name.hpp>

#include "protocol/log.hpp"
#include "protocol/messages.hpp"

namespace gangway {

template <class State, class Handle>
class counted_actor : public caf::stateful_actor<State, typename Handle::base> {
public:
  using super = caf::stateful_actor<State, typename Handle::base>;

  explicit counted_actor(caf::actor_config& cfg) : super(cfg) {
    // An exception ends this actor alone; its parent sees the reason and decides.
    this->set_exception_handler([](caf::scheduled_actor* self, std::exception_ptr& thrown) -> caf::error {
      // Its type alone: what it says may quote a message.
      std::string what = "unknown exception";
      try {
        std::rethrow_exception(thrown);
      } catch (const std::exception& caught) {
        what = caf::detail::pretty_type_name(typeid(caught));
      } catch (...) {
      }
      log::error("an actor crashed", {{"actor", self->name()}, {"reason", what}});
      return caf::make_error(caf::sec::runtime_error, std::move(what));
    });
    this->set_down_handler([](caf::scheduled_actor*, caf::down_msg&) {});
    this->set_default_handler(caf::drop);
  }

  /// Returns what this actor counted.
  gangway::vitals vitals() {
    auto result = vitals_;
    result.mailbox = this->mailbox().size();
    return result;
  }

  /// Returns the actor whose message this thread handles. Handlers that take it from here instead of keeping it are the
  /// same for all actors of a class, so that these share one behaviour: of its own, it would cost each of them 40 bytes
  /// a handler.
  /// @pre called by one of its handlers
  static counted_actor& current() noexcept { return *current_; }

  caf::invoke_message_result consume(caf::mailbox_element& element) override {
    ++vitals_.messages;
    const struct restore {
      counted_actor* before;
      ~restore() { current_ = before; }
    } after{std::exchange(current_, this)};
    return super::consume(element);
  }

  caf::resumable::resume_result resume(caf::execution_unit* unit, std::size_t max_throughput) override {
    const auto begin = std::chrono::steady_clock::now();
    const auto result = super::resume(unit, max_throughput);
    vitals_.handling_time += std::chrono::steady_clock::now() - begin;
    return result;
  }

private:
  static inline thread_local counted_actor* current_ = nullptr;
  gangway::vitals vitals_;
};

/// What an actor's functions call `self`.
template <class State, class Handle>
using actor_pointer = counted_actor<State, Handle>*;

} // namespace gangway
