#include "actors/run_fold.hpp"

#include <algorithm>

namespace gangway {

namespace {

struct folder {
  open_run& run;

  open_tool_call& call(const std::string& id) {
    auto found = std::find_if(run.tool_calls.begin(), run.tool_calls.end(),
                              [&](const open_tool_call& known) { return known.tool_call_id == id; });
    if (found != run.tool_calls.end()) return *found;
    return run.tool_calls.emplace_back(open_tool_call{id, {}, {}, std::nullopt, false});
  }

  void operator()(const agent_started& event) { run.agent = event.agent; }

  void operator()(const message_started& event) {
    run.message_id = event.message_id;
    run.content.clear();
  }

  void operator()(const message_delta& event) { run.content += event.delta; }

  // A completed message is among the snapshot's messages from here on.
  void operator()(const message_completed&) {
    run.message_id.reset();
    run.content.clear();
  }

  void operator()(const tool_executing& event) {
    auto& known = call(event.tool_call_id);
    known.name = event.name;
    known.arguments = event.arguments;
  }

  void operator()(const tool_arguments& event) { call(event.tool_call_id).arguments.value += event.delta; }

  void operator()(const tool_completed& event) {
    auto& known = call(event.tool_call_id);
    known.result = event.result;
    known.is_error = event.is_error;
  }

  template <class Other>
  void operator()(const Other&) {}
};

} // namespace

void fold(open_run& run, const event_body& body) { std::visit(folder{run}, body); }

} // namespace gangway
