#define CAF_SUITE run_fold
#include "actors/run_fold.hpp"

#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

open_run folded(const std::vector<event_body>& events) {
  open_run run;
  for (const auto& body : events)
    fold(run, body);
  return run;
}

const auto one = message_id::make();

} // namespace

CAF_TEST(the_text_so_far_is_that_of_the_deltas) {
  const auto run = folded(
      {agent_started{"builtin"}, message_started{one, "assistant"}, message_delta{one, "a"}, message_delta{one, "b"}});
  CAF_CHECK_EQUAL(run.agent, "builtin");
  CAF_CHECK(run.message_id == one);
  CAF_CHECK_EQUAL(run.content, "ab");
}

CAF_TEST(a_completed_message_is_no_longer_open) {
  const auto run = folded({message_started{one, "assistant"}, message_delta{one, "a"}, message_completed{one, "a"}});
  CAF_CHECK(!run.message_id);
  CAF_CHECK(run.content.empty());
}

CAF_TEST(a_tool_call_is_shown_before_and_after_its_result) {
  std::vector<event_body> events{tool_executing{"x1", "calculator", {"{}"}}};
  CAF_CHECK(!folded(events).tool_calls.at(0).result);
  events.push_back(tool_completed{"x1", "84", false});
  const auto run = folded(events);
  CAF_REQUIRE_EQUAL(run.tool_calls.size(), 1u);
  CAF_CHECK_EQUAL(*run.tool_calls[0].result, "84");
  CAF_CHECK(!run.tool_calls[0].is_error);
}

CAF_TEST(arguments_that_come_in_pieces_are_joined) {
  const auto run = folded({tool_arguments{"x1", "{\"a\""}, tool_arguments{"x1", ":1}"}, tool_arguments{"x2", "{}"}});
  CAF_REQUIRE_EQUAL(run.tool_calls.size(), 2u);
  CAF_CHECK_EQUAL(run.tool_calls[0].arguments.value, "{\"a\":1}");
}
