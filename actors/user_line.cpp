/// The user actor's line: who waits for a slot, who gets one that became free, and what is left when nobody could go.

#include <algorithm>
#include <set>
#include <utility>

#include "actors/user.hpp"
#include "protocol/json.hpp"
#include "protocol/log.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

using std::chrono::milliseconds;

// Nobody reads a notice and decides to turn to that thread in less.
constexpr milliseconds redial_time{1000};

// Whoever was evicted again before so many of `cleanup.resume_window` had passed since it came back, waits.
constexpr int returns_apart = 10;

bool came_back_lately(const tombstone& known, milliseconds window) {
  return known.came_back && known.evicted - *known.came_back < returns_apart * window;
}

std::uint32_t total_evicted(const std::vector<cleanup_attempt>& attempts) {
  std::uint32_t result = 0;
  for (const auto& attempt : attempts)
    result += attempt.evicted;
  return result;
}

std::string summary_of(const std::vector<cleanup_attempt>& attempts) {
  std::string result;
  for (const auto& attempt : attempts) {
    if (!result.empty()) result += ", ";
    result.append(to_string(attempt.level)) +=
        ": " + std::to_string(attempt.evicted) + " of " + std::to_string(attempt.candidates);
  }
  return result.empty() ? "none" : result;
}

json_text details_of(const std::vector<cleanup_attempt>& attempts, std::uint32_t current, const std::string& summary) {
  std::string list = "[";
  for (const auto& attempt : attempts) {
    if (list.size() > 1) list += ',';
    json::object one;
    one.text("level", to_string(attempt.level)).number("candidates", attempt.candidates);
    list += one.number("evicted", attempt.evicted).take();
  }
  json::object out;
  out.raw("attempts", list += ']').number("total_cleaned", total_evicted(attempts));
  return {out.number("current", current).text("summary", summary).take()};
}

// A sentence for a person comes first; what it is about comes behind it, for the logs, and by itself in the details.
std::string explained(std::string_view sentence, const std::string& summary) {
  return std::string{sentence} + " " + summary;
}

grace_terms terms_of(const grace_rules& rules) { return {rules.extra, rules.duration, rules.cooldown}; }

} // namespace

std::uint32_t user_state::grace_now() const { return extra_allowed(grace_, terms_of(rules().grace), now()); }

std::uint32_t user_state::limit_now() const {
  return std::max(rules().managers_max + grace_now(), is_kept(kept_, now()) ? kept_->managers : 0);
}

// -- the line ------------------------------------------------------------------------------------

const tombstone* user_state::find_tombstone(const thread_id& thread) const {
  const auto found =
      std::find_if(tombstones_.begin(), tombstones_.end(), [&](const tombstone& one) { return one.thread == thread; });
  return found == tombstones_.end() ? nullptr : &*found;
}

// It takes a free slot, or that of somebody without connections, and nobody else's.
bool user_state::may_evict_nobody(const thread_id& thread) const {
  const auto* known = find_tombstone(thread);
  const auto time = now();
  if (known == nullptr || known->is_back || known->resume_until <= time) return false;
  return time - known->evicted < redial_time || came_back_lately(*known, rules().cleanup.resume_window);
}

std::size_t user_state::waiting_threads(bool may_evict) const {
  std::set<thread_id> result;
  for (const auto& waiting : line_)
    if (may_evict_nobody(waiting.thread) != may_evict) result.insert(waiting.thread);
  return result.size();
}

// While room is made any number may hope, within reason; once that has failed, as many as the queue holds.
std::uint32_t user_state::line_max() const {
  const auto settled =
      std::count_if(line_.begin(), line_.end(), [](const auto& known) { return known.until.has_value(); });
  const auto max = rules().queue.max;
  return max > 0 && settled >= max ? max : rules().managers_max + max;
}

// The whole ladder was climbed for nothing a moment ago, and still nobody can go.
bool user_state::is_in_vain() const {
  const auto time = now();
  if (time >= retry_not_before_) return false;
  const auto all = roster(time);
  return std::none_of(all.begin(), all.end(), [&](const candidate& one) {
    return may_evict(one, rules().cleanup.max_level, time, rules().cleanup.idle_after).has_value();
  });
}

void user_state::wait_in_line(waiting_open request) {
  line_.push_back(std::move(request));
  report_count();
  // What runs for nobody in particular ends here; an order is carried out first, as it was promised.
  if (cleanup_
      && (cleanup_->record.scope == cleanup_scope::background || cleanup_->record.scope == cleanup_scope::surplus))
    finish_cleanup();
  else if (!cleanup_ && is_in_vain())
    degrade();
  else if (!cleanup_)
    begin_cleanup(cleanup_scope::request, rules().cleanup.max_level);
}

