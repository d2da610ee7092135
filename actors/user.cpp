#include "actors/user.hpp"

#include <algorithm>
#include <utility>

#include "actors/errors.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

// About what a line of `thread.list` takes.
constexpr std::uint64_t listed_thread_bytes = 256;

// So many of a user's connections may be leaving at a time; those that were told before are not waited for.
constexpr std::size_t leaving_max = 8;

} // namespace

// Whatever ends the user, however suddenly, ends its managers and lets its clients come back.
user_state::~user_state() {
  for (const auto& which : slots_)
    if (which.actor) caf::anon_send_exit(which.actor, caf::exit_reason::user_shutdown);
  for (const auto& known : connections_)
    known.link.close({close_code::state_lost, "the user was restarted", {}});
}

void user_state::start(user_pointer self, directory_actor directory, user_id user, std::string tier,
                       std::shared_ptr<const user_services> services) {
  self_ = self;
  directory_ = std::move(directory);
  user_ = std::move(user);
  tier_ = parse_tier(tier);
  services_ = std::move(services);
}

// -- what is known -------------------------------------------------------------------------------

steady_time user_state::now() const { return self_->clock().now(); }

const user_rules& user_state::rules() const { return services_->rules[static_cast<std::size_t>(tier_)]; }

user_connection* user_state::find(const connection_id& connection) {
  auto found = std::find_if(connections_.begin(), connections_.end(),
                            [&](const user_connection& known) { return known.connection == connection; });
  return found == connections_.end() ? nullptr : &*found;
}

void user_state::set_verdict(user_connection& about, std::optional<finding> evidence) {
  verdicts_ = verdicts_ - about.verdict.has_value() + evidence.has_value();
  about.verdict = evidence;
}

user_connection* user_state::heard(const connection_id& connection) {
  auto* from = find(connection);
  if (from == nullptr) return nullptr;
  from->pings = gangway::heard(from->pings, now());
  set_verdict(*from, std::nullopt);
  if (probe_) {
    for (auto& one : probe_->connections)
      if (one.connection == connection) one.known.answered = true;
    look_at_probe();
  }
  return from;
}

void user_state::answer(const request_origin& origin, const std::string& result) {
  if (!origin.request) return;
  if (auto* to = find(origin.connection)) to->link.reply(*origin.request, wire::reply(*origin.request, result));
}

// A socket that waits for its one thread is told by its end.
void user_state::refuse(const request_origin& origin, const command_error& error) {
  auto* to = find(origin.connection);
  if (to == nullptr) return;
  if (to->greeting && !origin.request)
    to->link.close(to_close_reason(error));
  else if (origin.request)
    to->link.reply(*origin.request, wire::reply(origin.request, error));
}

void user_state::tell_everybody(const std::string& notice) {
  const auto text = std::make_shared<const std::string>(notice);
  for (const auto& known : connections_)
    known.link.send(text);
}

void user_state::report_count() {
  user_counted count;
  count.connections = static_cast<std::uint32_t>(connections_.size());
  count.managers = slots_used();
  const auto time = now();
  for (const auto& which : slots_) {
    count.runs += which.run.has_value();
    count.opening += which.phase == manager_phase::opening;
    count.zombies += which.in_use() && candidate_of(which, time).proven_dead;
    count.retiring += !which.in_use();
    count.leaked += which.phase == manager_phase::leaked;
  }
  count.waiting = static_cast<std::uint32_t>(line_.size());
  count.graces = grace_now() > 0;
  count.tier = tier_;
  if (count == counted_) return;
  counted_ = count;
  self_->send(directory_, count);
}

// -- connections ---------------------------------------------------------------------------------

