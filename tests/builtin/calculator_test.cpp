#define CAF_SUITE calculator

#include "actors/builtin/calculator.hpp"

#include <array>
#include <bit>
#include <cmath>
#include <limits>
#include <random>
#include <string>

#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

/// Returns the result as the tool shows it, so that a table can hold values and errors.
std::string shown(std::string_view expression) {
  const auto result = calculate(expression);
  if (const auto* error = std::get_if<calculation_error>(&result)) return to_string(*error);
  return format_number(std::get<double>(result));
}

struct example {
  std::string expression;
  std::string expected;
};

void check(std::initializer_list<example> table) {
  // The case stands in both texts, so that a failure shows which one it is.
  for (const auto& [expression, expected] : table) {
    CAF_CHECK_EQUAL(expression + " → " + shown(expression), expression + " → " + expected);
  }
}

std::string repeat(std::string_view piece, std::size_t times) {
  std::string result;
  for (; times > 0; --times)
    result += piece;
  return result;
}

/// A random expression, written with no more parentheses than its shape needs, beside its value.
struct sample {
  std::string text;
  double value = 0;
  int rank = 0; ///< how tightly its outermost operator binds: 1 sum, 2 product, 3 sign, 4 power, 5 atom
};

std::string at_least(const sample& part, int rank) { return part.rank >= rank ? part.text : '(' + part.text + ')'; }

template <class Random>
sample make_sample(Random& random, int depth) {
  const auto below = [&](unsigned n) { return static_cast<unsigned>(random() % n); };
  const auto space = [&] { return std::string(below(4) == 0 ? 1 : 0, ' '); };
  const auto kind = depth == 0 ? 0 : below(9);
  const auto join = [&](const sample& left, int left_rank, char sign, const sample& right, int right_rank, double value,
                        int rank) {
    return sample{at_least(left, left_rank) + space() + sign + space() + at_least(right, right_rank), value, rank};
  };
  if (kind < 2) {
    const auto value = below(1000) / 8.0;
    return {format_number(value), value, 5};
  }
  const auto left = make_sample(random, depth - 1);
  if (kind == 2) return {'-' + space() + at_least(left, 3), -left.value, 3};
  const auto right = make_sample(random, depth - 1);
  switch (kind) {
  case 3:
    return join(left, 1, '+', right, 2, left.value + right.value, 1);
  case 4:
    return join(left, 1, '-', right, 2, left.value - right.value, 1);
  case 5:
    return join(left, 2, '*', right, 3, left.value * right.value, 2);
  case 6:
    return join(left, 2, '/', right, 3, right.value == 0 ? NAN : left.value / right.value, 2);
  case 7:
    return join(left, 2, '%', right, 3, right.value == 0 ? NAN : std::fmod(left.value, right.value), 2);
  default:
    return join(left, 5, '^', right, 3, std::pow(left.value, right.value), 4);
  }
}

} // namespace

CAF_TEST(the_operators_bind_as_in_school) {
  check({
      {"12*(3+4)", "84"}, {"1+2*3", "7"},   {"(1+2)*3", "9"},     {"10-4-3", "3"},   {"10-(4-3)", "9"},
      {"100/10/5", "2"},  {"7%4", "3"},     {"-7%4", "-3"},       {"7%-4", "3"},     {"5.5%2", "1.5"},
      {"2*7%4", "2"},     {"2^10", "1024"}, {"2^3^2", "512"},     {"(2^3)^2", "64"}, {"-2^2", "-4"},
      {"(-2)^2", "4"},    {"2^-1", "0.5"},  {"2^-2^2", "0.0625"}, {"--3", "3"},      {"2--3", "5"},
      {"2*-3", "-6"},     {"0^0", "1"},     {"0/5", "0"},         {"-0", "0"},       {"0*-1", "0"},
  });
}

