# The event loops, the CAF scheduler on them and their watchdog: what everything else in this folder stands on.
add_library(gangway_scheduler STATIC event_loops.cpp loop_clock.cpp asio_scheduler.cpp loop_watchdog.cpp)
target_link_libraries(gangway_scheduler PUBLIC gangway_options caf_core Boost::headers Threads::Threads)
