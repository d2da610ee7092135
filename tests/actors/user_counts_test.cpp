/// What a user reports to be counted: how threads were opened, and how runs ended. tidy: allow (a part of user_threads)

#define CAF_SUITE user_counts
#include "tests/actors/ladder_fixture.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct fixture : ladder_fixture {
  fixture() {
    rules.cleanup.start_ratio = 1;
    services->spawn_manager = [this, spawn = services->spawn_manager](caf::local_actor* parent, user_actor owner,
                                                                      manager_identity identity) {
      return last_manager = spawn(parent, std::move(owner), std::move(identity));
    };
  }

  void close(client& who, const std::string& thread) {
    CAF_CHECK(who.ask({{"type", "thread.close"}, {"thread_id", thread}}).contains("result"));
  }

  static json resume(const std::string& thread, const json& epoch, std::uint64_t after) {
    return {{"type", "thread.open"}, {"thread_id", thread}, {"epoch", epoch}, {"after_seq", after}};
  }

  using outcomes = std::array<std::uint64_t, run_outcomes>;

  manager_actor last_manager; ///< that was started

  /// How often runs of the only agent completed, failed, were cancelled, were interrupted.
  outcomes runs() { return counted().runs["builtin"]; }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(user_counts_tests, fixture)

CAF_TEST(an_open_is_counted_by_what_its_client_got) {
  using results = std::array<std::uint64_t, resume_results>;
  auto ada = arrive("ada");
  const auto epoch = json(ada.ask(open("t1"))["result"]["epoch"]);
  CAF_CHECK(counted().resumes == (results{0, 0, 1}));
  ada.ask(message("t1", "hello"));
  elapse(5s);
  const sequence last = ada.take_events().back()["seq"];
  for (const auto after : {std::uint64_t{0}, last})
    CAF_CHECK_EQUAL(json(arrive("ada").ask(resume("t1", epoch, after))["result"]["resumed"]), true);
  CAF_CHECK(counted().resumes == (results{2, 0, 1}));
  // Ahead of the log, or of another log.
  CAF_CHECK_EQUAL(json(arrive("ada").ask(resume("t1", epoch, last + 1))["result"]["resumed"]), false);
  CAF_CHECK_EQUAL(json(arrive("ada").ask(resume("t1", "another", 0))["result"]["resumed"]), false);
  CAF_CHECK(counted().resumes == (results{2, 2, 1}));
  arrive("ada").ask(open("t1"));
  CAF_CHECK(counted().resumes == (results{2, 2, 2}));
}

CAF_TEST(only_an_open_that_is_granted_is_counted_as_one) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  const auto before = counted().resumes;
  CAF_CHECK(ada.ask({{"type", "thread.history"}, {"thread_id", "t1"}}).contains("result"));
  CAF_CHECK(ada.ask(message("t1", "hello")).contains("result"));
  // Closed while its snapshot is being read.
  auto too = arrive("ada");
  const auto request = too.post(open("t1"));
  close(too, "t1");
  CAF_CHECK(too.take_reply(request).contains("error"));
  CAF_CHECK(counted().resumes == before);
}

CAF_TEST(a_run_is_counted_when_it_has_ended_by_how_it_ended) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 3);
  ada.ask(message("t1", "hello"));
  CAF_CHECK(runs() == outcomes{});
  elapse(5s);
  CAF_CHECK(runs() == (outcomes{1, 0, 0, 0}));
  const auto run = json(ada.ask(message("t2", "/stream 100000 1"))["result"]["run_id"]);
  ada.ask({{"type", "run.cancel"}, {"thread_id", "t2"}, {"run_id", run}});
  CAF_CHECK(runs() == (outcomes{1, 0, 1, 0}));
  begin_run(ada, "t3");
  const auto failing = manager_of(ada, "t3").run;
  caf::anon_send(last_manager, run_produced{*failing, {agent_failed{"upstream", "it gave up", true}}});
  settle();
  CAF_CHECK(runs() == (outcomes{1, 1, 1, 0}));
  CAF_CHECK_EQUAL(counted().first_event_time.count(), 3u);
}

CAF_TEST(a_run_whose_manager_is_let_go_is_counted_as_interrupted_once) {
  rules.managers_max = 1;
  rules.run.stall_after = 1s;
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  ada.ask(message("t1", "/stream 100 0.1"));
  elapse(15s, 100ms);
  CAF_REQUIRE(wait_for(ada, open("t2")).contains("result"));
  elapse(2 * rules.retire_timeout, 100ms);
  CAF_CHECK(runs() == (outcomes{0, 0, 0, 1}));
}

CAF_TEST(a_run_whose_manager_is_killed_is_counted_as_interrupted_once) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  begin_run(ada, "t1");
  caf::anon_send_exit(last_manager, caf::exit_reason::kill);
  settle();
  CAF_CHECK(runs() == (outcomes{0, 0, 0, 1}));
  // Its successor closes the run in the log, which is no other run.
  CAF_CHECK(ada.ask(open("t1")).contains("result"));
  elapse(5s);
  CAF_CHECK(runs() == (outcomes{0, 0, 0, 1}));
  // What it brought before is not known any longer.
  CAF_CHECK_EQUAL(counted().first_event_time.count(), 0u);
}

CAF_TEST(a_manager_that_is_killed_after_its_run_takes_no_run_with_it) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  ada.ask(message("t1", "hello"));
  elapse(5s);
  caf::anon_send_exit(last_manager, caf::exit_reason::kill);
  settle();
  CAF_CHECK(runs() == (outcomes{1, 0, 0, 0}));
}

CAF_TEST(the_first_event_of_a_run_is_timed_from_its_start) {
  auto ada = arrive("ada");
  open_threads(ada, 1, 1);
  ada.whisper(message("t1", "hello"));
  // Every step takes a millisecond: from the run's start to what its agent brings first there are some.
  while (sched.try_run_once())
    sched.advance_time(1ms);
  elapse(5s);
  const auto time = counted().first_event_time;
  CAF_CHECK_EQUAL(time.count(), 1u);
  CAF_CHECK(time.sum >= 1ms);
  CAF_CHECK(time.sum <= 20ms);
}

CAF_TEST_FIXTURE_SCOPE_END()
