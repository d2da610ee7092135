#define CAF_SUITE wire_decode

#include "protocol/wire.hpp"

#include <random>
#include <string>
#include <vector>

#include <nlohmann/json.hpp>

#include "protocol/json.hpp"

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::string_literals;
using wire::command;
using wire::refusal;

namespace {

const connection_id connection{*parse_uuid("0192c3f2-0000-7000-8000-00000000000c")};
const run_id run{*parse_uuid("0192c3f2-0000-7000-8000-00000000000f")};
const std::string run_text = to_string(run);

request_origin asked(std::int64_t request) { return {connection, request}; }

const request_origin unasked{connection, std::nullopt};

/// Says what `text` is taken for: "" for a command, else "code: message".
std::string verdict(std::string_view text) {
  const auto result = wire::decode(text, connection);
  const auto* refused = std::get_if<refusal>(&result);
  return refused ? std::string{to_string(refused->error.code)} + ": " + refused->error.message : "";
}

void check_reads(const std::string& text, const command& expected) {
  const auto result = wire::decode(text, connection);
  const auto* read = std::get_if<command>(&result);
  if (!read) {
    CAF_ERROR(text << " was refused: " << verdict(text));
  } else if (!(*read == expected)) {
    CAF_ERROR(text << " was read as something else, alternative " << read->index());
  } else {
    CAF_CHECK(read->index() == expected.index());
  }
}

void check_refused(const std::string& text, const std::string& expected) { CAF_CHECK_EQUAL(verdict(text), expected); }

/// Writes a frame of one type with one more field, as JSON text.
std::string with(const std::string& type, const std::string& fields) {
  return "{\"type\":\"" + type + "\"," + fields + "}";
}

std::string quoted(const std::string& text) { return '"' + text + '"'; }

const std::string bad_thread = "thread_id must be 1 to 128 characters of A-Z, a-z, 0-9, '_' and '-'";
const std::string bad_content =
    "content must be a non-empty string or a non-empty array of objects with a string \"type\"";

} // namespace

CAF_TEST(every_kind_of_frame_becomes_its_command) {
  check_reads(R"({"type":"connect"})", wire::connect{});
  check_reads(R"({"id":1,"type":"connect","token":"x.y.z","client":"demo/1","capabilities":["json_ping","later"]})",
              wire::connect{1, "x.y.z", "demo/1", true});
  check_reads(R"({"id":1,"type":"connect","capabilities":{"json_ping":true,"later":false}})",
              wire::connect{1, {}, {}, true});
  check_reads(R"({"id":1,"type":"connect","capabilities":{"json_ping":false}})", wire::connect{1, {}, {}, false});
  check_reads(R"({"id":1,"type":"connect","capabilities":[]})", wire::connect{1, {}, {}, false});
  check_reads(R"({"id":2,"type":"token.refresh","token":"x.y.z"})", wire::refresh_token{2, "x.y.z"});
  check_reads(R"({"type":"pong"})", wire::pong{});
  check_reads(R"({"id":3,"type":"ping"})", answer_ping{asked(3)});
  check_reads(R"({"id":4,"type":"status"})", report_use{asked(4)});
  check_reads(R"({"id":5,"type":"thread.open"})", open_thread{asked(5), {}, {}});
  check_reads(R"({"id":5,"type":"thread.open","thread_id":"t1"})", open_thread{asked(5), thread_id{"t1"}, {}});
  check_reads(R"({"id":5,"type":"thread.open","thread_id":"t1","epoch":"k3Jq","after_seq":7})",
              open_thread{asked(5), thread_id{"t1"}, log_position{"k3Jq", 7}});
  check_reads(R"({"id":6,"type":"thread.close","thread_id":"t1"})", close_thread{asked(6), {"t1"}});
  check_reads(R"({"id":7,"type":"thread.history","thread_id":"t1"})", read_history{asked(7), {"t1"}, {}, 50});
  check_reads(R"({"id":7,"type":"thread.history","thread_id":"t1","before_seq":9,"limit":2})",
              read_history{asked(7), {"t1"}, 9, 2});
  check_reads(R"({"id":8,"type":"thread.list"})", list_threads{asked(8), 50, {}});
  check_reads(R"({"id":8,"type":"thread.list","limit":3,"before":1795293901263})",
              list_threads{asked(8), 3, utc_time{std::chrono::milliseconds{1795293901263}}});
  check_reads(R"({"id":9,"type":"message.send","thread_id":"t1","content":"hi"})",
              send_message{asked(9), {"t1"}, {R"("hi")"}, {}, {}});
  check_reads(R"({"id":9,"type":"message.send","thread_id":"t1","content":[{"type":"text","text":"hi"}],)"
              R"("client_message_id":"c1","agent":"builtin"})",
              send_message{asked(9), {"t1"}, {R"([{"type":"text","text":"hi"}])"}, "c1", "builtin"});
  check_reads(R"({"id":10,"type":"run.cancel","thread_id":"t1","run_id":)" + quoted(run_text) + "}",
              cancel_run{asked(10), {"t1"}, run});
  check_reads(R"({"type":"ack","thread_id":"t1","seq":7})", acknowledge{connection, {"t1"}, 7});
}

