#pragma once

/// A database and a backup of it, as an operator has them in folders.

#include <filesystem>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>

#include <sys/wait.h>
#include <unistd.h>

#include <SQLiteCpp/Backup.h>
#include <SQLiteCpp/Database.h>

#include "actors/store/engine.hpp"
#include "tests/store/samples.hpp"
#include "tests/store/temporary_directory.hpp"

namespace gangway::store_tests {

namespace fs = std::filesystem;

/// A database in a folder, its backup in another.
struct restored_store {
  std::string path() const { return home.file("gangway.db"); }
  std::string backup() const { return elsewhere.file("backup.db"); }

  void start(const std::string& where) { writer = make_sqlite_engine(where)->make_writer(); }
  void start() { start(path()); }
  void end() { writer.reset(); }
  void restart() {
    end();
    start();
  }

  log_opened open(const std::string& thread = "t1") {
    writer->begin(true);
    const auto result = writer->open({{"ann"}, {thread}, at(0)});
    writer->commit();
    return result;
  }

  void add(const log_opened& log, sequence first, sequence last, bool durable = true) {
    for (auto seq = first; seq <= last; ++seq) {
      writer->begin(durable);
      writer->append({log.log, log.generation, {said(seq, "word")}, durable});
      writer->commit();
    }
  }

  /// What `.backup` does.
  void back_up() {
    SQLite::Database from{path(), SQLite::OPEN_READONLY};
    SQLite::Database to{backup(), SQLite::OPEN_READWRITE | SQLite::OPEN_CREATE};
    SQLite::Backup{to, from}.executeStep(-1);
  }

  void copy(const std::string& from, const std::string& to, const std::string& suffix = "") {
    fs::copy_file(from + suffix, to + suffix, fs::copy_options::overwrite_existing);
  }

  /// What the operator's page says.
  void restore() {
    end();
    fs::remove(path() + "-wal");
    fs::remove(path() + "-shm");
    copy(backup(), path());
  }

  /// Runs it in a process that ends without putting anything in order.
  void in_killed_process(const std::function<void()>& work) {
    const auto child = ::fork();
    if (child == 0) {
      work();
      ::_exit(0);
    }
    int status = 0;
    ::waitpid(child, &status, 0);
    if (status != 0) throw std::runtime_error{"the process failed"};
  }

  std::string ask(const std::string& question) {
    return SQLite::Database{path(), SQLite::OPEN_READWRITE}.execAndGet(question).getString();
  }

  temporary_directory home, elsewhere;
  std::unique_ptr<log_writer> writer;
};

} // namespace gangway::store_tests
