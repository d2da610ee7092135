// The log is written by a thread and a library of its own, unlike what else protocol/ holds: tidy: allow (log.hpp is in
// protocol/)
#include "protocol/log.hpp"

#define CAF_SUITE log
#include "caf/test/unit_test.hpp"

#include <limits>
#include <string>
#include <thread>

#include <nlohmann/json.hpp>
#include <unistd.h>

using namespace gangway;
using log::level;
using namespace std::chrono_literals;

namespace {

// 2026-01-31 12:34:56.007 UTC
constexpr utc_time noon{std::chrono::milliseconds{1'769'862'896'007}};

/// What is logged, through a pipe.
struct pipe_reader {
  int ends[2]{-1, -1};

  pipe_reader() {
    if (::pipe(ends) != 0) CAF_FAIL("no pipe");
  }
  ~pipe_reader() {
    log::stop();
    ::close(ends[0]);
    if (ends[1] >= 0) ::close(ends[1]);
  }

  /// Reads until the writing end is closed by `stop_logging`.
  std::string read_all() const {
    std::string result;
    char buffer[4096];
    for (ssize_t count = 0; (count = ::read(ends[0], buffer, sizeof buffer)) > 0;)
      result.append(buffer, static_cast<std::size_t>(count));
    return result;
  }

