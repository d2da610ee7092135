#define CAF_SUITE blocked_manager

// tidy: allow (its subject is a fault, not a file)

#include <chrono>
#include <condition_variable>
#include <mutex>
#include <optional>
#include <variant>

#include <nlohmann/json.hpp>

#include "actors/agents.hpp"
#include "actors/directory.hpp"
#include "actors/store.hpp"
#include "actors/store_reader.hpp"
#include "actors/user.hpp"
#include "tests/integration/blocking_manager.hpp"
#include "tests/net/scheduler_two_loops.hpp"
#include "tests/store/temporary_directory.hpp"

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace gangway::test;
using nlohmann::json;

namespace {

/// A socket whose client answers every ping. Frames are heard on whatever thread they were sent from.
class listener final : public session_port {
public:
  explicit listener(connection_id id) : id_{id} {}

  void send(frame text) override {
    const std::lock_guard lock{mutex_};
    heard_.push_back(json::parse(*text));
    changed_.notify_all();
  }

  void ask_turn(turn_request wish) override {
    if (const auto whom = caf::actor_cast<caf::actor>(wish.whom)) caf::anon_send(whom, turn_granted{id_, wish.number});
  }

  void end_turn(caf::weak_actor_ptr, std::uint64_t) override {}

  void mark(caf::weak_actor_ptr, std::uint32_t) override {}

  void reply(std::int64_t, frame text) override { send(std::move(text)); }

  void ping(std::uint64_t nonce) override {
    const std::lock_guard lock{mutex_};
    if (user_) caf::anon_send(user_, pong_received{id_, nonce});
  }

  void admit(caf::strong_actor_ptr user) override {
    const std::lock_guard lock{mutex_};
    user_ = caf::actor_cast<user_actor>(std::move(user));
    changed_.notify_all();
  }

  void close(close_reason) override {}

  /// Lets go of the user: actors must be gone before their system.
  void forget() {
    const std::lock_guard lock{mutex_};
    user_ = user_actor{};
  }

  /// Returns the user, as soon as it has admitted the client.
  user_actor user() {
    std::unique_lock lock{mutex_};
    changed_.wait_for(lock, patience, [this] { return static_cast<bool>(user_); });
    return user_;
  }

  /// Returns the next frame that is wanted, and null if none comes.
  template <class Wanted>
  json take(Wanted&& wanted) {
    std::unique_lock lock{mutex_};
    json result;
    changed_.wait_for(lock, patience, [&] {
      const auto found = std::find_if(heard_.begin(), heard_.end(), wanted);
      if (found == heard_.end()) return false;
      result = std::move(*found);
      heard_.erase(found);
      return true;
    });
    return result;
  }

private:
  connection_id id_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<json> heard_;
  user_actor user_;
};

/// The tree of one user on loop 0, with the store on its own thread. The first manager of thread t1 is on loop 1, and
/// blocks it when it gets a message; a user whose own loop is blocked is the watchdog's concern.
struct blocked_manager_fixture {
  blocked_manager_fixture() {
    rules.cleanup.probe_timeout = 300ms;
    rules.cleanup.deadline = 500ms;
    rules.heartbeat = {std::chrono::hours{1}, 10s};
    rules.retire_timeout = std::chrono::hours{1};
  }

  ~blocked_manager_fixture() {
    if (caller) caller->forget();
    blocked->lift();
    if (shard) caf::anon_send_exit(shard, caf::exit_reason::kill);
    for (const auto& actor : {caf::actor_cast<caf::strong_actor_ptr>(managers->store),
                              caf::actor_cast<caf::strong_actor_ptr>(managers->reader),
                              caf::actor_cast<caf::strong_actor_ptr>(managers->agents)})
      caf::anon_send_exit(actor, caf::exit_reason::kill);
  }

  /// Opens so many threads, sends a message to the first, and returns when that blocks.
  void block_one_of(int threads) {
    auto& system = *host.system;
    managers->store = system.spawn<caf::detached>(store, engine->make_writer(), inspector_actor{}, std::nullopt);
    managers->reader = system.spawn<caf::detached>(store_reader, engine->make_reader(), managers->store);
    managers->agents = system.spawn(agents, std::vector<agent_spec>{{"builtin", agent_kind::builtin}});
    auto services = std::make_shared<user_services>();
    services->rules.fill(rules);
    services->managers = managers;
    services->store = managers->store;
    services->reader = managers->reader;
    services->spawn_manager = [this, spawned = false](caf::local_actor* parent, user_actor owner,
                                                      manager_identity identity) mutable -> manager_actor {
      if (identity.thread.value != "t1" || std::exchange(spawned, true))
        return parent->spawn(manager, std::move(owner), std::move(identity), managers);
      caf::actor_config config{host.scheduler().unit(1)};
      return parent->system().spawn_class<blocking_manager, caf::no_spawn_options>(
          config, std::move(owner), std::move(identity), managers->store, blocked);
    };
    shard = spawn_on(host.scheduler().unit(0), directory,
                     [services](directory_pointer parent, const user_id& id, const std::string& tier) {
                       return user_actor{parent->spawn(user, directory_actor{parent}, id, tier, services)};
                     });
    caller = std::make_shared<listener>(id);
    caf::anon_send(shard, session_opened{id, {"ada"}, "free", session_link{caller}, {}});
    for (int i = 1; i <= threads; ++i)
      CAF_REQUIRE(open("t" + std::to_string(i)).contains("result"));
    post({{"type", "message.send"}, {"thread_id", "t1"}, {"content", "what blocks you?"}});
    take(blocked->entered);
  }

