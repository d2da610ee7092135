#pragma once

/// The inspector among neighbours that the test plays: two directories, their users, the reader of the store.

#include "actors/inspector.hpp"
#include "tests/actors/played_tree.hpp"

namespace gangway::test {

struct inspector_fixture : played_fixture {
  inspector_fixture() {
    server_facts facts{"1.2.3", "development", 20, 64, {}};
    facts.loop_lag = [] { return std::vector<std::chrono::nanoseconds>{std::chrono::milliseconds{3}}; };
    facts.agents = {"builtin", "helper"};
    asked = sys.spawn(inspector, std::move(facts));
    played_.push_back(caf::actor_cast<caf::strong_actor_ptr>(asked));
  }

  ~inspector_fixture() override { shards = {}; }

  /// Tells the inspector of everybody. Without it, there is nobody yet.
  void grow() {
    tree_grown tree;
    for (const auto& shard : shards)
      tree.directories.push_back(play<directory_actor>(played_directory, shard));
    grow(std::move(tree));
  }

  void grow(tree_grown tree) {
    tree.reader = play<store_reader_actor>(played_reader, reader);
    caf::anon_send(asked, std::move(tree));
    for (const auto* part : {"store", "agents", "listeners"})
      caf::anon_send(asked, component_changed{part, ""});
    settle();
  }

  /// Adds a user to the second directory.
  std::shared_ptr<user_notes> add_user(const user_report& known) {
    auto notes = std::make_shared<user_notes>();
    shards.back()->users[known.user.value] = play<user_actor>(played_user, notes, known);
    return notes;
  }

  void add_deaf_user(const std::string& name) { shards.back()->users[name] = play<user_actor>(deaf_actor); }

  /// Asks; the answer may come later.
  std::shared_ptr<played_request> ask(answer_request question) {
    auto request = std::make_shared<played_request>();
    question.link = reply_link{request};
    caf::anon_send(asked, std::move(question));
    settle();
    return request;
  }

  played_request get(const std::string& path, std::vector<std::pair<std::string, std::string>> query = {}) {
    return *ask({"GET", path, std::move(query), {}, {}});
  }

  played_request erase(const std::string& path) { return *ask({"DELETE", path, {}, {}, {}}); }

  played_request post(const std::string& path, const std::string& body) { return *ask({"POST", path, {}, {}, body}); }

  void elapse(std::chrono::milliseconds time) {
    sched.advance_time(time);
    settle();
  }

  inspector_actor asked;
  std::vector<std::shared_ptr<directory_notes>> shards{std::make_shared<directory_notes>(),
                                                       std::make_shared<directory_notes>()};
  std::shared_ptr<reader_notes> reader = std::make_shared<reader_notes>();
};

} // namespace gangway::test
