/// The store's two actors, on a real database file and real threads.

#define CAF_SUITE store_actor

#include <future>
#include <queue>
#include <utility>

#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "actors/store.hpp"
#include "actors/store_reader.hpp"
#include "tests/store/logged_lines.hpp"
#include "tests/store/samples.hpp"
#include "tests/store/temporary_directory.hpp"

namespace gangway::store_tests {

namespace {

/// A door in the disk: a begin or a commit says that it has come to it and waits until it is opened.
struct gate {
  std::promise<void> reached;
  std::promise<void> opened;
};

/// A real writer whose transactions are counted, whose first one can be held, and whose disk can be full.
class watched_writer final : public log_writer {
public:
  struct watch {
    int transactions = 0;
    int durable_ones = 0;
    std::optional<gate> first_begin;
    std::optional<gate> first_commit;
    std::queue<bool> disk_full; ///< of each of the next commits
  };

  watched_writer(std::unique_ptr<log_writer> real, std::shared_ptr<watch> watching)
      : real_{std::move(real)}, watch_{std::move(watching)} {}

  void begin(bool durable) override {
    ++watch_->transactions;
    watch_->durable_ones += durable;
    if (watch_->transactions == 1) wait_at(watch_->first_begin);
    real_->begin(durable);
  }

  void touch() override { real_->touch(); }
  void examine() override { real_->examine(); }

  void commit() override {
    if (watch_->transactions == 1) wait_at(watch_->first_commit);
    if (!watch_->disk_full.empty()) {
      const auto full = watch_->disk_full.front();
      watch_->disk_full.pop();
      if (full) throw storage_error{"the disk is full"};
    }
    real_->commit();
  }

  void roll_back() noexcept override { real_->roll_back(); }
  log_opened open(const open_log& what) override { return real_->open(what); }
  std::variant<events_appended, append_refusal> append(const append_events& what) override {
    return real_->append(what);
  }
  void record(const decision_row& what) override { real_->record(what); }
  bool tidy(const history_rules& rules, utc_time now) override { return real_->tidy(rules, now); }
  bool erase(const user_id& user, const thread_id& thread) override { return real_->erase(user, thread); }
  std::size_t erase(const user_id& user) override { return real_->erase(user); }

private:
  static void wait_at(std::optional<gate>& door) {
    if (!door) return;
    door->reached.set_value();
    door->opened.get_future().wait();
  }

  std::unique_ptr<log_writer> real_;
  std::shared_ptr<watch> watch_;
};

/// A reader whose database went away.
class blind_reader final : public log_reader {
public:
  log_read read(const read_log&) override { fail(); }
  messages_page messages(const get_messages&) override { fail(); }
  threads_page threads(const get_threads&) override { fail(); }
  message_found find(const find_message&) override { fail(); }
  search_piece search(const search_messages&, sequence) override { fail(); }
  std::optional<user_id> owner_of(log_id) override { fail(); }
  decisions_page decisions(const get_decisions&) override { fail(); }
  void note_ahead(log_id) override { fail(); }

private:
  [[noreturn]] static void fail() { throw storage_error{"the disk is gone"}; }
};

/// Returns a decision that cost somebody a thread.
decision decided_at(std::int64_t milliseconds) {
  decision result;
  result.id = decision_id::make();
  result.user = {"ann"};
  result.time = at(milliseconds);
  result.evictions = {{manager_id::make(), {"a thread of hers"}, {}, {}, eviction_reason::idle, {}}};
  return result;
}

/// Returns what the records of these say.
std::vector<std::string> bodies(const std::vector<decision>& all) {
  std::vector<std::string> result;
  for (const auto& made : all)
    result.push_back(encode(made).value);
  return result;
}

struct actor_fixture {
  actor_fixture() : engine{make_sqlite_engine(directory.file("gangway.db"))}, self{system} {}

  ~actor_fixture() {
    self->send_exit(writer, caf::exit_reason::kill);
    self->send_exit(reader, caf::exit_reason::kill);
    self->wait_for(writer, reader);
  }

  /// Starts both actors; `self` is the inspector.
  void start() {
    writer = system.spawn<caf::detached>(
        store, std::unique_ptr<log_writer>{std::make_unique<watched_writer>(engine->make_writer(), watching)},
        caf::actor_cast<inspector_actor>(self), std::nullopt);
    reader = system.spawn<caf::detached>(store_reader, engine->make_reader(), writer);
    CAF_CHECK_EQUAL(next_report(), "");
  }

