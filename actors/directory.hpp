#pragma once

/// A shard of the directory: starts users on demand, forgets empty ones, counts them and what happens at them.
/// There is one per event loop, and its users live on that loop.

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <unordered_map>
#include <vector>

#include "actors/actor_base.hpp"
#include "protocol/actors.hpp"

namespace gangway {

class directory_state;
using directory_pointer = actor_pointer<directory_state, directory_actor>;

/// Starts a user as the directory's child. Tests put users that misbehave here.
using user_starter = std::function<user_actor(directory_pointer, const user_id&, const std::string& tier)>;

class directory_state {
public:
  static inline const char* name = "directory";

  ~directory_state();

  void start(directory_pointer self, user_starter spawn_user);

  void on_session_opened(const session_opened& report);
  void on_user_counted(const user_counted& report);
  template <class Report>
  void on_counted(const Report& report);
  void on_relieve(const relieve& order);
  void on_pressure_changed(const pressure_changed& report);
  void on_user_idled(const user_idled& report);
  void on_user_down(const caf::down_msg& report);
  tally on_get_tally() const;
  measured on_get_measures() const;
  std::vector<user_actor> on_get_users(const get_users& question) const;
  void on_retire();

private:
  /// What is known of one user.
  struct entry {
    user_actor actor;
    std::uint64_t sessions = 0; ///< that were passed on
    user_counted counted;
  };

  void forget(const user_id& user);

  directory_pointer self_ = nullptr;
  user_starter spawn_user_;
  std::unordered_map<user_id, entry> users_;
  std::unordered_map<caf::actor_id, const user_id*> names_; ///< into the keys of `users_`
  tally tally_;
  measures measures_;
  std::size_t ending_ = 0; ///< forgotten users that have not ended yet
  bool pressed_ = false;   ///< the node is short of something
  bool retiring_ = false;
};

/// Returns the behaviour of a directory shard.
directory_actor::behavior_type directory(directory_pointer self, user_starter spawn_user);

} // namespace gangway
