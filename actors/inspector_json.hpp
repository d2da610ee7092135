#pragma once

/// What the inspector answers, as JSON. Pure.

#include <string>
#include <string_view>

#include <nlohmann/json_fwd.hpp>

#include "protocol/messages.hpp"

namespace gangway {

/// Returns the value as text. Text from a client or an engine may hold anything; an answer is JSON all the same.
std::string dump(const nlohmann::json& value);

/// Return `{"result":…}`, of a value or of text that is JSON already.
std::string result_body(const nlohmann::json& value);
std::string result_body(const json_text& value);

/// Returns `{"error":{"code":…,"message":…}}`.
std::string error_body(error_code code, std::string_view message);

/// Returns `{"decisions":[…]}` of records as they were stored.
json_text decisions_json(const decisions_page& page);

nlohmann::json to_json(const vitals& counted);

/// Returns a user with its connections, and its managers as `children`: a node of the tree.
nlohmann::json to_json(const user_report& report);

/// Returns a user's line in the list of all: its numbers alone.
nlohmann::json summary_json(const user_report& report);

} // namespace gangway
