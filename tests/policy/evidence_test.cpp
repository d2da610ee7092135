#define CAF_SUITE evidence

#include "actors/policy/evidence.hpp"

#include <algorithm>
#include <string>

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;
using std::chrono::milliseconds;

namespace {

const auto patience = 1500ms;

std::string name(const std::optional<finding>& what) { return what ? std::string{to_string(*what)} : "nothing"; }

/// What a kernel shows whose peer has acknowledged nothing for so long.
link_observation unheard(milliseconds length, std::uint32_t unacknowledged = 1, std::uint32_t retransmissions = 2) {
  link_observation seen;
  seen.unacknowledged = unacknowledged;
  seen.retransmissions = retransmissions;
  seen.unheard_for = length;
  return seen;
}

/// What a send queue shows that the kernel has taken nothing of for so long.
link_observation stalled(milliseconds length, std::uint64_t bytes = 1) {
  link_observation seen;
  seen.queued_bytes = bytes;
  seen.stalled_for = length;
  return seen;
}

/// What a session sees whose link has nothing to show.
link_observation nothing_odd() { return {}; }

/// What is found once the probe is over.
std::string at_end(const connection_probe& probe) { return name(judge(probe, true, patience)); }

/// What is found while it lasts.
std::string so_far(const connection_probe& probe) { return name(judge(probe, false, patience)); }

} // namespace

// -- connections ---------------------------------------------------------------------------------

CAF_TEST(two_unanswered_pings_prove_silence_and_one_does_not) {
  CAF_CHECK_EQUAL(at_end({false, 0, nothing_odd()}), "nothing");
  CAF_CHECK_EQUAL(at_end({false, 1, nothing_odd()}), "nothing");
  CAF_CHECK_EQUAL(at_end({false, 2, nothing_odd()}), "silent");
  CAF_CHECK_EQUAL(at_end({false, 3, nothing_odd()}), "silent");
}

CAF_TEST(silence_proves_nothing_before_the_probe_is_over) {
  CAF_CHECK_EQUAL(so_far({false, 2, nothing_odd()}), "nothing");
  CAF_CHECK_EQUAL(at_end({false, 2, nothing_odd()}), "silent");
}

// The session's loop may have stood still: it has not looked, and has not read a pong either.
CAF_TEST(silence_proves_nothing_without_a_look_at_the_link_that_came_with_the_last_ping) {
  auto seen = nothing_odd();
  CAF_CHECK_EQUAL(at_end({false, 2, {}, 7}), "nothing");
  seen.nonce = 6;
  CAF_CHECK_EQUAL(at_end({false, 2, seen, 7}), "nothing");
  seen.nonce = 7;
  CAF_CHECK_EQUAL(at_end({false, 2, seen, 7}), "silent");
}

CAF_TEST(a_queue_that_stood_at_an_older_look_proves_nothing) {
  auto seen = stalled(1h);
  seen.nonce = 6;
  CAF_CHECK_EQUAL(at_end({false, 2, seen, 7}), "nothing");
  seen.nonce = 7;
  CAF_CHECK_EQUAL(at_end({false, 2, seen, 7}), "stalled");
}

CAF_TEST(what_the_kernel_shows_counts_whenever_it_was_looked_at) {
  auto seen = unheard(2s);
  seen.nonce = 6;
  CAF_CHECK_EQUAL(so_far({false, 2, seen, 7}), "unreachable");
}

CAF_TEST(silence_while_we_did_not_read_is_ours) {
  link_observation seen;
  CAF_CHECK_EQUAL(at_end({false, 2, seen}), "silent");
  seen.reading = false;
  CAF_CHECK_EQUAL(at_end({false, 2, seen}), "nothing");
}

CAF_TEST(whoever_answered_is_alive_whatever_else_was_seen) {
  CAF_CHECK_EQUAL(at_end({true, 2, {}}), "nothing");
  CAF_CHECK_EQUAL(at_end({true, 2, unheard(1h)}), "nothing");
  CAF_CHECK_EQUAL(at_end({true, 2, stalled(1h)}), "nothing");
}

