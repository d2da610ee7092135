#include "actors/manager.hpp"

#include <algorithm>
#include <utility>

#include "actors/errors.hpp"
#include "actors/run.hpp"
#include "actors/run_fold.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

constexpr std::string_view interrupted = "interrupted"; // the code of an `agent_failed`

const command_error sent_before_with_other_content{
    error_code::bad_request, "this client_message_id was sent with other content before", {}, {}};

run_outcome outcome_of(const event_body& ending) {
  if (std::holds_alternative<agent_completed>(ending)) return run_outcome::completed;
  if (std::holds_alternative<agent_cancelled>(ending)) return run_outcome::cancelled;
  const auto* failed = std::get_if<agent_failed>(&ending);
  return failed != nullptr && failed->code == interrupted ? run_outcome::interrupted : run_outcome::failed;
}

// That a run began is said by us, and its ending may be.
bool shows_agent(const event_body& body) { return !std::holds_alternative<agent_started>(body) && !ends_run(body); }

} // namespace

manager_state::~manager_state() {
  if (run_ && run_->actor) caf::anon_send_exit(run_->actor, caf::exit_reason::user_shutdown);
}

void manager_state::start(manager_pointer self, user_actor owner, manager_identity identity,
                          std::shared_ptr<const manager_services> services) {
  self_ = self;
  owner_ = std::move(owner);
  identity_ = std::move(identity);
  services_ = std::move(services);
  // Not `await`, which puts off even the order to end, and a kill: the store may stand still for long.
  self_->request(services_->store, caf::infinite, open_log{identity_.user, identity_.thread, utc_now()})
      .then([this](const log_opened& opened) { on_log_opened(opened); }, [this](caf::error& reason) { fail(reason); });
}

void manager_state::on_log_opened(const log_opened& opened) {
  log_ = opened.log;
  generation_ = opened.generation;
  epoch_ = opened.epoch;
  committed_ = opened.last;
  window_.reset(committed_ + 1);
  opening_ = false;
  self_->send(owner_, manager_opened{identity_.manager});
  struct handler {
    manager_state& state;
    void operator()(const attach& order) { state.on_attach(order); }
    void operator()(const detach& order) { state.on_detach(order); }
    void operator()(const send_message& command) { state.on_send_message(command); }
    void operator()(const cancel_run& command) { state.on_cancel_run(command); }
    void operator()(const read_history& command) { state.on_read_history(command); }
  };
  for (const auto& message : std::exchange(early_, {}))
    std::visit(handler{*this}, message);
}

// -- messages ------------------------------------------------------------------------------------

void manager_state::on_send_message(const send_message& command) {
  if (put_off_until_open(command)) return;
  // Of one that was dropped meanwhile: its user answers, and nothing of it is stored.
  if (find(command.origin.connection) == nullptr) return finish(command.origin);
  asked(command.origin);
  const auto refuse_as_busy = [=, this] {
    refuse(command.origin, {error_code::busy, "a run is in flight in this thread", {}, {}});
  };
  if (retiring_) {
    refuse(command.origin, {error_code::not_open, "the thread is being closed; open it again", {}, {}});
  } else if (run_ && run_->ending && stuck_) {
    // To its clients, that run is over.
    refuse(command.origin, to_command_error(errc::store_unavailable));
  } else if (!accepting_ && !run_) {
    accept(command);
  } else if (!command.client_message_id) {
    refuse_as_busy();
  } else if (!accepting_ || command.client_message_id != accepting_->command.client_message_id) {
    look_up(command, std::nullopt, refuse_as_busy);
  } else if (command.content == accepting_->command.content) {
    accepting_->repeated.push_back(command.origin);
  } else {
    refuse(command.origin, sent_before_with_other_content);
  }
}

void manager_state::accept(const send_message& command) {
  accepting_ = std::make_unique<pending_message>(
      pending_message{command, gangway::message_id::make(), gangway::run_id::make(), {}, {}, self_->clock().now()});
  if (command.client_message_id)
    look_up(command, accepting_->message_id, [this] { choose_agent(); });
  else
    choose_agent();
}

void manager_state::choose_agent() {
  self_->request(services_->agents, caf::infinite, get_agent{accepting_->command.agent})
      .then(
          [this](const agent_spec& agent) {
            accepting_->agent = agent;
            write();
          },
          [this](caf::error& reason) { drop_message(to_command_error(reason)); });
}

