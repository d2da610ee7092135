#include "actors/coalesce.hpp"

#include <type_traits>
#include <utility>

namespace gangway {

namespace {

/// Appends the next piece to the one before; returns false if it is no piece of the same thing.
struct joiner {
  event_body& before;

  bool operator()(message_delta& next) const {
    auto* known = std::get_if<message_delta>(&before);
    if (known == nullptr || known->message_id != next.message_id) return false;
    known->delta += next.delta;
    return true;
  }

  bool operator()(tool_arguments& next) const {
    auto* known = std::get_if<tool_arguments>(&before);
    if (known == nullptr || known->tool_call_id != next.tool_call_id) return false;
    known->delta += next.delta;
    return true;
  }

  // One without words says that the agent is at work, and so does every other.
  bool operator()(agent_thinking& next) const {
    auto* known = std::get_if<agent_thinking>(&before);
    if (known == nullptr || known->delta.has_value() != next.delta.has_value()) return false;
    if (next.delta) *known->delta += *next.delta;
    return true;
  }

  template <class Other>
  bool operator()(Other&) const {
    return false;
  }
};

} // namespace

std::vector<thread_event> coalesce(std::vector<thread_event> events) {
  std::vector<thread_event> result;
  for (auto& event : events) {
    if (!result.empty() && result.back().run_id == event.run_id && std::visit(joiner{result.back().body}, event.body)) {
      auto& whole = result.back();
      whole.first_seq = whole.first_seq.value_or(whole.seq);
      whole.seq = event.seq;
      whole.time = event.time;
    } else {
      result.push_back(std::move(event));
    }
  }
  return result;
}

} // namespace gangway
