#define CAF_SUITE manager_delivery
#include "tests/actors/fixture.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct fixture : tree_fixture {
  /// Returns the text that the deltas say, and checks that no event is missing or repeated after `after`.
  static std::string text_after(const std::vector<json>& events, std::uint64_t after) {
    std::string text;
    for (const auto& one : events) {
      CAF_CHECK_EQUAL(one.value("first_seq", one["seq"].get<std::uint64_t>()), after + 1);
      after = one["seq"];
      if (one["event"]["type"] == "message_delta") text += one["event"]["delta"];
    }
    return text;
  }

  static std::size_t size_of(const std::vector<json>& frames) {
    std::size_t result = 0;
    for (const auto& one : frames)
      result += one.dump().size();
    return result;
  }

  /// Lets a connection read until nothing more comes.
  void read_all(client& who) {
    const auto is_awaited = [&] { return !who.session->marks.empty() || !who.session->wishes.empty(); };
    for (int round = 0; round < 1000 && is_awaited(); ++round) {
      who.session->read();
      settle();
    }
  }

  static bool is_told_to_come_back(const client& who) {
    return std::any_of(who.session->heard.begin(), who.session->heard.end(), [](const json& one) {
      return one.value("kind", "") == "thread_detached" && one["reason"] == "slow_consumer";
    });
  }

  fixture() {
    services->spawn_manager = [this](caf::local_actor* parent, user_actor owner, manager_identity identity) {
      newest = parent->spawn(manager, std::move(owner), std::move(identity), managers);
      return newest;
    };
  }

  ~fixture() override { newest = nullptr; }

  manager_actor newest;
  client ada = connect("ada");
  client slow = connect("ada");
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(manager_delivery_tests, fixture)

// -- slow readers ----------------------------------------------------------------------------------------------------

CAF_TEST(a_slow_reader_is_sent_little_and_gets_the_rest_joined_when_it_reads) {
  ada.ask(open("t1"));
  slow.ask(open("t1"));
  slow.take();
  slow.session->reads = false;
  ada.ask(message("t1", "/stream 2000 1000"));
  elapse(3s);
  CAF_CHECK(size_of(slow.session->heard) < 24u * 1024);
  const auto unhindered = ada.take_events();
  CAF_CHECK_EQUAL(std::string{types_of(unhindered).back()}, "agent_completed");
  read_all(slow);
  const auto behind = slow.take_events();
  CAF_CHECK_EQUAL(text_after(behind, 0), text_after(unhindered, 0));
  CAF_CHECK(behind.size() < 200u);
  CAF_CHECK(behind.back() == unhindered.back());
}

CAF_TEST(a_reader_that_takes_everything_at_once_gets_every_event_by_itself) {
  ada.ask(open("t1"));
  const auto epoch = json(slow.ask(open("t1"))["result"]["epoch"]).get<std::string>();
  slow.take();
  ada.ask(message("t1", "/stream 900 100000"));
  elapse(1s);
  slow.ask(open_at("t1", epoch, 0));
  slow.take();
  const auto reply = slow.ask(open_at("t1", epoch, 0))["result"];
  CAF_CHECK_EQUAL(reply["resumed"], true);
  const auto all = slow.take_events();
  CAF_CHECK(all == ada.take_events());
}

CAF_TEST(what_a_slow_reader_leaves_behind_is_not_kept_for_it) {
  std::vector<client> all{slow};
  for (int i = 0; i < 9; ++i)
    all.push_back(connect("ada"));
  ada.ask(open("t1"));
  for (auto& one : all) {
    one.ask(open("t1"));
    one.take();
    one.session->reads = false;
  }
  ada.ask(message("t1", "/stream 4000 4000"));
  elapse(3s);
  CAF_CHECK_EQUAL(std::string{types_of(ada.take_events()).back()}, "agent_completed");
  for (auto& one : all)
    CAF_CHECK(size_of(one.session->heard) < 24u * 1024);
}

CAF_TEST(who_falls_too_far_behind_opens_the_thread_again_and_gets_a_snapshot) {
  ada.ask(open("t1"));
  const auto epoch = json(slow.ask(open("t1"))["result"]["epoch"]).get<std::string>();
  slow.take();
  slow.session->reads = false;
  ada.ask(message("t1", "/stream 20000 20000"));
  elapse(3s);
  CAF_CHECK(is_told_to_come_back(slow));
  CAF_CHECK(slow.session->closed.empty());
  CAF_CHECK_EQUAL(json(slow.ask(message("t1", "hello"))["error"]["code"]), "not_open");
  slow.session->reads = true;
  slow.session->read();
  settle();
  const auto seen = slow.take_events();
  const auto reply = slow.ask(open_at("t1", epoch, seen.back()["seq"]))["result"];
  CAF_CHECK_EQUAL(reply["resumed"], false);
  CAF_CHECK_EQUAL(reply["snapshot"]["messages"].size(), 2u);
  CAF_CHECK_EQUAL(std::string{types_of(ada.take_events()).back()}, "agent_completed");
}

