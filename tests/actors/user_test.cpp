#define CAF_SUITE user
#include "tests/actors/ladder_fixture.hpp"

using namespace gangway;
using namespace gangway::test;

CAF_TEST_FIXTURE_SCOPE(user_tests, ladder_fixture)

CAF_TEST(a_new_connection_is_greeted_first_with_its_limits) {
  auto ada = connect("ada", "pro");
  const auto heard = ada.take();
  CAF_REQUIRE_EQUAL(heard.size(), 1u);
  CAF_CHECK_EQUAL(heard[0]["type"], "connected");
  CAF_CHECK_EQUAL(heard[0]["user_id"], "ada");
  CAF_CHECK_EQUAL(heard[0]["tier"], "pro");
  CAF_CHECK_EQUAL(heard[0]["limits"]["managers_used"], 0);
  CAF_CHECK_EQUAL(heard[0]["limits"]["managers_max"], 20);
  CAF_CHECK(ada.session->admitted_by != nullptr);
}

CAF_TEST(the_20th_thread_is_opened) {
  auto ada = connect("ada");
  open_threads(ada, 1, 20);
  CAF_CHECK_EQUAL(json(ada.ask({{"type", "status"}})["result"]["managers_used"]), 20);
}

CAF_TEST(the_21st_thread_is_opened_and_the_least_recently_useful_of_the_20_is_told_to_go) {
  auto ada = connect("ada");
  ada.session->answers = true;
  open_threads(ada, 1, 20);
  elapse(1s);
  ada.ask(open("t1")); // useful again: t2 is the one now
  ada.take();
  CAF_CHECK(ada.ask(open("t21")).contains("result"));
  const auto heard = ada.take();
  CAF_REQUIRE_EQUAL(heard.size(), 1u);
  CAF_CHECK_EQUAL(heard[0]["kind"], "manager_evicted");
  CAF_CHECK_EQUAL(heard[0]["thread_id"], "t2");
  CAF_CHECK_EQUAL(heard[0]["reason"], "least_recently_useful");
  CAF_CHECK_EQUAL(count().managers, 20u);
}

CAF_TEST(a_closed_thread_frees_its_slot_at_once) {
  auto ada = connect("ada");
  open_threads(ada, 1, 20);
  CAF_CHECK(ada.ask({{"type", "thread.close"}, {"thread_id", "t7"}}).contains("result"));
  CAF_CHECK(ada.ask(open("t21")).contains("result"));
  CAF_CHECK(ada.ask(open("t22")).is_null()); // somebody has to be asked first
}

CAF_TEST(a_slot_is_free_though_its_manager_does_not_end) {
  services->spawn_manager = [](caf::local_actor* parent, user_actor, const manager_identity&) {
    return parent->spawn(deaf_manager);
  };
  rules.managers_max = 1;
  auto ada = connect("ada");
  ada.say(open("t1"));
  ada.say({{"type", "thread.close"}, {"thread_id", "t1"}});
  CAF_CHECK_EQUAL(json(ada.ask({{"type", "status"}})["result"]["managers_used"]), 0);
  CAF_CHECK_EQUAL(report_of(ada).managers.size(), 1u); // followed until its end is proven
  elapse(rules.retire_timeout + 10ms);
  CAF_CHECK_EQUAL(report_of(ada).managers.size(), 0u);
}

CAF_TEST(a_deaf_manager_leaves_its_connection_answered_because_the_user_holds_the_credit) {
  services->spawn_manager = [](caf::local_actor* parent, user_actor, const manager_identity&) {
    return parent->spawn(deaf_manager);
  };
  auto ada = connect("ada");
  ada.say(open("t1")); // the first of eight frames without an answer
  for (int i = 2; i <= 8; ++i)
    CAF_CHECK_EQUAL(ada.ask(message("t1", "hello")), json());
  CAF_CHECK_EQUAL(json(ada.ask(message("t1", "hello"))["error"]["code"]), "busy");
  CAF_CHECK(ada.ask({{"type", "ping"}}).contains("result"));
}