CAF_TEST(a_kernel_without_an_acknowledgement_counts_at_once_and_from_the_whole_patience_on) {
  CAF_CHECK_EQUAL(so_far({false, 1, unheard(1499ms)}), "nothing");
  CAF_CHECK_EQUAL(so_far({false, 1, unheard(1500ms)}), "unreachable");
}

CAF_TEST(an_idle_link_is_not_unreachable_however_long_nothing_was_heard) {
  CAF_CHECK_EQUAL(so_far({false, 1, unheard(1h, 0)}), "nothing");
  CAF_CHECK_EQUAL(so_far({false, 1, unheard(1h, 1)}), "unreachable");
}

CAF_TEST(one_retransmission_may_be_a_lost_packet_and_two_are_not) {
  CAF_CHECK_EQUAL(so_far({false, 1, unheard(1h, 1, 1)}), "nothing");
  CAF_CHECK_EQUAL(so_far({false, 1, unheard(1h, 1, 2)}), "unreachable");
}

CAF_TEST(a_queue_is_stalled_from_half_of_the_patience_on_at_the_end_of_the_probe) {
  CAF_CHECK_EQUAL(so_far({false, 1, stalled(1h)}), "nothing");
  CAF_CHECK_EQUAL(at_end({false, 1, stalled(749ms)}), "nothing");
  CAF_CHECK_EQUAL(at_end({false, 1, stalled(750ms)}), "stalled");
}

CAF_TEST(an_empty_queue_is_not_stalled) {
  CAF_CHECK_EQUAL(at_end({false, 1, stalled(1h, 0)}), "nothing");
  CAF_CHECK_EQUAL(at_end({false, 1, stalled(1h, 1)}), "stalled");
}

CAF_TEST(what_the_kernel_shows_comes_before_what_the_queue_shows) {
  auto seen = unheard(2s);
  seen.queued_bytes = 1;
  seen.stalled_for = 2s;
  CAF_CHECK_EQUAL(at_end({false, 2, seen}), "unreachable");
}

// Every combination on both sides of every threshold: no verdict without its evidence, and a probe that is over never
// knows less than it did before.
CAF_TEST(no_connection_is_ever_dead_without_evidence) {
  // Whether it read, and the nonce of the last ping; the look came with the first.
  const std::vector<std::pair<bool, std::uint64_t>> looks{{false, 1}, {false, 2}, {true, 1}, {true, 2}};
  std::size_t cases = 0, wrong = 0;
  for (const bool answered : {false, true})
    for (std::uint32_t pings = 0; pings <= 3; ++pings)
      for (const bool is_over : {false, true})
        for (const std::uint64_t queued : {0, 1})
          for (const auto length : {0ms, 749ms, 750ms, 1499ms, 1500ms, 5000ms})
            for (const std::uint32_t unacknowledged : {0, 1})
              for (std::uint32_t retransmissions = 0; retransmissions <= 3; ++retransmissions)
                for (const auto unheard_for : {0ms, 1499ms, 1500ms, 5000ms})
                  for (const auto& [reading, last] : looks) {
                    ++cases;
                    const connection_probe probe{
                        answered, pings,
                        link_observation{1, queued, length, unacknowledged, retransmissions, unheard_for, reading},
                        last};
                    const auto verdict = judge(probe, is_over, patience);
                    const auto is = [&](finding what) { return verdict == what; };
                    wrong += answered && verdict;
                    wrong += !is_over && verdict && !is(finding::unreachable);
                    wrong += is(finding::unreachable) && (unacknowledged == 0 || unheard_for < patience);
                    wrong += is(finding::silent) && (pings < 2 || !reading || queued > 0 || last != 1);
                    wrong += is(finding::stalled) && (queued == 0 || last != 1);
                    wrong += verdict && !is(finding::unreachable) && !is(finding::silent) && !is(finding::stalled);
                    wrong += judge(probe, false, patience) && !judge(probe, true, patience);
                  }
  CAF_CHECK_EQUAL(cases, 2u * 4 * 2 * 2 * 6 * 2 * 4 * 4 * 4);
  CAF_CHECK_EQUAL(wrong, 0u);
}

