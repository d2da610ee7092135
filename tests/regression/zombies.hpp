#pragma once

/// The failing system's zombies: managers whose connections answer, whose threads were used a moment ago, and which
/// nevertheless do nothing for anybody. Its emergency cleanup took them for active ones, and the user was locked out.

#include <string>
#include <vector>

#include "tests/actors/ladder_fixture.hpp"

namespace gangway::test {

/// One of the ways in which a manager looked active.
struct zombie_kind {
  std::string name;
  heartbeat_flaw flaw;
  std::string evidence;
};

inline const std::vector<zombie_kind> zombie_kinds{
    {"thread-id-mismatch", misfile, "mismatched"},
    {"broken-close", never_finish_closing, "stuck_closing"},
    {"failed-validation", fail_validation, "unfit"},
};

struct regression_fixture : ladder_fixture {
  regression_fixture() {
    // The background would find them before the limit is reached: the ladder alone has to.
    rules.cleanup.start_ratio = 1;
  }

  /// Opens that many threads of a connection that answers every ping. Their managers are sound until `turn`.
  client fill(const std::string& user, const zombie_kind& kind, int number = 20) {
    auto result = arrive(user);
    makers_of(user, kind, 1, number);
    open_threads(result, 1, number, user + "-");
    CAF_CHECK_EQUAL(used(result), static_cast<std::uint32_t>(number));
    return result;
  }

  /// From now on the managers of these threads are zombies, and nobody has been told.
  void turn() { *turned = true; }

  void makers_of(const std::string& user, const zombie_kind& kind, int first, int last) {
    for (int i = first; i <= last; ++i)
      makers[user + "-" + std::to_string(i)] =
          flawed([flaw = kind.flaw, is_on = turned](heartbeat& report) { return !*is_on || flaw(report); });
  }

  /// Says a message and returns the types of the events that follow, once its run has ended. They have no gap.
  std::vector<std::string> walk(client& who, const std::string& thread, std::uint64_t after = 0) {
    CAF_CHECK(wait_for(who, message(thread, "what is 12*(3+4)?")).contains("result"));
    return follow(who, thread, after);
  }

  std::vector<std::string> follow(client& who, const std::string& thread, std::uint64_t after = 0) {
    std::vector<json> events;
    for (auto passed = 0ms; passed < 30s && (events.empty() || !ends(events.back())); passed += 10ms) {
      elapse(10ms);
      for (auto one = who.session->heard.begin(); one != who.session->heard.end();) {
        const bool is_event = one->value("type", "") == "event" && (*one)["thread_id"] == thread;
        if (is_event) events.push_back(*one);
        one = is_event ? who.session->heard.erase(one) : one + 1;
      }
    }
    for (std::size_t i = 0; i < events.size(); ++i)
      CAF_CHECK_EQUAL(events[i]["seq"], after + 1 + i);
    return types_of(events);
  }

  static bool ends(const json& event) {
    const auto type = event["event"]["type"].get<std::string>();
    return type == "agent_completed" || type == "agent_failed" || type == "agent_cancelled";
  }

  std::shared_ptr<bool> turned = std::make_shared<bool>(false);
};

/// Returns whether these are the events of a question that a tool answered, whatever the number of its deltas.
inline bool is_golden(const std::vector<std::string>& types) {
  std::vector<std::string> once;
  for (const auto& type : types)
    if (once.empty() || once.back() != type) once.push_back(type);
  return once == std::vector<std::string>{"message_accepted", "agent_started",     "agent_thinking",
                                          "tool_executing",   "tool_completed",    "message_started",
                                          "message_delta",    "message_completed", "agent_completed"};
}

} // namespace gangway::test