void user_state::on_session_opened(const session_opened& report) {
  ++sessions_;
  ++turn_;
  if (retiring_) {
    report.link.close({close_code::going_away, "the server is shutting down", {}});
    report.link.admit(caf::actor_cast<caf::strong_actor_ptr>(self_));
    return;
  }
  const auto its_tier = parse_tier(report.tier);
  if (its_tier > tier_) change_tier(its_tier);
  while (!connections_.empty() && connections_.size() >= connections_limit())
    replace_connection();
  const auto time = now();
  auto& known = connections_.emplace_back();
  known.connection = report.connection;
  known.link = report.link;
  known.pings = gangway::heard({}, time);
  known.last_useful = time;
  known.tier = its_tier;
  known.dedicated = report.wanted.has_value();
  known.simulation = report.simulation;
  settle_tier();
  const auto greeting = greeting_of(known);
  if (report.wanted)
    known.greeting = std::make_unique<wire_greeting>(wire_greeting{report.connect_request, {greeting}});
  else
    report.link.send(report.connect_request ? wire::reply(*report.connect_request, greeting) : greeting);
  report.link.admit(caf::actor_cast<caf::strong_actor_ptr>(self_));
  report_count();
  schedule_roll_call();
  // With another tier there may be room.
  reconsider();
  if (report.wanted) open({report.connection, {}}, report.wanted->thread, report.wanted->position);
}

std::string user_state::greeting_of(const user_connection& whose) const {
  return wire::connected({whose.connection, user_, std::string{to_string(tier_)}, slots_used(), rules().managers_max,
                          rules().heartbeat.interval, rules().heartbeat.timeout, rules().jitter_max, whose.simulation});
}

// A suspect goes first, then the one that was of no use for longest.
void user_state::replace_connection() {
  const auto time = now();
  std::vector<connection_candidate> candidates;
  for (const auto& known : connections_)
    candidates.push_back(
        {known.connection, known.verdict || is_suspect(known.pings, time, rules().heartbeat), known.last_useful});
  const auto victim = choose_replaced(candidates);
  // Clients that come back at once would replace one another for ever.
  const close_reason reason{close_code::evicted, "replaced by a newer connection of the same user",
                            rules().cleanup.resume_window};
  let_leave(*find(victim), reason);
  auto record = begin_record(decision::kind::connection_replaced);
  record.connections.push_back({victim, reason.code, reason.text, find(victim)->verdict});
  keep(std::move(record));
  on_session_closed({victim});
}

// What is closing takes up room, too: a client that answers no close frame would have any number of sockets that are.
void user_state::let_leave(const user_connection& whom, const close_reason& reason) {
  whom.link.leave(reason);
  leaving_.emplace_back(whom.connection, whom.link);
  if (leaving_.size() <= leaving_max) return;
  leaving_.front().second.leave(reason);
  leaving_.erase(leaving_.begin());
}

void user_state::on_session_closed(const session_closed& report) {
  auto* gone = find(report.connection);
  if (gone == nullptr) { // it was let go before
    std::erase_if(leaving_, [&](const auto& known) { return known.first == report.connection; });
    return;
  }
  set_verdict(*gone, std::nullopt);
  std::erase_if(connections_, [&](const auto& known) { return known.connection == report.connection; });
  retry_not_before_ = {};
  settle_tier();
  std::erase_if(line_, [&](const auto& waiting) { return waiting.origin.connection == report.connection; });
  if (probe_) std::erase_if(probe_->connections, [&](const auto& one) { return one.connection == report.connection; });
  for (auto& which : slots_)
    leave(which, report.connection);
  report_count();
  if (probe_) look_at_probe();
  reconsider();
  tell_positions();
  forget_if_unused();
}

void user_state::on_answer_ping(const answer_ping& command) {
  heard(command.origin.connection);
  answer(command.origin, "{}");
}

void user_state::on_report_use(const report_use& command) {
  heard(command.origin.connection);
  if (!command.origin.request) return;
  const auto time = now();
  wire::use use{slots_used(),
                rules().managers_max,
                static_cast<std::uint32_t>(connections_.size()),
                rules().connections_max,
                static_cast<std::uint32_t>(line_.size()),
                rules().queue.max,
                limit_now() - rules().managers_max,
                {}};
  if (use.grace_extra > 0)
    use.grace_until =
        utc_now() + milliseconds_between(time, use.grace_extra > grace_now() ? kept_->until : *grace_.until);
  answer(command.origin, wire::status(use));
}

