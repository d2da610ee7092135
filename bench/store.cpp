/// What the store's actor costs: events a second through it, against inserts of the same rows into the same table by
/// plain SQLite, in one interleaved run.
///
/// Producers append to logs of their own, one append under way each, as managers do; each append is answered once it is
/// on disk (fsync). What gathers meanwhile becomes one transaction. Plain SQLite gets the pragmas of the store's
/// engine, statements that are prepared, bodies that are encoded already, and transactions of as many rows as the
/// store's had on average in the round before it. Prints a line of JSON for each round.

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <exception>
#include <iostream>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Statement.h>
#include <caf/all.hpp>
#include <sys/resource.h>

#include "actors/store.hpp"
#include "actors/store/engine.hpp"
#include "protocol/ag_ui.hpp"

namespace gangway {

namespace {

using clock = std::chrono::steady_clock;

constexpr const char* usage = "usage: store FOLDER SECONDS ROUNDS";

/// So many producers, with so many events in each append.
struct load_case {
  std::size_t producers;
  std::size_t events;
};

constexpr load_case cases[]{{1, 1}, {1, 10}, {16, 1}, {16, 10}, {16, 64}};

[[noreturn]] void give_up(const std::string& reason) {
  std::cerr << "store: " << reason << '\n';
  std::exit(EXIT_FAILURE);
}

struct figures {
  std::uint64_t events = 0;
  double seconds = 0;
  double processor_seconds = 0;     ///< of all threads
  std::vector<std::uint32_t> waits; ///< microseconds of each append, or of each transaction
};

double median(std::vector<std::uint32_t> values) {
  if (values.empty()) return 0;
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

std::uint32_t microseconds_since(clock::time_point begin) {
  return static_cast<std::uint32_t>(
      std::chrono::duration_cast<std::chrono::microseconds>(clock::now() - begin).count());
}

double seconds_since(clock::time_point begin) { return std::chrono::duration<double>{clock::now() - begin}.count(); }

// A busy machine changes it less than the time that passes.
double processor_seconds() {
  rusage used{};
  ::getrusage(RUSAGE_SELF, &used);
  const auto seconds = [](const timeval& time) { return static_cast<double>(time.tv_sec) + time.tv_usec / 1e6; };
  return seconds(used.ru_utime) + seconds(used.ru_stime);
}

const thread_id thread_name{"01930b5c-6f1e-7c1a-9d3b-5a4f6e7d8c9b"};

/// A log at work, as a manager keeps it.
struct producer {
  log_opened log;
  run_id run = run_id::make();
  message_id message = message_id::make();
  sequence last = 0;
  figures done;

  /// The next word of an answer.
  thread_event next() { return {++last, run, utc_now(), message_delta{message, "the next word "}}; }
};

// -- through the store ---------------------------------------------------------------------------

/// What the producers of a round share. It outlives them.
struct round_of {
  store_actor store;
  std::size_t events;
  clock::time_point end;
};

void append(caf::event_based_actor* self, producer* own, const round_of* round) {
  append_events order{own->log.log, own->log.generation, {}, true};
  for (std::size_t i = 0; i < round->events; ++i)
    order.events.push_back(own->next());
  self->request(round->store, caf::infinite, std::move(order))
      .then(
          [=, begin = clock::now()](const events_appended&) {
            own->done.waits.push_back(microseconds_since(begin));
            own->done.events += round->events;
            if (clock::now() < round->end) append(self, own, round);
          },
          [=](const caf::error& reason) { give_up(self->system().render(reason)); });
}

class store_side {
public:
  explicit store_side(const std::string& path) : engine_{make_sqlite_engine(path)} {
    // The other policy sleeps up to 10 ms when it finds nothing to do.
    config_.set("scheduler.policy", caf::atom("sharing"));
    config_.set("scheduler.max-threads", 1);
    system_.emplace(config_);
    self_.emplace(*system_);
    store_ = system_->spawn<caf::detached>(store, engine_->make_writer(), inspector_actor{}, std::nullopt);
  }

  ~store_side() {
    (*self_)->send(store_, retire{});
    (*self_)->wait_for(store_);
  }

  std::vector<producer> open(std::size_t count) {
    std::vector<producer> result(count);
    for (auto& each : result)
      each.log = ask<log_opened>(open_log{{"bench"}, {"t" + std::to_string(++opened_)}, utc_now()});
    return result;
  }

  figures run(std::vector<producer>& producers, std::size_t events, double seconds) {
    const auto begin = clock::now();
    const auto busy = processor_seconds();
    const round_of round{store_, events, begin + std::chrono::microseconds{static_cast<std::int64_t>(seconds * 1e6)}};
    std::vector<caf::actor> actors;
    for (auto& each : producers) {
      each.done = {};
      actors.push_back(system_->spawn(append, &each, &round));
    }
    (*self_)->wait_for(actors);
    figures result;
    result.seconds = seconds_since(begin);
    result.processor_seconds = processor_seconds() - busy;
    for (const auto& each : producers) {
      result.events += each.done.events;
      result.waits.insert(result.waits.end(), each.done.waits.begin(), each.done.waits.end());
    }
    return result;
  }

  /// Returns how many transactions there were, and how many events in them.
  std::pair<std::uint64_t, std::uint64_t> transactions() {
    const auto counted = ask<store_measured>(get_store_measures{}).counted.batch_events;
    return {counted.count(), counted.sum};
  }

private:
  template <class Answer, class Question>
  Answer ask(Question question) {
    Answer result;
    (*self_)
        ->request(store_, caf::infinite, std::move(question))
        .receive([&](Answer& answer) { result = std::move(answer); },
                 [&](const caf::error& reason) { give_up(system_->render(reason)); });
    return result;
  }

  std::unique_ptr<storage_engine> engine_;
  caf::actor_system_config config_;
  std::optional<caf::actor_system> system_;
  std::optional<caf::scoped_actor> self_;
  store_actor store_;
  std::size_t opened_ = 0;
};

// -- without it ----------------------------------------------------------------------------------

class plain_side {
public:
  explicit plain_side(const std::string& path)
      : database_{path, SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE | SQLite::OPEN_NOMUTEX} {
    for (const auto* pragma : {"journal_mode = WAL", "wal_autocheckpoint = 4000", "journal_size_limit = 67108864",
                               "cache_size = -16384", "secure_delete = ON", "synchronous = FULL"})
      SQLite::Statement{database_, std::string{"PRAGMA "} + pragma}.executeStep();
    database_.exec("CREATE TABLE events (log_id INTEGER NOT NULL, seq INTEGER NOT NULL, run_id BLOB,"
                   " time INTEGER NOT NULL, version INTEGER NOT NULL, generation INTEGER NOT NULL, body TEXT NOT NULL,"
                   " first_seq INTEGER, PRIMARY KEY (log_id, seq)) WITHOUT ROWID");
    begin_.emplace(database_, "BEGIN IMMEDIATE");
    insert_.emplace(database_, "INSERT INTO events (log_id, seq, run_id, time, version, generation, body)"
                               " VALUES (?1, ?2, ?3, ?4, 1, 1, ?5)");
    commit_.emplace(database_, "COMMIT");
  }

  /// Logs of its own, in the same order: the rows of an append together, then those of the next log.
  std::vector<producer> open(std::size_t count) {
    std::vector<producer> result(count);
    for (auto& each : result)
      each.log = {++opened_, 1, {}, 0};
    return result;
  }

  figures run(std::vector<producer>& producers, std::size_t events, std::size_t transaction, double seconds) {
    auto example = producers.front();
    const auto body = ag_ui::encode(thread_name, example.next());
    std::size_t written = 0;
    figures result;
    const auto begin = clock::now();
    const auto busy = processor_seconds();
    while (result.seconds < seconds) {
      const auto begun = clock::now();
      execute(*begin_);
      for (std::size_t i = 0; i < transaction; ++i, ++written)
        insert(producers[written / events % producers.size()], body);
      execute(*commit_);
      result.waits.push_back(microseconds_since(begun));
      result.seconds = seconds_since(begin);
    }
    result.processor_seconds = processor_seconds() - busy;
    result.events = written;
    return result;
  }

private:
  static void execute(SQLite::Statement& statement) {
    statement.executeStep();
    statement.reset();
  }

  void insert(producer& own, const std::string& body) {
    insert_->bind(1, own.log.log);
    insert_->bind(2, static_cast<std::int64_t>(++own.last));
    insert_->bindNoCopy(3, own.run.bytes.data(), static_cast<int>(own.run.bytes.size()));
    insert_->bind(4, std::int64_t{utc_now().time_since_epoch().count()});
    insert_->bindNoCopy(5, body);
    execute(*insert_);
  }

  SQLite::Database database_;
  std::optional<SQLite::Statement> begin_, insert_, commit_;
  std::int64_t opened_ = 0;
};

// -- both ----------------------------------------------------------------------------------------

std::string to_json(const figures& what) {
  const auto events = static_cast<double>(std::max<std::uint64_t>(1, what.events));
  std::array<char, 128> text{};
  std::snprintf(text.data(), text.size(), R"({"events_per_second":%.0f,"processor_us":%.2f,"wait_us":%.0f})",
                events / what.seconds, what.processor_seconds * 1e6 / events, median(what.waits));
  return text.data();
}

void print(const load_case& which, const figures& ours, const figures& theirs, double transaction) {
  std::printf(R"({"producers":%zu,"events":%zu,"transaction_events":%.1f,"store":%s,"plain":%s})"
              "\n",
              which.producers, which.events, transaction, to_json(ours).c_str(), to_json(theirs).c_str());
  std::fflush(stdout);
}

void compare(const std::string& folder, double seconds, int rounds) {
  store_side ours{folder + "/store.db"};
  plain_side theirs{folder + "/plain.db"};
  for (const auto& which : cases) {
    auto our_logs = ours.open(which.producers);
    auto their_logs = theirs.open(which.producers);
    for (int round = 0; round <= rounds; ++round) {
      const auto before = ours.transactions();
      const auto through = ours.run(our_logs, which.events, seconds);
      const auto after = ours.transactions();
      const auto transaction =
          static_cast<double>(after.second - before.second) / static_cast<double>(after.first - before.first);
      const auto rows = static_cast<std::size_t>(std::lround(transaction));
      const auto plain = theirs.run(their_logs, which.events, rows, seconds);
      if (round > 0) print(which, through, plain, transaction); // the first is to warm up
    }
  }
}

} // namespace

} // namespace gangway

int main(int argument_count, char** arguments) {
  if (argument_count != 4) gangway::give_up(gangway::usage);
  try {
    gangway::compare(arguments[1], std::stod(arguments[2]), std::stoi(arguments[3]));
  } catch (const std::exception& error) {
    gangway::give_up(error.what());
  }
}
