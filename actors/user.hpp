#pragma once

/// The user actor: the supervisor of one user's managers. It owns the slots and the connections, finds the manager of
/// each command, makes room when the limit is reached, and answers by itself whatever no manager is needed for, so that
/// a hung manager never silences a connection.
///
/// One class, six files: `user.cpp` (connections, and the behaviour), `user_tier.cpp` (how much it may have),
/// `user_threads.cpp` (slots and their managers), `user_liveness.cpp` (who is there, by roll call and by probe),
/// `user_cleanup.cpp` (the ladder), `user_line.cpp` (who waits for it).

#include <array>
#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/actor_base.hpp"
#include "actors/manager.hpp"
#include "actors/policy/admission.hpp"
#include "actors/policy/escalation.hpp"
#include "actors/policy/eviction.hpp"
#include "actors/policy/evidence.hpp"
#include "actors/policy/note_budget.hpp"
#include "actors/policy/tier_fall.hpp"
#include "actors/user_rules.hpp"
#include "protocol/actors.hpp"

namespace gangway {

inline std::chrono::milliseconds milliseconds_between(steady_time from, steady_time to) {
  return std::chrono::duration_cast<std::chrono::milliseconds>(to - from);
}

inline std::chrono::microseconds microseconds_between(steady_time from, steady_time to) {
  return std::chrono::duration_cast<std::chrono::microseconds>(to - from);
}

/// The decisions that a user carries out. The tests' simulation replaces one by a wrong one, to see that it notices.
struct user_decisions {
  decltype(&gangway::admit) admit = &gangway::admit;
  decltype(&gangway::begin_grace) begin_grace = &gangway::begin_grace;
  decltype(&gangway::choose_evictions) choose_evictions = &gangway::choose_evictions;
  decltype(&gangway::next_step) next_step = &gangway::next_step;
  std::optional<finding> (*judge_connection)(const connection_probe&, bool,
                                             std::chrono::milliseconds) = &gangway::judge;
};

/// What every user of the process works with.
struct user_services {
  std::array<user_rules, tiers> rules; ///< in the order of `tier`
  std::shared_ptr<const manager_services> managers;
  store_actor store; ///< keeps the decisions; may be null
  store_reader_actor reader;
  /// Starts a manager as the user's child. Tests put managers that misbehave here.
  std::function<manager_actor(caf::local_actor*, user_actor, manager_identity)> spawn_manager;
  user_decisions decisions = {};
};

class user_state;
using user_pointer = actor_pointer<user_state, user_private>;

/// A user's record of one connection.
struct user_connection {
  connection_id connection;
  session_link link;
  ping_record pings;
  std::uint64_t nonce = 0;     ///< of the last ping
  std::uint64_t last_call = 0; ///< the ping whose look at the link decides whether silence counts; 0: none was sent
  steady_time last_useful;
  std::unique_ptr<wire_greeting> greeting;  ///< that waits for the one thread it was opened for
  sending_turns turns;                      ///< lists that wait for the client to take them
  std::optional<finding> verdict;           ///< by a probe; any sign of life takes it back
  gangway::tier tier = gangway::tier::free; ///< by its token
  bool dedicated = false;                   ///< was opened for one thread
  bool simulation = false;                  ///< of an end-to-end test
};

/// A user's record of one connection's use of a manager.
struct seat {
  connection_id connection;
  bool open = false;             ///< the manager has answered its open
  std::uint64_t opened_turn = 0; ///< the last probe that was sent before that
  bool awaited = false;          ///< by a socket that was opened for this thread: its greeting is with the manager
};

/// A frame that a manager has not dealt with.
struct pending_frame {
  request_origin origin;
  bool brings_run = false; ///< a message: its run follows, and keeps the manager
};

/// What a manager last said of itself.
struct manager_use {
  std::uint64_t bytes = 0;
  std::uint64_t messages = 0;
  std::chrono::nanoseconds handling_time{0};
  std::chrono::milliseconds stuck_for{0};
  std::uint32_t mailbox = 0;
};

/// A user's record of one manager: what occupies a slot, from its reservation to its proven end.
struct slot {
  manager_id manager;
  thread_id thread;
  manager_actor actor;
  manager_phase phase = manager_phase::opening;
  bool killed = false;
  std::optional<finding> fault; ///< what is wrong with the manager itself
  std::optional<finding> loss;  ///< what its last connection died of
  std::vector<seat> seats;
  std::vector<pending_frame> unanswered;                     ///< if the manager ends first, we answer
  std::vector<std::pair<connection_id, std::uint64_t>> left; ///< since its last heartbeat, and the probe before that
  std::optional<run_id> run;
  std::string agent; ///< of a run whose end is not counted yet; empty: there is none
  steady_time run_began;
  steady_time run_heard; ///< its last event
  steady_time reserved;
  steady_time last_useful;
  ping_record pings; ///< probes are its pings, whatever it says a sign of life
  std::uint64_t answered_probe = 0;
  manager_use use;
  std::uint64_t turn = 0; ///< raised whenever somebody comes or goes and a run begins: a linger tick before it is void

