#include "actors/user.hpp"

#include <algorithm>
#include <type_traits>
#include <utility>

#include "actors/errors.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

// A roll call that comes later than this was held up by its loop.
constexpr std::chrono::milliseconds late_roll_call{1000};

const command_error busy{error_code::busy, "too many frames of this thread are unanswered", {}, {}};
const command_error not_open{error_code::not_open, "this connection has not opened that thread", {}, {}};

// A tier that nobody knows, or none, is the smallest.
std::string known_tier(const std::string& claimed) {
  return claimed == "pro" || claimed == "enterprise" ? claimed : "free";
}

bool has_nothing_under_way(const slot& of, const connection_id& connection) {
  return std::none_of(of.unanswered.begin(), of.unanswered.end(),
                      [&](const pending_frame& known) { return known.origin.connection == connection; });
}

std::chrono::milliseconds milliseconds_between(steady_time from, steady_time to) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(to - from);
}

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
  tier_ = std::move(tier);
  services_ = std::move(services);
}

// -- what is known -------------------------------------------------------------------------------

steady_time user_state::now() const { return self_->clock().now(); }

user_connection* user_state::find(const connection_id& connection) {
  auto found = std::find_if(connections_.begin(), connections_.end(),
                            [&](const user_connection& known) { return known.connection == connection; });
  return found == connections_.end() ? nullptr : &*found;
}

slot* user_state::find(const manager_id& manager) {
  auto found = std::find_if(slots_.begin(), slots_.end(), [&](const slot& known) { return known.manager == manager; });
  return found == slots_.end() ? nullptr : &*found;
}

slot* user_state::find_usable(const thread_id& thread) {
  auto found = std::find_if(slots_.begin(), slots_.end(), [&](const slot& known) {
    return known.thread == thread && known.phase != manager_phase::retiring;
  });
  return found == slots_.end() ? nullptr : &*found;
}

seat* user_state::find_seat(slot& of, const connection_id& connection) {
  auto found =
      std::find_if(of.seats.begin(), of.seats.end(), [&](const seat& known) { return known.connection == connection; });
  return found == of.seats.end() ? nullptr : &*found;
}

// A slot is free the moment the user decides, not when the manager agrees.
std::uint32_t user_state::slots_used() const {
  return static_cast<std::uint32_t>(std::count_if(
      slots_.begin(), slots_.end(), [](const slot& known) { return known.phase != manager_phase::retiring; }));
}

// Frames of one connection that its manager may have unanswered: a hung manager then never stalls the socket's others.
bool user_state::has_credit(const slot& of, const connection_id& connection) const {
  const auto used = std::count_if(of.unanswered.begin(), of.unanswered.end(),
                                  [&](const pending_frame& known) { return known.origin.connection == connection; });
  return static_cast<std::uint32_t>(used) < services_->rules.credit;
}

user_connection* user_state::heard(const connection_id& connection) {
  auto* from = find(connection);
  if (from != nullptr) from->pings = gangway::heard(from->pings, now());
  return from;
}

void user_state::answer(const request_origin& origin, const std::string& result) {
  if (!origin.request) return;
  if (auto* to = find(origin.connection)) to->link.send(wire::reply(*origin.request, result));
}

void user_state::refuse(const request_origin& origin, const command_error& error) {
  if (!origin.request) return;
  if (auto* to = find(origin.connection)) to->link.send(wire::reply(origin.request, error));
}

void user_state::report_count() {
  user_counted count{static_cast<std::uint32_t>(connections_.size()), slots_used(), 0};
  for (const auto& which : slots_)
    count.runs += which.run.has_value();
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
  const auto& rules = services_->rules;
  if (connections_.size() >= rules.connections_max) {
    auto victim = std::min_element(connections_.begin(), connections_.end(),
                                   [](const auto& lhs, const auto& rhs) { return lhs.last_useful < rhs.last_useful; });
    victim->link.close({close_code::evicted, "replaced by a newer connection of the same user", {}});
    on_session_closed({victim->connection});
  }
  tier_ = known_tier(report.tier);
  const auto time = now();
  connections_.push_back({report.connection, report.link, gangway::heard({}, time), 0, time});
  const auto greeting = wire::connected({report.connection, user_, tier_, slots_used(), rules.managers_max,
                                         rules.heartbeat.interval, rules.heartbeat.timeout, rules.jitter_max});
  report.link.send(report.connect_request ? wire::reply(*report.connect_request, greeting) : greeting);
  report.link.admit(caf::actor_cast<caf::strong_actor_ptr>(self_));
  report_count();
  schedule_roll_call();
}

