#define CAF_SUITE manager
#include "tests/actors/fixture.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

const std::vector<std::string> calculated{"message_accepted",  "agent_started",   "agent_thinking", "tool_executing",
                                          "tool_completed",    "message_started", "message_delta",  "message_delta",
                                          "message_completed", "agent_completed"};

struct fixture : tree_fixture {
  static void check_contiguous(const std::vector<json>& events, std::uint64_t first) {
    for (const auto& one : events)
      CAF_CHECK_EQUAL(one["seq"], first++);
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(manager_tests, fixture)

CAF_TEST(a_question_is_answered_event_by_event_in_order) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  ada.take();
  auto question = message("t1", "what is 12*(3+4)?");
  question["id"] = 2;
  question["client_message_id"] = "c1";
  ada.say(question);
  const auto before = ada.take();
  // The reply comes first, then the message to everybody, the sender too.
  CAF_REQUIRE(before.size() >= 2u);
  CAF_CHECK_EQUAL(before[0]["id"], 2);
  CAF_CHECK_EQUAL(before[0]["result"]["seq"], 1);
  CAF_CHECK_EQUAL(before[1]["event"]["type"], "message_accepted");
  CAF_CHECK_EQUAL(before[1]["event"]["client_message_id"], "c1");
  CAF_CHECK_EQUAL(before[1]["run_id"], before[0]["result"]["run_id"]);
  elapse(5s);
  std::vector<json> events{before.begin() + 1, before.end()};
  for (auto& one : ada.take())
    events.push_back(one);
  auto types = types_of(events);
  CAF_CHECK_EQUAL(types.front(), "message_accepted");
  CAF_CHECK_EQUAL(types.back(), "agent_completed");
  types.erase(std::unique(types.begin(), types.end()), types.end());
  auto expected = calculated;
  expected.erase(std::unique(expected.begin(), expected.end()), expected.end());
  CAF_CHECK_EQUAL(types, expected);
  check_contiguous(events, 1);
  std::string text;
  for (const auto& one : events)
    if (one["event"]["type"] == "message_delta") text += one["event"]["delta"];
  CAF_CHECK(text.find("84") != std::string::npos);
  CAF_CHECK_EQUAL(events[events.size() - 2]["event"]["content"], text);
  CAF_CHECK_EQUAL(events[4]["event"]["result"], "84");
}

CAF_TEST(a_second_message_is_busy_while_a_run_is_in_flight_and_accepted_afterwards) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  CAF_REQUIRE(ada.ask(message("t1", "/stream 10 10")).contains("result"));
  CAF_CHECK_EQUAL(json(ada.ask(message("t1", "hello"))["error"]["code"]), "busy");
  elapse(2s);
  CAF_CHECK(ada.ask(message("t1", "hello")).contains("result"));
}

CAF_TEST(every_connection_of_a_thread_gets_every_event) {
  auto ada = connect("ada");
  auto too = connect("ada");
  ada.ask(open("t1"));
  too.ask(open("t1"));
  ada.ask(message("t1", "what is 1+1?"));
  elapse(5s);
  const auto first = ada.take_events();
  CAF_CHECK_EQUAL(first, too.take_events());
  CAF_CHECK_EQUAL(first.back()["event"]["type"], "agent_completed");
}

CAF_TEST(a_connection_resumes_from_every_position_without_gap_or_repetition) {
  auto ada = connect("ada");
  const auto epoch = ada.ask(open("t1"))["result"]["epoch"].get<std::string>();
  ada.ask(message("t1", "what is 12*(3+4)?"));
  elapse(5s);
  const auto all = ada.take_events();
  for (std::size_t after = 0; after <= all.size(); ++after) {
    auto again = connect("ada");
    const auto reply = again.ask(open_at("t1", epoch, after))["result"];
    CAF_CHECK_EQUAL(reply["resumed"], true);
    CAF_CHECK_EQUAL(reply["seq"], all.size());
    const auto rest = again.take_events();
    CAF_CHECK_EQUAL(rest, (std::vector<json>{all.begin() + static_cast<std::ptrdiff_t>(after), all.end()}));
    again.vanish();
  }
}

