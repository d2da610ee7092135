#include "server/backups.hpp"

#include <atomic>
#include <chrono>
#include <mutex>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "actors/store/beside.hpp"
#include "actors/store/engine.hpp"
#include "actors/store/sqlite_backup.hpp"
#include "protocol/checksum.hpp"
#include "protocol/log.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

namespace {

using clock = std::chrono::steady_clock;

// Who fetches a copy asks more often.
constexpr std::chrono::seconds forgotten_after{60};

std::string copy_beside(const std::string& database) { return path_beside(database, "-backup"); }

class file {
public:
  explicit file(const std::string& path) : descriptor_{::open(path.c_str(), O_RDONLY | O_CLOEXEC)} {}
  file(const file&) = delete;
  file& operator=(const file&) = delete;
  ~file() {
    if (descriptor_ >= 0) ::close(descriptor_);
  }

  /// Returns what there is from there on, a piece at most.
  std::string read(std::uint64_t offset) const {
    std::string result(backup_piece_bytes, '\0');
    const auto size = ::pread(descriptor_, result.data(), result.size(), static_cast<off_t>(offset));
    result.resize(size > 0 ? static_cast<std::size_t>(size) : 0);
    return result;
  }

private:
  int descriptor_;
};

class backups final : public backup_desk {
public:
  explicit backups(std::string database) : database_{std::move(database)}, copy_{copy_beside(database_)} {}

  // A copy that is none of ours is another server's, which this one found at work.
  ~backups() override {
    given_up_ = true;
    if (worker_.joinable()) worker_.join();
    if (!report_.id.empty()) ::unlink(copy_.c_str());
  }

  std::optional<backup_report> begin() override {
    const std::lock_guard lock{mutex_};
    if (!report_.id.empty()) {
      const bool is_in_use = report_.phase == backup_phase::copying
                             || (report_.phase == backup_phase::ready && clock::now() - used_ < forgotten_after);
      if (is_in_use) return std::nullopt;
    }
    // It has nothing left to do that takes time.
    if (worker_.joinable()) worker_.join();
    report_ = {to_string(decision_id::make())};
    given_up_ = false;
    worker_ = std::thread{[this] { work(); }};
    return report_;
  }

  std::optional<backup_report> find(std::string_view id) override {
    const std::lock_guard lock{mutex_};
    if (report_.id.empty() || report_.id != id) return std::nullopt;
    used_ = clock::now();
    return report_;
  }

  std::optional<std::string> read(std::string_view id, std::uint64_t offset) override {
    const auto report = find(id);
    if (!report || report->phase != backup_phase::ready) return std::nullopt;
    return file{copy_}.read(offset);
  }

  bool remove(std::string_view id) override {
    const std::lock_guard lock{mutex_};
    if (report_.id.empty() || report_.id != id) return false;
    given_up_ = true;
    if (report_.phase == backup_phase::copying) return true; // the worker removes it
    ::unlink(copy_.c_str());
    report_ = {};
    return true;
  }

private:
  void work() {
    backup_report done;
    try {
      sqlite::back_up(database_, copy_, [this] { return !given_up_; });
      done.phase = backup_phase::ready;
      const file made{copy_};
      checksum sum;
      for (std::string piece; !(piece = made.read(done.bytes)).empty(); done.bytes += piece.size())
        sum.add(piece);
      done.checksum = sum.value();
      log::info("a backup was made", {{"bytes", done.bytes}});
    } catch (const storage_error& error) {
      done.phase = backup_phase::failed;
      done.reason = error.what();
      log::warning("a backup could not be made", {{"reason", done.reason}});
    }
    const std::lock_guard lock{mutex_};
    used_ = clock::now();
    done.id = report_.id;
    report_ = std::move(done);
    if (!given_up_) return;
    ::unlink(copy_.c_str());
    report_ = {};
  }

  std::string database_;
  std::string copy_;
  std::mutex mutex_; ///< of `report_` and `used_`
  backup_report report_;
  clock::time_point used_;
  std::atomic<bool> given_up_ = false;
  std::thread worker_;
};

} // namespace

void remove_left_over_backup(const std::string& database) { ::unlink(copy_beside(database).c_str()); }

std::unique_ptr<backup_desk> make_backups(std::string database) {
  return std::make_unique<backups>(std::move(database));
}

} // namespace gangway
