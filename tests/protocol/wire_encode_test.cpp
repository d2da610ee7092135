#define CAF_SUITE wire_encode

#include <random>
#include <string>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include <caf/test/unit_test.hpp>

#include "protocol/wire.hpp"

using namespace gangway;
using namespace std::chrono_literals;
using namespace std::string_literals;

namespace {

/// Returns an id that ends in `last`, and its text.
uuid id(char last) { return *parse_uuid("0192c3f2-0000-7000-8000-00000000000"s + last); }

const std::string at = "0192c3f2-0000-7000-8000-00000000000";
const manager_id manager{id('d')};
const message_id question{id('e')};
const run_id run{id('f')};
const message_id answer{id('0')};
const utc_time time{1795293901263ms};
const gangway::thread_id thread{"t1"};

std::string event_of(event_body body) { return wire::event(thread, "k3Jq", {7, run, time, std::move(body)}); }

std::string expected_event(const std::string& body) {
  return R"({"type":"event","thread_id":"t1","run_id":")" + at
         + R"(f","epoch":"k3Jq","seq":7,"ts":1795293901263,"event":)" + body + "}";
}

/// Encodes one string and returns what another parser makes of it.
std::string carried(const std::string& text) {
  return nlohmann::json::parse(event_of(message_delta{answer, text})).at("event").at("delta").get<std::string>();
}

} // namespace

CAF_TEST(the_conversation_of_the_contract_is_spoken) {
  const wire::greeting greeting{connection_id{id('c')}, {"105945141827451681156"}, "pro", 0, 20, 25s, 10s, 2s};
  CAF_CHECK_EQUAL(wire::connected(greeting),
                  R"({"type":"connected","connection_id":")" + at
                      + R"(c","user_id":"105945141827451681156","tier":"pro",)"
                        R"("limits":{"managers_used":0,"managers_max":20},"ping_interval_ms":25000,)"
                        R"("pong_timeout_ms":10000,"reconnect":{"jitter_max_ms":2000}})");
  CAF_CHECK_EQUAL(wire::reply(1, wire::opened(thread, manager, "k3Jq", 0, thread_snapshot{})),
                  R"({"id":1,"result":{"thread_id":"t1","manager_id":")" + at
                      + R"(d","epoch":"k3Jq","seq":0,"resumed":false,"snapshot":{"messages":[],"run":null}}})");
  CAF_CHECK_EQUAL(wire::reply(2, wire::sent(question, run, 1)),
                  R"({"id":2,"result":{"message_id":")" + at + R"(e","run_id":")" + at + R"(f","seq":1}})");
  CAF_CHECK_EQUAL(event_of(message_accepted{question, "c1", {R"("what is 12*(3+4)?")"}}),
                  expected_event(R"({"type":"message_accepted","message_id":")" + at
                                 + R"(e","client_message_id":"c1","content":"what is 12*(3+4)?"})"));
  CAF_CHECK_EQUAL(event_of(agent_started{"builtin"}), expected_event(R"({"type":"agent_started","agent":"builtin"})"));
  CAF_CHECK_EQUAL(event_of(agent_thinking{}), expected_event(R"({"type":"agent_thinking"})"));
  CAF_CHECK_EQUAL(event_of(tool_executing{"x1", "calculator", {R"-({"expression":"12*(3+4)"})-"}}),
                  expected_event(R"({"type":"tool_executing","tool_call_id":"x1","name":"calculator",)"
                                 R"-("arguments":{"expression":"12*(3+4)"}})-"));
  CAF_CHECK_EQUAL(event_of(tool_completed{"x1", "84", false}),
                  expected_event(R"({"type":"tool_completed","tool_call_id":"x1","result":"84","is_error":false})"));
  CAF_CHECK_EQUAL(event_of(message_started{answer, "assistant"}),
                  expected_event(R"({"type":"message_started","message_id":")" + at + R"(0","role":"assistant"})"));
  CAF_CHECK_EQUAL(event_of(message_delta{answer, "12*(3+4) "}),
                  expected_event(R"({"type":"message_delta","message_id":")" + at + R"(0","delta":"12*(3+4) "})"));
  CAF_CHECK_EQUAL(wire::reply(1, wire::opened(thread, manager, "k3Jq", 9)),
                  R"({"id":1,"result":{"thread_id":"t1","manager_id":")" + at
                      + R"(d","epoch":"k3Jq","seq":9,"resumed":true}})");
  CAF_CHECK_EQUAL(
      event_of(message_completed{answer, "12*(3+4) is 84."}),
      expected_event(R"({"type":"message_completed","message_id":")" + at + R"(0","content":"12*(3+4) is 84."})"));
  CAF_CHECK_EQUAL(event_of(agent_completed{}), expected_event(R"({"type":"agent_completed"})"));
  const thread_snapshot snapshot{{{question, "user", {R"("what is 12*(3+4)?")"}, 1, {}, time},
                                  {answer, "assistant", {R"("12*(3+4) is 84.")"}, 9, run, time}},
                                 {}};
  CAF_CHECK_EQUAL(wire::opened(thread, manager, "k3Jq", 10, snapshot),
                  R"({"thread_id":"t1","manager_id":")" + at + R"(d","epoch":"k3Jq","seq":10,"resumed":false,)"
                      + R"("snapshot":{"messages":[{"message_id":")" + at
                      + R"(e","role":"user","content":"what is 12*(3+4)?","seq":1,"ts":1795293901263},)"
                      + R"({"message_id":")" + at + R"(0","role":"assistant","content":"12*(3+4) is 84.","seq":9,)"
                      + R"("run_id":")" + at + R"(f","ts":1795293901263}],"run":null}})");
  CAF_CHECK_EQUAL(wire::reply(3, command_error{error_code::manager_limit, "full", 30s, json_text{R"({"current":20})"}}),
                  R"({"id":3,"error":{"code":"manager_limit","message":"full","temporary":true,)"
                  R"("retry_after_ms":30000,"details":{"current":20}}})");
}

