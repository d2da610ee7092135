#define CAF_SUITE plan

#include "actors/builtin/plan.hpp"

#include <random>
#include <string>

#include <nlohmann/json.hpp>

#include "protocol/message_text.hpp"
#include "protocol/messages.hpp"

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

const utc_time noon{std::chrono::sys_days{std::chrono::year{2026} / 11 / 21} + 12h + 3min + 4s + 567ms};

/// Returns one line for what is done first, so that a table can hold every kind of it.
std::string shown(std::string_view text) {
  const auto steps = first_steps(text);
  if (steps.size() != 2 || !std::holds_alternative<think_step>(steps[0]))
    return "not two steps, the first a think_step";
  if (const auto* call = std::get_if<call_tool_step>(&steps[1])) return call->name + ' ' + call->arguments.value;
  if (const auto* stream = std::get_if<stream_step>(&steps[1])) {
    return "stream " + std::to_string(stream->count) + ' ' + std::to_string(stream->per_second);
  }
  if (const auto* say = std::get_if<say_step>(&steps[1])) return say->text.starts_with("Usage:") ? "usage" : "help";
  return "two thoughts";
}

struct example {
  std::string text;
  std::string expected;
};

void check(std::initializer_list<example> table) {
  // The case stands in both texts, so that a failure shows which one it is.
  for (const auto& [text, expected] : table) {
    CAF_CHECK_EQUAL(text + " → " + shown(text), text + " → " + expected);
  }
}

std::string calculation(const std::string& expression) {
  return "calculator " + nlohmann::json{{"expression", expression}}.dump();
}

std::string search(const std::string& query) { return "search_thread " + nlohmann::json{{"query", query}}.dump(); }

/// Returns the whole answer to a question whose tool is one of the pure ones.
std::string answer(std::string_view text) {
  const auto steps = first_steps(text);
  const auto* call = std::get_if<call_tool_step>(&steps.back());
  if (call == nullptr) return compose_answer(text, std::nullopt);
  return compose_answer(text, run_tool(call->name, call->arguments, noon));
}

message_record message(sequence seq, std::string role, const std::string& text) {
  message_record result;
  result.role = std::move(role);
  result.content = {nlohmann::json(text).dump()};
  result.seq = seq;
  return result;
}

bool is_valid_utf8(const std::string& text) {
  const auto quoted = nlohmann::json(text).dump(-1, ' ', false, nlohmann::json::error_handler_t::ignore);
  return nlohmann::json::parse(quoted).get<std::string>() == text;
}

} // namespace

CAF_TEST(arithmetic_is_found_in_a_sentence) {
  check({
      {"what is 12*(3+4)?", calculation("12*(3+4)")},
      {"12*(3+4)", calculation("12*(3+4)")},
      {"  2 + 2 = ?", calculation("2 + 2")},
      {"Please tell me 3+4, thanks.", calculation("3+4")},
      {"what is 3+4 please", calculation("3+4")},
      {"is 3.5*2 more than 6?", calculation("3.5*2")},
      {"compute (1+2)*(3+4).", calculation("(1+2)*(3+4)")},
      {"it is easy (2+3) really", calculation("(2+3)")},
      {"it is easy (that is 2+3) really", calculation("2+3")},
      {"what is -5 + 3?", calculation("-5 + 3")},
      {"what is 2^-1?", calculation("2^-1")},
      {"half: .5*3", calculation(".5*3")},
      {"what is 1e3*2?", calculation("1e3*2")},
      {"what is 1e-3*2?", calculation("1e-3*2")},
      {"1. 3+4\n2. 5+6", calculation("3+4")},
      {"计算3+4", calculation("3+4")},
      {"what’s 3+4？", calculation("3+4")},
  });
}

CAF_TEST(broken_arithmetic_goes_to_the_calculator_too_because_it_says_what_is_wrong) {
  check({
      {"what is 12/0?", calculation("12/0")},
      {"what is 2*(3+4?", calculation("2*(3+4")},
      {"what is 2+*3?", calculation("2+*3")},
      {"1+", calculation("1+")},
      {"what is 1,000*3?", calculation("1,000*3")},
      {"2+3)", calculation("2+3)")},
  });
}