CAF_TEST(who_falls_behind_again_and_again_is_not_closed_for_it) {
  ada.ask(open("t1"));
  for (int round = 0; round < 3; ++round) {
    slow.session->reads = true;
    slow.session->read();
    settle();
    slow.take();
    CAF_CHECK(slow.ask(open("t1")).contains("result"));
    slow.take();
    slow.session->reads = false;
    ada.ask(message("t1", "/stream 20000 20000"));
    elapse(3s);
    CAF_CHECK(is_told_to_come_back(slow));
  }
  CAF_CHECK(slow.session->closed.empty());
}

// -- large frames --------------------------------------------------------------------------------------------------

CAF_TEST(a_snapshot_is_read_when_its_connection_has_room_for_it_and_not_before) {
  ada.ask(open("t1"));
  ada.ask(message("t1", "hello"));
  elapse(1s);
  slow.take();
  slow.session->reads = false;
  const auto request = slow.post(open("t1"));
  settle();
  CAF_CHECK(slow.session->heard.empty());
  CAF_REQUIRE_EQUAL(slow.session->wishes.size(), 1u);
  CAF_CHECK(slow.session->wishes.front().request.has_value());
  slow.session->grant();
  settle();
  CAF_CHECK_EQUAL(slow.take_reply(request)["result"]["snapshot"]["messages"].size(), 2u);
}

CAF_TEST(pages_of_history_wait_for_their_turns_one_by_one) {
  ada.ask(open("t1"));
  ada.ask(message("t1", "hello"));
  elapse(1s);
  ada.take();
  ada.session->reads = false;
  for (int i = 0; i < 3; ++i)
    ada.whisper({{"id", 100 + i}, {"type", "thread.history"}, {"thread_id", "t1"}});
  settle();
  for (std::size_t answered = 0; answered < 3; ++answered) {
    CAF_CHECK_EQUAL(ada.session->heard.size(), answered);
    CAF_CHECK_EQUAL(ada.session->wishes.size(), 1u);
    ada.session->grant();
    settle();
  }
  CAF_CHECK_EQUAL(ada.session->heard.size(), 3u);
  CAF_CHECK(ada.session->wishes.empty());
}

