#include "actors/builtin/plan.hpp"

#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include <nlohmann/json.hpp>

#include "actors/builtin/calculator.hpp"
#include "protocol/message_text.hpp"
#include "protocol/messages.hpp"

namespace gangway {

namespace {

using json_value = nlohmann::json;

constexpr std::size_t query_bytes_max = 200;
constexpr std::size_t quote_bytes_max = 200;
constexpr std::size_t excerpt_bytes_max = 120;
constexpr std::size_t delta_bytes_min = 8;
constexpr std::size_t delta_bytes_max = 32;

constexpr std::string_view usage =
    "Usage: /stream N R streams N deltas (1 to 100000) at R a second (0.1 to 100000), for example /stream 100 10.";

constexpr std::string_view help = "I am Gangway's builtin agent. I can calculate (what is 12*(3+4)?), tell the time "
                                  "(what time is it?), search this thread (search banana), and stream numbers "
                                  "(/stream 100 10).";

// -- text ----------------------------------------------------------------------------------------

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }
bool is_space(char c) noexcept { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }
bool is_letter(char c) noexcept { return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_'; }
bool is_operator(char c) noexcept { return std::string_view{"+-*/%^"}.find(c) != std::string_view::npos; }

/// Returns `text` without the characters of `unwanted` at its ends.
std::string_view trim(std::string_view text, std::string_view unwanted = " \t\r\n") noexcept {
  const auto first = text.find_first_not_of(unwanted);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(unwanted) - first + 1);
}

std::string_view trim_end(std::string_view text, std::string_view unwanted) noexcept {
  return text.substr(0, text.find_last_not_of(unwanted) + 1);
}

/// Returns `text` with ASCII capitals lowered: as long as it was, so that positions hold in both.
std::string lower(std::string_view text) {
  std::string result{text};
  for (auto& c : result) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return result;
}

/// Returns the longest beginning of at most `bytes_max` bytes that does not end inside a UTF-8 character.
std::string_view cut(std::string_view text, std::size_t bytes_max) noexcept {
  if (text.size() <= bytes_max) return text;
  auto end = bytes_max;
  // A character has at most three bytes after its first; bytes that are no UTF-8 at all are cut anywhere.
  for (auto back = 0; back < 3 && end > 1 && (static_cast<unsigned char>(text[end]) & 0xC0) == 0x80; ++back)
    --end;
  return text.substr(0, end);
}

std::string shorten(std::string_view text, std::size_t bytes_max) {
  const auto head = cut(text, bytes_max);
  return head.size() == text.size() ? std::string{text} : std::string{head} + "…";
}

/// Returns JSON text, whatever bytes a string in it has.
json_text encode(const json_value& value) { return {value.dump(-1, ' ', false, json_value::error_handler_t::replace)}; }

std::string string_member(const json_text& object, const char* key) {
  const auto value = json_value::parse(object.value, nullptr, false);
  if (!value.is_object()) return {};
  const auto member = value.find(key);
  return member != value.end() && member->is_string() ? member->get<std::string>() : std::string{};
}

// -- what a message wants ------------------------------------------------------------------------

struct wants_stream {
  std::optional<stream_step> stream; ///< none: it was asked for wrongly
};
struct wants_search {
  std::string query;
};
struct wants_calculation {
  std::string expression;
};
struct wants_time {};
struct wants_help {};

using wish = std::variant<wants_stream, wants_search, wants_calculation, wants_time, wants_help>;

std::vector<std::string_view> split_words(std::string_view text) {
  std::vector<std::string_view> words;
  for (std::size_t at = 0; at < text.size();) {
    if (is_space(text[at])) {
      ++at;
      continue;
    }
    auto end = at;
    while (end < text.size() && !is_space(text[end]))
      ++end;
    words.push_back(text.substr(at, end - at));
    at = end;
  }
  return words;
}

template <class Number, class... Format>
std::optional<Number> parse_number(std::string_view word, Format... format) {
  Number value{};
  const auto end = word.data() + word.size();
  const auto [stopped, code] = std::from_chars(word.data(), end, value, format...);
  if (code != std::errc{} || stopped != end) return std::nullopt;
  return value;
}

std::optional<stream_step> parse_stream(const std::vector<std::string_view>& words) {
  if (words.size() != 3) return std::nullopt;
  const auto count = parse_number<std::uint64_t>(words[1]);
  const auto rate = parse_number<double>(words[2], std::chars_format::fixed);
  if (!count || *count < 1 || *count > stream_count_max) return std::nullopt;
  // Written so that "nan" falls through as well.
  if (!rate || !(*rate >= stream_rate_min && *rate <= stream_rate_max)) return std::nullopt;
  return stream_step{*count, *rate};
}

/// Returns `text` behind the first of `beginnings` that it has, else `text`.
template <std::size_t N>
std::string_view without_beginning(std::string_view text, const std::array<std::string_view, N>& beginnings) {
  const auto lowered = lower(text.substr(0, std::min<std::size_t>(text.size(), 64)));
  for (const auto beginning : beginnings) {
    if (lowered.starts_with(beginning)) return trim(text.substr(beginning.size()));
  }
  return text;
}

std::string clean_query(std::string_view query) {
  static constexpr std::array<std::string_view, 5> fillers{"for ", "this thread for ", "the thread for ", "thread for ",
                                                           "in this thread for "};
  static constexpr std::array<std::string_view, 2> tails{" before", " in this thread"};
  query = without_beginning(trim(query), fillers);
  query = trim(trim_end(query, "?!. \t\r\n"));
  for (const auto tail : tails) {
    if (lower(query).ends_with(tail)) query = trim(query.substr(0, query.size() - tail.size()));
  }
  if (query.size() >= 2 && query.front() == query.back() && (query.front() == '"' || query.front() == '\'')) {
    query = trim(query.substr(1, query.size() - 2));
  }
  return std::string{trim(cut(query, query_bytes_max))};
}

std::optional<std::string> find_query(std::string_view text) {
  static constexpr std::array<std::string_view, 3> politeness{"please ", "can you ", "could you "};
  static constexpr std::array<std::string_view, 2> verbs{"search ", "find "};
  static constexpr std::string_view question = "did i say ";
  const auto request = without_beginning(without_beginning(text, politeness), politeness);
  auto rest = without_beginning(request, verbs);
  if (rest.size() == request.size()) {
    const auto at = lower(text).find(question);
    if (at == std::string::npos) return std::nullopt;
    rest = text.substr(at + question.size());
  }
  auto query = clean_query(rest);
  if (query.empty()) return std::nullopt;
  return query;
}

/// Returns where the run of expression characters that begins at `at` ends. A line's end ends it; a dot or comma
/// belongs to it only inside a number, so that a full stop does not.
std::size_t end_of_run(std::string_view text, std::size_t at) noexcept {
  const auto digit_at = [&](std::size_t i) { return i < text.size() && is_digit(text[i]); };
  for (; at < text.size(); ++at) {
    const auto c = text[at];
    const auto after_digit = at > 0 && digit_at(at - 1);
    if (is_digit(c) || is_operator(c) || c == '(' || c == ')' || c == ' ' || c == '\t') continue;
    if (c == '.' && digit_at(at + 1)) continue;
    if (c == ',' && after_digit && digit_at(at + 1)) continue;
    const auto exponent = at + 2 < text.size() && (text[at + 1] == '-' || text[at + 1] == '+') ? at + 2 : at + 1;
    if ((c == 'e' || c == 'E') && after_digit && digit_at(exponent)) continue;
    break;
  }
  return at;
}

/// Returns whether `run` is `1999-12-31`: a date, not a subtraction.
bool is_date(std::string_view run) noexcept {
  if (run.size() != 10) return false;
  for (std::size_t i = 0; i < run.size(); ++i) {
    if ((i == 4 || i == 7) ? run[i] != '-' : !is_digit(run[i])) return false;
  }
  return true;
}

/// Returns whether two numbers of `run` have an operator between them.
bool has_operation(std::string_view run) noexcept {
  auto number_seen = false;
  auto operator_seen = false;
  for (std::size_t i = 0; i < run.size(); ++i) {
    if (is_digit(run[i])) {
      if (operator_seen) return true;
      number_seen = true;
    } else if (number_seen && is_operator(run[i]) && !is_letter(run[i - 1])) {
      operator_seen = true; // the sign of an exponent, behind its letter, is none
    }
  }
  return false;
}

/// Returns `run` without closing parentheses that its sentence opened: "(that is 2+3)".
std::string_view without_surplus_closings(std::string_view run) noexcept {
  auto surplus = std::count(run.begin(), run.end(), ')') - std::count(run.begin(), run.end(), '(');
  for (; surplus > 0 && run.ends_with(')'); --surplus)
    run = trim(run.substr(0, run.size() - 1));
  return run;
}

/// Returns whether what stands around `run`, a piece of `text`, makes it part of a word, a path or a time of day.
bool is_inside_word(std::string_view text, std::string_view run) noexcept {
  const auto begin = static_cast<std::size_t>(run.data() - text.data());
  const auto end = begin + run.size();
  if (begin > 0) {
    const auto before = text[begin - 1];
    if (is_letter(before) || before == '/' || before == '.') return true;
    if (before == ':' && begin > 1 && is_digit(text[begin - 2])) return true;
  }
  return end < text.size() && (is_letter(text[end]) || (text[end] == ':' && is_digit(text[end - 1])));
}

/// Returns the expression that is all of `text`, also a broken one: who types "1+" wants to hear what is missing.
std::optional<std::string_view> whole_expression(std::string_view text) noexcept {
  text = trim_end(text, "?!=. \t\r\n");
  const auto digits = std::any_of(text.begin(), text.end(), is_digit);
  const auto operators = std::any_of(text.begin(), text.end(), is_operator);
  if (!digits || !operators || is_date(text) || end_of_run(text, 0) < text.size()) return std::nullopt;
  return text;
}

std::optional<std::string> find_expression(std::string_view text) {
  // One byte more than is allowed is enough for the calculator to say that it is too much.
  const auto bounded = [](std::string_view run) { return std::string{run.substr(0, expression_bytes_max + 1)}; };
  if (const auto whole = whole_expression(text)) return bounded(*whole);
  for (std::size_t at = 0; at < text.size();) {
    const auto c = text[at];
    const auto next_is_digit = at + 1 < text.size() && is_digit(text[at + 1]);
    if (!is_digit(c) && c != '(' && c != '-' && !(c == '.' && next_is_digit)) {
      ++at;
      continue;
    }
    const auto end = std::max(end_of_run(text, at), at + 1);
    const auto run = without_surplus_closings(trim(text.substr(at, end - at)));
    if (has_operation(run) && !is_date(run) && !is_inside_word(text, run)) return bounded(run);
    at = end;
  }
  return std::nullopt;
}

/// Returns whether a short message asks for the time: "time?", "what's the date today", "tell me the time please".
bool asks_for_time(std::string_view text) {
  static constexpr std::size_t words_max = 8;
  static constexpr std::array<std::string_view, 4> subjects{"time", "date", "day", "clock"};
  static constexpr std::array<std::string_view, 12> questions{"what", "what's", "whats", "which", "current", "now",
                                                              "tell", "show",   "give",  "today", "today's", "utc"};
  const auto lowered = lower(cut(text, 256));
  const auto words = split_words(lowered);
  auto subject = false;
  auto question = words.size() <= 2;
  for (const auto word : words) {
    const auto bare = trim(word, "?!.,;:\"");
    subject |= std::find(subjects.begin(), subjects.end(), bare) != subjects.end();
    question |= std::find(questions.begin(), questions.end(), bare) != questions.end();
  }
  return subject && question && words.size() <= words_max;
}

wish read_wish(std::string_view text) {
  text = trim(text);
  static constexpr std::string_view stream = "/stream";
  if (text.starts_with(stream) && (text.size() == stream.size() || is_space(text[stream.size()]))) {
    return wants_stream{parse_stream(split_words(text))};
  }
  if (auto query = find_query(text)) return wants_search{std::move(*query)};
  if (auto expression = find_expression(text)) return wants_calculation{std::move(*expression)};
  if (asks_for_time(text)) return wants_time{};
  return wants_help{};
}

// -- the tools -----------------------------------------------------------------------------------

tool_outcome run_calculator(const json_text& arguments) {
  const auto expression = string_member(arguments, "expression");
  if (expression.empty()) return {R"(the calculator needs {"expression": "…"})", true};
  const auto result = calculate(expression);
  if (const auto error = std::get_if<calculation_error>(&result)) return {to_string(*error), true};
  return {format_number(std::get<double>(result)), false};
}

tool_outcome run_clock(utc_time now) {
  const auto day = std::chrono::floor<std::chrono::days>(now);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss time{std::chrono::floor<std::chrono::seconds>(now - day)};
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(time.hours().count()), static_cast<int>(time.minutes().count()),
                static_cast<int>(time.seconds().count()));
  return {buffer, false};
}

