#include "protocol/log.hpp"

#include <array>
#include <cerrno>
#include <chrono>
#include <cmath>
#include <memory>
#include <utility>

#include <fmt/format.h>
#include <poll.h>
#include <spdlog/async_logger.h>
#include <spdlog/details/thread_pool.h>
#include <spdlog/sinks/sink.h>
#include <unistd.h>

#include "protocol/printable.hpp"

namespace gangway::log {

namespace {

constexpr std::size_t value_bytes_max = 1024;
constexpr std::array<std::string_view, 4> text_names{"debug", "info", "warning", "error"};
constexpr std::array<std::string_view, 4> json_names{"DEBUG", "INFO", "WARNING", "ERROR"};

// ---- a line as text ------------------------------------------------------------------------------------------------

/// Appends `text` so that it is valid inside a JSON string.
void append_escaped(std::string& line, std::string_view text) {
  const bool is_cut = text.size() > value_bytes_max;
  if (is_cut) {
    text = text.substr(0, value_bytes_max);
    // Not in the middle of a character.
    while (!text.empty() && (static_cast<unsigned char>(text.back()) & 0xc0) == 0x80)
      text.remove_suffix(1);
    if (!text.empty() && static_cast<unsigned char>(text.back()) >= 0xc0) text.remove_suffix(1);
  }
  while (!text.empty()) {
    const auto rest = text;
    const auto character = take_character(text);
    if (character == 0xfffd)
      line += "\uFFFD";
    else if (character == '"' || character == '\\')
      line.append({'\\', static_cast<char>(character)});
    else if (is_invisible(character))
      append_escape(line, character);
    else
      line += rest.substr(0, rest.size() - text.size());
  }
  if (is_cut) line += "…";
}

void append_time(std::string& line, utc_time when) {
  const auto day = std::chrono::floor<std::chrono::days>(when);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{when - day};
  fmt::format_to(std::back_inserter(line), "{:04}-{:02}-{:02}T{:02}:{:02}:{:02}.{:03}Z", static_cast<int>(date.year()),
                 static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()), clock.hours().count(),
                 clock.minutes().count(), clock.seconds().count(), clock.subseconds().count());
}

/// Appends a number or a boolean, which read the same in both formats, or hands a text on.
template <class AppendText>
void append_value(std::string& line, const field& of, AppendText append_text) {
  if (const auto* text = std::get_if<std::string_view>(&of.value))
    append_text(*text);
  else if (const auto* truth = std::get_if<bool>(&of.value))
    line += *truth ? "true" : "false";
  else if (const auto* number = std::get_if<std::int64_t>(&of.value))
    fmt::format_to(std::back_inserter(line), "{}", *number);
  else if (const auto fraction = std::get<double>(of.value); std::isfinite(fraction))
    fmt::format_to(std::back_inserter(line), "{}", fraction);
  else
    line += "null"; // JSON has no word for infinity
}

void append_quoted(std::string& line, std::string_view text) {
  line += '"';
  append_escaped(line, text);
  line += '"';
}

std::string render(format how, level how_bad, std::string_view message, std::initializer_list<field> fields) {
  return how == format::json ? json_line(how_bad, utc_now(), message, fields)
                             : text_line(how_bad, utc_now(), message, fields);
}

// ---- the thread that writes ----------------------------------------------------------------------------------------

/// Writes lines that are already whole to a descriptor, and tells of those that were dropped. spdlog calls it from its
/// one thread only.
class descriptor_sink final : public spdlog::sinks::sink {
public:
  descriptor_sink(int descriptor, format how) : descriptor_{descriptor}, how_{how} {}

  void count_drops_of(spdlog::details::thread_pool& queue) { queue_ = &queue; }
  void log(const spdlog::details::log_msg& line) override {
    tell_of_drops(queue_->overrun_counter());
    write_line({line.payload.data(), line.payload.size()});
  }

  /// Tells of drops up to `count`, unless it has already.
  void tell_of_drops(std::size_t count) {
    if (count == told_) return;
    const auto newly = count - std::exchange(told_, count);
    write_line(render(how_, log::level::warning, "log lines were dropped", {{"dropped", newly}}));
  }

