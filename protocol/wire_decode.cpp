#include <algorithm>
#include <array>
#include <string>
#include <utility>

#include <nlohmann/json.hpp>

#include "protocol/json.hpp"
#include "protocol/wire.hpp"

namespace gangway::wire {

namespace {

constexpr std::int64_t integer_max = std::int64_t{1} << 53;

// Every field that some frame has, so that one pass finds them all.
enum field : std::size_t {
  id,
  type,
  thread_id,
  epoch,
  after_seq,
  before_seq,
  limit,
  before,
  content,
  client_message_id,
  agent,
  run_id,
  seq,
  token,
  client,
  capabilities,
  field_count,
};

constexpr std::array<std::string_view, field_count> field_names = {
    "id",     "type",        "thread_id",         "epoch", "after_seq", "before_seq", "limit",
    "before", "content",     "client_message_id", "agent", "run_id",    "seq",        "token",
    "client", "capabilities"};

using json_value = nlohmann::json;

json_value parse(std::string_view text) { return json_value::parse(text, nullptr, false); }

// The fields of one frame. What is wrong with the first bad one is kept, so that a command can be read straight
// through and judged at its end.
class frame_fields {
public:
  std::optional<std::int64_t> request;

  json::verdict find(std::string_view text) {
    // Before anything is parsed: parsers differ in what they make of halves of characters.
    original_ = text;
    mended_ = json::mend_surrogates(text);
    if (mended_) text = *mended_;
    const auto verdict = json::find_members(text, field_names, values_, depth_max);
    for (auto& value : values_) {
      if (value == "null") value = {};
    }
    return verdict;
  }

  bool has(field which) const noexcept { return !values_[which].empty(); }

  std::string_view raw(field which) const noexcept { return values_[which]; }

  std::string text(field which, std::string_view expected = "a string") {
    auto result = json::to_text(values_[which]);
    if (!result) refuse(which, expected);
    return std::move(result).value_or(std::string{});
  }

  std::optional<std::string> optional_text(field which) {
    if (!has(which)) return std::nullopt;
    return text(which);
  }

  std::int64_t integer(field which, std::int64_t low, std::int64_t high) {
    const auto result = json::to_integer(values_[which]);
    if (result && *result >= low && *result <= high) return *result;
    std::string expected = "an integer from ";
    json::append_number(expected, low);
    expected += " to ";
    json::append_number(expected, high);
    expected += hint(which);
    refuse(which, expected);
    return 0;
  }

  std::int64_t integer_or(field which, std::int64_t low, std::int64_t high, std::int64_t otherwise) {
    return has(which) ? integer(which, low, high) : otherwise;
  }

  gangway::thread_id thread() {
    constexpr std::string_view expected = "1 to 128 characters of A-Z, a-z, 0-9, '_' and '-'";
    gangway::thread_id result{text(field::thread_id, expected)};
    if (!is_thread_id(result.value)) refuse(field::thread_id, expected);
    return result;
  }

  gangway::run_id run() {
    constexpr std::string_view expected = "the UUID of a run";
    const auto result = gangway::run_id::parse(text(field::run_id, expected));
    if (!result) refuse(field::run_id, expected);
    return result.value_or(gangway::run_id{});
  }

  std::optional<log_position> position() {
    if (!has(epoch) && !has(after_seq)) return std::nullopt;
    if (!has(after_seq)) refuse("epoch must come together with after_seq");
    if (!has(epoch)) refuse("after_seq must come together with epoch");
    log_position result;
    result.epoch = text(epoch);
    result.after = static_cast<sequence>(integer(after_seq, 0, integer_max));
    return result;
  }

  // A string is kept in one spelling of its escapes, an array as it came but for white space: a line of it may
  // become a line of a stream.
  json_text message_content() {
    json_text result;
    if (const auto words = json::to_text(raw(content)); words && !words->empty()) {
      json::append_text(result.value, *words);
    } else if (!words && are_parts(parse(raw(content)))) {
      result.value = json::compact(raw(content));
    } else {
      refuse(content, "a non-empty string or a non-empty array of objects with a string \"type\"");
    }
    return result;
  }

