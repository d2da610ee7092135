#define CAF_SUITE liveness

#include "actors/policy/liveness.hpp"

#include <random>
#include <string>
#include <vector>

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

const steady_time start{1000s};
const cadence usual{25s, 10s};

std::string name(verdict value) {
  switch (value) {
  case verdict::fine:
    return "fine";
  case verdict::ping_due:
    return "ping_due";
  case verdict::second_ping_due:
    return "second_ping_due";
  case verdict::dead:
    return "dead";
  }
  return "?";
}

#define CHECK_VERDICT(record, now, cadence, expected)                                                                  \
  CAF_CHECK_EQUAL(name(judge(record, now, cadence)), name(verdict::expected))

/// One connection as a roll call keeps it, and what it may never do, whatever happens to it.
struct roll_call {
  explicit roll_call(cadence cadence) : cadence_(cadence) {}

  /// Looks at the connection and does what the verdict says.
  verdict look(steady_time now) {
    const auto result = judge(record, now, cadence_);
    switch (result) {
    case verdict::fine:
      break;
    case verdict::ping_due:
    case verdict::second_ping_due:
      record = pinged(record, now);
      unanswered.push_back(now);
      break;
    case verdict::dead:
      ended_at = now;
    }
    return result;
  }

  void hear(steady_time now) {
    record = heard(record, now);
    unanswered.clear();
    last_sign = now;
  }

  cadence cadence_;
  ping_record record{start, {}, {}};
  steady_time last_sign = start;
  std::vector<steady_time> unanswered; ///< pings since the last sign of life, kept apart from the record
  std::optional<steady_time> ended_at;
};

} // namespace

CAF_TEST(a_connection_is_pinged_when_it_was_silent_for_the_interval) {
  const ping_record record{start, {}, {}};
  CHECK_VERDICT(record, start, usual, fine);
  CHECK_VERDICT(record, start + 25s - 1ms, usual, fine);
  CHECK_VERDICT(record, start + 25s, usual, ping_due);
  CHECK_VERDICT(record, start + 25s + 1ms, usual, ping_due);
}

CAF_TEST(a_connection_that_was_never_pinged_is_not_dead_however_long_it_was_silent) {
  const ping_record record{start, {}, {}};
  CHECK_VERDICT(record, start + 24h, usual, ping_due);
}

CAF_TEST(a_second_ping_is_due_at_half_of_the_timeout) {
  const auto record = pinged({start, {}, {}}, start + 25s);
  CHECK_VERDICT(record, start + 25s, usual, fine);
  CHECK_VERDICT(record, start + 30s - 1ms, usual, fine);
  CHECK_VERDICT(record, start + 30s, usual, second_ping_due);
  CHECK_VERDICT(record, start + 24h, usual, second_ping_due);
}

CAF_TEST(a_connection_is_dead_when_both_pings_are_unanswered_at_the_timeout) {
  const auto record = pinged(pinged({start, {}, {}}, start + 25s), start + 30s);
  CHECK_VERDICT(record, start + 30s, usual, fine);
  CHECK_VERDICT(record, start + 35s - 1ms, usual, fine);
  CHECK_VERDICT(record, start + 35s, usual, dead);
  CHECK_VERDICT(record, start + 24h, usual, dead);
}

CAF_TEST(a_second_ping_that_went_out_late_still_gets_its_half_of_the_timeout) {
  const auto record = pinged(pinged({start, {}, {}}, start + 25s), start + 34s);
  CHECK_VERDICT(record, start + 35s, usual, fine);
  CHECK_VERDICT(record, start + 39s - 1ms, usual, fine);
  CHECK_VERDICT(record, start + 39s, usual, dead);
}

CAF_TEST(a_connection_is_suspect_from_half_of_the_timeout_on_until_it_is_heard) {
  ping_record record{start, {}, {}};
  CAF_CHECK(!is_suspect(record, start + 24h, usual));
  record = pinged(record, start + 25s);
  CAF_CHECK(!is_suspect(record, start + 30s - 1ms, usual));
  CAF_CHECK(is_suspect(record, start + 30s, usual));
  record = pinged(record, start + 30s);
  CAF_CHECK(is_suspect(record, start + 31s, usual));
  CAF_CHECK(!is_suspect(heard(record, start + 31s), start + 31s, usual));
}

CAF_TEST(any_sign_of_life_resets_a_record) {
  const ping_record never{start, {}, {}};
  const auto once = pinged(never, start + 25s);
  const auto twice = pinged(once, start + 30s);
  const auto now = start + 35s - 1ms;
  for (const auto& record : {never, once, twice}) {
    CAF_CHECK(heard(record, now) == (ping_record{now, {}, {}}));
    CHECK_VERDICT(heard(record, now), now + 25s - 1ms, usual, fine);
    CHECK_VERDICT(heard(record, now), now + 25s, usual, ping_due);
  }
}

CAF_TEST(a_record_never_moves_back_in_time) {
  const auto record = pinged({start, {}, {}}, start + 25s);
  CAF_CHECK(heard(record, start - 1ms) == (ping_record{start, {}, {}}));
  CAF_CHECK(heard(record, start + 1ms) == (ping_record{start + 1ms, {}, {}}));
  CHECK_VERDICT(record, start - 1h, usual, fine);
}

CAF_TEST(a_ping_is_noted_as_the_first_and_then_as_the_second) {
  const auto once = pinged({start, {}, {}}, start + 25s);
  CAF_CHECK(once == (ping_record{start, start + 25s, {}}));
  CAF_CHECK(pinged(once, start + 30s) == (ping_record{start, start + 25s, start + 30s}));
}