  bool in_use() const noexcept { return phase == manager_phase::opening || phase == manager_phase::open; }
};

/// What a manager is asked on behalf of a connection that has the thread open.
using thread_command = std::variant<send_message, cancel_run, read_history>;

/// A `thread.open` that waits for a slot.
struct waiting_open {
  request_origin origin;
  thread_id thread;
  std::optional<log_position> position;
  steady_time since;
  std::optional<steady_time> until;        ///< set once it is in the queue
  std::size_t told = 0;                    ///< the position it was told last
  std::vector<thread_command> behind = {}; ///< what came after it, for the same thread
};

/// An evicted thread. It may come back at the cost of another, as somebody does who turns to it; but not at once, and
/// not again and again, which is what programs do that take back what they lose: then it waits until `resume_until`.
struct tombstone {
  thread_id thread;
  steady_time evicted;
  steady_time resume_until;
  bool is_back = false;                 ///< it has got a slot since
  std::optional<steady_time> came_back; ///< when it last did, before this eviction or after it
};

/// A cleanup on its way.
struct cleanup {
  std::uint64_t turn = 0;
  escalation state;
  bool probed = false;
  std::size_t left = 0; ///< who still needed a slot when the last level had run
  bool waits_for_probe = false;
  std::uint32_t ordered = 0; ///< by a `clean_up`; 0: all
  steady_time begun;
  decision record;
  caf::typed_response_promise<cleaned_up> promise; ///< pending if somebody waits for the record

  bool wants_everybody() const noexcept { return record.scope >= cleanup_scope::node && ordered == 0; }
};

/// A probe on its way, of every manager and every connection that uses one.
struct ongoing_probe {
  struct probed_connection {
    connection_id connection;
    std::uint64_t first_nonce = 0;
    connection_probe known;
  };
  std::uint64_t turn = 0;
  std::chrono::milliseconds half{0};
  steady_time due; ///< the next tick
  bool second = false;
  bool last = false;    ///< its time is up, and the sessions of the silent are looking at their links once more
  bool excused = false; ///< it was given more time, because we lagged
  std::vector<manager_id> managers;
  std::vector<probed_connection> connections;
};

class user_state {
public:
  static inline const char* name = "user";

  ~user_state();

  void start(user_pointer self, directory_actor directory, user_id user, std::string tier,
             std::shared_ptr<const user_services> services);

  // -- user.cpp
  void on_session_opened(const session_opened& report);
  void on_session_closed(const session_closed& report);
  void on_token_renewed(const token_renewed& report);
  void on_answer_ping(const answer_ping& command);
  void on_report_use(const report_use& command);
  void on_list_threads(const list_threads& command);
  void on_turn_granted(const turn_granted& report);
  void on_forget(const forget_tick& tick);
  void on_retire();
  user_report on_get_user_report();

