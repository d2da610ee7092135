#pragma once

/// A world in which users are always at their limit and something always fails: clients that stop answering, links that
/// go down, managers that are broken in every way, loops that lag. What must hold whatever happens is checked after
/// every step.

#include <functional>
#include <map>
#include <random>
#include <set>

#include "tests/actors/fixture.hpp"

namespace gangway::test {

/// How often, in a hundred, something goes wrong.
struct faults {
  int silent_client = 6;    ///< a client stops answering pings
  int dead_link = 3;        ///< and its kernel stops acknowledging
  int vanishing_client = 6; ///< a socket closes
  int broken_manager = 20;  ///< a manager is one of the stand-ins
  int crash = 3;            ///< a manager is killed
  int lag = 2;              ///< the loop does nothing for a while
  int pressure = 2;         ///< the node is short of something, or no longer
  int order = 3;            ///< an operator or the node orders a cleanup
};

/// How a manager that is no real one misbehaves once it is open.
enum class manager_fault { hung, mismatched, stuck_closing, unfit, clinging };

/// A manager that opens, then shows its fault. All but the hung and the clinging end when they are told to.
manager_actor::behavior_type faulty_manager(manager_actor::pointer self, user_actor owner, manager_identity identity,
                                            manager_fault fault);

class ladder_world : public tree_fixture {
public:
  ladder_world(std::uint64_t seed, const faults& what, const user_decisions& decisions = {});

  /// Takes that many steps, ends everything, and returns what did not hold: empty if everything did.
  std::string run(int steps);

  /// What came to pass at least once: levels, reasons, evidence, scopes, kinds of decisions, error codes, notices.
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

  int roll(int sides) { return std::uniform_int_distribution{0, sides - 1}(random_); }
  bool happens(int percent) { return roll(100) < percent; }
  steady_time time() { return sched.clock().now(); }
  void wrong(const std::string& what);

  void stir(int steps);
  void pass(std::chrono::milliseconds time);
  void act();
  void arrive();
  void say(visitor& who, json frame);
  void hear();
  void look();
  void read_decisions();
  void judge_decision(const json& decision);
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
  std::int64_t last_request_ = 0;
  std::string wrong_;
};

} // namespace gangway::test