  void flush() override {}
  void set_pattern(const std::string&) override {}
  void set_formatter(std::unique_ptr<spdlog::formatter>) override {}

private:
  void write_line(std::string_view text) {
    std::string line{text};
    line += '\n';
    for (std::string_view rest{line}; !rest.empty();) {
      const auto written = ::write(descriptor_, rest.data(), rest.size());
      if (written >= 0) {
        rest.remove_prefix(static_cast<std::size_t>(written));
      } else if (errno == EAGAIN || errno == EWOULDBLOCK) {
        pollfd writable{descriptor_, POLLOUT, 0};
        ::poll(&writable, 1, -1);
      } else if (errno != EINTR) {
        return; // nobody reads any more; there is no one to tell
      }
    }
  }

  int descriptor_;
  format how_;
  spdlog::details::thread_pool* queue_ = nullptr;
  std::size_t told_ = 0;
};

struct writer {
  level least;
  log::format format;
  std::shared_ptr<descriptor_sink> sink;
  std::shared_ptr<spdlog::details::thread_pool> queue;
  std::shared_ptr<spdlog::async_logger> lines;
};

// Written by start and stop alone, while nobody else writes lines; spdlog's queue is what threads share.
std::unique_ptr<writer> current;
std::uint64_t dropped_before_stop = 0;

} // namespace

std::optional<level> parse_level(std::string_view name) noexcept {
  for (std::size_t i = 0; i < text_names.size(); ++i)
    if (text_names[i] == name) return static_cast<level>(i);
  return std::nullopt;
}

std::optional<format> parse_format(std::string_view name) noexcept {
  if (name == "auto") return format::automatic;
  if (name == "text") return format::text;
  if (name == "json") return format::json;
  return std::nullopt;
}

void start(const options& how) {
  stop();
  dropped_before_stop = 0;
  const bool text = how.format == format::text || (how.format == format::automatic && ::isatty(how.descriptor) == 1);
  auto result = std::make_unique<writer>();
  result->least = how.level;
  result->format = text ? format::text : format::json;
  result->sink = std::make_shared<descriptor_sink>(how.descriptor, result->format);
  result->queue = std::make_shared<spdlog::details::thread_pool>(how.capacity, 1);
  result->sink->count_drops_of(*result->queue);
  result->lines = std::make_shared<spdlog::async_logger>("gangway", result->sink, result->queue,
                                                         spdlog::async_overflow_policy::overrun_oldest);
  result->lines->set_level(spdlog::level::trace);
  current = std::move(result);
}

void stop() {
  if (!current) return;
  const auto ending = std::move(current);
  // Nobody writes any more, so the count is final; ending the pool writes what still waits and joins its thread.
  dropped_before_stop = ending->queue->overrun_counter();
  ending->queue.reset();
  ending->sink->tell_of_drops(dropped_before_stop);
}

std::uint64_t dropped() { return current ? current->queue->overrun_counter() : dropped_before_stop; }

void write(level how_bad, std::string_view message, std::initializer_list<field> fields) noexcept {
  if (!current || how_bad < current->least) return;
  try {
    current->lines->log(spdlog::level::info, spdlog::string_view_t{render(current->format, how_bad, message, fields)});
  } catch (...) {
    // Out of memory: the line is lost, the caller is not.
  }
}

std::string json_line(level how_bad, utc_time when, std::string_view message, std::initializer_list<field> fields) {
  std::string line = "{\"severity\":\"";
  line.append(json_names[static_cast<std::size_t>(how_bad)]).append("\",\"time\":\"");
  append_time(line, when);
  line += "\",\"message\":";
  append_quoted(line, message);
  for (const auto& field : fields) {
    line += ',';
    append_quoted(line, field.name);
    line += ':';
    append_value(line, field, [&](std::string_view text) { append_quoted(line, text); });
  }
  return line += '}';
}

std::string text_line(level how_bad, utc_time when, std::string_view message, std::initializer_list<field> fields) {
  std::string line;
  append_time(line, when);
  fmt::format_to(std::back_inserter(line), " {:<7} ", text_names[static_cast<std::size_t>(how_bad)]);
  append_escaped(line, message);
  for (const auto& field : fields) {
    line += ' ';
    append_escaped(line, field.name);
    line += '=';
    append_value(line, field, [&](std::string_view text) {
      // Quotes where a reader could not tell where the value ends.
      if (text.empty() || text.find_first_of(" =\"\\\n") != text.npos)
        append_quoted(line, text);
      else
        append_escaped(line, text);
    });
  }
  return line;
}

} // namespace gangway::log
