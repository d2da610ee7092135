/// The store's actor in virtual time: what is past is tidied by itself, and a disk that fails is looked at again.
/// (tests/store has it on real threads.)

#define CAF_SUITE store_sweep
#include "tests/actors/fixture.hpp"
#include "tests/store/samples.hpp"
#include "tests/store/temporary_directory.hpp"

using namespace gangway;
using namespace gangway::store_tests;
using namespace std::chrono_literals;

namespace {

struct fixture : test_coordinator_fixture<> {
  fixture() : engine{make_sqlite_engine(directory.file("gangway.db"))} {}

  ~fixture() override {
    anon_send_exit(store_, caf::exit_reason::kill);
    settle();
    sched.clock().cancel_all();
  }

  /// Lets everything happen that needs no time.
  void settle() {
    while (sched.try_run_once()) {
    }
  }

  void start(std::optional<history_rules> history) {
    store_ = sys.spawn(store,
                       std::unique_ptr<log_writer>{std::make_unique<test::failing_writer>(engine->make_writer(), disk)},
                       inspector_actor{}, history);
    reader = engine->make_reader();
    settle();
    auto question = self->request(store_, caf::infinite, open_log{{"ann"}, {"t1"}, at(0)});
    settle();
    question.receive([&](const log_opened& opened) { log = opened; },
                     [](const caf::error&) { CAF_FAIL("the log cannot be opened"); });
  }

  void append(std::vector<thread_event> events) {
    auto question =
        self->request(store_, caf::infinite, append_events{log.log, log.generation, std::move(events), false});
    settle();
    question.receive([](const events_appended&) {}, [](const caf::error&) { CAF_FAIL("nothing was appended"); });
  }

  void elapse(std::chrono::milliseconds time) {
    sched.advance_time(time);
    settle();
  }

  std::size_t left(sequence last) { return reader->read({log.log, 0, last, 1'000'000, 1'000'000'000}).events.size(); }

  /// Returns whether an event was appended.
  bool try_append(sequence seq) {
    auto question =
        self->request(store_, caf::infinite, append_events{log.log, log.generation, {said(seq, "hello")}, false});
    settle();
    bool result = false;
    question.receive([&](const events_appended&) { result = true; },
                     [](const caf::error& reason) { CAF_CHECK(reason == errc::store_unavailable); });
    return result;
  }

  temporary_directory directory;
  std::shared_ptr<test::disk_fault> disk = std::make_shared<test::disk_fault>();
  std::unique_ptr<storage_engine> engine;
  std::unique_ptr<log_reader> reader;
  store_actor store_;
  log_opened log;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(store_sweep_tests, fixture)

CAF_TEST(runs_that_ended_long_enough_ago_are_compacted_by_themselves_once_a_minute) {
  start(history_rules{0ms, 0ms, 0});
  append(whole_run(1));
  elapse(store_state::sweep_pause - 1ms);
  CAF_CHECK_EQUAL(left(10), 10u);
  elapse(1ms);
  CAF_CHECK_EQUAL(left(10), 8u);
  append(whole_run(11));
  // The second look, a moment later, found nothing left: then a minute passes.
  elapse(store_state::piece_pause);
  elapse(store_state::sweep_pause);
  CAF_CHECK_EQUAL(left(20), 16u);
}

CAF_TEST(what_is_much_to_tidy_is_tidied_piece_by_piece) {
  start(history_rules{0ms, 0ms, 0});
  for (sequence run = 0; run < 5; ++run)
    append(whole_run(run * 10 + 1));
  elapse(store_state::sweep_pause);
  CAF_CHECK_EQUAL(left(50), 48u);
  for (std::size_t pieces = 2; pieces <= 5; ++pieces) {
    elapse(store_state::piece_pause);
    CAF_CHECK_EQUAL(left(50), 50 - 2 * pieces);
  }
}

CAF_TEST(without_rules_everything_stays) {
  start(std::nullopt);
  append(whole_run(1));
  elapse(10 * store_state::sweep_pause);
  CAF_CHECK_EQUAL(left(10), 10u);
}

CAF_TEST(a_disk_that_failed_is_tried_once_a_second_and_by_nobody_else) {
  start(std::nullopt);
  disk->fails = true;
  for (int i = 0; i < 5; ++i)
    CAF_CHECK(!try_append(1));
  CAF_CHECK_EQUAL(disk->attempts, 1);
  elapse(store_state::retry_pause);
  CAF_CHECK_EQUAL(disk->attempts, 2);
  disk->fails = false;
  CAF_CHECK(!try_append(1));
  elapse(store_state::retry_pause);
  CAF_CHECK(try_append(1));
}

CAF_TEST(a_database_that_is_damaged_is_written_no_more) {
  start(std::nullopt);
  disk->fails = disk->is_damaged = true;
  CAF_CHECK(!try_append(1));
  disk->fails = false;
  elapse(10 * store_state::retry_pause);
  disk->is_damaged = false;
  elapse(10 * store_state::retry_pause);
  CAF_CHECK(!try_append(1));
}

CAF_TEST(a_database_that_only_looked_damaged_is_written_again) {
  start(std::nullopt);
  disk->fails = disk->looks_damaged = true;
  CAF_CHECK(!try_append(1));
  disk->fails = false;
  elapse(store_state::retry_pause);
  CAF_CHECK(try_append(1));
}

CAF_TEST(what_looked_damaged_to_a_reader_is_examined_before_it_is_written_again) {
  start(std::nullopt);
  anon_send(store_, examine{"a page is damaged"});
  CAF_CHECK(!try_append(1));
  elapse(store_state::retry_pause);
  CAF_CHECK(try_append(1));
  disk->is_damaged = true;
  anon_send(store_, examine{"a page is damaged"});
  settle();
  elapse(store_state::retry_pause);
  disk->is_damaged = false;
  elapse(10 * store_state::retry_pause);
  CAF_CHECK(!try_append(2));
}

// The commit of what had gathered was once taken for the all-clear.
CAF_TEST(damage_is_looked_for_though_what_had_gathered_can_be_written) {
  start(std::nullopt);
  disk->is_damaged = true;
  self->send(store_, append_events{log.log, log.generation, {said(1, "hello")}, false});
  anon_send(store_, examine{"a page is damaged"});
  settle();
  elapse(store_state::retry_pause);
  disk->is_damaged = false;
  elapse(10 * store_state::retry_pause);
  CAF_CHECK(!try_append(2));
}

CAF_TEST_FIXTURE_SCOPE_END()