  std::optional<std::string> message_name() {
    auto result = optional_text(client_message_id);
    // Names that differ in what cannot be said would be one name, and one of two messages lost.
    if (result && is_mended(client_message_id)) refuse(client_message_id, "a string of whole characters");
    if (result && (result->empty() || result->size() > 128)) refuse(client_message_id, "a string of 1 to 128 bytes");
    return result;
  }

  // The names of what a client can do, as a list or as an object of booleans; those that we do not know are ignored.
  bool can(std::string_view capability) {
    if (!has(capabilities)) return false;
    const auto list = parse(raw(capabilities));
    bool well_formed = list.is_array() || list.is_object();
    bool found = false;
    for (const auto& [key, value] : list.items()) {
      well_formed = well_formed && (list.is_array() ? value.is_string() : value.is_boolean());
      found = found || (list.is_array() ? value == capability : key == capability && value == true);
    }
    if (!well_formed) refuse(capabilities, "an array of strings, or an object of booleans");
    return found;
  }

  void refuse(field which, std::string_view expected) {
    std::string message{field_names[which]};
    message += has(which) ? " must be " : " is missing: it must be ";
    message += expected;
    refuse(std::move(message));
  }

  void refuse(std::string message, error_code code = error_code::bad_request) {
    if (!error_) error_ = command_error{code, std::move(message), std::nullopt, std::nullopt};
  }

  bool refused() const noexcept { return error_.has_value(); }

  // Returns the command that was read, or the refusal if any of its fields was bad.
  std::variant<command, refusal> judge(command read) {
    if (error_) return refusal{request, std::move(*error_)};
    return read;
  }

private:
  // Whether it was sent with halves of characters in it, which are U+FFFD now.
  bool is_mended(field which) const noexcept {
    const auto value = values_[which];
    return mended_ && original_.substr(static_cast<std::size_t>(value.data() - mended_->data()), value.size()) != value;
  }

  static bool are_parts(const json_value& parts) {
    if (!parts.is_array() || parts.empty()) return false;
    for (const auto& part : parts) {
      if (!part.is_object() || !part.contains("type") || !part["type"].is_string()) return false;
    }
    return true;
  }

  // 1.0 and 1e3 look like integers to people, and are none to many readers of JSON.
  std::string_view hint(field which) const noexcept {
    const auto value = values_[which];
    const bool is_number = !value.empty() && (value[0] == '-' || (value[0] >= '0' && value[0] <= '9'));
    const bool is_fraction = is_number && value.find_first_of(".eE") != std::string_view::npos;
    return is_fraction ? ", written without a fraction or an exponent" : "";
  }

