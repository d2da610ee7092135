#pragma once

/// The manager: the live half of one thread. It owns the attachments, the position in the log and the run, answers its
/// clients itself, and commits every event before anybody sees it.
///
/// One class, three files: `manager.cpp` (messages, events, the end), `manager_attachments.cpp` (who has it open) and
/// `manager_delivery.cpp` (how events reach each of them, at its pace, and all of them while the store fails).

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "actors/actor_base.hpp"
#include "actors/event_window.hpp"
#include "actors/sending_turns.hpp"
#include "protocol/actors.hpp"

namespace gangway {

/// What every manager of the process works with.
struct manager_services {
  store_actor store;
  store_reader_actor reader;
  agents_actor agents;
  /// Bytes on their way to one connection; what is beyond them waits in the log until the connection has read. Of a
  /// session's queue, so small a part that a connection may have all of its user's threads open. A longer frame waits
  /// for its turn.
  std::size_t delivery_bytes_max = 8 * 1024;
  /// How long a run goes on without a connection; then it is cancelled.
  std::chrono::milliseconds run_detached_max{600'000};
};

/// Whose manager it is.
struct manager_identity {
  manager_id manager;
  user_id user;
  thread_id thread;
};

class manager_state;
using manager_pointer = actor_pointer<manager_state, manager_private>;

/// A manager's record of one connection.
struct attachment {
  connection_id connection;
  session_link link;
  sequence position = 0;       ///< the last event that was sent to it
  sequence acknowledged = 0;   ///< the last one it said it has
  std::uint64_t turn = 0;      ///< raised by every open: what was read for an older one is void
  std::uint32_t asked = 0;     ///< frames that are not answered yet
  bool open = false;           ///< has been answered an open
  bool waiting = false;        ///< something is being read for it; live events are left to the log meanwhile
  bool leaving = false;        ///< detached; kept until its last frame is answered
  bool slow = false;           ///< took so long over what it had that it gets what it missed from the log, joined
  std::uint32_t unread = 0;    ///< bytes that were sent to it and not taken by its kernel
  std::uint32_t unmarked = 0;  ///< of these, the ones behind the last mark
  steady_time full_since = {}; ///< since when it can take no more, if it cannot
  steady_time changed = {};    ///< since when it waits or leaves
  bool wants_large = false;    ///< its next event is longer than its part of the queue, and waits for its turn
  std::shared_ptr<sending_turn> large = {};     ///< the turn in which that event may go
  sending_turns turns = {};                     ///< answers that wait, and that event
  std::unique_ptr<wire_greeting> greeting = {}; ///< of a socket that was opened for this thread: goes with the answer
};

/// A client's message on its way to the disk.
struct pending_message {
  send_message command;
  gangway::message_id message_id;
  gangway::run_id run_id;
  agent_spec agent;
  std::vector<request_origin> repeated; ///< the same message, sent again meanwhile
  steady_time since;
};

/// The run in flight.
struct live_run {
  gangway::run_id id;
  run_actor actor;
  open_run progress; ///< as far as it is committed
  steady_time began;
  std::optional<std::chrono::microseconds> first_event = {}; ///< from the agent, after that
  steady_time heard;                                         ///< its last event
  bool ending = false;                                       ///< its ending is on its way to the log
  std::optional<steady_time> alone_since = {};               ///< nobody has the thread open since then
};

class manager_state {
public:
  static inline const char* name = "manager";

  /// Between two looks at a run, and at a store that could not write or read.
  static constexpr std::chrono::milliseconds care_pause{1000};

  /// How long the store may take to write before events go ahead of the log.
  static constexpr std::chrono::milliseconds store_patience{1000};

  /// Bytes of frames that are shown ahead of the log; then the run waits.
  static constexpr std::size_t ahead_bytes_max = 1024 * 1024;

  /// Who takes nothing for so long is slow.
  static constexpr std::chrono::milliseconds slow_after{100};

  /// Events that a connection may be behind; then it gets a snapshot, for which it has to open the thread again.
  static constexpr sequence lag_max = 16'384;

  ~manager_state();

  void start(manager_pointer self, user_actor owner, manager_identity identity,
             std::shared_ptr<const manager_services> services);

  void on_attach(const attach& order);
  void on_detach(const detach& order);
  void on_send_message(const send_message& command);
  void on_cancel_run(const cancel_run& command);
  void on_acknowledge(const acknowledge& report);
  void on_frames_written(const frames_written& report);
  void on_turn_granted(const turn_granted& report);
  void on_read_history(const read_history& command);
  void on_run_produced(const run_produced& report);
  void on_run_down(const caf::down_msg& report);
  void on_probe(const probe& question);
  void on_retire();
  void on_care();

private:
  /// What waits until the thread is open.
  using early_message = std::variant<attach, detach, send_message, cancel_run, read_history>;