// Answers a message that was sent before as it was answered then. `accepting` names the message under way, if the
// question is about that one.
void manager_state::look_up(const send_message& command, std::optional<message_id> accepting,
                            std::function<void()> if_new) {
  self_->request(services_->reader, caf::infinite, find_message{log_, *command.client_message_id})
      .then(
          [=, this](const message_found& found) {
            if (!found.answer) return if_new();
            std::vector<request_origin> origins{command.origin};
            if (accepting) {
              const auto& repeated = accepting_->repeated;
              origins.insert(origins.end(), repeated.begin(), repeated.end());
              accepting_.reset();
            }
            const auto& first = *found.answer;
            for (const auto& origin : origins) {
              if (first.content == command.content)
                answer(origin, wire::sent(first.message_id, first.run_id, first.seq));
              else
                refuse(origin, sent_before_with_other_content);
            }
            end_if_done();
          },
          [=, this](caf::error& reason) {
            if (accepting)
              drop_message(to_command_error(reason));
            else
              refuse(command.origin, to_command_error(reason));
          });
}

void manager_state::write() {
  const auto& message = *accepting_;
  in_flight_.push_back(
      thread_event{committed_ + 1, message.run_id, utc_now(),
                   message_accepted{message.message_id, message.command.client_message_id, message.command.content}});
  self_->request(services_->store, caf::infinite, append_events{log_, generation_, in_flight_, true})
      .then([this](const events_appended&) { written(); },
            [this](caf::error& reason) {
              in_flight_.clear();
              drop_message(to_command_error(reason));
              if (reason != errc::store_unavailable) fail(reason);
            });
}

void manager_state::written() {
  const auto message = std::exchange(accepting_, nullptr);
  const auto result = wire::sent(message->message_id, message->run_id, in_flight_.back().seq);
  // Before the frame is handled: in between, the user would see neither a message nor a run, and could retire us.
  self_->send(owner_, run_started{identity_.manager, message->run_id, message->agent.name});
  answer(message->command.origin, result);
  for (const auto& origin : message->repeated)
    answer(origin, result);
  run_ = std::make_unique<live_run>();
  run_->id = message->run_id;
  run_->progress.run_id = message->run_id;
  run_->progress.agent = message->agent.name;
  run_->began = run_->heard = self_->clock().now();
  note_company();
  publish();
  care_later();
  if (retiring_)
    on_retire();
  else
    start_run(*message);
}

void manager_state::drop_message(const command_error& error) {
  const auto message = std::exchange(accepting_, nullptr);
  refuse(message->command.origin, error);
  for (const auto& origin : message->repeated)
    refuse(origin, error);
  end_if_done();
}

void manager_state::start_run(const pending_message& message) {
  run_->actor = self_->spawn(run, manager_actor{self_}, services_->reader,
                             run_task{run_->id, message.agent, log_, committed_, message.command.content});
  self_->monitor(run_->actor);
}

void manager_state::on_cancel_run(const cancel_run& command) {
  if (put_off_until_open(command)) return;
  asked(command.origin);
  if (!run_ || run_->id != command.run || run_->ending) {
    refuse(command.origin, {error_code::not_found, "that run is not in flight", {}, {}});
    return;
  }
  self_->send(run_->actor, cancel{});
  answer(command.origin, "{}");
}

// -- events --------------------------------------------------------------------------------------

void manager_state::on_run_produced(const run_produced& report) {
  if (!run_ || run_->id != report.run) return;
  run_->heard = self_->clock().now();
  if (!run_->first_event && std::any_of(report.events.begin(), report.events.end(), shows_agent))
    run_->first_event = std::chrono::duration_cast<std::chrono::microseconds>(run_->heard - run_->began);
  for (const auto& body : report.events)
    if (!run_->ending) produce(body);
  flush();
  if (stuck_) go_ahead();
}

void manager_state::on_run_down(const caf::down_msg& report) {
  if (!run_ || run_->ending || report.source != run_->actor.address()) return;
  produce(agent_failed{"internal", "the agent ended without an answer", true});
  flush();
}