CAF_TEST(one_thread_of_a_socket_does_not_use_up_the_credit_of_another) {
  services->spawn_manager = [this](caf::local_actor* parent, user_actor owner,
                                   manager_identity identity) -> manager_actor {
    if (identity.thread.value == "deaf") return parent->spawn(deaf_manager);
    return parent->spawn(manager, std::move(owner), std::move(identity), managers);
  };
  auto ada = connect("ada");
  ada.say(open("deaf"));
  for (int i = 0; i < 20; ++i)
    ada.say(message("deaf", "hello"));
  CAF_CHECK(ada.ask(open("t1")).contains("result"));
  CAF_CHECK(ada.ask(message("t1", "hello")).contains("result"));
}

CAF_TEST(a_crashed_manager_detaches_its_thread_and_no_other) {
  services->spawn_manager = [this](caf::local_actor* parent, user_actor owner,
                                   manager_identity identity) -> manager_actor {
    if (identity.thread.value == "t1") return parent->spawn(crashing_manager, std::move(owner), identity);
    return parent->spawn(manager, std::move(owner), std::move(identity), managers);
  };
  auto ada = connect("ada");
  ada.say(open("t1"));
  CAF_REQUIRE(ada.ask(open("t2")).contains("result"));
  ada.take();
  ada.say(message("t1", "hello"));
  const auto heard = ada.take();
  CAF_REQUIRE_EQUAL(heard.size(), 1u);
  CAF_CHECK_EQUAL(heard[0]["kind"], "thread_detached");
  CAF_CHECK_EQUAL(heard[0]["thread_id"], "t1");
  CAF_CHECK(ada.session->closed.empty());
  CAF_CHECK_EQUAL(json(ada.ask(message("t1", "hello"))["error"]["code"]), "not_open");
  CAF_CHECK(ada.ask(message("t2", "hello")).contains("result"));
}

CAF_TEST(a_command_is_answered_though_its_manager_crashed_over_it) {
  services->spawn_manager = [](caf::local_actor* parent, user_actor owner, const manager_identity& identity) {
    return parent->spawn(crashing_manager, std::move(owner), identity);
  };
  auto ada = connect("ada");
  ada.say(open("t1"));
  CAF_CHECK_EQUAL(json(ada.ask(message("t1", "hello"))["error"]["code"]), "internal");
}

// The socket was lost before the run was reported; the manager then lingered out its minute and took the run along.
CAF_TEST(a_disconnect_right_behind_a_message_does_not_cancel_its_run) {
  rules.linger = 1s;
  auto ada = connect("ada");
  auto too = connect("ada");
  ada.ask(open("t1"));
  ada.whisper(message("t1", "/stream 100 20"));
  caf::anon_send(ada.session->admitted_by, session_closed{ada.id});
  settle();
  elapse(10s);
  const auto messages = json(too.ask(open("t1"))["result"]["snapshot"]["messages"]);
  CAF_REQUIRE_EQUAL(messages.size(), 2u);
  CAF_CHECK_EQUAL(messages[1]["role"], "assistant");
}

CAF_TEST(opens_of_one_thread_are_within_its_credit) {
  auto ada = connect("ada");
  ada.take();
  for (int id = 1; id <= 9; ++id) {
    auto frame = open("t1");
    frame["id"] = id;
    ada.whisper(frame);
  }
  settle();
  const auto heard = ada.take();
  CAF_REQUIRE_EQUAL(heard.size(), 9u);
  const auto refused = std::count_if(heard.begin(), heard.end(), [](const json& one) {
    return one.contains("error") && one["error"]["code"] == "busy";
  });
  CAF_CHECK_EQUAL(refused, 1);
}

CAF_TEST(managers_that_do_not_end_are_bounded_too) {
  services->spawn_manager = [](caf::local_actor* parent, user_actor, const manager_identity&) {
    return parent->spawn(deaf_manager);
  };
  rules.managers_max = 2;
  auto ada = connect("ada");
  for (int i = 1; i <= 2; ++i) {
    const auto thread = "t" + std::to_string(i);
    CAF_CHECK_EQUAL(ada.ask(open(thread)), json());
    CAF_CHECK(ada.ask({{"type", "thread.close"}, {"thread_id", thread}}).contains("result"));
  }
  CAF_CHECK_EQUAL(json(ada.ask(open("t3"))["error"]["code"]), "overloaded");
  elapse(rules.retire_timeout + 1s, 1s);
  CAF_CHECK_EQUAL(ada.ask(open("t3")), json());
}

