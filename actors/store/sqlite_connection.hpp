#pragma once

/// What the SQLite engine's writer and readers are made of: a connection that fails in plain words, and statements that
/// are prepared once.

#include <algorithm>
#include <chrono>
#include <concepts>
#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include <SQLiteCpp/Database.h>
#include <SQLiteCpp/Exception.h>
#include <SQLiteCpp/Statement.h>

#include "actors/store/engine.hpp"

namespace gangway::sqlite {

/// How long a lock of another process is waited for: longer than a checkpoint takes, shorter than anybody's patience.
inline constexpr int busy_timeout_ms = 2000;

enum class access : std::uint8_t { read, write };

/// Returns the path, or throws `storage_error`: SQLite takes some names for no file at all.
const std::string& require_path_of_file(const std::string& path);

/// A connection to a database file; used by one thread at a time.
class connection {
public:
  /// Opens the file; for writing it is made if there is none, readable by nobody else. Throws `storage_error`.
  connection(const std::string& path, access wanted);

  const std::string& path() const noexcept { return path_; }
  SQLite::Database& database() noexcept { return *database_; }

  /// Returns whether a transaction is open: some of SQLite's errors end it on their own.
  bool in_transaction() const noexcept;

  /// Runs `work`. Whatever it throws becomes a `storage_error` that names the file and says what to do.
  template <class Work>
  decltype(auto) guarded(Work&& work) const {
    try {
      return std::forward<Work>(work)();
    } catch (const storage_error&) {
      throw;
    } catch (...) {
      fail();
    }
  }

private:
  [[noreturn]] void fail() const;

  std::string path_;
  std::optional<SQLite::Database> database_;
};

/// The rows of a running statement. Its end ends the statement too, and with it a reader's view of the database.
class rows {
public:
  explicit rows(SQLite::Statement& statement) : statement_{&statement} {}
  rows(const rows&) = delete;
  rows& operator=(const rows&) = delete;
  ~rows() { statement_->tryReset(); }

  bool next() { return statement_->executeStep(); }

  bool is_null(int column) const { return statement_->getColumn(column).isNull(); }
  std::int64_t integer(int column) const { return statement_->getColumn(column).getInt64(); }
  std::uint64_t number(int column) const { return static_cast<std::uint64_t>(integer(column)); }
  std::string text(int column) const { return statement_->getColumn(column).getString(); }
  utc_time time(int column) const { return utc_time{std::chrono::milliseconds{integer(column)}}; }

  /// Returns an id; the nil id if the column holds none.
  template <class Id>
  Id id(int column) const {
    const auto value = statement_->getColumn(column);
    Id result{};
    if (value.getBytes() != static_cast<int>(result.bytes.size())) return result;
    const auto* bytes = static_cast<const std::uint8_t*>(value.getBlob());
    std::copy_n(bytes, result.bytes.size(), result.bytes.begin());
    return result;
  }

  template <class Id>
  std::optional<Id> optional_id(int column) const {
    if (is_null(column)) return std::nullopt;
    return id<Id>(column);
  }

private:
  SQLite::Statement* statement_;
};

/// A statement that is prepared once. Its text arguments are not copied: they must outlive the rows.
class statement {
public:
  statement(connection& on, const char* text)
      : handle_{on.guarded([&] {
          return SQLite::Statement{on.database(), text};
        })} {}

  /// Runs it with `?1`, `?2`, … bound to the arguments.
  template <class... Arguments>
  rows run(const Arguments&... arguments) {
    int index = 0;
    (bind(++index, arguments), ...);
    return rows{handle_};
  }

  /// Runs one that has no rows.
  template <class... Arguments>
  void execute(const Arguments&... arguments) {
    auto none = run(arguments...);
    none.next();
  }

private:
  template <std::integral Number>
  void bind(int index, Number value) {
    handle_.bind(index, static_cast<std::int64_t>(value));
  }

  void bind(int index, utc_time value) { handle_.bind(index, std::int64_t{value.time_since_epoch().count()}); }
  void bind(int index, const std::string& value) { handle_.bindNoCopy(index, value); }

  template <std::derived_from<uuid> Id>
  void bind(int index, const Id& value) {
    handle_.bindNoCopy(index, value.bytes.data(), static_cast<int>(value.bytes.size()));
  }

  template <class T>
  void bind(int index, const std::optional<T>& value) {
    if (value)
      bind(index, *value);
    else
      handle_.bind(index);
  }

  SQLite::Statement handle_;
};

} // namespace gangway::sqlite
