/// gangwayd: reads its settings, then serves.

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <vector>

#include <CLI/CLI.hpp>
#include <fcntl.h>
#include <openssl/rand.h>
#include <unistd.h>

#include "config/configuration.hpp"
#include "config/file_text.hpp"
#include "config/values.hpp"
#include "console/command_line.hpp"
#include "net/auth/base64url.hpp"
#include "protocol/log.hpp"
#include "protocol/printable.hpp"
#include "protocol/standard_output.hpp"
#include "server/open_doors.hpp"
#include "server/serve.hpp"

namespace {

using namespace gangway;

constexpr int usage_error = 2;

// A secret of this process alone.
std::string make_secret() {
  std::string bytes(32, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(bytes.size())) != 1) std::abort();
  return to_base64url(bytes);
}

// Leaves the secret where `gangwayctl token --dev` finds it, for nobody else to read. Returns what was in the way.
std::string leave_secret(const std::filesystem::path& file, const std::string& secret) {
  ::unlink(file.c_str());
  const int descriptor = ::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
  const bool written =
      descriptor >= 0 && ::write(descriptor, secret.data(), secret.size()) == static_cast<ssize_t>(secret.size());
  const auto trouble = written ? std::string{} : "cannot write " + file.string() + ": " + std::strerror(errno);
  if (descriptor >= 0) ::close(descriptor);
  return trouble;
}

bool has_key_source(const settings& values) {
  const auto& auth = values.auth;
  return !auth.secret.empty() || !auth.public_key_file.empty() || !auth.jwks_url.empty();
}

// Says what is wrong; returns the status for it.
int complain(const std::string& reason) {
  std::cerr << "gangwayd: " << printable(reason) << '\n';
  return usage_error;
}

// Prints what was asked for; returns the status.
int show(const std::string& page) {
  const auto trouble = gangway::print(page);
  if (trouble.empty()) return 0;
  complain(trouble);
  return 1;
}

// Returns what the start would say of the files that the settings name.
std::vector<std::string> faults_of_files(const settings& values, bool development) {
  std::vector<std::string> result;
  // With the keys that --dev makes up, the certificate alone is read.
  auto read = values;
  if (!has_key_source(read)) read.auth.secret.assign(secret_bytes_min, ' ');
  const auto opened = doors_of(read, development ? make_secret() : std::string{}, 1);
  if (const auto* reason = std::get_if<std::string>(&opened)) result.push_back(*reason);
  if (const auto place = complain_about_place(values.store.path); !place.empty())
    result.push_back("store.path " + absolute_path(values.store.path) + ": " + place);
  return result;
}

// Returns what forbids development mode with these settings, or nothing.
std::optional<std::string> objection_to_development(const settings& values, bool is_environment_chosen) {
  if (is_environment_chosen && values.environment != "development")
    return "--dev is for development, and environment (GANGWAY_ENVIRONMENT) is \"" + values.environment
           + "\": anybody could sign in as anybody there";
  for (const auto& address : {values.listen, values.admin.listen}) {
    const auto where = parse_endpoint(address);
    if (!where || !is_loopback(*where))
      return "--dev lets anybody sign in as anybody, so it listens on loopback only, not on " + address;
  }
  return std::nullopt;
}

} // namespace

int main(int argc, char** argv) {
  guard_standard_streams();
  CLI::App app{"Gangway: a WebSocket session server for AI-chat back ends", "gangwayd"};
  std::string file;
  bool development = false;
  bool check = false;
  bool print = false;
  app.add_option("--config", file, "settings (TOML); config/gangway.toml lists every option");
  app.add_flag("--dev", development, "development mode: loopback only, a secret of its own for tokens, the demo page");
  app.add_flag("--check-config", check, "check the settings, say what is wrong, and end");
  app.add_flag("--print-config", print, "print the settings in force, without secrets, and end");
  app.set_version_flag("--version", "gangwayd " GANGWAY_VERSION);
  try {
    app.parse(argc, argv);
  } catch (const CLI::ParseError& error) {
    // Help and version are errors to CLI11, with a status of 0.
    if (error.get_exit_code() != 0) return complain(complain_about_words(app, error));
    std::ostringstream page;
    app.exit(error, page, page);
    return show(page.str());
  }

  auto [values, errors, warnings, is_environment_chosen] =
      load_settings(file.empty() ? std::nullopt : std::optional<std::filesystem::path>{file}, process_environment());
  for (const auto& warning : warnings)
    std::cerr << "gangwayd: warning: " << printable(warning) << '\n';
  for (const auto& error : errors)
    complain(error);
  if (!errors.empty()) return usage_error;
  if (print) return show(print_settings(values, true));
  if (development) {
    if (const auto objection = objection_to_development(values, is_environment_chosen)) return complain(*objection);
    values.environment = "development";
  } else if (!has_key_source(values)) {
    return complain("no authentication is configured: set auth.secret or auth.secret_file (at least 32 bytes; "
                    "GANGWAY_AUTH_SECRET), auth.public_key_file or auth.jwks_url, or try it out with --dev");
  }
  if (check) {
    if (const auto faults = faults_of_files(values, development); !faults.empty()) {
      for (const auto& fault : faults)
        complain(fault);
      return usage_error;
    }
    return show("the settings are good\n");
  }
  // What is said of it later names the place, wherever the reader is.
  values.store.path = absolute_path(values.store.path);
  const auto secret_file = development_secret_file(values);
  // What --dev signs is for nobody else: a production server may have the secret that is configured here.
  const auto development_secret = development ? make_secret() : std::string{};
  if (development && !has_key_source(values)) values.auth.secret = development_secret;
  bool left = false;
  // Only once the store is ours: another server's secret may be in the file beside it.
  const auto on_claimed = [&]() -> std::string {
    if (!development) return {};
    auto trouble = leave_secret(secret_file, development_secret);
    left = trouble.empty();
    return trouble;
  };

  block_signals();
  log::options options;
  options.level = log::parse_level(values.log.level).value_or(log::level::info);
  options.format = log::parse_format(values.log.format).value_or(log::format::automatic);
  log::start(options);
  const int status = serve(values, development_secret, on_claimed);
  log::stop();
  if (left) ::unlink(secret_file.c_str());
  return status;
}