void user_state::on_list_threads(const list_threads& command) {
  auto* from = heard(command.origin.connection);
  if (from == nullptr || !command.origin.request) return; // nobody to answer
  const auto look_up = [this, command](const std::shared_ptr<sending_turn>& sending) {
    self_->request(services_->reader, caf::infinite, get_threads{user_, command.limit, command.before})
        .then(
            [this, origin = command.origin, until_sent = sending](const threads_page& page) {
              std::vector<wire::listed_thread> list;
              list.reserve(page.threads.size());
              for (const auto& thread : page.threads)
                list.push_back({thread, find_usable(thread.thread_id) != nullptr});
              answer(origin, wire::threads(list));
            },
            [this, origin = command.origin](caf::error& reason) { refuse(origin, to_command_error(reason)); });
  };
  from->turns.want(from->link,
                   {caf::actor_cast<caf::weak_actor_ptr>(self_), ++turns_wanted_,
                    std::uint64_t{command.limit} * listed_thread_bytes, command.origin.request},
                   look_up);
}

void user_state::on_turn_granted(const turn_granted& report) {
  auto* to = find(report.connection);
  if (to == nullptr) return;
  if (const auto [work, turn] = to->turns.take(to->link, report.number); work) work(turn);
}

// -- the end -------------------------------------------------------------------------------------

void user_state::forget_if_unused() {
  if (!connections_.empty() || !slots_.empty() || retiring_) return;
  self_->delayed_send(self_, rules().linger, forget_tick{++turn_});
}

// A cool-down or a tombstone that is forgotten would be reset by reconnecting.
std::optional<steady_time> user_state::remembered_until() const {
  const auto time = now();
  const auto& terms = rules().grace;
  std::optional<steady_time> result;
  if (is_remembered(grace_, {terms.extra, terms.duration, terms.cooldown}, time))
    result = *grace_.until + terms.cooldown;
  for (const auto& one : tombstones_)
    if (one.resume_until > time) result = std::max(result.value_or(one.resume_until), one.resume_until);
  return result;
}

// The directory decides, since it alone knows whether a connection is on its way here.
void user_state::on_forget(const forget_tick& tick) {
  if (tick.turn != turn_ || !connections_.empty() || !slots_.empty()) return;
  if (cleanup_) return forget_if_unused(); // somebody waits for its end
  if (const auto until = remembered_until())
    self_->delayed_send(self_, milliseconds_between(now(), *until) + std::chrono::milliseconds{1}, tick);
  else
    self_->send(directory_, user_idled{user_, sessions_});
}

void user_state::on_retire() {
  retiring_ = true;
  line_.clear();
  for (const auto& known : std::exchange(connections_, {}))
    known.link.close({close_code::going_away, "the server is shutting down", {}});
  for (auto& which : slots_)
    retire_manager(which);
  if (slots_.empty()) self_->quit();
}

user_report user_state::on_get_user_report() {
  auto report = describe();
  report.vitals = self_->vitals();
  return report;
}

