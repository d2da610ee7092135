#pragma once

/// Every actor's interface, on one page. The `…_actor` is what others may say to it; what only it says to itself
/// (ticks) extends that as `…_private`, so that an outsider who sends a tick does not compile.

#include <vector>

#include <caf/all.hpp>

#include "protocol/messages.hpp"

namespace gangway {

/// A conversation at work: owns the thread's attachments, its position in the log and its run.
using manager_actor = caf::typed_actor<
    // Serves a connection; answers its `thread.open`.
    caf::reacts_to<attach>,
    // Forgets a connection.
    caf::reacts_to<detach>,
    // Stores a user's message, answers it, starts a run.
    caf::reacts_to<send_message>,
    // Ends the run in flight.
    caf::reacts_to<cancel_run>,
    // Notes how far a connection has come.
    caf::reacts_to<acknowledge>,
    // Sends a connection more.
    caf::reacts_to<frames_written>,
    // Sends a connection a large frame.
    caf::reacts_to<turn_granted>,
    // Answers with a page of messages.
    caf::reacts_to<read_history>,
    // Takes what the run produced.
    caf::reacts_to<run_produced>,
    // Shows its user that it works, and what it keeps.
    caf::reacts_to<probe>,
    // Ends.
    caf::reacts_to<retire>,
    // Shows that it answers.
    caf::replies_to<get_vitals>::with<vitals>>;

using manager_private = manager_actor::extend<
    // Looks after its run, tries again what the store could not do.
    caf::reacts_to<care_tick>>;

/// The supervisor of one user's managers; owns the slots and the connections.
using user_actor = caf::typed_actor<
    // Takes a connection in.
    caf::reacts_to<session_opened>,
    // Lets a connection go.
    caf::reacts_to<session_closed>,
    // Notes a connection's new tier.
    caf::reacts_to<token_renewed>,
    // Notes a sign of life.
    caf::reacts_to<pong_received>,
    // Notes what a connection's kernel and send queue show.
    caf::reacts_to<link_observed>,
    // Finds or makes the thread's manager and attaches the connection.
    caf::reacts_to<open_thread>,
    // Detaches the connection.
    caf::reacts_to<close_thread>,
    // Passes a message on to the manager, within the attachment's credit.
    caf::reacts_to<send_message>,
    // Passes a cancellation on to the manager.
    caf::reacts_to<cancel_run>,
    // Passes a position on to the manager.
    caf::reacts_to<acknowledge>,
    // Answers a client's ping.
    caf::reacts_to<answer_ping>,
    // Answers with limits and use.
    caf::reacts_to<report_use>,
    // Answers with a page of threads.
    caf::reacts_to<list_threads>,
    // Looks up the page that waits for its turn.
    caf::reacts_to<turn_granted>,
    // Passes the question for older messages on to the manager.
    caf::reacts_to<read_history>,
    // A manager's thread is open.
    caf::reacts_to<manager_opened>,
    // A manager gives up.
    caf::reacts_to<manager_failed>,
    // A manager gives credit back.
    caf::reacts_to<frame_handled>,
    // A manager forgot a slow connection.
    caf::reacts_to<attachment_dropped>,
    // A manager's run began.
    caf::reacts_to<run_started>,
    // A manager's run ended.
    caf::reacts_to<run_ended>,
    // A manager works.
    caf::reacts_to<heartbeat>,
    // Frees managers, or says which it would.
    caf::replies_to<clean_up>::with<cleaned_up>,
    // Gives up what is to be erased.
    caf::replies_to<release>::with<released>,
    // Notes whether the node can bear a grace.
    caf::reacts_to<pressure_changed>,
    // Retires every manager, then ends.
    caf::reacts_to<retire>,
    // Tells what it knows.
    caf::replies_to<get_user_report>::with<user_report>>;

using user_private = user_actor::extend<
    // Pings and judges the connections.
    caf::reacts_to<roll_call_tick>,
    // Retires a manager that nobody came back to.
    caf::reacts_to<linger_tick>,
    // Insists that a manager ends.
    caf::reacts_to<retire_deadline_tick>,
    // Takes a cleanup's next level.
    caf::reacts_to<escalate>,
    // Takes a probe's next step.
    caf::reacts_to<probe_tick>,
    // Ends a grace, and waits that were too long.
    caf::reacts_to<patience_tick>,
    // Asks to be forgotten.
    caf::reacts_to<forget_tick>>;

/// A shard of the map from users to their actors, one per event loop.
using directory_actor = caf::typed_actor<
    // Passes a connection on to its user, who is started if need be.
    caf::reacts_to<session_opened>,
    // Forgets a user, unless a connection is on its way to it.
    caf::reacts_to<user_idled>,
    // Notes how much a user has.
    caf::reacts_to<user_counted>,
    // Counts an admission.
    caf::reacts_to<admission_ended>,
    // Counts a probe.
    caf::reacts_to<probe_ended>,
    // Counts a cleanup.
    caf::reacts_to<cleanup_ended>,
    // Counts a connection that is over.
    caf::reacts_to<connection_ended>,
    // Counts a thread that was opened.
    caf::reacts_to<thread_opened>,
    // Counts a run.
    caf::reacts_to<run_finished>,
    // Tells what it counted.
    caf::replies_to<get_measures>::with<measured>,
    // Has the users of one tier cleaned up.
    caf::reacts_to<relieve>,
    // Tells its users whether the node can bear a grace.
    caf::reacts_to<pressure_changed>,
    // Counts everything.
    caf::replies_to<get_tally>::with<tally>,
    // Lists the users.
    caf::replies_to<get_users>::with<std::vector<user_actor>>,
    // Retires every user, then ends.
    caf::reacts_to<retire>,
    // Shows that it answers.
    caf::replies_to<get_vitals>::with<vitals>>;

/// One agent execution.
using run_actor = caf::typed_actor<
    // Ends as cancelled.
    caf::reacts_to<cancel>,
    // Goes on.
    caf::reacts_to<events_committed>>;

using run_private = run_actor::extend<
    // Takes the next step.
    caf::reacts_to<step_tick>>;

/// The configured agent back ends.
using agents_actor = caf::typed_actor<
    // Finds one.
    caf::replies_to<get_agent>::with<agent_spec>,
    // Shows that it answers.
    caf::replies_to<get_vitals>::with<vitals>>;

/// The writer of the durable log.
using store_actor = caf::typed_actor<
    // Opens a thread for a new manager.
    caf::replies_to<open_log>::with<log_opened>,
    // Appends events.
    caf::replies_to<append_events>::with<events_appended>,
    // Keeps a decision.
    caf::reacts_to<record_decision>,
    // Looks for damage.
    caf::reacts_to<examine>,
    // Erases a thread, or a user.
    caf::replies_to<erase_history>::with<history_erased>,
    // Tells what it counted.
    caf::replies_to<get_store_measures>::with<store_measured>,
    // Writes what it has, then ends.
    caf::reacts_to<retire>,
    // Shows that it answers.
    caf::replies_to<get_vitals>::with<vitals>>;

using store_private = store_actor::extend<
    // Commits the batch that has gathered.
    caf::reacts_to<commit_tick>,
    // Sees whether it can write again.
    caf::reacts_to<retry_tick>,
    // Tidies a piece of what is past.
    caf::reacts_to<sweep_tick>>;

/// The readers of the durable log: other connections to the same database, other threads.
using store_reader_actor = caf::typed_actor<
    // Reads a piece of a log.
    caf::replies_to<read_log>::with<log_read>,
    // Reads messages for a snapshot or a history.
    caf::replies_to<get_messages>::with<messages_page>,
    // Lists a user's threads.
    caf::replies_to<get_threads>::with<threads_page>,
    // Finds the first answer to a client's message id.
    caf::replies_to<find_message>::with<message_found>,
    // Searches a thread.
    caf::replies_to<search_messages>::with<messages_page>,
    // Finds decisions.
    caf::replies_to<get_decisions>::with<decisions_page>,
    // Notes that events go ahead of the log.
    caf::replies_to<note_ahead>::with<ahead_noted>,
    // Shows that it answers.
    caf::replies_to<get_vitals>::with<vitals>>;

/// Notifies the inspector of whom it can ask, once they exist.
struct tree_grown {
  std::vector<directory_actor> directories;
  store_actor store;
  store_reader_actor reader;
  agents_actor agents;
  GANGWAY_MESSAGE(tree_grown);
};

/// Answers the health check, the console and the admin API.
using inspector_actor = caf::typed_actor<
    // Answers an HTTP request.
    caf::reacts_to<answer_request>,
    // Notes that a part is ready or not.
    caf::reacts_to<component_changed>,
    // Notes whom it can ask.
    caf::reacts_to<tree_grown>>;

/// Asks the supervisor where users come in.
struct get_directories {
  GANGWAY_MESSAGE(get_directories);
};

/// Answers `shut_down`.
struct shutdown_report {
  std::uint32_t killed = 0; ///< actors that did not end by themselves
  GANGWAY_MESSAGE(shutdown_report);
};

/// Starts and ends all the others.
using supervisor_actor = caf::typed_actor<
    // Tells where users come in.
    caf::replies_to<get_directories>::with<std::vector<directory_actor>>,
    // Ends the server in order.
    caf::replies_to<shut_down>::with<shutdown_report>>;

using supervisor_private = supervisor_actor::extend<
    // Looks at the node's resources, orders cleanups.
    caf::reacts_to<pressure_tick>,
    // Insists that everything ends.
    caf::reacts_to<shutdown_deadline_tick>>;

} // namespace gangway

CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::vector<gangway::user_actor>)
CAF_ALLOW_UNSAFE_MESSAGE_TYPE(std::vector<gangway::directory_actor>)
