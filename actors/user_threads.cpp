/// The user actor's threads: who sits in which slot, and how a slot's manager lives and ends.

#include <algorithm>
#include <utility>

#include "actors/errors.hpp"
#include "actors/user.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

const command_error busy{error_code::busy, "too many frames of this thread are unanswered", {}, {}};
const command_error not_open{error_code::not_open, "this connection has not opened that thread", {}, {}};
const command_error was_evicted{
    error_code::not_open, "the thread was evicted to make room for another; open it again", {}, {}};
const command_error closed_before{error_code::not_open, "the thread was closed before it was open", {}, {}};
const command_error closed_meanwhile{error_code::not_open, "the thread was closed meanwhile; open it again", {}, {}};
const command_error did_not_end{
    error_code::internal, "the thread's manager did not answer and was given up; open the thread again", {}, {}};

bool has_nothing_under_way(const slot& of, const connection_id& connection) {
  return std::none_of(of.unanswered.begin(), of.unanswered.end(),
                      [&](const pending_frame& known) { return known.origin.connection == connection; });
}

} // namespace

// -- slots ---------------------------------------------------------------------------------------

slot* user_state::find(const manager_id& manager) {
  auto found = std::find_if(slots_.begin(), slots_.end(), [&](const slot& known) { return known.manager == manager; });
  return found == slots_.end() ? nullptr : &*found;
}

slot* user_state::find_usable(const thread_id& thread) {
  auto found = std::find_if(slots_.begin(), slots_.end(),
                            [&](const slot& known) { return known.thread == thread && known.in_use(); });
  return found == slots_.end() ? nullptr : &*found;
}

bool user_state::has_slot(const thread_id& thread) const {
  return std::any_of(slots_.begin(), slots_.end(),
                     [&](const slot& known) { return known.thread == thread && known.in_use(); });
}

seat* user_state::find_seat(slot& of, const connection_id& connection) {
  auto found =
      std::find_if(of.seats.begin(), of.seats.end(), [&](const seat& known) { return known.connection == connection; });
  return found == of.seats.end() ? nullptr : &*found;
}

// A slot is free the moment the user decides, not when the manager agrees.
std::uint32_t user_state::slots_used() const {
  return static_cast<std::uint32_t>(
      std::count_if(slots_.begin(), slots_.end(), [](const slot& known) { return known.in_use(); }));
}

std::uint32_t user_state::slots_ending() const { return static_cast<std::uint32_t>(slots_.size()) - slots_used(); }

// Frames of one connection that its manager may have unanswered: a hung manager then never stalls the socket's others.
bool user_state::has_credit(const slot& of, const connection_id& connection) const {
  const auto used = std::count_if(of.unanswered.begin(), of.unanswered.end(),
                                  [&](const pending_frame& known) { return known.origin.connection == connection; });
  return static_cast<std::uint32_t>(used) < rules().credit;
}

slot& user_state::reserve(const thread_id& thread) {
  ++turn_;
  const auto time = now();
  for (auto& one : tombstones_) {
    if (one.thread != thread || one.is_back) continue;
    one.is_back = true;
    one.came_back = time;
  }
  auto& which = slots_.emplace_back();
  which.manager = manager_id::make();
  which.thread = thread;
  which.reserved = which.last_useful = time;
  which.pings = gangway::heard({}, time);
  which.actor = services_->spawn_manager(self_, user_actor{self_}, {which.manager, user_, thread});
  self_->monitor(which.actor);
  report_count();
  schedule_roll_call();
  return which;
}

// -- what clients ask ----------------------------------------------------------------------------

void user_state::on_open_thread(const open_thread& command) {
  auto* from = heard(command.origin.connection);
  if (from == nullptr) return;
  from->last_useful = now();
  open(command.origin, command.thread.value_or(thread_id{to_string(make_uuid())}), command.position);
}

