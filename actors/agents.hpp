#pragma once

/// The agents: the configured back ends. Which of them answers a message is asked here.

#include <string>
#include <vector>

#include "actors/actor_base.hpp"
#include "protocol/actors.hpp"

namespace gangway {

/// Returns why these cannot be the agents, or an empty string: there must be one at least, and no name twice.
std::string validate(const std::vector<agent_spec>& agents);

class agents_state;
using agents_pointer = actor_pointer<agents_state, agents_actor>;

class agents_state {
public:
  static inline const char* name = "agents";

  std::vector<agent_spec> agents; ///< the first one is the default
};

/// Returns the behaviour of the agents. @pre `validate(agents)` is empty
agents_actor::behavior_type agents(agents_pointer self, std::vector<agent_spec> agents);

} // namespace gangway
