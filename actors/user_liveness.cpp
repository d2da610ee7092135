/// The user actor's roll call and probe: who is still there, behind a connection and in a manager.

#include <algorithm>
#include <utility>

#include "actors/user.hpp"

namespace gangway {

namespace {

// A roll call or a probe that comes later than this was held up by its loop.
constexpr std::chrono::milliseconds late_roll_call{1000};
constexpr std::chrono::milliseconds late_probe{250};

// How long a probe that is over waits for sessions that have to look at their links once more. One that is later stands
// still, and then silence is its own.
constexpr std::chrono::milliseconds last_look_max{250};

// A loop that stands still for so long ends the process (`loop.stall_max`): a session that has not looked by then is
// none.
constexpr std::chrono::seconds session_is_gone{60};

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
    return end_connection(report.connection, finding::unreachable);
  if (from->last_call == 0 || from->last_call != report.seen.nonce || !from->pings.pinged_again_at) return;
  from->last_call = 0;
  const connection_probe silent{false, 2, report.seen, report.seen.nonce};
  if (const auto evidence = services_->decisions.judge_connection(silent, true, rules().heartbeat.timeout))
    end_connection(report.connection, *evidence);
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

// One timer for all connections and managers of the user, set to when the first of them needs a look. A tick cannot be
// called back: one that is on its way for later stays, and is void when it comes.
void user_state::schedule_roll_call() {
  if (connections_.empty() && slots_.empty()) return;
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
  const auto wait =
      std::max(milliseconds{1}, std::chrono::duration_cast<milliseconds>(first - now()) + milliseconds{1});
  if (roll_call_pending_ && roll_call_due_ <= now() + wait) return;
  roll_call_pending_ = true;
  roll_call_due_ = now() + wait;
  self_->delayed_send(self_, wait, roll_call_tick{});
}

void user_state::on_roll_call() {
  const auto time = now();
  if (!roll_call_pending_ || time < roll_call_due_) return;
  roll_call_pending_ = false;
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

// Whoever is silent to the end gets a last ping for the sake of its session: that looks at its link when it has read
// what had come, and what it sees decides (`on_link_observed`). If its loop stands still it is asked again.
void user_state::call_connections(steady_time time) {
  std::vector<connection_id> gone;
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
      if (known.last_call != 0 && time - *known.pings.pinged_at >= rules().heartbeat.timeout + session_is_gone) {
        gone.push_back(known.connection);
        break;
      }
      known.pings.pinged_again_at = time;
      known.last_call = ++known.nonce;
      known.link.ping(known.nonce);
      break;
    }
  }
  for (const auto& connection : gone)
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
                            : evidence == finding::stalled   ? "the client reads nothing"
                                                             : "two pings were not answered",
                            {}};
  let_leave(*known, reason);
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
    ++known.nonce;
    probe_->connections.push_back({known.connection, known.nonce, {false, 1, {}, known.nonce}});
    known.link.ping(known.nonce);
  }
  self_->delayed_send(self_, probe_->half, probe_tick{probe_->turn});
  look_at_probe();
}

void user_state::on_probe_tick(const probe_tick& tick) {
  if (!probe_ || probe_->turn != tick.turn) return;
  const auto time = now();
  if (probe_->last) return end_probe(true);
  const bool is_late = time - probe_->due > late_probe;
  if (probe_->second && !is_late) return take_last_look();
  // Whoever lagged asks again instead of judging, but once only.
  if (probe_->second && std::exchange(probe_->excused, true)) return end_probe(false);
  probe_->second = true;
  for (auto& one : probe_->connections) {
    if (one.known.answered) continue;
    auto* known = find(one.connection);
    if (known == nullptr) continue;
    ++one.known.pings;
    one.known.nonce = ++known->nonce;
    known->link.ping(known->nonce);
  }
  probe_->due = time + probe_->half;
  self_->delayed_send(self_, probe_->half, tick);
}

// A session looks at its link behind all that it has read: what comes back says whether its loop was there to read.
void user_state::take_last_look() {
  probe_->last = true;
  for (auto& one : probe_->connections) {
    auto* known = find(one.connection);
    if (one.known.answered || known == nullptr) continue;
    one.known.nonce = ++known->nonce;
    known->link.ping(known->nonce);
  }
  self_->delayed_send(self_, last_look_max, probe_tick{probe_->turn});
  look_at_probe();
}

// A probe ends early when there is nothing left to learn, or as many proved dead as are needed.
void user_state::look_at_probe() {
  if (probe_->last) {
    const auto is_known = [](const auto& one) {
      return one.known.answered || (one.known.seen && one.known.seen->nonce >= one.known.nonce);
    };
    if (std::all_of(probe_->connections.begin(), probe_->connections.end(), is_known)) end_probe(true);
    return;
  }
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
