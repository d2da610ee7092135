#define CAF_SUITE inspector
#include "actors/inspector.hpp"

#include "tests/actors/fixture.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

struct played_request final : reply_port {
  void reply(unsigned with, std::string text) override {
    status = with;
    body = json::parse(text);
  }
  unsigned status = 0;
  json body;
};

struct fixture : tree_fixture {
  fixture() { inspector_ = sys.spawn(inspector, server_facts{"1.2.3", "development", 20, 64, {}}); }
  ~fixture() override {
    caf::anon_send_exit(inspector_, caf::exit_reason::kill);
    settle();
  }

  void grow() {
    caf::anon_send(inspector_, tree_grown{{shard}, managers->store, managers->reader, managers->agents});
    for (const auto* part : {"store", "agents", "doors"})
      caf::anon_send(inspector_, component_changed{part, ""});
    settle();
  }

  played_request get(const std::string& path, std::vector<std::pair<std::string, std::string>> query = {}) {
    auto request = std::make_shared<played_request>();
    caf::anon_send(inspector_, answer_request{"GET", path, std::move(query), reply_link{request}});
    settle();
    return *request;
  }

  inspector_actor inspector_;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(inspector_tests, fixture)

CAF_TEST(health_is_503_with_the_reasons_until_every_part_is_ready) {
  const auto before = get("/health");
  CAF_CHECK_EQUAL(before.status, 503u);
  CAF_CHECK_EQUAL(json(before.body["components"]["store"]["reason"]), "opening");
  grow();
  const auto after = get("/health/ready");
  CAF_CHECK_EQUAL(after.status, 200u);
  CAF_CHECK_EQUAL(json(after.body["status"]), "ready");
  CAF_CHECK_EQUAL(json(after.body["limits"]["managers_per_user"]), 20);
}

CAF_TEST(a_store_that_fails_and_recovers_shows_in_health) {
  grow();
  caf::anon_send(inspector_, component_changed{"store", "disk full"});
  const auto failing = get("/health");
  CAF_CHECK_EQUAL(failing.status, 503u);
  CAF_CHECK_EQUAL(json(failing.body["components"]["store"]["reason"]), "disk full");
  caf::anon_send(inspector_, component_changed{"store", ""});
  CAF_CHECK_EQUAL(get("/health").status, 200u);
}

CAF_TEST(status_counts_what_there_is) {
  grow();
  auto ada = connect("ada");
  auto too = connect("ada");
  auto bob = connect("bob");
  ada.ask(open("t1"));
  ada.ask(open("t2"));
  const auto status = get("/api/v1/status").body["result"];
  CAF_CHECK_EQUAL(json(status["users"]), 2);
  CAF_CHECK_EQUAL(json(status["connections"]), 3);
  CAF_CHECK_EQUAL(json(status["managers"]), 2);
  CAF_CHECK_EQUAL(json(status["runs"]), 0);
}

CAF_TEST(the_tree_shows_a_user_with_its_managers_and_connections) {
  grow();
  auto ada = connect("ada", "pro");
  connect("bob");
  ada.ask(open("t1"));
  const auto tree = get("/api/v1/tree", {{"user", "ada"}}).body["result"];
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
  grow();
  CAF_CHECK_EQUAL(get("/api/v1/tree", {{"user", "nobody"}}).status, 404u);
  CAF_CHECK_EQUAL(get("/api/v1/nothing").status, 404u);
}

CAF_TEST(a_user_that_does_not_answer_is_shown_as_such_after_a_moment) {
  grow();
  auto ada = connect("ada");
  auto request = std::make_shared<played_request>();
  // Never run: its question stays in the mailbox.
  caf::anon_send(inspector_, answer_request{"GET", "/api/v1/tree", {}, reply_link{request}});
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
  CAF_CHECK_EQUAL(json(request->body["result"]["children"][0]["children"][0]["answers"]), false);
}

CAF_TEST_FIXTURE_SCOPE_END()
