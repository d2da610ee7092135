#include "server/serve.hpp"
#include "server/backups.hpp"

#include <algorithm>
#include <condition_variable>
#include <csignal>
#include <initializer_list>
#include <iostream>
#include <limits>
#include <memory>
#include <mutex>
#include <stop_token>
#include <thread>
#include <utility>

#include <caf/all.hpp>
#include <sys/resource.h>
#include <unistd.h>

#include "actors/agents.hpp"
#include "actors/inspector.hpp"
#include "actors/store/engine.hpp"
#include "actors/supervisor.hpp"
#include "net/asio_scheduler.hpp"
#include "net/event_loops.hpp"
#include "net/loop_watchdog.hpp"
#include "net/server.hpp"
#include "protocol/log.hpp"
#include "server/node_memory.hpp"
#include "server/open_doors.hpp"
#include "server/rules.hpp"

namespace gangway {

namespace {

std::size_t loops_of(const settings& values) {
  if (values.loop.threads > 0) return values.loop.threads;
  return std::max(1u, std::thread::hardware_concurrency());
}

std::vector<agent_spec> agents_of(const settings& values) {
  std::vector<agent_spec> result;
  for (const auto& agent : values.agents)
    result.push_back({agent.name, agent_kind::builtin});
  return result;
}

// From a thread of its own, while the log may be stuck.
void write_last_line(const settings& values, const std::string& line) {
  const bool as_text = values.log.format == "text" || (values.log.format == "auto" && ::isatty(STDERR_FILENO) != 0);
  std::cerr << (as_text ? log::text_line : log::json_line)(log::level::error, utc_now(), line, {}) << std::endl;
}

// As many sockets as the system allows, without anybody having to say so. Returns how many descriptors there may be.
std::uint64_t raise_descriptor_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) return std::numeric_limits<std::uint64_t>::max();
  auto raised = limit;
  raised.rlim_cur = limit.rlim_max;
  return ::setrlimit(RLIMIT_NOFILE, &raised) == 0 ? raised.rlim_cur : limit.rlim_cur;
}

node_reading read_node(const settings& values, const event_loops& loops, const server& front,
                       std::uint32_t connections_max) {
  node_reading result;
  result.memory_used = find_memory_used(read_small_file);
  result.memory_max = values.node.memory_max.bytes;
  // Asked each time: a container's limit may be raised while it runs.
  if (result.memory_max == 0) result.memory_max = find_memory_max(read_small_file);
  for (std::size_t loop = 0; loop < loops.size(); ++loop)
    result.loop_lag = std::max(result.loop_lag, std::chrono::duration_cast<std::chrono::milliseconds>(loops.lag(loop)));
  result.connections = front.connections();
  result.connections_max = connections_max;
  return result;
}

/// Ends the process if an orderly end takes too long: a store that hangs in the kernel cannot be killed.
class last_resort {
public:
  static constexpr std::chrono::seconds grace{3};

  void arm(std::chrono::steady_clock::time_point when) {
    thread_ = std::jthread{[when](const std::stop_token& ended) {
      std::mutex mutex;
      std::unique_lock lock{mutex};
      std::condition_variable_any changed;
      if (changed.wait_until(lock, ended, when, [&] { return ended.stop_requested(); })) return;
      std::cerr << "gangwayd: the end took too long" << std::endl;
      std::_Exit(1);
    }};
  }

private:
  std::jthread thread_;
};

int refuse_to_start(const std::string& reason) {
  log::error("cannot start", {{"reason", reason}});
  return 1;
}

// Exchanges what can be exchanged while the server runs. What cannot be read leaves what is in force.
void reload(const settings& values, server& front) {
  const auto complain = [](const std::string& reason) {
    log::error("not reloaded", {{"reason", reason}, {"instead", "what was in force stays"}});
  };
  auto keys = load_keys(values);
  auto certificate = load_certificate(values);
  if (const auto* reason = std::get_if<std::string>(&keys)) {
    complain(*reason);
  } else if (auto& loaded = std::get<std::shared_ptr<const key_set>>(keys)) {
    log::info("reloaded", {{"what", "the keys that tokens are checked by"}, {"keys", loaded->size()}});
    front.use_keys(std::move(loaded));
  }
  if (const auto* reason = std::get_if<std::string>(&certificate)) {
    complain(*reason);
  } else if (auto& loaded = std::get<tls_context>(certificate)) {
    log::info("reloaded", {{"what", "the certificate and its key"}});
    front.use_certificate(std::move(loaded));
  }
  log::info("other settings need a restart");
}

