#pragma once

/// What any storage engine must do about what was shown and lost, and about runs that were cut short. A part of
/// engine_conformance.hpp, which includes it.

namespace gangway::store_tests {

/// An engine, and a run that nobody ended.
struct engine_with_orphan : opened_engine {
  const run_id run = run_id::make();
  const message_id answer = message_id::make();
  log_opened log = open("ann", "t1");

  /// Appends a question, and these events of the run that answers it.
  void begin_run(std::vector<event_body> bodies) {
    auto events = std::vector{in_run(run, 1, message_accepted{message_id::make(), {}, {"\"hi\""}})};
    for (auto& body : bodies)
      events.push_back(in_run(run, events.size() + 1, std::move(body)));
    add(log, events);
  }

  /// Returns the bodies of the log behind `after`, once its thread is opened anew.
  std::vector<event_body> added_by_open(sequence after) {
    const auto again = open("ann", "t1");
    std::vector<event_body> result;
    for (const auto& event : reader->read({again.log, after, again.last, 1000, 1'000'000}).events)
      result.push_back(event.body);
    return result;
  }
};

CAF_TEST_FIXTURE_SCOPE(engine_loss, engine_with_orphan)

// -- answers that were cut short -----------------------------------------------------------------

CAF_TEST(the_text_of_an_orphaned_run_is_kept_as_far_as_it_came) {
  begin_run({agent_started{"builtin"}, message_started{answer, "assistant"}, message_delta{answer, "as far "},
             message_delta{answer, "as"}});
  const auto added = added_by_open(5);
  CAF_REQUIRE_EQUAL(added.size(), 2u);
  CAF_CHECK(added[0] == event_body{message_completed{answer, "as far as"}});
  CAF_CHECK_EQUAL(std::get<agent_failed>(added[1]).code, "interrupted");
  const auto messages = reader->messages({log.log}).messages;
  CAF_REQUIRE_EQUAL(messages.size(), 2u);
  CAF_CHECK_EQUAL(messages[1].content.value, "\"as far as\"");
  CAF_CHECK(added_by_open(7).empty());
}

CAF_TEST(a_message_that_was_complete_is_not_completed_again) {
  begin_run({agent_started{"builtin"}, message_started{answer, "assistant"}, message_delta{answer, "whole"},
             message_completed{answer, "whole"}, agent_thinking{}});
  CAF_CHECK_EQUAL(added_by_open(6).size(), 1u);
}

CAF_TEST(a_run_that_said_nothing_is_just_interrupted) {
  begin_run({agent_started{"builtin"}, agent_thinking{}});
  CAF_CHECK_EQUAL(added_by_open(3).size(), 1u);
}

CAF_TEST(the_second_message_of_a_run_is_kept_without_the_first) {
  const auto second = message_id::make();
  begin_run({message_started{answer, "assistant"}, message_delta{answer, "one"}, message_completed{answer, "one"},
             tool_executing{"x", "clock", {"{}"}}, message_started{second, "assistant"}, message_delta{second, "tw"}});
  CAF_CHECK(added_by_open(7).at(0) == event_body{message_completed{second, "tw"}});
}

// -- what was shown ahead of the log -------------------------------------------------------------

CAF_TEST(a_log_that_was_shown_further_than_it_goes_gets_another_epoch_once) {
  begin_run({agent_started{"builtin"}});
  reader->note_ahead(log.log);
  const auto second = open("ann", "t1");
  CAF_CHECK(second.epoch != log.epoch);
  CAF_CHECK_EQUAL(second.log, log.log);
  CAF_CHECK_EQUAL(open("ann", "t1").epoch, second.epoch);
  CAF_CHECK_EQUAL(second.last, 3u);
}

CAF_TEST(the_note_outlives_the_process_and_is_for_that_log_alone) {
  const auto other = open("ann", "t2");
  reader->note_ahead(log.log);
  reader->note_ahead(log.log);
  reopen();
  CAF_CHECK(open("ann", "t1").epoch != log.epoch);
  CAF_CHECK_EQUAL(open("ann", "t2").epoch, other.epoch);
  const auto now = open("ann", "t1").epoch;
  reopen();
  CAF_CHECK_EQUAL(open("ann", "t1").epoch, now);
}

CAF_TEST(what_was_shown_and_is_in_the_log_after_all_changes_nothing) {
  reader->note_ahead(log.log);
  in_transaction([&] { return writer->append({log.log, log.generation, {said(1, "hello")}, false, true}); });
  CAF_CHECK_EQUAL(open("ann", "t1").epoch, log.epoch);
}

CAF_TEST(a_commit_that_does_not_come_leaves_the_note) {
  reader->note_ahead(log.log);
  writer->begin(false);
  writer->append({log.log, log.generation, {said(1, "hello")}, false, true});
  writer->roll_back();
  CAF_CHECK(open("ann", "t1").epoch != log.epoch);
}

CAF_TEST(an_append_that_knows_of_no_note_leaves_it) {
  reader->note_ahead(log.log);
  add(log, {said(1, "hello")});
  CAF_CHECK(open("ann", "t1").epoch != log.epoch);
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace gangway::store_tests
