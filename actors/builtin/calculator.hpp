#pragma once

/// Arithmetic as people type it: the builtin agent's `calculator`.

#include <cstddef>
#include <string>
#include <string_view>
#include <variant>

namespace gangway {

/// Why an expression has no value, and where.
struct calculation_error {
  std::size_t position = 0; ///< a byte of the expression, from 0; its size if it ended too early
  std::string message;      ///< for people, without the position: "division by zero"

  friend bool operator==(const calculation_error&, const calculation_error&) = default;
};

/// Returns the error as people read it, counting from 1: "division by zero at character 3".
std::string to_string(const calculation_error& error);

/// Parentheses, signs and exponents inside each other, at most.
inline constexpr std::size_t expression_depth_max = 64;

/// Bytes of an expression, at most.
inline constexpr std::size_t expression_bytes_max = 1000;

/// Returns the value of an arithmetic expression, always finite, or why it has none.
///
/// Binary `+ - * / %`, then the sign `-`, then `^`, which binds most tightly and to the right: -2^2 is -4, 2^3^2 is
/// 512. `%` is the remainder with the sign of its left side. Numbers are decimal (`12`, `.5`, `1.5e3`), without
/// thousands separators. Refused: anything else, and what leaves the range of a double or the real numbers.
std::variant<double, calculation_error> calculate(std::string_view expression);

/// Returns the shortest text that `calculate` reads back as the same number: 84, not 84.0. Written with an exponent
/// from 1e+21 on and below 1e-07, as JavaScript does.
/// @pre value is finite
std::string format_number(double value);

} // namespace gangway
