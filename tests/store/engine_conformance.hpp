#pragma once

/// What any storage engine must do. To test one: define, in namespace `gangway::store_tests`, a class `engine_fixture`
/// whose every object is an empty store, with `std::unique_ptr<storage_engine> make_engine()` that returns an engine
/// for that store each time; then include this file, once.

#include <algorithm>
#include <limits>
#include <optional>
#include <string>
#include <vector>

#include "actors/store/engine.hpp"
#include "tests/store/samples.hpp"

namespace gangway::store_tests {

/// An engine with its two halves, and the short form of what tests do with them.
struct opened_engine : engine_fixture {
  opened_engine() { reopen(); }

  /// What a restart of the process does.
  void reopen() {
    reader.reset();
    writer.reset();
    engine = make_engine();
    writer = engine->make_writer();
    reader = engine->make_reader();
  }

  template <class Work>
  auto in_transaction(Work work, bool durable = false) {
    writer->begin(durable);
    auto result = work();
    writer->commit();
    return result;
  }

  log_opened open(const std::string& user, const std::string& thread, utc_time now = at(0)) {
    return in_transaction([&] { return writer->open({{user}, {thread}, now}); });
  }

  std::variant<events_appended, append_refusal> append(const log_opened& log, std::vector<thread_event> events,
                                                       bool durable = false) {
    return in_transaction(
        [&] {
          return writer->append({log.log, log.generation, std::move(events), durable});
        },
        durable);
  }

  /// Appends what must be accepted.
  void add(const log_opened& log, std::vector<thread_event> events) {
    const auto last = events.back().seq;
    CAF_REQUIRE(append(log, std::move(events))
                == (std::variant<events_appended, append_refusal>{events_appended{last}}));
  }

  std::vector<thread_event> all(const log_opened& log, sequence last) {
    auto page = reader->read({log.log, 0, last, 1'000'000, 1'000'000'000});
    CAF_REQUIRE(page.complete);
    return page.events;
  }

  std::vector<sequence> found(const log_opened& log, const std::string& text, std::uint32_t limit = 100) {
    auto result = search(log, text, limit).messages;
    if (result.size() > limit) result.pop_back();
    return sequences(result);
  }

  /// All pieces of a search.
  search_piece search(const log_opened& log, const std::string& text, std::uint32_t limit = 100) {
    const search_messages what{log.log, text, limit};
    search_piece result;
    for (std::optional<sequence> before = std::numeric_limits<std::int64_t>::max();
         before && result.messages.size() <= limit;) {
      auto piece = reader->search(what, *before);
      before = piece.next;
      result.messages.insert(result.messages.end(), piece.messages.begin(), piece.messages.end());
    }
    return result;
  }

  std::string newest_title() { return reader->threads(threads_of("ann", 1)).threads.at(0).title; }

  std::unique_ptr<storage_engine> engine;
  std::unique_ptr<log_writer> writer;
  std::unique_ptr<log_reader> reader;
};

inline bool refused(const std::variant<events_appended, append_refusal>& outcome, append_refusal why) {
  const auto* refusal = std::get_if<append_refusal>(&outcome);
  return refusal != nullptr && *refusal == why;
}

} // namespace gangway::store_tests

#include "tests/store/engine_decisions.hpp"
#include "tests/store/engine_history.hpp"
#include "tests/store/engine_loss.hpp"
#include "tests/store/engine_reading.hpp"
#include "tests/store/engine_writing.hpp"