void user_state::on_session_closed(const session_closed& report) {
  if (std::erase_if(connections_, [&](const auto& known) { return known.connection == report.connection; }) == 0)
    return;
  for (auto& which : slots_)
    leave(which, report.connection);
  report_count();
  forget_if_unused();
}

void user_state::on_pong_received(const pong_received& report) { heard(report.connection); }

void user_state::on_answer_ping(const answer_ping& command) {
  heard(command.origin.connection);
  answer(command.origin, "{}");
}

void user_state::on_report_use(const report_use& command) {
  heard(command.origin.connection);
  const auto& rules = services_->rules;
  answer(command.origin, wire::status({slots_used(), rules.managers_max,
                                       static_cast<std::uint32_t>(connections_.size()), rules.connections_max}));
}

void user_state::on_list_threads(const list_threads& command) {
  heard(command.origin.connection);
  self_->request(services_->reader, caf::infinite, get_threads{user_, command.limit, command.before})
      .then(
          [this, origin = command.origin](const threads_page& page) {
            std::vector<wire::listed_thread> list;
            list.reserve(page.threads.size());
            for (const auto& thread : page.threads)
              list.push_back({thread, find_usable(thread.thread_id) != nullptr});
            answer(origin, wire::threads(list));
          },
          [this, origin = command.origin](caf::error& reason) { refuse(origin, to_command_error(reason)); });
}

// -- threads -------------------------------------------------------------------------------------

void user_state::on_open_thread(const open_thread& command) {
  auto* from = heard(command.origin.connection);
  if (from == nullptr) return;
  from->last_useful = now();
  const auto thread = command.thread.value_or(thread_id{to_string(make_uuid())});
  auto* which = find_usable(thread);
  if (which == nullptr) which = reserve(thread);
  if (which == nullptr) return refuse(command.origin, no_slot());
  if (!has_credit(*which, from->connection)) return refuse(command.origin, busy);
  which->last_useful = from->last_useful;
  ++which->turn;
  if (find_seat(*which, from->connection) == nullptr) which->seats.push_back({from->connection});
  which->unanswered.push_back({command.origin});
  self_->send(which->actor, attach{command.origin, from->link, command.position});
}

slot* user_state::reserve(const thread_id& thread) {
  const auto max = services_->rules.managers_max;
  // A slot is free before its manager has ended; what has not ended is bounded too.
  if (slots_used() >= max || slots_.size() >= 2 * std::size_t{max}) return nullptr;
  ++turn_;
  auto& which = slots_.emplace_back();
  which.manager = manager_id::make();
  which.thread = thread;
  which.actor = services_->spawn_manager(self_, user_actor{self_}, {which.manager, user_, thread});
  self_->monitor(which.actor);
  report_count();
  return &which;
}

command_error user_state::no_slot() const {
  const auto used = slots_used();
  const auto max = services_->rules.managers_max;
  if (used < max)
    return {error_code::overloaded, "too many closed threads have not ended yet", services_->rules.retire_timeout, {}};
  return {error_code::manager_limit,
          "User " + user_.value + " has reached the maximum number of WebSocket managers (" + std::to_string(max)
              + "). Current count: " + std::to_string(used) + ". Close a thread, or try again when one has ended.",
          services_->rules.linger,
          json_text{R"({"attempts":[],"total_cleaned":0,"current":)" + std::to_string(used) + "}"}};
}

template <class Command>
void user_state::on_thread_command(const Command& command) {
  auto* from = heard(command.origin.connection);
  if (from == nullptr) return;
  auto* which = find_usable(command.thread);
  if (which == nullptr || find_seat(*which, from->connection) == nullptr) return refuse(command.origin, not_open);
  if (!has_credit(*which, from->connection)) return refuse(command.origin, busy);
  // Reading what was said is no use of a thread by which it should outlive others.
  if constexpr (!std::is_same_v<Command, read_history>) from->last_useful = which->last_useful = now();
  which->unanswered.push_back({command.origin, std::is_same_v<Command, send_message>});
  self_->send(which->actor, command);
}

void user_state::on_acknowledge(const acknowledge& report) {
  heard(report.connection);
  auto* which = find_usable(report.thread);
  if (which != nullptr && find_seat(*which, report.connection) != nullptr) self_->send(which->actor, report);
}

void user_state::on_close_thread(const close_thread& command) {
  auto* from = heard(command.origin.connection);
  auto* which = find_usable(command.thread);
  if (from == nullptr || which == nullptr || find_seat(*which, from->connection) == nullptr) {
    refuse(command.origin, not_open);
    return;
  }
  leave(*which, from->connection);
  // The last one closed it on purpose: nobody will be back in a moment.
  const bool run_follows = std::any_of(which->unanswered.begin(), which->unanswered.end(),
                                       [](const pending_frame& known) { return known.brings_run; });
  if (which->seats.empty() && !which->run && !run_follows) retire_manager(*which);
  answer(command.origin, "{}");
}