// The head first; but whoever may not evict anybody does not take the slot that somebody was evicted for.
void user_state::serve_line() {
  if (line_.empty() || retiring_) return;
  while (!line_.empty()) {
    const auto used = slots_used();
    const auto limit = limit_now();
    if (used >= limit || slots_ending() >= 2 * limit) break;
    const bool is_short = limit - used <= waiting_threads(true);
    const auto next = std::find_if(line_.begin(), line_.end(), [&](const waiting_open& waiting) {
      return !is_short || !may_evict_nobody(waiting.thread);
    });
    if (next == line_.end()) break;
    const auto thread = next->thread;
    std::vector<waiting_open> served;
    std::erase_if(line_, [&](waiting_open& waiting) {
      if (waiting.thread != thread) return false;
      served.push_back(std::move(waiting));
      return true;
    });
    auto* which = find_usable(thread);
    if (which == nullptr) which = &reserve(thread);
    const auto time = now();
    for (const auto& waiting : served) {
      const bool by_grace = grace_now() > 0 && used >= rules().managers_max;
      const auto outcome = waiting.until ? admission_outcome::queued
                           : by_grace    ? admission_outcome::grace
                                         : admission_outcome::cleaned;
      self_->send(directory_, admission_ended{outcome, microseconds_between(waiting.since, time)});
      take_seat(*which, waiting.origin, waiting.position);
      for (const auto& command : waiting.behind)
        std::visit([this](const auto& one) { pass_on(one); }, command);
    }
  }
  report_count();
  tell_positions();
}

void user_state::tell_positions() {
  for (std::size_t i = 0; i < line_.size(); ++i) {
    auto& waiting = line_[i];
    if (!waiting.until || waiting.told == i + 1) continue;
    waiting.told = i + 1;
    if (auto* to = find(waiting.origin.connection)) to->link.send(wire::queued(waiting.thread, waiting.told));
  }
}

// Something has changed: perhaps there is room now for those who wait, or somebody of a surplus can go.
void user_state::reconsider() {
  if (cleanup_ || retiring_) return;
  serve_line();
  if (is_in_vain()) return;
  if (!line_.empty())
    begin_cleanup(cleanup_scope::request, rules().cleanup.max_level);
  else if (slots_used() > limit_now())
    begin_cleanup(cleanup_scope::surplus, rules().cleanup.max_level);
}

// -- when nobody could go ------------------------------------------------------------------------

void user_state::degrade() {
  const auto terms = terms_of(rules().grace);
  // While what a higher tier allowed is kept, a grace may be no more than that.
  const bool would_help = rules().managers_max + terms.extra > slots_used();
  if (waiting_threads(true) > 0 && slots_used() >= limit_now() && would_help) {
    const auto time = now();
    if (const auto begun = services_->decisions.begin_grace(grace_, terms, pressed_, time)) {
      grace_ = *begun;
      const auto until = utc_now() + milliseconds_between(time, *grace_.until);
      log::warning("a user may exceed its limit for a while", {{"user_id", user_.value}, {"extra", terms.extra}});
      tell_everybody(wire::limit_degraded(slots_used(), rules().managers_max, terms.extra, until));
      serve_line();
    }
  }
  queue_rest();
  schedule_patience();
}

void user_state::queue_rest() {
  const auto max = rules().queue.max;
  std::vector<waiting_open> refused;
  while (line_.size() > max) {
    refused.push_back(std::move(line_.back()));
    line_.pop_back();
  }
  const auto until = now() + rules().queue.timeout;
  for (auto& waiting : line_)
    if (!waiting.until) waiting.until = until;
  for (const auto& one : refused) {
    turn_away(one, limit_error(max == 0 ? error_code::manager_limit : error_code::queue_full, one.thread));
    self_->send(directory_, admission_ended{admission_outcome::refused, {}});
  }
  report_count();
  tell_positions();
}

void user_state::schedule_patience() {
  const auto time = now();
  std::optional<steady_time> first;
  const auto consider = [&](std::optional<steady_time> when) {
    if (when && *when > time) first = std::min(first.value_or(*when), *when);
  };
  consider(grace_.until);
  if (kept_) consider(kept_->until);
  for (const auto& waiting : line_) {
    consider(waiting.until);
    if (const auto* known = find_tombstone(waiting.thread)) consider(known->evicted + redial_time);
  }
  if (!first || (patience_due_ && *patience_due_ <= *first)) return;
  patience_due_ = first;
  self_->delayed_send(self_, milliseconds_between(time, *first) + milliseconds{1}, patience_tick{});
}

