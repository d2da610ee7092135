#define CAF_SUITE process_use

#include "actors/process_use.hpp"

#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include <caf/test/unit_test.hpp>

using namespace gangway;
using namespace std::chrono_literals;

namespace {

/// Descriptors that are open as long as it lives.
struct open_files {
  explicit open_files(std::size_t count) {
    while (descriptors.size() < count)
      descriptors.push_back(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  }
  ~open_files() {
    for (const auto one : descriptors)
      ::close(one);
  }
  std::vector<int> descriptors;
};

} // namespace

CAF_TEST(descriptors_that_are_opened_are_counted) {
  const auto before = read_process_use().open_descriptors;
  CAF_REQUIRE(before.has_value());
  {
    const open_files more{100};
    CAF_CHECK_EQUAL(read_process_use().open_descriptors.value_or(0), *before + 100);
  }
  CAF_CHECK_EQUAL(read_process_use().open_descriptors.value_or(0), *before);
}

CAF_TEST(descriptors_are_the_same_many_by_trial_and_by_the_kernel_if_it_counts_them) {
  const auto before = descriptors_by_trial();
  const open_files more{300};
  CAF_CHECK_EQUAL(descriptors_by_trial(), before + 300);
  if (const auto counted = descriptors_by_kernel(); counted > 0) CAF_CHECK_EQUAL(counted, before + 300);
}

CAF_TEST(memory_that_is_written_to_is_resident) {
  constexpr std::size_t size = 64 << 20;
  const auto before = read_process_use().resident_bytes.value_or(0);
  CAF_REQUIRE(before > 0);
  const std::vector<char> filled(size, 'x');
  CAF_CHECK(read_process_use().resident_bytes.value_or(0) >= before + size * 9 / 10);
  CAF_CHECK_EQUAL(filled.back(), 'x');
}

CAF_TEST(work_takes_processor_time) {
  const auto before = read_process_use().processor_time;
  CAF_REQUIRE(before.has_value());
  volatile unsigned work = 0;
  while (read_process_use().processor_time.value_or(0us) < *before + 1ms)
    work = work + 1;
  CAF_CHECK(read_process_use().processor_time.value_or(0us) >= *before + 1ms);
}

CAF_TEST(the_process_started_before_now_and_not_long_ago) {
  const auto start = read_process_start();
  CAF_REQUIRE(start.has_value());
  CAF_CHECK(*start <= utc_now());
  CAF_CHECK(*start > utc_now() - 1h);
}
