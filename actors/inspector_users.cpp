#include "actors/inspector.hpp"

#include <algorithm>
#include <memory>
#include <utility>

#include <nlohmann/json.hpp>

#include "actors/inspector_json.hpp"
#include "actors/inspector_request.hpp"

namespace gangway {

namespace {

using nlohmann::json;

void refuse_stranger(const reply_link& link) {
  link.reply(404, error_body(error_code::not_found,
                             "no such user is known; one without connections and threads is forgotten"));
}

void refuse_silent(const reply_link& link, std::string_view what) {
  link.reply(503, error_body(error_code::overloaded, what));
}

} // namespace

void inspector_state::answer_tree(const answer_request& request, const places&) {
  get_users question;
  if (auto user = find_value(request.query, "user")) question.user = user_id{std::move(*user)};
  auto tree = std::make_shared<json>(json{{"name", "supervisor"}, {"children", json::array()}});
  auto found = std::make_shared<bool>(!question.user.has_value());
  auto all = std::make_shared<gathering>();
  all->then = [=, link = request.link] {
    if (*found)
      link.reply(200, result_body(*tree));
    else
      refuse_stranger(link);
  };
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

void inspector_state::answer_users(const answer_request& request, const places&) {
  const auto parsed = limit_of(request.query, 100);
  if (const auto* fault = std::get_if<request_fault>(&parsed))
    return request.link.reply(400, error_body(error_code::bad_request, fault->message));
  const auto limit = std::get<std::uint32_t>(parsed);
  auto reports = std::make_shared<std::vector<user_report>>();
  auto known = std::make_shared<std::size_t>(0);
  auto all = std::make_shared<gathering>();
  all->then = [=, link = request.link] {
    std::sort(reports->begin(), reports->end(),
              [](const user_report& one, const user_report& other) { return one.user < other.user; });
    json users = json::array();
    for (std::size_t i = 0; i < std::min<std::size_t>(limit, reports->size()); ++i)
      users.push_back(summary_json((*reports)[i]));
    link.reply(200, result_body({{"users", users}, {"more", *known > users.size()}}));
  };
  // One more than wanted shows that there are more.
  for (const auto& shard : tree_.directories)
    ask<std::vector<user_actor>>(shard, get_users{std::nullopt, limit + 1}, all,
                                 [=, this](const std::vector<user_actor>& users) {
                                   *known += users.size();
                                   for (const auto& one : users)
                                     ask<user_report>(one, get_user_report{}, all,
                                                      [=](const user_report& report) { reports->push_back(report); });
                                 });
  all->close();
}

void inspector_state::look_for_user(const user_id& user, const reply_link& link,
                                    std::function<void(const user_actor&)> then) {
  auto found = std::make_shared<user_actor>();
  auto all = std::make_shared<gathering>();
  all->then = [=, all_answered = &all->complete] {
    if (*found || *all_answered)
      then(*found);
    else
      refuse_silent(link, "the directory that may know this user does not answer");
  };
  if (tree_.directories.empty()) all->complete = false;
  for (const auto& shard : tree_.directories)
    ask<std::vector<user_actor>>(shard, get_users{user, 1}, all, [found](const std::vector<user_actor>& users) {
      if (!users.empty()) *found = users.front();
    });
  all->close();
}

void inspector_state::find_user(const user_id& user, const reply_link& link,
                                std::function<void(const user_actor&)> then) {
  look_for_user(user, link, [=](const user_actor& found) {
    if (found)
      then(found);
    else
      refuse_stranger(link);
  });
}

void inspector_state::answer_user(const answer_request& request, const places& path) {
  find_user({path[0]}, request.link, [this, link = request.link](const user_actor& user) {
    self_->request(user, patience, get_user_report{})
        .then([link](const user_report& report) { link.reply(200, result_body(to_json(report))); },
              [link](const caf::error&) { refuse_silent(link, "the user's actor does not answer"); });
  });
}

void inspector_state::answer_cleanup(const answer_request& request, const places& path) {
  const auto parsed = parse_cleanup(request.body);
  if (const auto* fault = std::get_if<request_fault>(&parsed))
    return request.link.reply(400, error_body(error_code::bad_request, fault->message));
  find_user({path[0]}, request.link,
            [this, order = std::get<clean_up>(parsed), link = request.link](const user_actor& user) {
              self_->request(user, cleanup_patience, order)
                  .then([link](const cleaned_up& report) { link.reply(200, result_body(encode(report.made))); },
                        [link](const caf::error&) {
                          refuse_silent(link, "the user's actor did not say how the cleanup went; its decisions do");
                        });
            });
}

// Whoever has it open lets go of it first, so that nobody is left with a thread that is no more. Who comes in between
// is refused by the log that is gone, and opens the thread anew.
void inspector_state::answer_erase(const answer_request& request, const places& path) {
  erase_history order{{path[0]}, std::nullopt};
  if (path.size() > 1) order.thread = thread_id{path[1]};
  const auto erase = [=, this, link = request.link] {
    self_->request(tree_.store, erase_patience, order)
        .then(
            [=](const history_erased& report) {
              if (report.threads == 0 && order.thread)
                return link.reply(404, error_body(error_code::not_found, "there is no such thread"));
              log::info("history was erased", {{"user_id", order.user.value},
                                               {"thread_id", order.thread ? order.thread->value : "(all)"},
                                               {"threads", report.threads}});
              link.reply(200, result_body(json{{"threads", report.threads}}));
            },
            [=](const caf::error& reason) {
              link.reply(503, error_body(error_code::store_unavailable, reason == errc::store_unavailable
                                                                            ? "the store cannot be written now"
                                                                            : "the store does not answer"));
            });
  };
  if (!tree_.store)
    return request.link.reply(503, error_body(error_code::store_unavailable, "the store is not open yet"));
  // Nobody is made to let go of what cannot be erased.
  if (!components_["store"].empty())
    return request.link.reply(503, error_body(error_code::store_unavailable, "the store cannot be written now"));
  look_for_user(order.user, request.link, [=, this, link = request.link](const user_actor& user) {
    if (!user) return erase();
    self_->request(user, patience, release{order.thread})
        .then([=](const released&) { erase(); },
              [=](const caf::error&) { refuse_silent(link, "the user's actor does not answer; nothing was erased"); });
  });
}

} // namespace gangway
