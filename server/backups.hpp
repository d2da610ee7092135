#pragma once

/// Copies of the database for whoever backs it up.

#include <memory>
#include <string>

#include "actors/backup_desk.hpp"

namespace gangway {

/// Returns a desk that makes its copies beside the database, in `…-backup`. It removes its own at its end,
/// for which it waits.
std::unique_ptr<backup_desk> make_backups(std::string database);

/// Removes a copy that a server left which was killed while it made one.
/// @pre no other server has this database open
void remove_left_over_backup(const std::string& database);

} // namespace gangway
