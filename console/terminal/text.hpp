#pragma once

/// What pages for a terminal are made of: a JSON value, a time, a table as text. A value that is missing, or of another
/// kind than is expected, is no text at all: servers of other versions say more or less.

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include <nlohmann/json_fwd.hpp>

namespace gangway {

/// Returns the member of that name; null if there is none.
const nlohmann::json& member(const nlohmann::json& object, const char* name);

/// Returns a value as `printable` text; nothing for null.
std::string plain(const nlohmann::json& value);

/// Returns the member of that name as `plain` text.
std::string text_of(const nlohmann::json& object, const char* name);

/// Returns the items of an array as `plain` text, with commas in between; nothing if it is none.
std::string listed(const nlohmann::json& items);

/// Returns 1h 2m 3s for 3723.
std::string spoken_seconds(std::int64_t seconds);

/// Returns 850 ms ago, 12s ago, 1h 0m 0s ago, whichever is short.
std::string ago(const nlohmann::json& milliseconds);

/// Returns 850 µs, 12.5 ms, 1.51 s.
std::string length_of(const nlohmann::json& microseconds);

/// Returns 2026-01-31 12:34:56.007 UTC.
std::string time_of(const nlohmann::json& milliseconds);

/// Returns 1 connection, 2 connections.
std::string counted(std::size_t count, const std::string& noun);

/// Returns rows of cells as lines, each column as wide as its widest cell.
std::string align(const std::vector<std::vector<std::string>>& rows);

} // namespace gangway
