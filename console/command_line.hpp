#pragma once

/// Command lines that cannot be read: what is said of them, by each of the programs.

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

#include "config/values.hpp"

namespace gangway {

/// Returns the names of what may be typed there: a command's own options ("--json"), or its commands.
inline std::vector<std::string> known_options(const CLI::App& app) {
  std::vector<std::string> result;
  for (const auto* option : app.get_options())
    for (const auto& name : option->get_lnames())
      result.push_back("--" + name);
  return result;
}

inline std::vector<std::string> known_commands(const CLI::App& app) {
  std::vector<std::string> result;
  for (const auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    result.push_back(command->get_name());
  return result;
}

/// Returns what is wrong with a command line that `app` refused with `error`: the word that was typed, and the nearest
/// one that is known.
inline std::string complain_about_words(const CLI::App& app, const CLI::ParseError& error) {
  const auto chosen = app.get_subcommands();
  const auto* command = chosen.empty() ? &app : chosen.back();
  const auto help = "; see " + app.get_name() + (command == &app ? "" : ' ' + command->get_name()) + " --help";
  const auto unread = app.remaining(true);
  if (unread.empty()) {
    if (chosen.empty() && !known_commands(app).empty()
        && error.get_exit_code() == static_cast<int>(CLI::ExitCodes::RequiredError)) {
      std::string names;
      for (const auto& name : known_commands(app))
        names += (names.empty() ? "" : ", ") + name;
      return "a command is missing: one of " + names + help;
    }
    return error.what() + help;
  }
  const auto& word = unread.front();
  const auto quoted = '"' + word + '"';
  if (word.starts_with('-')) {
    auto known = known_options(app);
    if (command != &app)
      for (auto& name : known_options(*command))
        known.push_back(std::move(name));
    const auto meant = nearest(word.substr(0, word.find('=')), known);
    return "unknown option " + quoted + (meant ? did_you_mean(meant) : help);
  }
  if (chosen.empty() && !known_commands(app).empty()) {
    const auto meant = nearest(word, known_commands(app));
    return "unknown command " + quoted + (meant ? did_you_mean(meant) : help);
  }
  return "unexpected argument " + quoted + help;
}

} // namespace gangway
