#include "actors/builtin/calculator.hpp"

#include <charconv>
#include <cmath>
#include <optional>

namespace gangway {

namespace {

bool is_digit(char c) noexcept { return c >= '0' && c <= '9'; }

/// Parses by descent and calculates as it goes. Nothing returned means that `error` says why.
class parser {
public:
  explicit parser(std::string_view text) noexcept : text_(text) {}

  std::variant<double, calculation_error> run() {
    if (text_.size() > expression_bytes_max) {
      return calculation_error{expression_bytes_max,
                               "the expression is longer than " + std::to_string(expression_bytes_max) + " characters"};
    }
    skip_space();
    if (at_ == text_.size()) return calculation_error{at_, "there is nothing to calculate"};
    auto value = sum();
    if (value && at_ < text_.size()) value = unexpected();
    if (!value) return std::move(error_);
    return *value == 0 ? 0.0 : *value; // people know one zero
  }

private:
  std::optional<double> sum() {
    auto left = product();
    while (left && (next_is('+') || next_is('-')))
      left = apply(*left, &parser::product);
    return left;
  }

  std::optional<double> product() {
    auto left = with_sign();
    while (left && (next_is('*') || next_is('/') || next_is('%')))
      left = apply(*left, &parser::with_sign);
    return left;
  }

  std::optional<double> with_sign() {
    if (!next_is('-')) return power();
    auto value = nested(at_++, &parser::with_sign);
    if (value) value = -*value;
    return value;
  }

  std::optional<double> power() {
    auto base = atom();
    if (!base || !next_is('^')) return base;
    return apply(*base, &parser::exponent);
  }

  std::optional<double> exponent() { return nested(at_, &parser::with_sign); }

  std::optional<double> atom() {
    if (next_is('(')) {
      const auto opened = at_++;
      auto value = nested(opened, &parser::sum);
      if (!value) return std::nullopt;
      if (at_ == text_.size()) return fail(opened, "this '(' is never closed");
      if (!next_is(')')) return unexpected();
      ++at_;
      skip_space();
      return value;
    }
    return number();
  }

  std::optional<double> number() {
    if (at_ == text_.size()) return fail(at_, "the expression ends where a number was expected");
    const auto starts =
        is_digit(text_[at_]) || (text_[at_] == '.' && at_ + 1 < text_.size() && is_digit(text_[at_ + 1]));
    if (!starts) return unexpected();
    double value = 0;
    const auto [end, code] = std::from_chars(text_.data() + at_, text_.data() + text_.size(), value);
    if (code == std::errc::result_out_of_range) return fail(at_, "this number is out of range");
    at_ = static_cast<std::size_t>(end - text_.data());
    skip_space();
    return value;
  }

  /// Reads the operator that is next and its right side.
  std::optional<double> apply(double left, std::optional<double> (parser::*right_side)()) {
    const auto position = at_++;
    skip_space();
    const auto right = (this->*right_side)();
    if (!right) return std::nullopt;
    double value = 0;
    switch (text_[position]) {
    case '+':
      value = left + *right;
      break;
    case '-':
      value = left - *right;
      break;
    case '*':
      value = left * *right;
      break;
    case '/':
      if (*right == 0) return fail(position, "division by zero");
      value = left / *right;
      break;
    case '%':
      if (*right == 0) return fail(position, "division by zero");
      value = std::fmod(left, *right);
      break;
    default: // '^'
      if (left == 0 && *right < 0) return fail(position, "division by zero");
      value = std::pow(left, *right);
    }
    if (std::isnan(value)) return fail(position, "the result is not a real number");
    if (std::isinf(value)) return fail(position, "the result is too large");
    return value;
  }

  /// Goes one level down, for what stands at `position`. Without the bound, a line of '(' would exhaust the stack.
  std::optional<double> nested(std::size_t position, std::optional<double> (parser::*inside)()) {
    if (depth_ == expression_depth_max) {
      return fail(position, "more than " + std::to_string(expression_depth_max) + " levels inside each other");
    }
    ++depth_;
    skip_space();
    auto value = (this->*inside)();
    --depth_;
    return value;
  }

  std::optional<double> unexpected() {
    const auto c = text_[at_];
    if (c == ',') return fail(at_, "unexpected ',' (numbers are written without thousands separators)");
    // A piece of a longer UTF-8 character is no text by itself.
    if (c < ' ' || c > '~') return fail(at_, "unexpected character");
    return fail(at_, std::string("unexpected '") + c + '\'');
  }

  std::optional<double> fail(std::size_t position, std::string message) {
    error_ = {position, std::move(message)};
    return std::nullopt;
  }

  bool next_is(char c) const noexcept { return at_ < text_.size() && text_[at_] == c; }

  void skip_space() noexcept {
    while (next_is(' ') || next_is('\t') || next_is('\n') || next_is('\r'))
      ++at_;
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t depth_ = 0;
  calculation_error error_;
};

} // namespace

std::string to_string(const calculation_error& error) {
  return error.message + " at character " + std::to_string(error.position + 1);
}

std::variant<double, calculation_error> calculate(std::string_view expression) { return parser{expression}.run(); }

std::string format_number(double value) {
  if (value == 0) return "0";
  const auto size = std::abs(value);
  const auto format = size >= 1e-7 && size < 1e21 ? std::chars_format::fixed : std::chars_format::scientific;
  char buffer[64];
  const auto end = std::to_chars(std::begin(buffer), std::end(buffer), value, format).ptr;
  return {buffer, end};
}

} // namespace gangway