CAF_TEST(what_only_looks_like_arithmetic_is_not_calculated) {
  check({
      {"12", "help"},
      {"I am 12", "help"},
      {"covid-19", "help"},
      {"gpt4-5 is new", "help"},
      {"2*pi", "help"},
      {"see http://example.com/2/3", "help"},
      {"2026-11-21", "help"},
      {"what happened on 2026-11-21?", "help"},
      {"from 2026-11-21 10:30", "help"},
      {"at 10:30-11:30", "help"},
      {"what is 1e-3?", "help"},
      {"I have 5 - really", "help"},
      {"version 1.2.3", "help"},
      {"f(x)", "help"},
      {"--", "help"},
      {"(", "help"},
  });
  check({{"covid-19 and 2+2", calculation("2+2")}, {"on 2026-11-21: 2+2", calculation("2+2")}});
}

CAF_TEST(a_question_for_the_time_or_date_asks_the_clock) {
  check({
      {"what time is it?", "clock {}"},
      {"What's the date today?", "clock {}"},
      {"time", "clock {}"},
      {"TIME PLEASE", "clock {}"},
      {"current time", "clock {}"},
      {"which day is it", "clock {}"},
      {"tell me the time, please!", "clock {}"},
      {"I had a good time", "help"},
      {"timely", "help"},
      {"what a story that was, and what a long time it did take", "help"},
  });
}

CAF_TEST(a_search_takes_the_words_that_are_asked_for) {
  check({
      {"search banana", search("banana")},
      {"Search for banana.", search("banana")},
      {"find banana", search("banana")},
      {"please find \"green banana\"", search("green banana")},
      {"Could you please search this thread for banana?", search("banana")},
      {"did I say banana?", search("banana")},
      {"hey, did i say 'banana' before?", search("banana")},
      {"did I say banana in this thread before?", search("banana")},
      {"search 2+2", search("2+2")},
      {"find the time", search("the time")},
      {"find Füße", search("Füße")},
      {"find a \"quote", search("a \"quote")},
      {"search", "help"},
      {"search ?", "help"},
      {"find", "help"},
      {"findings", "help"},
      {"research banana", "help"},
  });
}

CAF_TEST(a_search_is_cut_to_two_hundred_bytes_between_characters) {
  check({
      {"find " + std::string(200, 'x'), search(std::string(200, 'x'))},
      {"find " + std::string(201, 'x'), search(std::string(200, 'x'))},
      {"find " + std::string(199, 'x') + "ü", search(std::string(199, 'x'))},
      {"find " + std::string(198, 'x') + "ü", search(std::string(198, 'x') + "ü")},
  });
}

CAF_TEST(a_stream_is_asked_for_within_its_bounds) {
  check({
      {"/stream 100 10", "stream 100 10.000000"},
      {"  /stream\t100   2.5 ", "stream 100 2.500000"},
      {"/stream 1 0.1", "stream 1 0.100000"},
      {"/stream 0 10", "usage"},
      {"/stream 1 0.09", "usage"},
      {"/stream 100000 100000", "stream 100000 100000.000000"},
      {"/stream 1000001 10", "usage"},
      {"/stream 10 100000.1", "usage"},
      {"/stream", "usage"},
      {"/stream 10", "usage"},
      {"/stream 10 10 10", "usage"},
      {"/stream ten 10", "usage"},
      {"/stream -1 10", "usage"},
      {"/stream 1.5 10", "usage"},
      {"/stream 10 -10", "usage"},
      {"/stream 10 nan", "usage"},
      {"/stream 10 inf", "usage"},
      {"/stream 10 1e3", "usage"},
      {"/stream 10x 10", "usage"},
      {"/stream 18446744073709551617 10", "usage"},
      {"/streams 10 10", "help"},
      {"please /stream 10 10", "help"},
  });
}

CAF_TEST(a_stream_says_the_numbers_from_one_on) {
  CAF_CHECK_EQUAL(stream_delta(1), "1 ");
  CAF_CHECK_EQUAL(stream_delta(2), "2 ");
  CAF_CHECK_EQUAL(stream_delta(1'000'000), "1000000 ");
}

CAF_TEST(what_it_does_not_understand_is_answered_with_what_it_can_do) {
  for (const auto text : {"", " ", "hello", "/unknown", "привет", "\xff\xfe", "\x80-\x80"}) {
    CAF_CHECK_EQUAL(shown(text), "help");
    const auto said = compose_answer(text, std::nullopt);
    for (const auto word : {"calculate", "time", "search", "/stream"})
      CAF_CHECK(said.find(word) != std::string::npos);
  }
}

