#pragma once

/// What is kept of the past: the log is compacted, shortened, erased. Works within its writer's transaction.

#include "actors/store/engine.hpp"
#include "actors/store/sqlite_connection.hpp"

namespace gangway::sqlite {

class history {
public:
  explicit history(connection& on);

  /// A run has ended, by the event at `seq`.
  void run_ended(log_id log, sequence seq, utc_time time);

  bool tidy(const history_rules& rules, utc_time now);
  bool erase(const user_id& user, const thread_id& thread);
  std::size_t erase(const user_id& user);

private:
  bool shorten(log_id log, sequence last);
  bool compact(log_id log, sequence last);
  void erase(log_id log);

  statement insert_run_;
  statement oldest_run_;
  statement run_of_big_thread_;
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
};

} // namespace gangway::sqlite
