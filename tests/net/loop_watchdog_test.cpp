#include "net/loop_watchdog.hpp"

#define CAF_SUITE loop_watchdog
#include <caf/test/unit_test.hpp>
#include <caf/test/unit_test_impl.hpp>

#include <array>
#include <cstdio>
#include <string>

#include <sys/wait.h>

namespace {

struct outcome {
  int status = -1;
  std::string output;
};

outcome run_blocked_loop(const std::string& how) {
  outcome result;
  auto* child = ::popen((std::string{BLOCKED_LOOP} + " '" + how + "'").c_str(), "r");
  CAF_REQUIRE(child != nullptr);
  std::array<char, 256> part{};
  while (std::fgets(part.data(), part.size(), child) != nullptr)
    result.output += part.data();
  const auto status = ::pclose(child);
  if (WIFEXITED(status)) result.status = WEXITSTATUS(status);
  return result;
}

bool contains(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

} // namespace

CAF_TEST(a_blocked_handler_ends_the_process_with_its_own_status_and_one_line) {
  const auto result = run_blocked_loop("for ever");
  CAF_CHECK_EQUAL(result.status, gangway::loop_watchdog::exit_status);
  CAF_CHECK(contains(result.output, "event loop 1 has been silent for "));
  CAF_CHECK(contains(result.output, "(limit 400 ms)"));
}

CAF_TEST(a_handler_that_blocks_for_less_than_the_limit_does_not_end_the_process) {
  const auto result = run_blocked_loop("briefly");
  CAF_CHECK_EQUAL(result.status, 0);
  CAF_CHECK_EQUAL(result.output, "ended in peace\n");
}

CAF_TEST(a_handler_that_blocks_while_the_loops_are_joined_ends_the_process_too) {
  const auto result = run_blocked_loop("while it is stopped");
  CAF_CHECK_EQUAL(result.status, gangway::loop_watchdog::exit_status);
  CAF_CHECK(contains(result.output, "event loop 1 has been silent for "));
}

CAF_TEST(a_log_that_hangs_does_not_keep_the_process_alive) {
  const auto result = run_blocked_loop("with a hanging log");
  CAF_CHECK_EQUAL(result.status, gangway::loop_watchdog::exit_status);
  CAF_CHECK_EQUAL(result.output, "");
}
