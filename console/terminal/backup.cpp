#include "console/terminal/backup.hpp"

#include <cerrno>
#include <charconv>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <optional>
#include <thread>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "protocol/checksum.hpp"

namespace gangway {

namespace {

using nlohmann::json;

// How often the server is asked whether its copy is ready.
constexpr std::chrono::milliseconds look_again{100};

struct failure {
  std::variant<backup_fault, no_answer> what;
};

[[noreturn]] void fail(const std::string& reason, bool by_usage = false) {
  throw failure{backup_fault{reason, by_usage}};
}

[[noreturn]] void fail(const std::filesystem::path& file, const char* what) {
  fail(file.string() + " cannot be " + what + ": " + std::strerror(errno), true);
}

/// A file beside the one that is wanted, gone unless it is kept.
class unfinished_file {
public:
  explicit unfinished_file(const std::filesystem::path& wanted) : wanted_{wanted}, path_{wanted.string() + ".XXXXXX"} {
    descriptor_ = ::mkostemp(path_.data(), O_CLOEXEC);
    if (descriptor_ < 0) fail(wanted_, "written");
    ::fchmod(descriptor_, 0600);
  }
  unfinished_file(const unfinished_file&) = delete;
  unfinished_file& operator=(const unfinished_file&) = delete;
  ~unfinished_file() {
    ::close(descriptor_);
    if (!path_.empty()) ::unlink(path_.c_str());
  }

  void write(std::string_view bytes) {
    while (!bytes.empty()) {
      const auto size = ::write(descriptor_, bytes.data(), bytes.size());
      if (size < 0 && errno == EINTR) continue;
      if (size <= 0) fail(wanted_, "written");
      bytes.remove_prefix(static_cast<std::size_t>(size));
    }
  }

  /// Returns the sum of what is in the file.
  std::uint64_t sum() const {
    checksum result;
    std::string piece(1024 * 1024, '\0');
    off_t offset = 0;
    for (ssize_t size = 0; (size = ::pread(descriptor_, piece.data(), piece.size(), offset)) > 0; offset += size)
      result.add({piece.data(), static_cast<std::size_t>(size)});
    return result.value();
  }

  void keep(bool overwrite) {
    if (::fsync(descriptor_) != 0) fail(wanted_, "synced");
    if (overwrite) {
      if (::rename(path_.c_str(), wanted_.c_str()) != 0) fail(wanted_, "replaced");
      path_.clear();
    } else if (::link(path_.c_str(), wanted_.c_str()) != 0) {
      fail(wanted_, "made");
    }
    auto folder = wanted_.parent_path();
    if (folder.empty()) folder = ".";
    if (const auto opened = ::open(folder.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC); opened >= 0) {
      ::fsync(opened);
      ::close(opened);
    }
  }

private:
  std::filesystem::path wanted_;
  std::string path_;
  int descriptor_ = -1;
};

admin_answer ask_well(const admin_server& server, const admin_request& what) {
  auto reply = ask(server, what);
  if (auto* silence = std::get_if<no_answer>(&reply)) throw failure{std::move(*silence)};
  auto& answer = std::get<admin_answer>(reply);
  if (answer.status == 200) return std::move(answer);
  const auto body = json::parse(answer.body, nullptr, false);
  std::string reason = "the server refused with " + std::to_string(answer.status);
  if (body.is_object() && body.contains("error") && body["error"].is_object())
    reason = body["error"].value("message", reason);
  const bool by_usage = answer.status == 401 || answer.status == 403;
  if (by_usage) reason += " (give --token or GANGWAYCTL_TOKEN, of a user with admin.role)";
  fail(reason, by_usage);
}

json result_of(const admin_answer& answer) {
  const auto body = json::parse(answer.body, nullptr, false);
  if (!body.is_object() || !body.contains("result") || !body["result"].is_object())
    fail("the server's answer is not that of a Gangway admin listener");
  return body["result"];
}

backup_made fetch(const admin_server& server, const backup_request& request) {
  const auto begun = std::chrono::steady_clock::now();
  const std::filesystem::path wanted{request.file};
  std::error_code ignored;
  if (!request.overwrite && std::filesystem::exists(std::filesystem::symlink_status(wanted, ignored)))
    fail(request.file + " exists; give --force to replace it", true);
  unfinished_file file{wanted};

  auto state = result_of(ask_well(server, {.path = "/api/v1/backups", .body = "{}"}));
  const auto path = "/api/v1/backups/" + encode_segment(state.value("backup_id", ""));
  struct removal {
    const admin_server& server;
    const std::string& path;
    ~removal() {
      admin_request what{path};
      what.method = "DELETE";
      ask(server, what);
    }
  } const at_end{server, path};

  while (state.value("state", "") == "copying") {
    std::this_thread::sleep_for(look_again);
    state = result_of(ask_well(server, {path}));
  }
  if (state.value("state", "") != "ready") fail("no backup was made: " + state.value("reason", std::string{"unknown"}));

  const auto bytes = state.value("bytes", std::uint64_t{0});
  std::uint64_t offset = 0;
  while (offset < bytes) {
    const auto piece = ask_well(server, {path + "/bytes", {{"offset", std::to_string(offset)}}}).body;
    if (piece.empty()) break;
    file.write(piece);
    offset += piece.size();
  }
  if (offset != bytes || std::to_string(file.sum()) != state.value("checksum", ""))
    fail("what was written is not what the server sent; no backup was made");
  file.keep(request.overwrite);
  return {bytes, std::chrono::steady_clock::now() - begun};
}

} // namespace

std::variant<backup_made, backup_fault, no_answer> fetch_backup(const admin_server& server,
                                                                const backup_request& request) {
  try {
    return fetch(server, request);
  } catch (failure& error) {
    return std::visit([](auto& what) -> std::variant<backup_made, backup_fault, no_answer> { return std::move(what); },
                      error.what);
  }
}

} // namespace gangway
