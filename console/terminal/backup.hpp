#pragma once

/// A copy of a server's database, fetched through its admin API.

#include <chrono>
#include <cstdint>
#include <string>
#include <variant>

#include "console/terminal/admin_client.hpp"

namespace gangway {

struct backup_request {
  std::string file;
  bool overwrite = false;
};

struct backup_made {
  std::uint64_t bytes = 0;
  std::chrono::steady_clock::duration took{};
};

struct backup_fault {
  std::string reason;
  bool by_usage = false; ///< the request was wrong, not the server
};

/// Has the server copy its database, fetches the copy, and puts it in the place of the file once it is whole and on the
/// disk. Only its owner may read the file, from the beginning. If it fails there is no file, or the old one.
std::variant<backup_made, backup_fault, no_answer> fetch_backup(const admin_server& server,
                                                                const backup_request& request);

} // namespace gangway