CAF_TEST(a_connection_that_resumes_while_the_run_streams_misses_nothing) {
  auto ada = connect("ada");
  const auto epoch = ada.ask(open("t1"))["result"]["epoch"].get<std::string>();
  ada.ask(message("t1", "/stream 100 50"));
  std::vector<client> late;
  for (std::uint64_t after = 0; after < 6; ++after) {
    elapse(300ms);
    // Not settled: the log is read for it while events go on.
    late.push_back(connect("ada"));
    late.back().whisper(open_at("t1", epoch, after));
  }
  elapse(3s, 7ms);
  for (std::uint64_t after = 0; after < 6; ++after) {
    const auto events = late[after].take_events();
    CAF_REQUIRE(!events.empty());
    check_contiguous(events, after + 1);
    CAF_CHECK_EQUAL(events.back()["event"]["type"], "agent_completed");
  }
}

CAF_TEST(a_position_of_another_epoch_is_answered_with_a_snapshot) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  ada.ask(message("t1", "what is 12*(3+4)?"));
  elapse(5s);
  const auto reply = ada.ask(open_at("t1", "other", 3))["result"];
  CAF_CHECK_EQUAL(reply["resumed"], false);
  CAF_REQUIRE_EQUAL(reply["snapshot"]["messages"].size(), 2u);
  CAF_CHECK_EQUAL(reply["snapshot"]["messages"][0]["role"], "user");
  CAF_CHECK_EQUAL(reply["snapshot"]["messages"][1]["role"], "assistant");
  CAF_CHECK_EQUAL(reply["snapshot"]["run"], json());
}

CAF_TEST(a_position_after_the_end_is_answered_with_a_snapshot) {
  auto ada = connect("ada");
  const auto epoch = ada.ask(open("t1"))["result"]["epoch"].get<std::string>();
  CAF_CHECK_EQUAL(json(ada.ask(open_at("t1", epoch, 0))["result"]["resumed"]), true);
  CAF_CHECK_EQUAL(json(ada.ask(open_at("t1", epoch, 1))["result"]["resumed"]), false);
}

CAF_TEST(a_snapshot_in_the_middle_of_a_run_shows_it_and_the_rest_follows) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  ada.ask(message("t1", "/stream 20 10"));
  elapse(1s);
  auto too = connect("ada");
  const auto reply = too.ask(open("t1"))["result"];
  const auto run = reply["snapshot"]["run"];
  CAF_REQUIRE(run.is_object());
  std::string text = run["content"];
  CAF_CHECK(!text.empty());
  too.take();
  elapse(3s);
  const auto events = too.take_events();
  check_contiguous(events, reply["seq"].get<std::uint64_t>() + 1);
  for (const auto& one : events)
    if (one["event"]["type"] == "message_delta") text += one["event"]["delta"];
  CAF_CHECK_EQUAL(events[events.size() - 2]["event"]["content"], text);
}

CAF_TEST(a_cancelled_run_ends_once_and_as_cancelled) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  const auto run = ada.ask(message("t1", "/stream 100 10"))["result"]["run_id"];
  elapse(500ms);
  json cancel{{"type", "run.cancel"}, {"thread_id", "t1"}, {"run_id", run}};
  CAF_CHECK(ada.ask(cancel).contains("result"));
  elapse(1s);
  CAF_CHECK_EQUAL(std::string{types_of(ada.take_events()).back()}, "agent_cancelled");
  CAF_CHECK_EQUAL(json(ada.ask(cancel)["error"]["code"]), "not_found");
  elapse(20s, 100ms);
  CAF_CHECK(ada.take_events().empty());
  CAF_CHECK(ada.ask(message("t1", "hello")).contains("result"));
}

CAF_TEST(what_a_cancelled_run_had_said_is_kept) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  const auto run = ada.ask(message("t1", "/stream 100 10"))["result"]["run_id"];
  elapse(500ms);
  ada.ask({{"type", "run.cancel"}, {"thread_id", "t1"}, {"run_id", run}});
  elapse(1s);
  std::string text;
  const auto events = ada.take_events();
  for (const auto& one : events)
    if (one["event"]["type"] == "message_delta") text += one["event"]["delta"];
  CAF_REQUIRE(!text.empty());
  CAF_CHECK_EQUAL(events[events.size() - 2]["event"]["type"], "message_completed");
  CAF_CHECK_EQUAL(events[events.size() - 2]["event"]["content"], text);
  const auto history = ada.ask({{"type", "thread.history"}, {"thread_id", "t1"}})["result"]["messages"];
  CAF_REQUIRE_EQUAL(history.size(), 2u);
  CAF_CHECK_EQUAL(history[1]["content"], text);
}

