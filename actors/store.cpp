#include "actors/store.hpp"

#include <algorithm>
#include <utility>

namespace gangway {

namespace {

// A batch is committed at this size without waiting for its tick: the write-ahead log and everybody's waiting stay
// short.
constexpr std::size_t batch_requests_max = 1000;
constexpr std::size_t batch_bytes_max = 4 * 1024 * 1024;

constexpr int failures_max = 3;

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

void store_state::start(store_pointer self, std::unique_ptr<log_writer> writer, inspector_actor inspector,
                        std::optional<history_rules> history) {
  self_ = self;
  writer_ = std::move(writer);
  inspector_ = std::move(inspector);
  history_ = history;
  if (history_) self_->delayed_send(self_, sweep_pause, sweep_tick{});
  if (writer_->was_restored())
    log::warning("the database was restored, or moved here without its -ahead file: every thread gets a new epoch", {});
  report({});
}

// While the store fails, everybody is told so at once: on a locked file each attempt takes seconds.
template <class Answer, class Request>
caf::typed_response_promise<Answer> store_state::gather(const Request& request, std::size_t bytes) {
  auto promise = self_->make_response_promise<Answer>();
  if (is_failing()) {
    promise.deliver(caf::make_error(errc::store_unavailable));
  } else {
    batch_.push_back(waiting<Request, Answer>{request, promise});
    gathered(bytes);
  }
  return promise;
}

caf::typed_response_promise<log_opened> store_state::on_open_log(const open_log& order) {
  return gather<log_opened>(order, event_overhead);
}

caf::typed_response_promise<events_appended> store_state::on_append_events(const append_events& order) {
  return gather<events_appended>(order, estimate(order));
}

// By itself: nothing that others wait for depends on how much there is to erase, and it takes effect at once.
caf::typed_response_promise<history_erased> store_state::on_erase_history(const erase_history& order) {
  commit();
  auto promise = gather<history_erased>(order, 0);
  commit();
  return promise;
}

void store_state::on_record_decision(const record_decision& order) {
  log_decision(order.made);
  if (is_failing()) return;
  batch_.push_back(waiting_record{order});
  gathered(event_overhead * (1 + order.made.roster.size() + order.made.evictions.size()));
}

void store_state::on_commit_tick() {
  tick_sent_ = false;
  commit();
}

void store_state::on_retire() {
  commit();
  if (is_failing())
    log::error("the store ends while it cannot write: what was sent ahead of the log is lost", {{"reason", *trouble_}});
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

// What cannot be written together is written one by one: a request that the engine chokes on is refused alone. If some
// in a row fail, it is not the requests.
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
    int failures = 0;
    for (auto& what : batch) {
      if (failures < failures_max) {
        trouble = write({&what, 1});
        failures = trouble ? failures + 1 : 0;
      }
      tell(what);
    }
  }
  report(trouble);
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
std::optional<storage_error> store_state::write(std::span<waiting_request> requests) {
  const auto durable =
      requests.empty() || std::any_of(requests.begin(), requests.end(), [](const auto& what) {
        const auto* append = std::get_if<waiting_append>(&what);
        return append != nullptr ? append->request.durable : std::holds_alternative<waiting_erase>(what);
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
    return error;
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

void store_state::apply(waiting_erase& what) {
  const auto& [user, thread] = what.request;
  what.outcome = history_erased{thread ? std::uint64_t{writer_->erase(user, *thread)} : writer_->erase(user)};
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

// Piece by piece, so that whoever writes meanwhile waits for one of them at most.
void store_state::on_sweep() {
  bool more = false;
  if (!is_failing()) {
    try {
      writer_->begin(false);
      more = writer_->tidy(*history_, utc_now());
      writer_->commit();
    } catch (const storage_error& error) {
      writer_->roll_back();
      report(error);
      more = false;
    }
  }
  self_->delayed_send(self_, more ? piece_pause : sweep_pause, sweep_tick{});
}

void store_state::report(const std::optional<storage_error>& trouble) {
  const std::string text = trouble ? trouble->what() : "";
  looks_damaged_ = trouble && (looks_damaged_ || trouble->is_damage);
  if (trouble_ != text) {
    if (trouble)
      log::error("the store cannot write", {{"reason", text}});
    else if (trouble_)
      log::info("the store writes again", {});
    trouble_ = text;
    if (inspector_) caf::anon_send(inspector_, component_changed{"store", text});
  }
  retry_later();
}

// What has gathered goes first: its success would pass for the all-clear.
void store_state::on_examine(const examine& order) {
  commit();
  if (is_failing())
    looks_damaged_ = true;
  else
    report(storage_error{order.reason, true});
}

// While it fails nobody's request is tried: it must find out by itself that it can write again.
void store_state::retry_later() {
  if (!is_failing() || is_damaged_ || std::exchange(retry_pending_, true)) return;
  self_->delayed_send(self_, retry_pause, retry_tick{});
}

void store_state::on_retry() {
  retry_pending_ = false;
  if (is_failing()) report(try_again());
}

// A disk that could not be read for a moment looks like damage too. Where it is, nothing is written any more: each
// change would make the rest harder to save.
std::optional<storage_error> store_state::try_again() {
  if (looks_damaged_) {
    try {
      writer_->examine();
    } catch (const storage_error& error) {
      is_damaged_ = error.is_damage;
      return error;
    }
  }
  return write({});
}

store_private::behavior_type store(store_pointer self, std::unique_ptr<log_writer> writer, inspector_actor inspector,
                                   std::optional<history_rules> history) {
  auto* state = &self->state;
  state->start(self, std::move(writer), std::move(inspector), history);
  return {
      [=](const open_log& order) { return state->on_open_log(order); },
      [=](const append_events& order) { return state->on_append_events(order); },
      [=](const record_decision& order) { state->on_record_decision(order); },
      [=](const examine& order) { state->on_examine(order); },
      [=](const erase_history& order) { return state->on_erase_history(order); },
      [=](const get_store_measures&) { return state->on_get_store_measures(); },
      [=](const retire&) { state->on_retire(); },
      [=](const get_vitals&) { return self->vitals(); },
      [=](const commit_tick&) { state->on_commit_tick(); },
      [=](const retry_tick&) { state->on_retry(); },
      [=](const sweep_tick&) { state->on_sweep(); },
  };
}

} // namespace gangway
