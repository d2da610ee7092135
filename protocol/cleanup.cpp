#include "protocol/cleanup.hpp"

#include <array>

#include "protocol/json.hpp"
#include "protocol/log.hpp"

namespace gangway {

namespace {

using json::object;

constexpr std::array level_names{"conservative", "moderate", "aggressive", "force"};
constexpr std::array scope_names{"request", "background", "surplus", "node", "manual"};
constexpr std::array reason_names{"zombie", "inactive", "idle", "least_recently_useful"};
constexpr std::array finding_names{"hung",   "mismatched",  "stuck_closing", "unfit",
                                   "silent", "unreachable", "stalled",       "crashed"};
constexpr std::array outcome_names{"freed", "partly", "nothing"};
constexpr std::array kind_names{"cleanup", "connection_replaced", "connection_dead", "manager_crashed",
                                "manager_leaked"};

static_assert(level_names.size() == cleanup_levels && scope_names.size() == cleanup_scopes
              && reason_names.size() == eviction_reasons && finding_names.size() == findings
              && outcome_names.size() == cleanup_outcomes && kind_names.size() == decision_kinds);

template <std::size_t Size, class Enumerator>
std::string_view name_of(const std::array<const char*, Size>& names, Enumerator value) noexcept {
  const auto index = static_cast<std::size_t>(value);
  return index < Size ? names[index] : "unknown";
}

template <class Items, class Encode>
std::string list(const Items& items, Encode encode) {
  std::string result = "[";
  for (const auto& item : items) {
    if (result.size() > 1) result += ',';
    result += encode(item);
  }
  return result += ']';
}

// Not `quoted`: a string as its argument would bring in std::quoted.
std::string in_quotes(std::string_view plain) { return '"' + std::string{plain} + '"'; }

std::string encode_evidence(const std::vector<finding>& evidence) {
  return list(evidence, [](finding what) { return in_quotes(to_string(what)); });
}

std::string encode_attempt(const cleanup_attempt& attempt) {
  object out;
  out.text("level", to_string(attempt.level)).number("candidates", attempt.candidates);
  return out.number("evicted", attempt.evicted).take();
}

std::string encode_line(const roster_line& line) {
  object out;
  out.text("manager_id", to_string(line.manager)).text("thread_id", line.thread.value);
  out.boolean("opening", line.opening).boolean("live_run", line.live_run);
  out.number("living_connections", line.living_connections).number("useful_ms_ago", line.useful_ago.count());
  return out.raw("evidence", encode_evidence(line.evidence)).take();
}

std::string encode_eviction(const eviction& one) {
  object out;
  out.text("manager_id", to_string(one.manager)).text("thread_id", one.thread.value);
  out.raw("connections", list(one.connections, [](const connection_id& id) { return in_quotes(to_string(id)); }));
  out.text("level", to_string(one.level)).text("reason", to_string(one.reason));
  return out.raw("evidence", encode_evidence(one.evidence)).take();
}

std::string encode_ending(const connection_ending& one) {
  object out;
  out.text("connection_id", to_string(one.connection)).number("code", static_cast<std::uint16_t>(one.code));
  out.text("reason", one.reason);
  if (one.evidence) out.raw("evidence", encode_evidence({*one.evidence}));
  return out.take();
}

} // namespace

std::string_view to_string(cleanup_level level) noexcept { return name_of(level_names, level); }
std::string_view to_string(cleanup_scope scope) noexcept { return name_of(scope_names, scope); }
std::string_view to_string(eviction_reason reason) noexcept { return name_of(reason_names, reason); }
std::string_view to_string(finding what) noexcept { return name_of(finding_names, what); }
std::string_view to_string(cleanup_outcome outcome) noexcept { return name_of(outcome_names, outcome); }
std::string_view to_string(decision::kind what) noexcept { return name_of(kind_names, what); }

std::optional<cleanup_level> parse_cleanup_level(std::string_view name) noexcept {
  for (std::size_t i = 0; i < level_names.size(); ++i)
    if (name == level_names[i]) return static_cast<cleanup_level>(i);
  return std::nullopt;
}

json_text encode(const decision& what) {
  object out;
  out.text("decision_id", to_string(what.id)).text("kind", to_string(what.what));
  out.text("user_id", what.user.value).text("tier", what.tier).number("ts", what.time.time_since_epoch().count());
  if (what.dry_run) out.boolean("dry_run", true);
  if (what.left_out > 0) out.number("left_out", what.left_out);
  if (what.what == decision::kind::cleanup) {
    out.text("scope", to_string(what.scope)).text("level", to_string(what.level));
    out.text("outcome", to_string(what.outcome));
    out.number("needed", what.needed).raw("attempts", list(what.attempts, encode_attempt));
  }
  out.number("managers_used", what.used).number("managers_max", what.limit).number("took_us", what.took.count());
  out.raw("evictions", list(what.evictions, encode_eviction));
  out.raw("connections", list(what.connections, encode_ending));
  return {out.raw("roster", list(what.roster, encode_line)).take()};
}

std::vector<std::string> subjects_of(const decision& what) {
  std::vector<std::string> result;
  for (const auto& one : what.evictions) {
    result.push_back(to_string(one.manager));
    for (const auto& connection : one.connections)
      result.push_back(to_string(connection));
  }
  for (const auto& one : what.connections)
    result.push_back(to_string(one.connection));
  return result;
}

void log_decision(const decision& what) noexcept {
  const auto id = to_string(what.id);
  for (const auto& one : what.evictions)
    log::info("a manager lost its slot", {{"manager_id", to_string(one.manager)},
                                          {"thread_id", one.thread.value},
                                          {"user_id", what.user.value},
                                          {"level", to_string(one.level)},
                                          {"reason", to_string(one.reason)},
                                          {"decision_id", id}});
  for (const auto& one : what.connections)
    log::info("a connection was closed", {{"connection_id", to_string(one.connection)},
                                          {"user_id", what.user.value},
                                          {"code", static_cast<int>(one.code)},
                                          {"reason", one.reason},
                                          {"decision_id", id}});
  log::info("decided", {{"decision_id", id},
                        {"kind", to_string(what.what)},
                        {"user_id", what.user.value},
                        {"scope", to_string(what.scope)},
                        {"level", to_string(what.level)},
                        {"evicted", what.evictions.size()},
                        {"connections", what.connections.size()},
                        {"took_us", what.took.count()},
                        {"left_out", what.left_out}});
}

} // namespace gangway