void user_state::open(const request_origin& origin, const thread_id& thread,
                      const std::optional<log_position>& position) {
  if (auto* which = find_usable(thread)) {
    // Whoever asks again for a thread whose manager is broken gets another one.
    if (!which->fault || is_live_run(*which, now())) return take_seat(*which, origin, position);
    give_up(*which, did_not_end);
  }
  waiting_open request{origin, thread, position, now(), {}, 0};
  switch (services_->decisions.admit(
      {slots_used(), limit_now(), slots_ending(), static_cast<std::uint32_t>(line_.size()), line_max()})) {
  case admission::reserve:
    take_seat(reserve(thread), origin, position);
    self_->send(directory_, admission_ended{admission_outcome::immediate, {}});
    begin_background_if_due();
    break;
  case admission::wait:
    wait_in_line(std::move(request));
    break;
  case admission::refuse_as_full:
    turn_away(request, limit_error(error_code::queue_full, thread));
    self_->send(directory_, admission_ended{admission_outcome::refused, {}});
    break;
  case admission::refuse_as_leaking:
    turn_away(request, leaking_error());
    self_->send(directory_, admission_ended{admission_outcome::refused, {}});
    break;
  }
}

void user_state::take_seat(slot& in, const request_origin& origin, const std::optional<log_position>& position) {
  auto* who = find(origin.connection);
  if (who == nullptr) return;
  if (!has_credit(in, origin.connection)) return refuse(origin, busy);
  in.last_useful = who->last_useful;
  in.loss.reset();
  ++in.turn;
  if (find_seat(in, origin.connection) == nullptr) in.seats.push_back({origin.connection});
  in.unanswered.push_back({origin});
  attach order{origin, who->link, position};
  if (const auto greeting = std::exchange(who->greeting, nullptr)) {
    order.greeting = std::move(*greeting);
    find_seat(in, origin.connection)->awaited = true;
  }
  self_->send(in.actor, std::move(order));
}

template <class Command>
void user_state::pass_on(const Command& command) {
  auto* from = heard(command.origin.connection);
  if (from == nullptr) return;
  auto* which = find_usable(command.thread);
  if (which == nullptr || find_seat(*which, from->connection) == nullptr) {
    // It comes after its open.
    if (auto* before = find_waiting(command.thread, from->connection)) {
      if (before->behind.size() + 1 >= rules().credit) return refuse(command.origin, busy);
      before->behind.emplace_back(command);
      return;
    }
  }
  if (which == nullptr) {
    const auto* gone = find_tombstone(command.thread);
    return refuse(command.origin, gone != nullptr && !gone->is_back ? was_evicted : not_open);
  }
  if (find_seat(*which, from->connection) == nullptr) return refuse(command.origin, not_open);
  if (!has_credit(*which, from->connection)) return refuse(command.origin, busy);
  // Reading what was said is no use of a thread by which it should outlive others.
  if constexpr (!std::is_same_v<Command, read_history>) from->last_useful = which->last_useful = now();
  which->unanswered.push_back({command.origin, std::is_same_v<Command, send_message>});
  self_->send(which->actor, command);
}

template void user_state::pass_on(const send_message&);
template void user_state::pass_on(const cancel_run&);
template void user_state::pass_on(const read_history&);

void user_state::on_send_message(const send_message& command) { pass_on(command); }
void user_state::on_cancel_run(const cancel_run& command) { pass_on(command); }
void user_state::on_read_history(const read_history& command) { pass_on(command); }

void user_state::on_acknowledge(const acknowledge& report) {
  heard(report.connection);
  auto* which = find_usable(report.thread);
  if (which != nullptr && find_seat(*which, report.connection) != nullptr) self_->send(which->actor, report);
}

void user_state::on_close_thread(const close_thread& command) {
  auto* from = heard(command.origin.connection);
  if (from == nullptr) return;
  // One that waits for its slot is closed by waiting no longer.
  std::vector<waiting_open> given_up;
  std::erase_if(line_, [&](waiting_open& known) {
    if (known.thread != command.thread || known.origin.connection != from->connection) return false;
    given_up.push_back(std::move(known));
    return true;
  });
  for (const auto& one : given_up) {
    refuse(one.origin, closed_before);
    refuse_behind(one, closed_before);
  }
  auto* which = find_usable(command.thread);
  if (which == nullptr || find_seat(*which, from->connection) == nullptr) {
    if (given_up.empty())
      refuse(command.origin, not_open);
    else
      answer(command.origin, "{}");
    return tell_positions();
  }
  leave(*which, from->connection);
  // The last one closed it on purpose: nobody will be back in a moment.
  const bool run_follows = std::any_of(which->unanswered.begin(), which->unanswered.end(),
                                       [](const pending_frame& known) { return known.brings_run; });
  if (which->seats.empty() && !which->run && !run_follows) retire_manager(*which);
  answer(command.origin, "{}");
  serve_line();
}

