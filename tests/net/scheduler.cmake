add_executable(asio_scheduler_test asio_scheduler_test.cpp event_loops_test.cpp loop_clock_test.cpp)
target_link_libraries(asio_scheduler_test PRIVATE gangway_scheduler)
add_test(NAME asio_scheduler COMMAND asio_scheduler_test --max-runtime=280)
set_tests_properties(asio_scheduler PROPERTIES LABELS unit TIMEOUT 300
  ENVIRONMENT "UBSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/ubsan.supp:halt_on_error=1:print_stacktrace=1")

# Ends as its handlers tell it to; the test above reads how it ended.
add_executable(scheduler_blocked_loop scheduler_blocked_loop.cpp)
target_link_libraries(scheduler_blocked_loop PRIVATE gangway_scheduler)
add_executable(loop_watchdog_test loop_watchdog_test.cpp)
target_link_libraries(loop_watchdog_test PRIVATE gangway_options caf_core)
target_compile_definitions(loop_watchdog_test PRIVATE BLOCKED_LOOP="$<TARGET_FILE:scheduler_blocked_loop>")
add_dependencies(loop_watchdog_test scheduler_blocked_loop)
add_test(NAME loop_watchdog COMMAND loop_watchdog_test)
set_tests_properties(loop_watchdog PROPERTIES LABELS unit TIMEOUT 120
  ENVIRONMENT "UBSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/ubsan.supp:halt_on_error=1:print_stacktrace=1")