CAF_TEST(the_conversation_of_the_contract_is_understood) {
  check_reads(R"({"id":1,"type":"thread.open","thread_id":"t1"})", open_thread{asked(1), thread_id{"t1"}, {}});
  check_reads(
      R"({"id":2,"type":"message.send","thread_id":"t1","content":"what is 12*(3+4)?","client_message_id":"c1"})",
      send_message{asked(2), {"t1"}, {R"("what is 12*(3+4)?")"}, "c1", {}});
  check_reads(R"({"id":1,"type":"thread.open","thread_id":"t1","epoch":"k3Jq","after_seq":7})",
              open_thread{asked(1), thread_id{"t1"}, log_position{"k3Jq", 7}});
  check_reads(R"({"id":2,"type":"thread.open","thread_id":"t1","epoch":"old","after_seq":7})",
              open_thread{asked(2), thread_id{"t1"}, log_position{"old", 7}});
  check_reads(R"({"id":3,"type":"thread.open","thread_id":"t99"})", open_thread{asked(3), thread_id{"t99"}, {}});
}

CAF_TEST(fields_are_found_however_they_are_written) {
  check_reads(" \t\r\n{ \"id\" : 1 ,\n\"type\" : \"ping\" } \n", answer_ping{asked(1)});
  check_reads(R"({"\u0074ype":"p\u0069ng","id":1})", answer_ping{asked(1)});
  check_reads(R"({"type":"status","id":9,"type":"ping","id":1})", answer_ping{asked(1)});
  check_reads(R"({"x":{"type":"status","id":9},"type":"ping","id":1,"y":[{"id":8}],"z":"}\",\"type\":\"status"})",
              answer_ping{asked(1)});
  check_reads(R"({"id":1,"type":"ping","":0,"typ":1,"types":2})", answer_ping{asked(1)});
}

CAF_TEST(null_is_the_same_as_absent) {
  check_reads(R"({"id":null,"type":"ping"})", answer_ping{unasked});
  check_reads(R"({"type":"thread.open","thread_id":null,"epoch":null,"after_seq":null})", open_thread{unasked, {}, {}});
  check_reads(R"({"type":"connect","token":null,"client":null,"capabilities":null})", wire::connect{});
  check_reads(R"({"type":"message.send","thread_id":"t","content":"x","client_message_id":null,"agent":null})",
              send_message{unasked, {"t"}, {R"("x")"}, {}, {}});
  check_reads(R"({"type":"thread.list","limit":null,"before":null})", list_threads{unasked, 50, {}});
  check_refused(R"({"type":null})", "bad_frame: type is missing: it must be a string");
  check_refused(R"({"type":"thread.close","thread_id":null})",
                "bad_request: thread_id is missing: it must be 1 to 128 characters of A-Z, a-z, 0-9, '_' and '-'");
}

