#include "protocol/ag_ui.hpp"

#include <array>
#include <utility>

#include "protocol/json.hpp"

namespace gangway::ag_ui {

namespace {

using json::object;

// Names of our own CUSTOM events; an agent's event of such a name travels inside `gangway.custom`, so that no agent can
// forge a user's message.
constexpr std::string_view own_prefix = "gangway.";
constexpr std::string_view accepted_name = "gangway.message_accepted";
constexpr std::string_view interrupted_name = "gangway.agent_interrupted";
constexpr std::string_view wrapped_name = "gangway.custom";

// AG-UI wants an id for messages that the native events have none for: reasoning, and the answer of a tool.
std::string reasoning_id(const std::string& run) { return "reasoning:" + run; }

std::string answer_id(const std::string& tool_call_id) { return "tool:" + tool_call_id; }

struct encoder {
  const thread_id& thread;
  const thread_event& event;
  std::string run;

  object begin(std::string_view type) const {
    object out{192};
    out.text("type", type).number("timestamp", event.time.time_since_epoch().count());
    return out;
  }

  object begin_run_event(std::string_view type) const {
    auto out = begin(type);
    out.text("threadId", thread.value).text("runId", run);
    return out;
  }

  std::string custom(std::string_view name, std::string_view value) const {
    return begin("CUSTOM").text("name", name).raw("value", value).take();
  }

  std::string operator()(const message_accepted& body) const {
    object value;
    value.text("messageId", to_string(body.message_id));
    if (body.client_message_id) value.text("clientMessageId", *body.client_message_id);
    return custom(accepted_name, value.raw("content", body.content.value).take());
  }

  std::string operator()(const agent_started& body) const {
    return begin_run_event("RUN_STARTED").text("agent", body.agent).take();
  }

  std::string operator()(const agent_thinking& body) const {
    auto out = begin(body.delta ? "REASONING_MESSAGE_CHUNK" : "REASONING_START");
    out.text("messageId", reasoning_id(run));
    if (body.delta) out.text("delta", *body.delta);
    return out.take();
  }

  std::string operator()(const message_started& body) const {
    return begin("TEXT_MESSAGE_START").text("messageId", to_string(body.message_id)).text("role", body.role).take();
  }

  std::string operator()(const message_delta& body) const {
    return begin("TEXT_MESSAGE_CONTENT").text("messageId", to_string(body.message_id)).text("delta", body.delta).take();
  }

  std::string operator()(const message_completed& body) const {
    auto out = begin("TEXT_MESSAGE_END");
    return out.text("messageId", to_string(body.message_id)).text("content", body.content).take();
  }

  std::string operator()(const tool_executing& body) const {
    auto out = begin("TOOL_CALL_CHUNK");
    out.text("toolCallId", body.tool_call_id).text("toolCallName", body.name).text("delta", body.arguments.value);
    return out.take();
  }

  std::string operator()(const tool_arguments& body) const {
    return begin("TOOL_CALL_ARGS").text("toolCallId", body.tool_call_id).text("delta", body.delta).take();
  }

  std::string operator()(const tool_completed& body) const {
    auto out = begin("TOOL_CALL_RESULT");
    out.text("messageId", answer_id(body.tool_call_id)).text("toolCallId", body.tool_call_id);
    return out.text("role", "tool").text("content", body.result).boolean("isError", body.is_error).take();
  }

  std::string operator()(const agent_interrupted& body) const {
    return custom(interrupted_name, body.interrupts.value);
  }

  std::string operator()(const agent_completed& body) const {
    auto out = begin_run_event("RUN_FINISHED");
    out.raw("outcome", R"({"type":"success"})");
    if (body.usage) out.raw("usage", body.usage->value);
    return out.take();
  }

  std::string operator()(const agent_failed& body) const {
    auto out = begin("RUN_ERROR");
    out.text("message", body.message).text("code", body.code).boolean("temporary", body.temporary);
    return out.take();
  }

  std::string operator()(const agent_cancelled&) const {
    return begin_run_event("RUN_FINISHED").raw("outcome", R"({"type":"cancelled"})").take();
  }