  std::array<std::string_view, field_count> values_;
  std::optional<std::string> mended_; // what `values_` are parts of, if there were halves of characters in `original_`
  std::string_view original_;
  std::optional<command_error> error_;
};

// Returns the beginning of `text` for an error message: at most 64 bytes, whole characters, nothing unprintable.
std::string excerpt(std::string_view text) {
  std::size_t size = std::min<std::size_t>(text.size(), 64);
  while (size > 0 && !is_utf8(text.substr(0, size)))
    --size;
  std::string result{text.substr(0, size)};
  for (std::size_t at = 0; at < result.size(); ++at) {
    const auto byte = static_cast<unsigned char>(result[at]);
    if (byte < 0x20 || byte == 0x7f) result[at] = '?';
    // The second set of control characters is C2 80 to C2 9F; U+00A0 to U+00BF share its first byte.
    if (byte == 0xc2 && static_cast<unsigned char>(result[at + 1]) < 0xa0) result.replace(at, 2, "?");
  }
  if (size < text.size()) result += "…";
  return result;
}

std::variant<command, refusal> bad_frame(const frame_fields& in, std::string message) {
  return refusal{in.request, {error_code::bad_frame, std::move(message), std::nullopt, std::nullopt}};
}

std::optional<std::int64_t> in_range(std::optional<std::int64_t> request) {
  return request && *request >= -integer_max && *request <= integer_max ? request : std::nullopt;
}

} // namespace

refusal refuse_unread(std::string_view text, std::string message) {
  const auto request = in_range(json::guess_integer(json::without_byte_order_mark(text), field_names[id]));
  return {request, {error_code::bad_frame, std::move(message), std::nullopt, std::nullopt}};
}

std::variant<command, refusal> decode(std::string_view text, const connection_id& connection) {
  text = json::without_byte_order_mark(text);
  if (!is_utf8(text)) return refuse_unread(text, "the frame is not valid UTF-8");
  frame_fields in;
  switch (in.find(text)) {
  case json::verdict::malformed:
    return refuse_unread(text, "the frame is not a JSON object");
  case json::verdict::too_deep:
    return refuse_unread(text, "the frame is nested deeper than 64 arrays and objects");
  case json::verdict::object:
    break;
  }
  if (in.has(id)) {
    const auto request = in.integer(id, -integer_max, integer_max);
    if (in.refused()) {
      auto answer = std::get<refusal>(in.judge(pong{}));
      answer.error.code = error_code::bad_frame;
      answer.request = in_range(json::to_whole_number(in.raw(id)));
      return answer;
    }
    in.request = request;
  }
  const auto kind = json::to_text(in.raw(type));
  if (!kind) return bad_frame(in, in.has(type) ? "type must be a string" : "type is missing: it must be a string");

  const request_origin origin{connection, in.request};
  if (*kind == "ping") return answer_ping{origin};
  if (*kind == "pong") return pong{};
  if (*kind == "ack") {
    acknowledge read{connection, in.thread(), 0};
    read.seq = static_cast<sequence>(in.integer(seq, 0, integer_max));
    return in.judge(std::move(read));
  }
  if (*kind == "message.send") {
    send_message read{origin, in.thread(), {}, {}, {}};
    read.content = in.message_content();
    read.client_message_id = in.message_name();
    read.agent = in.optional_text(agent);
    return in.judge(std::move(read));
  }
  if (*kind == "thread.open") {
    open_thread read{origin, {}, {}};
    if (in.has(field::thread_id)) read.thread = in.thread();
    read.position = in.position();
    return in.judge(std::move(read));
  }
  if (*kind == "thread.close") return in.judge(close_thread{origin, in.thread()});
  if (*kind == "thread.history") {
    read_history read{origin, in.thread(), {}, {}};
    if (in.has(before_seq)) read.before = static_cast<sequence>(in.integer(before_seq, 0, integer_max));
    read.limit = static_cast<std::uint32_t>(in.integer_or(limit, 1, 100, 50));
    return in.judge(std::move(read));
  }
  if (*kind == "thread.list") {
    list_threads read{origin, {}, {}};
    read.limit = static_cast<std::uint32_t>(in.integer_or(limit, 1, 100, 50));
    if (in.has(before)) read.before = utc_time{std::chrono::milliseconds{in.integer(before, 0, integer_max)}};
    return in.judge(std::move(read));
  }
  if (*kind == "run.cancel") {
    cancel_run read{origin, in.thread(), {}};
    read.run = in.run();
    return in.judge(std::move(read));
  }
  if (*kind == "status") return report_use{origin};
  if (*kind == "token.refresh") return in.judge(refresh_token{in.request, in.text(token)});
  if (*kind == "connect") {
    connect read{in.request, in.optional_text(token), in.optional_text(client), false};
    read.json_ping = in.can("json_ping");
    return in.judge(std::move(read));
  }
  in.refuse("unknown type \"" + excerpt(*kind) + '"', error_code::unknown_type);
  return in.judge(pong{});
}

} // namespace gangway::wire