CAF_TEST(what_is_no_json_object_is_a_bad_frame) {
  for (const auto& text : {""s,
                           " "s,
                           "x"s,
                           "1"s,
                           "null"s,
                           "\"ping\""s,
                           "[]"s,
                           "[{\"type\":\"ping\"}]"s,
                           "{"s,
                           "}"s,
                           "{}}"s,
                           "{}{}"s,
                           "{\"type\":\"ping\""s,
                           "{\"type\":\"ping\"]"s,
                           "{\"type\":\"ping\",}"s,
                           "{,\"type\":\"ping\"}"s,
                           "{\"type\" \"ping\"}"s,
                           "{:1,\"type\":\"ping\"}"s,
                           "{type:\"ping\"}"s,
                           "{'type':'ping'}"s,
                           "{\"type\":\"ping}"s,
                           "{\"type\":\"ping\\\"}"s,
                           "{\"type\":\"ping\"} x"s,
                           "{\"type\":\"ping\"}\0x"s,
                           "{\"type\":\"ping\"\0}"s,
                           "{\"type\":\"pi\0ng\"}"s,
                           "{\"type\":\"pi\nng\"}"s,
                           "{\"type\":\"\\x\"}"s,
                           "{\"type\":\"ping\",\"x\":01}"s,
                           "{\"type\":\"ping\",\"x\":[1,]}"s,
                           "{\"type\":\"ping\",\"x\":{1:2}}"s,
                           "{\"type\":\"ping\" /* */}"s,
                           "\xef\xbb\xbf\xef\xbb\xbf{\"type\":\"ping\"}"s}) {
    if (verdict(text) != "bad_frame: the frame is not a JSON object") CAF_ERROR(text << " gave " << verdict(text));
  }
  check_refused("{\"type\":\"p\xffng\"}", "bad_frame: the frame is not valid UTF-8");
  check_refused("{\"type\":\"\xed\xa0\x80\"}", "bad_frame: the frame is not valid UTF-8");
  check_refused("{}", "bad_frame: type is missing: it must be a string");
  check_refused(R"({"type":7})", "bad_frame: type must be a string");
  check_refused(R"({"type":["ping"]})", "bad_frame: type must be a string");
}

CAF_TEST(nesting_of_64_is_read_and_65_is_not) {
  const auto nested = [](std::size_t depth, char open, const std::string& step, char close) {
    // The frame itself is the first level.
    std::string text = R"({"type":"ping","x":)";
    for (std::size_t i = 1; i < depth; ++i)
      text += open + (i + 1 < depth ? step : "");
    return text + std::string(depth - 1, close) + "}";
  };
  for (const auto& [open, step, close] : {std::tuple{'[', ""s, ']'}, std::tuple{'{', "\"x\":"s, '}'}}) {
    check_reads(nested(64, open, step, close), answer_ping{unasked});
    check_refused(nested(65, open, step, close), "bad_frame: the frame is nested deeper than 64 arrays and objects");
  }
  check_refused("{\"x\":" + std::string(1'000'000, '['),
                "bad_frame: the frame is nested deeper than 64 arrays and objects");
  check_reads(with("ping", "\"x\":" + quoted(std::string(100, '['))), answer_ping{unasked});
}

CAF_TEST(a_request_id_is_an_integer_up_to_2_to_the_53rd) {
  check_reads(R"({"id":9007199254740992,"type":"ping"})", answer_ping{asked(9007199254740992)});
  check_reads(R"({"id":-9007199254740992,"type":"ping"})", answer_ping{asked(-9007199254740992)});
  check_reads(R"({"id":0,"type":"ping"})", answer_ping{asked(0)});
  const auto expected = "bad_frame: id must be an integer from -9007199254740992 to 9007199254740992"s;
  for (const auto* id : {"9007199254740993", "-9007199254740993", "99999999999999999999", "\"1\"", "true", "[1]", "{}"})
    check_refused("{\"type\":\"ping\",\"id\":"s + id + "}", expected);
  for (const auto* id : {"1.0", "1e3", "-1E2", "0.5"})
    check_refused("{\"type\":\"ping\",\"id\":"s + id + "}", expected + ", written without a fraction or an exponent");
}

CAF_TEST(a_refusal_carries_the_id_if_there_is_one) {
  const auto request = [](const char* text) { return std::get<refusal>(wire::decode(text, connection)).request; };
  CAF_CHECK(request(R"({"id":7,"type":"nonsense"})") == 7);
  CAF_CHECK(request(R"({"id":7})") == 7);
  CAF_CHECK(request(R"({"type":"thread.close","id":7})") == 7);
  CAF_CHECK(!request(R"({"type":"thread.close"})"));
  CAF_CHECK(!request(R"({"id":"7","type":"ping"})"));
}

