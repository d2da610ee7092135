#pragma once

/// The run: one agent execution. It turns what the agent does into events for its manager, never more than a window
/// ahead of the log, and outlives any socket.

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "actors/actor_base.hpp"
#include "actors/builtin/plan.hpp"
#include "protocol/actors.hpp"

namespace gangway {

/// What a run is to do.
struct run_task {
  gangway::run_id run;
  agent_spec agent;
  log_id log = 0;                                           ///< of its thread, for the search
  sequence question = std::numeric_limits<sequence>::max(); ///< the message's place in it
  json_text content;                                        ///< the message
};

class run_state;
using run_pointer = actor_pointer<run_state, run_private>;

/// The builtin agent at work: its plan is pure (actors/builtin), its pace and its tools are here.
class run_state {
public:
  static inline const char* name = "run";

  /// How many events may be on their way to the log.
  static constexpr std::uint32_t window = 256;

  /// How many events are sent to the manager in one message.
  static constexpr std::size_t batch_max = 64;

  /// Between two deltas of an answer: quick to read along with, and still a stream.
  static constexpr std::chrono::milliseconds delta_pause{15};

  void start(run_pointer self, manager_actor owner, store_reader_actor reader, run_task task);

  void on_cancel();
  void on_events_committed(const events_committed& report);
  void on_step();

private:
  void perform(const agent_step& step);
  void call(const call_tool_step& step);
  void say(std::vector<std::string> deltas);
  void stream(std::uint64_t count, double per_second);
  void begin_message(std::uint64_t count, std::chrono::nanoseconds pause);
  void end_message();
  void emit(std::vector<event_body> events);
  void step_after(std::chrono::nanoseconds wait);

  run_pointer self_ = nullptr;
  manager_actor owner_;
  store_reader_actor reader_;
  run_task task_;
  std::string text_;

  std::uint32_t uncommitted_ = 0;
  bool step_pending_ = false;

  // The message being said.
  std::optional<message_id> message_;
  std::vector<std::string> deltas_; ///< empty: the numbers of a stream
  std::uint64_t said_ = 0;
  std::uint64_t count_ = 0;
  std::chrono::nanoseconds pause_{0};
  steady_time begun_;
  std::string content_;
};

/// Returns the behaviour of a run that reports to `owner` and ends when its work does.
run_private::behavior_type run(run_pointer self, manager_actor owner, store_reader_actor reader, run_task task);

} // namespace gangway
