#pragma once

/// A user at its limit: clients that answer pings or do not, managers that are broken, and what the ladder did about
/// them, as notices, reports and records show it.

#include <algorithm>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "actors/user_rules.hpp"
#include "tests/actors/fixture.hpp"
#include "tests/actors/stand_ins.hpp"

namespace gangway::test {

using manager_maker = std::function<manager_actor::behavior_type(manager_actor::pointer, user_actor, manager_identity)>;

/// Makes managers that say of themselves what they should not.
inline manager_maker flawed(heartbeat_flaw flaw) {
  return [=](manager_actor::pointer self, user_actor owner, manager_identity identity) {
    return flawed_manager(self, std::move(owner), std::move(identity), flaw);
  };
}

struct ladder_fixture : tree_fixture {
  ladder_fixture() {
    services->spawn_manager = [this](caf::local_actor* parent, user_actor owner,
                                     manager_identity identity) -> manager_actor {
      const auto& thread = identity.thread.value;
      if (const auto found = makers.find(thread); found != makers.end())
        return parent->spawn(
            [make = found->second](manager_actor::pointer manager, user_actor of, manager_identity whose) {
              return make(manager, std::move(of), std::move(whose));
            },
            std::move(owner), std::move(identity));
      if (blockable) return parent->spawn<blocked_manager>(std::move(owner), std::move(identity), blocked);
      return parent->spawn(manager, std::move(owner), std::move(identity), managers);
    };
  }

  ~ladder_fixture() override { lift_blockade(); }

  /// Lets the managers that were held go on.
  void lift_blockade() {
    for (auto* one : blocked->lift()) {
      caf::intrusive_ptr_add_ref(one);
      sched.jobs.push_back(one);
    }
    settle();
  }

  // -- clients ------------------------------------------------------------------------------------

  /// Returns a connection that answers every ping.
  client arrive(const std::string& user, const std::string& tier = "free") {
    auto result = connect(user, tier);
    result.session->answers = true;
    result.take();
    return result;
  }

  /// Returns a socket that was opened for that thread alone, answering every ping.
  client dial(const std::string& user, const std::string& thread) {
    client result{this, connection_id::make(), std::make_shared<played_session>()};
    result.session->id = result.id;
    result.session->answers = true;
    caf::anon_send(
        shard,
        session_opened{result.id, {user}, "free", session_link{result.session}, {}, wanted_thread{{thread}, {}}});
    settle();
    return result;
  }

  /// Opens the threads prefix + first to prefix + last, each a millisecond after the one before.
  void open_threads(client& who, int first, int last, const std::string& prefix = "t") {
    for (int i = first; i <= last; ++i) {
      const auto reply = who.ask(open(prefix + std::to_string(i)));
      if (!reply.contains("result")) CAF_FAIL(reply.dump());
      elapse(1ms, 1ms);
    }
  }

  /// Asks, and lets time pass until there is a reply. `waited` says how long it took.
  json wait_for(client& who, const json& frame, std::chrono::milliseconds patience = 60s) {
    const auto request = who.post(frame);
    settle();
    return wait_for_reply(who, request, patience);
  }

  json wait_for_reply(client& who, std::int64_t request, std::chrono::milliseconds patience = 60s) {
    for (waited = 0ms;; waited += 1ms) {
      if (auto reply = who.take_reply(request); !reply.is_null() || waited >= patience) return reply;
      elapse(1ms, 1ms);
    }
  }

  /// Begins a run that lasts for as long as any test does, one delta a second.
  void begin_run(client& who, const std::string& thread) {
    CAF_REQUIRE(who.ask(message(thread, "/stream 100000 1")).contains("result"));
  }

  /// Returns what was heard, and stays in the transcript, of the notices of a kind.
  static std::vector<json> notices(const client& who, const std::string& kind) {
    std::vector<json> result;
    for (const auto& one : who.session->heard)
      if (one.value("type", "") == "notice" && one["kind"] == kind) result.push_back(one);
    return result;
  }

  static std::vector<std::string> threads_of(const std::vector<json>& notices) {
    std::vector<std::string> result;
    for (const auto& one : notices)
      result.push_back(one["thread_id"]);
    return result;
  }

