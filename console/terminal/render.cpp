#include "console/terminal/render.hpp"

#include <algorithm>
#include <cstdint>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "console/terminal/text.hpp"

namespace gangway {

namespace {

using nlohmann::json;

/// What stands behind a node's name: the facts that it has, separated by commas.
std::string facts(const json& node) {
  std::vector<std::string> parts;
  const auto add = [&](const std::string& before, const std::string& value, const std::string& after = {}) {
    if (!value.empty()) parts.push_back(before + value + after);
  };
  // A count, unless it is none.
  const auto some = [&](const char* name) {
    auto result = text_of(node, name);
    return result == "0" ? std::string{} : result;
  };
  const auto kind = text_of(node, "name");
  add("", text_of(node, "tier"));
  if (kind == "manager") add("", text_of(node, "id"));
  add("", text_of(node, "phase"));
  if (member(node, "suspect") == true) add("", "suspect");
  if (const auto evidence = listed(member(node, "evidence")); !evidence.empty()) add("zombie: ", evidence);
  if (const auto most = text_of(node, "managers_max"); !most.empty()) {
    const auto& children = member(node, "children");
    add("", std::to_string(children.is_array() ? children.size() : 0), " of " + most + " managers");
  }
  add("grace +", some("grace"));
  add("", some("waiting"), " waiting");
  if (const auto count = some("tombstones"); !count.empty())
    add("", count, count == "1" ? " tombstone" : " tombstones");
  if (const auto& connections = member(node, "connections"); connections.is_array() && kind == "manager")
    parts.push_back(counted(connections.size(), "connection"));
  add("run ", text_of(node, "run_id"));
  add("useful ", ago(member(node, "useful_ms_ago")));
  const auto& vitals = member(node, "vitals");
  add("", text_of(vitals, "messages"), " messages");
  add("mailbox ", text_of(vitals, "mailbox"));
  add("", text_of(vitals, "handling_ms"), " ms");
  if (const auto restarts = text_of(vitals, "restarts"); restarts != "0") add("restarts ", restarts);

  std::string result;
  for (const auto& part : parts)
    result += (result.empty() ? "" : ", ") + part;
  return result;
}

std::string label(const json& node) {
  auto result = text_of(node, "name");
  auto id = text_of(node, result == "manager" ? "thread_id" : "id");
  if (!id.empty()) result += ' ' + id;
  return result;
}

std::string describe_connection(const json& connection) {
  // An entry is a connection's id, or an object with its clocks.
  if (!connection.is_object()) return "connection " + plain(connection);
  auto result = "connection " + text_of(connection, "connection_id");
  if (const auto heard = ago(member(connection, "heard_ms_ago")); !heard.empty()) result += "  heard " + heard;
  if (const auto useful = ago(member(connection, "useful_ms_ago")); !useful.empty()) result += ", useful " + useful;
  if (member(connection, "suspect") == true) result += ", suspect";
  if (member(connection, "simulation") == true) result += ", simulation";
  return result;
}

void render_node(const json& node, const std::string& indent, std::string& page) {
  const auto known = facts(node);
  page += label(node) + (known.empty() ? "" : "  " + known) + '\n';

  // A user's connections hang beside its managers; a manager's are only counted, since they are the same ones.
  const auto& connections = member(node, "connections");
  const auto& children = member(node, "children");
  const std::size_t leaves = connections.is_array() && text_of(node, "name") != "manager" ? connections.size() : 0;
  const std::size_t branches = children.is_array() ? children.size() : 0;
  for (std::size_t i = 0; i < leaves + branches; ++i) {
    const bool last = i + 1 == leaves + branches;
    page += indent + (last ? "└─ " : "├─ ");
    if (i < leaves)
      page += describe_connection(connections[i]) + '\n';
    else
      render_node(children[i - leaves], indent + (last ? "   " : "│  "), page);
  }
}

} // namespace

std::string render_status(const json& status) {
  std::vector<std::vector<std::string>> rows;
  const auto add = [&](const char* title, std::string value) {
    if (!value.empty()) rows.push_back({title, std::move(value)});
  };
  const auto& limits = member(status, "limits");
  const auto bounded = [&](const char* count, const char* limit) {
    auto result = text_of(status, count);
    if (const auto most = text_of(limits, limit); !result.empty() && !most.empty())
      result += "  (at most " + most + " per user)";
    return result;
  };
  add("status", text_of(status, "status"));
  add("version", text_of(status, "version"));
  add("environment", text_of(status, "environment"));
  if (const auto& uptime = member(status, "uptime_s"); uptime.is_number())
    add("uptime", spoken_seconds(uptime.get<std::int64_t>()));
  add("users", text_of(status, "users"));
  add("managers", bounded("managers", "managers_per_user"));
  add("connections", bounded("connections", "connections_per_user"));
  add("runs", text_of(status, "runs"));
  std::string lags;
  if (const auto& loops = member(status, "loops"); loops.is_array())
    for (const auto& loop : loops)
      lags += (lags.empty() ? "" : ", ") + text_of(loop, "lag_ms") + " ms";
  add("loop lag", lags);

  std::vector<std::vector<std::string>> components;
  if (const auto& all = member(status, "components"); all.is_object())
    for (const auto& [name, component] : all.items())
      components.push_back({plain(json(name)), text_of(component, "status"), text_of(component, "reason")});
  return align(rows) + (components.empty() ? "" : "\n" + align(components));
}

std::string render_tree(const json& tree) {
  std::string page;
  render_node(tree, "", page);
  return page;
}

bool has_user(const json& tree, std::string_view user) {
  if (member(tree, "name") == "user" && member(tree, "id") == user) return true;
  const auto& children = member(tree, "children");
  return children.is_array()
         && std::any_of(children.begin(), children.end(), [&](const json& child) { return has_user(child, user); });
}

} // namespace gangway
