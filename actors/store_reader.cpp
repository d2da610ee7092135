#include "actors/store_reader.hpp"

#include <limits>
#include <optional>
#include <utility>

namespace gangway {

namespace {

// Before any user's, whose ids are not empty: an operator is one asker.
const std::string operators;

} // namespace

template <class Work>
auto store_reader_state::attempt(Work&& work) -> caf::expected<decltype(work())> {
  try {
    return work();
  } catch (const storage_error& error) {
    log::error("the store cannot read", {{"reason", error.what()}});
    if (error.is_damage && writer_) caf::anon_send(writer_, examine{error.what()});
    return caf::make_error(errc::store_unavailable);
  }
}

void store_reader_state::start(store_reader_pointer self, std::unique_ptr<log_reader> reader, store_actor writer) {
  self_ = self;
  reader_ = std::move(reader);
  writer_ = std::move(writer);
}

// Of a log that is gone nobody's turn is taken: finding nothing costs nothing.
std::string store_reader_state::owner_of(log_id log) {
  const auto owner = attempt([&] { return reader_->owner_of(log); });
  return owner && *owner ? (*owner)->value : operators;
}

// At once where nobody else waits. Else the tick goes to the mailbox's tail: whoever is in the mailbox already is in
// the queue before anybody has a second turn.
template <class Owner>
void store_reader_state::take(Owner owner, job what) {
  if (waiting_.empty() && self_->mailbox().empty() && what()) return;
  waiting_.push(owner(), std::move(what));
  if (!std::exchange(tick_sent_, true)) self_->send(self_, caf::tick_atom::value);
}

void store_reader_state::on_tick() {
  tick_sent_ = false;
  auto [owner, what] = waiting_.pop();
  if (!what()) waiting_.push(owner, std::move(what));
  if (waiting_.empty()) return;
  tick_sent_ = true;
  self_->send(self_, caf::tick_atom::value);
}

template <class Answer, class Owner, class Work>
caf::typed_response_promise<Answer> store_reader_state::queue(Owner owner, Work work) {
  auto promise = self_->make_response_promise<Answer>();
  take(owner, [this, promise, work]() mutable {
    if (auto answer = attempt(work))
      promise.deliver(std::move(*answer));
    else
      promise.deliver(answer.error());
    return true;
  });
  return promise;
}

caf::typed_response_promise<log_read> store_reader_state::on_read_log(const read_log& question) {
  return queue<log_read>([this, &question] { return owner_of(question.log); },
                         [this, question] { return reader_->read(question); });
}

caf::typed_response_promise<messages_page> store_reader_state::on_get_messages(const get_messages& question) {
  return queue<messages_page>([this, &question] { return owner_of(question.log); },
                              [this, question] { return reader_->messages(question); });
}

caf::typed_response_promise<threads_page> store_reader_state::on_get_threads(const get_threads& question) {
  return queue<threads_page>([&question] { return question.user.value; },
                             [this, question] { return reader_->threads(question); });
}

caf::typed_response_promise<message_found> store_reader_state::on_find_message(const find_message& question) {
  return queue<message_found>([this, &question] { return owner_of(question.log); },
                              [this, question] { return reader_->find(question); });
}

caf::typed_response_promise<messages_page> store_reader_state::on_search_messages(const search_messages& question) {
  auto promise = self_->make_response_promise<messages_page>();
  take([this, &question] { return owner_of(question.log); },
       [this, promise, question, found = messages_page{},
        before = sequence{std::numeric_limits<std::int64_t>::max()}]() mutable {
         auto piece = attempt([&] { return reader_->search(question, before); });
         if (!piece) {
           promise.deliver(piece.error());
           return true;
         }
         for (auto& message : piece->messages) {
           found.more = found.messages.size() == question.limit;
           if (found.more) break;
           found.messages.push_back(std::move(message));
         }
         if (piece->next && !found.more) {
           before = *piece->next;
           return false;
         }
         promise.deliver(std::move(found));
         return true;
       });
  return promise;
}

caf::typed_response_promise<decisions_page> store_reader_state::on_get_decisions(const get_decisions& question) {
  return queue<decisions_page>([] { return operators; }, [this, question] { return reader_->decisions(question); });
}

// Before everything that waits: what goes ahead of the log is shown only then.
caf::expected<ahead_noted> store_reader_state::on_note_ahead(const note_ahead& order) {
  return attempt([&] {
    reader_->note_ahead(order.log);
    return ahead_noted{};
  });
}

store_reader_private::behavior_type store_reader(store_reader_pointer self, std::unique_ptr<log_reader> reader,
                                                 store_actor writer) {
  auto* state = &self->state;
  state->start(self, std::move(reader), std::move(writer));
  return {
      [=](const read_log& question) { return state->on_read_log(question); },
      [=](const get_messages& question) { return state->on_get_messages(question); },
      [=](const get_threads& question) { return state->on_get_threads(question); },
      [=](const find_message& question) { return state->on_find_message(question); },
      [=](const search_messages& question) { return state->on_search_messages(question); },
      [=](const get_decisions& question) { return state->on_get_decisions(question); },
      [=](const note_ahead& order) { return state->on_note_ahead(order); },
      [=](const get_vitals&) {
        auto result = self->vitals();
        result.mailbox += state->waiting();
        return result;
      },
      [=](caf::tick_atom) { state->on_tick(); },
  };
}

} // namespace gangway