/// Returns `text` on one line, as an excerpt.
std::string excerpt(std::string_view text) {
  auto line = shorten(trim(text), excerpt_bytes_max);
  std::replace_if(
      line.begin(), line.end(), [](char c) { return c == '\n' || c == '\r' || c == '\t'; }, ' ');
  return line;
}

} // namespace

std::vector<agent_step> first_steps(std::string_view text) {
  const auto wanted = read_wish(text);
  if (const auto* it = std::get_if<wants_stream>(&wanted); it && it->stream) return {think_step{}, *it->stream};
  if (const auto* it = std::get_if<wants_search>(&wanted)) {
    return {think_step{}, call_tool_step{tool_name::search_thread, encode({{"query", it->query}})}};
  }
  if (const auto* it = std::get_if<wants_calculation>(&wanted)) {
    return {think_step{}, call_tool_step{tool_name::calculator, encode({{"expression", it->expression}})}};
  }
  if (std::holds_alternative<wants_time>(wanted)) {
    return {think_step{}, call_tool_step{tool_name::clock, encode(json_value::object())}};
  }
  return {think_step{}, say_step{compose_answer(text, std::nullopt)}};
}

std::string compose_answer(std::string_view text, const std::optional<tool_outcome>& outcome) {
  const auto wanted = read_wish(text);
  if (std::holds_alternative<wants_stream>(wanted)) return std::string{usage};
  if (!outcome) return std::string{help};
  if (const auto* it = std::get_if<wants_calculation>(&wanted)) {
    const auto quote = shorten(it->expression, quote_bytes_max);
    if (outcome->is_error) return "I cannot calculate " + quote + ": " + outcome->result + ".";
    return quote + " is " + outcome->result + ".";
  }
  if (const auto* it = std::get_if<wants_search>(&wanted)) {
    if (outcome->is_error) return "I cannot search this thread: " + outcome->result + ".";
    return "I looked for \"" + it->query + "\" in this thread. " + outcome->result;
  }
  if (std::holds_alternative<wants_time>(wanted)) {
    if (outcome->is_error) return "I cannot tell the time: " + outcome->result + ".";
    return "It is " + outcome->result + " (UTC).";
  }
  return std::string{help};
}

