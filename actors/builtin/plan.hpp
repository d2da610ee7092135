#pragma once

/// What the builtin agent does with a message, decided without doing any of it. The run actor carries it out:
///
///     text = message_text(content)
///     for each of first_steps(text):
///       think_step      → agent_thinking
///       call_tool_step  → tool_executing; outcome = run_tool(…), for `search_thread` search_outcome(the store's
///       answer);
///                         tool_completed; then say compose_answer(text, outcome)
///       say_step        → message_started; a message_delta for each of split_deltas(text); message_completed
///       stream_step     → the same with stream_delta(1) to stream_delta(count), at its rate

#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "protocol/vocabulary.hpp"

namespace gangway {

struct messages_page;

/// The names of the builtin agent's tools.
namespace tool_name {
inline constexpr const char* calculator = "calculator";       ///< {"expression":"12*(3+4)"} → "84"
inline constexpr const char* clock = "clock";                 ///< {} → "2026-11-21T08:05:03Z"
inline constexpr const char* search_thread = "search_thread"; ///< {"query":"banana"} → a line for each message found
} // namespace tool_name

/// Shows that it is at work.
struct think_step {
  friend bool operator==(const think_step&, const think_step&) = default;
};

/// Runs a tool; what is said afterwards depends on its outcome.
struct call_tool_step {
  std::string name;
  json_text arguments; ///< a JSON object
  friend bool operator==(const call_tool_step&, const call_tool_step&) = default;
};

/// Says all of `text`.
struct say_step {
  std::string text;
  friend bool operator==(const say_step&, const say_step&) = default;
};

/// Says the numbers from 1 to `count`, a delta each.
struct stream_step {
  std::uint64_t count = 0;
  double per_second = 0;
  friend bool operator==(const stream_step&, const stream_step&) = default;
};

using agent_step = std::variant<think_step, call_tool_step, say_step, stream_step>;

/// What came of a tool. An error is an answer too: the run goes on, and the user is told.
struct tool_outcome {
  std::string result;
  bool is_error = false;
  friend bool operator==(const tool_outcome&, const tool_outcome&) = default;
};

/// The bounds of `/stream N R`: deltas, and deltas per second.
inline constexpr std::uint64_t stream_count_max = 100'000;
inline constexpr double stream_rate_min = 0.1;
inline constexpr double stream_rate_max = 100'000;

/// Returns what to do first about a message: `think_step`, then exactly one of the others. Never empty.
/// `/stream N R` streams; "search X", "find X", "did I say X" search the thread; an arithmetic expression anywhere is
/// calculated; a question for the time or date asks the clock; anything else is answered with what can be asked.
std::vector<agent_step> first_steps(std::string_view text);

/// Returns the whole answer to a message: with the outcome of the tool that `first_steps` called for it, or without
/// one what its `say_step` says.
std::string compose_answer(std::string_view text, const std::optional<tool_outcome>& outcome);

/// Returns an answer in the pieces in which it is streamed: cut behind words, 8 to 32 bytes each but for the last,
/// none empty. Joined they are the text again; each is valid UTF-8 if the text is.
std::vector<std::string> split_deltas(std::string_view text);

/// Returns the `number`th delta of a stream, counted from 1: "1 ", "2 ".
std::string stream_delta(std::uint64_t number);

/// Runs one of the tools that need nothing but their arguments and the time. An unknown name, or arguments that do not
/// fit, are an outcome with `is_error`.
tool_outcome run_tool(std::string_view name, const json_text& arguments, utc_time now);

/// Returns what to look for from the arguments of a `search_thread` call, empty if they do not say.
std::string search_query(const json_text& arguments);

/// Returns the outcome of a search from what the store found. Messages from `question` on are left out: the question
/// contains the words that it looks for.
tool_outcome search_outcome(const messages_page& found, sequence question = std::numeric_limits<sequence>::max());

} // namespace gangway
