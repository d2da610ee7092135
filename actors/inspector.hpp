#pragma once

/// The inspector: answers the health check and the admin API from what the other actors tell it when asked.

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/actor_base.hpp"
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

  void start(inspector_pointer self, server_facts facts);

  void on_answer_request(const answer_request& request);
  void on_component_changed(const component_changed& report);
  void on_tree_grown(const tree_grown& report);

private:
  void answer_health(const answer_request& request);
  void answer_status(const answer_request& request);
  void answer_tree(const answer_request& request);
  void count(std::function<void(const tally&)> then);

  /// Asks somebody as one of the questions of `all`.
  template <class Answer, class Actor, class Question, class Then>
  void ask(const Actor& whom, const Question& question, std::shared_ptr<gathering> all, Then then);

  inspector_pointer self_ = nullptr;
  server_facts facts_;
  steady_time begun_;
  /// Why each component is not ready; empty: it is.
  std::map<std::string, std::string> components_{
      {"store", "opening"}, {"agents", "starting"}, {"doors", "not open yet"}};
  tree_grown tree_;
};

/// Returns the behaviour of the inspector.
inspector_actor::behavior_type inspector(inspector_pointer self, server_facts facts);

} // namespace gangway
