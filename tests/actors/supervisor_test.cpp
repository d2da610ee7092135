#define CAF_SUITE supervisor
#include "actors/supervisor.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>

#include "actors/inspector.hpp"

#include <caf/test/dsl.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

/// The whole tree on CAF's own threads: its store blocks, so virtual time is no use here.
struct fixture {
  fixture() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gangway-test-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    engine = make_sqlite_engine(folder / "gangway.db");
    tree_config tree;
    tree.writer = engine->make_writer();
    tree.reader = engine->make_reader();
    tree.agents = {{"builtin", agent_kind::builtin}};
    tree.inspector = system.spawn(inspector, server_facts{});
    tree.give_up = [this](const std::string& reason) { gave_up.set_value(reason); };
    root = supervisor_actor{system.spawn(supervisor, std::move(tree))};
  }

  ~fixture() { std::filesystem::remove_all(folder); }

  std::vector<directory_actor> directories() {
    std::vector<directory_actor> result;
    self->request(root, 10s, get_directories{})
        .receive([&](const std::vector<directory_actor>& found) { result = found; },
                 [&](const caf::error& reason) { CAF_FAIL(system.render(reason)); });
    return result;
  }

  /// Returns how many actors had to be killed, or -1 if there was no end.
  int shut_down_within(std::chrono::milliseconds deadline) {
    int result = -1;
    self->request(root, deadline + 10s, shut_down{deadline})
        .receive([&](const shutdown_report& report) { result = static_cast<int>(report.killed); },
                 [](const caf::error&) {});
    return result;
  }

  caf::actor_system_config config;
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  std::filesystem::path folder;
  std::unique_ptr<storage_engine> engine;
  std::promise<std::string> gave_up;
  supervisor_actor root;
};

/// The tree in virtual time, on a node whose readings the test makes up. Its shards are listened to and do nothing.
struct pressed_fixture : test_coordinator_fixture<> {
  pressed_fixture() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gangway-test-XXXXXX").string();
    folder = ::mkdtemp(pattern.data());
    engine = make_sqlite_engine(folder / "gangway.db");
    tree.writer = engine->make_writer();
    tree.reader = engine->make_reader();
    tree.agents = {{"builtin", agent_kind::builtin}};
    tree.own_threads = false;
    tree.inspector = sys.spawn(inspector, server_facts{});
    tree.give_up = [](const std::string& reason) { CAF_FAIL(reason); };
    tree.set_doors = [this](const door_policy& policy) { doors.push_back(policy); };
  }

  ~pressed_fixture() override {
    if (root) caf::anon_send(root, shut_down{10s});
    settle();
    sched.clock().cancel_all();
    std::filesystem::remove_all(folder);
  }

  /// Starts the tree, which asks for `reading` every second.
  void start() {
    tree.read_node = [this] {
      ++looks;
      return reading;
    };
    begin();
  }

  void begin() {
    root = supervisor_actor{sys.spawn(supervisor, std::move(tree))};
    settle();
    auto question = self->request(root, caf::infinite, get_directories{});
    settle();
    question.receive([&](const std::vector<directory_actor>& found) { shard = found.front(); },
                     [&](const caf::error& reason) { CAF_FAIL(sys.render(reason)); });
  }

  void settle() {
    while (sched.try_run_once()) {
    }
  }

  /// Lets a second pass, up to what the supervisor says to its shards.
  void look() {
    sched.advance_time(1s);
    expect((pressure_tick), from(root).to(root));
  }

  void look_with_memory_at(std::uint64_t percent) {
    reading.memory_used = percent;
    look();
  }

  std::filesystem::path folder;
  std::unique_ptr<storage_engine> engine;
  tree_config tree;
  supervisor_actor root;
  directory_actor shard;
  node_reading reading{10, 100, 0ms, 0, 0};
  int looks = 0;
  std::vector<door_policy> doors;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(supervisor_tests, fixture)

