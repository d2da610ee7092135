#include "actors/inspector_json.hpp"

#include <algorithm>

#include <nlohmann/json.hpp>

namespace gangway {

namespace {

using nlohmann::json;

double milliseconds_of(std::chrono::nanoseconds length) {
  return std::chrono::duration<double, std::milli>(length).count();
}

std::string_view name_of(manager_phase phase) {
  switch (phase) {
  case manager_phase::opening:
    return "opening";
  case manager_phase::open:
    return "open";
  case manager_phase::retiring:
    return "retiring";
  case manager_phase::leaked:
    return "leaked";
  }
  return "unknown";
}

json to_json(const connection_report& known) {
  json result{{"connection_id", to_string(known.connection)},
              {"heard_ms_ago", known.heard_ago.count()},
              {"useful_ms_ago", known.useful_ago.count()},
              {"suspect", known.suspect}};
  if (known.simulation) result["simulation"] = true;
  return result;
}

// What a manager said of itself last, which may be long ago: its user's evidence tells.
json to_json(const heartbeat& last) {
  return {{"messages", last.messages},
          {"mailbox", last.mailbox},
          {"handling_ms", milliseconds_of(last.handling_time)},
          {"bytes", last.bytes},
          {"stuck_ms", last.stuck_for.count()}};
}

json to_json(const manager_report& known) {
  json connections = json::array();
  for (const auto& connection : known.connections)
    connections.push_back(to_string(connection));
  json evidence = json::array();
  for (const auto what : known.evidence)
    evidence.push_back(to_string(what));
  json result{{"name", "manager"},
              {"id", to_string(known.manager)},
              {"thread_id", known.thread.value},
              {"phase", name_of(known.phase)},
              {"connections", connections},
              {"run_id", known.run ? json(to_string(*known.run)) : json()},
              {"useful_ms_ago", known.useful_ago.count()},
              {"suspect", known.suspect},
              {"evidence", evidence}};
  if (known.last) result["vitals"] = to_json(*known.last);
  return result;
}

template <class Items>
json list(const Items& items) {
  json result = json::array();
  for (const auto& item : items)
    result.push_back(to_json(item));
  return result;
}

} // namespace

std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string result_body(const json& value) { return dump({{"result", value}}); }

std::string result_body(const json_text& value) { return R"({"result":)" + value.value + '}'; }

std::string error_body(error_code code, std::string_view message) {
  return dump({{"error", {{"code", to_string(code)}, {"message", message}}}});
}

json_text decisions_json(const decisions_page& page) {
  json_text result{R"({"decisions":[)"};
  for (const auto& one : page.decisions) {
    if (result.value.back() != '[') result.value += ',';
    result.value += one.value;
  }
  result.value += "]}";
  return result;
}

json to_json(const vitals& counted) {
  return {{"messages", counted.messages},
          {"mailbox", counted.mailbox},
          {"handling_ms", milliseconds_of(counted.handling_time)},
          {"restarts", counted.restarts}};
}

json to_json(const user_report& report) {
  return {{"name", "user"},
          {"id", report.user.value},
          {"tier", report.tier},
          {"managers_max", report.managers_max},
          {"waiting", report.waiting},
          {"grace", report.grace},
          {"tombstones", report.tombstones},
          {"vitals", to_json(report.vitals)},
          {"connections", list(report.connections)},
          {"children", list(report.managers)}};
}

json summary_json(const user_report& report) {
  const auto count = [&](auto matches) {
    return std::count_if(report.managers.begin(), report.managers.end(), matches);
  };
  return {{"id", report.user.value},
          {"tier", report.tier},
          {"managers", count([](const manager_report& known) {
             return known.phase == manager_phase::opening || known.phase == manager_phase::open;
           })},
          {"managers_max", report.managers_max},
          {"zombies", count([](const manager_report& known) {
             return !known.evidence.empty()
                    && (known.phase == manager_phase::opening || known.phase == manager_phase::open);
           })},
          {"leaked", count([](const manager_report& known) { return known.phase == manager_phase::leaked; })},
          {"runs", count([](const manager_report& known) { return known.run.has_value(); })},
          {"connections", report.connections.size()},
          {"simulations", std::count_if(report.connections.begin(), report.connections.end(),
                                        [](const connection_report& known) { return known.simulation; })},
          {"waiting", report.waiting},
          {"grace", report.grace},
          {"tombstones", report.tombstones}};
}

} // namespace gangway
