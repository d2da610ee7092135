#define CAF_SUITE inspector_users

#include <nlohmann/json.hpp>

#include "tests/actors/inspector_fixture.hpp"

using namespace gangway;
using namespace gangway::test;
using namespace std::chrono_literals;
using nlohmann::json;

namespace {

const std::string cleanup_of_ann = "/api/v1/users/ann/cleanup";

manager_report manager_of(const std::string& thread, manager_phase phase) {
  manager_report result;
  result.manager = manager_id::make();
  result.thread = {thread};
  result.phase = phase;
  return result;
}

struct fixture : inspector_fixture {
  void grow_with(std::shared_ptr<store_notes> kept) {
    tree_grown tree;
    for (const auto& shard : shards)
      tree.directories.push_back(play<directory_actor>(played_directory, shard));
    tree.store = play<store_actor>(played_store, std::move(kept));
    inspector_fixture::grow(std::move(tree));
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(inspector_users_tests, fixture)

CAF_TEST(the_tree_shows_what_is_wrong_with_a_manager) {
  auto known = report_of("ann", "pro");
  known.waiting = 2;
  known.grace = 5;
  known.tombstones = 3;
  auto zombie = manager_of("t1", manager_phase::open);
  zombie.suspect = true;
  zombie.evidence = {finding::hung, finding::silent};
  zombie.last = heartbeat{};
  zombie.last->messages = 9;
  zombie.last->mailbox = 4;
  zombie.last->handling_time = 1'500us;
  zombie.last->bytes = 1024;
  zombie.last->stuck_for = 7s;
  known.managers = {zombie, manager_of("t2", manager_phase::leaked)};
  add_user(known);
  grow();
  const auto tree = get("/api/v1/tree", {{"user", "ann"}}).result();
  CAF_CHECK(tree["children"][0]["children"].empty());
  const auto user = tree["children"][1]["children"][0];
  CAF_CHECK_EQUAL(json(user["waiting"]), 2);
  CAF_CHECK_EQUAL(json(user["grace"]), 5);
  CAF_CHECK_EQUAL(json(user["tombstones"]), 3);
  const auto shown = user["children"][0];
  CAF_CHECK_EQUAL(json(shown["suspect"]), true);
  CAF_CHECK_EQUAL(json(shown["evidence"]), (json{"hung", "silent"}));
  CAF_CHECK_EQUAL(json(shown["vitals"]),
                  (json{{"messages", 9}, {"mailbox", 4}, {"handling_ms", 1.5}, {"bytes", 1024}, {"stuck_ms", 7000}}));
  CAF_CHECK_EQUAL(json(user["children"][1]["phase"]), "leaked");
  CAF_CHECK(!user["children"][1].contains("vitals"));
}

CAF_TEST(a_user_is_shown_alone_as_the_tree_shows_it) {
  auto known = report_of("ann");
  known.managers = {manager_of("t1", manager_phase::opening)};
  add_user(known);
  add_user(report_of("bob"));
  grow();
  const auto shown = get("/api/v1/users/ann");
  CAF_CHECK_EQUAL(shown.status, 200u);
  const auto tree = get("/api/v1/tree", {{"user", "ann"}}).result();
  CAF_CHECK_EQUAL(shown.result(), json(tree["children"][1]["children"][0]));
}

CAF_TEST(a_user_is_found_whatever_it_is_called) {
  add_user(report_of("ann/bob %"));
  grow();
  CAF_CHECK_EQUAL(json(get("/api/v1/users/ann%2Fbob%20%25").result()["id"]), "ann/bob %");
  CAF_CHECK_EQUAL(get("/api/v1/users/ann/bob").status, 404u);
}

CAF_TEST(users_are_listed_by_name_with_their_numbers) {
  auto known = report_of("bob", "pro");
  auto zombie = manager_of("t2", manager_phase::open);
  zombie.evidence = {finding::silent};
  zombie.run = run_id::make();
  known.managers = {manager_of("t1", manager_phase::opening), zombie, manager_of("t3", manager_phase::retiring),
                    manager_of("t4", manager_phase::leaked)};
  known.connections = {{}, {}};
  known.connections.back().simulation = true;
  known.waiting = 1;
  add_user(known);
  add_user(report_of("ann"));
  grow();
  const auto list = get("/api/v1/users").result();
  CAF_REQUIRE_EQUAL(list["users"].size(), 2u);
  CAF_CHECK_EQUAL(json(list["users"][0]["id"]), "ann");
  CAF_CHECK_EQUAL(json(list["users"][1]), (json{{"id", "bob"},
                                                {"tier", "pro"},
                                                {"managers", 2},
                                                {"managers_max", 20},
                                                {"zombies", 1},
                                                {"leaked", 1},
                                                {"runs", 1},
                                                {"connections", 2},
                                                {"simulations", 1},
                                                {"waiting", 1},
                                                {"grace", 0},
                                                {"tombstones", 0}}));
  CAF_CHECK_EQUAL(json(list["more"]), false);
}

CAF_TEST(a_list_that_is_longer_than_its_limit_says_so) {
  for (const auto* name : {"ann", "bob", "cat"})
    add_user(report_of(name));
  grow();
  const auto cut = get("/api/v1/users", {{"limit", "2"}}).result();
  CAF_CHECK_EQUAL(cut["users"].size(), 2u);
  CAF_CHECK_EQUAL(json(cut["more"]), true);
  const auto whole = get("/api/v1/users", {{"limit", "3"}}).result();
  CAF_CHECK_EQUAL(whole["users"].size(), 3u);
  CAF_CHECK_EQUAL(json(whole["more"]), false);
  CAF_CHECK_EQUAL(get("/api/v1/users", {{"limit", "0"}}).status, 400u);
}

CAF_TEST(a_user_that_is_silent_keeps_nobody_waiting_for_long) {
  add_deaf_user("ann");
  add_user(report_of("bob"));
  grow();
  const auto one = ask({"GET", "/api/v1/users/ann", {}, {}, {}}), all = ask({"GET", "/api/v1/users", {}, {}, {}});
  elapse(inspector_state::patience - 1ms);
  CAF_CHECK_EQUAL(one->status, 0u);
  CAF_CHECK_EQUAL(all->status, 0u);
  elapse(1ms);
  CAF_CHECK_EQUAL(one->status, 503u);
  CAF_CHECK_EQUAL(one->error_code(), "overloaded");
  CAF_REQUIRE_EQUAL(all->status, 200u);
  CAF_CHECK_EQUAL(all->result()["users"].size(), 1u);
  CAF_CHECK_EQUAL(json(all->result()["more"]), true);
}

CAF_TEST(a_cleanup_is_ordered_from_the_user_and_answered_with_its_decision) {
  const auto ann = add_user(report_of("ann")), bob = add_user(report_of("bob"));
  grow();
  const auto answer = post(cleanup_of_ann, R"({"level":"aggressive","needed":3,"dry_run":true})");
  CAF_CHECK(ann->cleanups == (std::vector{clean_up{cleanup_scope::manual, cleanup_level::aggressive, 3, true}}));
  CAF_CHECK(bob->cleanups.empty());
  CAF_REQUIRE_EQUAL(answer.status, 200u);
  CAF_CHECK_EQUAL(answer.content_type, "application/json");
  CAF_CHECK_EQUAL(json(answer.result()["user_id"]), "ann");
  CAF_CHECK_EQUAL(json(answer.result()["level"]), "aggressive");
  CAF_CHECK_EQUAL(json(answer.result()["dry_run"]), true);
}

CAF_TEST(a_cleanup_that_cannot_be_read_is_never_ordered) {
  const auto ann = add_user(report_of("ann"));
  grow();
  for (const auto* body :
       {"", "{}", R"({"level":"hard"})", R"({"level":"force","needed":-1})", R"({"level":"force","dryrun":true})"}) {
    const auto answer = post(cleanup_of_ann, body);
    CAF_CHECK_EQUAL(answer.status, 400u);
    CAF_CHECK_EQUAL(answer.error_code(), "bad_request");
  }
  CAF_CHECK(ann->cleanups.empty());
}

CAF_TEST(a_cleanup_of_nobody_is_not_found) {
  add_user(report_of("ann"));
  grow();
  const auto answer = post("/api/v1/users/bob/cleanup", R"({"level":"moderate"})");
  CAF_CHECK_EQUAL(answer.status, 404u);
  CAF_CHECK_EQUAL(answer.error_code(), "not_found");
}

CAF_TEST(a_cleanup_is_waited_for_as_long_as_its_deadline_can_be) {
  add_deaf_user("ann");
  grow();
  const auto answer = ask({"POST", cleanup_of_ann, {}, {}, R"({"level":"moderate"})"});
  elapse(inspector_state::cleanup_patience - 1ms);
  CAF_CHECK_EQUAL(answer->status, 0u);
  elapse(1ms);
  CAF_CHECK_EQUAL(answer->status, 503u);
  CAF_CHECK_EQUAL(answer->error_code(), "overloaded");
}

// -- erasing ----------------------------------------------------------------------------------------

CAF_TEST(what_is_erased_is_given_up_by_its_user_first) {
  const auto ann = add_user(report_of("ann"));
  const auto kept = std::make_shared<store_notes>();
  grow_with(kept);
  CAF_CHECK_EQUAL(erase("/api/v1/users/ann/threads/t1").status, 200u);
  CAF_CHECK_EQUAL(json(erase("/api/v1/users/ann").result()["threads"]), 1);
  CAF_CHECK_EQUAL(ann->heard, (std::vector<std::string>{"release t1", "release all"}));
  CAF_CHECK(kept->erased == (std::vector{erase_history{{"ann"}, thread_id{"t1"}}, erase_history{{"ann"}, {}}}));
}

CAF_TEST(somebody_who_is_not_here_is_erased_too_and_a_thread_that_is_none_is_not_found) {
  const auto kept = std::make_shared<store_notes>();
  grow_with(kept);
  CAF_CHECK_EQUAL(erase("/api/v1/users/ann/threads/t1").status, 200u);
  CAF_CHECK_EQUAL(json(erase("/api/v1/users/nobody").result()["threads"]), 0);
  const auto answer = erase("/api/v1/users/nobody/threads/t1");
  CAF_CHECK_EQUAL(answer.status, 404u);
  CAF_CHECK_EQUAL(answer.error_code(), "not_found");
}

CAF_TEST(nothing_is_said_to_be_erased_that_may_still_be_there) {
  const auto kept = std::make_shared<store_notes>();
  CAF_CHECK_EQUAL(erase("/api/v1/users/ann").status, 503u); // the store is not open yet
  add_deaf_user("bob");
  grow_with(kept);
  const auto answer = ask({"DELETE", "/api/v1/users/bob", {}, {}, {}});
  elapse(inspector_state::patience);
  CAF_CHECK_EQUAL(answer->status, 503u);
  CAF_CHECK(kept->erased.empty());
  const auto ann = add_user(report_of("ann"));
  caf::anon_send(asked, component_changed{"store", "the disk is full"});
  CAF_CHECK_EQUAL(erase("/api/v1/users/ann").status, 503u);
  CAF_CHECK(ann->heard.empty());
  caf::anon_send(asked, component_changed{"store", ""});
  kept->fails = true;
  CAF_CHECK_EQUAL(erase("/api/v1/users/ann").error_code(), "store_unavailable");
  kept->silent = true;
  const auto late = ask({"DELETE", "/api/v1/users/ann", {}, {}, {}});
  elapse(inspector_state::erase_patience);
  CAF_CHECK_EQUAL(late->status, 503u);
}

CAF_TEST(a_path_names_all_that_it_answers) {
  grow();
  CAF_CHECK_EQUAL(post("/api/v1/users/ann", "{}").error_message(), "this path answers GET, DELETE");
}

// -- who is not there ---------------------------------------------------------------------------------

CAF_TEST(nobody_is_called_unknown_while_a_directory_is_silent) {
  add_user(report_of("ann"));
  tree_grown tree;
  tree.directories = {play<directory_actor>(deaf_actor), play<directory_actor>(played_directory, shards.back())};
  grow(std::move(tree));
  const auto known = ask({"GET", "/api/v1/users/ann", {}, {}, {}}),
             unknown = ask({"GET", "/api/v1/users/bob", {}, {}, {}});
  elapse(inspector_state::patience);
  CAF_CHECK_EQUAL(known->status, 200u);
  CAF_CHECK_EQUAL(unknown->status, 503u);
}

CAF_TEST(nobody_is_called_unknown_before_there_are_directories) {
  CAF_CHECK_EQUAL(get("/api/v1/users/ann").status, 503u);
}

CAF_TEST_FIXTURE_SCOPE_END()
