#pragma once

/// Events for tests of the store, and short forms of what comes back.

#include <chrono>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "protocol/events.hpp"
#include "protocol/messages.hpp"

namespace gangway::store_tests {

/// A moment, `milliseconds` after the beginning of the test's world.
inline utc_time at(std::int64_t milliseconds) {
  return utc_time{std::chrono::milliseconds{1'700'000'000'000 + milliseconds}};
}

inline thread_event in_run(const run_id& run, sequence seq, event_body body) {
  return {seq, run, at(static_cast<std::int64_t>(seq)), std::move(body)};
}

/// A user's message of any content, in a run or in none.
inline thread_event accepted(sequence seq, std::string content, std::optional<std::string> client_id = {},
                             std::optional<run_id> run = {}) {
  return {seq, run, at(static_cast<std::int64_t>(seq)),
          message_accepted{message_id::make(), std::move(client_id), {std::move(content)}}};
}

/// A user's message; `text` as it stands between a JSON string's quotes.
inline thread_event said(sequence seq, const std::string& text, std::optional<std::string> client_id = {}) {
  return accepted(seq, "\"" + text + "\"", std::move(client_id));
}

inline thread_event with_time(thread_event event, utc_time time) {
  event.time = time;
  return event;
}

/// A question and its answer, as the builtin agent would give it.
inline std::vector<thread_event> whole_run(sequence first) {
  const auto run = run_id::make();
  const auto answer = message_id::make();
  std::vector<thread_event> result;
  for (event_body body : std::vector<event_body>{
           message_accepted{message_id::make(), "c1", {R"j("what is 12*(3+4)?")j"}}, agent_started{"builtin"},
           agent_thinking{}, tool_executing{"call-1", "calculator", {R"j({"expression":"12*(3+4)"})j"}},
           tool_completed{"call-1", "84", false}, message_started{answer, "assistant"}, message_delta{answer, "It is "},
           message_delta{answer, "84."}, message_completed{answer, "It is 84."}, agent_completed{}})
    result.push_back(in_run(run, first++, std::move(body)));
  return result;
}

/// One event of every kind.
inline std::vector<thread_event> every_kind() {
  const auto run = run_id::make();
  const auto answer = message_id::make();
  std::vector<thread_event> result{said(1, "hello")};
  for (event_body body : std::vector<event_body>{
           message_accepted{message_id::make(), "c1", {R"([{"type":"text","text":"a"}])"}}, agent_started{"builtin"},
           agent_thinking{}, agent_thinking{"hm\n\"hm\""}, message_started{answer, "assistant"},
           message_delta{answer, "gr\u00fcn \U0001F6A2"}, message_completed{answer, "gr\u00fcn \U0001F6A2"},
           tool_executing{"call-1", "search", {"{}"}}, tool_arguments{"call-1", R"({"te)"},
           tool_completed{"call-1", "nothing", true}, agent_interrupted{{"[]"}}, custom_event{"progress", {"0.5"}},
           agent_failed{"upstream", "it broke", true}, agent_cancelled{},
           agent_completed{json_text{R"({"tokens":7})"}}})
    result.push_back(in_run(run, result.size() + 1, std::move(body)));
  return result;
}

inline get_threads threads_of(const std::string& user, std::uint32_t limit = 50, std::optional<utc_time> before = {}) {
  return {{user}, limit, before};
}

inline decision_row decided(const std::string& user, utc_time time, std::vector<std::string> subjects,
                            std::string body) {
  return {decision_id::make(), {user}, time, std::move(subjects), {std::move(body)}};
}

inline std::vector<std::string> bodies(const decisions_page& page) {
  std::vector<std::string> result;
  for (const auto& body : page.decisions)
    result.push_back(body.value);
  return result;
}

inline std::vector<sequence> sequences(const std::vector<message_record>& messages) {
  std::vector<sequence> result;
  for (const auto& message : messages)
    result.push_back(message.seq);
  return result;
}

inline std::vector<std::string> names(const threads_page& page) {
  std::vector<std::string> result;
  for (const auto& thread : page.threads)
    result.push_back(thread.thread_id.value);
  return result;
}

} // namespace gangway::store_tests