void user_state::leave(slot& of, const connection_id& connection) {
  if (std::erase_if(of.seats, [&](const seat& known) { return known.connection == connection; }) == 0) return;
  if (find(connection) == nullptr)
    std::erase_if(of.unanswered, [&](const pending_frame& known) { return known.origin.connection == connection; });
  note_left(of, connection);
  self_->send(of.actor, detach{connection});
  linger_if_unused(of);
}

void user_state::note_left(slot& of, const connection_id& connection) {
  std::erase_if(of.left, [&](const auto& known) { return known.first == connection; });
  of.left.emplace_back(connection, probe_turn_);
}

void user_state::linger_if_unused(slot& which) {
  if (!which.seats.empty() || which.run || !which.in_use()) return;
  self_->delayed_send(self_, rules().linger, linger_tick{which.manager, ++which.turn});
}

void user_state::on_linger(const linger_tick& tick) {
  auto* which = find(tick.manager);
  if (which == nullptr || which->turn != tick.turn || !which->seats.empty() || which->run) return;
  retire_manager(*which);
  serve_line();
}

// -- what managers report ------------------------------------------------------------------------

void user_state::on_manager_opened(const manager_opened& report) {
  auto* which = heard(report.manager);
  if (which == nullptr || which->phase != manager_phase::opening) return;
  which->phase = manager_phase::open;
  retry_not_before_ = {};
  report_count();
}

void user_state::on_frame_handled(const frame_handled& report) {
  auto* which = heard(report.manager);
  if (which == nullptr) return;
  auto& unanswered = which->unanswered;
  auto found = std::find_if(unanswered.begin(), unanswered.end(),
                            [&](const pending_frame& known) { return known.origin == report.origin; });
  const bool was_given_up = found == unanswered.end();
  if (!was_given_up) {
    unanswered.erase(found);
    if (!report.answered) refuse(report.origin, not_open);
  }
  auto* used = find_seat(*which, report.origin.connection);
  if (used == nullptr) return;
  // Its client was told that it has not got it.
  const bool was_refused = was_given_up && report.origin.request && !used->awaited && !used->open;
  if (report.opened && !was_refused) self_->send(directory_, thread_opened{*report.opened});
  if (report.attached && !used->open) {
    if (was_refused && has_nothing_under_way(*which, used->connection)) return leave(*which, report.origin.connection);
    used->open = true;
    used->opened_turn = probe_turn_;
    // What has just been opened may go for those who wait.
    retry_not_before_ = {};
    if (!line_.empty()) return reconsider();
  }
  // It asked for the thread and did not get it, and nothing else of it is on its way.
  if (!used->open && has_nothing_under_way(*which, report.origin.connection)) {
    note_left(*which, used->connection);
    std::erase_if(which->seats, [&](const seat& known) { return known.connection == report.origin.connection; });
    linger_if_unused(*which);
  }
}

// Whoever reads too slowly to follow opens the thread again, or has done so already.
void user_state::on_attachment_dropped(const attachment_dropped& report) {
  auto* which = heard(report.manager);
  auto* used = which == nullptr ? nullptr : find_seat(*which, report.connection);
  if (used == nullptr) return;
  used->open = false;
  if (auto* to = find(report.connection)) to->link.send(wire::thread_detached(which->thread, "slow_consumer"));
  if (!has_nothing_under_way(*which, report.connection)) return;
  note_left(*which, report.connection);
  std::erase_if(which->seats, [&](const seat& known) { return known.connection == report.connection; });
  linger_if_unused(*which);
}

void user_state::on_run_started(const run_started& report) {
  auto* which = heard(report.manager);
  if (which == nullptr) return;
  which->run = report.run;
  which->agent = report.agent;
  which->run_began = which->run_heard = which->last_useful = now();
  ++which->turn;
  report_count();
}

void user_state::on_run_ended(const run_ended& report) {
  auto* which = heard(report.manager);
  if (which == nullptr) return;
  count_run(*which, report.outcome, report.first_event);
  which->run.reset();
  which->last_useful = now();
  report_count();
  linger_if_unused(*which);
  retry_not_before_ = {};
  reconsider();
}

// A run that was given up for dead may still end in order, and then counts by its ending; one whose manager is gone
// ends with that.
void user_state::count_run(slot& which, run_outcome outcome, std::optional<std::chrono::microseconds> first_event) {
  auto agent = std::exchange(which.agent, {});
  if (!agent.empty()) self_->send(directory_, run_finished{std::move(agent), outcome, first_event});
}

