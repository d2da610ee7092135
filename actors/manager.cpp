#include "actors/manager.hpp"

#include <algorithm>
#include <limits>
#include <utility>

#include "actors/errors.hpp"
#include "actors/run.hpp"
#include "actors/run_fold.hpp"
#include "protocol/wire.hpp"

namespace gangway {

manager_state::~manager_state() {
  if (run_ && run_->actor) caf::anon_send_exit(run_->actor, caf::exit_reason::user_shutdown);
}

void manager_state::start(manager_pointer self, user_actor owner, manager_identity identity,
                          std::shared_ptr<const manager_services> services) {
  self_ = self;
  owner_ = std::move(owner);
  identity_ = std::move(identity);
  services_ = std::move(services);
  // `await`: nothing else is handled before the thread is open, and what comes meanwhile keeps its order.
  self_->request(services_->store, caf::infinite, open_log{identity_.user, identity_.thread, utc_now()})
      .await(
          [this](const log_opened& opened) {
            log_ = opened.log;
            generation_ = opened.generation;
            epoch_ = opened.epoch;
            committed_ = opened.last;
            window_.reset(committed_ + 1);
            self_->send(owner_, manager_opened{identity_.manager});
          },
          [this](caf::error& reason) { fail(reason); });
}

// -- answers -------------------------------------------------------------------------------------

attachment* manager_state::find(const connection_id& connection) {
  auto found = std::find_if(attachments_.begin(), attachments_.end(),
                            [&](const attachment& known) { return known.connection == connection; });
  return found == attachments_.end() ? nullptr : &*found;
}

void manager_state::finish(const request_origin& origin) {
  self_->send(owner_, frame_handled{identity_.manager, origin.connection});
}

void manager_state::answer(const request_origin& origin, const std::string& result) {
  if (auto* to = find(origin.connection); to && origin.request) to->link.send(wire::reply(*origin.request, result));
  finish(origin);
}

void manager_state::refuse(const request_origin& origin, command_error error) {
  if (auto* to = find(origin.connection); to && origin.request) to->link.send(wire::reply(origin.request, error));
  finish(origin);
}

// -- connections ---------------------------------------------------------------------------------

void manager_state::on_attach(const attach& order) {
  auto* to = find(order.origin.connection);
  if (to == nullptr) to = &attachments_.emplace_back(attachment{order.origin.connection, order.link});
  to->waiting = true;
  const auto& position = order.position;
  if (position && position->epoch == epoch_ && position->after <= committed_)
    resume(order.origin, position->after);
  else
    send_snapshot(order.origin);
}

void manager_state::on_detach(const detach& order) {
  std::erase_if(attachments_, [&](const attachment& known) { return known.connection == order.connection; });
}

void manager_state::on_acknowledge(const acknowledge& report) {
  if (auto* from = find(report.connection)) from->acknowledged = std::min(report.seq, from->position);
}

void manager_state::resume(const request_origin& origin, sequence after) {
  if (window_.covers(after)) {
    greet(origin, after, wire::opened(identity_.thread, identity_.manager, epoch_, committed_));
    return;
  }
  const auto last = committed_;
  self_->request(services_->reader, caf::infinite, read_log{log_, after, last})
      .then(
          [=, this](const log_read& read) {
            if (!read.complete) {
              send_snapshot(origin);
              return;
            }
            if (auto* to = find(origin.connection)) {
              if (origin.request)
                to->link.send(
                    wire::reply(*origin.request, wire::opened(identity_.thread, identity_.manager, epoch_, last)));
              for (const auto& event : read.events)
                to->link.send(wire::event(identity_.thread, epoch_, event));
              to->position = last;
              to->waiting = false;
              catch_up(*to);
            }
            finish(origin);
          },
          [=, this](caf::error& reason) { refuse(origin, to_command_error(reason)); });
}

void manager_state::send_snapshot(const request_origin& origin) {
  thread_snapshot snapshot;
  if (run_) snapshot.run = run_->progress;
  if (committed_ == 0) {
    greet(origin, 0, wire::opened(identity_.thread, identity_.manager, epoch_, 0, snapshot));
    return;
  }
  const auto last = committed_;
  self_->request(services_->reader, caf::infinite, get_messages{.log = log_, .before = last + 1})
      .then(
          [=, this](const messages_page& page) mutable {
            snapshot.messages = page.messages;
            greet(origin, last, wire::opened(identity_.thread, identity_.manager, epoch_, last, snapshot));
          },
          [=, this](caf::error& reason) { refuse(origin, to_command_error(reason)); });
}

void manager_state::greet(const request_origin& origin, sequence position, const std::string& opened) {
  answer(origin, opened);
  if (auto* to = find(origin.connection)) {
    to->position = position;
    to->waiting = false;
    catch_up(*to);
  }
}

void manager_state::catch_up(attachment& to) {
  if (to.waiting || to.position >= committed_) return;
  if (window_.covers(to.position)) {
    while (to.position < committed_)
      to.link.send(window_.at(++to.position));
    return;
  }
  // Page by page: what is behind the window is bounded in number, and each page is behind the one before.
  to.waiting = true;
  read_log page{log_, to.position, std::min(committed_, to.position + event_window::frames_max)};
  page.bytes_max = std::numeric_limits<std::size_t>::max();
  self_->request(services_->reader, caf::infinite, page)
      .then(
          [this, connection = to.connection](const log_read& read) {
            auto* known = find(connection);
            if (known == nullptr) return;
            if (!read.complete) {
              fail(errc::sequence_gap);
              return;
            }
            for (const auto& event : read.events) {
              known->link.send(wire::event(identity_.thread, epoch_, event));
              known->position = event.seq;
            }
            known->waiting = false;
            catch_up(*known);
          },
          [this](caf::error& reason) { fail(reason); });
}

void manager_state::on_read_history(const read_history& command) {
  get_messages question{.log = log_, .limit = command.limit};
  if (command.before) question.before = *command.before;
  self_->request(services_->reader, caf::infinite, question)
      .then([origin = command.origin, this](const messages_page& page) { answer(origin, wire::history(page)); },
            [origin = command.origin, this](caf::error& reason) { refuse(origin, to_command_error(reason)); });
}

// -- messages ------------------------------------------------------------------------------------

void manager_state::on_send_message(const send_message& command) {
  const command_error busy{error_code::busy, "a run is in flight in this thread", {}, {}};
  if (retiring_) {
    refuse(command.origin, {error_code::not_open, "the thread is being closed; open it again", {}, {}});
  } else if (accepting_) {
    const auto& pending = accepting_->command;
    if (!command.client_message_id || command.client_message_id != pending.client_message_id)
      refuse(command.origin, busy);
    else if (command.content != pending.content)
      refuse(command.origin,
             {error_code::bad_request, "this client_message_id was sent with other content before", {}, {}});
    else
      accepting_->repeated.push_back(command.origin);
  } else if (run_) {
    if (command.client_message_id)
      look_up(command, [=, this] { refuse(command.origin, busy); });
    else
      refuse(command.origin, busy);
  } else {
    accept(command);
  }
}

void manager_state::accept(const send_message& command) {
  accepting_ = std::make_unique<pending_message>(
      pending_message{command, gangway::message_id::make(), gangway::run_id::make(), {}, {}});
  self_->request(services_->agents, caf::infinite, get_agent{command.agent})
      .then(
          [this](const agent_spec& agent) {
            accepting_->agent = agent;
            const auto& pending = accepting_->command;
            if (pending.client_message_id)
              look_up(pending, [this] { write(); });
            else
              write();
          },
          [this](caf::error& reason) { drop_message(to_command_error(reason)); });
}

// Answers a message that was sent before as it was answered then.
void manager_state::look_up(const send_message& command, std::function<void()> if_new) {
  self_->request(services_->reader, caf::infinite, find_message{log_, *command.client_message_id})
      .then(
          [=, this](const message_found& found) {
            if (!found.answer) {
              if_new();
              return;
            }
            const auto& first = *found.answer;
            const bool same = first.content == command.content;
            // Taken out first: the answers go to everybody who sent it meanwhile, too.
            std::vector<request_origin> origins{command.origin};
            if (accepting_ && accepting_->command.origin == command.origin) {
              origins.insert(origins.end(), accepting_->repeated.begin(), accepting_->repeated.end());
              accepting_.reset();
            }
            for (const auto& origin : origins) {
              if (same)
                answer(origin, wire::sent(first.message_id, first.run_id, first.seq));
              else
                refuse(origin,
                       {error_code::bad_request, "this client_message_id was sent with other content before", {}, {}});
            }
            end_if_done();
          },
          [=, this](caf::error& reason) {
            if (accepting_ && accepting_->command.origin == command.origin)
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
  answer(message->command.origin, result);
  for (const auto& origin : message->repeated)
    answer(origin, result);
  run_ = std::make_unique<live_run>();
  run_->id = message->run_id;
  run_->progress.run_id = message->run_id;
  run_->progress.agent = message->agent.name;
  self_->send(owner_, run_started{identity_.manager, run_->id});
  publish();
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
  for (const auto& body : report.events)
    if (!run_->ending) produce(body);
  flush();
}

void manager_state::on_run_down(const caf::down_msg& report) {
  if (!run_ || run_->ending || report.source != run_->actor.address()) return;
  produce(agent_failed{"internal", "the agent ended without an answer", true});
  flush();
}

void manager_state::produce(event_body body) {
  run_->ending = ends_run(body);
  produced_.push_back(thread_event{0, run_->id, utc_now(), std::move(body)});
}

// One append is under way at a time; what is produced meanwhile makes the next one.
void manager_state::flush() {
  if (!in_flight_.empty() || produced_.empty()) return;
  in_flight_.swap(produced_);
  auto seq = committed_;
  for (auto& event : in_flight_)
    event.seq = ++seq;
  self_->request(services_->store, caf::infinite, append_events{log_, generation_, in_flight_, false})
      .then([this](const events_appended&) { publish(); }, [this](caf::error& reason) { fail(reason); });
}

// What is in flight is in the log: everybody may see it.
void manager_state::publish() {
  const auto events = std::exchange(in_flight_, {});
  committed_ = events.back().seq;
  for (const auto& event : events) {
    if (attachments_.empty())
      window_.reset(event.seq + 1);
    else
      window_.push(event.seq, std::make_shared<const std::string>(wire::event(identity_.thread, epoch_, event)));
    fold(run_->progress, event.body);
  }
  for (auto& to : attachments_)
    catch_up(to);
  if (ends_run(events.back().body)) {
    self_->send(owner_, run_ended{identity_.manager, run_->id});
    run_.reset();
    // An idle thread keeps no window: who comes late reads the log.
    window_.reset(committed_ + 1);
    end_if_done();
  } else {
    if (run_->actor) self_->send(run_->actor, events_committed{static_cast<std::uint32_t>(events.size())});
    flush();
  }
}

// -- the end -------------------------------------------------------------------------------------

void manager_state::on_retire() {
  retiring_ = true;
  if (run_ && !run_->ending) {
    if (run_->actor) self_->send_exit(run_->actor, caf::exit_reason::user_shutdown);
    produce(agent_failed{"interrupted", "the thread was closed while the agent was at work", true});
    flush();
  }
  end_if_done();
}

void manager_state::end_if_done() {
  if (retiring_ && !run_ && !accepting_) self_->quit();
}

void manager_state::fail(const caf::error& reason) {
  log::warning("a manager gives up", {{"manager_id", to_string(identity_.manager)},
                                      {"user_id", identity_.user.value},
                                      {"thread_id", identity_.thread.value},
                                      {"reason", self_->system().render(reason)}});
  self_->send(owner_, manager_failed{identity_.manager, to_command_error(reason)});
  self_->quit();
}

manager_actor::behavior_type manager(manager_pointer self, user_actor owner, manager_identity identity,
                                     std::shared_ptr<const manager_services> services) {
  auto* state = &self->state;
  self->set_down_handler([=](const caf::down_msg& report) { state->on_run_down(report); });
  state->start(self, std::move(owner), std::move(identity), std::move(services));
  return {
      [=](const attach& order) { state->on_attach(order); },
      [=](const detach& order) { state->on_detach(order); },
      [=](const send_message& command) { state->on_send_message(command); },
      [=](const cancel_run& command) { state->on_cancel_run(command); },
      [=](const acknowledge& report) { state->on_acknowledge(report); },
      [=](const read_history& command) { state->on_read_history(command); },
      [=](const run_produced& report) { state->on_run_produced(report); },
      [=](const retire&) { state->on_retire(); },
      [=](const get_vitals&) { return self->vitals(); },
  };
}

} // namespace gangway