CAF_TEST(the_other_events_are_written_as_the_contract_names_them) {
  CAF_CHECK_EQUAL(
      event_of(message_accepted{question, {}, {R"([{"type":"text"}])"}}),
      expected_event(R"({"type":"message_accepted","message_id":")" + at + R"(e","content":[{"type":"text"}]})"));
  CAF_CHECK_EQUAL(event_of(agent_thinking{"hm"}), expected_event(R"({"type":"agent_thinking","delta":"hm"})"));
  CAF_CHECK_EQUAL(event_of(tool_arguments{"x1", "{\"a"}),
                  expected_event(R"({"type":"tool_arguments","tool_call_id":"x1","delta":"{\"a"})"));
  CAF_CHECK_EQUAL(event_of(agent_interrupted{{R"([{"id":"i1","reason":"input"}])"}}),
                  expected_event(R"({"type":"agent_interrupted","interrupts":[{"id":"i1","reason":"input"}]})"));
  CAF_CHECK_EQUAL(event_of(agent_completed{json_text{R"([{"inputTokens":3}])"}}),
                  expected_event(R"({"type":"agent_completed","usage":[{"inputTokens":3}]})"));
  CAF_CHECK_EQUAL(
      event_of(agent_failed{"interrupted", "the server ended", true}),
      expected_event(R"({"type":"agent_failed","code":"interrupted","message":"the server ended","temporary":true})"));
  CAF_CHECK_EQUAL(event_of(agent_cancelled{}), expected_event(R"({"type":"agent_cancelled"})"));
  CAF_CHECK_EQUAL(event_of(custom_event{"n", {"[1]"}}), expected_event(R"({"type":"custom","name":"n","value":[1]})"));
  CAF_CHECK_EQUAL(event_of(custom_event{"n", {}}), expected_event(R"({"type":"custom","name":"n","value":null})"));
  CAF_CHECK_EQUAL(wire::event(thread, "k", {1, {}, time, agent_cancelled{}}),
                  R"({"type":"event","thread_id":"t1","epoch":"k","seq":1,"ts":1795293901263,)"
                  R"("event":{"type":"agent_cancelled"}})");
}

CAF_TEST(a_snapshot_shows_the_open_run_as_far_as_it_has_come) {
  open_run open{run, "builtin", {}, "", {}};
  const auto shown = [&] {
    const auto text = wire::opened(thread, manager, "k", 5, thread_snapshot{{}, open});
    return nlohmann::ordered_json::parse(text).at("snapshot").at("run").dump();
  };
  CAF_CHECK_EQUAL(shown(), R"({"run_id":")" + at + R"(f","agent":"builtin","content":"","tool_calls":[]})");
  open.message_id = answer;
  open.content = "so \"far\"";
  open.tool_calls = {{"x1", "clock", {"{}"}, {}, false}, {"x2", "search", {R"({"text":"a"})"}, "none", true}};
  CAF_CHECK_EQUAL(shown(), R"({"run_id":")" + at + R"(f","agent":"builtin","message_id":")" + at
                               + R"(0","content":"so \"far\"","tool_calls":[)"
                                 R"({"tool_call_id":"x1","name":"clock","arguments":{}},)"
                                 R"({"tool_call_id":"x2","name":"search","arguments":{"text":"a"},)"
                                 R"("result":"none","is_error":true}]})");
}

