#pragma once

/// What actors say to nobody but themselves: their timers.

#include <cstdint>

#include "protocol/message.hpp"
#include "protocol/vocabulary.hpp"

namespace gangway {

/// A user looks at its connections: pings those that are due, ends those that proved dead.
struct roll_call_tick {
  GANGWAY_MESSAGE(roll_call_tick);
};

/// A manager has been without connection and run since the detachment counted as `turn`.
struct linger_tick {
  gangway::manager_id manager;
  std::uint64_t turn = 0;
  GANGWAY_MESSAGE(linger_tick);
};

/// A manager should have ended by now.
struct retire_deadline_tick {
  gangway::manager_id manager;
  GANGWAY_MESSAGE(retire_deadline_tick);
};

/// A cleanup takes its next level, unless it has ended since `turn` or is further already.
struct escalate {
  std::uint64_t turn = 0;
  GANGWAY_MESSAGE(escalate);
};

/// A probe sends its second pings, or ends.
struct probe_tick {
  std::uint64_t turn = 0;
  GANGWAY_MESSAGE(probe_tick);
};

/// Somebody's patience in the queue, or the grace, may be over.
struct patience_tick {
  GANGWAY_MESSAGE(patience_tick);
};

/// A user without connections and managers may be forgotten, if nothing happened since `turn`.
struct forget_tick {
  std::uint64_t turn = 0;
  GANGWAY_MESSAGE(forget_tick);
};

/// The supervisor looks at the node's resources.
struct pressure_tick {
  GANGWAY_MESSAGE(pressure_tick);
};

/// The server should have ended by now.
struct shutdown_deadline_tick {
  GANGWAY_MESSAGE(shutdown_deadline_tick);
};

/// The store looks whether it can write again.
struct retry_tick {
  GANGWAY_MESSAGE(retry_tick);
};

/// A manager looks after its run, and tries again what the store could not do.
struct care_tick {
  GANGWAY_MESSAGE(care_tick);
};

/// The builtin agent takes its next step.
struct step_tick {
  GANGWAY_MESSAGE(step_tick);
};

/// The store tidies what is past.
struct sweep_tick {
  GANGWAY_MESSAGE(sweep_tick);
};

/// The store writes what has gathered.
struct commit_tick {
  GANGWAY_MESSAGE(commit_tick);
};

} // namespace gangway