  /// Returns all of the report but the vitals. Changes nothing, so that whoever tests may look in between two messages.
  user_report describe() const;

  // -- user_threads.cpp
  void on_open_thread(const open_thread& command);
  void on_close_thread(const close_thread& command);
  void on_acknowledge(const acknowledge& report);
  void on_send_message(const send_message& command);
  void on_cancel_run(const cancel_run& command);
  void on_read_history(const read_history& command);
  void on_manager_opened(const manager_opened& report);
  void on_manager_failed(const manager_failed& report);
  void on_frame_handled(const frame_handled& report);
  void on_attachment_dropped(const attachment_dropped& report);
  released on_release(const release& order);
  void on_run_started(const run_started& report);
  void on_run_ended(const run_ended& report);
  void on_manager_down(const caf::down_msg& report);
  void on_linger(const linger_tick& tick);
  void on_retire_deadline(const retire_deadline_tick& tick);

  // -- user_liveness.cpp
  void on_pong_received(const pong_received& report);
  void on_link_observed(const link_observed& report);
  void on_heartbeat(const heartbeat& report);
  void on_roll_call();
  void on_probe_tick(const probe_tick& tick);

  // -- user_line.cpp
  void on_patience(const patience_tick& tick);

  // -- user_cleanup.cpp
  void on_escalate(const escalate& tick);
  caf::typed_response_promise<cleaned_up> on_clean_up(const clean_up& order);
  void on_pressure_changed(const pressure_changed& report);

private:
  steady_time now() const;
  const user_rules& rules() const;
  user_connection* find(const connection_id& connection);
  slot* find(const manager_id& manager);
  slot* find_usable(const thread_id& thread);
  bool has_slot(const thread_id& thread) const;
  static seat* find_seat(slot& of, const connection_id& connection);
  std::uint32_t slots_used() const;
  std::uint32_t slots_ending() const;
  std::uint32_t grace_now() const;
  std::uint32_t limit_now() const;
  std::uint32_t usual_limit() const;
  std::uint32_t connections_limit() const;
  std::uint32_t line_max() const;
  bool has_credit(const slot& of, const connection_id& connection) const;

  user_connection* heard(const connection_id& connection);
  void answer(const request_origin& origin, const std::string& result);
  void refuse(const request_origin& origin, const command_error& error);
  void tell_everybody(const std::string& notice);
  std::string greeting_of(const user_connection& whose) const;
  void replace_connection();
  void let_leave(const user_connection& whom, const close_reason& reason);
  void change_tier(gangway::tier to);
  void settle_tier();
  void end_connection(const connection_id& connection, finding evidence);

  void open(const request_origin& origin, const thread_id& thread, const std::optional<log_position>& position);
  void take_seat(slot& in, const request_origin& origin, const std::optional<log_position>& position);
  template <class Command>
  void pass_on(const Command& command);
  slot& reserve(const thread_id& thread);
  void leave(slot& of, const connection_id& connection);
  void note_left(slot& of, const connection_id& connection);
  void linger_if_unused(slot& which);
  void retire_manager(slot& which);
  void give_up(slot& which, const command_error& error);
  void count_run(slot& which, run_outcome outcome, std::optional<std::chrono::microseconds> first_event);
  void detach_all(slot& which, const command_error& error);
  void forget_if_unused();
  std::optional<steady_time> remembered_until() const;
  void report_count();

  // liveness
  void schedule_roll_call();
  void call_managers(steady_time time);
  void call_connections(steady_time time);
  slot* heard(const manager_id& manager);
  void declare_hung(slot& which);
  void set_verdict(user_connection& about, std::optional<finding> evidence);
  void begin_probe(std::chrono::milliseconds duration);
  void take_last_look();
  void look_at_probe();
  void end_probe(bool is_over);
  std::optional<finding> judge_books(const slot& which, const heartbeat& report) const;

