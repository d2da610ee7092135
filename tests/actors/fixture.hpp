#pragma once

/// The tree in virtual time: the production actors and a real SQLite file, under CAF's deterministic scheduler. Only
/// sockets are played, by clients that say frames as text and keep a transcript of what they hear.

#include <chrono>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <variant>
#include <vector>

#include <nlohmann/json.hpp>

#include "actors/agents.hpp"
#include "actors/directory.hpp"
#include "actors/manager.hpp"
#include "actors/store.hpp"
#include "actors/store/engine.hpp"
#include "actors/store_reader.hpp"
#include "actors/user.hpp"
#include "protocol/open_requests.hpp"
#include "protocol/wire.hpp"
#include "tests/actors/failing_writer.hpp"

#include <caf/test/dsl.hpp>

namespace gangway::test {

using namespace std::chrono_literals;
using nlohmann::json;

/// What a socket would be: keeps everything that is sent to it.
class played_session final : public session_port {
public:
  void send(frame text) override {
    heard.push_back(json::parse(*text));
    if (on_frame) on_frame(json(heard.back())); // a copy: what it does may be heard here too
  }

  void ask_turn(turn_request wish) override {
    wishes.push_back(std::move(wish));
    if (reads) grant();
  }

  void end_turn(caf::weak_actor_ptr whom, std::uint64_t number) override {
    std::erase_if(wishes, [&](const turn_request& wish) { return wish.whom == whom && wish.number == number; });
  }

  /// Lets everybody send who wants to.
  void grant() {
    for (const auto& wish : std::exchange(wishes, {}))
      if (const auto whom = caf::actor_cast<caf::actor>(wish.whom)) caf::anon_send(whom, turn_granted{id, wish.number});
  }

  void mark(caf::weak_actor_ptr whom, std::uint32_t bytes) override {
    marks.emplace_back(caf::actor_cast<manager_actor>(whom), bytes);
    if (reads) read();
  }

  /// Takes what was sent.
  void read() {
    grant();
    for (auto& [whom, bytes] : std::exchange(marks, {}))
      if (whom) caf::anon_send(whom, frames_written{id, bytes});
  }

  void reply(std::int64_t request, frame text) override {
    if (requests.settle(request)) send(std::move(text));
  }

  void ping(std::uint64_t nonce) override {
    pings.push_back(nonce);
    if (turns && admitted_by) {
      auto seen = sees;
      seen.nonce = nonce;
      caf::anon_send(admitted_by, link_observed{id, seen});
    }
    if (answers) caf::anon_send(admitted_by, pong_received{id, nonce});
  }

  void admit(caf::strong_actor_ptr user) override { admitted_by = caf::actor_cast<user_actor>(user); }

  void close(close_reason reason) override {
    closed.push_back(reason);
    if (answers && admitted_by) caf::anon_send(admitted_by, session_closed{id});
  }

  connection_id id;
  bool reads = true; ///< everything at once; otherwise only what the test lets it `read`
  std::vector<std::pair<manager_actor, std::uint32_t>> marks;
  std::vector<turn_request> wishes;
  bool answers = false;                      ///< every ping at once; otherwise somebody who looks connected and is not
  bool turns = true;                         ///< its loop; while that stands still it looks at nothing
  link_observation sees;                     ///< with every ping
  std::function<void(const json&)> on_frame; ///< while its user still handles what led to it
  open_requests requests;
  std::vector<json> heard;
  std::vector<std::uint64_t> pings;
  std::vector<close_reason> closed;
  user_actor admitted_by;
};

struct tree_fixture : test_coordinator_fixture<> {
  /// One connection of one user.
  struct client {
    tree_fixture* tree = nullptr;
    connection_id id;
    std::shared_ptr<played_session> session;

    /// Says a frame, as its session would pass it on, and lets everything that follows happen.
    void say(const json& frame) {
      whisper(frame);
      tree->settle();
    }

    /// Says a frame; nothing happens yet.
    void whisper(const json& frame) {
      auto decoded = wire::decode(frame.dump(), id);
      if (auto* refused = std::get_if<wire::refusal>(&decoded)) CAF_FAIL("refused: " << refused->error.message);
      if (const auto request = frame.find("id"); request != frame.end()) session->requests.open(*request);
      std::visit(
          [&](auto& command) {
            using command_type = std::decay_t<decltype(command)>;
            if constexpr (actor_message<command_type>)
              caf::anon_send(session->admitted_by, std::move(command));
            else
              CAF_FAIL("not for the user actor");
          },
          std::get<wire::command>(decoded));
    }

    /// Returns what was heard since the last time.
    std::vector<json> take() { return std::exchange(session->heard, {}); }

    /// Says a frame with an id; returns the reply. Everything else that was heard stays in the transcript.
    json ask(const json& frame) {
      const auto request = post(frame);
      tree->settle();
      return take_reply(request);
    }

    /// Says a frame with an id, and returns that; nothing happens yet.
    std::int64_t post(json frame) {
      static std::int64_t next = 1000;
      frame["id"] = ++next;
      whisper(frame);
      return next;
    }

    /// Returns the reply to a request, and null as long as there is none.
    json take_reply(std::int64_t request) {
      for (auto one = session->heard.begin(); one != session->heard.end(); ++one) {
        if (one->contains("id") && (*one)["id"] == request) {
          auto reply = *one;
          session->heard.erase(one);
          return reply;
        }
      }
      return nullptr;
    }