void user_state::leave(slot& of, const connection_id& connection) {
  if (std::erase_if(of.seats, [&](const seat& known) { return known.connection == connection; }) == 0) return;
  if (find(connection) == nullptr)
    std::erase_if(of.unanswered, [&](const pending_frame& known) { return known.origin.connection == connection; });
  self_->send(of.actor, detach{connection});
  linger_if_unused(of);
}

void user_state::linger_if_unused(slot& which) {
  if (!which.seats.empty() || which.run || which.phase == manager_phase::retiring) return;
  self_->delayed_send(self_, services_->rules.linger, linger_tick{which.manager, ++which.turn});
}

void user_state::on_linger(const linger_tick& tick) {
  auto* which = find(tick.manager);
  if (which != nullptr && which->turn == tick.turn && which->seats.empty() && !which->run) retire_manager(*which);
}

// -- managers ------------------------------------------------------------------------------------

void user_state::on_manager_opened(const manager_opened& report) {
  auto* which = find(report.manager);
  if (which == nullptr) return;
  if (which->phase == manager_phase::opening) which->phase = manager_phase::open;
}

void user_state::on_frame_handled(const frame_handled& report) {
  auto* which = find(report.manager);
  if (which == nullptr) return;
  auto& unanswered = which->unanswered;
  auto found = std::find_if(unanswered.begin(), unanswered.end(),
                            [&](const pending_frame& known) { return known.origin == report.origin; });
  if (found != unanswered.end()) unanswered.erase(found);
  if (!report.answered) refuse(report.origin, not_open);
  auto* used = find_seat(*which, report.origin.connection);
  if (used == nullptr) return;
  used->open = used->open || report.attached;
  // It asked for the thread and did not get it, and nothing else of it is on its way.
  if (!used->open && has_nothing_under_way(*which, report.origin.connection)) {
    std::erase_if(which->seats, [&](const seat& known) { return known.connection == report.origin.connection; });
    linger_if_unused(*which);
  }
}

void user_state::on_run_started(const run_started& report) {
  if (auto* which = find(report.manager)) {
    which->run = report.run;
    which->last_useful = now();
    ++which->turn;
    report_count();
  }
}

void user_state::on_run_ended(const run_ended& report) {
  if (auto* which = find(report.manager)) {
    which->run.reset();
    which->last_useful = now();
    report_count();
    linger_if_unused(*which);
  }
}

void user_state::retire_manager(slot& which) {
  if (which.phase == manager_phase::retiring) return;
  which.phase = manager_phase::retiring;
  report_count();
  self_->send(which.actor, retire{});
  self_->delayed_send(self_, services_->rules.retire_timeout, retire_deadline_tick{which.manager});
}

void user_state::on_retire_deadline(const retire_deadline_tick& tick) {
  auto* which = find(tick.manager);
  if (which == nullptr) return;
  log::warning(
      "a manager did not end in time and is killed",
      {{"manager_id", to_string(which->manager)}, {"user_id", user_.value}, {"thread_id", which->thread.value}});
  self_->send_exit(which->actor, caf::exit_reason::kill);
}

// Tells everybody who used the thread that it has to be opened again.
void user_state::detach_all(slot& which, const command_error& error) {
  for (const auto& known : std::exchange(which.unanswered, {}))
    refuse(known.origin, error);
  for (const auto& used : std::exchange(which.seats, {}))
    if (auto* to = find(used.connection); to != nullptr && used.open)
      to->link.send(wire::thread_detached(which.thread, to_string(error.code)));
}

void user_state::on_manager_failed(const manager_failed& report) {
  auto* which = find(report.manager);
  if (which == nullptr) return;
  detach_all(*which, report.error);
  which->run.reset();
  retire_manager(*which);
}

void user_state::on_manager_down(const caf::down_msg& report) {
  auto which = std::find_if(slots_.begin(), slots_.end(),
                            [&](const slot& known) { return known.actor.address() == report.source; });
  if (which == slots_.end()) return;
  detach_all(*which, to_command_error(report.reason));
  slots_.erase(which);
  report_count();
  if (retiring_ && slots_.empty())
    self_->quit();
  else
    forget_if_unused();
}

// -- liveness ------------------------------------------------------------------------------------