  std::string operator()(const custom_event& body) const {
    if (!body.name.starts_with(own_prefix)) return custom(body.name, body.value.value);
    return custom(wrapped_name, object{}.text("name", body.name).raw("value", body.value.value).take());
  }
};

// Every member that one of our events has.
enum member : std::size_t {
  type,
  timestamp,
  name,
  value,
  agent,
  message_id_member,
  role,
  delta,
  content,
  tool_call_id,
  tool_call_name,
  is_error,
  outcome,
  usage,
  message,
  code,
  temporary,
  client_message_id,
  member_count,
};

constexpr std::array<std::string_view, member_count> member_names = {
    "type",       "timestamp",    "name",    "value",   "agent", "messageId", "role", "delta",     "content",
    "toolCallId", "toolCallName", "isError", "outcome", "usage", "message",   "code", "temporary", "clientMessageId"};

// The members of one event; `complete` turns false when one that was asked for is missing or of the wrong kind.
struct members {
  std::array<std::string_view, member_count> values;
  bool complete = true;

  explicit members(std::string_view text) {
    complete = json::find_members(text, member_names, values) == json::verdict::object;
  }

  template <class T>
  T taken(std::optional<T> found) {
    if (!found) complete = false;
    return std::move(found).value_or(T{});
  }

  bool has(member which) const noexcept { return !values[which].empty(); }

  std::string text(member which) { return taken(json::to_text(values[which])); }

  std::optional<std::string> optional_text(member which) {
    if (!has(which)) return std::nullopt;
    return text(which);
  }

  bool boolean(member which) {
    if (values[which] != "true" && values[which] != "false") complete = false;
    return values[which] == "true";
  }

  json_text raw(member which) {
    if (!has(which)) complete = false;
    return {std::string{values[which]}};
  }

  message_id message() { return taken(message_id::parse(text(message_id_member))); }
};

std::optional<event_body> decode_custom(members& in) {
  const auto name = in.text(member::name);
  if (!name.starts_with(own_prefix)) return custom_event{name, in.raw(value)};
  if (name == interrupted_name) return agent_interrupted{in.raw(value)};
  members inner{in.values[value]};
  std::optional<event_body> result;
  if (name == accepted_name) {
    result = message_accepted{inner.message(), inner.optional_text(client_message_id), inner.raw(content)};
  } else if (name == wrapped_name) {
    result = custom_event{inner.text(member::name), inner.raw(value)};
  }
  in.complete = in.complete && inner.complete;
  return result;
}

std::optional<event_body> decode_finished(members& in) {
  members inner{in.values[outcome]};
  const auto kind = inner.text(type);
  if (kind == "cancelled") return agent_cancelled{};
  if (kind != "success") return std::nullopt;
  agent_completed result;
  if (in.has(usage)) result.usage = in.raw(usage);
  return result;
}

std::optional<event_body> decode_body(members& in) {
  const auto kind = in.text(type);
  if (kind == "TEXT_MESSAGE_CONTENT") return message_delta{in.message(), in.text(delta)};
  if (kind == "CUSTOM") return decode_custom(in);
  if (kind == "RUN_STARTED") return agent_started{in.text(agent)};
  if (kind == "RUN_FINISHED") return decode_finished(in);
  if (kind == "RUN_ERROR") return agent_failed{in.text(code), in.text(member::message), in.boolean(temporary)};
  if (kind == "REASONING_START") return agent_thinking{};
  if (kind == "REASONING_MESSAGE_CHUNK") return agent_thinking{in.text(delta)};
  if (kind == "TEXT_MESSAGE_START") return message_started{in.message(), in.text(role)};
  if (kind == "TEXT_MESSAGE_END") return message_completed{in.message(), in.text(content)};
  if (kind == "TOOL_CALL_CHUNK") {
    return tool_executing{in.text(tool_call_id), in.text(tool_call_name), {in.text(delta)}};
  }
  if (kind == "TOOL_CALL_ARGS") return tool_arguments{in.text(tool_call_id), in.text(delta)};
  if (kind == "TOOL_CALL_RESULT") {
    return tool_completed{in.text(tool_call_id), in.text(content), in.boolean(is_error)};
  }
  return std::nullopt;
}

} // namespace

std::string encode(const thread_id& thread, const thread_event& event) {
  const encoder encode_body{thread, event, event.run_id ? to_string(*event.run_id) : std::string{}};
  return std::visit(encode_body, event.body);
}

std::optional<thread_event> decode(sequence seq, const std::optional<run_id>& run, std::string_view text) {
  if (!is_utf8(text)) return std::nullopt;
  members in{text};
  if (!in.complete) return std::nullopt;
  const utc_time time{std::chrono::milliseconds{in.taken(json::to_integer(in.values[timestamp]))}};
  auto body = decode_body(in);
  if (!body || !in.complete) return std::nullopt;
  return thread_event{seq, run, time, std::move(*body)};
}

} // namespace gangway::ag_ui
