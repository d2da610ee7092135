#pragma once

/// The inspector: answers the health check, the metrics and the admin API from what the other actors tell it when
/// asked.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/actor_base.hpp"
#include "actors/backup_desk.hpp"
#include "actors/metrics.hpp"
#include "protocol/actors.hpp"

namespace gangway {

/// What is known of the process from its start.
struct server_facts {
  std::string version;
  std::string environment;
  std::uint32_t managers_per_user = 20;
  std::uint32_t connections_per_user = 64;
  /// Returns how late each event loop is now. May be empty.
  std::function<std::vector<std::chrono::nanoseconds>()> loop_lag;
  std::vector<std::string> agents = {}; ///< the names of those that are configured
  std::function<void()> on_ready = {};  ///< called once, when every component is ready for the first time
  std::shared_ptr<backup_desk> backups = {};
  std::function<inbound_use()> inbound = {}; ///< returns what clients make the server hold
};

/// Returns the body of `/health` and `/api/v1/status`, without the envelope of the latter. Ready means: every component
/// is. Pure.
struct health_report {
  std::string body;
  bool ready = false;
};
health_report describe_health(const server_facts& facts, const std::map<std::string, std::string>& components,
                              const tally& count, std::chrono::seconds uptime, bool for_admin);

/// Several questions under way; `then` is called once, when the last of them is answered or given up.
struct gathering {
  std::size_t open = 1; ///< the first one is the asking itself
  std::function<void()> then;
  bool complete = true; ///< false: somebody did not answer

  void close() {
    if (--open == 0) then();
  }
};

class inspector_state;
using inspector_pointer = actor_pointer<inspector_state, inspector_actor>;

class inspector_state {
public:
  static inline const char* name = "inspector";

  /// How long another actor may take to answer; then it is shown as silent.
  static constexpr std::chrono::milliseconds patience{500};

  /// How long the database may be silent before it is said to fail.
  static constexpr std::chrono::milliseconds store_patience{1'000};

  /// How long a user's history may take to be erased.
  static constexpr std::chrono::milliseconds erase_patience{30'000};

  /// How long the database may take to find decisions.
  static constexpr std::chrono::milliseconds search_patience{1'500};

  /// How long a user may take to clean up: longer than `cleanup.deadline` can be.
  static constexpr std::chrono::milliseconds cleanup_patience{35'000};

  void start(inspector_pointer self, server_facts facts);

  void on_answer_request(const answer_request& request);
  void on_component_changed(const component_changed& report);
  void on_tree_grown(const tree_grown& report);

private:
  /// What stood in the places of the request's path.
  using places = std::vector<std::string>;

  void answer_health(const answer_request& request, const places&);
  void answer_status(const answer_request& request, const places&);
  void answer_metrics(const answer_request& request, const places&);
  void answer_decisions(const answer_request& request, const places&);
  void answer_decision(const answer_request& request, const places& path);
  void answer_tree(const answer_request& request, const places&);
  void answer_users(const answer_request& request, const places&);
  void answer_user(const answer_request& request, const places& path);
  void answer_cleanup(const answer_request& request, const places& path);
  void answer_erase(const answer_request& request, const places& path);
  void answer_begin_backup(const answer_request& request, const places&);
  void answer_backup(const answer_request& request, const places& path);
  void answer_backup_bytes(const answer_request& request, const places& path);
  void answer_remove_backup(const answer_request& request, const places& path);

  /// Asks every directory how many there are, as questions of `all`; `total` is the sum once they are answered.
  void count(const std::shared_ptr<gathering>& all);
  tally total() const;
  void describe(bool for_admin, std::function<void(const health_report&)> then);

  /// Asks the reader of the store, and answers the request itself if that fails.
  void find_decisions(const get_decisions& question, const reply_link& link,
                      std::function<void(const decisions_page&)> then);

  /// Finds a user that is known now; null if there is none. Answers the request itself if that cannot be said.
  void look_for_user(const user_id& user, const reply_link& link, std::function<void(const user_actor&)> then);

  /// Finds a user that is known now, and answers the request itself if there is none.
  void find_user(const user_id& user, const reply_link& link, std::function<void(const user_actor&)> then);

  /// Asks somebody as one of the questions of `all`.
  template <class Answer, class Actor, class Question, class Then>
  void ask(const Actor& whom, const Question& question, std::shared_ptr<gathering> all, Then then) {
    ++all->open;
    self_->request(whom, patience, question)
        .then(
            [all, then](const Answer& answer) {
              then(answer);
              all->close();
            },
            [all](const caf::error&) {
              all->complete = false;
              all->close();
            });
  }

  /// What a directory said last: one that is silent now must not look as if its users had gone and its counters had
  /// begun anew.
  struct last_answer {
    tally count;
    measures counted;
  };

  inspector_pointer self_ = nullptr;
  server_facts facts_;
  steady_time begun_;
  std::optional<utc_time> process_start_;
  /// Why each component is not ready; empty: it is.
  std::map<std::string, std::string> components_{
      {"store", "opening"}, {"agents", "starting"}, {"listeners", "not open yet"}};
  tree_grown tree_;
  std::vector<last_answer> shards_; ///< in the order of the tree's directories
  store_measures stored_;           ///< as the store said last
  bool was_ready_ = false;
};

/// Returns the behaviour of the inspector.
inspector_actor::behavior_type inspector(inspector_pointer self, server_facts facts);

} // namespace gangway
