#define CAF_SUITE manager_opening
// tidy: allow (one phase of a manager, and what its user does about it)
#include "tests/actors/ladder_fixture.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

/// A store that stands still: it takes every question and answers none.
store_actor::behavior_type still_store(store_actor::pointer self) {
  return {
      [=](const open_log&) { return self->make_response_promise<log_opened>(); },
      [=](const append_events&) { return self->make_response_promise<events_appended>(); },
      [](const record_decision&) {},
      [](const examine&) {},
      [=](const erase_history&) { return self->make_response_promise<history_erased>(); },
      [](const get_store_measures&) { return store_measured{}; },
      [=](const retire&) { self->quit(); },
      [](const get_vitals&) { return vitals{}; },
  };
}

struct fixture : ladder_fixture {
  fixture() {
    rules.managers_max = 3;
    rules.cleanup.start_ratio = 1;
    rules.open_timeout = 2s;
    rules.retire_timeout = 1s;
    working = std::exchange(managers->store, sys.spawn(still_store));
    services->spawn_manager = [this](caf::local_actor* parent, user_actor owner, manager_identity identity) {
      return spawned.emplace_back(parent->spawn(manager, std::move(owner), std::move(identity), managers));
    };
  }

  ~fixture() override { mend(); }

  void mend() {
    if (!working) return;
    caf::anon_send_exit(managers->store, caf::exit_reason::kill);
    managers->store = std::exchange(working, {});
  }

  std::vector<std::int64_t> ask_for_all(client& who) {
    std::vector<std::int64_t> result;
    for (const auto* thread : {"t1", "t2", "t3"})
      result.push_back(who.post(open(thread)));
    settle();
    return result;
  }

  store_actor working;
  std::vector<manager_actor> spawned;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(manager_opening_tests, fixture)

// A manager that was opening heard nothing, not even a kill: as many leaked as a user may have, and then the user was
// locked out as overloaded.
CAF_TEST(managers_behind_a_store_that_stands_still_end_when_they_are_given_up_and_never_leak) {
  auto ada = arrive("ada");
  for (int round = 0; round < 5; ++round) {
    const auto requests = ask_for_all(ada);
    elapse(1900ms, 10ms);
    for (const auto request : requests)
      CAF_CHECK(ada.take_reply(request).is_null());
    elapse(200ms, 10ms);
    for (const auto request : requests)
      CAF_CHECK_EQUAL(json(ada.take_reply(request)["error"]["message"]), "the thread could not be opened in time");
    CAF_CHECK_EQUAL(report_of(ada).managers.size(), 0u);
    elapse(3 * rules.retire_timeout, 10ms);
    CAF_CHECK_EQUAL(count().leaked, 0u);
  }
  mend();
  CAF_CHECK(ada.ask(open("t1")).contains("result"));
  CAF_CHECK(ada.ask(message("t1", "hello")).contains("result"));
}

CAF_TEST(a_manager_that_is_opening_can_be_killed) {
  auto ada = arrive("ada");
  const auto requests = ask_for_all(ada);
  caf::anon_send_exit(spawned[1], caf::exit_reason::kill);
  settle();
  CAF_CHECK(ada.take_reply(requests[0]).is_null());
  CAF_CHECK(ada.take_reply(requests[1]).contains("error"));
  CAF_CHECK_EQUAL(used(ada), 2u);
}

CAF_TEST(a_thread_that_is_closed_while_it_opens_ends_at_once) {
  auto ada = arrive("ada");
  const auto requests = ask_for_all(ada);
  CAF_CHECK(ada.ask({{"type", "thread.close"}, {"thread_id", "t2"}}).contains("result"));
  CAF_CHECK_EQUAL(json(ada.take_reply(requests[1])["error"]["code"]), "not_open");
  CAF_CHECK_EQUAL(report_of(ada).managers.size(), 2u);
}

CAF_TEST(a_user_whose_managers_are_opening_retires_at_once) {
  auto ada = arrive("ada");
  ask_for_all(ada);
  caf::anon_send(ada.session->admitted_by, retire{});
  settle();
  for (const auto& one : spawned) {
    const auto* known = caf::actor_cast<caf::strong_actor_ptr>(one)->get();
    CAF_CHECK(known->getf(caf::abstract_actor::is_terminated_flag));
  }
}

CAF_TEST(what_is_said_while_a_thread_opens_is_answered_in_its_order_once_it_is_open) {
  mend();
  auto ada = arrive("ada");
  const auto opened = ada.post(open("t1"));
  const auto sent = ada.post(message("t1", "what is 2+2?"));
  const auto again = ada.post(message("t1", "and 3+3?"));
  const auto read = ada.post({{"type", "thread.history"}, {"thread_id", "t1"}});
  ada.whisper({{"type", "thread.close"}, {"thread_id", "t1"}});
  elapse(50ms, 1ms);
  CAF_CHECK(ada.take_reply(opened).contains("result"));
  CAF_CHECK(!ada.take_reply(sent).is_null());
  CAF_CHECK(!ada.take_reply(again).is_null());
  CAF_CHECK(!ada.take_reply(read).is_null());
  CAF_CHECK(ada.ask(open("t1")).contains("result"));
}

CAF_TEST_FIXTURE_SCOPE_END()
