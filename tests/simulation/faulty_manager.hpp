#pragma once

#include "tests/actors/fixture.hpp"

namespace gangway::test {

/// How a manager that is no real one misbehaves once it is open.
enum class manager_fault { hung, mismatched, stuck_closing, unfit, clinging };

/// A manager that opens, then shows its fault. All but the hung and the clinging end when they are told to.
manager_actor::behavior_type faulty_manager(manager_actor::pointer self, user_actor owner, manager_identity identity,
                                            manager_fault fault);

} // namespace gangway::test
