#define CAF_SUITE supervisor
#include "actors/supervisor.hpp"

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <future>

#include "actors/inspector.hpp"

#include <caf/test/unit_test.hpp>

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