CAF_TEST(an_open_is_answered_though_its_manager_crashed_on_the_way) {
  services->spawn_manager = [](caf::local_actor* parent, user_actor, const manager_identity&) {
    return parent->spawn(stillborn_manager);
  };
  auto ada = connect("ada");
  CAF_CHECK_EQUAL(json(ada.ask(open("t1"))["error"]["code"]), "internal");
  CAF_CHECK_EQUAL(json(ada.ask({{"type", "status"}})["result"]["managers_used"]), 0);
}

CAF_TEST(an_unused_manager_ends_after_it_lingered) {
  auto ada = connect("ada");
  auto too = connect("ada");
  CAF_REQUIRE(ada.ask(open("t1")).contains("result"));
  ada.vanish();
  elapse(rules.linger - 1ms, 1s);
  CAF_CHECK_EQUAL(report_of(too).managers.size(), 1u);
  elapse(1ms);
  CAF_CHECK_EQUAL(report_of(too).managers.size(), 0u);
}

CAF_TEST(a_manager_that_somebody_came_back_to_does_not_end) {
  auto ada = connect("ada");
  auto too = connect("ada");
  CAF_REQUIRE(ada.ask(open("t1")).contains("result"));
  ada.vanish();
  elapse(rules.linger - 1s, 1s);
  CAF_REQUIRE(too.ask(open("t1")).contains("result"));
  elapse(2s, 1s);
  CAF_CHECK_EQUAL(report_of(too).managers.size(), 1u);
}

CAF_TEST(who_leaves_returns_and_leaves_again_has_the_whole_linger_from_the_last_time) {
  auto other = connect("ada");
  for (const bool by_closing : {false, true}) {
    auto ada = connect("ada");
    CAF_REQUIRE(ada.ask(open("t1")).contains("result"));
    CAF_REQUIRE(ada.ask(message("t1", "hello")).contains("result"));
    elapse(5s, 100ms);
    ada.vanish();
    elapse(rules.linger - 1s, 1s);
    auto again = connect("ada");
    CAF_REQUIRE(again.ask(open("t1")).contains("result"));
    if (by_closing) {
      // A run that has just begun is no reason to end with it either.
      CAF_REQUIRE(again.ask(message("t1", "/stream 5 10")).contains("result"));
    }
    again.vanish();
    elapse(2s, 100ms);
    CAF_CHECK_EQUAL(report_of(other).managers.size(), 1u);
    elapse(rules.linger - 3s, 1s);
    CAF_CHECK_EQUAL(report_of(other).managers.size(), 1u);
    elapse(5s, 1s);
    CAF_CHECK_EQUAL(report_of(other).managers.size(), 0u);
  }
}

CAF_TEST(a_silent_connection_is_pinged_twice_and_then_closed) {
  rules.heartbeat = {25s, 10s};
  auto ada = connect("ada");
  elapse(24s, 1s);
  CAF_CHECK_EQUAL(ada.session->pings.size(), 0u);
  elapse(2s, 100ms);
  CAF_CHECK_EQUAL(ada.session->pings.size(), 1u);
  elapse(5s, 100ms);
  CAF_CHECK_EQUAL(ada.session->pings.size(), 2u);
  CAF_CHECK(ada.session->closed.empty());
  elapse(5s, 100ms);
  CAF_REQUIRE_EQUAL(ada.session->closed.size(), 1u);
  CAF_CHECK(ada.session->closed[0].code == close_code::no_pong);
}

CAF_TEST(a_connection_that_answers_its_pings_stays) {
  rules.heartbeat = {25s, 10s};
  auto ada = connect("ada");
  for (int i = 0; i < 10; ++i) {
    const auto before = ada.session->pings.size();
    elapse(26s, 500ms);
    CAF_REQUIRE(ada.session->pings.size() > before);
    ada.pong();
  }
  CAF_CHECK(ada.session->closed.empty());
}

