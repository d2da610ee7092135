#pragma once

/// What any storage engine must do when threads are opened and events appended. A part of engine_conformance.hpp, which
/// includes it.

namespace gangway::store_tests {

CAF_TEST_FIXTURE_SCOPE(engine_writing, opened_engine)

// -- opening -------------------------------------------------------------------------------------

CAF_TEST(a_new_thread_begins_with_generation_one_and_nothing_in_it) {
  const auto log = open("ann", "t1");
  CAF_CHECK_EQUAL(log.generation, 1u);
  CAF_CHECK_EQUAL(log.last, 0u);
  CAF_CHECK_EQUAL(log.epoch.size(), 8u);
  CAF_CHECK(is_thread_id(log.epoch));
}

CAF_TEST(opening_again_raises_the_generation_and_keeps_log_and_epoch) {
  const auto first = open("ann", "t1");
  add(first, {said(1, "hello")});
  const auto second = open("ann", "t1");
  CAF_CHECK_EQUAL(second.log, first.log);
  CAF_CHECK_EQUAL(second.epoch, first.epoch);
  CAF_CHECK_EQUAL(second.generation, 2u);
  CAF_CHECK_EQUAL(second.last, 1u);
}

CAF_TEST(two_threads_have_different_epochs) { CAF_CHECK(open("ann", "t1").epoch != open("ann", "t2").epoch); }

CAF_TEST(everything_survives_a_restart) {
  const auto before = open("ann", "t1");
  const auto events = whole_run(1);
  add(before, events);
  reopen();
  const auto after = open("ann", "t1");
  CAF_CHECK_EQUAL(after.generation, 2u);
  CAF_CHECK_EQUAL(after.epoch, before.epoch);
  CAF_CHECK_EQUAL(after.last, events.size());
  CAF_CHECK(all(after, after.last) == events);
}

CAF_TEST(the_same_thread_id_of_two_users_is_two_threads) {
  const auto ann = open("ann", "t1");
  const auto bob = open("bob", "t1");
  CAF_CHECK(ann.log != bob.log);
  CAF_CHECK_EQUAL(bob.generation, 1u);
  add(ann, {said(1, "secret", "c1")});
  CAF_CHECK_EQUAL(open("bob", "t1").last, 0u);
  CAF_CHECK(reader->messages({bob.log}).messages.empty());
  CAF_CHECK(found(bob, "secret").empty());
  CAF_CHECK(!reader->find({bob.log, "c1"}).answer);
  CAF_CHECK_EQUAL(found(ann, "secret").size(), 1u);
  const auto threads = reader->threads(threads_of("bob")).threads;
  CAF_REQUIRE_EQUAL(threads.size(), 1u);
  CAF_CHECK_EQUAL(threads[0].seq, 0u);
  CAF_CHECK_EQUAL(threads[0].title, "");
}

// -- appending -----------------------------------------------------------------------------------

CAF_TEST(every_kind_of_event_is_read_back_as_it_was_written) {
  const auto log = open("ann", "t1");
  const auto events = every_kind();
  add(log, events);
  CAF_CHECK(all(log, events.size()) == events);
}

CAF_TEST(only_the_current_generation_may_append) {
  const auto victim = open("ann", "t1");
  const auto current = open("ann", "t1");
  CAF_CHECK(refused(append(victim, {said(1, "late")}), append_refusal::stale_generation));
  auto future = current;
  ++future.generation;
  CAF_CHECK(refused(append(future, {said(1, "early")}), append_refusal::stale_generation));
  CAF_CHECK_EQUAL(open("ann", "t1").last, 0u);
  CAF_CHECK(refused(append(current, {said(1, "late too")}), append_refusal::stale_generation));
}

CAF_TEST(a_log_that_does_not_exist_has_no_generation) {
  CAF_CHECK(refused(append({4711, 1, "abcdefgh", 0}, {said(1, "hello")}), append_refusal::stale_generation));
}

CAF_TEST(an_append_continues_the_log_or_changes_nothing) {
  const auto log = open("ann", "t1");
  CAF_CHECK(refused(append(log, {said(2, "gap at the beginning")}), append_refusal::sequence_gap));
  CAF_CHECK(refused(append(log, {said(0, "before the first")}), append_refusal::sequence_gap));
  CAF_CHECK(refused(append(log, {said(1, "one"), said(3, "gap inside")}), append_refusal::sequence_gap));
  add(log, {said(1, "one"), said(2, "two")});
  CAF_CHECK(refused(append(log, {said(2, "again")}), append_refusal::sequence_gap));
  CAF_CHECK(refused(append(log, {said(4, "gap")}), append_refusal::sequence_gap));
  add(log, {said(3, "three")});
  CAF_CHECK_EQUAL(all(log, 3).size(), 3u);
  CAF_CHECK_EQUAL(reader->messages({log.log}).messages.size(), 3u);
}

CAF_TEST(an_append_of_nothing_answers_where_the_log_ends) {
  const auto log = open("ann", "t1");
  add(log, {said(1, "one")});
  CAF_CHECK(append(log, {}) == (std::variant<events_appended, append_refusal>{events_appended{1}}));
}

CAF_TEST(a_refused_append_leaves_the_others_of_its_transaction) {
  const auto first = open("ann", "t1");
  const auto second = open("ann", "t2");
  writer->begin(false);
  writer->append({first.log, first.generation, {said(1, "one")}});
  CAF_CHECK(refused(writer->append({second.log, second.generation, {said(7, "gap")}}), append_refusal::sequence_gap));
  writer->append({first.log, first.generation, {said(2, "two")}});
  writer->commit();
  CAF_CHECK_EQUAL(all(first, 2).size(), 2u);
  CAF_CHECK_EQUAL(open("ann", "t2").last, 0u);
}

CAF_TEST(a_transaction_rolled_back_leaves_nothing) {
  const auto log = open("ann", "t1");
  writer->begin(true);
  writer->append({log.log, log.generation, {said(1, "one", "c1")}});
  writer->open({{"ann"}, {"t2"}, at(0)});
  writer->roll_back();
  writer->roll_back();
  CAF_CHECK(!reader->read({log.log, 0, 1}).complete);
  CAF_CHECK(reader->messages({log.log}).messages.empty());
  CAF_CHECK(!reader->find({log.log, "c1"}).answer);
  CAF_CHECK_EQUAL(reader->threads(threads_of("ann")).threads.size(), 1u);
  add(log, {said(1, "one")});
}

CAF_TEST(readers_see_a_transaction_when_it_is_committed_and_not_before) {
  const auto log = open("ann", "t1");
  writer->begin(false);
  writer->append({log.log, log.generation, {said(1, "one")}});
  CAF_CHECK(reader->messages({log.log}).messages.empty());
  writer->commit();
  CAF_CHECK_EQUAL(reader->messages({log.log}).messages.size(), 1u);
}

// -- orphaned runs -------------------------------------------------------------------------------

CAF_TEST(an_orphaned_run_is_ended_once_and_only_once) {
  const auto log = open("ann", "t1");
  const auto run = run_id::make();
  add(log, {in_run(run, 1, agent_started{"builtin"}), in_run(run, 2, agent_thinking{})});
  const auto next = open("ann", "t1", at(5000));
  CAF_CHECK_EQUAL(next.last, 3u);
  const auto events = all(next, 3);
  CAF_REQUIRE_EQUAL(events.size(), 3u);
  CAF_CHECK(events[2].run_id == run);
  CAF_CHECK(events[2].time == at(5000));
  const auto* ending = std::get_if<agent_failed>(&events[2].body);
  CAF_REQUIRE(ending != nullptr);
  CAF_CHECK_EQUAL(ending->code, "interrupted");
  CAF_CHECK(ending->temporary);
  CAF_CHECK_EQUAL(open("ann", "t1").last, 3u);
  reopen();
  CAF_CHECK_EQUAL(open("ann", "t1").last, 3u);
}

CAF_TEST(a_run_that_was_only_promised_is_an_orphan_too) {
  const auto log = open("ann", "t1");
  const auto run = run_id::make();
  add(log, {in_run(run, 1, message_accepted{message_id::make(), {}, {"\"hi\""}})});
  reopen();
  const auto next = open("ann", "t1");
  CAF_CHECK_EQUAL(next.last, 2u);
  const auto events = all(next, 2);
  CAF_CHECK(events.back().run_id == run);
  CAF_CHECK(ends_run(events.back().body));
}

CAF_TEST(a_message_without_a_run_leaves_no_orphan) {
  const auto log = open("ann", "t1");
  add(log, {said(1, "hi")});
  CAF_CHECK_EQUAL(open("ann", "t1").last, 1u);
}

CAF_TEST(each_of_the_three_endings_leaves_no_orphan) {
  const std::vector<event_body> endings{agent_completed{}, agent_failed{"upstream", "it broke", false},
                                        agent_cancelled{}};
  for (std::size_t i = 0; i < endings.size(); ++i) {
    const auto thread = "t" + std::to_string(i);
    const auto log = open("ann", thread);
    const auto run = run_id::make();
    add(log, {in_run(run, 1, agent_started{"builtin"}), in_run(run, 2, endings[i])});
    CAF_CHECK_EQUAL(open("ann", thread).last, 2u);
  }
}

CAF_TEST(the_ending_of_an_earlier_run_does_not_end_the_open_one) {
  const auto log = open("ann", "t1");
  const auto earlier = run_id::make();
  const auto open_one = run_id::make();
  add(log, {in_run(open_one, 1, agent_started{"builtin"}), in_run(earlier, 2, agent_completed{})});
  const auto next = open("ann", "t1");
  CAF_CHECK_EQUAL(next.last, 3u);
  CAF_CHECK(all(next, 3).back().run_id == open_one);
}

CAF_TEST(the_victim_of_an_opening_cannot_write_behind_the_ending) {
  const auto victim = open("ann", "t1");
  const auto run = run_id::make();
  add(victim, {in_run(run, 1, agent_started{"builtin"})});
  open("ann", "t1");
  CAF_CHECK(refused(append(victim, {in_run(run, 2, agent_completed{})}), append_refusal::stale_generation));
  CAF_CHECK(refused(append(victim, {in_run(run, 3, agent_completed{})}), append_refusal::stale_generation));
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace gangway::store_tests
