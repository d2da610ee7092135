#pragma once

/// A server on two loops with stand-ins behind its doors: one user for everybody, who keeps a log of what it hears.

#include <condition_variable>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "net/asio_scheduler.hpp"
#include "net/auth/jwt.hpp"
#include "net/server.hpp"
#include "tests/net/raw_client.hpp"

namespace gangway::testing {

/// What the stand-ins heard, in order: "opened ada pro", "ping", "pong 7", "closed", "asked GET /health", …; and what
/// they were shown of the sockets.
class logbook {
public:
  void add(std::string line);
  void add(session_opened report);
  void add(const link_observation& seen);

  /// Returns the next line; "<nothing>" if none comes in time.
  std::string next();

  /// Returns the next observation; one of the nonce 0 if none comes in time.
  link_observation next_observation();

  void add(const connection_ended& report);

  /// Returns how the next connection ended that a directory was told of: "1000", or "4440 by us".
  std::string next_end();

  /// Returns whether there is a line that nobody took yet.
  bool has_more();

  /// Returns the last session that was announced.
  session_opened last_session();

private:
  std::mutex gate_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
  std::deque<link_observation> observations_;
  std::deque<std::string> ends_;
  session_opened last_session_;
};

/// How the stand-ins behave, and what the server goes by.
struct harbour_options {
  bool is_deaf = false;               ///< the directory passes no session on: the test admits it itself
  bool is_silent = false;             ///< the inspector never answers
  bool is_quiet = false;              ///< commands are answered but not logged
  std::size_t status_bytes = 0;       ///< the answer to `status` is filled up to so many bytes
  std::function<void(doors&)> with{}; ///< changes the rules
};

class harbour {
public:
  /// What its tokens are signed with.
  static constexpr std::string_view secret = "a secret of at least thirty-two bytes, for tests";

  explicit harbour(harbour_options options = {});
  ~harbour();

  /// Returns a token for `user`, good for an hour, or expired for an hour.
  std::string token(const std::string& user, bool expired = false, std::vector<std::string> roles = {},
                    const std::string& tier = "pro") const;

  /// Returns the headers that carry it.
  raw_client::headers bearer(const std::string& user, const std::string& tier = "pro") const {
    return {{"Authorization", "Bearer " + token(user, false, {}, tier)}};
  }

  /// Returns a client that is connected as `user` and has read its greeting.
  raw_client enter(const std::string& user = "ada", int receive_buffer = 0);

  event_loops loops{2};
  caf::actor_system_config config;
  std::optional<caf::actor_system> system;
  logbook heard;
  user_actor user; ///< who admits sessions
  doors rules;
  std::optional<server> doors_;
  std::uint16_t port = 0;
  std::uint16_t admin_port = 0;
};

} // namespace gangway::testing