CAF_TEST(a_run_that_nobody_came_back_to_in_time_is_cancelled_and_one_that_somebody_did_is_not) {
  managers->run_detached_max = 10s;
  auto ada = connect("ada");
  auto too = connect("ada");
  for (const auto* thread : {"t1", "t2"}) {
    ada.ask(open(thread));
    ada.ask(message(thread, "/stream 300 10"));
  }
  ada.vanish();
  elapse(8s, 100ms);
  const auto epoch = json(too.ask(open("t2"))["result"]["epoch"]).get<std::string>();
  elapse(13s, 100ms);
  too.take();
  too.ask(open_at("t1", "", 0));
  CAF_CHECK_EQUAL(json(too.ask({{"type", "thread.history"}, {"thread_id", "t1"}})["result"]["messages"]).size(), 2u);
  const auto end = too.ask(open_at("t2", epoch, 0))["result"];
  elapse(20s, 100ms);
  CAF_CHECK_EQUAL(std::string{types_of(too.take_events("t2")).back()}, "agent_completed");
  auto last = connect("ada");
  const auto reply = last.ask(open("t1"))["result"];
  last.ask(open_at("t1", reply["epoch"], 0));
  const auto types = types_of(last.take_events());
  CAF_CHECK_EQUAL(types.back(), "agent_cancelled");
  CAF_CHECK(std::count(types.begin(), types.end(), "message_delta") < 220);
}

// Nobody looked between two looks, one second apart: who came and went in between left no trace.
CAF_TEST(the_solitude_of_a_run_begins_anew_with_every_visit_however_short) {
  managers->run_detached_max = 10s;
  auto ada = connect("ada");
  ada.ask(open("t1"));
  ada.ask(message("t1", "/stream 10000 10"));
  const auto is_running = [&](const client& whose) { return report_of(whose).managers[0].run.has_value(); };
  auto watcher = connect("ada");
  ada.vanish();
  for (int visit = 0; visit < 4; ++visit) {
    elapse(7300ms, 100ms);
    CAF_CHECK(is_running(watcher));
    auto too = connect("ada");
    too.ask(open("t1"));
    too.vanish();
  }
  elapse(9900ms, 100ms);
  CAF_CHECK(is_running(watcher));
  elapse(1200ms, 100ms);
  CAF_CHECK(!is_running(watcher));
}

CAF_TEST(a_run_may_be_left_for_less_than_the_time_between_two_looks) {
  managers->run_detached_max = 300ms;
  auto ada = connect("ada");
  auto watcher = connect("ada");
  ada.ask(open("t1"));
  ada.ask(message("t1", "/stream 10000 10"));
  elapse(1500ms, 10ms);
  ada.vanish();
  elapse(290ms, 10ms);
  CAF_CHECK(report_of(watcher).managers[0].run.has_value());
  elapse(60ms, 10ms);
  CAF_CHECK(!report_of(watcher).managers[0].run.has_value());
}

CAF_TEST(a_run_goes_on_without_any_connection) {
  auto ada = connect("ada");
  const auto epoch = ada.ask(open("t1"))["result"]["epoch"].get<std::string>();
  ada.ask(message("t1", "/stream 20 10"));
  elapse(500ms);
  ada.vanish();
  elapse(5s);
  auto again = connect("ada");
  again.ask(open_at("t1", epoch, 0));
  const auto events = again.take_events();
  check_contiguous(events, 1);
  CAF_CHECK_EQUAL(std::string{types_of(events).back()}, "agent_completed");
}

