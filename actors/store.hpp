#pragma once

/// The store: the only writer of the durable log. Requests that arrive while it writes are committed together, in one
/// transaction, so that a busy log costs few of them and an idle one waits for nothing. Disk errors do not end it: it
/// answers everything `store_unavailable`, and looks every second whether it can write again. It blocks: spawn it
/// detached.

#include <memory>
#include <optional>
#include <span>
#include <string>
#include <variant>
#include <vector>

#include "actors/actor_base.hpp"
#include "actors/store/engine.hpp"
#include "protocol/actors.hpp"

namespace gangway {

class store_state;
using store_pointer = actor_pointer<store_state, store_private>;

class store_state {
public:
  static inline const char* name = "store";

  /// Between two looks whether a store that failed can write again.
  static constexpr std::chrono::milliseconds retry_pause{1000};

  /// Between two looks whether there is something to tidy, and between two pieces of tidying.
  static constexpr std::chrono::milliseconds sweep_pause{60'000};
  static constexpr std::chrono::milliseconds piece_pause{20};

  void start(store_pointer self, std::unique_ptr<log_writer> writer, inspector_actor inspector,
             std::optional<history_rules> history);

  caf::typed_response_promise<log_opened> on_open_log(const open_log& order);
  caf::typed_response_promise<events_appended> on_append_events(const append_events& order);
  void on_record_decision(const record_decision& order);
  caf::typed_response_promise<history_erased> on_erase_history(const erase_history& order);
  void on_examine(const examine& order);
  store_measured on_get_store_measures() const { return {measures_}; }
  void on_commit_tick();
  void on_retry();
  void on_sweep();
  void on_retire();

private:
  /// A request, who waits for it, and its outcome, which is told only when it is committed.
  template <class Request, class Answer>
  struct waiting {
    Request request;
    caf::typed_response_promise<Answer> promise;
    caf::expected<Answer> outcome = errc::store_unavailable;
  };
  using waiting_open = waiting<open_log, log_opened>;
  using waiting_append = waiting<append_events, events_appended>;
  using waiting_erase = waiting<erase_history, history_erased>;

  /// Nobody waits for it.
  struct waiting_record {
    record_decision request;
  };
  using waiting_request = std::variant<waiting_open, waiting_append, waiting_erase, waiting_record>;

  template <class Answer, class Request>
  caf::typed_response_promise<Answer> gather(const Request& request, std::size_t bytes);
  void gathered(std::size_t bytes);
  bool is_failing() const { return trouble_ && !trouble_->empty(); }

  void commit();
  std::optional<storage_error> write(std::span<waiting_request> requests);
  template <class Request, class Answer>
  static void answer(waiting<Request, Answer>& what, bool written);
  static void answer(waiting_record& what, bool written);
  void apply(waiting_open& what);
  void apply(waiting_append& what);
  void apply(waiting_erase& what);
  void apply(waiting_record& what);
  void note_committed(std::span<const waiting_request> requests, std::chrono::microseconds took);
  std::optional<storage_error> try_again();
  void report(const std::optional<storage_error>& trouble);
  void retry_later();

  store_pointer self_ = nullptr;
  std::unique_ptr<log_writer> writer_;
  inspector_actor inspector_;
  std::optional<history_rules> history_;
  std::vector<waiting_request> batch_;
  std::size_t batch_bytes_ = 0;
  bool tick_sent_ = false;
  bool retry_pending_ = false;
  bool looks_damaged_ = false; ///< it is read as a whole before it is written again
  bool is_damaged_ = false;    ///< nothing is written any more
  store_measures measures_;
  std::optional<std::string> trouble_; ///< what the inspector was told last; empty: none
};

/// Returns the behaviour of the store. It tells the inspector, if there is one, as component "store" that it is ready,
/// then whenever it begins to fail or recovers. What is past is tidied by `history`, a piece at a time; none: all
/// stays.
store_private::behavior_type store(store_pointer self, std::unique_ptr<log_writer> writer, inspector_actor inspector,
                                   std::optional<history_rules> history);

} // namespace gangway
