#include "actors/inspector.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

namespace gangway {

namespace {

using nlohmann::json;

// Text from a client or an engine may hold anything; an answer must be JSON all the same.
std::string dump(const json& value) { return value.dump(-1, ' ', false, json::error_handler_t::replace); }

std::string result(const json& value) { return dump({{"result", value}}); }

std::string error(std::string_view code, std::string_view message) {
  return dump({{"error", {{"code", code}, {"message", message}}}});
}

json to_json(const vitals& counted) {
  return {{"messages", counted.messages},
          {"mailbox", counted.mailbox},
          {"handling_ms", std::chrono::duration<double, std::milli>(counted.handling_time).count()},
          {"restarts", counted.restarts}};
}

std::string_view name_of(manager_phase phase) {
  switch (phase) {
  case manager_phase::opening:
    return "opening";
  case manager_phase::open:
    return "open";
  case manager_phase::retiring:
    return "retiring";
  }
  return "unknown";
}

json to_json(const user_report& report) {
  json connections = json::array();
  for (const auto& known : report.connections)
    connections.push_back({{"connection_id", to_string(known.connection)},
                           {"heard_ms_ago", known.heard_ago.count()},
                           {"useful_ms_ago", known.useful_ago.count()},
                           {"suspect", known.suspect}});
  json managers = json::array();
  for (const auto& known : report.managers) {
    json used = json::array();
    for (const auto& connection : known.connections)
      used.push_back(to_string(connection));
    managers.push_back({{"name", "manager"},
                        {"id", to_string(known.manager)},
                        {"thread_id", known.thread.value},
                        {"phase", name_of(known.phase)},
                        {"connections", used},
                        {"run_id", known.run ? json(to_string(*known.run)) : json()},
                        {"useful_ms_ago", known.useful_ago.count()}});
  }
  return {{"name", "user"},
          {"id", report.user.value},
          {"tier", report.tier},
          {"managers_max", report.managers_max},
          {"vitals", to_json(report.vitals)},
          {"connections", connections},
          {"children", managers}};
}

} // namespace

health_report describe_health(const server_facts& facts, const std::map<std::string, std::string>& components,
                              const tally& count, std::chrono::seconds uptime, bool for_admin) {
  const bool ready =
      std::all_of(components.begin(), components.end(), [](const auto& known) { return known.second.empty(); });
  json parts = json::object();
  for (const auto& [name, reason] : components) {
    parts[name] = {{"status", reason.empty() ? "ready" : "failing"}};
    if (!reason.empty()) parts[name]["reason"] = reason;
  }
  json body{{"status", ready ? "ready" : "failing"},
            {"version", facts.version},
            {"uptime_s", uptime.count()},
            {"environment", facts.environment},
            {"components", parts},
            {"users", count.users},
            {"managers", count.managers},
            {"connections", count.connections},
            {"limits",
             {{"managers_per_user", facts.managers_per_user}, {"connections_per_user", facts.connections_per_user}}}};
  if (for_admin) {
    body["runs"] = count.runs;
    body["loops"] = json::array();
    if (facts.loop_lag)
      for (const auto lag : facts.loop_lag())
        body["loops"].push_back({{"lag_ms", std::chrono::duration<double, std::milli>(lag).count()}});
  }
  return {for_admin ? result(body) : dump(body), ready};
}

void inspector_state::start(inspector_pointer self, server_facts facts) {
  self_ = self;
  facts_ = std::move(facts);
  begun_ = self_->clock().now();
}

void inspector_state::on_component_changed(const component_changed& report) {
  components_[report.component] = report.reason;
}

void inspector_state::on_tree_grown(const tree_grown& report) { tree_ = report; }

void inspector_state::on_answer_request(const answer_request& request) {
  if (request.path == "/health" || request.path == "/health/ready")
    answer_health(request);
  else if (request.path == "/api/v1/status")
    answer_status(request);
  else if (request.path == "/api/v1/tree")
    answer_tree(request);
  else
    request.link.reply(404, error("not_found", "there is nothing at this path"));
}

template <class Answer, class Actor, class Question, class Then>
void inspector_state::ask(const Actor& whom, const Question& question, std::shared_ptr<gathering> all, Then then) {
  ++all->open;
  self_->request(whom, patience, question)
      .then(
          [all, then](const Answer& answer) {
            then(answer);
            all->close();
          },
          [all](const caf::error&) { all->close(); });
}

void inspector_state::count(std::function<void(const tally&)> then) {
  auto sum = std::make_shared<tally>();
  auto all = std::make_shared<gathering>(gathering{1, [=] { then(*sum); }});
  for (const auto& shard : tree_.directories)
    ask<tally>(shard, get_tally{}, all, [sum](const tally& part) {
      sum->users += part.users;
      sum->connections += part.connections;
      sum->managers += part.managers;
      sum->runs += part.runs;
    });
  all->close();
}

void inspector_state::answer_health(const answer_request& request) {
  count([this, link = request.link](const tally& sum) {
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(self_->clock().now() - begun_);
    const auto report = describe_health(facts_, components_, sum, uptime, false);
    link.reply(report.ready ? 200 : 503, report.body);
  });
}

void inspector_state::answer_status(const answer_request& request) {
  count([this, link = request.link](const tally& sum) {
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(self_->clock().now() - begun_);
    link.reply(200, describe_health(facts_, components_, sum, uptime, true).body);
  });
}

void inspector_state::answer_tree(const answer_request& request) {
  get_users question;
  for (const auto& [key, value] : request.query)
    if (key == "user") question.user = user_id{value};
  auto tree = std::make_shared<json>(json{{"name", "supervisor"}, {"children", json::array()}});
  auto found = std::make_shared<bool>(!question.user.has_value());
  auto all = std::make_shared<gathering>(
      gathering{1, [=, link = request.link] {
                  if (*found)
                    link.reply(200, result(*tree));
                  else
                    link.reply(404, error("not_found",
                                          "no such user is known; one without connections and threads is forgotten"));
                }});
  // A child's place is kept while it is asked, so that the order is the same however fast they answer.
  const auto add = [&](json child) {
    (*tree)["children"].push_back(std::move(child));
    return (*tree)["children"].size() - 1;
  };
  const auto note_vitals = [tree](std::size_t place) {
    return [=](const vitals& counted) { (*tree)["children"][place]["vitals"] = to_json(counted); };
  };
  for (std::size_t i = 0; i < tree_.directories.size(); ++i) {
    const auto& shard = tree_.directories[i];
    const auto place = add({{"name", "directory"}, {"id", std::to_string(i)}, {"children", json::array()}});
    ask<vitals>(shard, get_vitals{}, all, note_vitals(place));
    ask<std::vector<user_actor>>(shard, question, all, [=, this](const std::vector<user_actor>& users) {
      for (const auto& one : users) {
        // Shown as silent until it answers.
        *found = true;
        auto& shown = (*tree)["children"][place]["children"];
        const auto seat = shown.size();
        shown.push_back({{"name", "user"}, {"id", question.user.value_or(user_id{}).value}, {"answers", false}});
        ask<user_report>(one, get_user_report{}, all, [=](const user_report& report) {
          (*tree)["children"][place]["children"][seat] = to_json(report);
        });
      }
    });
  }
  if (tree_.store) ask<vitals>(tree_.store, get_vitals{}, all, note_vitals(add({{"name", "store"}})));
  if (tree_.reader) ask<vitals>(tree_.reader, get_vitals{}, all, note_vitals(add({{"name", "store_reader"}})));
  if (tree_.agents) ask<vitals>(tree_.agents, get_vitals{}, all, note_vitals(add({{"name", "agents"}})));
  add({{"name", "inspector"}, {"vitals", to_json(self_->vitals())}});
  all->close();
}

inspector_actor::behavior_type inspector(inspector_pointer self, server_facts facts) {
  auto* state = &self->state;
  state->start(self, std::move(facts));
  return {
      [=](const answer_request& request) { state->on_answer_request(request); },
      [=](const component_changed& report) { state->on_component_changed(report); },
      [=](const tree_grown& report) { state->on_tree_grown(report); },
  };
}

} // namespace gangway
