#pragma once

/// What is kept of the past: the log is compacted, shortened, erased. Works within its writer's transaction.

#include <optional>
#include <vector>

#include "actors/store/engine.hpp"
#include "actors/store/sqlite_connection.hpp"

namespace gangway::sqlite {

class history {
public:
  explicit history(connection& on);

  /// A run has ended, by the event at `seq`.
  void run_ended(log_id log, sequence seq, utc_time time);

  /// Nothing of what was done in the transaction has happened.
  void rolled_back() noexcept;

  bool tidy(const history_rules& rules, utc_time now);
  bool erase(const user_id& user, const thread_id& thread);
  std::size_t erase(const user_id& user);

private:
  /// A run that is compacted from its end: what the pieces before found out. Deltas go where their message was met.
  struct compaction {
    log_id log = 0;
    sequence last = 0; ///< the run's last event
    sequence next = 0; ///< the next to look at
    sequence heir = 0; ///< the event that stands for what is taken out before it
    std::optional<run_id> run;
    std::vector<message_id> completed;
  };

  bool shorten(log_id log, sequence last);
  bool shorten_big(std::uint64_t bytes_max);
  bool compact(log_id log, sequence last);
  void erase(log_id log);

  statement insert_run_;
  statement oldest_run_;
  statement some_threads_;
  statement first_runs_;
  statement uncompacted_run_;
  statement first_events_;
  statement last_events_;
  statement delete_events_;
  statement absorb_;
  statement shrink_;
  statement compacted_;
  statement forget_runs_;
  statement forget_messages_;
  statement forget_client_messages_;
  statement erase_if_over_;
  statement find_thread_;
  statement find_threads_;
  statement erase_events_;
  statement erase_messages_;
  statement erase_client_messages_;
  statement erase_runs_;
  statement erase_thread_;
  statement erase_decisions_;

  log_id looked_at_ = 0; ///< threads up to this one were seen to be small enough, in this round
  std::optional<compaction> compaction_;
};

} // namespace gangway::sqlite
