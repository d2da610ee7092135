#pragma once

/// Where the settings come from: defaults, then a TOML file, then the environment; the later wins. And how they are
/// checked and shown.

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "config/file_text.hpp"
#include "config/settings.hpp"

namespace gangway {

/// The shortest secret that tokens may be signed with: as long as the hash (RFC 7518, 3.2).
inline constexpr std::size_t secret_bytes_min = 32;

/// Environment variables by name.
using environment_map = std::map<std::string, std::string>;

/// Returns this process's environment.
environment_map process_environment();

/// What came of loading: usable only if `errors` is empty. Each error is one line that names its place
/// (`FILE:LINE:COLUMN` or the variable) and never shows a secret; what was typed is
/// `printable` in it.
struct loaded {
  settings values;
  std::vector<std::string> errors;
  std::vector<std::string> warnings;
  bool is_environment_chosen = false; ///< not resolved from "auto"
};

/// Returns the settings of `file` (the defaults without one) and of the variables `GANGWAY_SECTION_KEY`, with
/// `auth.secret_file` read and `environment = "auto"` resolved. Relative paths in the file begin at its folder, those
/// of variables and defaults where the program runs. All problems are collected, not only the first. An unknown key in
/// the file is an error; an unknown variable a warning, since Kubernetes invents some for a service of our name. An
/// empty variable counts as not set.
loaded load_settings(const std::optional<std::filesystem::path>& file, const environment_map& environment);

/// Returns what is wrong with the settings, one line each; empty if nothing is. Reads nothing but its argument.
std::vector<std::string> validate(const settings& values);

/// Returns the settings as TOML, with the documentation as comments. With `redact`, a secret reads "(hidden)", which is
/// too short to be loaded again by mistake.
std::string print_settings(const settings& values, bool redact);

/// Returns the secret in a file, without the line end after it, or why it cannot be had. A file of more than 64 KiB
/// holds something else, and one that others than its owner may write is refused.
std::variant<file_text, file_fault> read_secret_file(const std::filesystem::path& file);

/// Returns where `gangwayd --dev` leaves the secret that it made up, for `gangwayctl token --dev` to find: beside the
/// store.
std::filesystem::path development_secret_file(const settings& values);

} // namespace gangway