    /// Returns the `event` frames heard since the last time, of one thread.
    std::vector<json> take_events(const std::string& thread = "t1") {
      std::vector<json> result;
      for (auto& one : take())
        if (one.value("type", "") == "event" && one["thread_id"] == thread) result.push_back(one);
      return result;
    }

    /// Vanishes, as the session reports it.
    void vanish() {
      caf::anon_send(session->admitted_by, session_closed{id});
      tree->settle();
    }

    void pong() {
      caf::anon_send(session->admitted_by, pong_received{id, session->pings.back()});
      tree->settle();
    }
  };

  tree_fixture() {
    std::string pattern = (std::filesystem::temp_directory_path() / "gangway-test-XXXXXX").string();
    directory_path = ::mkdtemp(pattern.data());
    // Nobody answers pings here unless a test is about them.
    rules.heartbeat = {24h, 10s};
    services->spawn_manager = [this](caf::local_actor* parent, user_actor owner, manager_identity identity) {
      return parent->spawn(manager, std::move(owner), std::move(identity), managers);
    };
    start();
  }

  ~tree_fixture() override {
    stop();
    std::filesystem::remove_all(directory_path);
  }

  /// Starts the store and everything that stands on it.
  void start() {
    engine = make_sqlite_engine(directory_path / "gangway.db");
    auto writer = std::make_unique<failing_writer>(engine->make_writer(), disk);
    auto reader = engine->make_reader();
    managers = std::make_shared<manager_services>();
    managers->store = sys.spawn(store, std::move(writer), inspector_actor{}, std::nullopt);
    managers->reader = sys.spawn(store_reader, std::move(reader), managers->store);
    managers->agents = sys.spawn(agents, std::vector<agent_spec>{{"builtin", agent_kind::builtin}});
    services->store = managers->store;
    services->reader = managers->reader;
    shard = sys.spawn(directory, [this](directory_pointer parent, const user_id& id, const std::string& tier) {
      return user_actor{parent->spawn(user, directory_actor{parent}, id, tier, services)};
    });
    settle();
  }

  /// Kills everything at once: what a crash of the process leaves is the file.
  void stop() {
    for (const auto& actor :
         {caf::actor_cast<caf::strong_actor_ptr>(shard), caf::actor_cast<caf::strong_actor_ptr>(managers->store),
          caf::actor_cast<caf::strong_actor_ptr>(managers->reader),
          caf::actor_cast<caf::strong_actor_ptr>(managers->agents)})
      caf::anon_send_exit(actor, caf::exit_reason::kill);
    settle();
    sched.clock().cancel_all();
  }

  /// Lets everything happen that needs no time.
  void settle() {
    while (sched.try_run_once()) {
    }
  }

  /// Lets time pass in steps, so that a tick that re-arms itself fires as often as it should.
  void elapse(std::chrono::milliseconds total, std::chrono::milliseconds step = 10ms) {
    for (auto passed = 0ms; passed < total; passed += step) {
      sched.advance_time(std::min(step, total - passed));
      settle();
    }
  }

  client connect(const std::string& name, const std::string& tier = "free") {
    client result{this, connection_id::make(), std::make_shared<played_session>()};
    result.session->id = result.id;
    caf::anon_send(shard, session_opened{result.id, {name}, tier, session_link{result.session}, {}});
    settle();
    return result;
  }

  user_report report_of(const client& whose) {
    user_report result;
    auto question = self->request(whose.session->admitted_by, caf::infinite, get_user_report{});
    settle();
    question.receive([&](const user_report& report) { result = report; },
                     [&](const caf::error& reason) { CAF_FAIL(sys.render(reason)); });
    return result;
  }

  tally count() {
    tally result;
    auto question = self->request(shard, caf::infinite, get_tally{});
    settle();
    question.receive([&](const tally& report) { result = report; },
                     [&](const caf::error& reason) { CAF_FAIL(sys.render(reason)); });
    return result;
  }

  std::filesystem::path directory_path;
  std::shared_ptr<disk_fault> disk = std::make_shared<disk_fault>();
  std::unique_ptr<storage_engine> engine;
  std::shared_ptr<manager_services> managers;
  std::shared_ptr<user_services> services = std::make_shared<user_services>();
  user_rules& rules = services->rules[0]; ///< of the tier that everybody has unless a test says otherwise
  directory_actor shard;
};

/// Returns the types of events, in order.
inline std::vector<std::string> types_of(const std::vector<json>& events) {
  std::vector<std::string> result;
  for (const auto& one : events)
    result.push_back(one["event"]["type"]);
  return result;
}

/// Returns `{"type":"thread.open",…}`.
inline json open(const std::string& thread) { return {{"type", "thread.open"}, {"thread_id", thread}}; }

/// Returns `{"type":"thread.open",…}` from a position on.
inline json open_at(const std::string& thread, const std::string& epoch, std::uint64_t after) {
  auto frame = open(thread);
  frame["epoch"] = epoch;
  frame["after_seq"] = after;
  return frame;
}

/// Returns `{"type":"message.send",…}`.
inline json message(const std::string& thread, const std::string& content) {
  return {{"type", "message.send"}, {"thread_id", thread}, {"content", content}};
}

} // namespace gangway::test
