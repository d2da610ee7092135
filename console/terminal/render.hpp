#pragma once

/// The admin API's answers as a person reads them. Fields that a server leaves out are left out; what it says beyond is
/// not shown (`--json` shows it).

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

namespace gangway {

/// Returns the `result` of GET /api/v1/status as aligned lines.
std::string render_status(const nlohmann::json& status);

/// Returns the `result` of GET /api/v1/tree as a tree of lines.
std::string render_tree(const nlohmann::json& tree);

/// Returns whether the tree has this user.
bool has_user(const nlohmann::json& tree, std::string_view user);

} // namespace gangway