CAF_TEST(the_65th_connection_replaces_the_least_recently_useful_one) {
  std::vector<client> all;
  for (int i = 0; i < 64; ++i) {
    all.push_back(connect("ada"));
    elapse(1ms);
  }
  all[0].ask(open("t1")); // useful again: the second one is the oldest now
  auto last = connect("ada");
  CAF_CHECK(all[0].session->closed.empty());
  CAF_REQUIRE_EQUAL(all[1].session->closed.size(), 1u);
  CAF_CHECK(all[1].session->closed[0].code == close_code::evicted);
  CAF_CHECK_EQUAL(count().connections, 64u);
}

CAF_TEST(the_64th_connection_replaces_nobody) {
  rules.connections_max = 64;
  std::vector<client> all;
  for (int i = 0; i < 64; ++i)
    all.push_back(connect("ada"));
  for (const auto& one : all)
    CAF_CHECK(one.session->closed.empty());
}

CAF_TEST(a_connection_that_left_a_ping_unanswered_is_replaced_before_others_and_the_record_says_so) {
  rules.connections_max = 3;
  rules.heartbeat = {25s, 10s};
  auto oldest = connect("ada");
  oldest.session->answers = true;
  elapse(1s);
  auto silent = connect("ada");
  elapse(1s);
  auto newest = connect("ada");
  newest.session->answers = true;
  elapse(31s, 100ms);
  silent.session->answers = true; // a real session would report its end too
  auto last = connect("ada");
  CAF_CHECK(oldest.session->closed.empty());
  CAF_CHECK(newest.session->closed.empty());
  CAF_REQUIRE_EQUAL(silent.session->closed.size(), 1u);
  CAF_CHECK(silent.session->closed[0].code == close_code::evicted);
  CAF_CHECK_EQUAL(count().connections, 3u);
  const auto made = decisions({.subject = to_string(silent.id)});
  CAF_REQUIRE_EQUAL(made.size(), 1u);
  CAF_CHECK_EQUAL(made[0]["kind"], "connection_replaced");
  CAF_CHECK_EQUAL(made[0]["connections"][0]["code"], 4440);
}

// Seventeen thousand decisions in seconds pushed everybody else's out of the record.
CAF_TEST(a_client_that_is_replaced_all_the_time_is_recorded_now_and_then_with_how_often_it_was_not) {
  rules.connections_max = 1;
  for (int i = 0; i <= 130; ++i)
    arrive("ada");
  const note_terms terms;
  CAF_CHECK_EQUAL(decisions({.user = user_id{"ada"}, .limit = 1000}).size(), terms.at_once);
  elapse(terms.interval, 10ms);
  arrive("ada");
  const auto made = decisions({.user = user_id{"ada"}, .limit = 1000});
  CAF_REQUIRE_EQUAL(made.size(), terms.at_once + 1u);
  CAF_CHECK_EQUAL(made[0]["left_out"], 130 - terms.at_once);
  CAF_CHECK(!made[1].contains("left_out"));
}

CAF_TEST(what_is_left_out_of_one_kind_costs_no_other_its_record) {
  rules.connections_max = 1;
  for (int i = 0; i <= 100; ++i)
    arrive("ada");
  makers["t1"] = crashing_manager;
  auto ada = arrive("ada");
  ada.ask(open("t1"));
  ada.say(message("t1", "crash"));
  CAF_CHECK_EQUAL(json(decisions({.limit = 1})[0]["kind"]), "manager_crashed");
}

// A client that answers no close frame kept any number of sockets in their closing handshake.
CAF_TEST(of_the_connections_that_were_replaced_eight_are_waited_for_and_the_others_are_told_again) {
  rules.connections_max = 1;
  std::vector<client> all;
  for (int i = 0; i < 12; ++i)
    all.push_back(connect("ada"));
  for (int i = 0; i < 12; ++i)
    CAF_CHECK_EQUAL(all[static_cast<std::size_t>(i)].session->closed.size(), i < 3 ? 2u : i < 11 ? 1u : 0u);
  // Who has gone is not waited for.
  for (auto& one : all)
    if (one.session->closed.size() == 1) one.vanish();
  all.push_back(connect("ada"));
  CAF_CHECK_EQUAL(all[11].session->closed.size(), 1u);
}