CAF_TEST(a_repeated_client_message_id_gets_the_first_answer) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  auto question = message("t1", "hello");
  question["client_message_id"] = "c1";
  const auto first = ada.ask(question);
  CAF_CHECK_EQUAL(json(ada.ask(question)["result"]), first["result"]); // while its run is in flight
  elapse(5s);
  CAF_CHECK_EQUAL(json(ada.ask(question)["result"]), first["result"]); // afterwards
  elapse(5s);
  const auto types = types_of(ada.take_events());
  CAF_CHECK_EQUAL(std::count(types.begin(), types.end(), "message_accepted"), 1);
  question["content"] = "something else";
  CAF_CHECK_EQUAL(json(ada.ask(question)["error"]["code"]), "bad_request");
}

CAF_TEST(the_same_message_sent_twice_at_once_is_stored_once) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  ada.take();
  auto question = message("t1", "hello");
  question["client_message_id"] = "c1";
  for (int id : {1, 2}) {
    question["id"] = id;
    ada.whisper(question);
  }
  settle();
  const auto heard = ada.take();
  CAF_REQUIRE(heard.size() >= 2u);
  CAF_CHECK_EQUAL(heard[0]["result"], heard[1]["result"]);
}

CAF_TEST(other_content_under_the_id_of_a_message_that_is_not_stored_yet_is_refused) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  ada.take();
  auto question = message("t1", "hello");
  question["client_message_id"] = "c1";
  const auto first = ada.post(question);
  question["content"] = "something else";
  const auto second = ada.post(question);
  settle();
  CAF_CHECK_EQUAL(json(ada.take_reply(second)["error"]["code"]), "bad_request");
  CAF_CHECK(ada.take_reply(first).contains("result"));
  const auto events = ada.take_events();
  CAF_REQUIRE(!events.empty());
  CAF_CHECK_EQUAL(events.front()["event"]["content"], "hello");
}

CAF_TEST(an_unknown_agent_is_refused_and_nothing_is_stored) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  auto question = message("t1", "hello");
  question["agent"] = "nobody";
  CAF_CHECK_EQUAL(json(ada.ask(question)["error"]["code"]), "not_found");
  CAF_CHECK(ada.take_events().empty());
}

CAF_TEST(a_run_whose_process_died_is_ended_as_interrupted_once) {
  auto ada = connect("ada");
  const auto epoch = ada.ask(open("t1"))["result"]["epoch"].get<std::string>();
  ada.ask(message("t1", "/stream 100 10"));
  elapse(1s);
  const auto seen = ada.take_events();
  stop();
  start();
  for (int round = 0; round < 2; ++round) {
    auto again = connect("ada");
    again.ask(open_at("t1", epoch, 0));
    const auto events = again.take_events();
    CAF_REQUIRE(events.size() > seen.size());
    CAF_CHECK_EQUAL((std::vector<json>{events.begin(), events.begin() + static_cast<std::ptrdiff_t>(seen.size())}),
                    seen);
    check_contiguous(events, 1);
    const auto types = types_of(events);
    CAF_CHECK_EQUAL(std::count(types.begin(), types.end(), "agent_failed"), 1);
    CAF_CHECK_EQUAL(events.back()["event"]["code"], "interrupted");
    again.ask({{"type", "thread.close"}, {"thread_id", "t1"}});
  }
}

CAF_TEST(history_is_read_backwards_page_by_page) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  for (const auto* text : {"one", "two", "three"}) {
    ada.ask(message("t1", text));
    elapse(5s);
  }
  const auto last = ada.ask({{"type", "thread.history"}, {"thread_id", "t1"}, {"limit", 4}})["result"];
  CAF_REQUIRE_EQUAL(last["messages"].size(), 4u);
  CAF_CHECK_EQUAL(last["more"], true);
  CAF_CHECK_EQUAL(last["messages"][2]["content"], "three");
  const auto first = ada.ask({{"type", "thread.history"},
                              {"thread_id", "t1"},
                              {"before_seq", last["messages"][0]["seq"]},
                              {"limit", 4}})["result"];
  CAF_REQUIRE_EQUAL(first["messages"].size(), 2u);
  CAF_CHECK_EQUAL(first["more"], false);
  CAF_CHECK_EQUAL(first["messages"][0]["content"], "one");
}

