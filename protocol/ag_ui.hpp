#pragma once

/// The log's language: each event is kept as one AG-UI 1.0 event (what AG-UI has no word for as CUSTOM), with the few
/// extra fields that make the native projection a function of that event alone. One event, one sequence number.
///
/// | body              | AG-UI event                                                                          |
/// |-------------------|--------------------------------------------------------------------------------------|
/// | message_accepted  | CUSTOM `gangway.message_accepted` {messageId, clientMessageId?, content}             |
/// | agent_started     | RUN_STARTED, + agent                                                                 |
/// | agent_thinking    | REASONING_START, or REASONING_MESSAGE_CHUNK if it has a delta; messageId             |
/// |                   | `reasoning:<run>`                                                                    |
/// | message_started   | TEXT_MESSAGE_START                                                                   |
/// | message_delta     | TEXT_MESSAGE_CONTENT                                                                 |
/// | message_completed | TEXT_MESSAGE_END, + content                                                          |
/// | tool_executing    | TOOL_CALL_CHUNK (a whole call in one event: toolCallId, toolCallName, delta)         |
/// | tool_arguments    | TOOL_CALL_ARGS                                                                       |
/// | tool_completed    | TOOL_CALL_RESULT, + isError; messageId `tool:<tool call>`                            |
/// | agent_interrupted | CUSTOM `gangway.agent_interrupted`, the interrupts as its value                      |
/// | agent_completed   | RUN_FINISHED {outcome: {type: "success"}}, + usage (AG-UI: an array of TokenUsage)   |
/// | agent_failed      | RUN_ERROR, + temporary                                                               |
/// | agent_cancelled   | RUN_FINISHED {outcome: {type: "cancelled"}}                                          |
/// | custom_event      | CUSTOM; if its name begins with `gangway.`, CUSTOM `gangway.custom` {name, value}    |
///
/// REASONING_MESSAGE_CHUNK and TOOL_CALL_CHUNK are AG-UI's events that need no start and end around them.

#include <optional>
#include <string>
#include <string_view>

#include "protocol/events.hpp"

namespace gangway::ag_ui {

/// Returns the event as AG-UI's JSON. `timestamp` is the event's time, `threadId` and `runId` ours.
std::string encode(const thread_id& thread, const thread_event& event);

/// Returns the event that `text` is, at `seq` of its log, or nothing if it is no event of ours.
/// Inverse of `encode`.
std::optional<thread_event> decode(sequence seq, const std::optional<run_id>& run, std::string_view text);

} // namespace gangway::ag_ui