CAF_TEST(users_do_not_share_threads_of_the_same_name) {
  auto ada = connect("ada");
  auto bob = connect("bob");
  ada.ask(open("t1"));
  bob.ask(open("t1"));
  ada.ask(message("t1", "hello"));
  elapse(5s);
  CAF_CHECK(!ada.take_events().empty());
  CAF_CHECK(bob.take_events().empty());
}

CAF_TEST(a_user_without_anything_is_forgotten) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  ada.vanish();
  CAF_CHECK_EQUAL(count().users, 1u);
  elapse(rules.linger * 2 + 1s, 1s);
  CAF_CHECK_EQUAL(count().users, 0u);
  CAF_CHECK_EQUAL(count().managers, 0u);
}

CAF_TEST(a_user_who_comes_back_in_the_moment_of_being_forgotten_is_served) {
  auto ada = connect("ada");
  ada.vanish();
  // The user asks to be forgotten, and a connection is passed on to it before the directory reads that.
  sched.advance_time(rules.linger);
  client again{this, connection_id::make(), std::make_shared<played_session>()};
  caf::anon_send(shard, session_opened{again.id, {"ada"}, "free", session_link{again.session}, {}});
  settle();
  CAF_CHECK(again.session->closed.empty());
  CAF_CHECK(again.ask({{"type", "ping"}}).contains("result"));
  elapse(10s, 1s);
  CAF_CHECK(again.ask({{"type", "ping"}}).contains("result"));
}

CAF_TEST(a_user_that_dies_closes_its_sockets_with_reconnect_and_is_started_again) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  caf::anon_send_exit(ada.session->admitted_by, caf::exit_reason::kill);
  settle();
  CAF_REQUIRE_EQUAL(ada.session->closed.size(), 1u);
  CAF_CHECK(ada.session->closed[0].code == close_code::state_lost);
  CAF_CHECK(ada.session->closed[0].reconnect());
  CAF_CHECK_EQUAL(count().managers, 0u);
  auto again = connect("ada");
  CAF_CHECK(again.ask(open("t1")).contains("result"));
}

CAF_TEST(commands_for_a_thread_that_is_not_open_are_refused_as_such) {
  auto ada = connect("ada");
  auto too = connect("ada");
  ada.ask(open("t1"));
  CAF_CHECK_EQUAL(json(too.ask(message("t1", "hello"))["error"]["code"]), "not_open");
  CAF_CHECK_EQUAL(json(too.ask({{"type", "thread.close"}, {"thread_id", "t1"}})["error"]["code"]), "not_open");
  CAF_CHECK_EQUAL(json(too.ask({{"type", "thread.history"}, {"thread_id", "t1"}})["error"]["code"]), "not_open");
}

CAF_TEST(threads_are_listed_the_newest_first_with_their_titles) {
  auto ada = connect("ada");
  for (const auto* thread : {"t1", "t2"}) {
    ada.ask(open(thread));
    ada.ask(message(thread, std::string{"hello from "} + thread));
    elapse(5s);
  }
  ada.ask({{"type", "thread.close"}, {"thread_id", "t1"}});
  const auto list = ada.ask({{"type", "thread.list"}})["result"]["threads"];
  CAF_REQUIRE_EQUAL(list.size(), 2u);
  CAF_CHECK_EQUAL(list[0]["thread_id"], "t2");
  CAF_CHECK_EQUAL(list[0]["live"], true);
  CAF_CHECK_EQUAL(list[1]["title"], "hello from t1");
  CAF_CHECK_EQUAL(list[1]["live"], false);
}

CAF_TEST(a_command_without_an_id_runs_and_is_not_answered) {
  auto ada = connect("ada");
  ada.take();
  ada.say(open("t1"));
  CAF_CHECK(ada.take().empty());
  CAF_CHECK_EQUAL(report_of(ada).managers.size(), 1u);
}

CAF_TEST_FIXTURE_SCOPE_END()
