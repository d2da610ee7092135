#pragma once

/// The supervisor: starts the tree from the top, ends it in order, and ends the process if a part fails that nothing
/// works without (docs/design/0002). It watches what the node has left, and makes its users do with less in time.

#include <array>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "actors/actor_base.hpp"
#include "actors/policy/pressure.hpp"
#include "actors/store/engine.hpp"
#include "actors/user.hpp"
#include "protocol/actors.hpp"

namespace gangway {

/// What the tree is made of.
struct tree_config {
  std::vector<caf::execution_unit*> homes; ///< the event loops: a directory for each; none: one, anywhere
  std::unique_ptr<log_writer> writer;
  std::unique_ptr<log_reader> reader;
  std::optional<history_rules> history; ///< none: nothing of the past goes
  std::vector<agent_spec> agents;
  std::size_t delivery_bytes_max = 16 * 1024;          ///< of `manager_services`
  std::chrono::milliseconds run_detached_max{600'000}; ///< of `manager_services`
  std::array<user_rules, tiers> users;                 ///< in the order of `tier`
  pressure_rules pressure;
  /// Returns what the node uses now, quickly: it is called every second, on a loop. Null: the node has no limits.
  std::function<node_reading()> read_node;
  /// Tells the doors whom to let in; called when that changes, from a loop. May be null.
  std::function<void(const door_policy&)> set_doors;
  bool own_threads = true;   ///< for the store and its reader, which block; false in virtual time
  inspector_actor inspector; ///< started before the tree, so that it can say that there is none
  /// Called when a part ended that nothing works without; ends the process.
  std::function<void(const std::string& reason)> give_up;
};

class supervisor_state;
using supervisor_pointer = actor_pointer<supervisor_state, supervisor_private>;

class supervisor_state {
public:
  static inline const char* name = "supervisor";

  void start(supervisor_pointer self, tree_config config);

  std::vector<directory_actor> on_get_directories() const { return directories_; }
  caf::typed_response_promise<shutdown_report> on_shut_down(const shut_down& order);
  void on_pressure_tick();
  void on_deadline();
  void on_down(const caf::down_msg& report);

private:
  void on_pressure_changed(pressure_level before, const node_reading& reading);

  template <class Message>
  void tell_directories(const Message& message);

  template <class Actor>
  void end(const Actor& actor);
  void end_step();

  supervisor_pointer self_ = nullptr;
  std::function<void(const std::string& reason)> give_up_;
  std::vector<directory_actor> directories_;
  store_actor store_;
  store_reader_actor reader_;
  agents_actor agents_;
  inspector_actor inspector_;

  pressure_rules pressure_rules_;
  std::function<node_reading()> read_node_;
  std::function<void(const door_policy&)> set_doors_;
  pressure_state pressure_;

  bool ending_ = false;
  std::chrono::milliseconds patience_{0};
  std::vector<caf::actor_addr> awaited_; ///< what the end waits for now: directories, then reader, then store
  caf::typed_response_promise<shutdown_report> ended_;
  shutdown_report report_;
};

/// Returns the behaviour of the supervisor, all of whose children have started.
supervisor_private::behavior_type supervisor(supervisor_pointer self, tree_config config);

} // namespace gangway