  void stop_logging() {
    log::stop();
    ::close(std::exchange(ends[1], -1));
  }
};

std::vector<std::string> split_lines(const std::string& text) {
  std::vector<std::string> result;
  for (std::size_t begin = 0; begin < text.size();) {
    const auto end = std::min(text.find('\n', begin), text.size());
    result.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  return result;
}

} // namespace

CAF_TEST(a_json_line_has_severity_time_message_and_its_fields_at_the_top) {
  CAF_CHECK_EQUAL(log::json_line(level::info, noon, "ready", {}),
                  R"({"severity":"INFO","time":"2026-01-31T12:34:56.007Z","message":"ready"})");
  CAF_CHECK_EQUAL(
      log::json_line(
          level::warning, noon, "slow reader",
          {{"user_id", "105945141827451681156"}, {"bytes", 7}, {"ratio", 0.5}, {"resumed", true}, {"lag", -3}}),
      R"({"severity":"WARNING","time":"2026-01-31T12:34:56.007Z","message":"slow reader","user_id":"105945141827451681156",)"
      R"("bytes":7,"ratio":0.5,"resumed":true,"lag":-3})");
}

CAF_TEST(a_text_line_has_time_level_message_and_its_fields_behind) {
  CAF_CHECK_EQUAL(log::text_line(level::error, noon, "store failed", {{"code", 14}, {"path", "a b.db"}, {"name", "x"}}),
                  R"(2026-01-31T12:34:56.007Z error   store failed code=14 path="a b.db" name=x)");
  CAF_CHECK_EQUAL(log::text_line(level::warning, noon, "w", {{"empty", ""}, {"equal", "a=b"}, {"umlaut", "ü"}}),
                  R"(2026-01-31T12:34:56.007Z warning w empty="" equal="a=b" umlaut=ü)");
  CAF_CHECK_EQUAL(log::text_line(level::debug, noon, "d", {}), "2026-01-31T12:34:56.007Z debug   d");
}

CAF_TEST(the_four_severities_are_googles_words) {
  for (const auto& [how_bad, word] : {std::pair{level::debug, "DEBUG"}, std::pair{level::info, "INFO"},
                                      std::pair{level::warning, "WARNING"}, std::pair{level::error, "ERROR"}})
    CAF_CHECK(nlohmann::json::parse(log::json_line(how_bad, noon, "m", {}))["severity"] == word);
}

CAF_TEST(a_time_at_the_edges_of_a_day_and_a_year_is_right) {
  const auto time_of = [](utc_time when) { return log::text_line(level::info, when, "m", {}).substr(0, 24); };
  CAF_CHECK_EQUAL(time_of(utc_time{0ms}), "1970-01-01T00:00:00.000Z");
  CAF_CHECK_EQUAL(time_of(utc_time{1'735'689'599'999ms}), "2024-12-31T23:59:59.999Z");
  CAF_CHECK_EQUAL(time_of(utc_time{1'735'689'600'000ms}), "2025-01-01T00:00:00.000Z");
  CAF_CHECK_EQUAL(time_of(utc_time{1'709'164'800'000ms}), "2024-02-29T00:00:00.000Z");
}

CAF_TEST(hostile_values_stay_one_line_of_valid_utf8) {
  using namespace std::string_literals;
  const std::string hostile[]{"a\nb",
                              "a\r\nb",
                              "say \"hi\"",
                              "back\\slash",
                              "nul\0byte"s,
                              "esc\x1b[31m",
                              "\xff\xfe",
                              "cut\xe2\x82",
                              "\xc0\xaf",
                              "\xed\xa0\x80",
                              "\xe2\x80\xae"
                              "flip",
                              "\xc2\x85next",
                              "\xe2\x80\xa8line"};
  for (const auto& value : hostile) {
    const auto json = log::json_line(level::info, noon, value, {{"value", value}});
    CAF_CHECK(nlohmann::json::accept(json));
    const auto text = log::text_line(level::info, noon, value, {{"value", value}});
    for (const auto& line : {json, text}) {
      CAF_CHECK(is_utf8(line));
      for (const auto* breaker : {"\n", "\r", "\x1b", "\xc2\x85", "\xe2\x80\xa8", "\xe2\x80\xae"})
        CAF_CHECK(line.find(breaker) == line.npos);
    }
  }
  CAF_CHECK(nlohmann::json::parse(log::json_line(level::info, noon, "m", {{"v", "a\n\"\\\x01ü"}}))["v"]
            == "a\n\"\\\x01ü");
  CAF_CHECK(nlohmann::json::parse(log::json_line(level::info, noon, "m", {{"v", "a\xff"}}))["v"] == "a\uFFFD");
  CAF_CHECK_EQUAL(log::text_line(level::info, noon, "m", {{"v", "a\n\"b\""}}).substr(33), R"(m v="a\n\"b\"")");
}

CAF_TEST(a_value_of_1024_bytes_is_whole_and_one_of_1025_is_cut_between_characters) {
  const auto value_of = [](const std::string& text) {
    return nlohmann::json::parse(log::json_line(level::info, noon, "m", {{"v", text}}))["v"].get<std::string>();
  };
  CAF_CHECK_EQUAL(value_of(std::string(1024, 'x')), std::string(1024, 'x'));
  CAF_CHECK_EQUAL(value_of(std::string(1025, 'x')), std::string(1024, 'x') + "…");
  CAF_CHECK_EQUAL(value_of(std::string(1023, 'x') + "üx"), std::string(1023, 'x') + "…");
}

CAF_TEST(a_number_that_json_lacks_is_null) {
  const auto line = log::json_line(level::info, noon, "m", {{"v", std::numeric_limits<double>::infinity()}});
  CAF_CHECK(nlohmann::json::parse(line)["v"].is_null());
}

CAF_TEST(names_of_levels_and_formats_are_those_of_the_options) {
  CAF_CHECK(log::parse_level("debug") == level::debug);
  CAF_CHECK(log::parse_level("error") == level::error);
  CAF_CHECK(!log::parse_level("warn"));
  CAF_CHECK(log::parse_format("auto") == log::format::automatic);
  CAF_CHECK(log::parse_format("json") == log::format::json);
  CAF_CHECK(!log::parse_format("xml"));
}

CAF_TEST_FIXTURE_SCOPE(log_tests, pipe_reader)

CAF_TEST(before_start_nothing_is_written) {
  log::error("nobody listens");
  CAF_CHECK_EQUAL(log::dropped(), 0u);
  log::start({.descriptor = ends[1]});
  log::info("first");
  stop_logging();
  log::error("nobody listens any more");
  const auto lines = split_lines(read_all());
  CAF_REQUIRE_EQUAL(lines.size(), 1u);
  CAF_CHECK(nlohmann::json::parse(lines[0])["message"] == "first"); // a pipe is no terminal, so it is JSON
}

CAF_TEST(lines_below_the_level_are_left_out_and_the_rest_is_in_order) {
  log::start({.level = level::warning, .format = log::format::text, .descriptor = ends[1]});
  log::info("no");
  log::warning("one");
  log::debug("no");
  log::error("two");
  stop_logging();
  const auto lines = split_lines(read_all());
  CAF_REQUIRE_EQUAL(lines.size(), 2u);
  CAF_CHECK(lines[0].ends_with(" warning one"));
  CAF_CHECK(lines[1].ends_with(" error   two"));
}

CAF_TEST(a_full_queue_drops_without_blocking_and_the_log_says_how_many) {
  // Nobody reads: the pipe fills, then the queue of 16; every line more costs the oldest one.
  constexpr std::size_t written = 5'000;
  log::start({.capacity = 16, .descriptor = ends[1]});
  for (std::size_t i = 0; i < written; ++i)
    log::info("a line that fills the pipe", {{"number", i}});
  CAF_CHECK(log::dropped() > 0);

  std::string text;
  std::thread reader{[&] { text = read_all(); }};
  stop_logging();
  reader.join();
  std::size_t seen = 0;
  std::size_t told = 0;
  std::size_t last = 0;
  for (const auto& line : split_lines(text)) {
    const auto entry = nlohmann::json::parse(line);
    if (entry.contains("dropped")) {
      CAF_CHECK(entry["severity"] == "WARNING");
      told += entry["dropped"].get<std::size_t>();
    } else {
      ++seen;
      last = entry["number"];
    }
  }
  CAF_CHECK_EQUAL(told, log::dropped());
  CAF_CHECK_EQUAL(seen + told, written);
  CAF_CHECK_EQUAL(last, written - 1); // the newest survive
}

CAF_TEST(a_pipe_that_nobody_reads_any_more_ends_nothing) {
  log::start({.descriptor = ends[0]}); // an end that cannot be written
  log::error("lost");
  log::stop();
  CAF_CHECK_EQUAL(log::dropped(), 0u);
}

CAF_TEST_FIXTURE_SCOPE_END()
