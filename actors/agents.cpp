#include "actors/agents.hpp"

#include <algorithm>
#include <utility>

namespace gangway {

std::string validate(const std::vector<agent_spec>& agents) {
  if (agents.empty()) return "no agent is configured";
  for (auto one = agents.begin(); one != agents.end(); ++one) {
    if (one->name.empty()) return "an agent has no name";
    if (std::any_of(agents.begin(), one, [&](const agent_spec& other) { return other.name == one->name; }))
      return "two agents are called \"" + one->name + "\"";
  }
  return {};
}

agents_actor::behavior_type agents(agents_pointer self, std::vector<agent_spec> agents) {
  self->state.agents = std::move(agents);
  return {
      [=](const get_agent& question) -> caf::result<agent_spec> {
        const auto& known = self->state.agents;
        if (!question.name) return known.front();
        auto found = std::find_if(known.begin(), known.end(),
                                  [&](const agent_spec& agent) { return agent.name == *question.name; });
        if (found == known.end()) return caf::make_error(errc::unknown_agent);
        return *found;
      },
      [=](const get_vitals&) { return self->vitals(); },
  };
}

} // namespace gangway
