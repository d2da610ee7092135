#pragma once

/// What is said about making room: orders, and what is counted of them.

#include <array>
#include <chrono>
#include <cstdint>

#include "protocol/cleanup.hpp"
#include "protocol/measures.hpp"
#include "protocol/message.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// Notifies a directory of how a request for a manager ended at one of its users, to be counted.
struct admission_ended {
  admission_outcome outcome = admission_outcome::immediate;
  std::chrono::microseconds took{0};
  GANGWAY_MESSAGE(admission_ended);
};

/// Notifies a directory of how a probe ended at one of its users, to be counted.
struct probe_ended {
  std::array<std::uint32_t, probe_results> results{};
  GANGWAY_MESSAGE(probe_ended);
};

/// Notifies a directory of how a cleanup ended at one of its users, to be counted.
struct cleanup_ended {
  cleanup_scope scope = cleanup_scope::request;
  cleanup_level level = cleanup_level::conservative;
  cleanup_outcome outcome = cleanup_outcome::nothing;
  std::chrono::microseconds took{0};
  std::array<std::array<std::uint32_t, eviction_reasons>, cleanup_levels> evictions{};
  GANGWAY_MESSAGE(cleanup_ended);
};

/// Asks a directory for what it counted since it started.
struct get_measures {
  GANGWAY_MESSAGE(get_measures);
};

/// Answers `get_measures`.
struct measured {
  measures counted;
  GANGWAY_MESSAGE(measured);
};

/// Asks a user to free managers: by an operator through the inspector, or by the supervisor through the directories
/// when the node is short of something. Answered by the `decision`, once it is carried out; a dry run changes nothing.
struct clean_up {
  cleanup_scope scope = cleanup_scope::manual;
  cleanup_level level = cleanup_level::conservative; ///< the highest to use
  std::uint32_t needed = 0;                          ///< how many; 0: all that the level may take
  bool dry_run = false;
  GANGWAY_MESSAGE(clean_up);
};

/// Answers `clean_up`.
struct cleaned_up {
  decision made;
  GANGWAY_MESSAGE(cleaned_up);
};

/// Asks a directory to have the users of one tier cleaned up.
struct relieve {
  gangway::tier tier = gangway::tier::free;
  cleanup_level level = cleanup_level::conservative;
  GANGWAY_MESSAGE(relieve);
};

/// Notifies directories and their users whether the node can bear more than everybody's limit: graces.
struct pressure_changed {
  bool pressed = false;
  GANGWAY_MESSAGE(pressure_changed);
};

} // namespace gangway