  void on_log_opened(const log_opened& opened);

  // What comes before the thread is open keeps its order. Its user lets no connection have more than its credit here.
  template <class Message>
  bool put_off_until_open(const Message& message) {
    if (opening_) early_.emplace_back(message);
    return opening_;
  }

  // Answers, by the connection that asked, if it is still attached.
  attachment* find(const connection_id& connection);
  void answer(const request_origin& origin, const std::string& result);
  void refuse(const request_origin& origin, const command_error& error);
  void asked(const request_origin& origin);
  void finish(const request_origin& origin, std::optional<resume_result> opened = {});

  // Opening: a connection is brought to the newest event, by the log or by a snapshot.
  attachment* find_turn(const request_origin& origin, std::uint64_t turn);
  void resume(const request_origin& origin, std::uint64_t turn, sequence after);
  void send_snapshot(const request_origin& origin, std::uint64_t turn, resume_result result);
  void read_snapshot(const request_origin& origin, std::uint64_t turn, resume_result result,
                     const std::shared_ptr<sending_turn>& sending);
  static void send_opened(attachment& to, const request_origin& origin, const std::string& opened);
  void greet(const request_origin& origin, std::uint64_t turn, sequence position, const std::string& opened,
             resume_result result);
  void refuse_open(const request_origin& origin, std::uint64_t turn, const caf::error& reason);

  // Delivery: each connection gets events as fast as it reads.
  void deliver(attachment& to, frame text);
  void want_turn(attachment& to, std::uint64_t bytes, std::optional<std::int64_t> request, sending_turns::work what);
  bool may_deliver(attachment& to, std::size_t bytes);
  void catch_up_now(attachment& to);
  bool has_room(const attachment& to) const { return to.unread < services_->delivery_bytes_max; }
  void catch_up(attachment& to);
  void catch_up_all();
  bool stands_still(const attachment& to) const;
  void forget_left();
  void read_page(attachment& to);
  void drop(attachment& slow);
  void go_ahead();
  void show_ahead();
  void take_note_back();
  sequence shown() const { return committed_ + ahead_.size(); }

  // A message: which agent, was it sent before, onto the disk, answered, run.
  void accept(const send_message& command);
  void choose_agent();
  void look_up(const send_message& command, std::optional<message_id> accepting, std::function<void()> if_new);
  void write();
  void written();
  void drop_message(const command_error& error);
  void start_run(const pending_message& message);

  // Events: numbered, committed, sent.
  void produce(event_body body);
  std::optional<message_completed> unfinished() const;
  const thread_event& pending(std::size_t index) const;
  void flush();
  void publish();
  void put_off(const caf::error& reason);
  void care_later(std::chrono::milliseconds wait = care_pause);
  void note_company();
  void mind_solitude(steady_time time);
  void end_if_done();
  void fail(const caf::error& reason);

  manager_pointer self_ = nullptr;
  user_actor owner_;
  manager_identity identity_;
  std::shared_ptr<const manager_services> services_;

  log_id log_ = 0;
  gangway::generation generation_ = 0;
  gangway::epoch epoch_;
  sequence committed_ = 0; ///< the log's last event
  std::vector<thread_event> produced_;
  std::vector<thread_event> in_flight_; ///< of an append that is not answered; those before `produced_`
  steady_time appended_;                ///< when that was asked
  std::vector<frame> ahead_;            ///< what was shown of these two, their first events
  std::size_t ahead_bytes_ = 0;
  bool write_failed_ = false; ///< the next append waits for the next look
  bool stuck_ = false;        ///< what is produced goes ahead of the log
  bool is_noted_ = false;     ///< beside the database, that events are shown ahead of it
  bool noting_ = false;       ///< the note is being made, or taken back
  bool note_failed_ = false;  ///< the next attempt waits for the next look
  bool care_pending_ = false;
  steady_time care_due_; ///< of the earliest look that is on its way

  event_window window_;
  std::vector<attachment> attachments_;
  std::uint64_t turns_wanted_ = 0;
  std::unique_ptr<pending_message> accepting_; ///< one at a time; from the first question to the disk's answer
  std::unique_ptr<live_run> run_;
  std::vector<early_message> early_; ///< in the order in which they came
  bool opening_ = true;
  bool retiring_ = false;
};

/// Returns the behaviour of a manager that reports to `owner`. It opens its thread first; what its clients say waits
/// meanwhile, and what ends it does not.
manager_private::behavior_type manager(manager_pointer self, user_actor owner, manager_identity identity,
                                       std::shared_ptr<const manager_services> services);

} // namespace gangway
