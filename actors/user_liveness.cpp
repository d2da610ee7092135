/// The user actor's roll call and probe: who is still there, behind a connection and in a manager.

#include <algorithm>
#include <utility>

#include "actors/user.hpp"

namespace gangway {

namespace {

// A roll call or a probe that comes later than this was held up by its loop.
constexpr std::chrono::milliseconds late_roll_call{1000};
constexpr std::chrono::milliseconds late_probe{250};

// Since when what a manager does not finish is no longer just slow. Longer than a store that is asked again may take.
constexpr manager_patience patience{std::chrono::seconds{15}, std::chrono::seconds{30}};

const command_error never_opened{
    error_code::overloaded, "the thread could not be opened in time", std::chrono::milliseconds{1000}, {}};

const command_error hung{error_code::internal, "the thread's manager does not answer; open the thread again", {}, {}};

} // namespace

// -- signs of life -------------------------------------------------------------------------------

// Whatever a manager says shows that it is not hung. Only a heartbeat makes the next one due later, so that even a
// talkative manager shows its books.
slot* user_state::heard(const manager_id& manager) {
  auto* from = find(manager);
  if (from == nullptr) return nullptr;
  from->pings = {from->pings.last_heard, {}, {}};
  if (from->fault == finding::hung) from->fault.reset();
  return from;
}

// A pong of an older ping shows that somebody was there; a probe wants to know about now.
void user_state::on_pong_received(const pong_received& report) {
  auto* from = find(report.connection);
  if (from == nullptr) return;
  const auto is_probed = [&](const auto& one) { return one.connection == report.connection; };
  if (probe_ && report.nonce != 0) {
    const auto found = std::find_if(probe_->connections.begin(), probe_->connections.end(), is_probed);
    if (found != probe_->connections.end() && report.nonce < found->first_nonce) {
      from->pings = gangway::heard(from->pings, now());
      return;
    }
  }
  heard(report.connection);
}

void user_state::on_link_observed(const link_observed& report) {
  auto* from = find(report.connection);
  if (from == nullptr) return;
  // A slow reader that moves is there, though our pings wait behind what it reads.
  if (report.seen.queued_bytes > 0 && report.seen.stalled_for < rules().heartbeat.timeout / 2)
    from->pings = gangway::heard(from->pings, now());
  if (probe_) {
    for (auto& one : probe_->connections)
      if (one.connection == report.connection) one.known.seen = report.seen;
    look_at_probe();
  }
  // What the kernel shows needs no second silence: it has sent our ping again and again for half of the timeout.
  const connection_probe known{false, 1, report.seen};
  if (services_->decisions.judge_connection(known, false, rules().heartbeat.timeout / 2) == finding::unreachable)
    end_connection(report.connection, finding::unreachable);
}

void user_state::on_heartbeat(const heartbeat& report) {
  auto* which = heard(report.manager);
  if (which == nullptr) return;
  which->pings = gangway::heard(which->pings, now());
  which->answered_probe = report.turn;
  which->use = {report.bytes, report.messages, report.handling_time, report.stuck_for,
                static_cast<std::uint32_t>(report.mailbox)};
  if (which->run && report.run_quiet_for) {
    which->run_heard = now() - *report.run_quiet_for;
    which->last_useful = std::max(which->last_useful, which->run_heard);
  }
  which->fault = judge_books(*which, report);
  if (which->fault) retry_not_before_ = {};
  // It has seen them leave before it was asked.
  std::erase_if(which->left, [&](const auto& one) { return one.second < report.turn; });
  report_count();
  if (probe_) look_at_probe();
}

// Its books are those of the moment in which it was asked; ours have gone on since.
std::optional<finding> user_state::judge_books(const slot& which, const heartbeat& report) const {
  manager_books expected{which.manager, which.thread, {}, {}};
  for (const auto& used : which.seats) {
    const bool was_open = used.open && used.opened_turn < report.turn;
    (was_open ? expected.must_have : expected.may_have).push_back(used.connection);
  }
  for (const auto& [connection, turn] : which.left)
    if (turn >= report.turn) expected.may_have.push_back(connection);
  manager_answer answer{report.manager, report.thread, {}, {}, report.stuck_for};
  for (const auto& known : report.connections) {
    if (known.leaving_for)
      answer.leaving_for = std::max(answer.leaving_for, *known.leaving_for);
    else
      answer.connections.push_back(known.connection);
  }
  return judge(expected, answer, patience);
}

// -- the roll call -------------------------------------------------------------------------------

// One timer for all connections and managers of the user, set to when the first of them needs a look.
void user_state::schedule_roll_call() {
  if (roll_call_pending_ || (connections_.empty() && slots_.empty())) return;
  using std::chrono::milliseconds;
  auto first = steady_time::max();
  for (const auto& known : connections_)
    first = std::min(first, next_look(known.pings, rules().heartbeat));
  for (const auto& which : slots_) {
    if (which.phase == manager_phase::opening) first = std::min(first, which.reserved + rules().open_timeout);
    if (which.phase == manager_phase::open && which.fault != finding::hung)
      first = std::min(first, next_look(which.pings, rules().heartbeat));
  }
  if (first == steady_time::max()) return;
  roll_call_pending_ = true;
  const auto wait =
      std::max(milliseconds{1}, std::chrono::duration_cast<milliseconds>(first - now()) + milliseconds{1});
  roll_call_due_ = now() + wait;
  self_->delayed_send(self_, wait, roll_call_tick{});
}

void user_state::on_roll_call() {
  roll_call_pending_ = false;
  const auto time = now();
  // Silence while we were not listening is no evidence: what came meanwhile is read before anybody is judged.
  if (time - roll_call_due_ > late_roll_call) {
    roll_call_pending_ = true;
    roll_call_due_ = time + late_roll_call;
    self_->delayed_send(self_, late_roll_call, roll_call_tick{});
    return;
  }
  call_connections(time);
  call_managers(time);
  report_count();
  begin_background_if_due();
  reconsider();
  schedule_roll_call();
}

void user_state::call_connections(steady_time time) {
  std::vector<connection_id> dead;
  for (auto& known : connections_) {
    switch (judge(known.pings, time, rules().heartbeat)) {
    case verdict::fine:
      break;
    case verdict::ping_due:
    case verdict::second_ping_due:
      known.pings = pinged(known.pings, time);
      known.link.ping(++known.nonce);
      break;
    case verdict::dead:
      dead.push_back(known.connection);
      break;
    }
  }
  for (const auto& connection : dead)
    end_connection(connection, finding::silent);
}

void user_state::call_managers(steady_time time) {
  const auto turn = ++probe_turn_;
  std::vector<manager_id> unopened;
  for (auto& which : slots_) {
    if (which.phase == manager_phase::opening && time >= which.reserved + rules().open_timeout)
      unopened.push_back(which.manager);
    if (which.phase != manager_phase::open || which.fault == finding::hung) continue;
    switch (judge(which.pings, time, rules().heartbeat)) {
    case verdict::fine:
      break;
    case verdict::ping_due:
    case verdict::second_ping_due:
      which.pings = pinged(which.pings, time);
      self_->send(which.actor, probe{turn});
      break;
    case verdict::dead:
      declare_hung(which);
      break;
    }
  }
  for (const auto& manager : unopened)
    if (auto* which = find(manager)) give_up(*which, never_opened);
  if (!unopened.empty()) serve_line();
}

// Nobody waits for it any longer; whoever opens the thread again gets another one.
void user_state::declare_hung(slot& which) {
  which.fault = finding::hung;
  retry_not_before_ = {};
  for (const auto& known : std::exchange(which.unanswered, {}))
    refuse(known.origin, hung);
  log::warning("a manager does not answer",
               {{"manager_id", to_string(which.manager)}, {"user_id", user_.value}, {"thread_id", which.thread.value}});
}

void user_state::end_connection(const connection_id& connection, finding evidence) {
  auto* known = find(connection);
  if (known == nullptr) return;
  const close_reason reason{close_code::no_pong,
                            evidence == finding::unreachable ? "the network to the client is gone"
                                                             : "two pings were not answered",
                            {}};
  known->link.close(reason);
  auto record = begin_record(decision::kind::connection_dead);
  record.connections.push_back({connection, reason.code, reason.text, evidence});
  keep(std::move(record));
  for (auto& which : slots_)
    if (which.seats.size() == 1 && which.seats.front().connection == connection) which.loss = evidence;
  on_session_closed({connection});
}

// -- the probe -----------------------------------------------------------------------------------

void user_state::begin_probe(std::chrono::milliseconds duration) {
  if (probe_) return;
  const auto time = now();
  probe_ = std::make_unique<ongoing_probe>();
  probe_->turn = ++probe_turn_;
  probe_->half = std::max(std::chrono::milliseconds{1}, duration / 2);
  probe_->due = time + probe_->half;
  std::vector<connection_id> asked;
  for (const auto& which : slots_) {
    if (which.phase != manager_phase::open || which.fault) continue;
    probe_->managers.push_back(which.manager);
    self_->send(which.actor, probe{probe_->turn});
    for (const auto& used : which.seats)
      asked.push_back(used.connection);
  }
  for (auto& known : connections_) {
    if (known.verdict || std::find(asked.begin(), asked.end(), known.connection) == asked.end()) continue;
    probe_->connections.push_back({known.connection, ++known.nonce, {false, 1, {}}});
    known.link.ping(known.nonce);
  }
  self_->delayed_send(self_, probe_->half, probe_tick{probe_->turn});
  look_at_probe();
}

void user_state::on_probe_tick(const probe_tick& tick) {
  if (!probe_ || probe_->turn != tick.turn) return;
  const auto time = now();
  const bool is_late = time - probe_->due > late_probe;
  if (probe_->second && !is_late) return end_probe(true);
  // Whoever lagged asks again instead of judging, but once only.
  if (probe_->second && std::exchange(probe_->excused, true)) return end_probe(false);
  probe_->second = true;
  for (auto& one : probe_->connections) {
    if (one.known.answered) continue;
    auto* known = find(one.connection);
    if (known == nullptr) continue;
    ++one.known.pings;
    known->link.ping(++known->nonce);
  }
  probe_->due = time + probe_->half;
  self_->delayed_send(self_, probe_->half, tick);
}

// A probe ends early when there is nothing left to learn, or as many proved dead as are needed.
void user_state::look_at_probe() {
  const auto time = now();
  std::size_t open = 0;
  for (const auto& manager : probe_->managers)
    if (const auto* which = find(manager); which != nullptr && which->in_use())
      open += which->answered_probe < probe_->turn;
  for (auto& one : probe_->connections) {
    const auto evidence = services_->decisions.judge_connection(one.known, false, rules().cleanup.probe_timeout / 2);
    if (auto* known = find(one.connection); known != nullptr && evidence) set_verdict(*known, evidence);
    open += !one.known.answered && !evidence;
  }
  if (open == 0) return end_probe(false);
  if (!cleanup_ || !cleanup_->waits_for_probe) return;
  const auto needed = needed_now();
  const auto all = roster(time);
  const auto dead = static_cast<std::size_t>(std::count_if(
      all.begin(), all.end(), [](const candidate& one) { return one.proven_dead && !one.live_run && !one.opening; }));
  if (needed > 0 && dead >= needed) end_probe(false);
}

// `is_over`: its time is up, and who has not answered by now is dead.
void user_state::end_probe(bool is_over) {
  const auto finished = std::exchange(probe_, nullptr);
  probe_ended counted;
  const auto count = [&](probe_result result) { ++counted.results[static_cast<std::size_t>(result)]; };
  for (const auto& manager : finished->managers) {
    auto* which = find(manager);
    if (which == nullptr || !which->in_use()) continue;
    if (which->answered_probe < finished->turn && is_over) declare_hung(*which);
    count(which->fault                             ? probe_result::dead
          : which->answered_probe < finished->turn ? probe_result::void_
                                                   : probe_result::alive);
  }
  for (const auto& one : finished->connections) {
    auto* known = find(one.connection);
    if (known == nullptr) continue;
    if (is_over && !one.known.answered)
      set_verdict(*known, services_->decisions.judge_connection(one.known, true, rules().cleanup.probe_timeout));
    count(known->verdict ? probe_result::dead : one.known.answered ? probe_result::alive : probe_result::void_);
  }
  self_->send(directory_, counted);
  report_count();
  if (cleanup_ && std::exchange(cleanup_->waits_for_probe, false)) self_->send(self_, escalate{cleanup_->turn});
}

} // namespace gangway
