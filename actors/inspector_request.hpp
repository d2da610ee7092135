#pragma once

/// What an HTTP request to the inspector says: its path, its numbers, its body. Pure; what is wrong comes back as the
/// sentence that the client is told.

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "protocol/messages.hpp"

namespace gangway {

using query_values = std::vector<std::pair<std::string, std::string>>;

/// What is wrong with a request.
struct request_fault {
  std::string message;
  friend bool operator==(const request_fault&, const request_fault&) = default;
};

/// Returns what stands in the places of `pattern` that are called `{}`, percent-decoded, if `path` is of that pattern:
/// "/users/{}" matches "/users/ann%2Fbob" with "ann/bob". A place is never empty.
std::optional<std::vector<std::string>> match_path(std::string_view pattern, std::string_view path);

/// Returns the last value of that name, or nothing.
std::optional<std::string> find_value(const query_values& query, std::string_view name);

/// Returns the number that `limit` is, 1 to 1000, or `usual` if there is none.
std::variant<std::uint32_t, request_fault> limit_of(const query_values& query, std::uint32_t usual);

/// Returns the cleanup that `body` orders: `{"level":…,"needed":…,"dry_run":…}`, of which the last two may be missing.
/// Another member is refused: who misspells `dry_run` must not lose managers by it.
std::variant<clean_up, request_fault> parse_cleanup(std::string_view body);

} // namespace gangway