CAF_TEST(an_answer_says_the_question_again_and_the_result) {
  CAF_CHECK_EQUAL(answer("what is 12*(3+4)?"), "12*(3+4) is 84.");
  CAF_CHECK_EQUAL(answer("2 + 2 = ?"), "2 + 2 is 4.");
  CAF_CHECK_EQUAL(answer("what is 12/0?"), "I cannot calculate 12/0: division by zero at character 3.");
  CAF_CHECK_EQUAL(answer("what time is it?"), "It is 2026-11-21T12:03:04Z (UTC).");
  CAF_CHECK_EQUAL(compose_answer("find banana", tool_outcome{"Nothing found.", false}),
                  "I looked for \"banana\" in this thread. Nothing found.");
  CAF_CHECK_EQUAL(compose_answer("find banana", tool_outcome{"the store does not answer", true}),
                  "I cannot search this thread: the store does not answer.");
}

CAF_TEST(an_expression_of_a_mebibyte_costs_a_short_answer) {
  std::string text = "what is 1";
  while (text.size() < 1024 * 1024)
    text += "+1";
  const auto said = answer(text);
  CAF_CHECK(said.ends_with("the expression is longer than 1000 characters at character 1001."));
  CAF_CHECK_LESS(said.size(), 400u);
  const auto steps = first_steps(text);
  CAF_CHECK_LESS(std::get<call_tool_step>(steps.back()).arguments.value.size(), 1100u);
}

CAF_TEST(text_is_split_behind_words_and_joined_again) {
  CAF_CHECK(split_deltas("").empty());
  CAF_CHECK((split_deltas("12*(3+4) is 84.") == std::vector<std::string>{"12*(3+4) ", "is 84."}));
  CAF_CHECK((split_deltas("1234567 8") == std::vector<std::string>{"1234567 ", "8"}));
  CAF_CHECK((split_deltas("123456 89") == std::vector<std::string>{"123456 89"}));
  CAF_CHECK((split_deltas("1234567  8") == std::vector<std::string>{"1234567  ", "8"}));
  CAF_CHECK_EQUAL(split_deltas(std::string(32, 'x')).size(), 1u);
  CAF_CHECK((split_deltas(std::string(33, 'x')) == std::vector<std::string>{std::string(32, 'x'), "x"}));
  CAF_CHECK((split_deltas(std::string(31, 'x') + "ü") == std::vector<std::string>{std::string(31, 'x'), "ü"}));
}

CAF_TEST(every_delta_of_random_text_is_valid_and_within_its_bounds) {
  const std::vector<std::string> pieces{"a", "word", " ", "  ", "\n", "ü", "漢", "🙂", "42.", "\t"};
  for (std::uint32_t seed = 1; seed <= 2'000; ++seed) {
    std::mt19937 random{seed};
    std::string text;
    for (auto count = random() % 200; count > 0; --count)
      text += pieces[random() % pieces.size()];
    const auto deltas = split_deltas(text);
    std::string joined;
    for (std::size_t i = 0; i < deltas.size(); ++i) {
      joined += deltas[i];
      const auto last = i + 1 == deltas.size();
      const auto good =
          !deltas[i].empty() && deltas[i].size() <= 32 && (last || deltas[i].size() >= 8) && is_valid_utf8(deltas[i]);
      if (!good) CAF_FAIL("seed " << seed << ", delta " << i << ": " << deltas[i]);
    }
    if (joined != text) CAF_FAIL("seed " << seed);
  }
}

CAF_TEST(bytes_that_are_no_text_neither_stop_nor_crash_the_agent) {
  for (std::uint32_t seed = 1; seed <= 5'000; ++seed) {
    std::mt19937 random{seed};
    static constexpr std::string_view likely = "0123456789+-*/%^().,eE: \n";
    std::string text = seed % 3 == 0 ? "find " : "";
    for (auto count = random() % 80; count > 0; --count) {
      text += random() % 4 == 0 ? static_cast<char>(random()) : likely[random() % likely.size()];
    }
    const auto steps = first_steps(text);
    if (steps.size() != 2) CAF_FAIL("seed " << seed);
    if (const auto* call = std::get_if<call_tool_step>(&steps.back())) {
      if (!nlohmann::json::parse(call->arguments.value, nullptr, false).is_object()) CAF_FAIL("seed " << seed);
    }
    std::string joined;
    const auto said = answer(text);
    for (const auto& delta : split_deltas(said))
      joined += delta;
    if (said.empty() || joined != said) CAF_FAIL("seed " << seed);
  }
}

