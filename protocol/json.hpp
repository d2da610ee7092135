#pragma once

/// JSON as text, without a tree: finds the members of an object where they stand, and writes objects by appending.
/// Frames and log events are flat and many; building a tree for each costs more than everything else done with them.

#include <charconv>
#include <concepts>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace gangway::json {

// -- reading -------------------------------------------------------------------------------------

/// What `find_members` made of a text.
enum class verdict : std::uint8_t { object, malformed, too_deep };

/// Finds the members called `names` of the object that `text` is: `values[i]` becomes the text of `names[i]`'s value,
/// empty if there is none; of several the last. Nesting is counted before anything is parsed, so that hostile depth
/// costs one pass over the bytes. The values are parts of `text`, and meaningless unless the verdict is `object`.
/// @pre names.size() == values.size()
verdict find_members(std::string_view text, std::span<const std::string_view> names, std::span<std::string_view> values,
                     std::size_t depth_max = std::numeric_limits<std::size_t>::max());

/// Returns the characters of a JSON string, or nothing if `value` is something else.
std::optional<std::string> to_text(std::string_view value);

/// Returns the integer that `value` is written as: neither 1.0 nor 1e3 is one, nor what does not fit 64 bits.
std::optional<std::int64_t> to_integer(std::string_view value) noexcept;

/// Returns `value` without the white space between its tokens, otherwise untouched.
/// @pre `value` is well-formed
std::string compact(std::string_view value);

// -- writing -------------------------------------------------------------------------------------

/// Appends `text` as a JSON string. Bytes that are not UTF-8 become U+FFFD, one for each.
void append_text(std::string& out, std::string_view text);

/// Appends an integer.
void append_number(std::string& out, std::integral auto value) {
  char digits[24];
  out.append(digits, std::to_chars(digits, digits + sizeof digits, value).ptr);
}

/// An object being written, member by member. Names are taken as they are: ours need no escapes.
class object {
public:
  /// Makes room for `size` bytes at once, for whoever knows that many will come.
  explicit object(std::size_t size = 0) { out_.reserve(size); }

  object& text(std::string_view name, std::string_view value) {
    append_text(begin(name), value);
    return *this;
  }

  object& number(std::string_view name, std::integral auto value) {
    append_number(begin(name), value);
    return *this;
  }

  object& boolean(std::string_view name, bool value) {
    begin(name) += value ? "true" : "false";
    return *this;
  }

  /// Adds a value that is JSON already; no text at all counts as null.
  object& raw(std::string_view name, std::string_view value) {
    begin(name) += value.empty() ? std::string_view{"null"} : value;
    return *this;
  }

  /// Returns the finished text; the object is used up.
  std::string take() {
    out_ += separator_ == '{' ? "{}" : "}";
    return std::move(out_);
  }

private:
  std::string& begin(std::string_view name) {
    out_ += separator_;
    separator_ = ',';
    out_ += '"';
    out_ += name;
    out_ += "\":";
    return out_;
  }

  std::string out_;
  char separator_ = '{';
};

} // namespace gangway::json
