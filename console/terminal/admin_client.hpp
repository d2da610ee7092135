#pragma once

/// The way to a server's admin API: one request, one answer.

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

namespace gangway {

/// What was answered.
struct admin_answer {
  unsigned status = 0;
  std::string body;
};

/// Why there was no answer: nobody listens, nobody answers in time, what answers does not speak HTTP, or cannot be
/// trusted.
struct no_answer {
  std::string reason;
};

/// Where and as whom to ask.
struct admin_server {
  std::string url = "http://127.0.0.1:8081"; ///< a path in it goes before ours, for servers behind a proxy
  std::string token;                         ///< none if empty, as `gangwayd --dev` allows on loopback
  std::string ca_file; ///< for https: PEM of whose certificates are trusted; the system's if empty
  std::chrono::milliseconds patience{10'000};
};

/// Returns what is wrong with the server's URL or token, or nothing.
std::string complain(const admin_server& server);

/// What to ask: a GET, or a POST if there is a body, if no method is named.
struct admin_request {
  std::string path; ///< what is not ours in it, through `encode_segment`
  std::vector<std::pair<std::string, std::string>> parameters = {};
  std::optional<std::string> body = {}; ///< JSON
  std::string method = {};
};

/// Returns any text as one segment of a path, or as a name or value of a query: a user's id may hold slashes, plus
/// signs and ampersands.
std::string encode_segment(std::string_view text);

/// Returns what the server answers. Blocks, for `server.patience` at most. @pre complain(server).empty()
std::variant<admin_answer, no_answer> ask(const admin_server& server, const admin_request& what);

} // namespace gangway
