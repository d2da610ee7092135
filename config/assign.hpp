#pragma once

/// One option's value, from text as a variable has it or from TOML. Internal to loading.

#include <cstdint>
#include <optional>
#include <sstream>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include <toml++/toml.h>

#include "config/checks.hpp"
#include "config/values.hpp"

namespace gangway::assigning {

inline constexpr std::string_view duration_forms = "must be a duration such as \"1500ms\", \"25s\", \"5m\" or \"1h\"";
inline constexpr std::string_view size_forms = "must be a size such as 4096, \"64KiB\" or \"1MiB\"";
inline constexpr std::string_view number_forms = "must be a whole number";
inline constexpr std::string_view switch_forms = "must be true or false";
inline constexpr std::string_view ratio_forms = "must be a ratio such as 0.9";

inline std::string not_this(const option& about, std::string_view text) {
  return about.secret ? std::string{} : ", not \"" + std::string{text} + '"';
}

template <class Value>
std::string accept(const option& about, Value& target, Value value) {
  auto complaint = complain(about, value);
  if (complaint.empty()) target = std::move(value);
  return complaint;
}

inline std::string accept_number(const option& about, std::uint32_t& target, std::int64_t number) {
  // What does not fit 32 bits is out of every range; the nearest number that fits gives the same answer.
  if (number < 0 || number > about.most)
    return "must be between " + std::to_string(about.least) + " and " + std::to_string(about.most) + ", not "
           + std::to_string(number);
  return accept(about, target, static_cast<std::uint32_t>(number));
}

/// Sets `target` from text as a variable has it; returns what is wrong, or nothing.
inline std::string set(const option& about, std::string& target, const std::string& text) {
  return accept(about, target, text);
}

inline std::string set(const option& about, duration& target, const std::string& text) {
  if (const auto value = parse_duration(text)) return accept(about, target, *value);
  return std::string{duration_forms} + not_this(about, text);
}

inline std::string set(const option& about, byte_size& target, const std::string& text) {
  if (const auto value = parse_byte_size(text)) return accept(about, target, *value);
  return std::string{size_forms} + not_this(about, text);
}

inline std::string set(const option& about, std::uint32_t& target, const std::string& text) {
  if (const auto value = parse_number(text)) return accept_number(about, target, *value);
  return std::string{number_forms} + not_this(about, text);
}

inline std::string set(const option& about, bool& target, const std::string& text) {
  if (text == "true" || text == "false") return accept(about, target, text == "true");
  return std::string{switch_forms} + not_this(about, text);
}

inline std::string set(const option& about, ratio& target, const std::string& text) {
  if (const auto value = parse_ratio(text)) return accept(about, target, *value);
  return std::string{ratio_forms} + not_this(about, text);
}

inline std::string set(const option& about, std::vector<std::string>& target, const std::string& text) {
  std::vector<std::string> values;
  std::istringstream items{text};
  for (std::string item; std::getline(items, item, ',');) {
    const auto begin = item.find_first_not_of(' ');
    if (begin != item.npos) values.push_back(item.substr(begin, item.find_last_not_of(' ') - begin + 1));
  }
  return accept(about, target, std::move(values));
}

inline std::string_view kind_of(const toml::node& node) {
  switch (node.type()) {
  case toml::node_type::string:
    return "a string";
  case toml::node_type::integer:
    return "a whole number";
  case toml::node_type::floating_point:
    return "a fraction";
  case toml::node_type::boolean:
    return "a boolean";
  case toml::node_type::array:
    return "an array";
  case toml::node_type::table:
    return "a table";
  default:
    return "a date or time";
  }
}

/// Sets `target` from a TOML value of the right type; returns what is wrong, or nothing.
template <class Value>
std::string set(const option& about, Value& target, const toml::node& node) {
  const auto wrong = [&](std::string_view forms) { return std::string{forms}.append(", not ").append(kind_of(node)); };
  if constexpr (std::is_same_v<Value, std::uint32_t>) {
    if (const auto* number = node.as_integer()) return accept_number(about, target, number->get());
    return wrong(number_forms);
  } else if constexpr (std::is_same_v<Value, bool>) {
    if (const auto* value = node.as_boolean()) return accept(about, target, value->get());
    return wrong(switch_forms);
  } else if constexpr (std::is_same_v<Value, ratio>) {
    if (const auto* number = node.as_floating_point()) return accept(about, target, ratio{number->get()});
    if (const auto* number = node.as_integer()) return accept(about, target, ratio{static_cast<double>(number->get())});
    return wrong(ratio_forms);
  } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
    const auto* array = node.as_array();
    if (!array) return wrong("must be an array of strings");
    std::vector<std::string> values;
    for (const auto& element : *array) {
      if (!element.is_string())
        return std::string{"must be an array of strings, not one with "}.append(kind_of(element));
      values.push_back(element.as_string()->get());
    }
    return accept(about, target, std::move(values));
  } else {
    if (const auto* text = node.as_string()) return set(about, target, text->get());
    if constexpr (std::is_same_v<Value, byte_size>) {
      if (const auto* number = node.as_integer(); number && number->get() >= 0)
        return accept(about, target, byte_size{static_cast<std::uint64_t>(number->get())});
      return node.is_integer() ? std::string{"must not be negative"} : wrong(size_forms);
    }
    return wrong(std::is_same_v<Value, duration> ? duration_forms : "must be a string");
  }
}

/// Sets what may be unset.
template <class Value, class Source>
std::string set_optional(const option& about, std::optional<Value>& target, const Source& source) {
  Value value{};
  auto complaint = set(about, value, source);
  if (complaint.empty()) target = std::move(value);
  return complaint;
}

template <class Value>
std::string set(const option& about, std::optional<Value>& target, const std::string& text) {
  return set_optional(about, target, text);
}

template <class Value>
std::string set(const option& about, std::optional<Value>& target, const toml::node& node) {
  return set_optional(about, target, node);
}

} // namespace gangway::assigning
