#define CAF_SUITE inspector

#include <nlohmann/json.hpp>

#include "tests/actors/inspector_fixture.hpp"

using namespace gangway;
using namespace gangway::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

const std::string some_decision = "/api/v1/decisions/0192c3f2-0000-7000-8000-000000000001";

struct fixture : inspector_fixture {
  /// Returns the value of a metric's series, as text.
  std::string metric(const std::string& series) {
    const auto text = '\n' + get("/metrics").text;
    const auto at = text.find('\n' + series + ' ');
    if (at == std::string::npos) return "none";
    const auto begin = at + series.size() + 2;
    return text.substr(begin, text.find('\n', begin) - begin);
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(inspector_tests, fixture)

// -- health and status ---------------------------------------------------------------------------

CAF_TEST(health_is_503_with_the_reasons_until_every_part_is_ready) {
  const auto before = get("/health");
  CAF_CHECK_EQUAL(before.status, 503u);
  CAF_CHECK_EQUAL(json(before.body()["components"]["store"]["reason"]), "opening");
  grow();
  const auto after = get("/health/ready");
  CAF_CHECK_EQUAL(after.status, 200u);
  CAF_CHECK_EQUAL(json(after.body()["status"]), "ready");
  CAF_CHECK_EQUAL(json(after.body()["limits"]["managers_per_user"]), 20);
}

CAF_TEST(a_store_that_fails_and_recovers_shows_in_health) {
  grow();
  caf::anon_send(asked, component_changed{"store", "disk full"});
  const auto failing = get("/health");
  CAF_CHECK_EQUAL(failing.status, 503u);
  CAF_CHECK_EQUAL(json(failing.body()["components"]["store"]["reason"]), "disk full");
  caf::anon_send(asked, component_changed{"store", ""});
  CAF_CHECK_EQUAL(get("/health").status, 200u);
}

// It cannot say so itself: its thread waits for the disk.
CAF_TEST(a_store_that_does_not_answer_is_not_ready) {
  tree_grown tree;
  tree.store = play<store_actor>(deaf_actor);
  grow(std::move(tree));
  const auto answer = ask({"GET", "/health", {}, {}, {}});
  elapse(inspector_state::store_patience - 1ms);
  CAF_CHECK_EQUAL(answer->status, 0u);
  elapse(1ms);
  CAF_CHECK_EQUAL(answer->status, 503u);
  CAF_CHECK_EQUAL(json(answer->body()["components"]["store"]["reason"]),
                  "has not answered for a second: its disk is slow");
}

CAF_TEST(status_adds_up_what_the_directories_have) {
  shards[0]->count = {1, 2, 3, 4, 5, 6, 7, 8, 9, 1, {}};
  shards[1]->count = {10, 20, 30, 40, 50, 60, 70, 80, 90, 1, {}};
  grow();
  const auto status = get("/api/v1/status").result();
  CAF_CHECK_EQUAL(json(status["users"]), 11);
  CAF_CHECK_EQUAL(json(status["connections"]), 22);
  CAF_CHECK_EQUAL(json(status["managers"]), 33);
  CAF_CHECK_EQUAL(json(status["runs"]), 44);
  CAF_CHECK_EQUAL(json(status["zombies"]), 66);
  CAF_CHECK_EQUAL(json(status["leaked"]), 88);
  CAF_CHECK_EQUAL(json(status["waiting"]), 99);
  CAF_CHECK_EQUAL(json(status["graces"]), 2);
}

// -- routes --------------------------------------------------------------------------------------

CAF_TEST(a_path_that_is_none_is_not_found) {
  grow();
  for (const auto* path : {"/api/v1/nothing", "/", "/api/v1/users/", "/api/v1/users/ann/nothing", "/metrics/"})
    CAF_CHECK_EQUAL(get(path).status, 404u);
}

CAF_TEST(a_path_is_asked_by_its_method_alone) {
  const auto ann = add_user(report_of("ann"));
  grow();
  const auto got = get("/api/v1/users/ann/cleanup");
  CAF_CHECK_EQUAL(got.status, 405u);
  CAF_CHECK_EQUAL(got.error_message(), "this path answers POST");
  CAF_CHECK(ann->cleanups.empty());
  for (const auto* path :
       {"/metrics", "/health", "/api/v1/status", "/api/v1/tree", "/api/v1/users", "/api/v1/decisions"}) {
    const auto posted = post(path, "{}");
    CAF_CHECK_EQUAL(posted.status, 405u);
    CAF_CHECK_EQUAL(posted.error_message(), "this path answers GET");
  }
}

// -- metrics -------------------------------------------------------------------------------------

CAF_TEST(metrics_are_prometheus_text) {
  grow();
  const auto answer = get("/metrics");
  CAF_CHECK_EQUAL(answer.status, 200u);
  CAF_CHECK_EQUAL(answer.content_type, "text/plain; version=0.0.4; charset=utf-8");
  CAF_CHECK(answer.text.find("\n# TYPE gangway_managers gauge\n") != std::string::npos);
}

CAF_TEST(metrics_add_up_what_the_directories_have_and_counted) {
  shards[0]->count.users = 3;
  shards[1]->count.users = 4;
  shards[0]->counted.probes = {1, 0, 0};
  shards[1]->counted.probes = {10, 0, 0};
  grow();
  CAF_CHECK_EQUAL(metric("gangway_users"), "7");
  CAF_CHECK_EQUAL(metric(R"(gangway_probes_total{result="alive"})"), "11");
  CAF_CHECK_EQUAL(metric(R"(gangway_loop_lag_seconds{loop="0"})"), "0.003");
}

CAF_TEST(mailboxes_are_shown_of_those_that_answer) {
  tree_grown tree;
  tree.directories = {play<directory_actor>(played_directory, shards[0]),
                      play<directory_actor>(played_directory, shards[1])};
  tree.store = play<store_actor>(deaf_actor);
  grow(std::move(tree));
  const auto answer = ask({"GET", "/metrics", {}, {}, {}});
  elapse(inspector_state::patience);
  CAF_REQUIRE_EQUAL(answer->status, 200u);
  // Two wait at each of two.
  CAF_CHECK(answer->text.find("gangway_mailbox_messages{actor=\"directory\"} 4\n") != std::string::npos);
  CAF_CHECK(answer->text.find("gangway_mailbox_messages{actor=\"store_reader\"} 5\n") != std::string::npos);
  CAF_CHECK(answer->text.find("actor=\"store\"") == std::string::npos);
}

// A counter that falls looks like a restart, and the rate that is made of it is nonsense.
CAF_TEST(a_directory_that_falls_silent_still_counts_as_it_did_last) {
  shards[0]->counted.probes = {1, 0, 0};
  shards[1]->counted.probes = {10, 0, 0};
  shards[1]->count.users = 4;
  tree_grown tree;
  tree.directories = {play<directory_actor>(played_directory, shards[0]),
                      play<directory_actor>(moody_directory, shards[1])};
  grow(std::move(tree));
  CAF_CHECK_EQUAL(metric("gangway_users"), "4");
  shards[0]->counted.probes = {2, 0, 0};
  shards[1]->silent = true;
  const auto answer = ask({"GET", "/metrics", {}, {}, {}});
  elapse(inspector_state::patience);
  CAF_REQUIRE_EQUAL(answer->status, 200u);
  CAF_CHECK(answer->text.find("gangway_probes_total{result=\"alive\"} 12\n") != std::string::npos);
  CAF_CHECK(answer->text.find("gangway_users 4\n") != std::string::npos);
}

CAF_TEST(every_agent_that_is_configured_is_shown_though_it_had_no_run_yet) {
  shards[0]->counted.runs["helper"] = {1, 0, 0, 0};
  shards[1]->counted.runs["helper"] = {10, 0, 0, 0};
  grow();
  CAF_CHECK_EQUAL(metric(R"(gangway_runs_total{agent="helper",outcome="completed"})"), "11");
  CAF_CHECK_EQUAL(metric(R"(gangway_runs_total{agent="builtin",outcome="completed"})"), "0");
}

CAF_TEST(the_store_is_asked_and_still_counts_as_it_did_last_when_it_falls_silent) {
  const auto stored = std::make_shared<store_notes>();
  stored->counted.batch_events.observe(7);
  tree_grown tree;
  tree.store = play<store_actor>(played_store, stored);
  grow(std::move(tree));
  CAF_CHECK_EQUAL(metric("gangway_store_batch_events_sum"), "7");
  stored->counted.batch_events.observe(8);
  CAF_CHECK_EQUAL(metric("gangway_store_batch_events_sum"), "15");
  stored->silent = true;
  const auto answer = ask({"GET", "/metrics", {}, {}, {}});
  elapse(inspector_state::patience);
  CAF_REQUIRE_EQUAL(answer->status, 200u);
  CAF_CHECK(answer->text.find("\ngangway_store_batch_events_sum 15\n") != std::string::npos);
}

// -- decisions -----------------------------------------------------------------------------------

CAF_TEST(decisions_are_answered_as_they_were_recorded_in_the_order_of_the_store) {
  reader->page.decisions = {{R"({"decision_id":"b","x":[1, 2]})"}, {R"({"decision_id":"a"})"}};
  grow();
  const auto answer = get("/api/v1/decisions");
  CAF_CHECK_EQUAL(answer.status, 200u);
  CAF_CHECK_EQUAL(answer.text, R"({"result":{"decisions":[{"decision_id":"b","x":[1, 2]},{"decision_id":"a"}]}})");
  CAF_CHECK(reader->asked == std::vector{get_decisions{}});
}

CAF_TEST(decisions_are_found_by_user_and_subject) {
  grow();
  const auto answer = get("/api/v1/decisions", {{"user", "ann"}, {"subject", "0192"}, {"limit", "7"}});
  CAF_CHECK_EQUAL(answer.text, R"({"result":{"decisions":[]}})");
  CAF_CHECK(reader->asked == (std::vector{get_decisions{{}, "0192", user_id{"ann"}, 7}}));
}

CAF_TEST(a_limit_that_is_none_is_a_bad_request) {
  grow();
  for (const auto* limit : {"0", "1001", "x"}) {
    const auto answer = get("/api/v1/decisions", {{"limit", limit}});
    CAF_CHECK_EQUAL(answer.status, 400u);
    CAF_CHECK_EQUAL(answer.error_code(), "bad_request");
  }
  CAF_CHECK(reader->asked.empty());
}

CAF_TEST(one_decision_is_found_by_its_id) {
  reader->page.decisions = {{R"({"decision_id":"a"})"}};
  grow();
  CAF_CHECK_EQUAL(get(some_decision).text, R"({"result":{"decision_id":"a"}})");
  CAF_REQUIRE_EQUAL(reader->asked.size(), 1u);
  CAF_CHECK(reader->asked[0].id == decision_id::parse(some_decision.substr(18)));
}

CAF_TEST(a_decision_that_nobody_made_is_not_found) {
  grow();
  CAF_CHECK_EQUAL(get(some_decision).status, 404u);
  CAF_CHECK_EQUAL(reader->asked.size(), 1u);
  CAF_CHECK_EQUAL(get("/api/v1/decisions/1").status, 404u);
  CAF_CHECK_EQUAL(reader->asked.size(), 1u);
}

CAF_TEST(a_store_that_cannot_be_read_is_said_to_be_so) {
  CAF_CHECK_EQUAL(get("/api/v1/decisions").status, 503u);
  reader->fails = true;
  grow();
  for (const auto* path : {"/api/v1/decisions", some_decision.c_str()}) {
    const auto answer = get(path);
    CAF_CHECK_EQUAL(answer.status, 503u);
    CAF_CHECK_EQUAL(answer.error_code(), "store_unavailable");
  }
}

CAF_TEST_FIXTURE_SCOPE_END()