// An answer that is cut short is kept as far as it came, whatever cut it.
void manager_state::produce(event_body body) {
  const auto add = [this](event_body what) {
    const auto seq = committed_ + in_flight_.size() + produced_.size() + 1;
    produced_.push_back(thread_event{seq, run_->id, utc_now(), std::move(what)});
  };
  run_->ending = ends_run(body);
  if (run_->ending)
    if (auto said = unfinished()) add(*std::move(said));
  add(std::move(body));
}

std::optional<message_completed> manager_state::unfinished() const {
  auto so_far = run_->progress;
  for (std::size_t index = 0; index < in_flight_.size() + produced_.size(); ++index)
    fold(so_far, pending(index).body);
  if (!so_far.message_id) return std::nullopt;
  return message_completed{*so_far.message_id, std::move(so_far.content)};
}

// What is not in the log yet, in its order.
const thread_event& manager_state::pending(std::size_t index) const {
  return index < in_flight_.size() ? in_flight_[index] : produced_[index - in_flight_.size()];
}

// One append is under way at a time; what is produced meanwhile makes the next one.
void manager_state::flush() {
  if (!in_flight_.empty() || produced_.empty() || write_failed_) return;
  in_flight_.swap(produced_);
  appended_ = self_->clock().now();
  self_->request(services_->store, caf::infinite, append_events{log_, generation_, in_flight_, false})
      .then([this](const events_appended&) { publish(); },
            [this](caf::error& reason) {
              // None of them is in the log: they go first when it can be written again.
              produced_.insert(produced_.begin(), in_flight_.begin(), in_flight_.end());
              in_flight_.clear();
              if (reason != errc::store_unavailable) return fail(reason);
              write_failed_ = stuck_ = true;
              care_later();
              go_ahead();
            });
}

// A store that cannot write or read now is asked again in a moment.
void manager_state::put_off(const caf::error& reason) {
  if (reason != errc::store_unavailable) return fail(reason);
  care_later();
}

// A look that is on its way for later stays, and is void when it comes.
void manager_state::care_later(std::chrono::milliseconds wait) {
  const auto due = self_->clock().now() + wait;
  if (care_pending_ && care_due_ <= due) return;
  care_pending_ = true;
  care_due_ = due;
  self_->delayed_send(self_, wait, care_tick{});
}

void manager_state::on_care() {
  const auto time = self_->clock().now();
  if (!care_pending_ || time < care_due_) return;
  care_pending_ = false;
  write_failed_ = note_failed_ = false;
  flush();
  take_note_back();
  catch_up_all();
  if (!run_) return;
  if (!in_flight_.empty() && time - appended_ >= store_patience) {
    stuck_ = true;
    go_ahead();
  }
  mind_solitude(time);
  care_later();
}

// Whoever opens the thread ends its run's solitude, however short the visit.
void manager_state::note_company() {
  if (!run_) return;
  const bool is_alone = std::none_of(attachments_.begin(), attachments_.end(), [](const auto& to) { return to.open; });
  if (!is_alone) {
    run_->alone_since.reset();
  } else if (!run_->alone_since) {
    run_->alone_since = self_->clock().now();
    if (services_->run_detached_max < care_pause) care_later(services_->run_detached_max);
  }
}

// A disconnect is no cancel, but an answer that nobody will come back for costs somebody money.
void manager_state::mind_solitude(steady_time time) {
  if (run_->ending || !run_->alone_since) return;
  const auto left = services_->run_detached_max - (time - *run_->alone_since);
  if (left.count() > 0) {
    if (left < care_pause) care_later(std::chrono::ceil<std::chrono::milliseconds>(left));
  } else if (run_->actor) {
    run_->alone_since.reset();
    log::info(
        "a run without connections is cancelled",
        {{"run_id", to_string(run_->id)}, {"user_id", identity_.user.value}, {"thread_id", identity_.thread.value}});
    self_->send(run_->actor, cancel{});
  }
}

