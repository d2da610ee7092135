#pragma once

/// What a single value must satisfy, and how values of an option relate. Used while loading and by `validate`.

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "config/options.hpp"

namespace gangway {

/// Returns what is wrong with an option's value, to be read after its name ("must be …, not …"), or nothing.
std::string complain(const option& about, const std::string& value);
std::string complain(const option& about, const std::vector<std::string>& value);
std::string complain(const option& about, std::uint32_t value);
inline std::string complain(const option&, bool) { return {}; }
std::string complain(const option& about, duration value);
std::string complain(const option& about, byte_size value);
std::string complain(const option& about, ratio value);

/// What is not set cannot be wrong.
template <class Value>
std::string complain(const option& about, const std::optional<Value>& value) {
  return value ? complain(about, *value) : std::string{};
}

/// Returns what is wrong between the options, leaving out what depends on one in `unknown`: an option that could not be
/// read has its default, and a complaint about that would mislead.
std::vector<std::string> complain_about_relations(const settings& values, const std::set<std::string_view>& unknown);

} // namespace gangway