CAF_TEST(the_next_look_is_the_first_moment_with_something_to_do_in_every_state) {
  // Every small cadence, every place of the pings, judged at every millisecond: the verdict turns exactly once.
  std::size_t cases = 0;
  for (auto interval = 1; interval <= 5; ++interval) {
    for (auto timeout = 1; timeout <= 7; ++timeout) {
      const cadence cadence{std::chrono::milliseconds{interval}, std::chrono::milliseconds{timeout}};
      std::vector<ping_record> records{{start, {}, {}}};
      for (auto first = 0; first <= 8; ++first) {
        records.push_back(pinged(records.front(), start + std::chrono::milliseconds{first}));
        for (auto second = first; second <= first + 8; ++second) {
          records.push_back(pinged(pinged(records.front(), start + std::chrono::milliseconds{first}),
                                   start + std::chrono::milliseconds{second}));
        }
      }
      for (const auto& record : records) {
        for (auto now = start - 1ms; now <= start + 30ms; now += 1ms) {
          ++cases;
          const auto nothing_to_do = judge(record, now, cadence) == verdict::fine;
          if (nothing_to_do != (now < next_look(record, cadence))) {
            CAF_ERROR("interval " << interval << ", timeout " << timeout << " at "
                                  << std::chrono::duration_cast<std::chrono::milliseconds>(now - start).count());
          }
        }
      }
    }
  }
  CAF_CHECK_EQUAL(cases, 5u * 7u * 91u * 32u);
}

CAF_TEST(a_silent_connection_that_is_looked_at_on_time_dies_at_interval_plus_timeout) {
  for (const auto& cadence :
       {usual, gangway::cadence{1ms, 1ms}, gangway::cadence{7ms, 3ms}, gangway::cadence{1s, 1h}}) {
    roll_call connection{cadence};
    for (auto looks = 1; looks <= 2; ++looks)
      connection.look(next_look(connection.record, cadence));
    CAF_CHECK_EQUAL(connection.unanswered.size(), 2u);
    connection.look(next_look(connection.record, cadence));
    CAF_REQUIRE(connection.ended_at.has_value());
    CAF_CHECK(*connection.ended_at == start + cadence.interval + cadence.timeout);
  }
}

CAF_TEST(a_connection_that_answers_one_millisecond_before_each_deadline_lives) {
  roll_call connection{usual};
  for (auto round = 0; round < 1000; ++round) {
    connection.look(next_look(connection.record, usual));
    connection.look(next_look(connection.record, usual));
    const auto answer = next_look(connection.record, usual) - 1ms;
    connection.look(answer);
    connection.hear(answer);
  }
  CAF_CHECK(!connection.ended_at);
}

CAF_TEST(no_seeded_timeline_kills_without_two_unanswered_pings_or_lets_a_dead_one_stay) {
  std::size_t deaths_on_time = 0;
  std::size_t deaths_late = 0;
  for (std::uint32_t seed = 1; seed <= 20'000; ++seed) {
    std::mt19937 random{seed};
    const auto between = [&](int low, int high) { return std::uniform_int_distribution{low, high}(random); };
    const cadence cadence{std::chrono::milliseconds{between(1, 50)}, std::chrono::milliseconds{between(1, 50)}};
    const auto on_time = seed % 2 == 0;
    const auto chattiness = between(0, 3);
    roll_call connection{cadence};
    auto now = start;
    for (auto step = 0; step < 100 && !connection.ended_at; ++step) {
      auto look_at = std::max(now, next_look(connection.record, cadence));
      if (!on_time) look_at = std::max(now, look_at + std::chrono::milliseconds{between(-40, 60)});
      // Signs of life come at any moment before the look, also several, also in the very millisecond of it.
      for (auto signs = between(0, 3) < chattiness ? between(1, 3) : 0; signs > 0; --signs) {
        const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(look_at - now).count();
        now += std::chrono::milliseconds{between(0, static_cast<int>(left))};
        connection.hear(now);
      }
      // A roll call that is on time is moved by a sign of life; a late one keeps its appointment.
      now = on_time ? std::max(now, next_look(connection.record, cadence)) : std::max(now, look_at);
      const auto suspect = is_suspect(connection.record, now, cadence);
      const auto result = connection.look(now);
      const auto& pings = connection.unanswered;
      auto good = true;
      if (result == verdict::dead) {
        good = pings.size() == 2 && suspect && now - pings[0] >= cadence.timeout
               && now - pings[1] >= cadence.timeout - cadence.timeout / 2
               && now - connection.last_sign >= cadence.interval + cadence.timeout;
        if (on_time) good = good && now - connection.last_sign == cadence.interval + cadence.timeout;
        ++(on_time ? deaths_on_time : deaths_late);
      } else {
        good = pings.size() <= 2 && connection.record.last_heard == connection.last_sign
               && next_look(connection.record, cadence) >= now;
        if (on_time) good = good && result != verdict::fine;
        // Another ping only when the one before had its half; the first only after the interval.
        if (result == verdict::ping_due) good = good && now - connection.last_sign >= cadence.interval;
        if (result == verdict::second_ping_due) good = good && suspect && now - pings[0] >= cadence.timeout / 2;
      }
      if (!good) CAF_FAIL("seed " << seed << ", step " << step << ", verdict " << name(result));
    }
  }
  // Both kinds happened, or the timelines above show nothing.
  CAF_CHECK_GREATER(deaths_on_time, 1000u);
  CAF_CHECK_GREATER(deaths_late, 1000u);
}