user_report user_state::describe() const {
  const auto time = now();
  user_report report;
  report.user = user_;
  report.tier = to_string(tier_);
  report.managers_max = rules().managers_max;
  report.waiting = static_cast<std::uint32_t>(line_.size());
  report.grace = limit_now() - rules().managers_max;
  report.tombstones =
      static_cast<std::uint32_t>(std::count_if(tombstones_.begin(), tombstones_.end(), [&](const tombstone& one) {
        return !one.is_back && one.resume_until > time;
      }));
  for (const auto& which : slots_) {
    manager_report line;
    line.manager = which.manager;
    line.thread = which.thread;
    line.phase = which.phase;
    line.run = which.run;
    line.useful_ago = milliseconds_between(which.last_useful, time);
    line.suspect = is_suspect(which.pings, time, rules().heartbeat);
    line.evidence = evidence_of(which);
    for (const auto& used : which.seats)
      line.connections.push_back(used.connection);
    if (which.answered_probe > 0) {
      heartbeat last;
      last.manager = which.manager;
      last.thread = which.thread;
      last.turn = which.answered_probe;
      last.stuck_for = which.use.stuck_for;
      last.bytes = which.use.bytes;
      last.messages = which.use.messages;
      last.handling_time = which.use.handling_time;
      last.mailbox = which.use.mailbox;
      line.last = std::move(last);
    }
    report.managers.push_back(std::move(line));
  }
  for (const auto& known : connections_)
    report.connections.push_back({known.connection, milliseconds_between(known.pings.last_heard, time),
                                  milliseconds_between(known.last_useful, time),
                                  known.verdict || is_suspect(known.pings, time, rules().heartbeat), known.simulation});
  return report;
}

user_private::behavior_type user(user_pointer self, directory_actor directory, user_id id, std::string tier,
                                 std::shared_ptr<const user_services> services) {
  self->set_down_handler([self](const caf::down_msg& report) { self->state.on_manager_down(report); });
  self->state.start(self, std::move(directory), std::move(id), std::move(tier), std::move(services));
  static constexpr auto state = []() -> user_state& {
    return counted_actor<user_state, user_private>::current().state;
  };
  static const user_private::behavior_type shared{
      // CAF tries the handlers in this order; the one that a benchmark and a keep-alive hit most comes first.
      [](const answer_ping& command) { state().on_answer_ping(command); },
      [](const session_opened& report) { state().on_session_opened(report); },
      [](const session_closed& report) { state().on_session_closed(report); },
      [](const token_renewed& report) { state().on_token_renewed(report); },
      [](const pong_received& report) { state().on_pong_received(report); },
      [](const link_observed& report) { state().on_link_observed(report); },
      [](const open_thread& command) { state().on_open_thread(command); },
      [](const close_thread& command) { state().on_close_thread(command); },
      [](const send_message& command) { state().on_send_message(command); },
      [](const cancel_run& command) { state().on_cancel_run(command); },
      [](const acknowledge& report) { state().on_acknowledge(report); },
      [](const report_use& command) { state().on_report_use(command); },
      [](const list_threads& command) { state().on_list_threads(command); },
      [](const turn_granted& report) { state().on_turn_granted(report); },
      [](const read_history& command) { state().on_read_history(command); },
      [](const manager_opened& report) { state().on_manager_opened(report); },
      [](const manager_failed& report) { state().on_manager_failed(report); },
      [](const frame_handled& report) { state().on_frame_handled(report); },
      [](const attachment_dropped& report) { state().on_attachment_dropped(report); },
      [](const run_started& report) { state().on_run_started(report); },
      [](const run_ended& report) { state().on_run_ended(report); },
      [](const heartbeat& report) { state().on_heartbeat(report); },
      [](const clean_up& order) { return state().on_clean_up(order); },
      [](const release& order) { return state().on_release(order); },
      [](const pressure_changed& report) { state().on_pressure_changed(report); },
      [](const retire&) { state().on_retire(); },
      [](const get_user_report&) { return state().on_get_user_report(); },
      [](const roll_call_tick&) { state().on_roll_call(); },
      [](const linger_tick& tick) { state().on_linger(tick); },
      [](const retire_deadline_tick& tick) { state().on_retire_deadline(tick); },
      [](const escalate& tick) { state().on_escalate(tick); },
      [](const probe_tick& tick) { state().on_probe_tick(tick); },
      [](const patience_tick& tick) { state().on_patience(tick); },
      [](const forget_tick& tick) { state().on_forget(tick); },
  };
  return shared;
}

} // namespace gangway
