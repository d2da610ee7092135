#pragma once

/// What is reported to be counted, beside what is said about making room, and the question for what the store counted.

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>

#include "protocol/measures.hpp"
#include "protocol/message.hpp"

namespace gangway {

/// Notifies a directory that a WebSocket has ended, to be counted: once for every one whose upgrade was answered,
/// whether or not it had a user.
struct connection_ended {
  std::uint16_t code = no_close_frame; ///< what we closed it with, else its client
  bool by_us = false;
  GANGWAY_MESSAGE(connection_ended);
};

/// Notifies a directory that a connection opened a thread at one of its users, to be counted.
struct thread_opened {
  resume_result result = resume_result::new_;
  GANGWAY_MESSAGE(thread_opened);
};

/// Notifies a directory of how a run ended at one of its users, to be counted.
struct run_finished {
  std::string agent;
  run_outcome outcome = run_outcome::completed;
  std::optional<std::chrono::microseconds> first_event; ///< after the run's start; none came: not set
  GANGWAY_MESSAGE(run_finished);
};

/// Asks the store for what it counted since it started.
struct get_store_measures {
  GANGWAY_MESSAGE(get_store_measures);
};

/// Answers `get_store_measures`.
struct store_measured {
  store_measures counted;
  GANGWAY_MESSAGE(store_measured);
};

} // namespace gangway