CAF_TEST(numbers_are_decimal) {
  check({
      {"7", "7"},
      {"007", "7"},
      {"0.5", "0.5"},
      {".5", "0.5"},
      {"5.", "5"},
      {"0.1+0.2", "0.30000000000000004"},
      {"1/3", "0.3333333333333333"},
      {"1.5e3", "1500"},
      {"1e-3", "0.001"},
      {"1e+30", "1e+30"},
      {"0x10", "unexpected 'x' at character 2"},
      {"1,000", "unexpected ',' (numbers are written without thousands separators) at character 2"},
      {"1.2.3", "unexpected '.' at character 4"},
      {".", "unexpected '.' at character 1"},
      {"e5", "unexpected 'e' at character 1"},
      {"inf", "unexpected 'i' at character 1"},
      {"nan", "unexpected 'n' at character 1"},
      {"1e", "unexpected 'e' at character 2"},
  });
}

CAF_TEST(white_space_means_nothing) {
  check({
      {"  12 *\t( 3\n+ 4 )\r\n", "84"},
      {"- 3", "-3"},
      {"2 ^ - 1", "0.5"},
      {"1 2", "unexpected '2' at character 3"},
  });
}

CAF_TEST(every_error_says_what_and_where) {
  check({
      {"", "there is nothing to calculate at character 1"},
      {"   ", "there is nothing to calculate at character 4"},
      {"1+", "the expression ends where a number was expected at character 3"},
      {"1+ ", "the expression ends where a number was expected at character 4"},
      {"-", "the expression ends where a number was expected at character 2"},
      {"2*(3+4", "this '(' is never closed at character 3"},
      {"((1)", "this '(' is never closed at character 1"},
      {"(", "the expression ends where a number was expected at character 2"},
      {"()", "unexpected ')' at character 2"},
      {"1)", "unexpected ')' at character 2"},
      {"(1 2)", "unexpected '2' at character 4"},
      {"+1", "unexpected '+' at character 1"},
      {"1**2", "unexpected '*' at character 3"},
      {"2(3)", "unexpected '(' at character 2"},
      {"84 apples", "unexpected 'a' at character 4"},
      {"3×4", "unexpected character at character 2"},
      {std::string("1\0", 2), "unexpected character at character 2"},
      {"1/0", "division by zero at character 2"},
      {"1/(2-2)", "division by zero at character 2"},
      {"1+5%0", "division by zero at character 4"},
      {"0^-1", "division by zero at character 2"},
      {"(-8)^0.5", "the result is not a real number at character 5"},
  });
}

CAF_TEST(a_result_stays_within_the_range_of_a_double) {
  check({
      {"2^1023", "8.98846567431158e+307"},
      {"2^1024", "the result is too large at character 2"},
      {"-2^1023*2", "the result is too large at character 8"},
      {"1e308", "1e+308"},
      {"1e309", "this number is out of range at character 1"},
      {"1e308+1e308", "the result is too large at character 6"},
      {"1e308*10/10", "the result is too large at character 6"},
      {"2+1e-400", "this number is out of range at character 3"},
  });
}

CAF_TEST(sixty_four_levels_are_allowed_and_sixty_five_are_not) {
  const std::pair<const char*, const char*> shapes[] = {{"(", ")"}, {"-", ""}, {"1^", ""}, {"(1+", ")"}};
  for (const auto& shape : shapes) {
    const auto nest = [&](std::size_t levels) {
      return repeat(shape.first, levels) + "1" + repeat(shape.second, levels);
    };
    CAF_CHECK(std::holds_alternative<double>(calculate(nest(64))));
    const auto result = calculate(nest(65));
    const auto* error = std::get_if<calculation_error>(&result);
    CAF_REQUIRE(error != nullptr);
    CAF_CHECK_EQUAL(error->message, "more than 64 levels inside each other");
  }
  check({{repeat("(1)+", 200) + "1", "201"}}); // beside each other they do not count
}

