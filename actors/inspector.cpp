#include "actors/inspector.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "actors/counting.hpp"
#include "actors/inspector_json.hpp"
#include "actors/inspector_request.hpp"
#include "actors/metrics.hpp"

namespace gangway {

namespace {

using nlohmann::json;

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
    body["zombies"] = count.zombies;
    body["leaked"] = count.leaked;
    body["waiting"] = count.waiting;
    body["graces"] = count.graces;
    body["loops"] = json::array();
    if (facts.loop_lag)
      for (const auto lag : facts.loop_lag())
        body["loops"].push_back({{"lag_ms", std::chrono::duration<double, std::milli>(lag).count()}});
  }
  return {for_admin ? result_body(body) : dump(body), ready};
}

void inspector_state::start(inspector_pointer self, server_facts facts) {
  self_ = self;
  facts_ = std::move(facts);
  begun_ = self_->clock().now();
  process_start_ = read_process_start();
}

void inspector_state::on_component_changed(const component_changed& report) {
  components_[report.component] = report.reason;
  if (was_ready_) return;
  was_ready_ =
      std::all_of(components_.begin(), components_.end(), [](const auto& known) { return known.second.empty(); });
  if (was_ready_ && facts_.on_ready) facts_.on_ready();
}

void inspector_state::on_tree_grown(const tree_grown& report) {
  tree_ = report;
  shards_.assign(tree_.directories.size(), {});
}

// -- routes --------------------------------------------------------------------------------------

void inspector_state::on_answer_request(const answer_request& request) {
  struct route {
    std::string_view method;
    std::string_view pattern;
    void (inspector_state::*answer)(const answer_request&, const places&);
  };
  static constexpr route routes[] = {
      {"GET", "/health", &inspector_state::answer_health},
      {"GET", "/health/ready", &inspector_state::answer_health},
      {"GET", "/metrics", &inspector_state::answer_metrics},
      {"GET", "/api/v1/status", &inspector_state::answer_status},
      {"GET", "/api/v1/tree", &inspector_state::answer_tree},
      {"GET", "/api/v1/users", &inspector_state::answer_users},
      {"GET", "/api/v1/users/{}", &inspector_state::answer_user},
      {"DELETE", "/api/v1/users/{}", &inspector_state::answer_erase},
      {"DELETE", "/api/v1/users/{}/threads/{}", &inspector_state::answer_erase},
      {"POST", "/api/v1/users/{}/cleanup", &inspector_state::answer_cleanup},
      {"POST", "/api/v1/backups", &inspector_state::answer_begin_backup},
      {"GET", "/api/v1/backups/{}", &inspector_state::answer_backup},
      {"DELETE", "/api/v1/backups/{}", &inspector_state::answer_remove_backup},
      {"GET", "/api/v1/backups/{}/bytes", &inspector_state::answer_backup_bytes},
      {"GET", "/api/v1/decisions", &inspector_state::answer_decisions},
      {"GET", "/api/v1/decisions/{}", &inspector_state::answer_decision},
  };
  std::string methods;
  for (const auto& one : routes) {
    const auto path = match_path(one.pattern, request.path);
    if (!path) continue;
    if (request.method == one.method) return (this->*one.answer)(request, *path);
    methods.append(methods.empty() ? "" : ", ").append(one.method);
  }
  if (methods.empty())
    request.link.reply(404, error_body(error_code::not_found, "there is nothing at this path"));
  else
    request.link.reply(405, error_body(error_code::bad_request, "this path answers " + methods));
}

// -- the whole -----------------------------------------------------------------------------------

void inspector_state::count(const std::shared_ptr<gathering>& all) {
  for (std::size_t i = 0; i < tree_.directories.size(); ++i)
    ask<tally>(tree_.directories[i], get_tally{}, all, [this, i](const tally& part) { shards_[i].count = part; });
}

tally inspector_state::total() const {
  tally result;
  for (const auto& shard : shards_)
    add(result, shard.count);
  return result;
}

void inspector_state::describe(bool for_admin, std::function<void(const health_report&)> then) {
  auto all = std::make_shared<gathering>();
  auto silent = std::make_shared<bool>(false);
  all->then = [=, this] {
    const auto uptime = std::chrono::duration_cast<std::chrono::seconds>(self_->clock().now() - begun_);
    auto components = components_;
    // It cannot say so itself: it waits for its disk.
    if (auto& store = components["store"]; *silent && store.empty())
      store = "has not answered for a second: its disk is slow";
    then(describe_health(facts_, components, total(), uptime, for_admin));
  };
  count(all);
  if (tree_.store) {
    ++all->open;
    self_->request(tree_.store, store_patience, get_vitals{})
        .then([all](const vitals&) { all->close(); },
              [=](const caf::error&) {
                *silent = true;
                all->close();
              });
  }
  all->close();
}

