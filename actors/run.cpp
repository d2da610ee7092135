#include "actors/run.hpp"

#include <algorithm>
#include <utility>

#include "protocol/message_text.hpp"

namespace gangway {

namespace {

// How many messages a search shows; one more is asked for, since the question itself is among those found.
constexpr std::uint32_t found_max = 5;

} // namespace

void run_state::start(run_pointer self, manager_actor owner, store_reader_actor reader, run_task task) {
  self_ = self;
  owner_ = std::move(owner);
  reader_ = std::move(reader);
  task_ = std::move(task);
  text_ = message_text(task_.content);
  emit({agent_started{task_.agent.name}});
  for (const auto& step : first_steps(text_))
    perform(step);
}

void run_state::perform(const agent_step& step) {
  if (std::holds_alternative<think_step>(step))
    emit({agent_thinking{}});
  else if (const auto* tool = std::get_if<call_tool_step>(&step))
    call(*tool);
  else if (const auto* words = std::get_if<say_step>(&step))
    say(split_deltas(words->text));
  else if (const auto* numbers = std::get_if<stream_step>(&step))
    stream(numbers->count, numbers->per_second);
}

void run_state::call(const call_tool_step& step) {
  const auto id = to_string(make_uuid());
  emit({tool_executing{id, step.name, step.arguments}});
  auto done = [this, id](const tool_outcome& outcome) {
    emit({tool_completed{id, outcome.result, outcome.is_error}});
    say(split_deltas(compose_answer(text_, outcome)));
  };
  if (step.name != tool_name::search_thread) {
    done(run_tool(step.name, step.arguments, utc_now()));
    return;
  }
  self_->request(reader_, caf::infinite, search_messages{task_.log, search_query(step.arguments), found_max + 1})
      .then([=, this](const messages_page& found) { done(search_outcome(found, task_.question)); },
            [=](caf::error&) {
              done({"the thread cannot be searched right now", true});
            });
}

// -- saying --------------------------------------------------------------------------------------

void run_state::say(std::vector<std::string> deltas) {
  deltas_ = std::move(deltas);
  begin_message(deltas_.size(), delta_pause);
}

void run_state::stream(std::uint64_t count, double per_second) {
  begin_message(count, std::chrono::nanoseconds{static_cast<std::int64_t>(1e9 / per_second)});
}

void run_state::begin_message(std::uint64_t count, std::chrono::nanoseconds pause) {
  message_ = message_id::make();
  count_ = count;
  pause_ = pause;
  begun_ = self_->clock().now();
  emit({message_started{*message_, "assistant"}});
  step_after(std::chrono::nanoseconds{0});
}

// Says what is due by the clock, as far as the window allows; a late step catches up.
void run_state::on_step() {
  step_pending_ = false;
  if (!message_) return;
  const auto now = self_->clock().now();
  const auto due = [&](std::uint64_t index) { return begun_ + pause_ * static_cast<std::int64_t>(index); };
  std::vector<event_body> batch;
  while (said_ < count_ && due(said_) <= now && batch.size() < batch_max && uncommitted_ + batch.size() < window) {
    auto delta = deltas_.empty() ? stream_delta(said_ + 1) : std::move(deltas_[said_]);
    content_ += delta;
    batch.emplace_back(message_delta{*message_, std::move(delta)});
    ++said_;
  }
  if (!batch.empty()) emit(std::move(batch));
  if (said_ == count_)
    end_message();
  else if (uncommitted_ < window)
    step_after(std::max(due(said_) - now, std::chrono::nanoseconds{0}));
}

void run_state::end_message() {
  emit({message_completed{*message_, std::move(content_)}, agent_completed{}});
  message_.reset();
  self_->quit();
}

void run_state::step_after(std::chrono::nanoseconds wait) {
  if (step_pending_) return;
  step_pending_ = true;
  if (wait.count() == 0)
    self_->send(self_, step_tick{});
  else
    self_->delayed_send(self_, wait, step_tick{});
}

// -- the manager ---------------------------------------------------------------------------------

void run_state::emit(std::vector<event_body> events) {
  uncommitted_ += static_cast<std::uint32_t>(events.size());
  self_->send(owner_, run_produced{task_.run, std::move(events)});
}

void run_state::on_events_committed(const events_committed& report) {
  uncommitted_ -= std::min(uncommitted_, report.count);
  if (message_) step_after(std::chrono::nanoseconds{0});
}

void run_state::on_cancel() {
  emit({agent_cancelled{}});
  message_.reset();
  self_->quit();
}

run_private::behavior_type run(run_pointer self, manager_actor owner, store_reader_actor reader, run_task task) {
  auto* state = &self->state;
  state->start(self, std::move(owner), std::move(reader), std::move(task));
  return {
      [=](const cancel&) { state->on_cancel(); },
      [=](const events_committed& report) { state->on_events_committed(report); },
      [=](const step_tick&) { state->on_step(); },
  };
}

} // namespace gangway