// -- managers ------------------------------------------------------------------------------------

namespace {

const auto ada = connection_id::make(), bob = connection_id::make(), eve = connection_id::make();
const auto id = manager_id::make();
const manager_patience usual{15s, 30s};

/// What is wrong with the answer of a manager that must know ada and may know bob.
std::string books(std::vector<connection_id> known, milliseconds leaving = 0ms, milliseconds stuck = 0ms) {
  return name(judge({id, {"t1"}, {ada}, {bob}}, {id, {"t1"}, std::move(known), leaving, stuck}, usual));
}

} // namespace

CAF_TEST(books_that_agree_are_sound_with_or_without_those_on_their_way) {
  CAF_CHECK_EQUAL(books({ada}), "nothing");
  CAF_CHECK_EQUAL(books({ada, bob}), "nothing");
  CAF_CHECK_EQUAL(books({bob, ada}), "nothing");
}

CAF_TEST(a_manager_that_has_lost_a_connection_is_mismatched) {
  CAF_CHECK_EQUAL(books({}), "mismatched");
  CAF_CHECK_EQUAL(books({bob}), "mismatched");
}

CAF_TEST(a_manager_that_knows_a_connection_its_user_does_not_is_mismatched) {
  CAF_CHECK_EQUAL(books({ada, eve}), "mismatched");
}

CAF_TEST(a_manager_of_another_thread_or_another_name_is_mismatched) {
  const manager_books expected{id, {"t1"}, {}, {}};
  CAF_CHECK_EQUAL(name(judge(expected, {id, {"t1"}, {}, 0ms, 0ms}, usual)), "nothing");
  CAF_CHECK_EQUAL(name(judge(expected, {id, {"t2"}, {}, 0ms, 0ms}, usual)), "mismatched");
  CAF_CHECK_EQUAL(name(judge(expected, {manager_id::make(), {"t1"}, {}, 0ms, 0ms}, usual)), "mismatched");
}

CAF_TEST(a_close_is_stuck_from_its_patience_on) {
  CAF_CHECK_EQUAL(books({ada}, 15s - 1ms), "nothing");
  CAF_CHECK_EQUAL(books({ada}, 15s), "stuck_closing");
}

CAF_TEST(a_manager_is_unfit_from_the_patience_for_its_questions_on) {
  CAF_CHECK_EQUAL(books({ada}, 0ms, 30s - 1ms), "nothing");
  CAF_CHECK_EQUAL(books({ada}, 0ms, 30s), "unfit");
}

CAF_TEST(the_first_fault_that_holds_is_named) {
  CAF_CHECK_EQUAL(books({}, 15s, 30s), "mismatched");
  CAF_CHECK_EQUAL(books({ada}, 15s, 30s), "stuck_closing");
}

CAF_TEST(every_small_set_of_books_is_mismatched_exactly_if_it_lacks_one_or_has_a_stranger) {
  const std::vector<connection_id> all{ada, bob, eve};
  const auto subset = [&](std::size_t bits) {
    std::vector<connection_id> result;
    for (std::size_t i = 0; i < all.size(); ++i)
      if ((bits >> i) & 1) result.push_back(all[i]);
    return result;
  };
  std::size_t wrong = 0;
  for (std::size_t must = 0; must < 8; ++must)
    for (std::size_t may = 0; may < 8; ++may)
      for (std::size_t known = 0; known < 8; ++known) {
        const bool agrees = (must & ~known) == 0 && (known & ~(must | may)) == 0;
        const auto found = judge({id, {"t1"}, subset(must), subset(may)}, {id, {"t1"}, subset(known), 0ms, 0ms}, usual);
        wrong += agrees != !found.has_value();
        wrong += found && *found != finding::mismatched;
      }
  CAF_CHECK_EQUAL(wrong, 0u);
}
