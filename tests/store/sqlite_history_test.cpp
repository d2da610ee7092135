/// How much a piece of tidying costs, and what an erasure leaves in the files.

#define CAF_SUITE store_history

#include <algorithm>
#include <chrono>
#include <fstream>
#include <iterator>

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <caf/test/unit_test.hpp>

#include "tests/store/restored_store.hpp"

namespace gangway::store_tests {

CAF_TEST_FIXTURE_SCOPE(sqlite_pieces, restored_store)

// -- tidying -------------------------------------------------------------------------------------

// Every piece went through all runs that had ever ended: a tenth of a second at a million.
CAF_TEST(a_piece_of_tidying_costs_no_more_where_a_hundred_times_as_many_runs_have_ended) {
  using clock = std::chrono::steady_clock;
  const history_rules rules{std::chrono::hours{1}, std::chrono::hours{24 * 365}, 1000};
  const auto piece_of = [&](int runs) {
    restart();
    open();
    {
      SQLite::Database other{path(), SQLite::OPEN_READWRITE};
      other.exec("DELETE FROM finished_runs; DELETE FROM threads;"
                 "INSERT INTO threads (user, thread, generation, epoch, last_seq, created_at, updated_at, bytes)"
                 " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < "
                 + std::to_string(runs / 10)
                 + ") SELECT 'u', 't' || i, 1, 'e', 20, 0, 0, 2000 FROM n;"
                   "INSERT INTO finished_runs (log_id, last_seq, time, compacted)"
                   " WITH RECURSIVE n (i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 10)"
                   " SELECT log_id, i, "
                 + std::to_string(at(0).time_since_epoch().count()) + ", 1 FROM threads, n");
    }
    auto best = clock::duration::max();
    for (int i = 0; i < 20; ++i) {
      writer->begin(false);
      const auto begun = clock::now();
      CAF_CHECK(writer->tidy(rules, at(1)));
      best = std::min(best, clock::now() - begun);
      writer->commit();
    }
    return best;
  };
  const auto few = piece_of(2000);
  const auto many = piece_of(200'000);
  CAF_CHECK_LESS(many, 10 * few);
}

CAF_TEST(what_is_asked_for_at_every_piece_of_tidying_is_found_by_an_index) {
  start();
  SQLite::Database database{path(), SQLite::OPEN_READONLY};
  for (const auto* question :
       {"SELECT log_id, last_seq FROM finished_runs WHERE time < 1 ORDER BY time LIMIT 1",
        "SELECT log_id, last_seq FROM finished_runs WHERE compacted = 0 AND time < 1 ORDER BY time LIMIT 1",
        "SELECT last_seq FROM finished_runs WHERE log_id = 1 ORDER BY last_seq LIMIT 2",
        "SELECT log_id, bytes FROM threads WHERE log_id > 1 ORDER BY log_id LIMIT 1000",
        "DELETE FROM client_messages WHERE log_id = 1 AND seq <= 1"}) {
    SQLite::Statement plan{database, std::string{"EXPLAIN QUERY PLAN "} + question};
    while (plan.executeStep()) {
      const auto step = plan.getColumn(3).getString();
      CAF_MESSAGE(step);
      CAF_CHECK(step.find("SCAN") == std::string::npos && step.find("TEMP B-TREE") == std::string::npos);
      if (step.find("client_messages") != std::string::npos)
        CAF_CHECK(step.find("client_messages_by_seq") != std::string::npos);
    }
  }
}

// -- erasure -------------------------------------------------------------------------------------

CAF_TEST(text_that_is_erased_while_a_reader_holds_the_log_is_gone_from_it_after_a_later_commit) {
  start();
  const auto log = open();
  writer->begin(true);
  writer->append({log.log, log.generation, {said(1, "needle-in-the-log")}, true});
  writer->commit();
  const auto has_text = [&] {
    std::ifstream file{path() + "-wal", std::ios::binary};
    const std::string content{std::istreambuf_iterator<char>{file}, {}};
    return content.find("needle-in-the-log") != std::string::npos;
  };
  {
    SQLite::Database reader{path(), SQLite::OPEN_READONLY};
    reader.exec("BEGIN");
    reader.execAndGet("SELECT count(*) FROM events");
    writer->begin(true);
    writer->erase({"ann"}, {"t1"});
    writer->commit();
    CAF_CHECK(has_text());
  }
  // It is tried once a second. Commits meanwhile would write over it by and by.
  const auto begun = std::chrono::steady_clock::now();
  while (std::chrono::steady_clock::now() - begun < std::chrono::milliseconds{1100}) {
  }
  CAF_CHECK(has_text());
  open("other");
  CAF_CHECK(!has_text());
}

CAF_TEST(an_erasure_leaves_no_client_message_of_the_thread_or_the_user) {
  start();
  for (const auto* thread : {"t1", "t2"}) {
    const auto log = open(thread);
    writer->begin(true);
    writer->append({log.log, log.generation, {said(1, "hello", "c1"), said(2, "hello", "c2")}, true});
    writer->commit();
  }
  CAF_CHECK_EQUAL(ask("SELECT count(*) FROM client_messages"), "4");
  writer->begin(true);
  writer->erase({"ann"}, {"t1"});
  writer->commit();
  CAF_CHECK_EQUAL(ask("SELECT count(*) FROM client_messages"), "2");
  writer->begin(true);
  writer->erase(user_id{"ann"});
  writer->commit();
  CAF_CHECK_EQUAL(ask("SELECT count(*) FROM client_messages"), "0");
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace gangway::store_tests
