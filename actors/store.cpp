#include "actors/store.hpp"

#include <algorithm>
#include <utility>

namespace gangway {

namespace {

// A batch is committed at this size without waiting for its tick: the write-ahead log and everybody's waiting stay
// short.
constexpr std::size_t batch_requests_max = 1000;
constexpr std::size_t batch_bytes_max = 4 * 1024 * 1024;

// What an event weighs besides its text.
constexpr std::size_t event_overhead = 200;

std::size_t size_of(const std::string& text) { return text.size(); }
std::size_t size_of(const json_text& text) { return text.value.size(); }
std::size_t size_of(const std::optional<std::string>& text) { return text ? text->size() : 0; }

template <class Body>
std::size_t text_size(const Body& body) {
  if constexpr (requires { body.content; })
    return size_of(body.content);
  else if constexpr (requires { body.delta; })
    return size_of(body.delta);
  else if constexpr (requires { body.arguments; })
    return size_of(body.arguments);
  else if constexpr (requires { body.result; })
    return size_of(body.result);
  else if constexpr (requires { body.interrupts; })
    return size_of(body.interrupts);
  else if constexpr (requires { body.value; })
    return size_of(body.value);
  else
    return 0;
}

std::size_t estimate(const append_events& order) {
  std::size_t result = 0;
  for (const auto& event : order.events)
    result += event_overhead + std::visit([](const auto& body) { return text_size(body); }, event.body);
  return result;
}

} // namespace

void store_state::start(store_pointer self, std::unique_ptr<log_writer> writer, inspector_actor inspector) {
  self_ = self;
  writer_ = std::move(writer);
  inspector_ = std::move(inspector);
  report({});
}

caf::typed_response_promise<log_opened> store_state::on_open_log(const open_log& order) {
  auto promise = self_->make_response_promise<log_opened>();
  batch_.push_back(waiting_open{order, promise});
  gathered(event_overhead);
  return promise;
}

caf::typed_response_promise<events_appended> store_state::on_append_events(const append_events& order) {
  auto promise = self_->make_response_promise<events_appended>();
  batch_.push_back(waiting_append{order, promise});
  gathered(estimate(order));
  return promise;
}

void store_state::on_record_decision(const record_decision& order) {
  log_decision(order.made);
  batch_.push_back(waiting_record{order});
  gathered(event_overhead * (1 + order.made.roster.size() + order.made.evictions.size()));
}

void store_state::on_commit_tick() {
  tick_sent_ = false;
  commit();
}

void store_state::on_retire() {
  commit();
  self_->quit(caf::exit_reason::user_shutdown);
}

// The tick goes to the mailbox's tail: what is in the mailbox already comes before it and is in its batch.
void store_state::gathered(std::size_t bytes) {
  batch_bytes_ += bytes;
  if (batch_.size() >= batch_requests_max || batch_bytes_ >= batch_bytes_max)
    commit();
  else if (!std::exchange(tick_sent_, true))
    self_->send(self_, commit_tick{});
}

// What cannot be written together is written one by one: a request that the engine chokes on is refused alone.
void store_state::commit() {
  if (batch_.empty()) return;
  auto batch = std::exchange(batch_, {});
  batch_bytes_ = 0;
  auto trouble = write(batch);
  const auto tell = [&](waiting_request& what) { std::visit([&](auto& waiter) { answer(waiter, !trouble); }, what); };
  if (!trouble || batch.size() == 1) {
    for (auto& what : batch)
      tell(what);
  } else {
    for (auto& what : batch) {
      trouble = write({&what, 1});
      tell(what);
    }
  }
  report(trouble.value_or(std::string{}));
}

template <class Request, class Answer>
void store_state::answer(waiting<Request, Answer>& what, bool written) {
  if (!written)
    what.promise.deliver(caf::make_error(errc::store_unavailable));
  else if (what.outcome)
    what.promise.deliver(std::move(*what.outcome));
  else
    what.promise.deliver(std::move(what.outcome.error()));
}

void store_state::answer(waiting_record& what, bool written) {
  if (!written) log::warning("a decision could not be recorded", {{"decision_id", to_string(what.request.made.id)}});
}

// Returns what went wrong; then nothing of the requests is in the log. None: sees whether writing works.
std::optional<std::string> store_state::write(std::span<waiting_request> requests) {
  const auto durable = requests.empty() || std::any_of(requests.begin(), requests.end(), [](const auto& what) {
                         const auto* append = std::get_if<waiting_append>(&what);
                         return append != nullptr && append->request.durable;
                       });
  const auto begun = self_->clock().now();
  try {
    writer_->begin(durable);
    if (requests.empty()) writer_->touch();
    for (auto& what : requests)
      std::visit([this](auto& waiter) { apply(waiter); }, what);
    writer_->commit();
    if (!requests.empty())
      note_committed(requests, std::chrono::duration_cast<std::chrono::microseconds>(self_->clock().now() - begun));
    return std::nullopt;
  } catch (const storage_error& error) {
    writer_->roll_back();
    return error.what();
  }
}

void store_state::apply(waiting_open& what) { what.outcome = writer_->open(what.request); }

// A refusal is this request's alone: it changed nothing, and the others go on.
void store_state::apply(waiting_append& what) {
  const auto result = writer_->append(what.request);
  if (const auto* refusal = std::get_if<append_refusal>(&result))
    what.outcome = *refusal == append_refusal::stale_generation ? errc::stale_generation : errc::sequence_gap;
  else
    what.outcome = std::get<events_appended>(result);
}

void store_state::apply(waiting_record& what) {
  const auto& made = what.request.made;
  writer_->record({made.id, made.user, made.time, subjects_of(made), encode(made)});
}

// Events that were refused are in no batch.
void store_state::note_committed(std::span<const waiting_request> requests, std::chrono::microseconds took) {
  std::uint64_t events = 0;
  for (const auto& what : requests)
    if (const auto* append = std::get_if<waiting_append>(&what); append != nullptr && append->outcome)
      events += append->request.events.size();
  measures_.commit_time.observe(took);
  measures_.batch_events.observe(events);
}

void store_state::report(const std::string& trouble) {
  if (trouble_ == trouble) return;
  if (!trouble.empty())
    log::error("the store cannot write", {{"reason", trouble}});
  else if (trouble_)
    log::info("the store writes again", {});
  trouble_ = trouble;
  retry_later();
  if (inspector_) caf::anon_send(inspector_, component_changed{"store", trouble});
}

// Whoever looks at our health sends nobody here while we cannot write: so we must find out by ourselves that we can.
void store_state::retry_later() {
  if (!trouble_ || trouble_->empty() || std::exchange(retry_pending_, true)) return;
  self_->delayed_send(self_, retry_pause, retry_tick{});
}

void store_state::on_retry() {
  retry_pending_ = false;
  if (!trouble_ || trouble_->empty()) return;
  report(write({}).value_or(std::string{}));
  retry_later();
}

store_private::behavior_type store(store_pointer self, std::unique_ptr<log_writer> writer, inspector_actor inspector) {
  auto* state = &self->state;
  state->start(self, std::move(writer), std::move(inspector));
  return {
      [=](const open_log& order) { return state->on_open_log(order); },
      [=](const append_events& order) { return state->on_append_events(order); },
      [=](const record_decision& order) { state->on_record_decision(order); },
      [=](const get_store_measures&) { return state->on_get_store_measures(); },
      [=](const retire&) { state->on_retire(); },
      [=](const get_vitals&) { return self->vitals(); },
      [=](const commit_tick&) { state->on_commit_tick(); },
      [=](const retry_tick&) { state->on_retry(); },
  };
}

} // namespace gangway
