#include "tests/simulation/ladder.hpp"

#include <algorithm>

namespace gangway::test {

namespace {

bool has_ended(const caf::abstract_actor* actor) { return actor->getf(caf::abstract_actor::is_terminated_flag); }

} // namespace

manager_actor::behavior_type faulty_manager(manager_actor::pointer self, user_actor owner, manager_identity identity,
                                            manager_fault fault) {
  self->send(owner, manager_opened{identity.manager});
  const auto refuse = [=](const request_origin& origin) {
    if (fault == manager_fault::hung) return;
    self->send(owner, frame_handled{identity.manager, origin, true, false});
  };
  auto attached = std::make_shared<std::vector<connection_id>>();
  return {
      [=](const attach& order) {
        attached->push_back(order.origin.connection);
        if (order.origin.request)
          order.link.send(
              wire::reply(*order.origin.request, wire::opened(identity.thread, identity.manager, "broken", 0)));
        self->send(owner, frame_handled{identity.manager, order.origin});
      },
      [=](const detach& order) {
        if (fault != manager_fault::stuck_closing) std::erase(*attached, order.connection);
      },
      [=](const send_message& command) { refuse(command.origin); },
      [=](const cancel_run& command) { refuse(command.origin); },
      [](const acknowledge&) {},
      [=](const read_history& command) { refuse(command.origin); },
      [](const run_produced&) {},
      [=](const probe& question) {
        if (fault == manager_fault::hung) return;
        heartbeat report;
        report.manager = identity.manager;
        report.turn = question.turn;
        report.thread = fault == manager_fault::mismatched ? thread_id{"another"} : identity.thread;
        for (const auto& connection : *attached)
          report.connections.push_back({connection, {}});
        if (fault == manager_fault::stuck_closing) report.connections.push_back({connection_id::make(), 60s});
        if (fault == manager_fault::unfit) report.stuck_for = 60s;
        self->send(owner, report);
      },
      [=](const retire&) {
        if (fault != manager_fault::hung && fault != manager_fault::clinging) self->quit();
      },
      [](const get_vitals&) { return vitals{}; },
  };
}

class ladder_world::socket final : public session_port {
public:
  explicit socket(connection_id id) : id_{id} {}

  void send(frame text) override {
    if (closed.empty()) heard.push_back(json::parse(*text));
  }

  void ping(std::uint64_t nonce) override {
    pings.push_back(nonce);
    link_observation seen{.nonce = nonce};
    if (is_down) seen = {nonce, 0, 0ms, 3, 4, 60s, true};
    caf::anon_send(user, link_observed{id_, seen});
  }

  void admit(caf::strong_actor_ptr who) override { user = caf::actor_cast<user_actor>(who); }

  void close(close_reason reason) override {
    if (!closed.empty()) return;
    closed.push_back(reason);
    caf::anon_send(user, session_closed{id_});
  }

  /// Answers what was asked, as a client that lives.
  void pong() {
    for (const auto nonce : std::exchange(pings, {}))
      caf::anon_send(user, pong_received{id_, nonce});
  }

