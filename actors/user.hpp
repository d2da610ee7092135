#pragma once

/// The user actor: the supervisor of one user's managers. It owns the slots and the connections, finds the manager of
/// each command, and answers by itself whatever no manager is needed for, so that a hung manager never silences a
/// connection.

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "actors/actor_base.hpp"
#include "actors/manager.hpp"
#include "actors/policy/liveness.hpp"
#include "protocol/actors.hpp"

namespace gangway {

/// The limits and times of every user.
struct user_rules {
  std::uint32_t managers_max = 20;
  std::uint32_t connections_max = 64;
  std::uint32_t credit = 8; ///< frames of one attachment that its manager may have unanswered
  gangway::cadence heartbeat;
  std::chrono::milliseconds linger{60'000};        ///< of a manager without connection and run
  std::chrono::milliseconds retire_timeout{5'000}; ///< then it is killed
  std::chrono::milliseconds jitter_max{2'000};     ///< that clients are told to spread their reconnects by
};

/// What every user of the process works with.
struct user_services {
  user_rules rules;
  std::shared_ptr<const manager_services> managers;
  store_reader_actor reader;
  /// Starts a manager as the user's child. Tests put managers that misbehave here.
  std::function<manager_actor(caf::local_actor*, user_actor, manager_identity)> spawn_manager;
};

class user_state;
using user_pointer = actor_pointer<user_state, user_private>;

/// A user's record of one connection.
struct user_connection {
  connection_id connection;
  session_link link;
  ping_record pings;
  std::uint64_t nonce = 0; ///< of the last ping
  steady_time last_useful;
};

/// A user's record of one connection's use of a manager.
struct seat {
  connection_id connection;
  bool open = false; ///< the manager has answered its open
};

/// A frame that a manager has not dealt with.
struct pending_frame {
  request_origin origin;
  bool brings_run = false; ///< a message: its run follows, and keeps the manager
};

/// A user's record of one manager: what occupies a slot, from its reservation to its proven end.
struct slot {
  manager_id manager;
  thread_id thread;
  manager_actor actor;
  manager_phase phase = manager_phase::opening;
  std::vector<seat> seats;
  std::vector<pending_frame> unanswered; ///< if the manager ends first, we answer
  std::optional<run_id> run;
  steady_time last_useful;
  std::uint64_t turn = 0; ///< raised whenever somebody comes or goes and a run begins: a linger tick before it is void
};

class user_state {
public:
  static inline const char* name = "user";

  ~user_state();

  void start(user_pointer self, directory_actor directory, user_id user, std::string tier,
             std::shared_ptr<const user_services> services);

  void on_session_opened(const session_opened& report);
  void on_session_closed(const session_closed& report);
  void on_pong_received(const pong_received& report);

  void on_open_thread(const open_thread& command);
  void on_close_thread(const close_thread& command);
  void on_acknowledge(const acknowledge& report);
  void on_answer_ping(const answer_ping& command);
  void on_report_use(const report_use& command);
  void on_list_threads(const list_threads& command);

  /// Passes a command on to its thread's manager, within the credit of the connection's seat.
  template <class Command>
  void on_thread_command(const Command& command);

  void on_manager_opened(const manager_opened& report);
  void on_manager_failed(const manager_failed& report);
  void on_frame_handled(const frame_handled& report);
  void on_run_started(const run_started& report);
  void on_run_ended(const run_ended& report);
  void on_manager_down(const caf::down_msg& report);

  void on_roll_call();
  void on_linger(const linger_tick& tick);
  void on_retire_deadline(const retire_deadline_tick& tick);
  void on_forget(const forget_tick& tick);
  void on_retire();
  user_report on_get_user_report();

private:
  steady_time now() const;
  user_connection* find(const connection_id& connection);
  slot* find(const manager_id& manager);
  slot* find_usable(const thread_id& thread);
  static seat* find_seat(slot& of, const connection_id& connection);
  std::uint32_t slots_used() const;
  bool has_credit(const slot& of, const connection_id& connection) const;

  user_connection* heard(const connection_id& connection);
  void answer(const request_origin& origin, const std::string& result);
  void refuse(const request_origin& origin, const command_error& error);

  slot* reserve(const thread_id& thread);
  command_error no_slot() const;
  void leave(slot& of, const connection_id& connection);
  void linger_if_unused(slot& which);
  void retire_manager(slot& which);
  void detach_all(slot& which, const command_error& error);
  void forget_if_unused();
  void report_count();
  void schedule_roll_call();

  user_pointer self_ = nullptr;
  directory_actor directory_;
  user_id user_;
  std::string tier_;
  std::shared_ptr<const user_services> services_;
  std::vector<user_connection> connections_;
  std::vector<slot> slots_;
  std::uint64_t sessions_ = 0; ///< that the directory passed on
  std::uint64_t turn_ = 0;     ///< raised whenever a connection or manager comes; a forget tick of an older one is void
  user_counted counted_;       ///< as the directory knows it
  steady_time roll_call_due_;
  bool roll_call_pending_ = false;
  bool retiring_ = false;
};

/// Returns the behaviour of a user.
user_private::behavior_type user(user_pointer self, directory_actor directory, user_id id, std::string tier,
                                 std::shared_ptr<const user_services> services);

} // namespace gangway
