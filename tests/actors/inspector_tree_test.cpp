// What the inspector shows of the production actors and a real database: tidy: allow (inspector_test.cpp plays them)
#define CAF_SUITE inspector_tree

#include "tests/actors/fixture.hpp"

#include "actors/inspector.hpp"
#include "tests/actors/played_tree.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct fixture : tree_fixture {
  fixture() {
    inspector_ = sys.spawn(inspector, server_facts{"1.2.3", "development", 20, 64, {}});
    caf::anon_send(inspector_, tree_grown{{shard}, managers->store, managers->reader, managers->agents});
    settle();
  }

  ~fixture() override {
    caf::anon_send_exit(inspector_, caf::exit_reason::kill);
    settle();
  }

  played_request ask(answer_request question) {
    auto request = std::make_shared<played_request>();
    question.link = reply_link{request};
    caf::anon_send(inspector_, std::move(question));
    settle();
    return *request;
  }

  json get(const std::string& path, std::vector<std::pair<std::string, std::string>> query = {}) {
    return ask({"GET", path, std::move(query), {}, {}}).result();
  }

  inspector_actor inspector_;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(inspector_tree_tests, fixture)

CAF_TEST(status_counts_what_there_is) {
  auto ada = connect("ada");
  auto too = connect("ada");
  auto bob = connect("bob");
  ada.ask(open("t1"));
  ada.ask(open("t2"));
  const auto status = get("/api/v1/status");
  CAF_CHECK_EQUAL(json(status["users"]), 2);
  CAF_CHECK_EQUAL(json(status["connections"]), 3);
  CAF_CHECK_EQUAL(json(status["managers"]), 2);
  CAF_CHECK_EQUAL(json(status["runs"]), 0);
}

CAF_TEST(metrics_count_connections_by_tier) {
  auto ada = connect("ada", "pro");
  auto too = connect("ada", "pro");
  auto bob = connect("bob");
  const auto page = ask({"GET", "/metrics", {}, {}, {}});
  CAF_CHECK(page.text.find("gangway_connections{tier=\"free\"} 1\n") != std::string::npos);
  CAF_CHECK(page.text.find("gangway_connections{tier=\"pro\"} 2\n") != std::string::npos);
}

CAF_TEST(the_tree_shows_a_user_with_its_managers_and_connections) {
  auto ada = connect("ada", "pro");
  connect("bob");
  ada.ask(open("t1"));
  const auto tree = get("/api/v1/tree", {{"user", "ada"}});
  const auto users = tree["children"][0]["children"];
  CAF_REQUIRE_EQUAL(users.size(), 1u);
  CAF_CHECK_EQUAL(json(users[0]["id"]), "ada");
  CAF_CHECK_EQUAL(json(users[0]["tier"]), "pro");
  CAF_CHECK_EQUAL(json(users[0]["connections"].size()), 1u);
  CAF_CHECK_EQUAL(json(users[0]["children"][0]["thread_id"]), "t1");
  CAF_CHECK_EQUAL(json(users[0]["children"][0]["phase"]), "open");
  CAF_CHECK(users[0]["vitals"]["messages"].get<int>() > 0);
}

CAF_TEST(an_unknown_user_is_not_found) {
  CAF_CHECK_EQUAL(ask({"GET", "/api/v1/tree", {{"user", "nobody"}}, {}, {}}).status, 404u);
  CAF_CHECK_EQUAL(ask({"GET", "/api/v1/users/nobody", {}, {}, {}}).status, 404u);
}

CAF_TEST(a_dry_run_says_whom_a_cleanup_would_take_and_takes_nobody) {
  auto ada = connect("ada");
  ada.ask(open("t1"));
  const auto answer = ask({"POST", "/api/v1/users/ada/cleanup", {}, {}, R"({"level":"force","dry_run":true})"});
  CAF_REQUIRE_EQUAL(answer.status, 200u);
  CAF_CHECK_EQUAL(json(answer.result()["dry_run"]), true);
  CAF_CHECK_EQUAL(json(answer.result()["evictions"][0]["thread_id"]), "t1");
  CAF_CHECK_EQUAL(json(get("/api/v1/status")["managers"]), 1);
}

CAF_TEST(a_decision_that_was_recorded_is_found) {
  const decision_id id = decision_id::make();
  const eviction gone{manager_id::make(), {"t1"}, {}, cleanup_level::force, eviction_reason::least_recently_useful, {}};
  decision made;
  made.id = id;
  made.user = {"ada"};
  made.time = utc_now();
  made.evictions = {gone};
  caf::anon_send(managers->store, record_decision{made});
  settle();
  elapse(100ms);
  CAF_CHECK_EQUAL(json(get("/api/v1/decisions/" + to_string(id))["decision_id"]), to_string(id));
  CAF_CHECK_EQUAL(json(get("/api/v1/decisions", {{"subject", to_string(gone.manager)}})["decisions"].size()), 1u);
  CAF_CHECK_EQUAL(json(get("/api/v1/decisions", {{"subject", "m2"}})["decisions"].size()), 0u);
  CAF_CHECK_EQUAL(json(get("/api/v1/decisions", {{"user", "ada"}})["decisions"].size()), 1u);
}

CAF_TEST(a_user_that_does_not_answer_is_shown_as_such_after_a_moment) {
  auto ada = connect("ada");
  auto request = std::make_shared<played_request>();
  // Never run: its question stays in the mailbox.
  caf::anon_send(inspector_, answer_request{"GET", "/api/v1/tree", {}, reply_link{request}, {}});
  while (sched.jobs.size() > 0) {
    auto job = std::find_if(sched.jobs.begin(), sched.jobs.end(), [&](caf::resumable* one) {
      return dynamic_cast<caf::abstract_actor*>(one) != caf::actor_cast<caf::abstract_actor*>(ada.session->admitted_by);
    });
    if (job == sched.jobs.end()) break;
    std::rotate(sched.jobs.begin(), job, std::next(job));
    sched.run_once();
  }
  CAF_CHECK_EQUAL(request->status, 0u);
  sched.advance_time(inspector_state::patience);
  settle();
  CAF_CHECK_EQUAL(request->status, 200u);
  CAF_CHECK_EQUAL(json(request->result()["children"][0]["children"][0]["answers"]), false);
}

CAF_TEST_FIXTURE_SCOPE_END()
