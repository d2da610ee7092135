/// The user actor's ladder: who waits for a slot, whom the policy lets go for it, who is told what, and the record.

#include <algorithm>
#include <limits>
#include <set>
#include <utility>

#include "actors/user.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

using std::chrono::milliseconds;

// An answer is on its way by then, and who asks `explain` has not read it yet.
constexpr milliseconds record_pause{5};

// What an order without a number asks for.
constexpr auto everybody = std::numeric_limits<std::size_t>::max();

// Threads that come and go all day are not all remembered.
constexpr std::size_t tombstones_per_slot = 10;

cleanup_outcome outcome_of(const decision& record, bool wanted_everybody) {
  const auto evicted = record.evictions.size();
  if (wanted_everybody ? evicted > 0 : evicted >= record.needed) return cleanup_outcome::freed;
  return evicted > 0 ? cleanup_outcome::partly : cleanup_outcome::nothing;
}

} // namespace

// -- what the policy sees ------------------------------------------------------------------------

// A message on its way to the disk is a run that is about to begin.
bool user_state::is_live_run(const slot& which, steady_time time) const {
  const auto& limits = rules().run;
  if (which.fault == finding::hung) return false;
  if (which.run) return time - which.run_heard < limits.stall_after && time - which.run_began < limits.total_max;
  return time - which.last_useful < limits.stall_after
         && std::any_of(which.unanswered.begin(), which.unanswered.end(),
                        [](const pending_frame& known) { return known.brings_run; });
}

std::uint32_t user_state::living_connections(const slot& which) const {
  if (verdicts_ == 0) return static_cast<std::uint32_t>(which.seats.size());
  return static_cast<std::uint32_t>(std::count_if(which.seats.begin(), which.seats.end(), [&](const seat& used) {
    return std::any_of(connections_.begin(), connections_.end(), [&](const user_connection& known) {
      return known.connection == used.connection && !known.verdict;
    });
  }));
}

std::vector<finding> user_state::evidence_of(const slot& which) const {
  std::set<finding> result;
  if (which.fault) result.insert(*which.fault);
  if (which.loss && which.seats.empty()) result.insert(*which.loss);
  if (living_connections(which) == 0)
    for (const auto& known : connections_)
      if (known.verdict && std::any_of(which.seats.begin(), which.seats.end(), [&](const seat& used) {
            return used.connection == known.connection;
          }))
        result.insert(*known.verdict);
  return {result.begin(), result.end()};
}

candidate user_state::candidate_of(const slot& which, steady_time time) const {
  const auto living = living_connections(which);
  const bool has_lost_all = which.seats.empty() ? which.loss.has_value() : living == 0;
  // Whoever has just asked for it is not told that it went.
  const bool is_being_opened =
      !which.fault && std::any_of(which.seats.begin(), which.seats.end(), [](const seat& used) { return !used.open; });
  return {which.manager,
          which.phase == manager_phase::opening || is_being_opened,
          is_live_run(which, time),
          which.fault.has_value() || has_lost_all,
          living,
          which.last_useful};
}

std::vector<candidate> user_state::roster(steady_time time) const {
  std::vector<candidate> result;
  for (const auto& which : slots_)
    if (which.in_use()) result.push_back(candidate_of(which, time));
  return result;
}

// -- the ladder ----------------------------------------------------------------------------------

void user_state::begin_cleanup(cleanup_scope scope, cleanup_level max_level, std::uint32_t ordered,
                               caf::typed_response_promise<cleaned_up> promise) {
  const auto time = now();
  cleanup_ = std::make_unique<gangway::cleanup>();
  cleanup_->turn = ++cleanup_turn_;
  cleanup_->begun = time;
  cleanup_->ordered = ordered;
  cleanup_->promise = std::move(promise);
  cleanup_->state = {std::nullopt, max_level, 0, time + rules().cleanup.deadline, scope == cleanup_scope::background};
  cleanup_->record = begin_record(decision::kind::cleanup);
  cleanup_->record.scope = scope;
  self_->send(self_, escalate{cleanup_->turn});
}

