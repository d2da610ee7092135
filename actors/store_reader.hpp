#pragma once

/// A reader of the durable log: another connection to the same database, on a thread of its own, so that a long read
/// delays no commit. It blocks: spawn it detached.

#include <memory>

#include "actors/actor_base.hpp"
#include "actors/store/engine.hpp"
#include "protocol/actors.hpp"

namespace gangway {

class store_reader_state;
using store_reader_pointer = actor_pointer<store_reader_state, store_reader_actor>;

class store_reader_state {
public:
  static inline const char* name = "store_reader";

  void start(std::unique_ptr<log_reader> reader, store_actor writer);

  caf::expected<log_read> on_read_log(const read_log& question);
  caf::expected<messages_page> on_get_messages(const get_messages& question);
  caf::expected<threads_page> on_get_threads(const get_threads& question);
  caf::expected<message_found> on_find_message(const find_message& question);
  caf::expected<messages_page> on_search_messages(const search_messages& question);
  caf::expected<decisions_page> on_get_decisions(const get_decisions& question);
  caf::expected<ahead_noted> on_note_ahead(const note_ahead& order);

private:
  template <class Work>
  auto ask(Work&& work) -> caf::expected<decltype(work())>;

  std::unique_ptr<log_reader> reader_;
  store_actor writer_;
};

/// Returns the behaviour of a reader. What the engine cannot read now is answered `store_unavailable`; if what it read
/// looks damaged, the writer, if there is one, is told to see for itself.
store_reader_actor::behavior_type store_reader(store_reader_pointer self, std::unique_ptr<log_reader> reader,
                                               store_actor writer);

} // namespace gangway