  /// Says a frame, as its session would pass it on.
  std::int64_t post(json frame) {
    frame["id"] = ++last_request;
    auto decoded = wire::decode(frame.dump(), id);
    std::visit(
        [&]<class Command>(Command& command) {
          if constexpr (actor_message<Command>) caf::anon_send(caller->user(), std::move(command));
        },
        std::get<wire::command>(decoded));
    return last_request;
  }

  json ask(json frame) {
    return caller->take(
        [request = post(std::move(frame))](const json& one) { return one.contains("id") && one["id"] == request; });
  }

  json open(const std::string& thread) { return ask({{"type", "thread.open"}, {"thread_id", thread}}); }

  json notice(const std::string& kind) {
    return caller->take(
        [&](const json& one) { return one.value("type", "") == "notice" && one.value("kind", "") == kind; });
  }

  user_report report() {
    user_report result;
    caf::scoped_actor self{*host.system};
    self->request(caller->user(), patience, get_user_report{})
        .receive([&](user_report& answer) { result = std::move(answer); },
                 [&](const caf::error& reason) { CAF_FAIL(host.system->render(reason)); });
    return result;
  }

  /// Returns how many managers are in a phase.
  std::ptrdiff_t count(manager_phase phase) {
    const auto all = report().managers;
    return std::count_if(all.begin(), all.end(), [&](const manager_report& one) { return one.phase == phase; });
  }

  /// Returns what t1's manager in use is a zombie by.
  std::vector<finding> evidence_of_t1() {
    for (const auto& one : report().managers)
      if (one.thread.value == "t1" && one.phase == manager_phase::open) return one.evidence;
    return {};
  }

  /// Lets somebody else go so that t1 gets a place, and another manager.
  void reopen_t1() {
    CAF_REQUIRE(ask({{"type", "thread.close"}, {"thread_id", "t2"}}).contains("result"));
    const auto reopened = open("t1");
    CAF_REQUIRE(reopened.contains("result"));
    CAF_CHECK_EQUAL(reopened["result"]["seq"], 0);
  }

  connection_id id = connection_id::make();
  std::shared_ptr<listener> caller;
  std::shared_ptr<blockade> blocked = std::make_shared<blockade>();
  user_rules rules;
  store_tests::temporary_directory folder;
  std::unique_ptr<storage_engine> engine = make_sqlite_engine(folder.file("gangway.db"));
  two_loops host;
  // Gone before the system, which waits until nobody holds the store.
  std::shared_ptr<manager_services> managers = std::make_shared<manager_services>();
  directory_actor shard;
  std::int64_t last_request = 0;
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(blocked_managers, blocked_manager_fixture)

CAF_TEST(a_manager_whose_handler_blocks_is_hung_and_makes_room_and_cannot_write_when_it_wakes) {
  block_one_of(20);
  const auto begin = steady_clock::now();
  CAF_REQUIRE(open("t21").contains("result"));
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(steady_clock::now() - begin);
  CAF_MESSAGE("the 21st was admitted after " << took.count() << " ms");
  CAF_CHECK(took >= rules.cleanup.probe_timeout);
  CAF_CHECK(took < 5s);
  const auto told = notice("manager_evicted");
  CAF_CHECK_EQUAL(told["thread_id"], "t1");
  CAF_CHECK_EQUAL(told["level"], "aggressive");
  CAF_CHECK_EQUAL(told["evidence"], json::array({"hung"}));
  CAF_CHECK_EQUAL(count(manager_phase::open), 20);
  CAF_CHECK_EQUAL(count(manager_phase::retiring), 1);

  reopen_t1();
  blocked->lift();
  CAF_CHECK_EQUAL(take(blocked->written), "stale_generation");
  take(blocked->destroyed);
  CAF_CHECK(comes_true([&] { return report().managers.size() == 20; }));
  // Its place in the log is the new manager's.
  const auto history = ask({{"type", "thread.history"}, {"thread_id", "t1"}});
  CAF_CHECK_EQUAL(history["result"]["messages"], json::array());
  CAF_CHECK(ask({{"type", "message.send"}, {"thread_id", "t1"}, {"content", "say hello"}})["result"]["seq"] == 1);
}

CAF_TEST(a_blocked_manager_is_known_to_be_hung_before_anybody_needs_its_place) {
  rules.heartbeat = {400ms, 300ms};
  // One more, and the cleanup in the background begins.
  block_one_of(17);
  CAF_REQUIRE(comes_true([&] { return evidence_of_t1() == std::vector{finding::hung}; }));
  // Whoever waited for it is told.
  const auto answer = caller->take([&](const json& one) { return one.contains("id") && one["id"] == last_request; });
  CAF_CHECK_EQUAL(answer["error"]["code"], "internal");
  CAF_REQUIRE(open("t18").contains("result"));
  const auto told = notice("manager_evicted");
  CAF_CHECK_EQUAL(told["thread_id"], "t1");
  CAF_CHECK_EQUAL(told["level"], "conservative");
  CAF_CHECK_EQUAL(told["evidence"], json::array({"hung"}));
}

CAF_TEST(a_blocked_manager_that_not_even_a_kill_ends_is_a_leak_until_its_handler_returns) {
  rules.retire_timeout = 100ms;
  block_one_of(20);
  CAF_REQUIRE(open("t21").contains("result"));
  CAF_REQUIRE(comes_true([&] { return count(manager_phase::leaked) == 1; }));
  CAF_CHECK_EQUAL(count(manager_phase::open), 20);
  reopen_t1();
  blocked->lift();
  take(blocked->destroyed);
  CAF_CHECK(comes_true([&] { return report().managers.size() == 20; }));
  const auto history = ask({{"type", "thread.history"}, {"thread_id", "t1"}});
  CAF_CHECK_EQUAL(history["result"]["messages"], json::array());
}

CAF_TEST_FIXTURE_SCOPE_END()
