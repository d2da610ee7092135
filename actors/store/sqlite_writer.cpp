#include "actors/store/sqlite_writer.hpp"

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <sqlite3.h>
#include <sys/random.h>
#include <unistd.h>

#include "actors/store/sqlite_schema.hpp"
#include "protocol/ag_ui.hpp"
#include "protocol/message_text.hpp"

namespace gangway::sqlite {

namespace {

// The edition of our AG-UI encoding that rows are written in.
constexpr int body_version = 1;

// How many decisions one decision may have forgotten: more than come, so that it ends, and few, so that no commit has
// to wait for it.
constexpr std::int64_t forgotten_at_once = 8;

// Opens the file in the form that the prepared statements need.
connection open_for_writing(const std::string& path) {
  connection result{path, access::write};
  prepare_schema(result);
  result.guarded([&] {
    // At 1,000 pages, SQLite's default, a busy server stops for a checkpoint with its two fsyncs every 4 MiB, and
    // writes the pages that all threads share again each time. 4,000 (16 MiB) is still read back in an instant.
    result.database().exec("PRAGMA wal_autocheckpoint = 4000");
    // A log that grew behind a slow reader gives its space back.
    result.database().exec("PRAGMA journal_size_limit = 67108864");
    result.database().exec("PRAGMA cache_size = -16384");
    // What is erased is not left behind in pages that are free.
    result.database().exec("PRAGMA secure_delete = ON");
    result.database().exec("PRAGMA synchronous = FULL");
  });
  return result;
}

// What a busy server writes in a moment must fit, else it would fail again at once.
void require_room(const std::string& path) {
  const auto room = path + "-room";
  const auto descriptor = ::open(room.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
  const auto error = descriptor < 0 ? errno : ::posix_fallocate(descriptor, 0, 1024 * 1024);
  if (descriptor >= 0) ::close(descriptor);
  ::unlink(room.c_str());
  if (error != 0 && error != EOPNOTSUPP)
    throw storage_error{"database " + path + ": no room beside it (" + std::strerror(error) + "); free some space"};
}

epoch make_epoch() {
  constexpr std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  std::array<unsigned char, 8> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    throw storage_error{std::string{"no random numbers: "} + std::strerror(errno)};
  epoch result;
  for (const auto byte : random)
    result += alphabet[byte % alphabet.size()];
  return result;
}

} // namespace

writer::writer(const std::string& path)
    : lock_{require_path_of_file(path)},
      connection_{open_for_writing(path)},
      notes_{path},
      mark_{path},
      begin_{connection_, "BEGIN IMMEDIATE"},
      commit_{connection_, "COMMIT"},
      find_thread_{connection_,
                   "SELECT log_id, thread, generation, epoch, last_seq, title, open_run, updated_at, bytes,"
                   " restores"
                   " FROM threads WHERE user = ?1 AND thread = ?2"},
      get_thread_{connection_, "SELECT log_id, thread, generation, epoch, last_seq, title, open_run, updated_at, bytes,"
                               " restores"
                               " FROM threads WHERE log_id = ?1"},
      insert_thread_{connection_,
                     "INSERT INTO threads (user, thread, generation, epoch, last_seq, created_at, updated_at, restores)"
                     " VALUES (?1, ?2, 0, ?3, 0, ?4, ?4, ?5)"},
      update_thread_{connection_, "UPDATE threads SET generation = ?2, last_seq = ?3, title = ?4, open_run = ?5,"
                                  " updated_at = ?6, bytes = ?7 WHERE log_id = ?1"},
      update_epoch_{connection_, "UPDATE threads SET epoch = ?2, restores = ?3 WHERE log_id = ?1"},
      last_events_{connection_, "SELECT seq, run_id, body FROM events WHERE log_id = ?1 ORDER BY seq DESC"},
      insert_event_{connection_, "INSERT INTO events (log_id, seq, run_id, time, version, generation, body)"
                                 " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7)"},
      insert_message_{connection_, "INSERT INTO messages (log_id, seq, message_id, role, run_id, time, text, content)"
                                   " VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8)"},
      // The first message of an id keeps it.
      insert_client_message_{connection_, "INSERT OR IGNORE INTO client_messages (log_id, client_message_id, seq)"
                                          " VALUES (?1, ?2, ?3)"},
      insert_decision_{connection_, "INSERT OR IGNORE INTO decisions (decision_id, user, time, body)"
                                    " VALUES (?1, ?2, ?3, ?4)"},
      // A connection may be named twice: among those of a manager, and as one that was closed.
      insert_subject_{connection_, "INSERT OR IGNORE INTO decision_subjects (subject, decision_id) VALUES (?1, ?2)"},
      forget_old_{connection_, "DELETE FROM decisions WHERE rowid IN"
                               " (SELECT rowid FROM decisions WHERE time < ?1 ORDER BY time, decision_id LIMIT ?2)"
                               " RETURNING user"},
      forget_oldest_{connection_, "DELETE FROM decisions WHERE rowid IN"
                                  " (SELECT rowid FROM decisions ORDER BY time, decision_id LIMIT ?1)"
                                  " RETURNING user"},
      forget_oldest_of_{connection_,
                        "DELETE FROM decisions WHERE rowid IN"
                        " (SELECT rowid FROM decisions WHERE user = ?1 ORDER BY time, decision_id LIMIT ?2)"
                        " RETURNING user"},
      count_decisions_{connection_, "SELECT user, count(*) FROM decisions GROUP BY user"},
      history_{connection_} {
  begin_anew();
}

writer::~writer() { roll_back(); }

// Every start has its own mark. It stands beside the database before it stands in it, and the one before stays there
// until then, so that a process that is killed in between leaves nothing that looks like a restore.
void writer::begin_anew() {
  std::string boot;
  std::ifstream{"/proc/sys/kernel/random/boot_id"} >> boot;
  begin(true);
  connection_.guarded([&] {
    check_restored(boot);
    beside_.next = make_mark();
    mark_.write(beside_, true);
    const auto lost = lost_logs(boot);
    SQLite::Statement mark{connection_.database(), "UPDATE start_mark SET mark = ?1, restores = ?2"};
    mark.bind(1, beside_.next);
    mark.bind(2, restores_);
    mark.exec();
    connection_.database().exec("DELETE FROM machine");
    SQLite::Statement insert{connection_.database(), "INSERT INTO machine VALUES (?1)"};
    insert.bind(1, boot);
    insert.exec();
    for (const auto log : lost)
      change_epoch(log);
  });
  commit();
  beside_ = {beside_.next, {}, boot, {}, {}};
  mark_.write(beside_, true);
}

void writer::check_restored(const std::string& boot) {
  const auto found = mark_.read();
  beside_ = found.value_or(mark_beside{});
  auto& database = connection_.database();
  SQLite::Statement known{database, "SELECT mark, restores FROM start_mark"};
  if (!known.executeStep()) throw storage_error{"database " + connection_.path() + ": has no row in start_mark"};
  restores_ = known.getColumn(1).getInt64();
  const mark_inside inside{known.getColumn(0).getString(),
                           database.execAndGet("SELECT NOT EXISTS (SELECT 1 FROM threads)").getInt() != 0};
  was_restored_ = is_restored(inside, found, boot, [this](log_id log) { return last_of(log); });
  if (was_restored_)
    ++restores_;
  else if (inside.mark != beside_.mark) // the start before was cut short behind its commit
    beside_ = {inside.mark, {}, {}, {}, {}};
}

// What was shown of a log and is not in it was lost with the last process, and what a machine that failed had not on
// its disk yet was of runs that had not ended there: a message is synced before its run begins.
std::vector<log_id> writer::lost_logs(const std::string& boot) {
  auto result = notes_.all();
  SQLite::Statement known{connection_.database(), "SELECT boot_id FROM machine"};
  if (known.executeStep() && known.getColumn(0).getString() != boot) {
    SQLite::Statement open{connection_.database(), "SELECT log_id FROM threads WHERE open_run IS NOT NULL"};
    while (open.executeStep())
      result.push_back(open.getColumn(0).getInt64());
  }
  return result;
}

std::optional<sequence> writer::last_of(log_id log) {
  auto row = get_thread_.run(log);
  return row.next() ? std::optional{row.number(4)} : std::nullopt;
}

// Of a log that is erased nothing more can be said; a new mark says that the database is not older than this.
void writer::change_mark() {
  beside_.next = make_mark();
  mark_.write(beside_, true);
  SQLite::Statement mark{connection_.database(), "UPDATE start_mark SET mark = ?1"};
  mark.bind(1, beside_.next);
  mark.exec();
}

// What stands beside the database must not be on the disk before what it says of the database is. If that cannot be
// seen to, the worst is that a machine that fails now is taken for a restore.
void writer::settle_mark() {
  try {
    if (!durable_) {
      begin(true);
      connection_.guarded([&] {
        connection_.database().exec("PRAGMA user_version = 0");
        commit_.execute();
      });
    }
    beside_ = {beside_.next, {}, beside_.boot, {}, {}};
    mark_.write(beside_, true);
  } catch (const storage_error&) {
    if (connection_.in_transaction()) connection_.database().tryExec("ROLLBACK");
    if (!beside_.next.empty()) beside_ = {beside_.next, {}, beside_.boot, {}, {}};
  }
}

// Behind the commit, so that the database is never behind it. If it cannot be written the last one stands.
void writer::note_end() {
  if (appended_.log != 0) beside_.written = appended_;
  if (durable_) beside_.synced = beside_.written;
  if (appended_.log == 0 && !durable_) return;
  try {
    mark_.write(beside_, false);
  } catch (const storage_error&) {
  }
}

epoch writer::change_epoch(log_id log) {
  auto result = make_epoch();
  update_epoch_.execute(log, result, restores_);
  settled_.push_back(log);
  return result;
}

void writer::begin(bool durable) {
  connection_.guarded([&] {
    // FULL syncs the write-ahead log at this transaction's end, and with it whatever NORMAL left unsynced before.
    if (durable != durable_) {
      connection_.database().exec(durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL");
      durable_ = durable;
    }
    begin_.execute();
  });
}

void writer::commit() {
  bool marked = false;
  try {
    connection_.guarded([&] {
      const auto is_gone = [this](const log_end& end) { return end.log != 0 && !last_of(end.log); };
      marked = is_tidied_ && (is_gone(beside_.written) || is_gone(beside_.synced));
      if (marked) change_mark();
      commit_.execute();
    });
  } catch (...) {
    roll_back();
    throw;
  }
  if (marked) settle_mark();
  note_end();
  appended_ = {};
  is_tidied_ = false;
  // A note that cannot be taken back costs a snapshot where a tail would do.
  for (const auto log : std::exchange(settled_, {})) {
    try {
      notes_.forget(log);
    } catch (const storage_error&) {
    }
  }
  cut_log();
}

// The log that was written ahead still has what was erased. Nobody waits for a reader that is at work: it is tried
// again behind a later commit.
void writer::cut_log() {
  const auto now = std::chrono::steady_clock::now();
  if (!has_erased_ || now < cut_not_before_) return;
  cut_not_before_ = now + std::chrono::seconds{1};
  int frames = 0;
  ::sqlite3_busy_timeout(connection_.database().getHandle(), 0);
  const auto result = ::sqlite3_wal_checkpoint_v2(connection_.database().getHandle(), nullptr,
                                                  SQLITE_CHECKPOINT_TRUNCATE, &frames, nullptr);
  ::sqlite3_busy_timeout(connection_.database().getHandle(), busy_timeout_ms);
  has_erased_ = result != SQLITE_OK;
}

void writer::roll_back() noexcept {
  if (connection_.in_transaction()) connection_.database().tryExec("ROLLBACK");
  decisions_.reset();
  settled_.clear();
  appended_ = {};
  is_tidied_ = false;
  beside_.next.clear();
  history_.rolled_back();
}

void writer::touch() {
  require_room(connection_.path());
  // An UPDATE that changes nothing is written nowhere; this is.
  connection_.guarded([&] { connection_.database().exec("PRAGMA user_version = 0"); });
}

void writer::examine() {
  connection_.guarded([&] { check_pages(connection_); });
}

log_opened writer::open(const open_log& what) {
  return connection_.guarded([&] {
    auto thread = [&] {
      auto found = find_thread_.run(what.user.value, what.thread.value);
      return found.next() ? std::optional{read_thread(found)} : std::nullopt;
    }();
    if (!thread) thread = create(what);
    ++thread->generation;
    if (thread->restores != restores_ || notes_.contains(thread->log)) thread->epoch = change_epoch(thread->log);
    if (const auto orphan = thread->open_run) {
      if (auto said = unfinished(*thread)) write(*thread, {thread->last + 1, orphan, what.now, *std::move(said)});
      write(*thread,
            {thread->last + 1, orphan, what.now,
             agent_failed{"interrupted", "the run was interrupted: the server or its manager went away", true}});
    }
    save(*thread);
    return log_opened{thread->log, thread->generation, thread->epoch, thread->last};
  });
}

std::variant<events_appended, append_refusal> writer::append(const append_events& what) {
  return connection_.guarded([&]() -> std::variant<events_appended, append_refusal> {
    auto thread = [&] {
      auto found = get_thread_.run(what.log);
      return found.next() ? std::optional{read_thread(found)} : std::nullopt;
    }();
    if (!thread || thread->generation != what.generation) return append_refusal::stale_generation;
    for (auto expected = thread->last; const auto& event : what.events)
      if (event.seq != ++expected) return append_refusal::sequence_gap;
    for (const auto& event : what.events)
      write(*thread, event);
    if (!what.events.empty()) save(*thread);
    if (what.shown) settled_.push_back(what.log);
    return events_appended{thread->last};
  });
}

// Backwards, until the message that was begun last is met: as it came to its end, or to its beginning.
std::optional<message_completed> writer::unfinished(const thread_row& thread) {
  std::vector<std::string> pieces;
  auto row = last_events_.run(thread.log);
  while (row.next() && row.optional_id<run_id>(1) == thread.open_run) {
    const auto event = ag_ui::decode(row.number(0), thread.open_run, row.text(2));
    if (!event || std::holds_alternative<message_completed>(event->body)) break;
    if (const auto* piece = std::get_if<message_delta>(&event->body)) pieces.push_back(piece->delta);
    if (const auto* begun = std::get_if<message_started>(&event->body)) {
      message_completed result{begun->message_id, {}};
      for (auto piece = pieces.rbegin(); piece != pieces.rend(); ++piece)
        result.content += *piece;
      return result;
    }
  }
  return std::nullopt;
}

void writer::record(const decision_row& what) {
  connection_.guarded([&] {
    if (!decisions_) {
      decision_counts counted;
      for (auto row = count_decisions_.run(); row.next();) {
        counted.all += row.integer(1);
        counted.by_user.emplace(row.text(0), row.integer(1));
      }
      decisions_ = std::move(counted);
    }
    insert_decision_.execute(what.id, what.user.value, what.time, what.body.value);
    if (connection_.database().getChanges() == 0) return; // kept already
    ++decisions_->all;
    ++decisions_->by_user[what.user.value];
    for (const auto& subject : what.subjects)
      insert_subject_.execute(subject, what.id);
    forget_decisions(what.time);
  });
}

// By the time of the decision at hand, not the latest that any bears: a clock that was once wrong by years must not
// have every later decision forgotten at once.
void writer::forget_decisions(utc_time now) {
  forgotten(forget_old_.run(now - decision_age_max, forgotten_at_once));
  const auto& [all, by_user] = *decisions_;
  if (all <= decisions_max) return;
  const auto count = std::min(all - decisions_max, forgotten_at_once);
  const auto most = std::max_element(by_user.begin(), by_user.end(),
                                     [](const auto& lhs, const auto& rhs) { return lhs.second < rhs.second; });
  const auto user = most->first;
  forgotten(most->second > decisions_share ? forget_oldest_of_.run(user, count) : forget_oldest_.run(count));
}

void writer::forgotten(rows users) {
  while (users.next()) {
    --decisions_->all;
    const auto whose = decisions_->by_user.find(users.text(0));
    if (--whose->second == 0) decisions_->by_user.erase(whose);
  }
}

writer::thread_row writer::read_thread(const rows& row) {
  return {
      row.integer(0), {row.text(1)}, row.number(2), row.text(3), row.number(4), row.text(5), row.optional_id<run_id>(6),
      row.time(7),    row.number(8), row.integer(9)};
}

writer::thread_row writer::create(const open_log& what) {
  thread_row result;
  result.thread = what.thread;
  result.epoch = make_epoch();
  result.updated_at = what.now;
  result.restores = restores_;
  insert_thread_.execute(what.user.value, what.thread.value, result.epoch, what.now, restores_);
  result.log = connection_.database().getLastInsertRowid();
  return result;
}

void writer::write(thread_row& thread, const thread_event& event) {
  const auto body = ag_ui::encode(thread.thread, event);
  insert_event_.execute(thread.log, event.seq, event.run_id, event.time, body_version, thread.generation, body);
  thread.bytes += body.size();
  thread.last = event.seq;
  appended_ = {thread.log, event.seq};
  thread.updated_at = event.time;
  if (const auto* asked = std::get_if<message_accepted>(&event.body)) {
    const auto text = message_text(asked->content);
    const auto plain = to_content(text) == asked->content;
    write_message(thread, event, asked->message_id, "user", text,
                  plain ? std::nullopt : std::optional{asked->content.value});
    if (asked->client_message_id) insert_client_message_.execute(thread.log, *asked->client_message_id, event.seq);
    if (thread.title.empty()) thread.title = make_title(text);
    // The client was promised this run: it gets an ending even if its agent never starts.
    if (event.run_id) thread.open_run = event.run_id;
  } else if (const auto* said = std::get_if<message_completed>(&event.body)) {
    write_message(thread, event, said->message_id, "assistant", said->content, std::nullopt);
  } else if (std::holds_alternative<agent_started>(event.body)) {
    thread.open_run = event.run_id;
  } else if (ends_run(event.body) && event.run_id == thread.open_run) {
    thread.open_run = std::nullopt;
  }
  if (ends_run(event.body)) history_.run_ended(thread.log, event.seq, event.time);
}

void writer::write_message(const thread_row& thread, const thread_event& event, const gangway::message_id& id,
                           const std::string& role, const std::string& text,
                           const std::optional<std::string>& content) {
  insert_message_.execute(thread.log, event.seq, id, role, event.run_id, event.time, text, content);
}

void writer::save(const thread_row& thread) {
  update_thread_.execute(thread.log, thread.generation, thread.last, thread.title, thread.open_run, thread.updated_at,
                         thread.bytes);
}

bool writer::tidy(const history_rules& rules, utc_time now) {
  is_tidied_ = true;
  return connection_.guarded([&] { return history_.tidy(rules, now); });
}

bool writer::erase(const user_id& user, const thread_id& thread) {
  return connection_.guarded([&] {
    has_erased_ = is_tidied_ = true;
    cut_not_before_ = {};
    return history_.erase(user, thread);
  });
}

std::size_t writer::erase(const user_id& user) {
  return connection_.guarded([&] {
    decisions_.reset();
    has_erased_ = is_tidied_ = true;
    cut_not_before_ = {};
    return history_.erase(user);
  });
}

} // namespace gangway::sqlite