CAF_TEST(a_frame_that_cannot_be_read_is_answered_with_its_id_all_the_same) {
  const auto request = [](const std::string& text) {
    return std::get<refusal>(wire::decode(text, connection)).request;
  };
  for (const auto& text : {
           R"({"id":7,"type":"message.send","content":"\x"})"s,
           "{\"id\":7,\"type\":\"p\xffng\"}"s,
           "{\"type\":\"ping\",\"x\":" + std::string(100, '[') + std::string(100, ']') + ",\"id\":7}",
           R"({"id":7.0,"type":"ping"})"s,
           "\xef\xbb\xbf{\"id\":7,\"type\":}"s,
       })
    if (request(text) != 7) CAF_ERROR(text << " lost its id");
  CAF_CHECK(!request(R"({"id":7.5,"type":"ping"})"));
  CAF_CHECK(!request(R"({"id":9007199254740993,"type":})"));
  CAF_CHECK(wire::refuse_unread(R"({"id":7,"type":"ping"})", "").request == 7);
}

// JSON.stringify writes "\ud83d" where a text was cut in the middle of an emoji: the whole frame was refused, without
// its id, and its caller waited for ever.
CAF_TEST(half_a_character_is_replaced) {
  const auto send = [](const std::string& content) {
    return R"({"id":7,"type":"message.send","thread_id":"t","content":)" + content + "}";
  };
  const auto reads = [&](const std::string& content, const std::string& expected) {
    check_reads(send(content), send_message{asked(7), {"t"}, {expected}, {}, {}});
  };
  reads(R"("a\ud83d")", "\"a\xef\xbf\xbd\"");
  reads(R"("\udE00b")", "\"\xef\xbf\xbd"
                        "b\"");
  reads(R"("\ud83d\ud83d\ude00")", "\"\xef\xbf\xbd😀\"");
  reads(R"("\ude00\ud83d")", "\"\xef\xbf\xbd\xef\xbf\xbd\"");
  reads(R"("\ud83d\n")", "\"\xef\xbf\xbd\\n\"");
  reads(R"("\\ud83d")", R"("\\ud83d")");
  reads(R"("\\\ud83d")", "\"\\\\\xef\xbf\xbd\"");
  reads(R"([{"type":"text","text":"\ud83d"}])", R"([{"type":"text","text":"\ufffd"}])");
  reads(R"([{"type":"text","x\udc00":{"y":["\uDBFF"]}}])", R"([{"type":"text","x\ufffd":{"y":["\ufffd"]}}])");
  check_reads(R"({"id":7,"type":"ping","x\ud83d":"\udc00"})", answer_ping{asked(7)});
  check_reads(R"({"id":7,"type":"connect","client":"\ud83d"})", wire::connect{7, {}, "\xef\xbf\xbd", false});
  check_reads(R"({"type":"message.send","thread_id":"t","content":"\ud83d","client_message_id":"a\ufffd"})",
              send_message{unasked, {"t"}, {"\"\xef\xbf\xbd\""}, "a\xef\xbf\xbd", {}});
  check_refused(R"({"type":"\ud800"})", "unknown_type: unknown type \"\xef\xbf\xbd\"");
}

CAF_TEST(a_client_message_id_with_half_a_character_is_refused_because_two_such_would_be_one) {
  const std::string text =
      R"({"id":7,"type":"message.send","thread_id":"t","content":"x\ud83d","client_message_id":"a\ud83d"})";
  check_refused(text, "bad_request: client_message_id must be a string of whole characters");
  CAF_CHECK(std::get<refusal>(wire::decode(text, connection)).request == 7);
}

CAF_TEST(a_byte_order_mark_at_the_beginning_is_skipped) {
  check_reads("\xef\xbb\xbf{\"id\":1,\"type\":\"ping\"}", answer_ping{asked(1)});
  check_refused("{\"type\":\"ping\"}\xef\xbb\xbf", "bad_frame: the frame is not a JSON object");
}

