#define CAF_SUITE simulation

/// Users, managers, runs and the store under shuffled interleavings: clients that open, say, close, read slowly, vanish
/// and come back at random, managers that are killed, a disk that fails and recovers. `SIM_SEED=N` replays one seed,
/// `SIM_SEEDS=N` runs the first N.

#include <map>
#include <random>
#include <set>

#include "tests/actors/fixture.hpp"
#include "tests/simulation/seeds.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct world : tree_fixture {
  /// One client, what it waits for, and what it has seen.
  struct visitor {
    client line;
    std::string user;
    std::map<std::int64_t, json> unanswered;
    std::map<std::string, std::uint64_t> position; ///< of each thread it has open: the last event it got
    std::map<std::int64_t, std::uint64_t> resumes; ///< where opens of a client that knew where it was go on
    std::map<std::string, std::pair<json, std::int64_t>> opened; ///< by thread: the last open, and who answered it
    std::set<std::string> evicted;                               ///< managers that it was told of
    std::set<std::string> detached;                              ///< threads that it has to open again
    bool gone = false;
  };

  explicit world(std::uint64_t seed) : seed{seed}, random{seed} {
    rules.managers_max = 3;
    managers->run_detached_max = 5s;
    // So small that a stream of twenty words fills it.
    managers->delivery_bytes_max = 1024;
  }

  int roll(int sides) { return std::uniform_int_distribution{0, sides - 1}(random); }

  /// Lets some of what is runnable run, in any order; the reader or the writer seldom while its disk is slow.
  void stir(int steps) {
    const auto job_of = [](const auto& actor) -> const caf::resumable* {
      return static_cast<caf::scheduled_actor*>(caf::actor_cast<caf::abstract_actor*>(actor));
    };
    const auto *reader = job_of(managers->reader), *writer = job_of(managers->store);
    for (int step = 0; step < steps && !sched.jobs.empty(); ++step) {
      std::swap(sched.jobs.front(), sched.jobs[static_cast<std::size_t>(roll(static_cast<int>(sched.jobs.size())))]);
      if (sched.jobs.front() == reader && slow_steps > 0 && roll(12) != 0) continue;
      if (sched.jobs.front() == writer && slow_writer_steps > 0 && roll(12) != 0) {
        writer_was_slow = true;
        continue;
      }
      sched.run_once();
    }
    if (slow_steps > 0) --slow_steps;
    if (slow_writer_steps > 0) --slow_writer_steps;
    if (failing_steps > 0 && --failing_steps == 0) disk->fails = false;
  }

  void arrive() {
    const std::string user = roll(2) == 0 ? "ada" : "bob";
    auto& who = visitors.emplace_back();
    who.line = connect(user);
    who.user = user;
    who.line.take();
  }

  void say(visitor& who, json frame) {
    frame["id"] = ++last_request;
    who.unanswered[last_request] = frame;
    who.line.whisper(frame);
  }

  void act() {
    if (visitors.empty() || roll(12) == 0) return arrive();
    if (slow_steps == 0 && roll(20) == 0) slow_steps = 20 + roll(20);
    if (slow_writer_steps == 0 && roll(30) == 0) slow_writer_steps = 10 + roll(20);
    if (failing_steps == 0 && roll(40) == 0) {
      disk->fails = true;
      failing_steps = 5 + roll(20);
    }
    auto& who = visitors[static_cast<std::size_t>(roll(static_cast<int>(visitors.size())))];
    if (who.gone) return arrive();
    const auto thread = "t" + std::to_string(1 + roll(4));
    switch (roll(13)) {
    case 0:
    case 1:
    case 2: {
      auto frame = open(thread);
      // Sometimes as a client that knows where it was.
      const auto known = epochs.find(who.user + thread);
      if (known != epochs.end() && roll(2) == 0) {
        const auto position = who.position.find(thread);
        frame["epoch"] = known->second;
        frame["after_seq"] = position != who.position.end() && roll(2) == 0 ? position->second : roll(30);
        who.resumes[last_request + 1] = frame["after_seq"];
      }
      return say(who, frame);
    }
    case 3:
    case 4: {
      auto frame = message(thread, roll(3) == 0 ? "what is 6*7?" : "/stream 20 500");
      if (roll(2) == 0) frame["client_message_id"] = "c" + std::to_string(roll(5));
      return say(who, frame);
    }
    case 5:
      return say(who, {{"type", "thread.close"}, {"thread_id", thread}});
    case 6:
      return say(who, {{"type", "thread.history"}, {"thread_id", thread}});
    case 7:
      return say(who, {{"type", "thread.list"}});
    case 8:
      return say(who, {{"type", "ping"}});
    case 9:
      who.gone = true;
      caf::anon_send(who.line.session->admitted_by, session_closed{who.line.id});
      return;
    case 12: // reads no more, or some of what waits
      if (!std::exchange(who.line.session->reads, false)) who.line.session->read();
      if (roll(2) == 0) who.line.session->reads = true;
      return;
    case 10: // a manager dies of whatever
      if (!spawned.empty() && roll(3) == 0)
        caf::anon_send_exit(spawned[static_cast<std::size_t>(roll(static_cast<int>(spawned.size())))],
                            caf::exit_reason::kill);
      return;
    default:
      sched.advance_time(std::chrono::milliseconds{roll(200)});
    }
  }

  /// What must hold for whatever a client heard.
  void listen() {
    for (auto& who : visitors) {
      // Replaced, or too slow for too long.
      if (!who.line.session->closed.empty() && !std::exchange(who.gone, true))
        caf::anon_send(who.line.session->admitted_by, session_closed{who.line.id});
      for (const auto& one : who.line.take()) {
        if (one.contains("id")) {
          const auto request = one["id"].get<std::int64_t>();
          if (who.unanswered.erase(request) == 0) CAF_FAIL("seed " << seed << ": answered twice: " << one.dump());
          if (one.contains("error"))
            overtaken |= one["error"]["message"].get<std::string>().find("opened again") != std::string::npos;
          if (!one.contains("result") || !one["result"].contains("epoch")) continue;
          const auto& opened = one["result"];
          const auto thread = opened["thread_id"].get<std::string>();
          if (who.evicted.contains(opened["manager_id"]))
            CAF_FAIL("seed " << seed << ": opened at a manager that was said to be evicted");
          who.detached.erase(thread);
          epochs[who.user + thread] = opened["epoch"];
          who.position[thread] =
              opened["resumed"] == true ? who.resumes.at(request) : opened["seq"].get<std::uint64_t>();
          // What was read for an open that another one has overtaken is void.
          auto& last = who.opened[thread];
          if (last.first == opened["manager_id"] && last.second > request)
            CAF_FAIL("seed " << seed << ": open " << request << " was answered behind " << last.second);
          last = {opened["manager_id"], request};
        } else if (one.value("type", "") == "notice" && one.contains("thread_id") && one["kind"] != "queued") {
          was_evicted |= one["kind"] == "manager_evicted";
          if (one.contains("manager_id")) who.evicted.insert(one["manager_id"]);
          who.detached.insert(one["thread_id"].get<std::string>());
        } else if (one.value("type", "") == "event") {
          note(who, one);
        }
      }
    }
  }

  /// An event comes once and in its place, and is the same whoever gets it, whole or joined with its neighbours.
  void note(visitor& who, const json& frame) {
    const auto thread = frame["thread_id"].get<std::string>();
    const auto seq = frame["seq"].get<std::uint64_t>();
    const auto first = frame.value("first_seq", seq);
    if (who.detached.contains(thread))
      CAF_FAIL("seed " << seed << ": event " << seq << " of " << thread << " behind the notice that it is gone");
    const auto known = who.position.find(thread);
    if (known != who.position.end() && first != known->second + 1)
      CAF_FAIL("seed " << seed << ": " << first << " after " << known->second << " of " << thread);
    who.position[thread] = seq;
    const auto& event = frame["event"];
    const auto history = who.user + thread + frame["epoch"].get<std::string>();
    const auto type = event["type"].get<std::string>();
    if (type == "agent_completed" || type == "agent_failed" || type == "agent_cancelled")
      endings[history + frame["run_id"].get<std::string>()].insert(seq);
    went_ahead |= frame.contains("durable");
    if (first == seq) {
      auto& body = log[history][seq];
      if (body.is_null()) body = event;
      if (body != event) CAF_FAIL("seed " << seed << ": event " << seq << " was two things");
      return;
    }
    joined = true;
    std::string text;
    for (auto each = first; each <= seq; ++each) {
      const auto piece = log[history].find(each);
      if (piece == log[history].end()) return; // nobody got it by itself
      text += piece->second.value("delta", "");
    }
    if (event.value("delta", "") != text)
      CAF_FAIL("seed " << seed << ": " << first << " to " << seq << " say another thing");
  }

  /// Everything that was asked of a living connection is answered in the end, and no slot is held for nothing.
  void conclude() {
    disk->fails = false;
    for (auto& who : visitors) {
      who.line.session->reads = true;
      who.line.session->read();
    }
    elapse(rules.queue.timeout + 10s, 50ms);
    listen();
    for (const auto& who : visitors)
      if (!who.gone && !who.unanswered.empty())
        CAF_FAIL("seed " << seed << ": request " << who.unanswered.begin()->second << " of " << who.user
                         << " was never answered");
    for (const auto& [run, places] : endings)
      if (places.size() > 1) CAF_FAIL("seed " << seed << ": run " << run << " ended more than once");
    for (auto& who : visitors)
      if (!std::exchange(who.gone, true)) caf::anon_send(who.line.session->admitted_by, session_closed{who.line.id});
    elapse(rules.linger * 2 + rules.grace.duration + rules.grace.cooldown + 30s, 5s);
    const auto left = count();
    if (left.managers != 0 || left.users != 0 || left.connections != 0 || left.runs != 0)
      CAF_FAIL("seed " << seed << ": left over: " << left.managers << " managers, " << left.users << " users, "
                       << left.connections << " connections, " << left.runs << " runs");
  }

  void run(int steps) {
    services->spawn_manager = [this](caf::local_actor* parent, user_actor owner, manager_identity identity) {
      auto made = parent->spawn(manager, std::move(owner), std::move(identity), managers);
      spawned.push_back(caf::actor_cast<caf::strong_actor_ptr>(made));
      return manager_actor{made};
    };
    for (int step = 0; step < steps; ++step) {
      act();
      stir(roll(25));
      listen();
    }
    conclude();
    spawned.clear();
  }

  std::uint64_t seed;
  std::mt19937_64 random;
  std::vector<visitor> visitors;
  std::vector<caf::strong_actor_ptr> spawned;
  std::map<std::string, std::string> epochs;
  std::map<std::string, std::map<std::uint64_t, json>> log; ///< what anybody ever saw at a position of an epoch
  std::map<std::string, std::set<std::uint64_t>> endings;   ///< of each run
  std::int64_t last_request = 0;
  int slow_steps = 0;        ///< for which the store's reader is slow
  int slow_writer_steps = 0; ///< and its writer
  bool writer_was_slow = false;
  int failing_steps = 0;    ///< for which the disk fails
  bool overtaken = false;   ///< an open was, by a close or another open
  bool went_ahead = false;  ///< an event, of the log
  bool was_evicted = false; ///< somebody was
  bool joined = false;      ///< some events were, for a slow reader
};

} // namespace

CAF_TEST(every_frame_is_answered_once_and_every_event_comes_once_and_in_order_whatever_the_interleaving) {
  bool overtaken = false;
  bool went_ahead = false;
  bool joined = false;
  bool was_evicted = false;
  bool writer_was_slow = false;
  const auto seeds = for_each_seed([&](std::uint64_t seed) {
    world one{seed};
    one.run(400);
    overtaken |= one.overtaken;
    went_ahead |= one.went_ahead;
    joined |= one.joined;
    was_evicted |= one.was_evicted;
    writer_was_slow |= one.writer_was_slow;
  });
  if (seeds >= 100) CAF_CHECK(overtaken && went_ahead && joined && was_evicted && writer_was_slow);
}