CAF_TEST(a_tree_without_users_ends_by_itself_and_leaves_no_write_ahead_log) {
  CAF_CHECK_EQUAL(directories().size(), 1u);
  CAF_CHECK_EQUAL(shut_down_within(5s), 0);
  self->wait_for(root);
  CAF_CHECK(!std::filesystem::exists(folder / "gangway.db-wal"));
}

// The end once waited for the news of a part that had ended before it began to listen for it.
CAF_TEST(a_part_that_ends_makes_the_server_give_up_and_end) {
  caf::anon_send_exit(directories().front(), caf::exit_reason::kill);
  CAF_REQUIRE(gave_up.get_future().wait_for(10s) == std::future_status::ready);
  CAF_CHECK(shut_down_within(5s) >= 0);
}

CAF_TEST_FIXTURE_SCOPE_END()

CAF_TEST_FIXTURE_SCOPE(pressed_supervisor_tests, pressed_fixture)

CAF_TEST(the_node_is_looked_at_every_second_and_told_nothing_while_all_is_well) {
  start();
  sched.advance_time(999ms);
  CAF_CHECK(sched.jobs.empty());
  CAF_CHECK_EQUAL(looks, 0);
  sched.advance_time(1ms);
  expect((pressure_tick), from(root).to(root));
  CAF_CHECK_EQUAL(looks, 1);
  for (int second = 0; second < 60; ++second)
    look();
  CAF_CHECK_EQUAL(looks, 61);
  CAF_CHECK(sched.jobs.empty());
  CAF_CHECK(doors.empty());
}

CAF_TEST(a_node_without_readings_is_never_looked_at) {
  begin();
  sched.advance_time(1h);
  CAF_CHECK(sched.jobs.empty());
}

CAF_TEST(an_elevated_node_forbids_graces_and_cleans_up_after_free_users_first_and_keeps_its_doors_open) {
  start();
  look_with_memory_at(79);
  CAF_CHECK(sched.jobs.empty());
  look_with_memory_at(80);
  expect((pressure_changed), from(root).to(shard).with(pressure_changed{true}));
  expect((relieve), from(root).to(shard).with(relieve{tier::free, cleanup_level::conservative}));
  look();
  expect((relieve), from(root).to(shard).with(relieve{tier::free, cleanup_level::moderate}));
  look();
  expect((relieve), from(root).to(shard).with(relieve{tier::pro, cleanup_level::conservative}));
  look();
  expect((relieve), from(root).to(shard).with(relieve{tier::pro, cleanup_level::moderate}));
  look();
  CAF_CHECK(sched.jobs.empty());
  CAF_CHECK(doors.empty());
}

CAF_TEST(a_critical_node_lets_only_enterprise_in_until_it_has_been_calm_for_five_seconds) {
  start();
  look_with_memory_at(90);
  CAF_REQUIRE_EQUAL(doors.size(), 1u);
  CAF_CHECK(doors.back() == doors_under(pressure_level::critical));
  CAF_CHECK(!doors.back().open_to_tier[static_cast<std::size_t>(tier::pro)]);
  settle();
  look_with_memory_at(10);
  for (int second = 0; second < 4; ++second)
    look();
  CAF_CHECK_EQUAL(doors.size(), 1u);
  CAF_CHECK(sched.jobs.empty());
  look();
  CAF_REQUIRE_EQUAL(doors.size(), 2u);
  CAF_CHECK(doors.back() == doors_under(pressure_level::normal));
  expect((pressure_changed), from(root).to(shard).with(pressure_changed{false}));
  CAF_CHECK(sched.jobs.empty());
}

CAF_TEST(a_node_that_ends_looks_at_itself_no_more) {
  start();
  look();
  caf::anon_send(root, shut_down{10s});
  settle();
  sched.advance_time(1s);
  settle();
  CAF_CHECK_EQUAL(looks, 1);
  root = nullptr;
}

CAF_TEST_FIXTURE_SCOPE_END()
