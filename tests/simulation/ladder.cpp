#include "tests/simulation/ladder.hpp"

#include <algorithm>

namespace gangway::test {

ladder_world::ladder_world(std::uint64_t seed, const faults& what, const user_decisions& decisions)
    : seed_{seed}, faults_{what}, random_{seed} {
  actors_before_ = sys.registry().running();
  services->decisions = decisions;
  choose_ = decisions.choose_evictions;
  services->decisions.choose_evictions = &watch;
  watching_ = this;
  for (auto& tier : services->rules) {
    tier.managers_max = 4;
    tier.connections_max = 5;
    tier.heartbeat = {5s, 2s};
    tier.cleanup.idle_after = 6s;
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
    if (plagued_ > 0 || happens(faults_.broken_manager)) {
      fault = plagued_ > 0 ? manager_fault::hung : static_cast<manager_fault>(roll(5));
      plagued_ = std::max(plagued_ - 1, 0);
      made = parent->spawn(faulty_manager, std::move(owner), std::move(identity), *fault);
    } else {
      made = parent->spawn(manager, std::move(owner), std::move(identity), managers);
    }
    managers_made_.push_back({caf::actor_cast<caf::strong_actor_ptr>(made), name, id, fault});
    return made;
  };
}

ladder_world::~ladder_world() {
  // As long as what is played is still there.
  stop();
  watching_ = nullptr;
}

std::vector<choice> ladder_world::watch(std::span<const candidate> roster, cleanup_level level, std::size_t needed,
                                        steady_time now, std::chrono::milliseconds idle_after) {
  auto chosen = watching_->choose_(roster, level, needed, now, idle_after);
  const auto number = ++watching_->last_look_;
  // A ladder begins where the last one has just ended: somebody came behind its last level.
  const auto last_level = std::exchange(watching_->last_level_, level);
  for (const auto& one : roster) {
    const auto& known = watching_->looks_[to_string(one.manager)];
    if (level == cleanup_level::conservative && last_level == cleanup_level::force && !known.empty()
        && known.back().number == number - 1 && known.back().time == now)
      watching_->happened.insert("climbed again");
    const bool goes =
        std::any_of(chosen.begin(), chosen.end(), [&](const choice& victim) { return victim.manager == one.manager; });
    watching_->looks_[to_string(one.manager)].push_back({number, now, !goes && !one.opening && !one.live_run});
  }
  return chosen;
}

void ladder_world::wrong(const std::string& what) {
  if (!wrong_.empty()) return;
  wrong_ = "seed " + std::to_string(seed_) + ": " + what;
}

std::set<user_actor> ladder_world::users() const {
  std::set<user_actor> result;
  for (const auto& who : visitors_)
    if (who->end->user && !has_ended(caf::actor_cast<caf::abstract_actor*>(who->end->user)))
      result.insert(who->end->user);
  return result;
}

const user_state* ladder_world::state_of(const user_actor& whom) {
  return &static_cast<user_pointer>(caf::actor_cast<caf::abstract_actor*>(whom))->state;
}

bool ladder_world::can_speak(const visitor& who) {
  return !who.gone && !who.end->is_silent && !who.end->slow_since && who.end->closed.empty() && who.end->user;
}

// -- what happens --------------------------------------------------------------------------------

/// Lets some of what is runnable run, in any order; the other loop turns now and then.
void ladder_world::stir(int steps) {
  for (int step = 0; step < steps; ++step) {
    if (!other_loop_.empty() && roll(3) == 0) {
      turn_other_loop();
      continue;
    }
    if (sched.jobs.empty()) return;
    std::swap(sched.jobs.front(), sched.jobs[static_cast<std::size_t>(roll(static_cast<int>(sched.jobs.size())))]);
    run_one();
  }
}

/// Runs the first that may run: the store may not while it is slow.
bool ladder_world::run_one() {
  if (store_slow_until_ && time() >= *store_slow_until_) store_slow_until_.reset();
  const caf::resumable* resting =
      store_slow_until_ ? static_cast<caf::scheduled_actor*>(caf::actor_cast<caf::abstract_actor*>(managers->store))
                        : nullptr;
  const auto next = std::find_if(sched.jobs.begin(), sched.jobs.end(), [&](const auto* one) { return one != resting; });
  if (std::find(sched.jobs.begin(), next, resting) != next) happened.insert("slow store");
  if (next == sched.jobs.end()) return false;
  std::swap(sched.jobs.front(), *next);
  sched.run_once();
  return true;
}

bool ladder_world::turn_other_loop() {
  if (other_loop_.empty()) return false;
  happened.insert("other loop");
  const auto what = std::move(other_loop_.front());
  other_loop_.pop_front();
  what();
  return true;
}

/// Lets everything happen that needs no time, on both loops.
void ladder_world::settle() {
  while (run_one() || turn_other_loop()) {
  }
}

/// Lets time pass in which everybody who lives answers.
void ladder_world::pass(std::chrono::milliseconds total) {
  for (auto passed = 0ms; passed < total; passed += 100ms) {
    sched.advance_time(100ms);
    settle();
    for (auto& who : visitors_)
      if (!who->gone && !who->end->is_silent && !who->end->slow_since) who->end->pong();
    settle();
    settled_ = time();
    hear();
    look();
  }
}

void ladder_world::arrive() {
  // Eve only looks: she has nothing open, ever.
  const std::string user = roll(10) == 0 ? "eve" : roll(3) == 0 ? "bob" : "ada";
  auto who = std::make_unique<visitor>();
  who->user = user;
  who->line.tree = this;
  who->line.id = connection_id::make();
  who->end = std::make_shared<socket>(*this, *who);
  who->end->is_elsewhere = happens(faults_.other_loop);
  const std::string tier = user == "bob" ? "pro" : "free";
  caf::anon_send(shard, session_opened{who->line.id, {user}, tier, session_link{who->end}});
  visitors_.push_back(std::move(who));
  settle();
}

void ladder_world::say(visitor& who, json frame) {
  frame["id"] = ++last_request_;
  if (frame.contains("thread_id")) {
    const auto thread = who.user + "/" + frame["thread_id"].get<std::string>();
    last_asked_[thread] = time();
    if (frame["type"] == "thread.open") opens_[last_request_] = {thread, to_string(who.line.id)};
  }
  auto decoded = wire::decode(frame.dump(), who.line.id);
  std::visit(
      [&](auto& command) {
        if constexpr (actor_message<std::decay_t<decltype(command)>>) {
          who.unanswered[last_request_] = time();
          who.end->requests.open(last_request_);
          caf::anon_send(who.end->user, std::move(command));
        }
      },
      std::get<wire::command>(decoded));
}

/// All of a user's clients ask for threads at once, before anybody has handled the first of them.
void ladder_world::burst(const std::string& user) {
  for (const auto& who : visitors_)
    if (who->user == user && can_speak(*who))
      for (int i = roll(3); i >= 0; --i)
        say(*who, open("x" + std::to_string(1 + roll(12))));
}

/// Orders a cleanup as whoever waits for what comes of it.
void ladder_world::order(const user_actor& whom, const clean_up& what) {
  const auto number = ++last_order_;
  orders_[number] = whom;
  sys.spawn([=, this](caf::event_based_actor* orderer) {
    orderer->request(whom, 30s, what)
        .then(
            [=, this](const cleaned_up& report) {
              orders_.erase(number);
              const auto& made = report.made;
              if (made.scope != what.scope || made.dry_run != what.dry_run) wrong("an order was answered by another");
              if (made.scope == cleanup_scope::node && made.roster.empty()) happened.insert("nothing to clean up");
            },
            [=, this](const caf::error&) { orders_.erase(number); });
  });
}

/// The node is short of something: a whole tier is cleaned up, or who has nothing open any more is.
void ladder_world::relieve_node() {
  const auto level = static_cast<cleanup_level>(roll(4));
  if (roll(2) == 0) return caf::anon_send(shard, relieve{roll(2) == 0 ? tier::pro : tier::free, level});
  for (const auto& handle : users())
    if (state_of(handle)->describe().managers.empty()) order(handle, {cleanup_scope::node, level, 0, false});
}

void ladder_world::act() {
  if (visitors_.size() < 3 || happens(4)) return arrive();
  auto& who = *visitors_[static_cast<std::size_t>(roll(static_cast<int>(visitors_.size())))];
  if (who.gone) return arrive();
  if (!who.end->user) return; // has not heard yet
  if (happens(faults_.silent_client)) {
    who.end->is_silent = true;
    who.end->is_down = happens(faults_.dead_link);
    fell_silent_.insert(to_string(who.line.id));
    return;
  }
  if (happens(faults_.stalled_link)) {
    who.end->is_silent = true;
    who.end->stalled_since = time();
    fell_silent_.insert(to_string(who.line.id));
    return;
  }
  if (who.end->slow_since ? happens(15) : !who.end->is_silent && happens(faults_.slow_link)) {
    // What it was asked before is not behind what it reads.
    if (!who.end->slow_since) who.end->pong();
    who.end->slow_since = who.end->slow_since ? std::nullopt : std::optional{time()};
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
    // Ours; who is asked on the other loop is asked in time.
    while (turn_other_loop()) {
    }
    lagged_ += 3s;
    sched.advance_time(3s);
    return;
  }
  if (happens(faults_.slow_store) && !store_slow_until_) {
    const auto slow = 500ms * (1 + roll(8));
    lagged_ += slow;
    store_slow_until_ = time() + slow;
    return;
  }
  if (happens(faults_.pressure)) return caf::anon_send(shard, pressure_changed{roll(2) == 0});
  if (happens(faults_.order))
    return order(who.end->user, {cleanup_scope::manual, static_cast<cleanup_level>(roll(4)),
                                 static_cast<std::uint32_t>(roll(3)), roll(4) == 0});
  if (happens(faults_.relief)) return relieve_node();
  if (happens(faults_.plague)) {
    plagued_ = 4;
    return;
  }
  if (happens(faults_.burst) && who.user != "eve") return burst(who.user);
  // A client that hangs says nothing.
  if (!can_speak(who)) return;
  if (who.user == "eve") return say(who, {{"type", "status"}});
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

/// Hears a frame while its user still handles what led to it.
void ladder_world::overhear(visitor& who, const json& heard) {
  const auto kind = heard.value("kind", "");
  if (kind == "manager_evicted" && can_speak(who) && happens(faults_.late)) {
    // This stands in the mailbox before the step that comes after the level.
    say(who, open("x" + std::to_string(1 + roll(12))));
    const auto& rules = services->rules[who.user == "bob" ? 1 : 0];
    if (heard["level"] == to_string(rules.cleanup.max_level)) happened.insert("late");
  }
}

void ladder_world::conclude() {
  // Whoever asked last is to be answered within this time.
  faults_.late = 0;
  store_slow_until_.reset();
  pass(15s);
  read_decisions();
  // A user that is forgotten meanwhile takes what it was ordered with it.
  for (const auto& [number, whom] : orders_)
    if (!has_ended(caf::actor_cast<caf::abstract_actor*>(whom))) wrong("an order was never answered");
  for (auto& who : visitors_) {
    if (!who->gone && who->end->closed.empty() && !who->unanswered.empty())
      wrong("request " + std::to_string(who->unanswered.begin()->first) + " was never answered");
    if (!std::exchange(who->gone, true)) caf::anon_send(who->end->user, session_closed{who->line.id});
  }
  settle();
  for (auto passed = 0ms; passed < 120s; passed += 500ms) {
    sched.advance_time(500ms);
    settle();
  }
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