void inspector_state::answer_health(const answer_request& request, const places&) {
  describe(false,
           [link = request.link](const health_report& report) { link.reply(report.ready ? 200 : 503, report.body); });
}

void inspector_state::answer_status(const answer_request& request, const places&) {
  describe(true, [link = request.link](const health_report& report) { link.reply(200, report.body); });
}

void inspector_state::answer_metrics(const answer_request& request, const places&) {
  auto snapshot = std::make_shared<metrics_snapshot>();
  auto all = std::make_shared<gathering>();
  all->then = [=, this, link = request.link] {
    snapshot->count = total();
    for (const auto& shard : shards_)
      snapshot->counted += shard.counted;
    for (const auto& agent : facts_.agents)
      snapshot->counted.runs.try_emplace(agent);
    snapshot->stored = stored_;
    if (facts_.loop_lag) snapshot->loop_lag = facts_.loop_lag();
    if (facts_.inbound) snapshot->inbound = facts_.inbound();
    snapshot->process = read_process_use();
    snapshot->process_start = process_start_;
    link.reply(200, render_metrics(*snapshot), metrics_type);
  };
  const auto note_mailbox = [snapshot](const char* actor) {
    return [=](const vitals& counted) { snapshot->mailboxes[actor] += counted.mailbox; };
  };
  count(all);
  for (std::size_t i = 0; i < tree_.directories.size(); ++i) {
    ask<measured>(tree_.directories[i], get_measures{}, all,
                  [this, i](const measured& part) { shards_[i].counted = part.counted; });
    ask<vitals>(tree_.directories[i], get_vitals{}, all, note_mailbox("directory"));
  }
  if (tree_.store) {
    ask<store_measured>(tree_.store, get_store_measures{}, all,
                        [this](const store_measured& answer) { stored_ = answer.counted; });
    ask<vitals>(tree_.store, get_vitals{}, all, note_mailbox("store"));
  }
  if (tree_.reader) ask<vitals>(tree_.reader, get_vitals{}, all, note_mailbox("store_reader"));
  if (tree_.agents) ask<vitals>(tree_.agents, get_vitals{}, all, note_mailbox("agents"));
  note_mailbox("inspector")(self_->vitals());
  all->close();
}

// -- decisions -----------------------------------------------------------------------------------

void inspector_state::find_decisions(const get_decisions& question, const reply_link& link,
                                     std::function<void(const decisions_page&)> then) {
  if (!tree_.reader) return link.reply(503, error_body(error_code::store_unavailable, "the store is not open yet"));
  self_->request(tree_.reader, search_patience, question)
      .then([then](const decisions_page& page) { then(page); },
            [link](const caf::error& reason) {
              if (reason == errc::store_unavailable)
                link.reply(503, error_body(error_code::store_unavailable, "the store cannot be read now"));
              else
                link.reply(503, error_body(error_code::overloaded, "the store does not answer"));
            });
}

void inspector_state::answer_decisions(const answer_request& request, const places&) {
  const auto limit = limit_of(request.query, 50);
  if (const auto* fault = std::get_if<request_fault>(&limit))
    return request.link.reply(400, error_body(error_code::bad_request, fault->message));
  get_decisions question;
  question.subject = find_value(request.query, "subject");
  if (auto user = find_value(request.query, "user")) question.user = user_id{std::move(*user)};
  question.limit = std::get<std::uint32_t>(limit);
  find_decisions(question, request.link, [link = request.link](const decisions_page& page) {
    link.reply(200, result_body(decisions_json(page)));
  });
}

void inspector_state::answer_decision(const answer_request& request, const places& path) {
  const auto refuse = [link = request.link] {
    link.reply(404, error_body(error_code::not_found, "no decision of that id is on record"));
  };
  get_decisions question;
  question.id = decision_id::parse(path[0]);
  if (!question.id) return refuse();
  find_decisions(question, request.link, [=, link = request.link](const decisions_page& page) {
    if (page.decisions.empty()) return refuse();
    link.reply(200, result_body(page.decisions.front()));
  });
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
