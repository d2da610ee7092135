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

  void start(std::unique_ptr<log_reader> reader);

  caf::expected<log_read> on_read_log(const read_log& question);
  caf::expected<messages_page> on_get_messages(const get_messages& question);
  caf::expected<threads_page> on_get_threads(const get_threads& question);
  caf::expected<message_found> on_find_message(const find_message& question);
  caf::expected<messages_page> on_search_messages(const search_messages& question);
  caf::expected<decisions_page> on_get_decisions(const get_decisions& question);

private:
  std::unique_ptr<log_reader> reader_;
};

/// Returns the behaviour of a reader. What the engine cannot read now is answered `store_unavailable`.
store_reader_actor::behavior_type store_reader(store_reader_pointer self, std::unique_ptr<log_reader> reader);

} // namespace gangway