  std::vector<json> heard;
  std::vector<std::uint64_t> pings;
  std::vector<close_reason> closed;
  user_actor user;
  bool is_silent = false;
  bool is_down = false;

private:
  connection_id id_;
};

ladder_world::ladder_world(std::uint64_t seed, const faults& what, const user_decisions& decisions)
    : seed_{seed}, faults_{what}, random_{seed} {
  actors_before_ = sys.registry().running();
  services->decisions = decisions;
  for (auto& tier : services->rules) {
    tier.managers_max = 4;
    tier.connections_max = 5;
    tier.heartbeat = {5s, 2s};
    tier.cleanup.idle_after = 20s;
    tier.cleanup.resume_window = 5s;
    tier.grace = {2, 3s, 10s};
    tier.queue = {2, 4s};
    tier.run = {10s, 60s};
    tier.linger = 8s;
    tier.retire_timeout = 1s;
    tier.open_timeout = 5s;
  }
  services->rules[1].cleanup.max_level = cleanup_level::moderate;
  services->spawn_manager = [this](caf::local_actor* parent, user_actor owner, manager_identity identity) {
    const auto name = identity.user.value;
    const auto id = identity.manager;
    std::optional<manager_fault> fault;
    manager_actor made;
    if (happens(faults_.broken_manager)) {
      fault = static_cast<manager_fault>(roll(5));
      made = parent->spawn(faulty_manager, std::move(owner), std::move(identity), *fault);
    } else {
      made = parent->spawn(manager, std::move(owner), std::move(identity), managers);
    }
    managers_made_.push_back({caf::actor_cast<caf::strong_actor_ptr>(made), name, id, fault});
    return made;
  };
}

void ladder_world::wrong(const std::string& what) {
  if (!wrong_.empty()) return;
  wrong_ = "seed " + std::to_string(seed_) + ": " + what;
}

// -- what happens --------------------------------------------------------------------------------

/// Lets some of what is runnable run, in any order.
void ladder_world::stir(int steps) {
  for (int step = 0; step < steps && !sched.jobs.empty(); ++step) {
    std::swap(sched.jobs.front(), sched.jobs[static_cast<std::size_t>(roll(static_cast<int>(sched.jobs.size())))]);
    sched.run_once();
  }
}

/// Lets time pass in which everybody who lives answers.
void ladder_world::pass(std::chrono::milliseconds total) {
  for (auto passed = 0ms; passed < total; passed += 100ms) {
    sched.advance_time(100ms);
    settle();
    for (auto& who : visitors_)
      if (!who->gone && !who->end->is_silent) who->end->pong();
    settle();
    hear();
    look();
  }
}

void ladder_world::arrive() {
  const std::string user = roll(3) == 0 ? "bob" : "ada";
  auto who = std::make_unique<visitor>();
  who->user = user;
  who->line.tree = this;
  who->line.id = connection_id::make();
  who->end = std::make_shared<socket>(who->line.id);
  const std::string tier = user == "bob" ? "pro" : "free";
  caf::anon_send(shard, session_opened{who->line.id, {user}, tier, session_link{who->end}});
  visitors_.push_back(std::move(who));
  settle();
}

void ladder_world::say(visitor& who, json frame) {
  frame["id"] = ++last_request_;
  auto decoded = wire::decode(frame.dump(), who.line.id);
  std::visit(
      [&](auto& command) {
        if constexpr (actor_message<std::decay_t<decltype(command)>>) {
          who.unanswered[last_request_] = time();
          caf::anon_send(who.end->user, std::move(command));
        }
      },
      std::get<wire::command>(decoded));
}

void ladder_world::act() {
  if (visitors_.size() < 3 || happens(4)) return arrive();
  auto& who = *visitors_[static_cast<std::size_t>(roll(static_cast<int>(visitors_.size())))];
  if (who.gone) return arrive();
  if (happens(faults_.silent_client)) {
    who.end->is_silent = true;
    who.end->is_down = happens(30);
    fell_silent_.insert(to_string(who.line.id));
    return;
  }
  if (happens(faults_.vanishing_client)) {
    who.gone = true;
    caf::anon_send(who.end->user, session_closed{who.line.id});
    return;
  }
  if (happens(faults_.crash) && !managers_made_.empty()) {
    const auto& victim = managers_made_[static_cast<std::size_t>(roll(static_cast<int>(managers_made_.size())))];
    return caf::anon_send_exit(victim.actor, caf::exit_reason::kill);
  }
  if (happens(faults_.lag)) {
    lagged_ += 3s;
    sched.advance_time(3s);
    return;
  }
  if (happens(faults_.pressure)) return caf::anon_send(shard, pressure_changed{roll(2) == 0});
  if (happens(faults_.order)) {
    clean_up order{roll(2) == 0 ? cleanup_scope::manual : cleanup_scope::node, static_cast<cleanup_level>(roll(3)),
                   static_cast<std::uint32_t>(roll(3)), roll(4) == 0};
    return caf::anon_send(who.end->user, order);
  }
  // A client that hangs says nothing.
  if (who.end->is_silent) return;
  const auto thread = "t" + std::to_string(1 + roll(9));
  switch (roll(10)) {
  case 0:
  case 1:
  case 2:
  case 3:
    return say(who, open(thread));
  case 4:
  case 5:
    return say(who, message(thread, roll(2) == 0 ? "what is 6*7?" : "/stream 30 20"));
  case 6:
    return say(who, {{"type", "thread.close"}, {"thread_id", thread}});
  case 7:
    return say(who, {{"type", "status"}});
  default:
    return pass(std::chrono::milliseconds{100 * (1 + roll(8))});
  }
}

// -- what must hold ------------------------------------------------------------------------------

void ladder_world::hear() {
  for (auto& who : visitors_) {
    for (const auto& one : std::exchange(who->end->heard, {})) {
      if (one.contains("id")) {
        if (who->unanswered.erase(one["id"].get<std::int64_t>()) == 0) wrong("answered twice: " + one.dump());
        if (one.contains("error")) happened.insert(one["error"]["code"]);
      } else if (one.value("kind", "") == "manager_evicted") {
        if (++who->told_evicted[one["manager_id"]] > 1) wrong("told twice: " + one.dump());
      } else if (one.value("kind", "") == "queued") {
        happened.insert("queued");
      } else if (one.value("kind", "") == "limit_degraded") {
        happened.insert("grace");
        auto& known = graces_[who->user];
        if (known.empty() || time() - known.back() > 1s) known.push_back(time());
      }
    }
  }
}

/// Looks into the users as they stand, without a message that would disturb them.
void ladder_world::look() {
  const auto& rule = services->rules[0];
  std::set<user_actor> users;
  for (const auto& who : visitors_)
    if (who->end->user) users.insert(who->end->user);
  for (const auto& handle : users) {
    auto* actor = static_cast<user_pointer>(caf::actor_cast<caf::abstract_actor*>(handle));
    if (has_ended(actor)) continue;
    const auto report = actor->state.describe();
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
  const auto is_faulty = [&](const std::string& manager) {
    return std::any_of(managers_made_.begin(), managers_made_.end(), [&](const made_manager& one) {
      return to_string(one.id) == manager && one.fault && *one.fault != manager_fault::clinging;
    });
  };
  for (const auto& one : decision["connections"])
    if (one.contains("evidence") && !fell_silent_.contains(one["connection_id"]))
      wrong("a living connection was judged: " + one.dump());
  happened.insert(decision["kind"]);
  if (decision["kind"] != "cleanup") return;

  const auto& evictions = decision["evictions"];
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
    for (const auto& evidence : one["evidence"]) {
      const bool about_connections = evidence == "silent" || evidence == "unreachable" || evidence == "stalled";
      const bool holds = about_connections
                             ? std::any_of(fell_silent_.begin(), fell_silent_.end(), [](const auto&) { return true; })
                             : is_faulty(one["manager_id"]);
      if (!holds) wrong("a verdict without evidence: " + one.dump());
    }
    for (const auto& connection : one["connections"]) {
      const auto about_connection = [](const json& evidence) {
        return evidence == "silent" || evidence == "unreachable";
      };
      if (std::any_of(one["evidence"].begin(), one["evidence"].end(), about_connection) && !is_faulty(one["manager_id"])
          && !fell_silent_.contains(connection))
        wrong("a living connection counted as dead: " + one.dump());
      for (const auto& who : visitors_)
        if (to_string(who->line.id) == connection && !who->gone && who->end->closed.empty()
            && who->told_evicted[one["manager_id"]] != 1)
          wrong("an evicted connection was not told: " + one.dump());
    }
    // Among those that stayed at the level that ran last, nobody was known to be deader.
    if (one["level"] != decision["level"] || one["reason"] == "zombie") continue;
    for (const auto& line : decision["roster"]) {
      if (was_evicted(line["manager_id"]) || line["opening"] == true || line["live_run"] == true) continue;
      if (!line["evidence"].empty()) wrong("one known to be dead stayed: " + line.dump() + " for " + one.dump());
      if (one["reason"] == "inactive") continue;
      if (line["living_connections"] == 0) wrong("an inactive one stayed: " + line.dump() + " for " + one.dump());
      if (line["useful_ms_ago"] > known["useful_ms_ago"])
        wrong("one of less use stayed: " + line.dump() + " for " + known.dump());
    }
  }
}

void ladder_world::conclude() {
  pass(15s);
  read_decisions();
  for (auto& who : visitors_) {
    if (!who->gone && who->end->closed.empty() && !who->unanswered.empty())
      wrong("request " + std::to_string(who->unanswered.begin()->first) + " was never answered");
    if (!std::exchange(who->gone, true)) caf::anon_send(who->end->user, session_closed{who->line.id});
  }
  settle();
  elapse(120s, 500ms);
  read_decisions();
  const auto left = count();
  if (left.users != 0 || left.managers != 0 || left.connections != 0 || left.waiting != 0 || left.leaked != 0)
    wrong("left over: " + std::to_string(left.users) + " users, " + std::to_string(left.managers) + " managers, "
          + std::to_string(left.connections) + " connections");
  visitors_.clear();
  managers_made_.clear();
}

std::string ladder_world::run(int steps) {
  for (int step = 0; step < steps && wrong_.empty(); ++step) {
    act();
    stir(roll(25));
    hear();
    look();
    if (step % 50 == 49) {
      settle();
      hear();
      read_decisions();
    }
  }
  if (wrong_.empty()) conclude();
  visitors_.clear();
  managers_made_.clear();
  // What keeps running would keep the fixture from ending.
  if (wrong_.empty() && sys.registry().running() != actors_before_) wrong("an actor is left over");
  return wrong_;
}

} // namespace gangway::test
