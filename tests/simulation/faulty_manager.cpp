#include "tests/simulation/faulty_manager.hpp"

namespace gangway::test {

manager_actor::behavior_type faulty_manager(manager_actor::pointer self, user_actor owner, manager_identity identity,
                                            manager_fault fault) {
  self->send(owner, manager_opened{identity.manager});
  const auto refuse = [=](const request_origin& origin) {
    if (fault == manager_fault::hung) return;
    self->send(owner, frame_handled{identity.manager, origin, true, false});
  };
  auto attached = std::make_shared<std::vector<connection_id>>();
  return {
      [=](const attach& order) {
        attached->push_back(order.origin.connection);
        if (order.origin.request)
          order.link.reply(
              *order.origin.request,
              wire::reply(*order.origin.request, wire::opened(identity.thread, identity.manager, "broken", 0)));
        self->send(owner, frame_handled{identity.manager, order.origin});
      },
      [=](const detach& order) {
        if (fault != manager_fault::stuck_closing) std::erase(*attached, order.connection);
      },
      [=](const send_message& command) { refuse(command.origin); },
      [=](const cancel_run& command) { refuse(command.origin); },
      [](const acknowledge&) {},
      [](const frames_written&) {},
      [](const turn_granted&) {},
      [=](const read_history& command) { refuse(command.origin); },
      [](const run_produced&) {},
      [=](const probe& question) {
        if (fault == manager_fault::hung) return;
        heartbeat report;
        report.manager = identity.manager;
        report.turn = question.turn;
        report.thread = fault == manager_fault::mismatched ? thread_id{"another"} : identity.thread;
        for (const auto& connection : *attached)
          report.connections.push_back({connection, {}});
        if (fault == manager_fault::stuck_closing) report.connections.push_back({connection_id::make(), 60s});
        if (fault == manager_fault::unfit) report.stuck_for = 60s;
        self->send(owner, report);
      },
      [=](const retire&) {
        if (fault != manager_fault::hung && fault != manager_fault::clinging) self->quit();
      },
      [](const get_vitals&) { return vitals{}; },
  };
}

} // namespace gangway::test