std::size_t user_state::needed_now() const {
  const auto used = slots_used();
  const auto limit = limit_now();
  const auto& running = *cleanup_;
  const auto beyond = [](std::size_t wanted, std::size_t there) { return wanted > there ? wanted - there : 0; };
  switch (running.record.scope) {
  case cleanup_scope::request: {
    // Who was evicted may take a conservative victim, nothing more.
    const auto resuming = running.state.done ? 0 : waiting_threads(false);
    return beyond(used + waiting_threads(true) + resuming, limit);
  }
  case cleanup_scope::background:
    return beyond(used, watermarks_of(usual_limit(), rules().cleanup.start_ratio, rules().cleanup.stop_ratio).stop);
  case cleanup_scope::surplus:
    return beyond(used, limit);
  case cleanup_scope::node:
  case cleanup_scope::manual:
    break;
  }
  return running.ordered == 0 ? everybody : beyond(running.ordered, running.record.evictions.size());
}

void user_state::on_escalate(const escalate& tick) {
  if (!cleanup_ || cleanup_->turn != tick.turn || cleanup_->waits_for_probe) return;
  auto& state = cleanup_->state;
  state.needed = needed_now();
  const auto step = services_->decisions.next_step(state, now(), rules().cleanup.probe_timeout);
  if (!step) return finish_cleanup();
  if (step->probe.count() > 0 && !std::exchange(cleanup_->probed, true)) {
    cleanup_->waits_for_probe = true;
    if (probe_)
      look_at_probe();
    else
      begin_probe(step->probe);
    return;
  }
  run_level(step->level);
  state.done = step->level;
  self_->send(self_, escalate{cleanup_->turn});
  serve_line();
}

void user_state::run_level(cleanup_level level) {
  auto& record = cleanup_->record;
  const auto time = now();
  const auto idle_after = rules().cleanup.idle_after;
  const auto whom = takes(cleanup_->state, level);
  const auto needed = needed_now();
  const auto all = roster(time);
  cleanup_attempt attempt{level, 0, 0};
  for (const auto& one : all)
    attempt.candidates += may_evict(one, whom, time, idle_after).has_value();
  if (needed != everybody)
    record.needed = std::max(record.needed, static_cast<std::uint32_t>(record.evictions.size() + needed));
  const auto victims = services_->decisions.choose_evictions(all, whom, needed, time, idle_after);
  if (!victims.empty()) note_roster(record, cleanup_->begun, time);
  for (const auto& victim : victims)
    evict(victim, level, record);
  attempt.evicted = static_cast<std::uint32_t>(victims.size());
  record.level = level;
  record.attempts.push_back(attempt);
  cleanup_->left = needed - std::min(needed, victims.size());
}

void user_state::evict(const choice& whom, cleanup_level level, decision& record) {
  auto& which = *find(whom.manager);
  const auto& window = rules().cleanup.resume_window;
  eviction told{which.manager, which.thread, {}, level, whom.reason, {}};
  if (whom.reason == eviction_reason::zombie) told.evidence = evidence_of(which);
  const auto seats = std::exchange(which.seats, {});
  for (const auto& used : seats)
    told.connections.push_back(used.connection);
  const auto notice = std::make_shared<const std::string>(wire::manager_evicted(told, utc_now() + window));
  for (const auto& used : seats) {
    auto* to = find(used.connection);
    if (to == nullptr) continue;
    to->link.send(notice);
    if (!to->dedicated) continue;
    const close_reason reason{close_code::evicted, "evicted: another thread of the same user needed the slot", window};
    to->link.close(reason);
    record.connections.push_back({used.connection, reason.code, reason.text, to->verdict});
  }
  const auto time = now();
  const auto* known = find_tombstone(which.thread);
  const auto came_back = known == nullptr ? std::nullopt : known->came_back;
  std::erase_if(tombstones_, [&](const tombstone& one) {
    return one.thread == which.thread || (one.resume_until <= time && !has_slot(one.thread));
  });
  if (tombstones_.size() >= tombstones_per_slot * rules().managers_max) tombstones_.erase(tombstones_.begin());
  tombstones_.push_back({which.thread, time, time + window, false, came_back});
  which.run.reset();
  record.evictions.push_back(std::move(told));
  retire_manager(which);
}