  /// Returns the reason that the inspector is told next.
  std::string next_report() {
    std::string result;
    self->receive([&](const component_changed& report) {
      CAF_CHECK_EQUAL(report.component, "store");
      result = report.reason;
    });
    return result;
  }

  template <class Answer, class Actor, class Question>
  caf::expected<Answer> ask(const Actor& whom, Question question) {
    caf::expected<Answer> result = caf::sec::none;
    self->request(whom, caf::infinite, std::move(question))
        .receive([&](Answer& answer) { result = std::move(answer); }, [&](caf::error& error) { result = error; });
    return result;
  }

  log_opened open(const std::string& thread) { return *ask<log_opened>(writer, open_log{{"ann"}, {thread}, at(0)}); }

  append_events one(const log_opened& log, sequence seq, bool durable = false) {
    return {log.log, log.generation, {said(seq, "message " + std::to_string(seq))}, durable};
  }

  store_measures counted() { return ask<store_measured>(writer, get_store_measures{})->counted; }

  temporary_directory directory;
  std::unique_ptr<storage_engine> engine;
  std::shared_ptr<watched_writer::watch> watching = std::make_shared<watched_writer::watch>();
  caf::actor_system_config config;
  caf::actor_system system{config};
  caf::scoped_actor self;
  store_actor writer;
  store_reader_actor reader;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(store_actors, actor_fixture)

CAF_TEST(what_the_store_has_answered_the_reader_reads) {
  start();
  const auto log = open("t1");
  const auto events = whole_run(1);
  const auto last = ask<events_appended>(writer, append_events{log.log, log.generation, events, true});
  CAF_REQUIRE(last);
  CAF_CHECK_EQUAL(last->last, events.size());
  CAF_CHECK(ask<log_read>(reader, read_log{log.log, 0, events.size()})->events == events);
  CAF_CHECK_EQUAL(ask<messages_page>(reader, get_messages{log.log})->messages.size(), 2u);
  CAF_CHECK(ask<message_found>(reader, find_message{log.log, "c1"})->answer.has_value());
  CAF_CHECK_EQUAL(ask<messages_page>(reader, search_messages{log.log, "84"})->messages.size(), 1u);
  CAF_CHECK(names(*ask<threads_page>(reader, threads_of("ann"))) == (std::vector<std::string>{"t1"}));
}

CAF_TEST(what_gathers_during_a_commit_is_committed_together_and_answered_in_order) {
  watching->first_commit.emplace();
  start();
  self->send(writer, open_log{{"ann"}, {"t1"}, at(0)});
  watching->first_commit->reached.get_future().wait();
  // A new log is log 1 at generation 1; nobody else is here.
  constexpr sequence many = 500;
  for (sequence seq = 1; seq <= many; ++seq)
    self->send(writer, one({1, 1, {}, 0}, seq));
  watching->first_commit->opened.set_value();
  self->receive([](const log_opened& log) { CAF_CHECK_EQUAL(log.log, 1); });
  for (sequence seq = 1; seq <= many; ++seq)
    self->receive([&](const events_appended& answer) { CAF_CHECK_EQUAL(answer.last, seq); });
  CAF_CHECK_EQUAL(watching->transactions, 2);
  CAF_CHECK_EQUAL(watching->durable_ones, 0);
}

CAF_TEST(a_batch_is_bounded) {
  watching->first_commit.emplace();
  start();
  self->send(writer, open_log{{"ann"}, {"t1"}, at(0)});
  watching->first_commit->reached.get_future().wait();
  constexpr sequence many = 2001;
  for (sequence seq = 1; seq <= many; ++seq)
    self->send(writer, one({1, 1, {}, 0}, seq));
  watching->first_commit->opened.set_value();
  self->receive([](const log_opened&) {});
  for (sequence seq = 1; seq <= many; ++seq)
    self->receive([](const events_appended&) {});
  CAF_CHECK_EQUAL(watching->transactions, 4);
}

CAF_TEST(one_durable_request_makes_its_batch_durable) {
  start();
  const auto log = open("t1");
  CAF_CHECK(ask<events_appended>(writer, one(log, 1, false)));
  CAF_CHECK_EQUAL(watching->durable_ones, 0);
  CAF_CHECK(ask<events_appended>(writer, one(log, 2, true)));
  CAF_CHECK_EQUAL(watching->durable_ones, 1);
}

CAF_TEST(a_refusal_is_told_to_its_asker_and_disturbs_nobody_else) {
  watching->first_commit.emplace();
  start();
  self->send(writer, open_log{{"ann"}, {"t1"}, at(0)});
  watching->first_commit->reached.get_future().wait();
  const log_opened log{1, 1, {}, 0};
  const auto first = self->request(writer, caf::infinite, one(log, 1));
  const auto gap = self->request(writer, caf::infinite, one(log, 3));
  const auto stale = self->request(writer, caf::infinite, one({1, 7, {}, 0}, 2));
  const auto second = self->request(writer, caf::infinite, one(log, 2));
  watching->first_commit->opened.set_value();
  const auto answer_of = [&](auto request) {
    caf::expected<events_appended> result = caf::sec::none;
    request.receive([&](const events_appended& answer) { result = answer; },
                    [&](const caf::error& error) { result = error; });
    return result;
  };
  CAF_CHECK(answer_of(first) == events_appended{1});
  CAF_CHECK(answer_of(gap).error() == errc::sequence_gap);
  CAF_CHECK(answer_of(stale).error() == errc::stale_generation);
  CAF_CHECK(answer_of(second) == events_appended{2});
  CAF_CHECK_EQUAL(watching->transactions, 2);
}

CAF_TEST(a_full_disk_fails_everybody_without_another_try_and_the_store_goes_on_when_there_is_space) {
  start();
  const auto log = open("t1");
  // The append, and the store's own look a second later.
  watching->disk_full.push(true);
  watching->disk_full.push(true);
  CAF_CHECK(ask<events_appended>(writer, one(log, 1)).error() == errc::store_unavailable);
  CAF_CHECK_EQUAL(next_report(), "the disk is full");
  const auto tried = watching->transactions;
  CAF_CHECK(ask<log_opened>(writer, open_log{{"ann"}, {"t2"}, at(0)}).error() == errc::store_unavailable);
  CAF_CHECK(ask<events_appended>(writer, one(log, 1)).error() == errc::store_unavailable);
  CAF_CHECK(ask<history_erased>(writer, erase_history{{"ann"}, {}}).error() == errc::store_unavailable);
  CAF_CHECK_EQUAL(watching->transactions, tried);
  // Told when it changed, not each time.
  CAF_CHECK_EQUAL(next_report(), "");
  CAF_CHECK(ask<events_appended>(writer, one(log, 1)) == events_appended{1});
  CAF_CHECK(ask<threads_page>(reader, threads_of("ann"))->threads.size() == 1);
}

CAF_TEST(of_a_batch_that_alternates_bad_and_good_every_good_one_is_written) {
  watching->first_commit.emplace();
  start();
  self->send(writer, open_log{{"ann"}, {"t1"}, at(0)});
  watching->first_commit->reached.get_future().wait();
  // More bad ones than would be taken for a broken store if they came in a row.
  constexpr int pairs = 6;
  for (int i = 0; i < 2 * pairs; ++i)
    self->send(writer, open_log{{"ann"}, {"more" + std::to_string(i)}, at(0)});
  watching->disk_full = {};
  watching->disk_full.push(false); // the first
  watching->disk_full.push(true);  // all of the batch
  for (int i = 0; i < pairs; ++i) {
    watching->disk_full.push(true);
    watching->disk_full.push(false);
  }
  watching->first_commit->opened.set_value();
  self->receive([](const log_opened&) {});
  int written = 0;
  int refused = 0;
  for (int i = 0; i < 2 * pairs; ++i)
    self->receive([&](const log_opened&) { ++written; }, [&](const caf::error&) { ++refused; });
  CAF_CHECK_EQUAL(written, pairs);
  CAF_CHECK_EQUAL(refused, pairs);
  CAF_CHECK_EQUAL(names(*ask<threads_page>(reader, threads_of("ann"))).size(), 1u + pairs);
}

CAF_TEST(what_is_erased_is_gone_and_its_writer_is_stale) {
  start();
  const auto log = open("t1");
  open("t2");
  CAF_CHECK(ask<events_appended>(writer, one(log, 1)) == events_appended{1});
  CAF_CHECK(ask<history_erased>(writer, erase_history{{"ann"}, thread_id{"t1"}}) == history_erased{1});
  CAF_CHECK(ask<history_erased>(writer, erase_history{{"ann"}, thread_id{"t1"}}) == history_erased{0});
  CAF_CHECK(ask<events_appended>(writer, one(log, 2)).error() == errc::stale_generation);
  CAF_CHECK(ask<history_erased>(writer, erase_history{{"ann"}, {}}) == history_erased{1});
  CAF_CHECK(ask<threads_page>(reader, threads_of("ann"))->threads.empty());
  // It is on the disk before anybody is told.
  CAF_CHECK_EQUAL(watching->durable_ones, 3);
}

CAF_TEST(a_retired_store_has_written_what_it_was_given) {
  start();
  const auto log = open("t1");
  for (sequence seq = 1; seq <= 100; ++seq)
    self->send(writer, one(log, seq));
  self->send(writer, retire{});
  self->wait_for(writer);
  for (sequence seq = 1; seq <= 100; ++seq)
    self->receive([&](const events_appended& answer) { CAF_CHECK_EQUAL(answer.last, seq); });
  CAF_CHECK(ask<log_read>(reader, read_log{log.log, 0, 100})->complete);
}

// -- what it counts ------------------------------------------------------------------------------

CAF_TEST(a_batch_that_is_committed_is_counted_with_its_events) {
  watching->first_commit.emplace();
  start();
  CAF_CHECK(counted() == store_measures{});
  self->send(writer, open_log{{"ann"}, {"t1"}, at(0)});
  watching->first_commit->reached.get_future().wait();
  const log_opened log{1, 1, {}, 0};
  self->send(writer, append_events{1, 1, {said(1, "one"), said(2, "two"), said(3, "three")}, false});
  self->send(writer, one(log, 4));
  self->send(writer, record_decision{decided_at(1)});
  auto refused = self->request(writer, caf::infinite, one(log, 9));
  watching->first_commit->opened.set_value();
  refused.receive([](const events_appended&) { CAF_FAIL("it leaves a gap"); }, [](const caf::error&) {});
  const auto all = counted();
  CAF_CHECK_EQUAL(watching->transactions, 2);
  CAF_CHECK_EQUAL(all.commit_time.count(), 2u);
  // The open without an event, then the four that are not refused.
  count_histogram expected;
  expected.observe(0);
  expected.observe(4);
  CAF_CHECK(all.batch_events == expected);
}

CAF_TEST(a_commit_is_timed_from_its_begin_to_its_end) {
  using clock = std::chrono::steady_clock;
  watching->first_begin.emplace();
  watching->first_commit.emplace();
  start();
  self->send(writer, open_log{{"ann"}, {"t1"}, at(0)});
  // What passes at each door is part of it.
  const auto pass = [](gate& door) {
    door.reached.get_future().wait();
    const auto begun = clock::now();
    while (clock::now() - begun < std::chrono::milliseconds{2}) {
    }
    door.opened.set_value();
  };
  const auto begun = clock::now();
  pass(*watching->first_begin);
  pass(*watching->first_commit);
  self->receive([](const log_opened&) {});
  const auto took = counted().commit_time.sum;
  CAF_CHECK(took >= std::chrono::milliseconds{4});
  CAF_CHECK(took <= clock::now() - begun);
}

CAF_TEST(a_batch_that_is_not_committed_is_not_counted) {
  start();
  const auto log = open("t1");
  const auto before = counted();
  watching->disk_full.push(true);
  CAF_CHECK(ask<events_appended>(writer, one(log, 1)).error() == errc::store_unavailable);
  CAF_CHECK_EQUAL(next_report(), "the disk is full");
  CAF_CHECK(counted() == before);
  CAF_CHECK_EQUAL(next_report(), "");
  CAF_CHECK(ask<events_appended>(writer, one(log, 1)));
  CAF_CHECK_EQUAL(counted().commit_time.count(), before.commit_time.count() + 1);
}

// -- decisions -----------------------------------------------------------------------------------

CAF_TEST(a_decision_is_written_though_nobody_waits_for_it_and_costs_no_sync) {
  start();
  const auto made = decided_at(1);
  self->send(writer, record_decision{made});
  self->send(writer, retire{});
  self->wait_for(writer);
  CAF_CHECK_EQUAL(watching->transactions, 1);
  CAF_CHECK_EQUAL(watching->durable_ones, 0);
  const auto subject = to_string(made.evictions[0].manager);
  CAF_CHECK(bodies(*ask<decisions_page>(reader, get_decisions{.subject = subject})) == bodies({made}));
}

CAF_TEST(decisions_join_the_batch_of_the_others) {
  watching->first_commit.emplace();
  start();
  self->send(writer, open_log{{"ann"}, {"t1"}, at(0)});
  watching->first_commit->reached.get_future().wait();
  const auto first = decided_at(1);
  const auto second = decided_at(2);
  self->send(writer, record_decision{first});
  self->send(writer, one({1, 1, {}, 0}, 1, true));
  self->send(writer, record_decision{second});
  watching->first_commit->opened.set_value();
  self->receive([](const log_opened&) {});
  self->receive([](const events_appended& answer) { CAF_CHECK_EQUAL(answer.last, 1u); });
  CAF_CHECK_EQUAL(watching->transactions, 2);
  CAF_CHECK_EQUAL(watching->durable_ones, 1);
  CAF_CHECK(bodies(*ask<decisions_page>(reader, get_decisions{})) == bodies({second, first}));
}

CAF_TEST(big_decisions_bound_their_batch_too) {
  watching->first_commit.emplace();
  start();
  self->send(writer, open_log{{"ann"}, {"t1"}, at(0)});
  watching->first_commit->reached.get_future().wait();
  auto big = decided_at(1);
  big.roster.resize(10'500);
  for (int i = 0; i < 5; ++i)
    self->send(writer, record_decision{big});
  self->send(writer, retire{});
  watching->first_commit->opened.set_value();
  self->wait_for(writer);
  CAF_CHECK_EQUAL(watching->transactions, 4);
}

CAF_TEST(a_decision_that_cannot_be_written_is_logged_and_dropped_and_disturbs_nobody_else) {
  logged_lines lines;
  watching->first_commit.emplace();
  start();
  self->send(writer, open_log{{"ann"}, {"t1"}, at(0)});
  watching->first_commit->reached.get_future().wait();
  const auto lost = decided_at(1);
  self->send(writer, record_decision{lost});
  self->send(writer, one({1, 1, {}, 0}, 1));
  // The first commit, both together, the decision alone, the append alone.
  for (const auto full : {false, true, true, false})
    watching->disk_full.push(full);
  watching->first_commit->opened.set_value();
  self->receive([](const log_opened&) {});
  self->receive([](const events_appended& answer) { CAF_CHECK_EQUAL(answer.last, 1u); });
  CAF_CHECK(ask<decisions_page>(reader, get_decisions{})->decisions.empty());
  const auto next = decided_at(2);
  self->send(writer, record_decision{next});
  self->send(writer, retire{});
  self->wait_for(writer);
  CAF_CHECK(bodies(*ask<decisions_page>(reader, get_decisions{})) == bodies({next}));
  const auto text = lines.take();
  // That it was made, and that it is not on record.
  const auto noted = text.find(to_string(lost.id));
  CAF_REQUIRE_NOT_EQUAL(noted, std::string::npos);
  CAF_CHECK_NOT_EQUAL(text.find(to_string(lost.id), noted + 1), std::string::npos);
  CAF_CHECK_NOT_EQUAL(text.find("\"severity\":\"WARNING\""), std::string::npos);
}

// -- reading -------------------------------------------------------------------------------------

CAF_TEST(what_cannot_be_read_is_answered_as_unavailable_each_time) {
  start();
  const auto blind =
      system.spawn<caf::detached>(store_reader, std::unique_ptr<log_reader>{new blind_reader}, store_actor{});
  for (int i = 0; i < 2; ++i) {
    CAF_CHECK(ask<log_read>(blind, read_log{1, 0, 1}).error() == errc::store_unavailable);
    CAF_CHECK(ask<messages_page>(blind, get_messages{1}).error() == errc::store_unavailable);
    CAF_CHECK(ask<threads_page>(blind, threads_of("ann")).error() == errc::store_unavailable);
    CAF_CHECK(ask<message_found>(blind, find_message{1, "c1"}).error() == errc::store_unavailable);
    CAF_CHECK(ask<messages_page>(blind, search_messages{1, "x"}).error() == errc::store_unavailable);
    CAF_CHECK(ask<decisions_page>(blind, get_decisions{}).error() == errc::store_unavailable);
  }
  self->send_exit(blind, caf::exit_reason::kill);
}

CAF_TEST(both_show_that_they_answer) {
  start();
  open("t1");
  CAF_CHECK(ask<vitals>(writer, get_vitals{})->messages > 0);
  CAF_CHECK(ask<vitals>(reader, get_vitals{})->messages > 0);
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace gangway::store_tests