CAF_TEST(results_and_notices_have_the_fields_of_the_contract) {
  CAF_CHECK_EQUAL(wire::history({{{question, "user", {"\"x\""}, 1, {}, time}}, true}),
                  R"({"messages":[{"message_id":")" + at
                      + R"(e","role":"user","content":"x","seq":1,"ts":1795293901263}],"more":true})");
  CAF_CHECK_EQUAL(wire::history({}), R"({"messages":[],"more":false})");
  CAF_CHECK_EQUAL(
      wire::threads({{{{"t1"}, "A \"title\"", 9, time}, true}, {{{"t2"}, "", 0, time}, false}}),
      R"({"threads":[{"thread_id":"t1","title":"A \"title\"","seq":9,"updated_at":1795293901263,"live":true},)"
      R"({"thread_id":"t2","title":"","seq":0,"updated_at":1795293901263,"live":false}]})");
  CAF_CHECK_EQUAL(wire::status({3, 20, 2, 64, 1, 32, 0, {}}),
                  R"({"managers_used":3,"managers_max":20,"connections_used":2,"connections_max":64,)"
                  R"("queue":{"used":1,"max":32},"grace":{"active":false,"extra":0}})");
  CAF_CHECK_EQUAL(wire::status({22, 20, 2, 64, 0, 32, 5, time}),
                  R"({"managers_used":22,"managers_max":20,"connections_used":2,"connections_max":64,)"
                  R"("queue":{"used":0,"max":32},"grace":{"active":true,"extra":5,"until":1795293901263}})");
  CAF_CHECK_EQUAL(wire::refreshed(time), R"({"expires_at":1795293901263})");
  CAF_CHECK_EQUAL(wire::thread_detached(thread, "manager_failed"),
                  R"({"type":"notice","kind":"thread_detached","thread_id":"t1","reason":"manager_failed"})");
  CAF_CHECK_EQUAL(wire::draining(), R"({"type":"notice","kind":"draining"})");
  CAF_CHECK_EQUAL(wire::ping(), R"({"type":"ping"})");
  CAF_CHECK_EQUAL(wire::reply(-9007199254740992, "{}"), R"({"id":-9007199254740992,"result":{}})");
  CAF_CHECK_EQUAL(wire::reply(std::nullopt, command_error{error_code::bad_frame, "no \"type\"", {}, {}}),
                  R"({"error":{"code":"bad_frame","message":"no \"type\"","temporary":false}})");
}

CAF_TEST(a_user_near_the_limit_is_told_what_is_done_about_it) {
  CAF_CHECK_EQUAL(wire::limit_warning(18, 20),
                  R"({"type":"notice","kind":"limit_warning","managers_used":18,"managers_max":20})");
  CAF_CHECK_EQUAL(wire::limit_degraded(21, 20, 5, time),
                  R"({"type":"notice","kind":"limit_degraded","managers_used":21,"managers_max":20,"extra":5,)"
                  R"("until":1795293901263})");
  CAF_CHECK_EQUAL(wire::queued(thread, 1), R"({"type":"notice","kind":"queued","thread_id":"t1","position":1})");
  CAF_CHECK_EQUAL(wire::queued(thread, 32), R"({"type":"notice","kind":"queued","thread_id":"t1","position":32})");
}

CAF_TEST(an_evicted_thread_is_told_why_at_which_level_and_until_when_it_may_come_back) {
  eviction what{manager, thread, {}, cleanup_level::moderate, eviction_reason::idle, {}};
  CAF_CHECK_EQUAL(wire::manager_evicted(what, time),
                  R"({"type":"notice","kind":"manager_evicted","thread_id":"t1","manager_id":")" + at
                      + R"(d","level":"moderate","reason":"idle","resume_until":1795293901263})");
  what.level = cleanup_level::aggressive;
  what.reason = eviction_reason::zombie;
  what.evidence = {finding::silent, finding::hung};
  CAF_CHECK_EQUAL(wire::manager_evicted(what, time),
                  R"({"type":"notice","kind":"manager_evicted","thread_id":"t1","manager_id":")" + at
                      + R"(d","level":"aggressive","reason":"zombie","evidence":["silent","hung"],)"
                        R"("resume_until":1795293901263})");
}

