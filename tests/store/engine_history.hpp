#pragma once

/// What any storage engine must do with the past: compact it, shorten it, erase it. A part of engine_conformance.hpp,
/// which includes it.

namespace gangway::store_tests {

/// An engine, and the short form of tidying.
struct engine_with_past : opened_engine {
  /// Tidies until there is nothing left to do; returns in how many pieces.
  int tidy(const history_rules& rules, utc_time now) {
    int pieces = 0;
    while (in_transaction([&] { return writer->tidy(rules, now); }))
      CAF_REQUIRE(++pieces < 1000);
    return pieces;
  }

  /// Appends a run that says so many words, the last event at that time; returns the last seq.
  sequence add_run(const log_opened& log, sequence first, int words, utc_time end, const std::string& client_id = "") {
    const auto run = run_id::make();
    const auto answer = message_id::make();
    std::vector<thread_event> events;
    const auto push = [&](event_body body) { events.push_back({first++, run, end, std::move(body)}); };
    push(message_accepted{message_id::make(), client_id.empty() ? std::nullopt : std::optional{client_id}, {"\"hi\""}});
    push(agent_started{"builtin"});
    push(message_started{answer, "assistant"});
    std::string whole;
    for (int i = 0; i < words; ++i) {
      const auto word = "word" + std::to_string(i) + " ";
      push(message_delta{answer, word});
      whole += word;
    }
    push(message_completed{answer, whole});
    push(agent_completed{});
    add(log, events);
    return first - 1;
  }

