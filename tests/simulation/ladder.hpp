#pragma once

/// A world in which users are always at their limit and something always fails: clients that stop answering, links that
/// go down, managers that are broken in every way, loops that lag. What must hold whatever happens is checked after
/// every step.

#include <deque>
#include <functional>
#include <map>
#include <random>
#include <set>
#include <span>

#include "tests/actors/fixture.hpp"
#include "tests/simulation/faulty_manager.hpp"

namespace gangway::test {

/// How often, in a hundred, something goes wrong.
struct faults {
  int silent_client = 6;    ///< a client stops answering pings
  int dead_link = 30;       ///< and, of those, its kernel stops acknowledging
  int slow_link = 4;        ///< a link hardly moves for a while: pings wait behind what it reads
  int stalled_link = 2;     ///< a link takes nothing any more
  int vanishing_client = 6; ///< a socket closes
  int broken_manager = 20;  ///< a manager is one of the stand-ins
  int crash = 3;            ///< a manager is killed
  int lag = 2;              ///< the loop does nothing for a while
  int pressure = 2;         ///< the node is short of something, or no longer
  int order = 3;            ///< an operator orders a cleanup
  int relief = 3;           ///< the node orders one, of a tier or of users that have nothing open
  int plague = 1;           ///< the next few managers hang, more than one background cleanup takes
  int burst = 3;            ///< all of a user's clients ask for threads at once
  int slow_store = 2;       ///< the store does nothing for a while, and then all of it
  int other_loop = 30;      ///< a session lives on another loop than its user: what it is told comes later, in order
  int late = 30;            ///< who is told of an eviction asks for another thread before the cleanup has ended
};

/// Returns whether an actor has ended, without asking it.
inline bool has_ended(const caf::abstract_actor* actor) { return actor->getf(caf::abstract_actor::is_terminated_flag); }

class ladder_world : public tree_fixture {
public:
  ladder_world(std::uint64_t seed, const faults& what, const user_decisions& decisions = {});
  ~ladder_world() override;

  /// Takes that many steps, ends everything, and returns what did not hold: empty if everything did.
  std::string run(int steps);

  /// What came to pass at least once: levels, reasons, evidence, scopes, kinds of decisions, error codes, notices, and
  /// faults that show nowhere else.
  std::set<std::string> happened;

private:
  /// A socket that answers pings, if its client does.
  class socket;

  struct visitor {
    client line;
    std::string user;
    std::shared_ptr<socket> end;
    std::map<std::int64_t, steady_time> unanswered;
    std::map<std::string, int> told_evicted; ///< by manager
    bool gone = false;
  };

  struct made_manager {
    caf::strong_actor_ptr actor;
    std::string user;
    manager_id id;
    std::optional<manager_fault> fault;
  };

  /// One manager as the policy was shown it.
  struct look_at_one {
    std::uint64_t number = 0; ///< the same for all that it was shown with
    steady_time time;
    bool could_go = false; ///< at the highest level, and stayed
  };

  /// Stands before the policy's choice, which is a function pointer and has no room for whose world it is.
  static std::vector<choice> watch(std::span<const candidate> roster, cleanup_level level, std::size_t needed,
                                   steady_time now, std::chrono::milliseconds idle_after);

  int roll(int sides) { return std::uniform_int_distribution{0, sides - 1}(random_); }
  bool happens(int percent) { return roll(100) < percent; }
  steady_time time() { return sched.clock().now(); }
  void wrong(const std::string& what);

  void stir(int steps);
  bool run_one();
  bool turn_other_loop();
  void settle();
  void pass(std::chrono::milliseconds time);
  void act();
  void arrive();
  void say(visitor& who, json frame);
  void burst(const std::string& user);
  void order(const user_actor& whom, const clean_up& what);
  void relieve_node();
  void overhear(visitor& who, const json& heard);
  static bool can_speak(const visitor& who);
  std::set<user_actor> users() const;
  static const user_state* state_of(const user_actor& whom);
  bool is_faulty(const std::string& manager) const;
  void hear();
  void look();
  void read_decisions();
  void judge_decision(const json& decision);
  void note_grace(const visitor& who);
  void judge_grace(const visitor& who);
  bool looked_at_together(const std::string& evicted, const std::string& stayed, std::chrono::microseconds took) const;
  void conclude();

