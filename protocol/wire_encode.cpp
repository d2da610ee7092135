#include <utility>

#include "protocol/json.hpp"
#include "protocol/wire.hpp"

namespace gangway::wire {

namespace {

using json::object;

object typed(std::string_view type, std::size_t size = 0) {
  object result{size};
  result.text("type", type);
  return result;
}

object notice(std::string_view kind) {
  auto result = typed("notice");
  result.text("kind", kind);
  return result;
}

std::int64_t milliseconds(utc_time time) noexcept { return time.time_since_epoch().count(); }

template <class Items, class Encode>
std::string list(const Items& items, Encode encode) {
  std::string result = "[";
  for (const auto& item : items) {
    if (result.size() > 1) result += ',';
    result += encode(item);
  }
  result += ']';
  return result;
}

std::string encode_message(const message_record& message) {
  object out;
  out.text("message_id", to_string(message.message_id)).text("role", message.role);
  out.raw("content", message.content.value).number("seq", message.seq);
  if (message.run_id) out.text("run_id", to_string(*message.run_id));
  out.number("ts", milliseconds(message.time));
  return out.take();
}

std::string encode_tool_call(const open_tool_call& call) {
  object out;
  out.text("tool_call_id", call.tool_call_id).text("name", call.name).raw("arguments", call.arguments.value);
  if (call.result) out.text("result", *call.result).boolean("is_error", call.is_error);
  return out.take();
}

std::string encode_run(const open_run& run) {
  object out;
  out.text("run_id", to_string(run.run_id)).text("agent", run.agent);
  if (run.message_id) out.text("message_id", to_string(*run.message_id));
  out.text("content", run.content).raw("tool_calls", list(run.tool_calls, encode_tool_call));
  return out.take();
}

std::string encode_thread(const listed_thread& thread) {
  object out;
  out.text("thread_id", thread.summary.thread_id.value).text("title", thread.summary.title);
  out.number("seq", thread.summary.seq).number("updated_at", milliseconds(thread.summary.updated_at));
  out.boolean("live", thread.live);
  return out.take();
}

object opened_so_far(const thread_id& thread, const manager_id& manager, const epoch& epoch, sequence seq) {
  object out;
  out.text("thread_id", thread.value).text("manager_id", to_string(manager)).text("epoch", epoch).number("seq", seq);
  return out;
}

// Writes each kind of body with its type first.
struct body_encoder {
  std::string operator()(const message_accepted& body) const {
    auto out = typed("message_accepted");
    out.text("message_id", to_string(body.message_id));
    if (body.client_message_id) out.text("client_message_id", *body.client_message_id);
    return out.raw("content", body.content.value).take();
  }

  std::string operator()(const agent_started& body) const {
    return typed("agent_started").text("agent", body.agent).take();
  }

  std::string operator()(const agent_thinking& body) const {
    auto out = typed("agent_thinking");
    if (body.delta) out.text("delta", *body.delta);
    return out.take();
  }

  std::string operator()(const message_started& body) const {
    return typed("message_started").text("message_id", to_string(body.message_id)).text("role", body.role).take();
  }

  std::string operator()(const message_delta& body) const {
    return typed("message_delta", 128 + body.delta.size())
        .text("message_id", to_string(body.message_id))
        .text("delta", body.delta)
        .take();
  }

  std::string operator()(const message_completed& body) const {
    auto out = typed("message_completed");
    return out.text("message_id", to_string(body.message_id)).text("content", body.content).take();
  }

  std::string operator()(const tool_executing& body) const {
    auto out = typed("tool_executing");
    return out.text("tool_call_id", body.tool_call_id)
        .text("name", body.name)
        .raw("arguments", body.arguments.value)
        .take();
  }

  std::string operator()(const tool_arguments& body) const {
    return typed("tool_arguments").text("tool_call_id", body.tool_call_id).text("delta", body.delta).take();
  }

  std::string operator()(const tool_completed& body) const {
    auto out = typed("tool_completed");
    out.text("tool_call_id", body.tool_call_id).text("result", body.result).boolean("is_error", body.is_error);
    return out.take();
  }

  std::string operator()(const agent_interrupted& body) const {
    return typed("agent_interrupted").raw("interrupts", body.interrupts.value).take();
  }

  std::string operator()(const agent_completed& body) const {
    auto out = typed("agent_completed");
    if (body.usage) out.raw("usage", body.usage->value);
    return out.take();
  }

  std::string operator()(const agent_failed& body) const {
    auto out = typed("agent_failed");
    out.text("code", body.code).text("message", body.message).boolean("temporary", body.temporary);
    return out.take();
  }

  std::string operator()(const agent_cancelled&) const { return typed("agent_cancelled").take(); }

