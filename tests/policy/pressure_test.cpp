#define CAF_SUITE pressure

#include "actors/policy/pressure.hpp"

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

constexpr auto start = steady_time{} + 1h;
const pressure_rules usual;

std::string name(pressure_level level) {
  return level == pressure_level::normal ? "normal" : level == pressure_level::elevated ? "elevated" : "critical";
}

std::string name(const std::optional<relief>& order) {
  static constexpr const char* who[] = {"free", "pro", "enterprise"};
  static constexpr const char* how_far[] = {"conservative", "moderate", "aggressive", "force"};
  if (!order) return "";
  return who[static_cast<int>(order->tier)] + std::string{" "} + how_far[static_cast<int>(order->level)];
}

node_reading memory(double percent) { return {static_cast<std::uint64_t>(percent * 100), 10'000, 0ms, 0, 0}; }
node_reading lag(std::chrono::milliseconds of_loop) { return {0, 0, of_loop, 0, 0}; }
node_reading connections(std::uint64_t count) { return {0, 0, 0ms, count, 1'000}; }

/// A node that looks at itself every second, and checks at every look what must always hold.
struct node {
  pressure_state state;
  steady_time now = start;
  std::vector<relief> round;
  std::optional<steady_time> reached[3]; ///< when the readings last showed a level or were not well below it

  std::string look(const node_reading& reading, std::chrono::milliseconds after = 1s) {
    now += after;
    const auto before = state.level;
    const auto lasted = lasting(reading, state);
    const auto step = look_at_pressure(state, reading, usual, now);
    state = step.state;
    const auto shown = measure_pressure(lasted, usual);
    for (const auto level : {pressure_level::elevated, pressure_level::critical})
      if (measure_pressure(lasted, usual, 0.9) >= level) reached[static_cast<int>(level)] = now;

    if (state.level < shown) CAF_ERROR("a shortage was not noticed");
    if (state.level > std::max(before, shown)) CAF_ERROR("a level was entered that nothing showed");
    for (const auto level : {pressure_level::elevated, pressure_level::critical})
      if (before >= level && state.level < level && now - *reached[static_cast<int>(level)] < pressure_calm)
        CAF_ERROR("a level was left too soon");
    if (step.order) check_order(*step.order, shown);
    if (state.level == pressure_level::normal) round.clear();
    return name(step.order);
  }

  void check_order(const relief& order, pressure_level shown) {
    if (order.level == cleanup_level::force) CAF_ERROR("force was ordered");
    if (shown == pressure_level::normal) CAF_ERROR("an order for nothing");
    if (shown == pressure_level::elevated && (order.level > cleanup_level::moderate || order.tier > tier::pro))
      CAF_ERROR("too much for an elevated level: " << name(order));
    // Only a new round says again what was said.
    if (std::find(round.begin(), round.end(), order) != round.end()) round.clear();
    round.push_back(order);
    for (auto lower = tier::free; lower < order.tier; lower = static_cast<tier>(static_cast<int>(lower) + 1))
      if (std::find(round.begin(), round.end(), relief{lower, order.level}) == round.end())
        CAF_ERROR(name(order) << " came before the tiers below it");
  }

  /// Looks `times` times; returns the orders, separated by commas.
  std::string looks(const node_reading& reading, int times) {
    std::string result;
    for (int i = 0; i < times; ++i)
      if (const auto order = look(reading); !order.empty()) result += (result.empty() ? "" : ", ") + order;
    return result;
  }
};

#define CHECK_SHOWS(reading, expected)                                                                                 \
  CAF_CHECK_EQUAL(name(measure_pressure(reading, usual)), name(pressure_level::expected))

#define CHECK_LEVEL(node, expected) CAF_CHECK_EQUAL(name((node).state.level), name(pressure_level::expected))

} // namespace

CAF_TEST(memory_is_short_from_its_thresholds_on) {
  CHECK_SHOWS(memory(79), normal);
  CHECK_SHOWS(memory(80), elevated);
  CHECK_SHOWS(memory(89), elevated);
  CHECK_SHOWS(memory(90), critical);
  CHECK_SHOWS(memory(200), critical);
}

CAF_TEST(a_loop_is_late_from_its_threshold_on_and_critically_so_at_five_times_it) {
  CHECK_SHOWS(lag(199ms), normal);
  CHECK_SHOWS(lag(200ms), elevated);
  CHECK_SHOWS(lag(999ms), elevated);
  CHECK_SHOWS(lag(1000ms), critical);
}

CAF_TEST(connections_are_short_where_the_reserve_begins_and_critically_so_when_all_are_taken) {
  CHECK_SHOWS(connections(899), normal);
  CHECK_SHOWS(connections(900), elevated);
  CHECK_SHOWS(connections(999), elevated);
  CHECK_SHOWS(connections(1000), critical);
}

CAF_TEST(what_has_no_known_limit_is_never_short) {
  CHECK_SHOWS((node_reading{1'000'000, 0, 0ms, 1'000'000, 0}), normal);
}

CAF_TEST(the_worst_reading_counts) {
  CHECK_SHOWS((node_reading{85, 100, 0ms, 1000, 1000}), critical);
  CHECK_SHOWS((node_reading{10, 100, 250ms, 10, 1000}), elevated);
}

CAF_TEST(a_level_is_entered_at_once) {
  node self;
  self.look(memory(80));
  CHECK_LEVEL(self, elevated);
  self.look(memory(90));
  CHECK_LEVEL(self, critical);
}

CAF_TEST(a_loop_must_be_late_at_four_looks_in_a_row_before_that_is_a_shortage) {
  node self;
  self.looks(lag(1000ms), 3);
  CHECK_LEVEL(self, normal);
  self.look(lag(200ms));
  CHECK_LEVEL(self, elevated);
  node interrupted;
  interrupted.looks(lag(1000ms), 3);
  interrupted.look(lag(199ms));
  interrupted.looks(lag(1000ms), 3);
  CHECK_LEVEL(interrupted, normal);
  interrupted.look(lag(1000ms));
  CHECK_LEVEL(interrupted, critical);
}

CAF_TEST(a_level_is_left_after_five_seconds_well_below_it_and_not_a_moment_before) {
  node self;
  self.look(memory(80));
  self.look(memory(71));
  self.look(memory(71), 4999ms);
  CHECK_LEVEL(self, elevated);
  self.look(memory(71), 1ms);
  CHECK_LEVEL(self, normal);
}

CAF_TEST(a_reading_just_below_its_threshold_keeps_the_level) {
  node self;
  self.look(memory(80));
  self.looks(memory(72.01), 60);
  CHECK_LEVEL(self, elevated);
  self.looks(memory(71.99), 6);
  CHECK_LEVEL(self, normal);
}

CAF_TEST(one_high_reading_begins_the_five_seconds_anew) {
  node self;
  self.look(memory(80));
  self.looks(memory(50), 5);
  self.look(memory(75));
  self.looks(memory(50), 5);
  CHECK_LEVEL(self, elevated);
  self.look(memory(50));
  CHECK_LEVEL(self, normal);
}

CAF_TEST(a_critical_level_is_left_for_what_the_readings_still_show) {
  node self;
  self.look(memory(90));
  self.looks(memory(80), 5);
  CHECK_LEVEL(self, critical);
  self.look(memory(80));
  CHECK_LEVEL(self, elevated);
  node relieved;
  relieved.look(memory(90));
  relieved.looks(memory(10), 6);
  CHECK_LEVEL(relieved, normal);
}

CAF_TEST(an_elevated_node_cleans_up_after_free_and_pro_users_up_to_moderate_one_step_a_look) {
  node self;
  CAF_CHECK_EQUAL(self.look(memory(80)), "free conservative");
  CAF_CHECK_EQUAL(self.look(memory(80)), "free moderate");
  CAF_CHECK_EQUAL(self.look(memory(80)), "pro conservative");
  CAF_CHECK_EQUAL(self.look(memory(80)), "pro moderate");
  CAF_CHECK_EQUAL(self.look(memory(80)), "");
}

CAF_TEST(a_critical_node_cleans_up_after_everybody_up_to_aggressive_enterprise_last) {
  node self;
  CAF_CHECK_EQUAL(self.looks(memory(90), 20),
                  "free conservative, free moderate, free aggressive, pro conservative, pro moderate, pro aggressive, "
                  "enterprise conservative, enterprise moderate, enterprise aggressive");
}

CAF_TEST(a_node_that_becomes_critical_goes_on_with_what_has_not_been_tried) {
  node self;
  self.looks(memory(80), 3);
  CAF_CHECK_EQUAL(self.looks(memory(90), 3), "free aggressive, pro moderate, pro aggressive");
}

CAF_TEST(a_new_round_begins_half_a_minute_after_the_last_order_of_the_one_before) {
  node self;
  self.looks(memory(80), 4);
  CAF_CHECK_EQUAL(self.look(memory(80), 29'999ms), "");
  CAF_CHECK_EQUAL(self.look(memory(80), 1ms), "free conservative");
  CAF_CHECK_EQUAL(self.look(memory(80)), "free moderate");
}

CAF_TEST(nobody_goes_for_a_shortage_that_is_over_while_its_level_lasts) {
  node self;
  self.look(memory(80));
  CAF_CHECK_EQUAL(self.looks(memory(79), 60), "");
  CHECK_LEVEL(self, elevated);
  CAF_CHECK_EQUAL(self.look(memory(80)), "free moderate");
}

CAF_TEST(a_shortage_that_comes_back_begins_with_the_gentlest_step) {
  node self;
  self.looks(memory(80), 4);
  self.looks(memory(10), 6);
  CHECK_LEVEL(self, normal);
  CAF_CHECK_EQUAL(self.look(memory(80)), "free conservative");
}

CAF_TEST(a_normal_node_orders_nothing_and_remembers_nothing) {
  node self;
  CAF_CHECK_EQUAL(self.looks(memory(79), 100), "");
  CAF_CHECK(self.state == pressure_state{});
}

CAF_TEST(the_doors_are_open_to_everybody_until_the_pressure_is_critical_then_to_enterprise_alone) {
  CAF_CHECK(doors_under(pressure_level::normal) == (door_policy{{true, true, true}, 0ms}));
  CAF_CHECK(doors_under(pressure_level::elevated) == (door_policy{{true, true, true}, 0ms}));
  CAF_CHECK(doors_under(pressure_level::critical) == (door_policy{{false, false, true}, 5s}));
}

CAF_TEST(a_higher_tier_is_let_in_wherever_a_lower_one_is_and_more_pressure_never_opens_a_door) {
  for (const auto level : {pressure_level::normal, pressure_level::elevated, pressure_level::critical}) {
    const auto doors = doors_under(level);
    for (std::size_t which = 1; which < tiers; ++which)
      CAF_CHECK(doors.open_to_tier[which] || !doors.open_to_tier[which - 1]);
    CAF_CHECK(doors.open_to_tier.back());
    for (const auto harder : {pressure_level::elevated, pressure_level::critical})
      for (std::size_t which = 0; harder > level && which < tiers; ++which)
        CAF_CHECK(doors.open_to_tier[which] || !doors_under(harder).open_to_tier[which]);
  }
}

CAF_TEST(a_grace_is_allowed_only_where_nothing_is_short) {
  CAF_CHECK(allows_grace(pressure_level::normal));
  CAF_CHECK(!allows_grace(pressure_level::elevated));
  CAF_CHECK(!allows_grace(pressure_level::critical));
}

// Every run of eight looks over readings on both sides of every threshold, and of where each level is left.
CAF_TEST(every_short_history_keeps_the_rules) {
  const std::vector<double> readings{71.99, 72.01, 80, 81.01, 90};
  const int length = 8;
  std::vector<std::size_t> digits(length, 0);
  std::size_t histories = 0;
  for (bool more = true; more; ++histories) {
    node self;
    for (const auto digit : digits)
      self.look(memory(readings[digit]), 2500ms);
    more = false;
    for (auto& digit : digits) {
      digit = (digit + 1) % readings.size();
      more = digit != 0;
      if (more) break;
    }
  }
  CAF_CHECK_EQUAL(histories, 390'625u);
}

CAF_TEST(long_histories_of_all_readings_keep_the_rules) {
  std::mt19937 random{7};
  const auto below = [&](std::uint64_t bound) { return random() % bound; };
  std::size_t orders = 0, levels[3] = {};
  for (int history = 0; history < 200; ++history) {
    node self;
    bool calm = true;
    for (int look = 0; look < 500; ++look) {
      // Most looks are calm, or nothing would ever be left; and calm lasts, or no lateness ever would.
      if (below(4) == 0) calm = below(4) != 0;
      const node_reading reading{below(calm ? 72 : 100), 100, std::chrono::milliseconds{below(calm ? 180 : 1'100)},
                                 below(calm ? 810 : 1'001), 1'000};
      orders += self.look(reading, std::chrono::milliseconds{below(3'000)}).empty() ? 0 : 1;
      ++levels[static_cast<int>(self.state.level)];
    }
  }
  CAF_CHECK(orders > 1'000);
  for (const auto count : levels)
    CAF_CHECK(count > 1'000);
}
