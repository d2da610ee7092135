#pragma once

/// What every message between actors has: a name, equality by value, and no serializer.

#include <concepts>
#include <string>
#include <type_traits>

#include <caf/allowed_unsafe_message_type.hpp>

namespace gangway {

/// A message names itself, for traces and for a test's failure text.
template <class T>
concept actor_message = requires {
  { T::message_name } -> std::convertible_to<const char*>;
};

template <actor_message T>
std::string to_string(const T&) {
  return T::message_name;
}

/// Repeated in every message: its name, and equality by value.
#define GANGWAY_MESSAGE(type)                                                                                          \
  static constexpr const char* message_name = #type;                                                                   \
  friend bool operator==(const type&, const type&) = default

} // namespace gangway

/// Actor messages stay in the process: what crosses to another node is frames, over a remote link. So no message needs
/// a serializer, and one line serves them all.
template <gangway::actor_message T>
struct caf::allowed_unsafe_message_type<T> : std::true_type {};
