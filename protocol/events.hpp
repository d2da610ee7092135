#pragma once

/// What happens in a thread: the bodies of its events, as values. Two encoders read them: `wire` for clients and
/// `ag_ui` for the log.

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "protocol/vocabulary.hpp"

namespace gangway {

/// A user's message is on disk.
struct message_accepted {
  gangway::message_id message_id;
  std::optional<std::string> client_message_id;
  json_text content; ///< a JSON string, or an array of parts, as the client sent it
  friend bool operator==(const message_accepted&, const message_accepted&) = default;
};

/// An agent took the message up.
struct agent_started {
  std::string agent;
  friend bool operator==(const agent_started&, const agent_started&) = default;
};

/// The agent is at work without words for the user; `delta` is a piece of its reasoning, if it shows any.
struct agent_thinking {
  std::optional<std::string> delta;
  friend bool operator==(const agent_thinking&, const agent_thinking&) = default;
};

/// The agent begins a message.
struct message_started {
  gangway::message_id message_id;
  std::string role;
  friend bool operator==(const message_started&, const message_started&) = default;
};

/// The next piece of a message's text.
struct message_delta {
  gangway::message_id message_id;
  std::string delta;
  friend bool operator==(const message_delta&, const message_delta&) = default;
};

/// A message is complete; `content` is all of its text.
struct message_completed {
  gangway::message_id message_id;
  std::string content;
  friend bool operator==(const message_completed&, const message_completed&) = default;
};

/// The agent calls a tool with `arguments`, a JSON object.
struct tool_executing {
  std::string tool_call_id;
  std::string name;
  json_text arguments;
  friend bool operator==(const tool_executing&, const tool_executing&) = default;
};

/// A piece of a tool call's arguments, from agents that stream them.
struct tool_arguments {
  std::string tool_call_id;
  std::string delta;
  friend bool operator==(const tool_arguments&, const tool_arguments&) = default;
};

/// A tool answered, or failed.
struct tool_completed {
  std::string tool_call_id;
  std::string result;
  bool is_error = false;
  friend bool operator==(const tool_completed&, const tool_completed&) = default;
};

/// The agent waits for the user to decide something; `interrupts` is an array of AG-UI interrupts.
struct agent_interrupted {
  json_text interrupts;
  friend bool operator==(const agent_interrupted&, const agent_interrupted&) = default;
};

/// The run ended well.
struct agent_completed {
  std::optional<json_text> usage;
  friend bool operator==(const agent_completed&, const agent_completed&) = default;
};

/// The run ended badly. `code` "interrupted": its manager or the server went away in the middle.
struct agent_failed {
  std::string code;
  std::string message;
  bool temporary = false;
  friend bool operator==(const agent_failed&, const agent_failed&) = default;
};

/// The run was cancelled by the user.
struct agent_cancelled {
  friend bool operator==(const agent_cancelled&, const agent_cancelled&) = default;
};

/// Something between an agent and its front end that Gangway only carries.
struct custom_event {
  std::string name;
  json_text value;
  friend bool operator==(const custom_event&, const custom_event&) = default;
};

using event_body = std::variant<message_accepted, agent_started, agent_thinking, message_started, message_delta,
                                message_completed, tool_executing, tool_arguments, tool_completed, agent_interrupted,
                                agent_completed, agent_failed, agent_cancelled, custom_event>;

/// Returns whether `body` is one of the three endings; every run has exactly one.
inline bool ends_run(const event_body& body) noexcept {
  return std::holds_alternative<agent_completed>(body) || std::holds_alternative<agent_failed>(body)
         || std::holds_alternative<agent_cancelled>(body);
}

/// An event with its place in the log.
struct thread_event {
  sequence seq = 0;
  std::optional<gangway::run_id> run_id;
  utc_time time;
  event_body body;
  std::optional<sequence> first_seq = {}; ///< of the events that were compacted into this one, if any were
  friend bool operator==(const thread_event&, const thread_event&) = default;
};

/// A message as a snapshot or a history shows it.
struct message_record {
  gangway::message_id message_id;
  std::string role;  ///< "user" or "assistant"
  json_text content; ///< a JSON string or an array of parts
  sequence seq = 0;
  std::optional<gangway::run_id> run_id;
  utc_time time;
  friend bool operator==(const message_record&, const message_record&) = default;
};

/// A tool call of a run that has not ended.
struct open_tool_call {
  std::string tool_call_id;
  std::string name;
  json_text arguments;
  std::optional<std::string> result;
  bool is_error = false;
  friend bool operator==(const open_tool_call&, const open_tool_call&) = default;
};

/// The run in flight, as far as it has come.
struct open_run {
  gangway::run_id run_id;
  std::string agent;
  std::optional<gangway::message_id> message_id; ///< the message being written
  std::string content;                           ///< its text so far
  std::vector<open_tool_call> tool_calls;
  friend bool operator==(const open_run&, const open_run&) = default;
};

/// A thread as somebody sees it who comes without a usable position.
struct thread_snapshot {
  std::vector<message_record> messages;
  std::optional<open_run> run;
  friend bool operator==(const thread_snapshot&, const thread_snapshot&) = default;
};

/// A line of `thread.list`.
struct thread_summary {
  gangway::thread_id thread_id;
  std::string title;
  sequence seq = 0;
  utc_time updated_at;
  friend bool operator==(const thread_summary&, const thread_summary&) = default;
};

} // namespace gangway