  std::string operator()(const custom_event& body) const {
    return typed("custom").text("name", body.name).raw("value", body.value.value).take();
  }
};

} // namespace

std::string reply(std::int64_t request, std::string_view result) {
  return object{result.size() + 40}.number("id", request).raw("result", result).take();
}

std::string reply(std::optional<std::int64_t> request, const command_error& error) {
  object inner;
  inner.text("code", to_string(error.code)).text("message", error.message);
  inner.boolean("temporary", is_temporary(error.code));
  if (error.retry_after) inner.number("retry_after_ms", error.retry_after->count());
  if (error.details) inner.raw("details", error.details->value);
  object out;
  if (request) out.number("id", *request);
  return out.raw("error", inner.take()).take();
}

std::string connected(const greeting& what) {
  auto out = typed("connected");
  out.text("connection_id", to_string(what.connection)).text("user_id", what.user.value).text("tier", what.tier);
  if (what.simulation) out.boolean("simulation", true);
  object limits;
  limits.number("managers_used", what.managers_used).number("managers_max", what.managers_max);
  out.raw("limits", limits.take());
  out.number("ping_interval_ms", what.ping_interval.count()).number("pong_timeout_ms", what.pong_timeout.count());
  out.raw("reconnect", object{}.number("jitter_max_ms", what.jitter_max.count()).take());
  return out.take();
}

std::string connected(const wire_greeting& greeting, std::string_view opened) {
  auto result = greeting.connected.value;
  result.pop_back();
  result.append(R"(,"thread":)").append(opened) += '}';
  return greeting.connect_request ? reply(*greeting.connect_request, result) : result;
}

std::string opened(const thread_id& thread, const manager_id& manager, const epoch& epoch, sequence seq) {
  return opened_so_far(thread, manager, epoch, seq).boolean("resumed", true).take();
}

std::string opened(const thread_id& thread, const manager_id& manager, const epoch& epoch, sequence seq,
                   const thread_snapshot& snapshot) {
  object inner;
  inner.raw("messages", list(snapshot.messages, encode_message));
  inner.raw("run", snapshot.run ? encode_run(*snapshot.run) : "null");
  auto out = opened_so_far(thread, manager, epoch, seq);
  return out.boolean("resumed", false).raw("snapshot", inner.take()).take();
}

std::string sent(const message_id& message, const run_id& run, sequence seq) {
  object out;
  return out.text("message_id", to_string(message)).text("run_id", to_string(run)).number("seq", seq).take();
}

std::string history(const messages_page& page) {
  return object{}.raw("messages", list(page.messages, encode_message)).boolean("more", page.more).take();
}

std::string threads(const std::vector<listed_thread>& list_of_threads) {
  return object{}.raw("threads", list(list_of_threads, encode_thread)).take();
}

std::string status(const use& what) {
  object out;
  out.number("managers_used", what.managers_used).number("managers_max", what.managers_max);
  out.number("connections_used", what.connections_used).number("connections_max", what.connections_max);
  out.raw("queue", object{}.number("used", what.queue_used).number("max", what.queue_max).take());
  object grace;
  grace.boolean("active", what.grace_until.has_value()).number("extra", what.grace_extra);
  if (what.grace_until) grace.number("until", milliseconds(*what.grace_until));
  return out.raw("grace", grace.take()).take();
}

std::string refreshed(utc_time expires_at) { return object{}.number("expires_at", milliseconds(expires_at)).take(); }

std::string event(const thread_id& thread, const epoch& epoch, const thread_event& event, bool durable) {
  const auto body = std::visit(body_encoder{}, event.body);
  auto out = typed("event", 256 + body.size());
  out.text("thread_id", thread.value);
  if (event.run_id) out.text("run_id", to_string(*event.run_id));
  out.text("epoch", epoch).number("seq", event.seq);
  if (event.first_seq) out.number("first_seq", *event.first_seq);
  out.number("ts", milliseconds(event.time));
  if (!durable) out.boolean("durable", false);
  return out.raw("event", body).take();
}

std::string thread_detached(const thread_id& thread, std::string_view reason) {
  return notice("thread_detached").text("thread_id", thread.value).text("reason", reason).take();
}

std::string limit_warning(std::uint32_t managers_used, std::uint32_t managers_max) {
  return notice("limit_warning").number("managers_used", managers_used).number("managers_max", managers_max).take();
}

std::string limit_degraded(std::uint32_t managers_used, std::uint32_t managers_max, std::uint32_t extra,
                           utc_time until) {
  auto out = notice("limit_degraded");
  out.number("managers_used", managers_used).number("managers_max", managers_max);
  return out.number("extra", extra).number("until", milliseconds(until)).take();
}

std::string queued(const thread_id& thread, std::size_t position) {
  return notice("queued").text("thread_id", thread.value).number("position", position).take();
}

std::string manager_evicted(const eviction& what, utc_time resume_until) {
  auto out = notice("manager_evicted");
  out.text("thread_id", what.thread.value).text("manager_id", to_string(what.manager));
  out.text("level", to_string(what.level)).text("reason", to_string(what.reason));
  if (!what.evidence.empty())
    out.raw("evidence", list(what.evidence, [](finding one) { return '"' + std::string{to_string(one)} + '"'; }));
  return out.number("resume_until", milliseconds(resume_until)).take();
}

std::string draining() { return notice("draining").take(); }

std::string ping() { return typed("ping").take(); }

std::string disconnect(const close_reason& reason) {
  auto out = typed("disconnect");
  out.number("code", static_cast<std::uint16_t>(reason.code)).text("reason", reason.text);
  out.boolean("reconnect", reason.reconnect());
  if (reason.retry_after) out.number("retry_after_ms", reason.retry_after->count());
  return out.take();
}

} // namespace gangway::wire
