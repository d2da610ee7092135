#pragma once

/// The server's records of whom it ended, and why, in sentences for whoever is woken at night. As in render.hpp, what a
/// server leaves out is left out.

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace gangway {

/// Returns one record: what happened (to `subject`, a manager's or connection's id, if it is about one, and to the
/// others after that), when and why, by which level and evidence, how long it took, what was tried, who was considered.
std::string render_decision(const nlohmann::json& decision, std::string_view subject = {});

/// Returns the records in their order, an empty line between two.
std::string render_explanation(const nlohmann::json& decisions, std::string_view subject);

/// Returns a line for each record.
std::string render_decisions(const nlohmann::json& decisions);

} // namespace gangway