  std::uint64_t seed_;
  faults faults_;
  std::mt19937_64 random_;
  std::size_t actors_before_ = 0;
  std::chrono::milliseconds lagged_{0};
  std::vector<std::unique_ptr<visitor>> visitors_;
  std::vector<made_manager> managers_made_;
  std::set<std::string> fell_silent_; ///< connections that ever did
  std::set<std::string> judged_;      ///< decisions
  std::map<std::string, std::vector<steady_time>> graces_;
  std::map<std::string, steady_time> last_asked_;         ///< by user and thread
  steady_time settled_;                                   ///< when the last time nothing was under way
  std::map<std::string, std::vector<look_at_one>> looks_; ///< by manager
  std::uint64_t last_look_ = 0;
  cleanup_level last_level_ = cleanup_level::conservative;
  decltype(&choose_evictions) choose_ = nullptr;
  static inline ladder_world* watching_ = nullptr;
  int plagued_ = 0; ///< managers that will hang
  std::optional<steady_time> store_slow_until_;
  std::deque<std::function<void()>> other_loop_;         ///< what waits there
  std::map<std::string, std::set<std::string>> openers_; ///< by manager: the connections that ever had it open

  /// Who asked for what, and was not answered, by the request.
  struct asked_open {
    std::string thread; ///< and its user
    std::string connection;
  };
  std::map<std::int64_t, asked_open> opens_;
  std::map<std::uint64_t, user_actor> orders_; ///< not answered yet
  std::uint64_t last_order_ = 0;
  std::int64_t last_request_ = 0;
  std::string wrong_;
};

class ladder_world::socket final : public session_port {
public:
  socket(ladder_world& world, visitor& whose) : world_{world}, whose_{whose}, id_{whose.line.id} {}

  void send(frame text) override {
    if (closed.empty() && text->find("limit_degraded") != std::string::npos) world_.note_grace(whose_);
    post([this, text] {
      if (!closed.empty()) return;
      heard.push_back(json::parse(*text));
      world_.overhear(whose_, json(heard.back())); // a copy: what follows from it may be heard here too
    });
  }

  void ask_turn(turn_request wish) override {
    if (const auto whom = caf::actor_cast<caf::actor>(wish.whom)) caf::anon_send(whom, turn_granted{id_, wish.number});
  }

  void end_turn(caf::weak_actor_ptr, std::uint64_t) override {}

  void mark(caf::weak_actor_ptr whom, std::uint32_t bytes) override {
    if (const auto manager = caf::actor_cast<manager_actor>(whom)) caf::anon_send(manager, frames_written{id_, bytes});
  }

  void reply(std::int64_t request, frame text) override {
    if (requests.settle(request)) send(std::move(text));
  }

  void ping(std::uint64_t nonce) override {
    post([=, this] { show(nonce); });
  }

  /// Notes the ping, and shows its user what the socket looks like.
  void show(std::uint64_t nonce) {
    pings.push_back(nonce);
    link_observation seen{.nonce = nonce};
    const auto time = world_.time();
    if (is_down) {
      seen = {nonce, 0, 0ms, 3, 4, 60s, true};
    } else if (stalled_since) {
      seen.queued_bytes = 65'536;
      seen.stalled_for = milliseconds_between(*stalled_since, time);
    } else if (slow_since) {
      // Its queue moves now and then, which is less than half of any patience ago.
      seen.queued_bytes = 65'536;
      seen.stalled_for = 100ms * (nonce % 7);
      const auto& cadence = world_.services->rules[0].heartbeat;
      if (time - *slow_since > cadence.interval + 2 * cadence.timeout) world_.happened.insert("slow");
    }
    caf::anon_send(user, link_observed{id_, seen});
  }

  void admit(caf::strong_actor_ptr who) override {
    post([this, who] { user = caf::actor_cast<user_actor>(who); });
  }

  void close(close_reason reason) override {
    post([this, reason] {
      if (!closed.empty()) return;
      closed.push_back(reason);
      if (user) caf::anon_send(user, session_closed{id_});
    });
  }

  /// Answers what was asked, as a client that lives.
  void pong() {
    for (const auto nonce : std::exchange(pings, {}))
      caf::anon_send(user, pong_received{id_, nonce});
  }

  open_requests requests;
  std::vector<json> heard;
  std::vector<std::uint64_t> pings;
  std::vector<close_reason> closed;
  user_actor user;
  bool is_elsewhere = false; ///< on the other loop
  bool is_silent = false;
  bool is_down = false;
  std::optional<steady_time> stalled_since;
  std::optional<steady_time> slow_since; ///< what it is asked waits behind what it reads

private:
  void post(std::function<void()> what) {
    if (is_elsewhere)
      world_.other_loop_.push_back(std::move(what));
    else
      what();
  }

  ladder_world& world_;
  visitor& whose_;
  connection_id id_;
};

} // namespace gangway::test