  log_read read(const log_opened& log, sequence after, sequence last) {
    return reader->read({log.log, after, last, 1'000'000, 1'000'000'000});
  }

  bool is_there(const std::string& user, const std::string& thread) {
    const auto all = reader->threads(threads_of(user)).threads;
    return std::any_of(all.begin(), all.end(), [&](const auto& one) { return one.thread_id.value == thread; });
  }
};

constexpr history_rules only_compact{std::chrono::milliseconds{1000}, std::chrono::milliseconds{0}, 0};
constexpr history_rules a_second_old{std::chrono::hours{24}, std::chrono::milliseconds{1000}, 0};

CAF_TEST_FIXTURE_SCOPE(engine_history, engine_with_past)

// -- compaction ----------------------------------------------------------------------------------

CAF_TEST(a_run_stays_whole_for_its_time_and_loses_its_deltas_after_it) {
  const auto log = open("ann", "t1");
  const auto last = add_run(log, 1, 3, at(0));
  const auto whole = all(log, last);
  CAF_CHECK_EQUAL(tidy(only_compact, at(1000)), 0);
  CAF_CHECK(all(log, last) == whole);
  CAF_CHECK(tidy(only_compact, at(1001)) > 0);
  const auto left = all(log, last);
  CAF_REQUIRE_EQUAL(left.size(), 5u);
  CAF_CHECK(left[2] == whole[2]);
  CAF_CHECK(left[3].body == whole[6].body);
  CAF_CHECK_EQUAL(left[3].seq, 7u);
  CAF_CHECK(left[3].first_seq == sequence{4});
  CAF_CHECK(left[4] == whole[7]);
  CAF_CHECK_EQUAL(tidy(only_compact, at(1001)), 0);
}

CAF_TEST(from_every_position_to_every_other_a_compacted_log_is_read_without_a_hole) {
  const auto log = open("ann", "t1");
  auto last = add_run(log, 1, 4, at(0));
  last = add_run(log, last + 1, 0, at(0));
  last = add_run(log, last + 1, 1, at(0));
  tidy(only_compact, at(2000));
  for (sequence after = 0; after <= last; ++after)
    for (auto to = after; to <= last; ++to) {
      const auto page = read(log, after, to);
      CAF_REQUIRE(page.complete);
      auto reached = after;
      for (const auto& event : page.events) {
        CAF_REQUIRE(reached < to);
        CAF_REQUIRE_EQUAL(event.first_seq.value_or(event.seq), reached + 1);
        reached = event.seq;
      }
      CAF_REQUIRE(reached >= to);
    }
}

CAF_TEST(what_is_compacted_is_counted_as_what_is_left_of_it) {
  const auto log = open("ann", "t1");
  const auto last = add_run(log, 1, 50, at(0));
  CAF_CHECK(!reader->read({log.log, 0, last, 6, 1'000'000}).complete);
  tidy(only_compact, at(2000));
  CAF_CHECK(reader->read({log.log, 0, last, 5, 1'000'000}).complete);
  CAF_CHECK(!reader->read({log.log, 0, last, 4, 1'000'000}).complete);
}

CAF_TEST(deltas_of_a_message_that_was_never_completed_stay) {
  const auto log = open("ann", "t1");
  const auto run = run_id::make();
  const auto answer = message_id::make();
  add(log, {in_run(run, 1, agent_started{"builtin"}), in_run(run, 2, message_started{answer, "assistant"}),
            in_run(run, 3, message_delta{answer, "half a"}), in_run(run, 4, agent_cancelled{})});
  const auto whole = all(log, 4);
  tidy(only_compact, at(2000));
  CAF_CHECK(all(log, 4) == whole);
}

CAF_TEST(a_run_that_has_not_ended_stays_whole_though_its_message_has) {
  const auto log = open("ann", "t1");
  const auto run = run_id::make();
  const auto answer = message_id::make();
  add(log, {in_run(run, 1, agent_started{"builtin"}), in_run(run, 2, message_started{answer, "assistant"}),
            in_run(run, 3, message_delta{answer, "all"}), in_run(run, 4, message_completed{answer, "all"})});
  CAF_CHECK_EQUAL(tidy(only_compact, at(1'000'000)), 0);
  add(log, {in_run(run, 5, agent_completed{})});
  CAF_CHECK(tidy(only_compact, at(1'000'000)) > 0);
  CAF_CHECK_EQUAL(all(log, 5).size(), 4u);
}

CAF_TEST(a_long_run_is_compacted_in_pieces_and_is_readable_between_them) {
  const auto log = open("ann", "t1");
  const auto last = add_run(log, 1, 1300, at(0));
  std::vector<std::size_t> left{all(log, last).size()};
  while (in_transaction([&] { return writer->tidy(only_compact, at(2000)); })) {
    left.push_back(all(log, last).size());
    CAF_CHECK(left[left.size() - 2] - left.back() <= 500);
    CAF_CHECK(read(log, 700, last).complete);
  }
  CAF_CHECK(left.size() > 3);
  CAF_CHECK_EQUAL(left.back(), 5u);
}

CAF_TEST(compaction_is_kept_by_a_restart_and_appending_goes_on_behind_it) {
  const auto log = open("ann", "t1");
  const auto last = add_run(log, 1, 10, at(0));
  tidy(only_compact, at(2000));
  reopen();
  const auto again = open("ann", "t1");
  CAF_CHECK_EQUAL(again.epoch, log.epoch);
  CAF_CHECK_EQUAL(again.last, last);
  add(again, {said(last + 1, "more")});
  CAF_CHECK(read(again, 5, last + 1).complete);
}

// -- age and size --------------------------------------------------------------------------------

CAF_TEST(runs_are_kept_for_their_age_and_not_a_millisecond_longer) {
  const auto log = open("ann", "t1");
  const auto first = add_run(log, 1, 3, at(0), "c1");
  const auto last = add_run(log, first + 1, 3, at(1), "c2");
  CAF_CHECK_EQUAL(tidy(a_second_old, at(1000)), 0);
  CAF_CHECK(tidy(a_second_old, at(1001)) > 0);
  CAF_CHECK(!read(log, 0, last).complete);
  CAF_CHECK(!read(log, first - 1, last).complete);
  CAF_CHECK_EQUAL(read(log, first, last).events.size(), last - first);
  CAF_CHECK_EQUAL(reader->messages({log.log}).messages.size(), 2u);
  CAF_CHECK(!reader->find({log.log, "c1"}).answer);
  CAF_CHECK(reader->find({log.log, "c2"}).answer);
  add(log, {said(last + 1, "more")});
}

CAF_TEST(a_thread_of_which_nothing_is_left_is_erased_and_one_in_use_is_not) {
  const auto over = open("ann", "over");
  add_run(over, 1, 3, at(0));
  const auto asked = open("ann", "asked");
  add(asked, {said(add_run(asked, 1, 3, at(0)) + 1, "and?")});
  const auto working = open("ann", "working");
  add(working, {in_run(run_id::make(), add_run(working, 1, 3, at(0)) + 1, agent_started{"builtin"})});
  tidy(a_second_old, at(5000));
  CAF_CHECK(!is_there("ann", "over"));
  CAF_CHECK(is_there("ann", "asked"));
  CAF_CHECK(is_there("ann", "working"));
  CAF_CHECK(refused(append(over, {said(9, "late")}), append_refusal::stale_generation));
}

CAF_TEST(zero_means_that_nothing_is_too_old_or_too_big) {
  const auto log = open("ann", "t1");
  const auto last = add_run(log, 1, 3, at(0));
  CAF_CHECK_EQUAL(tidy({std::chrono::hours{24 * 365 * 100}, {}, 0}, at(1'000'000'000)), 0);
  CAF_CHECK(read(log, 0, last).complete);
}

CAF_TEST(the_oldest_runs_of_a_thread_that_is_too_big_go_and_the_newest_stays_however_big) {
  const auto big = open("ann", "big");
  auto last = add_run(big, 1, 100, at(0));
  const auto first = last;
  last = add_run(big, last + 1, 100, at(0));
  const auto small = open("ann", "small");
  const auto all_of_it = add_run(small, 1, 3, at(0));
  tidy({std::chrono::hours{24}, {}, 5000}, at(1));
  CAF_CHECK(!read(big, first - 1, last).complete);
  CAF_CHECK_EQUAL(read(big, first, last).events.size(), last - first);
  CAF_CHECK(read(small, 0, all_of_it).complete);
  CAF_CHECK_EQUAL(tidy({std::chrono::hours{24}, {}, 1}, at(1)), 0);
}

CAF_TEST(a_thread_that_fits_after_its_deltas_were_compacted_keeps_its_runs) {
  const auto log = open("ann", "t1");
  auto last = add_run(log, 1, 100, at(0));
  last = add_run(log, last + 1, 100, at(0));
  tidy(only_compact, at(2000));
  CAF_CHECK_EQUAL(tidy({std::chrono::hours{24}, {}, 8000}, at(2000)), 0);
  CAF_CHECK(read(log, 0, last).complete);
}

CAF_TEST(a_long_run_is_forgotten_in_pieces_from_its_begin) {
  const auto log = open("ann", "t1");
  const auto first = add_run(log, 1, 1200, at(0));
  const auto last = add_run(log, first + 1, 1, at(5000));
  CAF_CHECK(in_transaction([&] { return writer->tidy(a_second_old, at(5000)); }));
  CAF_CHECK(read(log, 500, last).complete);
  CAF_CHECK(!read(log, 499, last).complete);
  CAF_CHECK_EQUAL(tidy(a_second_old, at(5000)), 2);
  CAF_CHECK(!read(log, first - 1, last).complete);
  CAF_CHECK(read(log, first, last).complete);
}

// -- erasure -------------------------------------------------------------------------------------

CAF_TEST(an_erased_thread_leaves_nothing_and_begins_anew) {
  const auto log = open("ann", "t1");
  add_run(log, 1, 3, at(0), "c1");
  const auto other = open("ann", "t2");
  const auto last = add_run(other, 1, 3, at(0));
  CAF_CHECK(in_transaction([&] { return writer->erase({"ann"}, {"t1"}); }));
  CAF_CHECK(!in_transaction([&] { return writer->erase({"ann"}, {"t1"}); }));
  CAF_CHECK(!in_transaction([&] { return writer->erase({"bob"}, {"t2"}); }));
  CAF_CHECK(!is_there("ann", "t1"));
  CAF_CHECK(!read(log, 0, 1).complete);
  CAF_CHECK(read(log, 0, 1).events.empty());
  CAF_CHECK(reader->messages({log.log}).messages.empty());
  CAF_CHECK(found(log, "word").empty());
  CAF_CHECK(!reader->find({log.log, "c1"}).answer);
  CAF_CHECK(refused(append(log, {said(9, "late")}), append_refusal::stale_generation));
  CAF_CHECK(read(other, 0, last).complete);
  const auto again = open("ann", "t1");
  CAF_CHECK(again.log != log.log);
  CAF_CHECK(again.epoch != log.epoch);
  CAF_CHECK_EQUAL(again.last, 0u);
}

CAF_TEST(an_erased_user_leaves_no_thread_and_no_decision_and_others_lose_none) {
  add_run(open("ann", "t1"), 1, 3, at(0));
  add_run(open("ann", "t2"), 1, 3, at(0));
  const auto bobs = open("bob", "t1");
  const auto last = add_run(bobs, 1, 3, at(0));
  in_transaction([&] {
    writer->record(decided("ann", at(1), {"m1"}, "1"));
    writer->record(decided("bob", at(1), {"m2"}, "2"));
    return 0;
  });
  CAF_CHECK_EQUAL(in_transaction([&] { return writer->erase(user_id{"ann"}); }), 2u);
  CAF_CHECK_EQUAL(in_transaction([&] { return writer->erase(user_id{"ann"}); }), 0u);
  CAF_CHECK(reader->threads(threads_of("ann")).threads.empty());
  CAF_CHECK(reader->decisions({.user = user_id{"ann"}}).decisions.empty());
  CAF_CHECK(reader->decisions({.subject = "m1"}).decisions.empty());
  CAF_CHECK(bodies(reader->decisions({})) == (std::vector<std::string>{"2"}));
  CAF_CHECK(read(bobs, 0, last).complete);
}

CAF_TEST(an_erasure_that_is_rolled_back_has_not_happened) {
  const auto log = open("ann", "t1");
  const auto last = add_run(log, 1, 3, at(0));
  writer->begin(false);
  writer->erase({"ann"}, {"t1"});
  writer->roll_back();
  CAF_CHECK(read(log, 0, last).complete);
  CAF_CHECK(is_there("ann", "t1"));
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace gangway::store_tests