CAF_TEST(an_event_longer_than_its_part_of_the_queue_waits_for_its_turn_and_those_behind_it_too) {
  ada.ask(open("t1"));
  slow.ask(open("t1"));
  slow.take();
  slow.session->reads = false;
  ada.ask(message("t1", std::string(100'000, 'x')));
  elapse(1s);
  CAF_CHECK(slow.session->heard.empty());
  CAF_REQUIRE_EQUAL(slow.session->wishes.size(), 1u);
  CAF_CHECK(slow.session->wishes.front().bytes > 100'000);
  slow.session->reads = true;
  slow.session->read();
  settle();
  read_all(slow);
  const auto all = slow.take_events();
  CAF_REQUIRE(!all.empty());
  text_after(all, 0);
  CAF_CHECK_EQUAL(std::string{types_of(all).back()}, "agent_completed");
}

CAF_TEST(a_slow_reader_that_leaves_is_forgotten) {
  ada.ask(open("t1"));
  slow.ask(open("t1"));
  slow.session->reads = false;
  ada.ask(message("t1", "/stream 20000 20000"));
  elapse(500ms);
  slow.vanish();
  const auto sent = slow.session->heard.size();
  slow.session->read();
  elapse(3s);
  CAF_CHECK_EQUAL(slow.session->heard.size(), sent);
  CAF_CHECK_EQUAL(std::string{types_of(ada.take_events()).back()}, "agent_completed");
}

CAF_TEST(who_opens_the_thread_again_while_a_page_is_read_gets_no_event_twice) {
  ada.ask(open("t1"));
  const auto epoch = json(slow.ask(open("t1"))["result"]["epoch"]).get<std::string>();
  slow.take();
  slow.session->reads = false;
  ada.ask(message("t1", "/stream 900 20000"));
  elapse(1s);
  const auto before = slow.take_events();
  CAF_REQUIRE(!before.empty());
  const auto seen = before.back()["seq"].get<std::uint64_t>();
  // The manager asks for the page, and before that comes the thread is opened again.
  slow.session->reads = true;
  slow.session->read();
  const auto request = slow.post(open_at("t1", epoch, seen));
  settle();
  CAF_CHECK(slow.take_reply(request).contains("result"));
  read_all(slow);
  const auto after = slow.take_events();
  CAF_REQUIRE(!after.empty());
  text_after(after, seen);
  CAF_CHECK_EQUAL(std::string{types_of(after).back()}, "agent_completed");
}

CAF_TEST(a_new_manager_goes_on_with_the_very_next_event) {
  const auto epoch = json(ada.ask(open("t1"))["result"]["epoch"]).get<std::string>();
  ada.ask(message("t1", "hello"));
  elapse(5s);
  const auto last = ada.take_events().back()["seq"].get<std::uint64_t>();
  ada.ask(json{{"type", "thread.close"}, {"thread_id", "t1"}});
  ada.ask(open_at("t1", epoch, last - 1));
  slow.ask(open_at("t1", epoch, last));
  ada.ask(message("t1", "hello"));
  elapse(5s);
  text_after(ada.take_events(), last - 1);
  text_after(slow.take_events(), last);
}

CAF_TEST(what_all_connections_have_acknowledged_is_kept_no_longer) {
  const auto kept = [&] {
    caf::anon_send(newest, probe{1});
    settle();
    return report_of(ada).managers[0].last->bytes;
  };
  const auto acknowledge = [&](client& who) {
    who.say({{"type", "ack"}, {"thread_id", "t1"}, {"seq", who.session->heard.back()["seq"]}});
  };
  ada.ask(open("t1"));
  slow.ask(open("t1"));
  ada.ask(message("t1", "/stream 300 100"));
  elapse(1s);
  const auto everything = kept();
  acknowledge(ada);
  CAF_CHECK_EQUAL(kept(), everything);
  acknowledge(slow);
  CAF_CHECK_EQUAL(kept(), 0u);
  elapse(4s);
  CAF_CHECK_EQUAL(text_after(ada.take_events(), 0), text_after(slow.take_events(), 0));
}

// -- while the store fails -------------------------------------------------------------------------------------------

CAF_TEST(a_stream_goes_on_while_the_store_fails_and_is_in_the_log_afterwards) {
  const auto epoch = json(ada.ask(open("t1"))["result"]["epoch"]).get<std::string>();
  ada.ask(message("t1", "/stream 600 100"));
  elapse(1s);
  disk->fails = true;
  elapse(2s);
  auto seen = ada.take_events();
  CAF_CHECK(!seen.front().contains("durable"));
  CAF_CHECK_EQUAL(seen.back()["durable"], false);
  CAF_CHECK(seen.size() > 250u);
  disk->fails = false;
  elapse(5s);
  for (auto& one : ada.take_events())
    seen.push_back(one);
  CAF_CHECK_EQUAL(std::string{types_of(seen).back()}, "agent_completed");
  CAF_CHECK(!seen.back().contains("durable"));
  slow.ask(open_at("t1", epoch, 0));
  const auto kept = slow.take_events();
  for (auto& one : seen)
    one.erase("durable");
  CAF_CHECK(seen == kept);
}

CAF_TEST(a_run_that_ends_while_the_store_fails_is_over_for_its_clients_and_nothing_new_begins) {
  ada.ask(open("t1"));
  ada.ask(message("t1", "/stream 20 100"));
  elapse(50ms);
  disk->fails = true;
  elapse(1s);
  CAF_CHECK_EQUAL(std::string{types_of(ada.take_events()).back()}, "agent_completed");
  const auto refused = ada.ask(message("t1", "hello"))["error"];
  CAF_CHECK_EQUAL(refused["code"], "store_unavailable");
  CAF_CHECK_EQUAL(refused["temporary"], true);
  disk->fails = false;
  elapse(3s);
  CAF_CHECK(ada.ask(message("t1", "hello")).contains("result"));
}

CAF_TEST(a_new_message_is_refused_while_the_store_fails_and_taken_once_it_works) {
  ada.ask(open("t1"));
  disk->fails = true;
  for (int i = 0; i < 3; ++i)
    CAF_CHECK_EQUAL(json(ada.ask(message("t1", "hello"))["error"]["code"]), "store_unavailable");
  // Once known to fail, it is tried by the store alone, every second, whatever is asked.
  CAF_CHECK(disk->attempts <= 2);
  disk->fails = false;
  elapse(2s);
  CAF_CHECK(ada.ask(message("t1", "hello")).contains("result"));
}

CAF_TEST(no_more_than_a_mebibyte_goes_ahead_and_the_run_waits_for_the_store) {
  ada.ask(open("t1"));
  ada.ask(message("t1", "/stream 20000 100000"));
  elapse(20ms);
  disk->fails = true;
  elapse(5s);
  auto seen = ada.take_events();
  std::size_t ahead = 0;
  for (const auto& one : seen)
    if (one.contains("durable")) ahead += one.dump().size();
  CAF_CHECK(ahead > 900u * 1024);
  CAF_CHECK(ahead <= 1024u * 1024);
  elapse(5s);
  CAF_CHECK(ada.take_events().empty());
  disk->fails = false;
  elapse(10s);
  for (auto& one : ada.take_events())
    seen.push_back(one);
  text_after(seen, 0);
  CAF_CHECK_EQUAL(seen.size(), 20'006u);
}

CAF_TEST(a_connection_that_comes_while_the_store_fails_sees_what_the_others_see) {
  const auto epoch = json(ada.ask(open("t1"))["result"]["epoch"]).get<std::string>();
  ada.ask(message("t1", "/stream 100 100"));
  elapse(300ms);
  disk->fails = true;
  elapse(300ms);
  const auto before = ada.take_events();
  const auto snapshot = slow.ask(open("t1"))["result"];
  auto tail = connect("ada");
  const auto resumed = tail.ask(open_at("t1", epoch, before.back()["seq"].get<std::uint64_t>() - 3))["result"];
  CAF_CHECK_EQUAL(resumed["resumed"], true);
  elapse(2s);
  disk->fails = false;
  elapse(2s);
  const auto rest = tail.take_events();
  text_after(rest, before.back()["seq"].get<std::uint64_t>() - 3);
  CAF_CHECK_EQUAL(std::string{types_of(rest).back()}, "agent_completed");
  const auto late = slow.take_events();
  const auto text = snapshot["snapshot"]["run"]["content"].get<std::string>() + text_after(late, snapshot["seq"]);
  CAF_CHECK_EQUAL(late[late.size() - 2]["event"]["content"], text);
}

CAF_TEST(what_was_shown_and_lost_with_the_process_changes_the_epoch) {
  const auto epoch = json(ada.ask(open("t1"))["result"]["epoch"]).get<std::string>();
  ada.ask(message("t1", "/stream 400 100"));
  elapse(1s);
  disk->fails = true;
  elapse(1s);
  const auto seen = ada.take_events();
  CAF_CHECK_EQUAL(seen.back()["durable"], false);
  stop();
  disk->fails = false;
  start();
  for (int round = 0; round < 2; ++round) {
    auto again = connect("ada");
    const auto reply = again.ask(open_at("t1", epoch, seen.back()["seq"]))["result"];
    CAF_CHECK_EQUAL(reply["resumed"], false);
    CAF_CHECK(reply["epoch"] != epoch);
    // As far as it was in the log.
    CAF_REQUIRE_EQUAL(reply["snapshot"]["messages"].size(), 2u);
    const auto text = text_after(seen, 0);
    const auto kept = reply["snapshot"]["messages"][1]["content"].get<std::string>();
    CAF_CHECK(kept.size() < text.size());
    CAF_CHECK(text.starts_with(kept));
    again.ask({{"type", "thread.close"}, {"thread_id", "t1"}});
  }
}

CAF_TEST(what_was_shown_and_lost_with_its_manager_changes_the_epoch_and_what_was_not_shown_does_not) {
  for (const bool is_shown : {true, false}) {
    const auto thread = is_shown ? "t1" : "t2";
    const auto epoch = json(ada.ask(open(thread))["result"]["epoch"]).get<std::string>();
    ada.ask(message(thread, "/stream 400 100"));
    elapse(1s);
    disk->fails = true;
    if (is_shown) elapse(1s);
    caf::anon_send_exit(newest, caf::exit_reason::kill);
    settle();
    disk->fails = false;
    elapse(2s);
    const auto reply = ada.ask(open_at(thread, epoch, 1))["result"];
    CAF_CHECK_EQUAL(reply["resumed"], !is_shown);
    CAF_CHECK_EQUAL(reply["epoch"] == epoch, !is_shown);
  }
}

CAF_TEST_FIXTURE_SCOPE_END()