void user_state::finish_cleanup() {
  const auto finished = std::exchange(cleanup_, nullptr);
  auto& record = finished->record;
  if (record.roster.empty()) note_roster(record, finished->begun, now());
  const auto evicted = static_cast<std::uint32_t>(record.evictions.size());
  record.took = microseconds_between(finished->begun, now());
  record.outcome = outcome_of(record, finished->wants_everybody());
  cleanup_ended counted{record.scope, record.level, record.outcome, record.took, {}};
  for (const auto& one : record.evictions)
    ++counted.evictions[static_cast<std::size_t>(one.level)][static_cast<std::size_t>(one.reason)];
  self_->send(directory_, counted);
  // What nobody asked for and changed nothing is no decision about anybody.
  const bool was_asked_for = record.scope == cleanup_scope::request || record.scope == cleanup_scope::manual;
  // The whole ladder in vain: it is not climbed again until something has changed, or a while has passed.
  const bool was_whole = finished->state.done == finished->state.max_level && !finished->state.in_background;
  if (evicted == 0 && was_whole && record.scope <= cleanup_scope::surplus)
    retry_not_before_ = now() + rules().heartbeat.timeout;
  if (finished->promise.pending()) finished->promise.deliver(cleaned_up{record});
  if (record.scope == cleanup_scope::background) background_not_before_ = now() + rules().heartbeat.timeout;
  const bool was_request = record.scope == cleanup_scope::request;
  if (was_request) last_attempts_ = record.attempts;
  if (was_asked_for || evicted > 0) keep(std::move(record));
  if (was_request && finished->state.needed > finished->left) {
    // Whoever came behind the last level, or may evict only since then, has not been looked at: once more, by what was
    // found out, and without another probe when the time for that is over.
    begin_cleanup(cleanup_scope::request, rules().cleanup.max_level);
    cleanup_->probed = finished->probed;
    cleanup_->state.deadline = finished->state.deadline;
    return;
  }
  if (was_request) degrade();
  if (!was_request && !line_.empty()) {
    begin_cleanup(cleanup_scope::request, rules().cleanup.max_level);
  } else if (!orders_.empty()) {
    auto [order, promise] = std::move(orders_.front());
    orders_.erase(orders_.begin());
    begin_cleanup(order.scope, highest_level(order), order.needed, std::move(promise));
  }
}

// -- before anybody asks, and on order -----------------------------------------------------------

void user_state::begin_background_if_due() {
  const auto used = slots_used();
  const auto& limits = rules().cleanup;
  const auto marks = watermarks_of(usual_limit(), limits.start_ratio, limits.stop_ratio);
  if (used <= marks.stop) warned_ = false;
  if (used < marks.start || retiring_) return;
  if (!std::exchange(warned_, true)) tell_everybody(wire::limit_warning(used, rules().managers_max));
  if (!cleanup_ && now() >= background_not_before_) begin_cleanup(cleanup_scope::background, cleanup_level::aggressive);
}

// An operator may go further than a tier allows; the node may not.
cleanup_level user_state::highest_level(const clean_up& order) const {
  return order.scope == cleanup_scope::node ? std::min(order.level, rules().cleanup.max_level) : order.level;
}

