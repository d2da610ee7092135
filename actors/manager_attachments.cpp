/// The manager's attachments: who has the thread open, how far each has come, and what each is answered.

#include <algorithm>
#include <utility>

#include "actors/errors.hpp"
#include "actors/manager.hpp"
#include "protocol/wire.hpp"

namespace gangway {

// -- answers -------------------------------------------------------------------------------------

attachment* manager_state::find(const connection_id& connection) {
  auto found = std::find_if(attachments_.begin(), attachments_.end(),
                            [&](const attachment& known) { return known.connection == connection; });
  return found == attachments_.end() ? nullptr : &*found;
}

void manager_state::asked(const request_origin& origin) {
  if (auto* from = find(origin.connection)) ++from->asked;
}

// Every frame comes to this once, when it is answered; a connection that has left is forgotten with its last answer.
void manager_state::finish(const request_origin& origin, std::optional<resume_result> opened) {
  auto* from = find(origin.connection);
  self_->send(owner_, frame_handled{identity_.manager, origin, from != nullptr && from->open, from != nullptr, opened});
  if (from == nullptr) return;
  --from->asked;
  if (from->asked == 0 && (from->leaving || !from->open))
    std::erase_if(attachments_, [&](const attachment& known) { return known.connection == origin.connection; });
}

void manager_state::answer(const request_origin& origin, const std::string& result) {
  if (auto* to = find(origin.connection); to && origin.request)
    to->link.reply(*origin.request, wire::reply(*origin.request, result));
  finish(origin);
}

// A socket that waits for its one thread is told by its end.
void manager_state::refuse(const request_origin& origin, const command_error& error) {
  auto* to = find(origin.connection);
  if (to && origin.request)
    to->link.reply(*origin.request, wire::reply(origin.request, error));
  else if (to && to->greeting)
    to->link.close(to_close_reason(error));
  finish(origin);
}

// -- connections ---------------------------------------------------------------------------------

void manager_state::on_attach(const attach& order) {
  if (put_off_until_open(order)) return;
  auto* to = find(order.origin.connection);
  if (to == nullptr)
    to = &attachments_.emplace_back(attachment{.connection = order.origin.connection, .link = order.link});
  ++to->asked;
  to->leaving = false;
  to->slow = false;
  to->large.reset();
  to->waiting = true;
  to->changed = self_->clock().now();
  if (order.greeting) to->greeting = std::make_unique<wire_greeting>(*order.greeting);
  const auto turn = ++to->turn;
  const auto& position = order.position;
  if (position && position->epoch == epoch_ && position->after <= shown())
    resume(order.origin, turn, position->after);
  else
    send_snapshot(order.origin, turn, position ? resume_result::snapshot : resume_result::new_);
}

// What it asked for is still answered: a thread may be closed right behind a message.
void manager_state::on_detach(const detach& order) {
  if (put_off_until_open(order)) return;
  auto* from = find(order.connection);
  if (from == nullptr) return;
  from->leaving = true;
  from->open = false;
  from->large.reset();
  from->changed = self_->clock().now();
  note_company();
  forget_left();
}

// What everybody has need not be kept.
void manager_state::on_acknowledge(const acknowledge& report) {
  auto* from = find(report.connection);
  if (from == nullptr) return;
  from->acknowledged = std::max(from->acknowledged, std::min(report.seq, from->position));
  auto behind = committed_;
  for (const auto& to : attachments_)
    behind = std::min(behind, to.acknowledged);
  window_.forget(behind);
}

// Returns the attachment that was opened in that turn, or nothing; then the open has been answered.
attachment* manager_state::find_turn(const request_origin& origin, std::uint64_t turn) {
  auto* to = find(origin.connection);
  if (to != nullptr && to->turn == turn && !to->leaving && !retiring_) return to;
  refuse(origin, {error_code::not_open, "the thread was closed or opened again before it was open", {}, {}});
  return nullptr;
}

void manager_state::resume(const request_origin& origin, std::uint64_t turn, sequence after) {
  if (window_.covers(after)) {
    greet(origin, turn, after, wire::opened(identity_.thread, identity_.manager, epoch_, shown()), resume_result::tail);
    return;
  }
  const auto last = committed_;
  self_->request(services_->reader, caf::infinite, read_log{log_, after, last})
      .then(
          [=, this](const log_read& read) {
            if (!read.complete) return send_snapshot(origin, turn, resume_result::snapshot);
            auto* to = find_turn(origin, turn);
            if (to == nullptr) return;
            to->open = true;
            note_company();
            to->position = after;
            send_opened(*to, origin, wire::opened(identity_.thread, identity_.manager, epoch_, shown()));
            // What it does not take at once it gets from the log again, as everybody does who is behind.
            for (const auto& event : read.events) {
              auto text = std::make_shared<const std::string>(wire::event(identity_.thread, epoch_, event));
              if (!may_deliver(*to, text->size())) break;
              deliver(*to, std::move(text));
              to->position = event.seq;
            }
            to->waiting = false;
            catch_up(*to);
            finish(origin, resume_result::tail);
          },
          [=, this](caf::error& reason) { refuse_open(origin, turn, reason); });
}

// It is made when there is room for it: many threads opened at once are many long answers.
void manager_state::send_snapshot(const request_origin& origin, std::uint64_t turn, resume_result result) {
  if (committed_ == 0) {
    thread_snapshot snapshot;
    if (run_) snapshot.run = run_->progress;
    greet(origin, turn, 0, wire::opened(identity_.thread, identity_.manager, epoch_, 0, snapshot), result);
    return;
  }
  auto* to = find_turn(origin, turn);
  if (to == nullptr) return;
  const auto bytes = get_messages{}.bytes_max + (run_ ? run_->progress.content.size() : 0);
  want_turn(*to, bytes, origin.request, [=, this](const std::shared_ptr<sending_turn>& sending) {
    if (find_turn(origin, turn) != nullptr) read_snapshot(origin, turn, result, sending);
  });
}

void manager_state::read_snapshot(const request_origin& origin, std::uint64_t turn, resume_result result,
                                  const std::shared_ptr<sending_turn>& sending) {
  thread_snapshot snapshot;
  if (run_) snapshot.run = run_->progress;
  const auto last = committed_;
  self_->request(services_->reader, caf::infinite, get_messages{.log = log_, .before = last + 1})
      .then(
          [=, this, until_sent = sending](const messages_page& page) mutable {
            snapshot.messages = page.messages;
            greet(origin, turn, last, wire::opened(identity_.thread, identity_.manager, epoch_, last, snapshot),
                  result);
          },
          [=, this](caf::error& reason) { refuse_open(origin, turn, reason); });
}

void manager_state::send_opened(attachment& to, const request_origin& origin, const std::string& opened) {
  if (const auto greeting = std::exchange(to.greeting, nullptr))
    to.link.send(wire::connected(*greeting, opened));
  else if (origin.request)
    to.link.reply(*origin.request, wire::reply(*origin.request, opened));
}

void manager_state::greet(const request_origin& origin, std::uint64_t turn, sequence position,
                          const std::string& opened, resume_result result) {
  auto* to = find_turn(origin, turn);
  if (to == nullptr) return;
  to->open = true;
  note_company();
  send_opened(*to, origin, opened);
  to->position = position;
  to->waiting = false;
  catch_up(*to);
  finish(origin, result);
}

// A connection that had the thread open before goes on where it was; another one has not got it.
void manager_state::refuse_open(const request_origin& origin, std::uint64_t turn, const caf::error& reason) {
  auto* to = find_turn(origin, turn);
  if (to == nullptr) return;
  to->waiting = false;
  if (to->open) catch_up(*to);
  refuse(origin, to_command_error(reason));
}

void manager_state::on_read_history(const read_history& command) {
  if (put_off_until_open(command)) return;
  auto* from = find(command.origin.connection);
  if (from == nullptr) return finish(command.origin);
  asked(command.origin);
  if (!command.origin.request) return; // nobody to answer
  get_messages question{.log = log_, .limit = command.limit};
  if (command.before) question.before = *command.before;
  want_turn(
      *from, question.bytes_max, command.origin.request,
      [=, origin = command.origin, this](const std::shared_ptr<sending_turn>& sending) {
        self_->request(services_->reader, caf::infinite, question)
            .then([=, this, until_sent = sending](const messages_page& page) { answer(origin, wire::history(page)); },
                  [=, this](caf::error& reason) { refuse(origin, to_command_error(reason)); });
      });
}

} // namespace gangway