CAF_TEST(an_unknown_type_is_named_in_short_and_printable) {
  check_refused(R"({"type":"thread.opne"})", "unknown_type: unknown type \"thread.opne\"");
  check_refused(R"({"type":""})", "unknown_type: unknown type \"\"");
  check_refused(with(std::string(64, 'x'), "\"id\":1"), "unknown_type: unknown type \"" + std::string(64, 'x') + "\"");
  check_refused(with(std::string(65, 'x'), "\"id\":1"), "unknown_type: unknown type \"" + std::string(64, 'x') + "…\"");
  check_refused(with(std::string(63, 'x') + "ü", "\"id\":1"),
                "unknown_type: unknown type \"" + std::string(63, 'x') + "…\"");
  check_refused(R"({"type":"a\u001b[31m\u0000\u007f\u0085\u00a0"})",
                "unknown_type: unknown type \"a?[31m???\xc2\xa0\"");
}

CAF_TEST(a_thread_id_has_1_to_128_plain_characters) {
  const std::string longest(128, 'x');
  for (const auto* type : {"thread.open", "thread.close", "thread.history", "message.send", "run.cancel", "ack"}) {
    const auto rest = ",\"content\":\"x\",\"seq\":0,\"run_id\":" + quoted(run_text);
    CAF_CHECK_EQUAL(verdict(with(type, "\"thread_id\":" + quoted(longest) + rest)), "");
    check_refused(with(type, "\"thread_id\":" + quoted(longest + 'x') + rest), "bad_request: " + bad_thread);
    check_refused(with(type, "\"thread_id\":\"\"" + rest), "bad_request: " + bad_thread);
    check_refused(with(type, "\"thread_id\":\"a b\"" + rest), "bad_request: " + bad_thread);
    check_refused(with(type, "\"thread_id\":17" + rest), "bad_request: " + bad_thread);
  }
}

CAF_TEST(a_position_is_an_epoch_and_a_sequence_number) {
  const auto open = [](const std::string& rest) { return with("thread.open", "\"thread_id\":\"t\"" + rest); };
  check_refused(open(R"(,"epoch":"k")"), "bad_request: epoch must come together with after_seq");
  check_refused(open(R"(,"after_seq":1)"), "bad_request: after_seq must come together with epoch");
  check_refused(open(R"(,"epoch":1,"after_seq":1)"), "bad_request: epoch must be a string");
  check_reads(open(R"(,"epoch":"k","after_seq":0)"), open_thread{unasked, thread_id{"t"}, log_position{"k", 0}});
  check_refused(open(R"(,"epoch":"k","after_seq":-1)"),
                "bad_request: after_seq must be an integer from 0 to 9007199254740992");
  check_refused(open(R"(,"epoch":"k","after_seq":7.0)"),
                "bad_request: after_seq must be an integer from 0 to 9007199254740992, written without a fraction or "
                "an exponent");
}

CAF_TEST(a_limit_is_1_to_100) {
  for (const auto& frame : {"thread.list"s, "thread.history"s}) {
    const auto limited = [&](const char* limit) {
      return verdict(with(frame, "\"thread_id\":\"t\",\"limit\":"s + limit));
    };
    CAF_CHECK_EQUAL(limited("0"), "bad_request: limit must be an integer from 1 to 100");
    CAF_CHECK_EQUAL(limited("1"), "");
    CAF_CHECK_EQUAL(limited("100"), "");
    CAF_CHECK_EQUAL(limited("101"), "bad_request: limit must be an integer from 1 to 100");
    CAF_CHECK_EQUAL(limited("\"5\""), "bad_request: limit must be an integer from 1 to 100");
  }
}

CAF_TEST(a_client_message_id_has_1_to_128_bytes) {
  const auto named = [](const std::string& name) {
    return verdict(with("message.send", R"("thread_id":"t","content":"x","client_message_id":)" + name));
  };
  const auto expected = "bad_request: client_message_id must be a string of 1 to 128 bytes"s;
  CAF_CHECK_EQUAL(named("\"\""), expected);
  CAF_CHECK_EQUAL(named("\"x\""), "");
  CAF_CHECK_EQUAL(named(quoted(std::string(128, 'x'))), "");
  CAF_CHECK_EQUAL(named(quoted(std::string(129, 'x'))), expected);
  CAF_CHECK_EQUAL(named(quoted(std::string(127, 'x') + "ü")), expected);
  CAF_CHECK_EQUAL(named("1"), "bad_request: client_message_id must be a string");
}

CAF_TEST(content_is_a_string_or_an_array_of_parts) {
  const auto content = [](const std::string& text) {
    const auto result = wire::decode(with("message.send", "\"thread_id\":\"t\",\"content\":" + text), connection);
    if (const auto* refused = std::get_if<refusal>(&result)) return refused->error.message;
    return std::get<send_message>(std::get<command>(result)).content.value;
  };
  CAF_CHECK_EQUAL(content(R"("a \"word\"")"), R"("a \"word\"")");
  CAF_CHECK_EQUAL(content(R"("\u00fc\u2028\ud83d\ude00\u0000\/")"), "\"ü\u2028😀\\u0000/\"");
  CAF_CHECK_EQUAL(content("[ {\"type\" : \"text\",\n\"text\": \"a  \\\" b\"} , {\"type\":\"x\",\"n\":1.0e3} ]"),
                  R"([{"type":"text","text":"a  \" b"},{"type":"x","n":1.0e3}])");
  for (const auto* bad : {"\"\"", "[]", "{}", "1", "true", "[1]", "[\"x\"]", "[{}]", "[{\"type\":1}]",
                          "[{\"type\":\"text\"},[]]", "{\"type\":\"text\"}"}) {
    CAF_CHECK_EQUAL(content(bad), bad_content);
  }
  check_refused(R"({"type":"message.send","thread_id":"t"})",
                "bad_request: content is missing: it must be a non-empty string or a non-empty array of objects with a "
                "string \"type\"");
}