  /// Returns what the notices of evictions say, in order: "t1 aggressive zombie silent".
  static std::vector<std::string> evictions_of(const client& who) {
    std::vector<std::string> result;
    for (const auto& one : notices(who, "manager_evicted")) {
      std::string line = one["thread_id"];
      for (const auto* key : {"level", "reason"})
        line += " " + one[key].get<std::string>();
      if (one.contains("evidence"))
        for (const auto& what : one["evidence"])
          line += " " + what.get<std::string>();
      result.push_back(line);
    }
    return result;
  }

  // -- what the tree says -------------------------------------------------------------------------

  /// Asks any actor anything.
  template <class Answer, class Actor, class Question>
  Answer ask(const Actor& whom, const Question& question) {
    Answer result;
    auto asked = self->request(whom, caf::infinite, question);
    settle();
    asked.receive([&](const Answer& answer) { result = answer; },
                  [&](const caf::error& reason) { CAF_FAIL(sys.render(reason)); });
    return result;
  }

  std::uint32_t used(const client& whose) {
    std::uint32_t result = 0;
    for (const auto& one : report_of(whose).managers)
      result += one.phase == manager_phase::opening || one.phase == manager_phase::open;
    return result;
  }

  /// Returns the report of the thread's manager that is in use.
  manager_report manager_of(const client& whose, const std::string& thread) {
    for (const auto& one : report_of(whose).managers)
      if (one.thread.value == thread && (one.phase == manager_phase::opening || one.phase == manager_phase::open))
        return one;
    CAF_FAIL("no manager has " << thread);
  }

  /// Returns whether the thread has a manager.
  bool is_live(const client& whose, const std::string& thread) {
    const auto all = report_of(whose).managers;
    return std::any_of(all.begin(), all.end(), [&](const manager_report& one) {
      return one.thread.value == thread && (one.phase == manager_phase::opening || one.phase == manager_phase::open);
    });
  }

  /// Returns the threads that are zombies by the user's own account, as "t1: hung".
  std::vector<std::string> zombies_of(const client& whose) {
    std::vector<std::string> result;
    for (const auto& one : report_of(whose).managers)
      for (const auto what : one.evidence)
        result.push_back(one.thread.value + ": " + std::string{to_string(what)});
    return result;
  }

  /// Returns the records of decisions from the store, the newest first.
  std::vector<json> decisions(const get_decisions& question = {}) {
    elapse(10ms, 1ms);
    std::vector<json> result;
    for (const auto& one : ask<decisions_page>(managers->reader, question).decisions)
      result.push_back(json::parse(one.value));
    return result;
  }

  measures counted() { return ask<measured>(shard, get_measures{}).counted; }

  std::uint64_t counted(probe_result result) { return counted().probes[static_cast<std::size_t>(result)]; }

  std::uint64_t counted(admission_outcome outcome) {
    return counted().admission_time[static_cast<std::size_t>(outcome)].count();
  }

  std::uint64_t counted(cleanup_scope scope) {
    std::uint64_t result = 0;
    const auto all = counted();
    for (const auto& level : all.cleanups[static_cast<std::size_t>(scope)])
      for (const auto number : level)
        result += number;
    return result;
  }

  std::map<std::string, manager_maker> makers; ///< of threads whose manager is not the real one
  bool blockable = false;                      ///< the others can be held
  std::shared_ptr<blockade> blocked = std::make_shared<blockade>();
  std::chrono::milliseconds waited{0}; ///< by the last `wait_for`
};

/// Returns what a link shows that is down: its kernel has sent again and again, for so long.
inline link_observation link_down(std::chrono::milliseconds unheard_for) {
  link_observation seen;
  seen.unacknowledged = 3;
  seen.retransmissions = 4;
  seen.unheard_for = unheard_for;
  return seen;
}

/// The words of a list, for comparisons that print.
inline std::string words(const std::vector<std::string>& all) {
  std::string result;
  for (const auto& one : all)
    result += (result.empty() ? "" : ", ") + one;
  return result;
}

} // namespace gangway::test
