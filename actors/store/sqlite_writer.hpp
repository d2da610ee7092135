#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>

#include "actors/store/ahead_notes.hpp"
#include "actors/store/file_lock.hpp"
#include "actors/store/sqlite_connection.hpp"
#include "actors/store/sqlite_history.hpp"
#include "actors/store/start_mark.hpp"

namespace gangway::sqlite {

class writer final : public log_writer {
public:
  /// Opens or makes the file and brings it to this version's schema. Throws `storage_error`.
  explicit writer(const std::string& path);
  ~writer() override;

  bool was_restored() const override { return was_restored_; }
  void begin(bool durable) override;
  void commit() override;
  void roll_back() noexcept override;
  void touch() override;
  void examine() override;
  log_opened open(const open_log& what) override;
  std::variant<events_appended, append_refusal> append(const append_events& what) override;
  void record(const decision_row& what) override;
  bool tidy(const history_rules& rules, utc_time now) override;
  bool erase(const user_id& user, const thread_id& thread) override;
  std::size_t erase(const user_id& user) override;

private:
  /// A row of `threads`, as far as appending changes it.
  struct thread_row {
    log_id log = 0;
    gangway::thread_id thread;
    gangway::generation generation = 0;
    gangway::epoch epoch;
    sequence last = 0;
    std::string title;
    std::optional<run_id> open_run;
    utc_time updated_at;
    std::uint64_t bytes = 0;
    std::int64_t restores = 0;
  };

  void begin_anew();
  std::vector<log_id> lost_logs(const std::string& boot);
  std::optional<sequence> last_of(log_id log);
  void check_restored(const std::string& boot);
  void change_mark();
  void settle_mark();
  void note_end();
  void cut_log();
  gangway::epoch change_epoch(log_id log);
  std::optional<message_completed> unfinished(const thread_row& thread);
  static thread_row read_thread(const rows& row);
  thread_row create(const open_log& what);
  void write(thread_row& thread, const thread_event& event);
  void write_message(const thread_row& thread, const thread_event& event, const gangway::message_id& id,
                     const std::string& role, const std::string& text, const std::optional<std::string>& content);
  void save(const thread_row& thread);
  void forget_decisions(utc_time now);
  void forgotten(rows users);

  file_lock lock_;
  connection connection_;
  ahead_notes notes_;
  start_mark mark_;
  mark_beside beside_; ///< as it stands beside the database, or is to stand there
  log_end appended_;   ///< by this transaction
  bool was_restored_ = false;
  bool is_tidied_ = false; ///< by this transaction: threads may be gone
  std::int64_t restores_ = 0;
  std::vector<log_id> settled_; ///< by this transaction: what was shown of them is in the log, or has another epoch
  bool has_erased_ = false;     ///< something that the log that is written ahead still has
  std::chrono::steady_clock::time_point cut_not_before_{};
  bool durable_ = true; ///< what `PRAGMA synchronous` stands on

  statement begin_;
  statement commit_;
  statement find_thread_;
  statement get_thread_;
  statement insert_thread_;
  statement update_thread_;
  statement update_epoch_;
  statement last_events_;
  statement insert_event_;
  statement insert_message_;
  statement insert_client_message_;
  statement insert_decision_;
  statement insert_subject_;
  statement forget_old_;
  statement forget_oldest_;
  statement forget_oldest_of_;
  statement count_decisions_;
  history history_;

  struct decision_counts {
    std::int64_t all = 0;
    std::unordered_map<std::string, std::int64_t> by_user;
  };
  std::optional<decision_counts> decisions_; ///< counted when it must be known, unknown after a roll-back
};

} // namespace gangway::sqlite