CAF_TEST(fields_of_the_wrong_type_are_named) {
  check_refused(R"({"type":"connect","token":1})", "bad_request: token must be a string");
  check_refused(R"({"type":"connect","client":{}})", "bad_request: client must be a string");
  for (const auto* bad : {"1", "\"json_ping\"", "[1]", "{\"json_ping\":1}"})
    check_refused(R"({"type":"connect","capabilities":)"s + bad + "}",
                  "bad_request: capabilities must be an array of strings, or an object of booleans");
  check_refused(R"({"type":"token.refresh"})", "bad_request: token is missing: it must be a string");
  check_refused(R"({"type":"run.cancel","thread_id":"t"})",
                "bad_request: run_id is missing: it must be the UUID of a run");
  check_refused(R"({"type":"run.cancel","thread_id":"t","run_id":"0192f"})",
                "bad_request: run_id must be the UUID of a run");
  check_refused(R"({"type":"ack","thread_id":"t"})",
                "bad_request: seq is missing: it must be an integer from 0 to 9007199254740992");
  check_refused(R"({"type":"ack","thread_id":"t","seq":9007199254740993})",
                "bad_request: seq must be an integer from 0 to 9007199254740992");
  check_refused(R"({"type":"thread.list","before":"2026"})",
                "bad_request: before must be an integer from 0 to 9007199254740992");
  check_refused(R"({"type":"thread.history","thread_id":"t","before_seq":-1})",
                "bad_request: before_seq must be an integer from 0 to 9007199254740992");
  check_refused(R"({"type":"message.send","thread_id":"t","content":"x","agent":[]})",
                "bad_request: agent must be a string");
}

CAF_TEST(no_refusal_repeats_a_message_or_a_token) {
  for (const auto& text :
       {R"({"type":"message.send","thread_id":"SECRET!","content":"SECRET"})"s,
        R"({"type":"message.send","thread_id":"t","content":["SECRET"]})"s,
        R"({"type":"token.refresh","token":{"SECRET":1}})"s, R"({"type":"connect","token":SECRET})"s}) {
    CAF_CHECK_NOT_EQUAL(verdict(text), "");
    CAF_CHECK_EQUAL(verdict(text).find("SECRET"), std::string::npos);
  }
}

namespace {

const std::vector<std::string> valid_frames = {
    R"({"id":1,"type":"connect","token":"x.y.z","client":"demo","capabilities":["json_ping"]})",
    R"({"id":2,"type":"message.send","thread_id":"t1","content":"w\u00e4s \"is\" 12*(3+4)? 😀","client_message_id":"c1"})",
    R"({"id":3,"type":"message.send","thread_id":"t1","content":[{"type":"text","text":"a\\b"}, {"type":"x"}],"agent":"b"})",
    R"({"id":4,"type":"thread.open","thread_id":"t1","epoch":"k3Jq","after_seq":7})",
    R"({"id":5,"type":"run.cancel","thread_id":"t1","run_id":"0192c3f2-0000-7000-8000-00000000000f"})",
    R"({"id":-6,"type":"thread.history","thread_id":"t1","before_seq":90,"limit":20})",
    R"({"id":7,"type":"thread.list","limit":5,"before":1795293901263})",
    R"({"type":"ack","thread_id":"t1","seq":12})",
    R"({ "id" : 8 , "type" : "ping", "x" : { "y" : [ 1.5e3, -0, null, true ] } })",
};

