#pragma once

/// Managers that misbehave, each named for its fault.

#include <stdexcept>

#include "protocol/actors.hpp"

namespace gangway::test {

/// Takes everything and answers nothing, not even the order to end.
inline manager_actor::behavior_type deaf_manager(manager_actor::pointer) {
  return {
      [](const attach&) {},       [](const detach&) {},      [](const send_message&) {},
      [](const cancel_run&) {},   [](const acknowledge&) {}, [](const read_history&) {},
      [](const run_produced&) {}, [](const retire&) {},      [](const get_vitals&) { return vitals{}; },
  };
}

/// Works until it gets a message, then throws.
inline manager_actor::behavior_type crashing_manager(manager_actor::pointer self, user_actor owner,
                                                     manager_id identity) {
  self->set_exception_handler(
      [](caf::scheduled_actor*, std::exception_ptr&) -> caf::error { return caf::sec::runtime_error; });
  self->send(owner, manager_opened{identity});
  return {
      [=](const attach& order) {
        self->send(owner, frame_handled{identity, order.origin});
      },
      [](const detach&) {},
      [](const send_message&) { throw std::runtime_error{"a handler that fails"}; },
      [](const cancel_run&) {},
      [](const acknowledge&) {},
      [](const read_history&) {},
      [](const run_produced&) {},
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
      [](const read_history&) {},
      [](const run_produced&) {},
      [](const retire&) {},
      [](const get_vitals&) { return vitals{}; },
  };
}

} // namespace gangway::test