// One timer for all connections of the user, set to when the first of them needs a look.
void user_state::schedule_roll_call() {
  if (roll_call_pending_ || connections_.empty()) return;
  auto first = steady_time::max();
  for (const auto& known : connections_)
    first = std::min(first, next_look(known.pings, services_->rules.heartbeat));
  roll_call_pending_ = true;
  const auto wait =
      std::max(std::chrono::milliseconds{1}, milliseconds_between(now(), first) + std::chrono::milliseconds{1});
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
  std::vector<connection_id> dead;
  for (auto& known : connections_) {
    switch (judge(known.pings, time, services_->rules.heartbeat)) {
    case verdict::fine:
      break;
    case verdict::ping_due:
    case verdict::second_ping_due:
      known.pings = pinged(known.pings, time);
      known.link.ping(++known.nonce);
      break;
    case verdict::dead:
      known.link.close({close_code::no_pong, "two pings were not answered", {}});
      dead.push_back(known.connection);
      break;
    }
  }
  for (const auto& connection : dead)
    on_session_closed({connection});
  schedule_roll_call();
}

// -- the end -------------------------------------------------------------------------------------

void user_state::forget_if_unused() {
  if (!connections_.empty() || !slots_.empty() || retiring_) return;
  self_->delayed_send(self_, services_->rules.linger, forget_tick{++turn_});
}

// The directory decides, since it alone knows whether a connection is on its way here.
void user_state::on_forget(const forget_tick& tick) {
  if (tick.turn == turn_ && connections_.empty() && slots_.empty())
    self_->send(directory_, user_idled{user_, sessions_});
}

void user_state::on_retire() {
  retiring_ = true;
  for (const auto& known : std::exchange(connections_, {}))
    known.link.close({close_code::going_away, "the server is shutting down", {}});
  for (auto& which : slots_)
    retire_manager(which);
  if (slots_.empty()) self_->quit();
}

user_report user_state::on_get_user_report() {
  const auto time = now();
  user_report report{user_, tier_, services_->rules.managers_max, {}, {}, self_->vitals()};
  for (const auto& which : slots_) {
    manager_report line{
        which.manager, which.thread, which.phase, {}, which.run, milliseconds_between(which.last_useful, time)};
    for (const auto& used : which.seats)
      line.connections.push_back(used.connection);
    report.managers.push_back(std::move(line));
  }
  for (const auto& known : connections_)
    report.connections.push_back({known.connection, milliseconds_between(known.pings.last_heard, time),
                                  milliseconds_between(known.last_useful, time),
                                  is_suspect(known.pings, time, services_->rules.heartbeat)});
  return report;
}

user_private::behavior_type user(user_pointer self, directory_actor directory, user_id id, std::string tier,
                                 std::shared_ptr<const user_services> services) {
  auto* state = &self->state;
  self->set_down_handler([=](const caf::down_msg& report) { state->on_manager_down(report); });
  state->start(self, std::move(directory), std::move(id), std::move(tier), std::move(services));
  return {
      // CAF tries the handlers in this order; the one that a benchmark and a keep-alive hit most comes first.
      [=](const answer_ping& command) { state->on_answer_ping(command); },
      [=](const session_opened& report) { state->on_session_opened(report); },
      [=](const session_closed& report) { state->on_session_closed(report); },
      [=](const pong_received& report) { state->on_pong_received(report); },
      [=](const open_thread& command) { state->on_open_thread(command); },
      [=](const close_thread& command) { state->on_close_thread(command); },
      [=](const send_message& command) { state->on_thread_command(command); },
      [=](const cancel_run& command) { state->on_thread_command(command); },
      [=](const acknowledge& report) { state->on_acknowledge(report); },
      [=](const report_use& command) { state->on_report_use(command); },
      [=](const list_threads& command) { state->on_list_threads(command); },
      [=](const read_history& command) { state->on_thread_command(command); },
      [=](const manager_opened& report) { state->on_manager_opened(report); },
      [=](const manager_failed& report) { state->on_manager_failed(report); },
      [=](const frame_handled& report) { state->on_frame_handled(report); },
      [=](const run_started& report) { state->on_run_started(report); },
      [=](const run_ended& report) { state->on_run_ended(report); },
      [=](const retire&) { state->on_retire(); },
      [=](const get_user_report&) { return state->on_get_user_report(); },
      [=](const roll_call_tick&) { state->on_roll_call(); },
      [=](const linger_tick& tick) { state->on_linger(tick); },
      [=](const retire_deadline_tick& tick) { state->on_retire_deadline(tick); },
      [=](const forget_tick& tick) { state->on_forget(tick); },
  };
}

} // namespace gangway
