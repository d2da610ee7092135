#pragma once

#include "actors/store/sqlite_connection.hpp"

namespace gangway::sqlite {

/// Brings a database that was opened for writing to this version's schema: makes it if the file is empty, refuses what
/// is damaged, another program's, or of a version that says it cannot be read by this one. Throws `storage_error`.
void prepare_schema(connection& on);

/// Reads the whole database. Throws a `storage_error` if any of it is damaged.
void check_pages(connection& on);

} // namespace gangway::sqlite