// The address as a person would type it, with the port that the kernel chose.
std::string address_of(const std::string& configured, std::uint16_t port) {
  return configured.substr(0, configured.rfind(':') + 1) + std::to_string(port);
}

// Sent to ourselves when a part has failed that nothing works without.
constexpr int part_failed = SIGUSR1;

sigset_t signals_of(std::initializer_list<int> numbers) {
  sigset_t result;
  sigemptyset(&result);
  for (const auto number : numbers)
    sigaddset(&result, number);
  return result;
}

sigset_t our_signals() { return signals_of({SIGTERM, SIGINT, SIGHUP, part_failed}); }

bool is_pending(int signal) {
  sigset_t pending;
  return sigpending(&pending) == 0 && sigismember(&pending, signal) == 1;
}

} // namespace

void block_signals() {
  const auto signals = our_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
  std::signal(SIGPIPE, SIG_IGN);
}

int serve(const settings& values, const std::string& development_secret,
          const std::function<std::string()>& on_claimed) {
  const auto signals = our_signals();
  // A SIGHUP asks to reload, unless it says that the terminal from which we were started is gone.
  const auto has_terminal = ::isatty(STDIN_FILENO);

  auto agents = agents_of(values);
  if (const auto reason = validate(agents); !reason.empty()) return refuse_to_start(reason);

  const auto connections_max = connections_max_of(values, raise_descriptor_limit());
  auto opened = doors_of(values, development_secret, connections_max);
  if (const auto* reason = std::get_if<std::string>(&opened)) return refuse_to_start(*reason);
  auto& ways_in = std::get<doors>(opened);
  // Before everything whose end may have to wait for somebody, such as a lookup of a name.
  last_resort end_in_time;
  event_loops loops{loops_of(values)};
  caf::actor_system_config config;
  asio_scheduler::install(config, loops);
  loop_watchdog watchdog{loops, values.loop.stall_max,
                         [&values](const std::string& line) { write_last_line(values, line); }};
  caf::actor_system system{config};
  auto& scheduler = asio_scheduler::of(system);

  server_facts facts{GANGWAY_VERSION, values.environment, values.limits.managers_per_user,
                     values.limits.connections_per_user, [&loops] {
                       std::vector<std::chrono::nanoseconds> lag;
                       for (std::size_t loop = 0; loop < loops.size(); ++loop)
                         lag.push_back(loops.lag(loop));
                       return lag;
                     }};
  for (const auto& agent : agents)
    facts.agents.push_back(agent.name);
  // Filled before the inspector is told that the ports are open, and read behind that.
  std::string address;
  std::string admin_address;
  facts.on_ready = [&] {
    log::info("ready", {{"listen", address},
                        {"admin_listen", admin_address},
                        {"environment", values.environment},
                        {"version", GANGWAY_VERSION},
                        {"tls", !values.tls.key_file.empty()},
                        {"loops", loops.size()}});
  };
  facts.backups = make_backups(values.store.path);
  facts.inbound = [budget = ways_in.inbound] {
    const auto held = budget->held();
    return inbound_use{held.strangers, held.users};
  };
  const auto inspector_handle = system.spawn(inspector, std::move(facts));
  // The ports open first: while the store opens, the health check says so, and visitors are asked to come again.
  ways_in.behind.inspector = inspector_handle;
  server front{loops, std::move(ways_in)};
  const auto give_back = [&](const std::string& reason) {
    front.shut_down({close_code::going_away, "the server cannot start", {}}, {}, std::chrono::steady_clock::now());
    caf::anon_send_exit(inspector_handle, caf::exit_reason::user_shutdown);
    return refuse_to_start(reason);
  };
  const auto visitors = front.listen(values.listen, door::visitors);
  if (const auto* reason = std::get_if<std::string>(&visitors)) return give_back(*reason);
  const auto administrators = front.listen(values.admin.listen, door::administrators);
  if (const auto* reason = std::get_if<std::string>(&administrators)) return give_back(*reason);

  tree_config tree;
  try {
    const auto engine = make_sqlite_engine(values.store.path);
    tree.writer = engine->make_writer();
    tree.reader = engine->make_reader();
  } catch (const storage_error& error) {
    return give_back(error.what());
  }
  remove_left_over_backup(values.store.path);
  if (const auto reason = on_claimed(); !reason.empty()) return give_back(reason);
  for (std::size_t loop = 0; loop < loops.size(); ++loop)
    tree.homes.push_back(scheduler.unit(loop));
  tree.agents = std::move(agents);
  tree.delivery_bytes_max = delivery_bytes_max_of(values);
  tree.run_detached_max = values.run.detached_max;
  tree.users = user_rules_of(values);
  tree.history = history_rules_of(values);
  tree.pressure = pressure_rules_of(values);
  tree.read_node = [&values, &loops, &front, connections_max] {
    return read_node(values, loops, front, connections_max);
  };
  tree.set_doors = [&front](const door_policy& policy) { front.set_gate({policy.open_to_tier, policy.retry_after}); };
  tree.inspector = inspector_handle;
  tree.give_up = [](const std::string&) { ::kill(::getpid(), part_failed); };
  const auto supervisor_handle = supervisor_actor{system.spawn(supervisor, std::move(tree))};

  caf::scoped_actor self{system};
  self->request(supervisor_handle, caf::infinite, get_directories{})
      .receive([&](std::vector<directory_actor>& directories) { front.open_to(std::move(directories)); },
               [](const caf::error&) {});
  address = address_of(values.listen, std::get<std::uint16_t>(visitors));
  admin_address = address_of(values.admin.listen, std::get<std::uint16_t>(administrators));
  // `ready` is in the log once /health says so, too: that may have to wait for keys.
  caf::anon_send(inspector_handle, component_changed{"listeners", ""});
  if (!values.auth.simulation_secret.empty()) log::warning("whoever has auth.simulation_secret can sign in as anybody");
  if (values.auth.insecure_query_token)
    log::warning("auth.insecure_query_token: tokens in addresses end up in other people's logs");
  if (!development_secret.empty())
    std::cerr << "\n  Gangway " GANGWAY_VERSION ", development mode: anybody on this machine may sign in as anybody.\n"
              << "  Open http" << (values.tls.key_file.empty() ? "" : "s") << "://" << address << "/\n"
              << std::endl;

  int signal = 0;
  while (sigwait(&signals, &signal) == 0 && signal == SIGHUP && ::isatty(STDIN_FILENO) == has_terminal)
    reload(values, front);
  // Whoever asks twice does not want to wait. A reload, or a part that fails now, is no reason to leave clients untold:
  // these signals stay blocked.
  const auto insisting = signals_of({SIGTERM, SIGINT});
  pthread_sigmask(SIG_UNBLOCK, &insisting, nullptr);
  log::info("shutting down", {{"signal", signal}});
  caf::anon_send(inspector_handle, component_changed{"listeners", "shutting down"});
  const auto deadline = std::chrono::steady_clock::now() + values.shutdown.timeout;
  end_in_time.arm(deadline + last_resort::grace);
  front.shut_down({close_code::going_away, "the server is shutting down", {}},
                  {values.shutdown.batch_size, values.shutdown.batch_interval}, deadline);
  const auto left =
      std::max(std::chrono::milliseconds{1000},
               std::chrono::duration_cast<std::chrono::milliseconds>(deadline - std::chrono::steady_clock::now()));
  int status = signal == part_failed ? 1 : 0;
  self->request(supervisor_handle, caf::infinite, shut_down{left})
      .receive(
          [&](const shutdown_report& report) {
            log::info("ended", {{"killed", report.killed}});
          },
          [&](const caf::error&) { status = 1; });
  // What failed while the server ended.
  if (is_pending(part_failed)) status = 1;
  return status;
}

} // namespace gangway