// What is in flight is in the log: everybody may see it.
void manager_state::publish() {
  const auto events = std::exchange(in_flight_, {});
  const auto shown_before = std::min(ahead_.size(), events.size());
  for (std::size_t index = 0; index < shown_before; ++index)
    ahead_bytes_ -= ahead_[index]->size();
  ahead_.erase(ahead_.begin(), ahead_.begin() + static_cast<std::ptrdiff_t>(shown_before));
  committed_ = events.back().seq;
  stuck_ = false;
  take_note_back();
  for (const auto& event : events) {
    if (attachments_.empty())
      window_.reset(event.seq + 1);
    else
      window_.push(event.seq, std::make_shared<const std::string>(wire::event(identity_.thread, epoch_, event)));
    fold(run_->progress, event.body);
  }
  catch_up_all();
  if (ends_run(events.back().body)) {
    self_->send(owner_, run_ended{identity_.manager, run_->id, outcome_of(events.back().body), run_->first_event});
    run_.reset();
    // An idle thread keeps no window: who comes late reads the log.
    window_.reset(committed_ + 1);
    end_if_done();
  } else {
    const auto fresh = static_cast<std::uint32_t>(events.size() - shown_before);
    if (run_->actor && fresh > 0) self_->send(run_->actor, events_committed{fresh});
    flush();
  }
}

// -- what its user is told -----------------------------------------------------------------------

void manager_state::on_probe(const probe& question) {
  const auto time = self_->clock().now();
  const auto since = [&](steady_time when) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(time - when);
  };
  heartbeat report;
  report.manager = identity_.manager;
  report.turn = question.turn;
  report.thread = identity_.thread;
  for (const auto& known : attachments_) {
    auto& line = report.connections.emplace_back(attachment_report{known.connection, {}});
    // What waits for its client is not stuck.
    const bool is_waited_for = !known.turns.empty();
    if (known.leaving) line.leaving_for = is_waited_for ? std::chrono::milliseconds{0} : since(known.changed);
    if (known.waiting && !known.leaving && !is_waited_for)
      report.stuck_for = std::max(report.stuck_for, since(known.changed));
  }
  if (accepting_) report.stuck_for = std::max(report.stuck_for, since(accepting_->since));
  if (run_) report.run_quiet_for = since(run_->heard);
  report.bytes = window_.bytes();
  const auto counted = self_->vitals();
  report.messages = counted.messages;
  report.handling_time = counted.handling_time;
  report.mailbox = counted.mailbox;
  self_->send(owner_, std::move(report));
}

// -- the end -------------------------------------------------------------------------------------

void manager_state::on_retire() {
  retiring_ = true;
  // Its user answers what waits.
  if (opening_) return self_->quit();
  // Nobody has the thread from us any longer: what comes is in the log for whoever opens it again.
  for (auto& known : attachments_)
    known.open = false;
  if (run_ && !run_->ending) {
    if (run_->actor) self_->send_exit(run_->actor, caf::exit_reason::user_shutdown);
    produce(agent_failed{std::string{interrupted}, "the thread or the server was closed while the agent was at work",
                         true});
    flush();
  }
  end_if_done();
}

void manager_state::end_if_done() {
  if (retiring_ && !run_ && !accepting_) self_->quit();
}

void manager_state::fail(const caf::error& reason) {
  log::warning("a thread was closed because of a failure", {{"manager_id", to_string(identity_.manager)},
                                                            {"user_id", identity_.user.value},
                                                            {"thread_id", identity_.thread.value},
                                                            {"reason", to_command_error(reason).message}});
  self_->send(owner_, manager_failed{identity_.manager, to_command_error(reason)});
  self_->quit();
}

manager_private::behavior_type manager(manager_pointer self, user_actor owner, manager_identity identity,
                                       std::shared_ptr<const manager_services> services) {
  self->set_down_handler([self](const caf::down_msg& report) { self->state.on_run_down(report); });
  self->state.start(self, std::move(owner), std::move(identity), std::move(services));
  static constexpr auto current = &counted_actor<manager_state, manager_private>::current;
  static const manager_private::behavior_type shared{
      [](const attach& order) { current().state.on_attach(order); },
      [](const detach& order) { current().state.on_detach(order); },
      [](const send_message& command) { current().state.on_send_message(command); },
      [](const cancel_run& command) { current().state.on_cancel_run(command); },
      [](const acknowledge& report) { current().state.on_acknowledge(report); },
      [](const frames_written& report) { current().state.on_frames_written(report); },
      [](const turn_granted& report) { current().state.on_turn_granted(report); },
      [](const read_history& command) { current().state.on_read_history(command); },
      [](const run_produced& report) { current().state.on_run_produced(report); },
      [](const probe& question) { current().state.on_probe(question); },
      [](const retire&) { current().state.on_retire(); },
      [](const get_vitals&) { return current().vitals(); },
      [](const care_tick&) { current().state.on_care(); },
  };
  return shared;
}

} // namespace gangway
