#include "config/configuration.hpp"
#include "config/options.hpp"
#include "config/values.hpp"

#include <utility>

#include "protocol/printable.hpp"

namespace gangway {

namespace {

constexpr std::string_view preamble =
    R"(# Gangway's options: what each does, and its value. `gangwayd --print-config` writes this page with the values in force.
#
# Each can be set by an environment variable as well, which wins: GANGWAY_ and the key in capitals, with _ for the dots
# (heartbeat.interval: GANGWAY_HEARTBEAT_INTERVAL), lists separated by commas; an empty one counts
# as not set. Agents are set in the file alone.
# Durations have a unit, "1500ms", "25s", "5m" or "1h"; sizes may have one, "64KiB" or "1MiB"; ratios are 0.0 to 1.0.
# Relative paths begin at the folder of the file that has them; those of variables, where the server is started.

)";

/// Quotes a TOML basic string. What is invisible does not pass validation everywhere, but must not break the page.
std::string quote(std::string_view text) {
  std::string result = "\"";
  while (!text.empty()) {
    const auto rest = text;
    const auto character = take_character(text);
    if (character == '"' || character == '\\') {
      result.append({'\\', static_cast<char>(character)});
    } else if (!is_invisible(character)) {
      result += character == 0xfffd ? "\uFFFD" : rest.substr(0, rest.size() - text.size());
    } else if (character < 0x10000) {
      append_escape(result, character);
    } else {
      // TOML has no surrogate pairs.
      result += "\\U";
      for (int shift = 28; shift >= 0; shift -= 4)
        result += "0123456789abcdef"[(character >> shift) & 0xf];
    }
  }
  return result + '"';
}

std::string print(const std::string& value) { return quote(value); }
std::string print(bool value) { return value ? "true" : "false"; }
std::string print(std::uint32_t value) { return std::to_string(value); }
std::string print(duration value) { return quote(to_string(value)); }
std::string print(byte_size value) { return quote(to_string(value)); }
std::string print(ratio value) { return to_string(value); }

std::string print(const std::vector<std::string>& values) {
  std::string result = "[";
  for (const auto& value : values)
    result += (result.size() > 1 ? ", " : "") + quote(value);
  return result + ']';
}

template <class Value>
std::string print_bounds(const option& about, const Value&) {
  if constexpr (std::is_same_v<Value, std::uint32_t>)
    return " " + std::to_string(about.least) + " to " + std::to_string(about.most) + ".";
  else if constexpr (std::is_same_v<Value, duration>)
    return " " + to_string(duration{about.least}) + " to " + to_string(duration{about.most}) + ".";
  else if constexpr (std::is_same_v<Value, byte_size>)
    return " " + to_string(byte_size{static_cast<std::uint64_t>(about.least)}) + " to "
           + to_string(byte_size{static_cast<std::uint64_t>(about.most)}) + ".";
  else if constexpr (std::is_same_v<Value, ratio>)
    return " " + to_string(ratio{static_cast<double>(about.least) / 1'000}) + " to "
           + to_string(ratio{static_cast<double>(about.most) / 1'000}) + ".";
  else if (!about.one_of.empty())
    return " One of " + std::string{about.one_of} + ".";
  return {};
}

struct printer {
  std::string& page;
  bool redact;
  std::string heading = {}; ///< of a section in which everything may be unset; printed before what is

  void section(std::string_view name, std::string_view says) {
    heading = std::string{"\n# "}.append(says).append("\n[").append(name).append("]\n");
    // What all tiers have in common stands there whether or not one of them differs.
    if (!name.starts_with("tiers.")) page += std::exchange(heading, {});
  }

  template <class Value>
  void operator()(const option& about, const std::optional<Value>& value) {
    if (!value) return;
    page += std::exchange(heading, {});
    (*this)(about, *value);
  }

  template <class Value>
  void operator()(const option& about, const Value& value) {
    auto printed = print(value);
    if (about.secret && redact && printed != quote("")) printed = quote("(hidden)");
    const auto name = about.key.substr(about.key.rfind('.') + 1);
    page.append("# ").append(about.says).append(print_bounds(about, value)).append("\n");
    page.append(name).append(" = ").append(printed).append("\n");
  }
};

} // namespace

std::string print_settings(const settings& values, bool redact) {
  auto shown = values;
  // A secret that came from a file is named by the file; both together would be refused.
  if (!shown.auth.secret_file.empty()) shown.auth.secret.clear();
  std::string page{preamble};
  visit_settings(shown, printer{page, redact});
  for (const auto& agent : shown.agents) {
    page.append(
        "\n# One of these for each agent that clients may name; the first is who answers otherwise.\n[[agents]]\n");
    visit_agent(agent, printer{page, redact});
  }
  return page;
}

} // namespace gangway