CAF_TEST(content_says_its_text_parts) {
  CAF_CHECK_EQUAL(message_text({R"("hello\n\u00fc")"}), "hello\nü");
  CAF_CHECK_EQUAL(message_text({R"([{"type":"text","text":"a"},{"type":"text","text":"b"}])"}), "a\nb");
  const json_text mixed{R"([{"type":"image","text":"no"},{"type":"text","text":"a"},7,{"type":"text"},
                            {"type":"text","text":8},{"text":"no"},"no"])"};
  CAF_CHECK_EQUAL(message_text(mixed), "a");
  CAF_CHECK_EQUAL(message_text({R"([{"type":"text","text":""},{"type":"text","text":"b"}])"}), "\nb");
  for (const auto nothing : {"[]", "{}", "7", "null", "", "{", R"({"type":"text","text":"a"})"}) {
    CAF_CHECK_EQUAL(message_text({nothing}), "");
  }
}

CAF_TEST(the_clock_tells_utc_to_the_second) {
  const auto told = [](utc_time now) { return run_tool("clock", {"{}"}, now).result; };
  const utc_time midnight{std::chrono::sys_days{std::chrono::year{2028} / 2 / 29}};
  CAF_CHECK_EQUAL(told(utc_time{}), "1970-01-01T00:00:00Z");
  CAF_CHECK_EQUAL(told(midnight), "2028-02-29T00:00:00Z");
  CAF_CHECK_EQUAL(told(midnight - 1ms), "2028-02-28T23:59:59Z");
  CAF_CHECK_EQUAL(told(midnight + 999ms), "2028-02-29T00:00:00Z");
  CAF_CHECK_EQUAL(told(midnight + 1s), "2028-02-29T00:00:01Z");
  CAF_CHECK(!run_tool("clock", {"{}"}, noon).is_error);
}

CAF_TEST(a_tool_that_cannot_be_run_is_an_outcome) {
  const json_text good{R"json({"expression":"12*(3+4)"})json"};
  const json_text bad{R"({"expression":"1/0"})"};
  CAF_CHECK(run_tool("calculator", good, noon) == (tool_outcome{"84", false}));
  CAF_CHECK(run_tool("calculator", bad, noon) == (tool_outcome{"division by zero at character 2", true}));
  for (const auto arguments : {"{}", "[]", "", "{", R"({"expression":7})", R"({"expression":""})"}) {
    CAF_CHECK_EQUAL(run_tool("calculator", {arguments}, noon).result, R"(the calculator needs {"expression": "…"})");
    CAF_CHECK(run_tool("calculator", {arguments}, noon).is_error);
  }
  for (const auto name : {"", "search_thread", "Calculator", "rm"})
    CAF_CHECK(run_tool(name, {"{}"}, noon).is_error);
}

CAF_TEST(a_search_outcome_lists_what_was_found_without_the_question_itself) {
  messages_page page;
  CAF_CHECK(search_outcome(page) == (tool_outcome{"Nothing found.", false}));
  page.messages = {message(9, "user", "find banana"), message(4, "assistant", "A banana\nis yellow.")};
  CAF_CHECK_EQUAL(search_outcome(page, 9).result, "Found 1 message:\n- assistant: A banana is yellow.");
  CAF_CHECK_EQUAL(search_outcome(page, 10).result,
                  "Found 2 messages:\n- user: find banana\n- assistant: A banana is yellow.");
  CAF_CHECK_EQUAL(search_outcome(page, 4).result, "Nothing found.");
  page.more = true;
  CAF_CHECK_EQUAL(search_outcome(page, 9).result,
                  "Found 1 message, and there are more:\n- assistant: A banana is yellow.");
}

CAF_TEST(a_long_message_is_found_as_an_excerpt_of_whole_characters) {
  messages_page page;
  page.messages = {message(1, "user", std::string(120, 'x')), message(2, "user", std::string(119, 'x') + "ü")};
  CAF_CHECK_EQUAL(search_outcome(page).result,
                  "Found 2 messages:\n- user: " + std::string(120, 'x') + "\n- user: " + std::string(119, 'x') + "…");
}

CAF_TEST(a_query_goes_through_the_arguments_of_its_call) {
  const auto steps = first_steps("find a \"quote");
  CAF_CHECK_EQUAL(search_query(std::get<call_tool_step>(steps.back()).arguments), "a \"quote");
  for (const auto nothing : {"{}", "[]", "", R"({"query":7})"})
    CAF_CHECK_EQUAL(search_query({nothing}), "");
}
