#pragma once

/// Copies of the database for whoever backs it up.

#include <memory>
#include <string>

#include "actors/backup_desk.hpp"

namespace gangway {

/// Returns a desk that makes its copies beside the database, in `…-backup`. It removes what an earlier process left
/// there, and its own at its end, for which it waits.
std::unique_ptr<backup_desk> make_backups(std::string database);

} // namespace gangway
