#pragma once

/// The files that are kept beside a database.

#include <string>

namespace gangway {

/// Returns the path of a database's companion. A link to a database is the same database.
std::string path_beside(const std::string& database, const char* suffix);

/// Opens a companion, or makes it; nobody but its owner may read it, whatever it was before. Returns the descriptor, or
/// -1 with `errno`.
int open_beside(const std::string& path) noexcept;

} // namespace gangway
