#pragma once

/// What the operator reads: one line per event, on standard error. Text on a terminal; elsewhere one JSON object per
/// line
/// (`severity`, `message`, `time`, and each field at the top level), as Google Cloud Logging and others read levels.
///
/// Fields are ids, counts and reasons. Never a token, a secret, or the text of a message.

#include <concepts>
#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <optional>
#include <string>
#include <string_view>
#include <variant>

#include "protocol/vocabulary.hpp"

namespace gangway::log {

enum class level : std::uint8_t { debug, info, warning, error };

enum class format : std::uint8_t { automatic, text, json };

/// Returns the level of the name that `log.level` has: debug, info, warning or error.
std::optional<level> parse_level(std::string_view name) noexcept;

/// Returns the format of the name that `log.format` has: auto, text or json.
std::optional<format> parse_format(std::string_view name) noexcept;

/// One named value of a line. It refers to its text, which must live until `write` returns. The name is a literal of
/// lower_snake_case, not one of `severity`, `message`, `time`.
struct field {
  std::string_view name;
  std::variant<std::string_view, std::int64_t, double, bool> value;

  field(std::string_view name, std::string_view text) : name{name}, value{text} {}
  field(std::string_view name, const std::string& text) : field{name, std::string_view{text}} {}
  field(std::string_view name, const char* text) : field{name, std::string_view{text}} {}
  template <class Tag>
  field(std::string_view name, const strong_name<Tag>& id) : field{name, std::string_view{id.value}} {}
  template <std::integral Number>
  field(std::string_view name, Number number) : name{name}, value{static_cast<std::int64_t>(number)} {}
  field(std::string_view name, double number) : name{name}, value{number} {}
  field(std::string_view name, bool truth) : name{name}, value{truth} {}
};

/// How lines are written.
struct options {
  log::level level = log::level::info; ///< the least that is written
  log::format format = log::format::automatic;
  std::size_t capacity = 8192; ///< lines that may wait; beyond it the oldest are dropped and counted
  int descriptor = 2;          ///< where lines go; it is neither owned nor closed
};

/// Starts writing, on a thread of its own, so that a slow terminal or a full pipe never stalls a caller. To be called
/// before other threads write, and again only after `stop`. Until then nothing is written.
void start(const options& how = {});

/// Writes what waits, and how many lines were dropped, and ends the thread. To be called when no other thread writes.
void stop();

/// Returns how many lines were dropped since `start`. A later line says so in the log itself.
std::uint64_t dropped();

/// Writes one line, if its level is written. The message is a fixed sentence; what varies is in the fields. Whatever
/// bytes they hold, it stays one line of valid UTF-8; a value longer than 1 KiB is cut. Never blocks, never throws.
void write(level how_bad, std::string_view message, std::initializer_list<field> fields = {}) noexcept;

inline void debug(std::string_view message, std::initializer_list<field> fields = {}) noexcept {
  write(level::debug, message, fields);
}
inline void info(std::string_view message, std::initializer_list<field> fields = {}) noexcept {
  write(level::info, message, fields);
}
inline void warning(std::string_view message, std::initializer_list<field> fields = {}) noexcept {
  write(level::warning, message, fields);
}
inline void error(std::string_view message, std::initializer_list<field> fields = {}) noexcept {
  write(level::error, message, fields);
}

/// Returns the line as JSON, without a line end: {"severity":"INFO","time":"2026-01-31T12:00:00.000Z","message":…}.
std::string json_line(level how_bad, utc_time when, std::string_view message, std::initializer_list<field> fields);

/// Returns the line as text, without a line end: 2026-01-31T12:00:00.000Z info    message name=value.
std::string text_line(level how_bad, utc_time when, std::string_view message, std::initializer_list<field> fields);

} // namespace gangway::log