CAF_TEST(the_thread_is_searched_by_the_agent_s_tool) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  ada.ask(message("t1", "bananas are yellow"));
  elapse(5s);
  ada.take();
  ada.ask(message("t1", "search bananas"));
  elapse(5s);
  std::string result;
  for (const auto& one : ada.take_events())
    if (one["event"]["type"] == "tool_completed") result = one["event"]["result"];
  CAF_CHECK(result.find("yellow") != std::string::npos);
}

CAF_TEST(a_fast_stream_is_never_more_than_its_window_ahead_of_the_log) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  ada.ask(message("t1", "/stream 2000 100000"));
  elapse(5s);
  const auto events = ada.take_events();
  check_contiguous(events, 1);
  CAF_CHECK_EQUAL(std::string{types_of(events).back()}, "agent_completed");
  const auto types = types_of(events);
  CAF_CHECK_EQUAL(std::count(types.begin(), types.end(), "message_delta"), 2000);
}

// A request id is the client's own affair and may repeat. The answer to one look-up was once taken for another's that
// bore the same id, and the message under way was dropped while others still worked on it.
CAF_TEST(request_ids_that_repeat_do_not_mix_messages_up) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  auto first = message("t1", "one");
  first["client_message_id"] = "c1";
  first["id"] = 1;
  ada.say(first);
  elapse(5s);
  ada.take();
  auto second = message("t1", "two");
  second["client_message_id"] = "c2";
  for (int round = 0; round < 3; ++round)
    for (auto* frame : {&first, &second}) {
      (*frame)["id"] = 1;
      ada.whisper(*frame);
    }
  elapse(5s);
  const auto heard = ada.take();
  const auto replies = std::count_if(heard.begin(), heard.end(), [](const json& one) { return one.contains("id"); });
  const auto accepted = std::count_if(heard.begin(), heard.end(), [](const json& one) {
    return one.contains("event") && one["event"]["type"] == "message_accepted";
  });
  CAF_CHECK_EQUAL(replies, 6);
  CAF_CHECK(accepted <= 1);
  CAF_CHECK(ada.ask(message("t1", "three")).contains("result"));
}

CAF_TEST(a_message_is_answered_though_its_thread_is_closed_right_behind_it) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  ada.take();
  auto question = message("t1", "hello");
  question["id"] = 1;
  ada.whisper(question);
  ada.whisper({{"type", "thread.close"}, {"thread_id", "t1"}, {"id", 2}});
  settle();
  const auto heard = ada.take();
  CAF_REQUIRE_EQUAL(heard.size(), 2u); // and no event: it left
  elapse(5s);
  const auto snapshot = ada.ask(open("t1"))["result"]["snapshot"];
  CAF_CHECK_EQUAL(snapshot["messages"].size(), 2u); // the run was not interrupted
}

CAF_TEST(a_thread_opened_twice_at_once_delivers_every_event_once) {
  auto ada = connect("ada");
  const auto epoch = json(ada.ask(open("t1"))["result"]["epoch"]).get<std::string>();
  ada.ask(message("t1", "/stream 600 100000"));
  elapse(5s);
  auto again = connect("ada");
  again.take();
  for (int id : {1, 2}) {
    auto frame = open_at("t1", epoch, 0);
    frame["id"] = id;
    again.whisper(frame);
  }
  settle();
  const auto heard = again.take();
  std::uint64_t next = 1;
  int replies = 0;
  for (const auto& one : heard) {
    if (one.contains("id"))
      ++replies;
    else
      CAF_CHECK_EQUAL(one["seq"], next++);
  }
  CAF_CHECK_EQUAL(replies, 2);
  CAF_CHECK_EQUAL(next, 607u);
}

CAF_TEST(a_thread_whose_log_cannot_be_read_is_not_open) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  ada.ask(message("t1", "hello"));
  elapse(5s);
  auto too = connect("ada");
  caf::anon_send_exit(managers->reader, caf::exit_reason::kill);
  settle();
  CAF_CHECK(too.ask(open("t1")).contains("error"));
  CAF_CHECK_EQUAL(json(too.ask(message("t1", "hello"))["error"]["code"]), "not_open");
}

CAF_TEST_FIXTURE_SCOPE_END()
