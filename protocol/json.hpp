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

/// Returns the integer that the outermost object's member `name` seems to be, in a text that is no JSON; nothing if
/// that member is not there, is something else, or may have been cut off. What follows the object does not count.
std::optional<std::int64_t> guess_integer(std::string_view text, std::string_view name) noexcept;

/// Returns `text` with `\ufffd` for each escape of half a character, such as `\ud83d` without its second half, or
/// nothing if there is none. It keeps its length, so that what stood where can still be told. JavaScript writes such
/// halves where it cut a text in the middle of an emoji, and no UTF-8 can say them.
std::optional<std::string> mend_surrogates(std::string_view text);

/// Returns `text` without the byte order mark at its beginning, if there is one.
std::string_view without_byte_order_mark(std::string_view text) noexcept;

/// Returns the characters of a JSON string, or nothing if `value` is something else.
std::optional<std::string> to_text(std::string_view value);

/// Returns the integer that `value` is equal to, 7.0 and 7e0 too; nothing for what is no number, has a fraction, or is
/// beyond 2^53, where there are gaps.
std::optional<std::int64_t> to_whole_number(std::string_view value) noexcept;

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
