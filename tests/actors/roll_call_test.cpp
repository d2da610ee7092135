#define CAF_SUITE roll_call
// tidy: allow (one part of the user actor's liveness: who is still there behind a connection)
#include "tests/actors/ladder_fixture.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct fixture : ladder_fixture {
  fixture() { rules.cleanup.start_ratio = 1; }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(roll_call_tests, fixture)

CAF_TEST(nobody_is_closed_as_silent_while_the_loop_of_his_session_stands_still) {
  rules.heartbeat = {25s, 10s};
  auto ada = connect("ada");
  elapse(26s, 50ms);
  ada.session->turns = false;
  elapse(30s, 50ms);
  CAF_CHECK(ada.session->closed.empty());
  ada.pong();
  ada.session->turns = true;
  elapse(34s, 50ms);
  CAF_CHECK(ada.session->closed.empty());
  elapse(2s, 50ms);
  CAF_CHECK_EQUAL(ada.session->closed.size(), 1u);
}

CAF_TEST(whoever_is_silent_is_closed_when_the_loop_of_his_session_turns_again) {
  rules.heartbeat = {25s, 10s};
  auto ada = connect("ada");
  elapse(26s, 50ms);
  ada.session->turns = false;
  elapse(30s, 50ms);
  ada.session->turns = true;
  elapse(rules.heartbeat.timeout / 2 + 50ms, 50ms);
  CAF_CHECK_EQUAL(ada.session->closed.size(), 1u);
}

CAF_TEST(a_connection_whose_session_never_looks_at_its_link_again_is_given_up_in_the_end) {
  rules.heartbeat = {25s, 10s};
  auto ada = connect("ada");
  ada.session->turns = false;
  elapse(25s + 10s + 55s, 50ms);
  CAF_CHECK(ada.session->closed.empty());
  elapse(15s, 50ms);
  CAF_CHECK_EQUAL(ada.session->closed.size(), 1u);
}

// A renewal of a token stopped the reading for up to 8 s, and the roll call did not know.
CAF_TEST(nobody_is_closed_as_silent_while_his_session_does_not_read) {
  rules.heartbeat = {25s, 10s};
  auto ada = connect("ada");
  ada.session->sees.reading = false;
  elapse(60s, 50ms);
  CAF_CHECK(ada.session->closed.empty());
  ada.session->sees.reading = true;
  elapse(rules.heartbeat.timeout / 2 + 50ms, 50ms);
  CAF_CHECK_EQUAL(ada.session->closed.size(), 1u);
}

CAF_TEST(a_connection_that_dies_is_no_evidence_against_a_thread_that_another_has_and_leaves_in_order) {
  rules.heartbeat = {25s, 10s};
  auto quiet = connect("ada");
  auto ada = arrive("ada");
  auto too = arrive("ada");
  quiet.ask(open("t1"));
  too.ask(open("t1"));
  elapse(36s, 50ms);
  CAF_REQUIRE_EQUAL(quiet.session->closed.size(), 1u);
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
  too.vanish();
  CAF_CHECK(is_live(ada, "t1"));
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
}

CAF_TEST(a_silent_connection_is_shown_as_suspect_before_it_is_closed) {
  rules.heartbeat = {25s, 10s};
  auto ada = connect("ada");
  elapse(29s, 50ms);
  CAF_CHECK(!report_of(ada).connections[0].suspect);
  elapse(2s, 50ms);
  CAF_CHECK(report_of(ada).connections[0].suspect);
  CAF_CHECK(ada.session->closed.empty());
}

CAF_TEST(a_manager_whose_last_connection_died_is_proven_dead_by_what_that_died_of) {
  rules.heartbeat = {25s, 10s};
  auto quiet = connect("ada");
  auto ada = arrive("ada");
  quiet.ask(open("t1"));
  elapse(36s, 50ms);
  CAF_REQUIRE_EQUAL(quiet.session->closed.size(), 1u);
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "t1: silent");
  auto too = arrive("ada");
  too.ask(open("t1")); // somebody came back
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
  too.vanish(); // and left as one does
  CAF_CHECK_EQUAL(words(zombies_of(ada)), "");
}

CAF_TEST(a_roll_call_that_is_late_reads_what_came_before_it_judges) {
  rules.heartbeat = {25s, 10s};
  auto ada = connect("ada");
  elapse(32s, 50ms);
  CAF_REQUIRE_EQUAL(ada.session->pings.size(), 2u);
  sched.advance_time(20s); // nothing is handled meanwhile
  settle();
  CAF_CHECK(ada.session->closed.empty());
  ada.pong();
  elapse(20s, 50ms);
  CAF_CHECK(ada.session->closed.empty());
}

CAF_TEST_FIXTURE_SCOPE_END()
