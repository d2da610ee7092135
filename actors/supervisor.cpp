#include "actors/supervisor.hpp"

#include <utility>

#include "actors/agents.hpp"
#include "actors/directory.hpp"
#include "actors/store.hpp"
#include "actors/store_reader.hpp"

namespace gangway {

namespace {

constexpr std::chrono::milliseconds pressure_interval{1'000};

std::string_view to_string(pressure_level level) noexcept {
  switch (level) {
  case pressure_level::normal:
    return "normal";
  case pressure_level::elevated:
    return "elevated";
  case pressure_level::critical:
    return "critical";
  }
  return "normal";
}

// A shard and all of its users live on the loop that it is given.
directory_actor spawn_directory(supervisor_pointer self, caf::execution_unit* home, const user_starter& spawn_user) {
  if (home == nullptr) return self->spawn(directory, spawn_user);
  caf::actor_config config{home};
  auto* function = &directory;
  return self->system().spawn_functor<caf::no_spawn_options>(std::true_type{}, config, function, spawn_user);
}

} // namespace

void supervisor_state::start(supervisor_pointer self, tree_config config) {
  self_ = self;
  give_up_ = std::move(config.give_up);
  inspector_ = config.inspector;
  if (config.own_threads) {
    store_ = self->spawn<caf::detached>(store, std::move(config.writer), inspector_, config.history);
    reader_ = self->spawn<caf::detached>(store_reader, std::move(config.reader), store_);
  } else {
    store_ = self->spawn(store, std::move(config.writer), inspector_, config.history);
    reader_ = self->spawn(store_reader, std::move(config.reader), store_);
  }
  agents_ = self->spawn(agents, std::move(config.agents));
  auto services = std::make_shared<user_services>();
  services->rules = config.users;
  services->store = store_;
  services->reader = reader_;
  services->managers = std::make_shared<const manager_services>(
      manager_services{store_, reader_, agents_, config.delivery_bytes_max, config.run_detached_max});
  services->spawn_manager = [managers = services->managers](caf::local_actor* parent, user_actor owner,
                                                            manager_identity identity) -> manager_actor {
    return parent->spawn<caf::lazy_init>(manager, std::move(owner), std::move(identity), managers);
  };
  const user_starter spawn_user = [services](directory_pointer shard, const user_id& id, const std::string& tier) {
    return user_actor{shard->spawn<caf::lazy_init>(user, directory_actor{shard}, id, tier, services)};
  };
  if (config.homes.empty()) config.homes.push_back(nullptr);
  for (auto* home : config.homes)
    directories_.push_back(spawn_directory(self, home, spawn_user));
  for (const auto& shard : directories_)
    self->monitor(shard);
  self->monitor(store_);
  self->monitor(reader_);
  self->monitor(agents_);
  self->monitor(inspector_);
  self->send(inspector_, tree_grown{directories_, store_, reader_, agents_});
  self->send(inspector_, component_changed{"agents", ""});
  pressure_rules_ = config.pressure;
  read_node_ = std::move(config.read_node);
  set_doors_ = std::move(config.set_doors);
  if (read_node_) self->delayed_send(self, pressure_interval, pressure_tick{});
}

template <class Message>
void supervisor_state::tell_directories(const Message& message) {
  for (const auto& shard : directories_)
    self_->send(shard, message);
}

// -- node pressure --

void supervisor_state::on_pressure_tick() {
  if (ending_) return;
  const auto reading = read_node_();
  const auto before = pressure_.level;
  const auto [state, order] = look_at_pressure(pressure_, reading, pressure_rules_, self_->clock().now());
  pressure_ = state;
  if (pressure_.level != before) on_pressure_changed(before, reading);
  if (order) {
    log::info("users are cleaned up for the node",
              {{"tier", to_string(order->tier)}, {"level", to_string(order->level)}});
    tell_directories(relieve{order->tier, order->level});
  }
  self_->delayed_send(self_, pressure_interval, pressure_tick{});
}

void supervisor_state::on_pressure_changed(pressure_level before, const node_reading& reading) {
  log::write(pressure_.level > before ? log::level::warning : log::level::info, "the pressure on the node changed",
             {{"level", to_string(pressure_.level)},
              {"before", to_string(before)},
              {"memory_used", reading.memory_used},
              {"memory_max", reading.memory_max},
              {"loop_lag_ms", reading.loop_lag.count()},
              {"connections", reading.connections},
              {"connections_max", reading.connections_max}});
  if (const auto doors = doors_under(pressure_.level); set_doors_ && doors != doors_under(before)) set_doors_(doors);
  if (const bool grace = allows_grace(pressure_.level); grace != allows_grace(before))
    tell_directories(pressure_changed{!grace});
}

// -- the end: users first, so that what they still have to say reaches the store; then the store --

caf::typed_response_promise<shutdown_report> supervisor_state::on_shut_down(const shut_down& order) {
  ended_ = self_->make_response_promise<shutdown_report>();
  ending_ = true;
  patience_ = order.deadline;
  for (const auto& shard : directories_)
    end(shard);
  self_->delayed_send(self_, patience_, shutdown_deadline_tick{});
  return ended_;
}

// Monitored anew: if it has ended already, that is news once more.
template <class Actor>
void supervisor_state::end(const Actor& actor) {
  awaited_.push_back(actor.address());
  self_->monitor(actor);
  self_->send(actor, retire{});
}

void supervisor_state::end_step() {
  // The writer closes the database last and then leaves no write-ahead log behind.
  if (reader_) {
    const auto reader = std::exchange(reader_, nullptr);
    awaited_.push_back(reader.address());
    self_->monitor(reader);
    self_->send_exit(reader, caf::exit_reason::user_shutdown);
    return;
  }
  if (store_) {
    end(std::exchange(store_, nullptr));
    self_->delayed_send(self_, patience_, shutdown_deadline_tick{});
    return;
  }
  self_->send_exit(agents_, caf::exit_reason::user_shutdown);
  self_->send_exit(inspector_, caf::exit_reason::user_shutdown);
  ended_.deliver(report_);
  self_->quit();
}

void supervisor_state::on_deadline() {
  for (const auto& late : awaited_) {
    ++report_.killed;
    self_->send_exit(late, caf::exit_reason::kill);
  }
}

void supervisor_state::on_down(const caf::down_msg& report) {
  if (!ending_) {
    const auto reason = self_->system().render(report.reason);
    log::error("a part of the server ended that nothing works without", {{"reason", reason}});
    give_up_(reason);
    return;
  }
  const auto ended = std::erase_if(awaited_, [&](const caf::actor_addr& late) { return late == report.source; });
  if (ended > 0 && awaited_.empty()) end_step();
}

supervisor_private::behavior_type supervisor(supervisor_pointer self, tree_config config) {
  auto* state = &self->state;
  self->set_down_handler([=](const caf::down_msg& report) { state->on_down(report); });
  state->start(self, std::move(config));
  return {
      [=](const get_directories&) { return state->on_get_directories(); },
      [=](const shut_down& order) { return state->on_shut_down(order); },
      [=](const pressure_tick&) { state->on_pressure_tick(); },
      [=](const shutdown_deadline_tick&) { state->on_deadline(); },
  };
}

} // namespace gangway