std::string mutated(std::string text, std::mt19937_64& random) {
  static const std::string tokens[] = {"\"",   "\\",   "{",   "}",       "[",         "]",       ":",
                                       ",",    "null", "1.0", "\"id\":", "\"type\":", "\\u0074", "\0"s,
                                       "\xc3", "ü",    " ",   "\n",      "-",         "9",       "\"content\":\"",
                                       "e"};
  static const std::string members[] = {"\"id\":9",
                                        "\"type\":\"ping\"",
                                        "\"typ\\u0065\":\"status\"",
                                        "\"limit\":101",
                                        "\"thread_id\":\"t2\"",
                                        "\"content\":[{\"type\":\"}\"}]",
                                        "\"seq\":null",
                                        "\"x\":{\"type\":[\"status\"]}",
                                        "\"epoch\":\"\\\\\"",
                                        "\"limit\":7"};
  const auto below = [&](std::size_t bound) { return static_cast<std::size_t>(random() % bound); };
  // Whole members keep the frame readable; the rest seldom does.
  for (auto count = below(3); count > 0; --count) {
    const auto& member = members[below(std::size(members))];
    if (below(2) == 0)
      text.insert(text.find('{') + 1, member + ',');
    else
      text.insert(text.rfind('}'), ',' + member);
  }
  for (auto count = below(3); count > 0 && !text.empty(); --count) {
    const auto at = below(text.size());
    const auto size = 1 + below(std::min<std::size_t>(8, text.size() - at));
    switch (below(6)) {
    case 0:
      text[at] = static_cast<char>(random());
      break;
    case 1:
      text.erase(at, size);
      break;
    case 2:
      text.insert(at, tokens[below(std::size(tokens))]);
      break;
    case 3:
      text.insert(at, text.substr(at, size));
      break;
    case 4:
      text.replace(at, 1, tokens[below(std::size(tokens))]);
      break;
    default: {
      const auto& other = valid_frames[below(valid_frames.size())];
      text = text.substr(0, at) + other.substr(below(other.size()));
    }
    }
  }
  return text;
}

/// Checks what was read, from slices of the text, against a tree of the same text.
bool agrees(const std::string& text, const nlohmann::json& tree) {
  const auto result = wire::decode(text, connection);
  const auto* refused = std::get_if<refusal>(&result);
  const auto is = [&](const char* name, const auto& value) { return tree.contains(name) && tree[name] == value; };
  if (!tree.is_object()) return refused && refused->error.code == error_code::bad_frame;
  if (refused) return refused->error.message != "the frame is not a JSON object";
  const auto& read = std::get<command>(result);
  if (const auto* send = std::get_if<send_message>(&read)) {
    return is("type", "message.send") && is("thread_id", send->thread.value)
           && is("content", nlohmann::json::parse(send->content.value))
           && (!send->origin.request || is("id", *send->origin.request))
           && (!send->client_message_id || is("client_message_id", *send->client_message_id))
           && (!send->agent || is("agent", *send->agent));
  }
  if (const auto* open = std::get_if<open_thread>(&read)) {
    return is("type", "thread.open") && (!open->thread || is("thread_id", open->thread->value))
           && (!open->position || (is("epoch", open->position->epoch) && is("after_seq", open->position->after)));
  }
  if (const auto* page = std::get_if<read_history>(&read)) {
    return is("type", "thread.history") && (!page->before || is("before_seq", *page->before))
           && (page->limit == 50 || is("limit", page->limit));
  }
  if (const auto* ack = std::get_if<acknowledge>(&read))
    return is("thread_id", ack->thread.value) && is("seq", ack->seq);
  return tree.contains("type");
}

} // namespace

CAF_TEST(random_mutations_are_read_as_a_tree_of_the_same_text_says) {
  constexpr std::uint64_t seed = 20261121;
  std::mt19937_64 random{seed};
  std::size_t commands = 0;
  std::size_t refusals = 0;
  for (int i = 0; i < 20'000; ++i) {
    const auto text = mutated(valid_frames[random() % valid_frames.size()], random);
    // The other parser takes a zero byte for the end of the text; we do not.
    const bool ends_early = text.find('\0') != std::string::npos;
    const auto tree = ends_early ? nlohmann::json{}
                                 : nlohmann::json::parse(json::mend_surrogates(text).value_or(text), nullptr, false);
    if (!agrees(text, tree)) CAF_ERROR("seed " << seed << ", case " << i << ": " << text << " gave " << verdict(text));
    ++(verdict(text).empty() ? commands : refusals);
  }
  // Otherwise the mutations are too mild or too wild to show anything.
  CAF_CHECK_GREATER(commands, 2000u);
  CAF_CHECK_GREATER(refusals, 2000u);
}
