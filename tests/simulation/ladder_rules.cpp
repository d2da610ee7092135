/// What must hold in the ladder's world, whatever happens.

#include <algorithm>

#include "tests/simulation/ladder.hpp"

namespace gangway::test {

bool ladder_world::is_faulty(const std::string& manager) const {
  return std::any_of(managers_made_.begin(), managers_made_.end(), [&](const made_manager& one) {
    return to_string(one.id) == manager && one.fault && *one.fault != manager_fault::clinging;
  });
}

void ladder_world::hear() {
  for (auto& who : visitors_) {
    for (const auto& one : std::exchange(who->end->heard, {})) {
      if (one.contains("id")) {
        if (one.contains("result") && one["result"].contains("manager_id"))
          openers_[one["result"]["manager_id"]].insert(to_string(who->line.id));
        opens_.erase(one["id"].get<std::int64_t>());
        if (who->unanswered.erase(one["id"].get<std::int64_t>()) == 0) wrong("answered twice: " + one.dump());
        if (one.contains("error")) happened.insert(one["error"]["code"]);
      } else if (one.value("kind", "") == "manager_evicted") {
        if (++who->told_evicted[one["manager_id"]] > 1) wrong("told twice: " + one.dump());
      } else if (one.value("kind", "") == "queued") {
        happened.insert("queued");
      }
    }
  }
}

/// Notes a grace in the moment in which it is given.
void ladder_world::note_grace(const visitor& who) {
  happened.insert("grace");
  auto& known = graces_[who.user];
  if (known.empty() || time() - known.back() > 1s) known.push_back(time());
  if (who.user != "bob" && who.end->user) judge_grace(who);
}

/// Nobody gets a grace though, when the ladder looked last, another one could have gone and nothing was asked of it
/// since.
void ladder_world::judge_grace(const visitor& who) {
  for (const auto& one : state_of(who.end->user)->describe().managers) {
    const auto known = looks_.find(to_string(one.manager));
    if (known == looks_.end() || one.phase != manager_phase::open || one.run) continue;
    const auto& last = known->second.back();
    const auto asked = last_asked_.find(who.user + "/" + one.thread.value);
    if (last.could_go && last.time == time() && (asked == last_asked_.end() || asked->second < settled_))
      wrong("a grace though one could go: " + one.thread.value);
  }
}

/// Looks into the users as they stand, without a message that would disturb them.
void ladder_world::look() {
  const auto& rule = services->rules[0];
  for (const auto& handle : users()) {
    const auto report = state_of(handle)->describe();
    const auto used = std::count_if(report.managers.begin(), report.managers.end(), [](const manager_report& one) {
      return one.phase == manager_phase::opening || one.phase == manager_phase::open;
    });
    if (used > rule.managers_max + rule.grace.extra) wrong("more managers than the limit and its grace");
    if (report.waiting > rule.queue.max + rule.managers_max) wrong("the line is longer than it may be");
    // Slots in use and endings followed are all the managers there are.
    for (const auto& made : managers_made_) {
      if (made.user != report.user.value || has_ended(caf::actor_cast<caf::abstract_actor*>(made.actor))) continue;
      if (std::none_of(report.managers.begin(), report.managers.end(),
                       [&](const manager_report& known) { return known.manager == made.id; }))
        wrong("a manager lives that its user does not know");
    }
  }
  // The longest that a request may take: a thread that does not open, a manager that hangs, or ladder and queue.
  const auto patience = std::max({rule.open_timeout, rule.heartbeat.interval + rule.heartbeat.timeout,
                                  rule.cleanup.deadline + rule.queue.timeout})
                        + 2 * rule.retire_timeout + 3s + lagged_;
  for (const auto& who : visitors_)
    if (!who->gone && who->end->closed.empty())
      for (const auto& [request, since] : who->unanswered)
        if (time() - since > patience) wrong("request " + std::to_string(request) + " is not answered in time");
  for (const auto& [user, known] : graces_)
    for (std::size_t i = 1; i < known.size(); ++i)
      if (known[i] - known[i - 1] < rule.grace.duration + rule.grace.cooldown) wrong("a grace within the cool-down");
}

void ladder_world::read_decisions() {
  auto question = self->request(managers->reader, caf::infinite, get_decisions{.limit = 1000});
  settle();
  question.receive(
      [&](const decisions_page& page) {
        for (const auto& one : page.decisions)
          judge_decision(json::parse(one.value));
      },
      [&](const caf::error& reason) { wrong(sys.render(reason)); });
}

void ladder_world::judge_decision(const json& decision) {
  if (!judged_.insert(decision["decision_id"]).second) return;
  for (const auto& one : decision["connections"])
    if (one.contains("evidence") && !fell_silent_.contains(one["connection_id"]))
      wrong("a living connection was judged: " + one.dump());
  happened.insert(decision["kind"]);
  if (decision["kind"] != "cleanup") return;

  const auto& evictions = decision["evictions"];
  if (decision["scope"] == "request" && decision["needed"] > 1) happened.insert("several at once");
  if (decision["needed"] > 0 && evictions.size() > decision["needed"].get<std::size_t>())
    wrong("more went than were needed: " + decision.dump());
  const auto line_of = [&](const json& manager) -> const json& {
    for (const auto& line : decision["roster"])
      if (line["manager_id"] == manager) return line;
    static const json none;
    return none;
  };
  const auto was_evicted = [&](const json& manager) {
    return std::any_of(evictions.begin(), evictions.end(),
                       [&](const json& one) { return one["manager_id"] == manager; });
  };
  if (!evictions.empty()) happened.insert(decision["scope"]);
  for (const auto& one : evictions) {
    happened.insert(one["level"]);
    happened.insert(one["reason"]);
    happened.insert(one["evidence"].begin(), one["evidence"].end());
    const auto& known = line_of(one["manager_id"]);
    if (known.is_null() || known["opening"] == true || known["live_run"] == true)
      wrong("went though it was opening or at work: " + one.dump());
    const auto fell_silent = [&](const auto& connections) {
      return std::any_of(connections.begin(), connections.end(),
                         [&](const std::string& connection) { return fell_silent_.contains(connection); });
    };
    // A connection may die before it is told that the thread is open.
    const auto thread = decision["user_id"].get<std::string>() + "/" + one["thread_id"].get<std::string>();
    const bool was_asked_for = std::any_of(opens_.begin(), opens_.end(), [&](const auto& open) {
      return open.second.thread == thread && fell_silent_.contains(open.second.connection);
    });
    for (const auto& evidence : one["evidence"]) {
      const bool about_connections = evidence == "silent" || evidence == "unreachable" || evidence == "stalled";
      const bool holds = about_connections ? fell_silent(openers_[one["manager_id"]]) || fell_silent(one["connections"])
                                                 || was_asked_for
                                           : is_faulty(one["manager_id"]);
      if (!holds) wrong("a verdict without evidence, " + evidence.get<std::string>() + ": " + one.dump());
    }
    for (const auto& connection : one["connections"]) {
      const auto about_connection = [](const json& evidence) {
        return evidence == "silent" || evidence == "unreachable" || evidence == "stalled";
      };
      if (std::any_of(one["evidence"].begin(), one["evidence"].end(), about_connection) && !is_faulty(one["manager_id"])
          && !fell_silent_.contains(connection))
        wrong("a living connection counted as dead: " + one.dump());
      for (const auto& who : visitors_)
        if (connection == to_string(who->line.id) && !who->gone && who->end->closed.empty()
            && who->told_evicted[one["manager_id"]] != 1)
          wrong("an evicted connection was not told: " + one.dump());
    }
    // Among those that were looked at with it and stayed, nobody was known to be deader.
    for (const auto& line : decision["roster"]) {
      if (was_evicted(line["manager_id"]) || line["opening"] == true || line["live_run"] == true) continue;
      if (!looked_at_together(one["manager_id"], line["manager_id"],
                              std::chrono::microseconds{decision["took_us"].get<std::int64_t>()}))
        continue;
      const auto& found = line["evidence"];
      if (decision["scope"] == "background" && std::find(found.begin(), found.end(), "hung") != found.end())
        happened.insert("more hung than needed");
      if (one["reason"] == "zombie") continue;
      if (!found.empty()) wrong("one known to be dead stayed: " + line.dump() + " for " + one.dump());
      if (one["reason"] == "inactive") continue;
      if (line["living_connections"] == 0) wrong("an inactive one stayed: " + line.dump() + " for " + one.dump());
      if (line["useful_ms_ago"] > known["useful_ms_ago"])
        wrong("one of less use stayed: " + line.dump() + " for " + known.dump());
    }
  }
}

/// Returns whether the roster shows both as they were when the first one was evicted. Its lines are each manager's last
/// look, and a ladder that is climbed again looks again at those that stayed.
bool ladder_world::looked_at_together(const std::string& evicted, const std::string& stayed,
                                      std::chrono::microseconds took) const {
  const auto& fatal = looks_.at(evicted).back();
  const auto& others = looks_.at(stayed);
  const auto found = std::find_if(others.begin(), others.end(),
                                  [&](const look_at_one& known) { return known.number == fatal.number; });
  if (found == others.end()) return false;
  const auto next = std::next(found);
  return next == others.end() || next->time > fatal.time + took;
}

} // namespace gangway::test
