#include "actors/directory.hpp"

#include <utility>

#include "actors/counting.hpp"

namespace gangway {

directory_state::~directory_state() {
  for (const auto& [id, known] : users_)
    caf::anon_send_exit(known.actor, caf::exit_reason::user_shutdown);
}

void directory_state::start(directory_pointer self, user_starter spawn_user) {
  self_ = self;
  spawn_user_ = std::move(spawn_user);
}

void directory_state::on_session_opened(const session_opened& report) {
  auto [found, is_new] = users_.try_emplace(report.user);
  auto& known = found->second;
  if (is_new) {
    known.actor = spawn_user_(self_, report.user, report.tier);
    self_->monitor(known.actor);
    names_[known.actor.id()] = &found->first;
    ++tally_.users;
    if (retiring_) self_->send(known.actor, retire{});
    if (pressed_) self_->send(known.actor, pressure_changed{true});
  }
  ++known.sessions;
  self_->send(known.actor, report);
}

void directory_state::on_user_counted(const user_counted& report) {
  const auto& sender = self_->current_sender();
  auto name = sender ? names_.find(sender->id()) : names_.end();
  if (name == names_.end()) return;
  auto& known = users_.at(*name->second);
  recount(tally_, known.counted, report);
  known.counted = report;
}

template <class Report>
void directory_state::on_counted(const Report& report) {
  count(measures_, report);
}

// Nobody waits for what comes of it: the supervisor looks at the node again instead. Sent by nobody, so that the
// answer goes to nobody.
void directory_state::on_relieve(const relieve& order) {
  for (const auto& [id, known] : users_)
    if (known.counted.tier == order.tier && known.counted.managers > 0)
      caf::anon_send(known.actor, clean_up{cleanup_scope::node, order.level, 0, false});
}

void directory_state::on_pressure_changed(const pressure_changed& report) {
  if (report.pressed == std::exchange(pressed_, report.pressed)) return;
  for (const auto& [id, known] : users_)
    self_->send(known.actor, report);
}

void directory_state::forget(const user_id& user) {
  auto found = users_.find(user);
  recount(tally_, found->second.counted, {});
  --tally_.users;
  names_.erase(found->second.actor.id());
  users_.erase(found);
}

// Only the directory knows whether it has passed on a connection that the user has not seen yet.
void directory_state::on_user_idled(const user_idled& report) {
  auto found = users_.find(report.user);
  if (found == users_.end() || found->second.sessions != report.sessions) return;
  const auto actor = found->second.actor;
  forget(user_id{report.user});
  ++ending_;
  self_->send(actor, retire{});
}

void directory_state::on_user_down(const caf::down_msg& report) {
  if (auto name = names_.find(report.source.id()); name != names_.end())
    forget(user_id{*name->second});
  else
    --ending_;
  if (retiring_ && users_.empty() && ending_ == 0) self_->quit();
}

tally directory_state::on_get_tally() const { return tally_; }

measured directory_state::on_get_measures() const { return {measures_}; }

std::vector<user_actor> directory_state::on_get_users(const get_users& question) const {
  std::vector<user_actor> result;
  if (question.user) {
    if (auto found = users_.find(*question.user); found != users_.end()) result.push_back(found->second.actor);
    return result;
  }
  for (const auto& [id, known] : users_) {
    if (result.size() == question.limit) break;
    result.push_back(known.actor);
  }
  return result;
}

void directory_state::on_retire() {
  retiring_ = true;
  for (const auto& [id, known] : users_)
    self_->send(known.actor, retire{});
  if (users_.empty() && ending_ == 0) self_->quit();
}

directory_actor::behavior_type directory(directory_pointer self, user_starter spawn_user) {
  auto* state = &self->state;
  self->set_down_handler([=](const caf::down_msg& report) { state->on_user_down(report); });
  state->start(self, std::move(spawn_user));
  return {
      [=](const session_opened& report) { state->on_session_opened(report); },
      [=](const user_counted& report) { state->on_user_counted(report); },
      [=](const admission_ended& report) { state->on_counted(report); },
      [=](const probe_ended& report) { state->on_counted(report); },
      [=](const cleanup_ended& report) { state->on_counted(report); },
      [=](const connection_ended& report) { state->on_counted(report); },
      [=](const thread_opened& report) { state->on_counted(report); },
      [=](const run_finished& report) { state->on_counted(report); },
      [=](const get_measures&) { return state->on_get_measures(); },
      [=](const relieve& order) { state->on_relieve(order); },
      [=](const pressure_changed& report) { state->on_pressure_changed(report); },
      [=](const get_tally&) { return state->on_get_tally(); },
      [=](const user_idled& report) { state->on_user_idled(report); },
      [=](const get_users& question) { return state->on_get_users(question); },
      [=](const retire&) { state->on_retire(); },
      [=](const get_vitals&) { return self->vitals(); },
  };
}

} // namespace gangway
