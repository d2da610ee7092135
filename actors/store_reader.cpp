#include "actors/store_reader.hpp"

#include <utility>

namespace gangway {

template <class Work>
auto store_reader_state::ask(Work&& work) -> caf::expected<decltype(work())> {
  try {
    return work();
  } catch (const storage_error& error) {
    log::error("the store cannot read", {{"reason", error.what()}});
    if (error.is_damage && writer_) caf::anon_send(writer_, examine{error.what()});
    return caf::make_error(errc::store_unavailable);
  }
}

void store_reader_state::start(std::unique_ptr<log_reader> reader, store_actor writer) {
  reader_ = std::move(reader);
  writer_ = std::move(writer);
}

caf::expected<log_read> store_reader_state::on_read_log(const read_log& question) {
  return ask([&] { return reader_->read(question); });
}

caf::expected<messages_page> store_reader_state::on_get_messages(const get_messages& question) {
  return ask([&] { return reader_->messages(question); });
}

caf::expected<threads_page> store_reader_state::on_get_threads(const get_threads& question) {
  return ask([&] { return reader_->threads(question); });
}

caf::expected<message_found> store_reader_state::on_find_message(const find_message& question) {
  return ask([&] { return reader_->find(question); });
}

caf::expected<messages_page> store_reader_state::on_search_messages(const search_messages& question) {
  return ask([&] { return reader_->search(question); });
}

caf::expected<decisions_page> store_reader_state::on_get_decisions(const get_decisions& question) {
  return ask([&] { return reader_->decisions(question); });
}

caf::expected<ahead_noted> store_reader_state::on_note_ahead(const note_ahead& order) {
  return ask([&] {
    reader_->note_ahead(order.log);
    return ahead_noted{};
  });
}

store_reader_actor::behavior_type store_reader(store_reader_pointer self, std::unique_ptr<log_reader> reader,
                                               store_actor writer) {
  auto* state = &self->state;
  state->start(std::move(reader), std::move(writer));
  return {
      [=](const read_log& question) { return state->on_read_log(question); },
      [=](const get_messages& question) { return state->on_get_messages(question); },
      [=](const get_threads& question) { return state->on_get_threads(question); },
      [=](const find_message& question) { return state->on_find_message(question); },
      [=](const search_messages& question) { return state->on_search_messages(question); },
      [=](const get_decisions& question) { return state->on_get_decisions(question); },
      [=](const note_ahead& order) { return state->on_note_ahead(order); },
      [=](const get_vitals&) { return self->vitals(); },
  };
}

} // namespace gangway