std::vector<std::string> split_deltas(std::string_view text) {
  std::vector<std::string> deltas;
  while (!text.empty()) {
    // Behind the first space that makes the piece long enough; inside a word only if that comes too late.
    auto end = std::min(text.size(), delta_bytes_min);
    while (end < text.size() && !(is_space(text[end - 1]) && !is_space(text[end])) && end <= delta_bytes_max)
      ++end;
    if (end > delta_bytes_max) end = cut(text, delta_bytes_max).size();
    deltas.emplace_back(text.substr(0, end));
    text.remove_prefix(end);
  }
  return deltas;
}

std::string stream_delta(std::uint64_t number) { return std::to_string(number) + ' '; }

tool_outcome run_tool(std::string_view name, const json_text& arguments, utc_time now) {
  if (name == tool_name::calculator) return run_calculator(arguments);
  if (name == tool_name::clock) return run_clock(now);
  return {"there is no tool of this name here", true};
}

std::string search_query(const json_text& arguments) { return string_member(arguments, "query"); }

tool_outcome search_outcome(const messages_page& found, sequence question) {
  std::string lines;
  std::size_t count = 0;
  for (const auto& message : found.messages) {
    if (message.seq >= question) continue;
    ++count;
    lines += "\n- " + message.role + ": " + excerpt(message_text(message.content));
  }
  if (count == 0) return {"Nothing found.", false};
  auto head = "Found " + std::to_string(count) + (count == 1 ? " message" : " messages");
  if (found.more) head += ", and there are more";
  return {head + ':' + lines, false};
}

} // namespace gangway