caf::typed_response_promise<cleaned_up> user_state::on_clean_up(const clean_up& order) {
  auto promise = self_->make_response_promise<cleaned_up>();
  if (order.dry_run)
    promise.deliver(cleaned_up{plan(order)});
  else if (cleanup_)
    orders_.emplace_back(order, promise);
  else
    begin_cleanup(order.scope, highest_level(order), order.needed, promise);
  return promise;
}

// What a cleanup would do now, by the verdicts that there are: nobody is probed.
decision user_state::plan(const clean_up& order) const {
  const auto time = now();
  const auto idle_after = rules().cleanup.idle_after;
  auto record = begin_record(decision::kind::cleanup);
  record.dry_run = true;
  record.scope = order.scope;
  record.needed = order.needed;
  note_roster(record, time, time);
  auto left = roster(time);
  for (auto level = 0; level <= static_cast<int>(highest_level(order)); ++level) {
    record.level = static_cast<cleanup_level>(level);
    cleanup_attempt attempt{record.level, 0, 0};
    for (const auto& one : left)
      attempt.candidates += may_evict(one, record.level, time, idle_after).has_value();
    const auto wanted = order.needed == 0 ? left.size() : order.needed - record.evictions.size();
    for (const auto& whom : services_->decisions.choose_evictions(left, record.level, wanted, time, idle_after)) {
      const auto which =
          std::find_if(slots_.begin(), slots_.end(), [&](const slot& known) { return known.manager == whom.manager; });
      eviction planned{which->manager, which->thread, {}, record.level, whom.reason, {}};
      if (whom.reason == eviction_reason::zombie) planned.evidence = evidence_of(*which);
      for (const auto& used : which->seats)
        planned.connections.push_back(used.connection);
      record.evictions.push_back(std::move(planned));
      std::erase_if(left, [&](const candidate& one) { return one.manager == whom.manager; });
      ++attempt.evicted;
    }
    record.attempts.push_back(attempt);
  }
  record.outcome = outcome_of(record, order.needed == 0);
  return record;
}

void user_state::on_pressure_changed(const pressure_changed& report) { pressed_ = report.pressed; }

// -- the record ----------------------------------------------------------------------------------

decision user_state::begin_record(decision::kind what) const {
  decision record;
  record.id = decision_id::make();
  record.what = what;
  record.user = user_;
  record.tier = to_string(tier_);
  record.time = utc_now();
  record.used = slots_used();
  record.limit = rules().managers_max;
  return record;
}

// Each manager's line is that of its last look, and their times are all as of the record's own.
void user_state::note_roster(decision& record, steady_time begun, steady_time time) const {
  for (const auto& which : slots_) {
    if (!which.in_use()) continue;
    const auto known = candidate_of(which, time);
    roster_line line{which.manager,
                     which.thread,
                     known.opening,
                     known.live_run,
                     known.living_connections,
                     std::max(milliseconds{0}, milliseconds_between(which.last_useful, begun)),
                     evidence_of(which)};
    const auto before = std::find_if(record.roster.begin(), record.roster.end(),
                                     [&](const roster_line& one) { return one.manager == which.manager; });
    if (before == record.roster.end())
      record.roster.push_back(std::move(line));
    else
      *before = std::move(line);
  }
}

// A client that makes us decide all the time must not wash out what was decided about others; what an operator ordered
// is noted always. After whoever waits for the slot: to encode, to log and to commit a record takes longer than to make
// room.
void user_state::keep(decision record) {
  if (record.what != decision::kind::cleanup || record.scope != cleanup_scope::manual) {
    const auto left_out = take_note(decisions_noted_[static_cast<std::size_t>(record.what)], {}, now());
    if (!left_out) return;
    record.left_out = *left_out;
  }
  if (!services_->store) return log_decision(record);
  if (record.what == decision::kind::cleanup && record.scope == cleanup_scope::request)
    self_->delayed_send(services_->store, record_pause, record_decision{std::move(record)});
  else
    self_->send(services_->store, record_decision{std::move(record)});
}

} // namespace gangway