CAF_TEST(a_thousand_characters_are_allowed_and_one_more_is_not) {
  check({
      {repeat("1+", 499) + "11", "510"},
      {repeat("1+", 500) + "1", "the expression is longer than 1000 characters at character 1001"},
      {repeat("(", 1'000'000), "the expression is longer than 1000 characters at character 1001"},
  });
}

CAF_TEST(a_number_is_shown_in_the_shortest_form_that_reads_back_as_itself) {
  const std::array<std::pair<double, const char*>, 18> table{{
      {84.0, "84"},
      {-84.0, "-84"},
      {0.0, "0"},
      {-0.0, "0"},
      {100000.0, "100000"},
      {1234567.891, "1234567.891"},
      {0.1, "0.1"},
      {1e20, "100000000000000000000"},
      {1e21, "1e+21"},
      {-1e21, "-1e+21"},
      {std::nextafter(1e21, 0), "999999999999999868928"},
      {1e-7, "0.0000001"},
      {9e-8, "9e-08"},
      {9007199254740993.0, "9007199254740992"},
      {5e-324, "5e-324"},
      {std::numeric_limits<double>::max(), "1.7976931348623157e+308"},
      {std::numeric_limits<double>::min(), "2.2250738585072014e-308"},
      {3.141592653589793, "3.141592653589793"},
  }};
  for (const auto& [value, expected] : table)
    CAF_CHECK_EQUAL(format_number(value), expected);
}

CAF_TEST(the_calculator_reads_back_what_it_shows) {
  std::mt19937_64 random{1};
  std::size_t cases = 0;
  while (cases < 50'000) {
    const auto value = std::bit_cast<double>(random());
    if (!std::isnormal(value)) continue;
    ++cases;
    const auto result = calculate(format_number(value));
    const auto* read = std::get_if<double>(&result);
    if (read == nullptr || *read != value) CAF_FAIL("case " << cases << ": " << format_number(value));
  }
}

CAF_TEST(every_random_expression_has_the_value_of_its_tree) {
  std::size_t values = 0;
  std::size_t errors = 0;
  for (std::uint32_t seed = 1; seed <= 20'000; ++seed) {
    std::mt19937 random{seed};
    const auto sample = make_sample(random, 5);
    if (sample.text.size() > expression_bytes_max) continue;
    const auto result = calculate(sample.text);
    if (const auto* value = std::get_if<double>(&result)) {
      ++values;
      if (*value != sample.value) CAF_FAIL("seed " << seed << ": " << sample.text << " gives " << *value);
    } else {
      // Infinity in between may end as a finite number, so the tree's own value does not show every error.
      ++errors;
      const auto& error = std::get<calculation_error>(result);
      const auto arithmetic = error.message == "division by zero" || error.message == "the result is too large"
                              || error.message == "the result is not a real number";
      if (!arithmetic) CAF_FAIL("seed " << seed << ": " << sample.text << ": " << to_string(error));
    }
  }
  CAF_CHECK_GREATER(values, 5'000u);
  CAF_CHECK_GREATER(errors, 1'000u);
}

CAF_TEST(every_short_text_has_a_finite_value_or_an_error_inside_it) {
  const std::string letters = "10.-*^()% ";
  std::size_t values = 0;
  std::string text;
  const auto visit = [&](const auto& visit, std::size_t length) -> void {
    const auto result = calculate(text);
    if (const auto* value = std::get_if<double>(&result)) {
      ++values;
      if (!std::isfinite(*value)) CAF_FAIL(text);
    } else {
      const auto& error = std::get<calculation_error>(result);
      if (error.position > text.size() || error.message.empty()) CAF_FAIL(text);
    }
    if (length == 0) return;
    for (const auto letter : letters) {
      text.push_back(letter);
      visit(visit, length - 1);
      text.pop_back();
    }
  };
  visit(visit, 5);
  CAF_CHECK_GREATER(values, 1'000u);
}