void user_state::on_patience(const patience_tick&) {
  const auto time = now();
  patience_due_.reset();
  std::vector<waiting_open> late;
  std::erase_if(line_, [&](const waiting_open& waiting) {
    if (!waiting.until || *waiting.until > time) return false;
    late.push_back(waiting);
    return true;
  });
  for (const auto& waiting : late) {
    const auto error = limit_error(
        may_evict_nobody(waiting.thread) ? error_code::queue_timeout : error_code::manager_limit, waiting.thread);
    turn_away(waiting, error);
    self_->send(directory_, admission_ended{admission_outcome::refused, microseconds_between(waiting.since, time)});
  }
  report_count();
  tell_positions();
  reconsider();
  schedule_patience();
}

waiting_open* user_state::find_waiting(const thread_id& thread, const connection_id& connection) {
  const auto found = std::find_if(line_.rbegin(), line_.rend(), [&](const waiting_open& known) {
    return known.thread == thread && known.origin.connection == connection;
  });
  return found == line_.rend() ? nullptr : &*found;
}

// Whatever came after an open that is refused is refused for the same reason.
void user_state::refuse_behind(const waiting_open& whom, const command_error& error) {
  for (const auto& command : whom.behind)
    std::visit([&](const auto& one) { refuse(one.origin, error); }, command);
}

// A client that is refused all the time does not fill the log.
void user_state::turn_away(const waiting_open& whom, const command_error& error) {
  refuse(whom.origin, error);
  refuse_behind(whom, error);
  const auto left_out = take_note(refusals_noted_, {}, now());
  if (!left_out) return;
  log::warning("a thread was refused", {{"user_id", user_.value},
                                        {"thread_id", whom.thread.value},
                                        {"code", to_string(error.code)},
                                        {"managers_used", slots_used()},
                                        {"managers_max", rules().managers_max},
                                        {"waiting", line_.size()},
                                        {"left_out", *left_out}});
}

command_error user_state::limit_error(error_code code, const thread_id& thread) const {
  const auto current = slots_used();
  const auto max = std::to_string(rules().managers_max);
  const auto wait = rules().queue.timeout.count() > 0 ? rules().queue.timeout : rules().linger;
  const auto& attempts = cleanup_ ? cleanup_->record.attempts : last_attempts_;
  if (code == error_code::queue_timeout) {
    const auto* known = find_tombstone(thread);
    const bool is_again = came_back_lately(*known, rules().cleanup.resume_window);
    const auto until = is_again ? known->resume_until : known->evicted + redial_time;
    const auto summary = std::string{"The thread was evicted "} + (is_again ? "again" : "a moment ago")
                         + " and takes nobody's slot now; none of " + max + " became free in time.";
    return {code, explained("This thread was closed to make room for another; try again later.", summary),
            milliseconds_between(now(), until), details_of(attempts, current, summary)};
  }
  auto tried = summary_of(attempts);
  const bool is_limited = rules().cleanup.max_level < cleanup_level::force;
  const std::string levels = is_limited ? "all levels that its tier allows" : "all levels";
  if (is_limited)
    tried += "; " + std::string{to_string(rules().cleanup.max_level)} + " is the highest level for tier "
             + std::string{to_string(tier_)};
  const bool is_full = code == error_code::queue_full;
  const auto summary = "User " + user_.value + " has reached the maximum number of WebSocket managers (" + max
                       + "). Graduated emergency cleanup attempted through " + levels
                       + " but limit still exceeded. Cleanup attempts made: " + tried + " (total cleaned: "
                       + std::to_string(total_evicted(attempts)) + "). Current count: " + std::to_string(current) + "."
                       + (is_full ? " Already waiting: " + std::to_string(line_.size()) + "." : "");
  return {code,
          explained(is_full ? "Too many threads are open and too many are waiting; try again later."
                            : "Too many threads are open; close one and try again.",
                    summary),
          wait, details_of(attempts, current, summary)};
}

command_error user_state::leaking_error() const {
  const auto summary = "User " + user_.value + " has " + std::to_string(slots_ending())
                       + " closed threads whose managers have not ended yet.";
  return {error_code::overloaded,
          explained("Threads that you closed are still ending; try again in a moment.", summary),
          rules().retire_timeout, json_text{json::object{}.text("summary", summary).take()}};
}

} // namespace gangway
