#include "actors/store/sqlite_history.hpp"

#include <algorithm>
#include <optional>
#include <vector>

#include "protocol/ag_ui.hpp"

namespace gangway::sqlite {

namespace {

// How many events one piece of tidying takes out of the log: so few that no commit has to wait for it.
constexpr std::size_t events_at_once = 500;

// How many it looks at for that, and how many threads it asks for their size.
constexpr std::size_t looks_at_once = 2000;
constexpr std::size_t threads_at_once = 1000;

std::uint64_t size_of(const rows& row, int column) { return row.text(column).size(); }

} // namespace

history::history(connection& on)
    : insert_run_{on, "INSERT OR IGNORE INTO finished_runs (log_id, last_seq, time) VALUES (?1, ?2, ?3)"},
      oldest_run_{on, "SELECT log_id, last_seq FROM finished_runs WHERE time < ?1 ORDER BY time LIMIT 1"},
      some_threads_{on, "SELECT log_id, bytes FROM threads WHERE log_id > ?1 ORDER BY log_id LIMIT ?2"},
      first_runs_{on, "SELECT last_seq FROM finished_runs WHERE log_id = ?1 ORDER BY last_seq LIMIT 2"},
      uncompacted_run_{on, "SELECT log_id, last_seq FROM finished_runs WHERE compacted = 0 AND time < ?1"
                           " ORDER BY time LIMIT 1"},
      first_events_{on, "SELECT seq, body FROM events WHERE log_id = ?1 AND seq <= ?2 ORDER BY seq LIMIT ?3"},
      last_events_{on, "SELECT seq, run_id, body, first_seq FROM events WHERE log_id = ?1 AND seq <= ?2"
                       " ORDER BY seq DESC"},
      delete_events_{on, "DELETE FROM events WHERE log_id = ?1 AND seq BETWEEN ?2 AND ?3"},
      absorb_{on, "UPDATE events SET first_seq = ?3 WHERE log_id = ?1 AND seq = ?2"},
      shrink_{on, "UPDATE threads SET bytes = max(0, bytes - ?2) WHERE log_id = ?1"},
      compacted_{on, "UPDATE finished_runs SET compacted = 1 WHERE log_id = ?1 AND last_seq = ?2"},
      forget_runs_{on, "DELETE FROM finished_runs WHERE log_id = ?1 AND last_seq <= ?2"},
      forget_messages_{on, "DELETE FROM messages WHERE log_id = ?1 AND seq <= ?2"},
      forget_client_messages_{on, "DELETE FROM client_messages WHERE log_id = ?1 AND seq <= ?2"},
      erase_if_over_{on, "DELETE FROM threads WHERE log_id = ?1 AND last_seq <= ?2 AND open_run IS NULL"},
      find_thread_{on, "SELECT log_id FROM threads WHERE user = ?1 AND thread = ?2"},
      find_threads_{on, "SELECT log_id FROM threads WHERE user = ?1"},
      erase_events_{on, "DELETE FROM events WHERE log_id = ?1"},
      erase_messages_{on, "DELETE FROM messages WHERE log_id = ?1"},
      erase_client_messages_{on, "DELETE FROM client_messages WHERE log_id = ?1"},
      erase_runs_{on, "DELETE FROM finished_runs WHERE log_id = ?1"},
      erase_thread_{on, "DELETE FROM threads WHERE log_id = ?1"},
      erase_decisions_{on, "DELETE FROM decisions WHERE user = ?1"} {}

void history::run_ended(log_id log, sequence seq, utc_time time) { insert_run_.execute(log, seq, time); }

void history::rolled_back() noexcept { compaction_.reset(); }

bool history::tidy(const history_rules& rules, utc_time now) {
  const auto find = [](rows row) {
    return row.next() && !row.is_null(0) ? std::optional{std::pair{row.integer(0), row.number(1)}} : std::nullopt;
  };
  if (rules.age_max.count() > 0)
    if (const auto run = find(oldest_run_.run(now - rules.age_max))) return shorten(run->first, run->second);
  if (rules.thread_bytes_max > 0)
    if (shorten_big(rules.thread_bytes_max)) return true;
  if (const auto run = find(uncompacted_run_.run(now - rules.run_ttl))) return compact(run->first, run->second);
  return false;
}

// Round by round through the threads: an index by size would be written with every event. The newest run stays,
// however big it is.
bool history::shorten_big(std::uint64_t bytes_max) {
  std::optional<std::pair<log_id, sequence>> found;
  std::size_t count = 0;
  {
    auto thread = some_threads_.run(looked_at_, threads_at_once);
    for (; !found && thread.next(); ++count) {
      const auto log = thread.integer(0);
      if (thread.number(1) > bytes_max) {
        auto run = first_runs_.run(log);
        const auto first = run.next() ? run.number(0) : sequence{0};
        if (run.next()) found = {log, first};
      }
      if (!found) looked_at_ = log;
    }
  }
  if (found) return shorten(found->first, found->second);
  if (count < threads_at_once) looked_at_ = 0;
  return count == threads_at_once;
}

// From the front, so that what is left is a log at any time, which begins later.
bool history::shorten(log_id log, sequence last) {
  std::optional<sequence> until;
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  {
    auto row = first_events_.run(log, last, events_at_once);
    for (; row.next(); ++count) {
      until = row.number(0);
      bytes += size_of(row, 1);
    }
  }
  if (until) {
    delete_events_.execute(log, 0, *until);
    shrink_.execute(log, bytes);
    forget_messages_.execute(log, *until);
    forget_client_messages_.execute(log, *until);
  }
  if (count == events_at_once) return true;
  forget_runs_.execute(log, last);
  // Of a thread that nobody has used since, nothing is left but its name.
  erase_if_over_.execute(log, last);
  return true;
}

// Newest first: a completed message is met before its deltas, and takes their place in the sequence. The next piece
// goes on where this one ends: a run that has ended changes no more.
bool history::compact(log_id log, sequence last) {
  struct gap {
    sequence heir = 0, first = 0, last = 0;
  };
  if (!compaction_ || compaction_->log != log || compaction_->last != last) compaction_ = {log, last, last, 0, {}, {}};
  auto& state = *compaction_;
  std::vector<gap> gaps;
  std::uint64_t bytes = 0;
  std::size_t count = 0;
  std::size_t looks = 0;
  bool is_whole = true;
  {
    auto row = last_events_.run(log, state.next);
    while (row.next()) {
      if (count == events_at_once || looks++ == looks_at_once) {
        is_whole = false;
        break;
      }
      const auto seq = row.number(0);
      const auto of = row.optional_id<run_id>(1);
      if (seq == last) state.run = of;
      if (of != state.run) break;
      state.next = seq - 1;
      const auto event = ag_ui::decode(seq, of, row.text(2));
      const auto* delta = event ? std::get_if<message_delta>(&event->body) : nullptr;
      if (event)
        if (const auto* whole = std::get_if<message_completed>(&event->body))
          state.completed.push_back(whole->message_id);
      const bool is_spare =
          delta != nullptr
          && std::find(state.completed.begin(), state.completed.end(), delta->message_id) != state.completed.end();
      if (!is_spare) {
        state.heir = seq;
        continue;
      }
      ++count;
      bytes += size_of(row, 2);
      const auto first = row.is_null(3) ? seq : row.number(3);
      if (gaps.empty() || gaps.back().heir != state.heir)
        gaps.push_back({state.heir, first, seq});
      else
        gaps.back().first = first;
    }
  }
  for (const auto& gone : gaps) {
    delete_events_.execute(log, gone.first, gone.last);
    absorb_.execute(log, gone.heir, gone.first);
  }
  if (count > 0) shrink_.execute(log, bytes);
  if (is_whole) {
    compacted_.execute(log, last);
    compaction_.reset();
  }
  return true;
}

bool history::erase(const user_id& user, const thread_id& thread) {
  std::optional<log_id> found;
  {
    auto row = find_thread_.run(user.value, thread.value);
    if (row.next()) found = row.integer(0);
  }
  if (found) erase(*found);
  return found.has_value();
}

std::size_t history::erase(const user_id& user) {
  std::vector<log_id> all;
  {
    auto row = find_threads_.run(user.value);
    while (row.next())
      all.push_back(row.integer(0));
  }
  for (const auto log : all)
    erase(log);
  erase_decisions_.execute(user.value);
  return all.size();
}

void history::erase(log_id log) {
  for (auto* each : {&erase_events_, &erase_messages_, &erase_client_messages_, &erase_runs_, &erase_thread_})
    each->execute(log);
}

} // namespace gangway::sqlite
