#pragma once

/// A reader of the durable log: another connection to the same database, on a thread of its own, so that a long read
/// delays no commit. It serves the users in turn, and what takes long in pieces. It blocks: spawn it detached.

#include <functional>
#include <memory>

#include "actors/actor_base.hpp"
#include "actors/policy/fair_queue.hpp"
#include "actors/store/engine.hpp"
#include "protocol/actors.hpp"

namespace gangway {

/// What the reader also sends itself: serves whose turn it is.
using store_reader_private = store_reader_actor::extend<caf::reacts_to<caf::tick_atom>>;

class store_reader_state;
using store_reader_pointer = actor_pointer<store_reader_state, store_reader_private>;

class store_reader_state {
public:
  static inline const char* name = "store_reader";

  void start(store_reader_pointer self, std::unique_ptr<log_reader> reader, store_actor writer);

  caf::typed_response_promise<log_read> on_read_log(const read_log& question);
  caf::typed_response_promise<messages_page> on_get_messages(const get_messages& question);
  caf::typed_response_promise<threads_page> on_get_threads(const get_threads& question);
  caf::typed_response_promise<message_found> on_find_message(const find_message& question);
  caf::typed_response_promise<messages_page> on_search_messages(const search_messages& question);
  caf::typed_response_promise<decisions_page> on_get_decisions(const get_decisions& question);
  caf::expected<ahead_noted> on_note_ahead(const note_ahead& order);
  void on_tick();
  std::size_t waiting() const noexcept { return waiting_.size(); }

private:
  /// Does a piece of what was asked; returns whether that was all.
  using job = std::function<bool()>;

  template <class Work>
  auto attempt(Work&& work) -> caf::expected<decltype(work())>;
  std::string owner_of(log_id log);
  template <class Owner>
  void take(Owner owner, job what);

  template <class Answer, class Owner, class Work>
  caf::typed_response_promise<Answer> queue(Owner owner, Work work);

  store_reader_pointer self_ = nullptr;
  std::unique_ptr<log_reader> reader_;
  store_actor writer_;
  fair_queue<std::string, job> waiting_;
  bool tick_sent_ = false;
};

/// Returns the behaviour of a reader. What the engine cannot read now is answered `store_unavailable`; if what it read
/// looks damaged, the writer, if there is one, is told to see for itself.
store_reader_private::behavior_type store_reader(store_reader_pointer self, std::unique_ptr<log_reader> reader,
                                                 store_actor writer);

} // namespace gangway
