#include "actors/counting.hpp"

#include <array>

namespace gangway {

namespace {

/// One number of which each user has its own, and everybody the sum.
struct counted_number {
  std::uint32_t user_counted::*of_one;
  std::uint64_t tally::*of_all;
};

constexpr std::array numbers{
    counted_number{&user_counted::connections, &tally::connections},
    counted_number{&user_counted::managers, &tally::managers},
    counted_number{&user_counted::runs, &tally::runs},
    counted_number{&user_counted::opening, &tally::opening},
    counted_number{&user_counted::zombies, &tally::zombies},
    counted_number{&user_counted::retiring, &tally::retiring},
    counted_number{&user_counted::leaked, &tally::leaked},
    counted_number{&user_counted::waiting, &tally::waiting},
    counted_number{&user_counted::graces, &tally::graces},
};

// The tier, which is no number, takes the place of one.
static_assert(sizeof(user_counted) == (numbers.size() + 1) * sizeof(std::uint32_t),
              "a number of a user is not summed up");

// RFC 6455, 7.4.2: from here on a code means what those who use it agreed on.
constexpr std::uint16_t own_close_codes_begin = 4000;

template <class Enumerator>
constexpr std::size_t place(Enumerator value) {
  return static_cast<std::size_t>(value);
}

} // namespace

void recount(tally& sum, const user_counted& before, const user_counted& after) {
  for (const auto& number : numbers)
    sum.*number.of_all = sum.*number.of_all - before.*number.of_one + after.*number.of_one;
  sum.connections_by_tier[place(before.tier)] -= before.connections;
  sum.connections_by_tier[place(after.tier)] += after.connections;
}

void add(tally& sum, const tally& part) {
  sum.users += part.users;
  for (const auto& number : numbers)
    sum.*number.of_all += part.*number.of_all;
  for (std::size_t i = 0; i < tiers; ++i)
    sum.connections_by_tier[i] += part.connections_by_tier[i];
}

void count(measures& sum, const admission_ended& report) {
  sum.admission_time[place(report.outcome)].observe(report.took);
  if (report.outcome == admission_outcome::queued) sum.queue_time.observe(report.took);
}

void count(measures& sum, const probe_ended& report) {
  for (std::size_t i = 0; i < probe_results; ++i)
    sum.probes[i] += report.results[i];
}

void count(measures& sum, const cleanup_ended& report) {
  ++sum.cleanups[place(report.scope)][place(report.level)][place(report.outcome)];
  sum.cleanup_time.observe(report.took);
  for (std::size_t level = 0; level < cleanup_levels; ++level)
    for (std::size_t reason = 0; reason < eviction_reasons; ++reason)
      sum.evictions[level][reason] += report.evictions[level][reason];
}

void count(measures& sum, const connection_ended& report) {
  const bool is_anybodys = report.by_us || report.code < own_close_codes_begin;
  ++sum.disconnects[is_anybodys ? place_of_close_code(report.code) : counted_close_codes.size()];
}

void count(measures& sum, const thread_opened& report) { ++sum.resumes[place(report.result)]; }

void count(measures& sum, const run_finished& report) {
  ++sum.runs[report.agent][place(report.outcome)];
  if (report.first_event) sum.first_event_time.observe(*report.first_event);
}

} // namespace gangway