  // the ladder
  bool is_live_run(const slot& which, steady_time time) const;
  std::uint32_t living_connections(const slot& which) const;
  std::vector<finding> evidence_of(const slot& which) const;
  candidate candidate_of(const slot& which, steady_time time) const;
  std::vector<candidate> roster(steady_time time) const;
  void note_roster(decision& record, steady_time begun, steady_time time) const;
  std::size_t waiting_threads(bool may_evict) const;
  std::size_t needed_now() const;
  bool is_in_vain() const;
  void wait_in_line(waiting_open request);
  void serve_line();
  void reconsider();
  void begin_cleanup(cleanup_scope scope, cleanup_level max_level, std::uint32_t ordered = 0,
                     caf::typed_response_promise<cleaned_up> promise = {});
  void begin_background_if_due();
  void run_level(cleanup_level level);
  void evict(const choice& whom, cleanup_level level, decision& record);
  void finish_cleanup();
  void degrade();
  void queue_rest();
  void tell_positions();
  void schedule_patience();
  cleanup_level highest_level(const clean_up& order) const;
  decision plan(const clean_up& order) const;
  decision begin_record(decision::kind what) const;
  void keep(decision record);
  command_error limit_error(error_code code, const thread_id& thread) const;
  command_error leaking_error() const;
  const tombstone* find_tombstone(const thread_id& thread) const;
  bool may_evict_nobody(const thread_id& thread) const;
  void turn_away(const waiting_open& whom, const command_error& error);
  waiting_open* find_waiting(const thread_id& thread, const connection_id& connection);
  void refuse_behind(const waiting_open& whom, const command_error& error);

  user_pointer self_ = nullptr;
  directory_actor directory_;
  user_id user_;
  gangway::tier tier_ = gangway::tier::free;
  bool roll_call_pending_ = false;
  bool retiring_ = false;
  bool pressed_ = false; ///< the node cannot bear a grace
  bool warned_ = false;  ///< that the limit is near
  std::shared_ptr<const user_services> services_;
  std::vector<user_connection> connections_;
  std::vector<std::pair<connection_id, session_link>> leaving_; ///< that were told to, and have not gone yet
  std::optional<kept_room> kept_;                               ///< since the tier fell
  std::vector<slot> slots_;
  std::uint64_t sessions_ = 0; ///< that the directory passed on
  std::uint64_t turn_ = 0;     ///< raised whenever a connection or manager comes; a forget tick of an older one is void
  std::uint64_t cleanup_turn_ = 0; ///< of the last cleanup that began
  user_counted counted_;           ///< as the directory knows it
  steady_time roll_call_due_;
  std::uint64_t probe_turn_ = 0; ///< of the last probe that was sent

  std::uint64_t turns_wanted_ = 0; ///< to send
  std::vector<waiting_open> line_;
  std::vector<tombstone> tombstones_;
  std::unique_ptr<gangway::cleanup> cleanup_;
  std::unique_ptr<ongoing_probe> probe_;
  std::vector<cleanup_attempt> last_attempts_; ///< what the refused are told was tried
  std::vector<std::pair<clean_up, caf::typed_response_promise<cleaned_up>>> orders_; ///< behind the one that runs
  gangway::grace grace_;
  std::optional<steady_time> patience_due_; ///< of the earliest tick on its way
  steady_time background_not_before_;
  steady_time retry_not_before_;                            ///< a cleanup freed nothing, and nothing has changed since
  std::uint32_t verdicts_ = 0;                              ///< connections that have one
  std::array<note_budget, decision_kinds> decisions_noted_; ///< in the order of `decision::kind`
  note_budget refusals_noted_;
};

/// Returns the behaviour of a user.
user_private::behavior_type user(user_pointer self, directory_actor directory, user_id id, std::string tier,
                                 std::shared_ptr<const user_services> services);

} // namespace gangway