void user_state::on_manager_failed(const manager_failed& report) {
  auto* which = find(report.manager);
  if (which == nullptr) return;
  give_up(*which, report.error);
  serve_line();
}

// Tells everybody that the thread has to be opened again, and ends what is left of its manager.
void user_state::give_up(slot& which, const command_error& error) {
  detach_all(which, error);
  which.run.reset();
  retire_manager(which);
}

// What is erased must not be written again: whoever has it open is told to open it anew, and finds it empty.
released user_state::on_release(const release& order) {
  const command_error erased{error_code::not_found, "the thread was erased", {}, {}};
  const auto before = slots_used();
  const auto concerns = [&](const thread_id& thread) { return !order.thread || thread == *order.thread; };
  for (auto& which : slots_)
    if (which.in_use() && concerns(which.thread)) give_up(which, erased);
  std::erase_if(tombstones_, [&](const tombstone& one) { return concerns(one.thread); });
  const auto freed = before - slots_used();
  if (!order.thread) {
    line_.clear();
    while (!connections_.empty()) {
      const auto gone = connections_.back().connection;
      connections_.back().link.close({close_code::state_lost, "the user's data was erased", {}});
      on_session_closed({gone});
    }
  }
  serve_line();
  return {freed};
}

void user_state::on_manager_down(const caf::down_msg& report) {
  auto which = std::find_if(slots_.begin(), slots_.end(),
                            [&](const slot& known) { return known.actor.address() == report.source; });
  if (which == slots_.end()) return;
  if (which->in_use() && report.reason != caf::exit_reason::normal) {
    auto record = begin_record(decision::kind::manager_crashed);
    record.evictions.push_back({which->manager, which->thread, {}, {}, eviction_reason::zombie, {finding::crashed}});
    for (const auto& used : which->seats)
      record.evictions.back().connections.push_back(used.connection);
    keep(std::move(record));
  }
  detach_all(*which, report.reason == caf::exit_reason::normal ? closed_meanwhile : to_command_error(report.reason));
  count_run(*which, run_outcome::interrupted, {});
  slots_.erase(which);
  report_count();
  if (probe_) look_at_probe();
  if (retiring_ && slots_.empty()) return self_->quit();
  retry_not_before_ = {};
  reconsider();
  forget_if_unused();
}

// Tells everybody who used the thread that it has to be opened again.
void user_state::detach_all(slot& which, const command_error& error) {
  for (const auto& known : std::exchange(which.unanswered, {}))
    refuse(known.origin, error);
  for (const auto& used : std::exchange(which.seats, {})) {
    auto* to = find(used.connection);
    if (to == nullptr) continue;
    if (used.open)
      to->link.send(wire::thread_detached(which.thread, to_string(error.code)));
    else if (used.awaited)
      to->link.close(to_close_reason(error));
  }
}

// -- how a manager ends: it is asked, then made to, then counted as a leak -----------------------

void user_state::retire_manager(slot& which) {
  if (!which.in_use()) return;
  which.phase = manager_phase::retiring;
  report_count();
  // Before whatever waits there: nobody is answered or sent anything by a manager that it was told is gone.
  self_->send<caf::message_priority::high>(which.actor, retire{});
  self_->delayed_send(self_, rules().retire_timeout, retire_deadline_tick{which.manager});
}

void user_state::on_retire_deadline(const retire_deadline_tick& tick) {
  auto* which = find(tick.manager);
  if (which == nullptr) return;
  if (!std::exchange(which->killed, true)) {
    log::warning(
        "a manager did not end in time and is killed",
        {{"manager_id", to_string(which->manager)}, {"user_id", user_.value}, {"thread_id", which->thread.value}});
    // Nobody waits for it any longer.
    detach_all(*which, did_not_end);
    self_->send_exit(which->actor, caf::exit_reason::kill);
    self_->delayed_send(self_, rules().retire_timeout, tick);
    return;
  }
  log::error("a manager was killed and has not ended: it has leaked",
             {{"manager_id", to_string(which->manager)}, {"user_id", user_.value}, {"thread_id", which->thread.value}});
  which->phase = manager_phase::leaked;
  auto record = begin_record(decision::kind::manager_leaked);
  record.evictions.push_back({which->manager, which->thread, {}, {}, eviction_reason::zombie, {finding::hung}});
  keep(std::move(record));
  report_count();
}

} // namespace gangway