CAF_TEST(a_socket_that_was_opened_for_one_thread_is_greeted_with_it) {
  const wire::greeting greeting{connection_id{id('c')}, {"ada"}, "pro", 0, 20, 25s, 10s, 2s};
  const auto connected = wire::connected(greeting);
  const auto opened = wire::opened(thread, manager, "k3Jq", 9);
  const auto expected = connected.substr(0, connected.size() - 1) + R"(,"thread":)" + opened + "}";
  CAF_CHECK_EQUAL(wire::connected(wire_greeting{{}, {connected}}, opened), expected);
  CAF_CHECK_EQUAL(wire::connected(wire_greeting{7, {connected}}, opened), R"({"id":7,"result":)" + expected + "}");
  const auto tree = nlohmann::json::parse(expected);
  CAF_CHECK_EQUAL(tree.at("type"), "connected");
  CAF_CHECK_EQUAL(tree.at("thread").at("seq"), 9);
}

CAF_TEST(a_disconnect_says_whether_and_when_to_come_back) {
  CAF_CHECK_EQUAL(wire::disconnect({close_code::slow_consumer, "too slow", {}}),
                  R"({"type":"disconnect","code":4008,"reason":"too slow","reconnect":true})");
  CAF_CHECK_EQUAL(wire::disconnect({close_code::going_away, "restart", 1500ms}),
                  R"({"type":"disconnect","code":1001,"reason":"restart","reconnect":true,"retry_after_ms":1500})");
  CAF_CHECK_EQUAL(wire::disconnect({close_code::invalid_token, "no", {}}),
                  R"({"type":"disconnect","code":4500,"reason":"no","reconnect":false})");
}

CAF_TEST(every_character_survives) {
  std::string all;
  for (int c = 0; c < 0x80; ++c) {
    const std::string one(1, static_cast<char>(c));
    CAF_CHECK_EQUAL(carried(one), one);
    all += one;
  }
  CAF_CHECK_EQUAL(carried(all), all);
  for (const auto& text :
       {"ü"s, "\xc2\x85"s, "\u2028\u2029"s, "😀"s, "\xf4\x8f\xbf\xbf"s, "</script>"s, "a\\\"b\\"s, "\0\0"s, ""s}) {
    CAF_CHECK_EQUAL(carried(text), text);
  }
  // What must not appear raw in a frame: a line break would end a line of a stream.
  CAF_CHECK_EQUAL(event_of(message_delta{answer, all}).find_first_of("\n\r\0\x1f"s), std::string::npos);
}

CAF_TEST(bytes_that_are_not_utf8_become_replacement_characters) {
  CAF_CHECK_EQUAL(carried("a\xff"
                          "b"),
                  "a\ufffdb");
  CAF_CHECK_EQUAL(carried("\xc3"), "\ufffd");
  CAF_CHECK_EQUAL(carried("\xe2\x82"), "\ufffd\ufffd");
  CAF_CHECK_EQUAL(carried("\xed\xa0\x80ü"), "\ufffd\ufffd\ufffdü");
  CAF_CHECK_EQUAL(carried("\xf0\x9f\x98\x80\x80\"\n"), "😀\ufffd\"\n");
}

CAF_TEST(random_bytes_never_make_an_unreadable_frame) {
  constexpr std::uint64_t seed = 20261121;
  std::mt19937_64 random{seed};
  for (int i = 0; i < 5'000; ++i) {
    std::string text(random() % 24, '\0');
    for (auto& c : text)
      c = static_cast<char>(random() % 3 == 0 ? random() : 0x20 + random() % 0x60);
    const auto frame = event_of(message_delta{answer, text});
    const auto tree = nlohmann::json::parse(frame, nullptr, false);
    if (tree.is_discarded())
      CAF_ERROR("seed " << seed << ", case " << i << ": " << frame);
    else if (is_utf8(text) && tree["event"]["delta"] != text)
      CAF_ERROR("seed " << seed << ", case " << i << " changed");
    else
      CAF_CHECK(is_utf8(frame));
  }
}
