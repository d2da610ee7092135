#define CAF_SUITE node_memory

#include "server/node_memory.hpp"

#include <map>

#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

constexpr std::uint64_t mebibyte = 1'024 * 1'024;

/// A machine as its files tell of it.
struct machine {
  std::map<std::string, std::string> files;

  std::uint64_t memory_max() const {
    return find_memory_max([&](const std::string& path) -> std::optional<std::string> {
      const auto found = files.find(path);
      return found == files.end() ? std::nullopt : std::optional{found->second};
    });
  }
};

const std::string sixteen_gibibytes = "MemTotal:       16777216 kB\nMemFree:          123456 kB\n";

} // namespace

CAF_TEST(a_limit_is_a_number_of_bytes_unless_it_says_that_there_is_none) {
  CAF_CHECK(parse_memory_limit("536870912\n") == 512 * mebibyte);
  CAF_CHECK(parse_memory_limit("0\n") == 0u);
  CAF_CHECK(parse_memory_limit("max\n") == std::nullopt);
  CAF_CHECK(parse_memory_limit("9223372036854771712\n") == std::nullopt);
  CAF_CHECK(parse_memory_limit("1152921504606846975") == (std::uint64_t{1} << 60) - 1);
  CAF_CHECK(parse_memory_limit("1152921504606846976") == std::nullopt);
  CAF_CHECK(parse_memory_limit("99999999999999999999") == std::nullopt);
  CAF_CHECK(parse_memory_limit("") == std::nullopt);
  CAF_CHECK(parse_memory_limit("-1") == std::nullopt);
}

CAF_TEST(the_machine_s_memory_is_read_in_kibibytes_wherever_its_line_stands) {
  CAF_CHECK(parse_memory_total(sixteen_gibibytes) == 16'384 * mebibyte);
  CAF_CHECK(parse_memory_total("Other: 1 kB\nMemTotal: 2048 kB\n") == 2 * mebibyte);
  CAF_CHECK(parse_memory_total("NotMemTotal: 2048 kB\n") == std::nullopt);
  CAF_CHECK(parse_memory_total("MemTotal: much\n") == std::nullopt);
  CAF_CHECK(parse_memory_total("") == std::nullopt);
}

CAF_TEST(the_resident_set_is_the_second_number_in_pages) {
  CAF_CHECK(parse_resident("5000 256 100 1 0 300 0\n", 4'096) == mebibyte);
  CAF_CHECK(parse_resident("5000 0 100\n", 4'096) == 0u);
  CAF_CHECK(parse_resident("5000", 4'096) == std::nullopt);
  CAF_CHECK(parse_resident("5000 x", 4'096) == std::nullopt);
  CAF_CHECK(parse_resident("", 4'096) == std::nullopt);
}

CAF_TEST(a_limit_may_stand_in_the_process_s_group_or_in_any_group_around_it) {
  const auto check = [](std::string_view cgroups, const std::vector<std::string>& expected) {
    CAF_CHECK(memory_limit_files(cgroups) == expected);
  };
  check("0::/system.slice/gangwayd.service\n", {"/sys/fs/cgroup/system.slice/gangwayd.service/memory.max",
                                                "/sys/fs/cgroup/system.slice/memory.max", "/sys/fs/cgroup/memory.max"});
  check("0::/\n", {"/sys/fs/cgroup/memory.max"});
  check("4:memory:/docker/ab\n1:cpu:/x\n",
        {"/sys/fs/cgroup/memory/docker/ab/memory.limit_in_bytes", "/sys/fs/cgroup/memory/docker/memory.limit_in_bytes",
         "/sys/fs/cgroup/memory/memory.limit_in_bytes"});
  check("4:cpu,memory:/\n", {"/sys/fs/cgroup/memory/memory.limit_in_bytes"});
  check("4:memory_other:/\n9:name=systemd:/\nbroken\n:\n", {});
  check("", {});
}

CAF_TEST(the_tightest_limit_counts) {
  machine self{{{"/proc/meminfo", sixteen_gibibytes},
                {"/proc/self/cgroup", "0::/a/b\n"},
                {"/sys/fs/cgroup/a/b/memory.max", "max\n"},
                {"/sys/fs/cgroup/a/memory.max", "536870912\n"}}};
  CAF_CHECK_EQUAL(self.memory_max(), 512 * mebibyte);
  self.files["/sys/fs/cgroup/a/b/memory.max"] = "1048576\n";
  CAF_CHECK_EQUAL(self.memory_max(), mebibyte);
}

CAF_TEST(a_version_1_limit_counts_too) {
  const machine self{{{"/proc/meminfo", sixteen_gibibytes},
                      {"/proc/self/cgroup", "4:memory:/docker/ab\n0::/\n"},
                      {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "268435456\n"}}};
  CAF_CHECK_EQUAL(self.memory_max(), 256 * mebibyte);
}

CAF_TEST(without_a_limit_there_is_what_the_machine_has) {
  machine self{{{"/proc/meminfo", sixteen_gibibytes},
                {"/proc/self/cgroup", "4:memory:/\n"},
                {"/sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n"}}};
  CAF_CHECK_EQUAL(self.memory_max(), 16'384 * mebibyte);
  self.files.erase("/proc/meminfo");
  CAF_CHECK_EQUAL(self.memory_max(), 0u);
}

CAF_TEST(a_limit_above_the_machine_s_memory_is_none) {
  const machine self{{{"/proc/meminfo", "MemTotal: 2048 kB\n"},
                      {"/proc/self/cgroup", "0::/\n"},
                      {"/sys/fs/cgroup/memory.max", "536870912\n"}}};
  CAF_CHECK_EQUAL(self.memory_max(), 2 * mebibyte);
}

CAF_TEST(this_process_uses_less_than_it_may) {
  const auto used = find_memory_used(read_small_file);
  CAF_CHECK(used > mebibyte);
  CAF_CHECK(used < find_memory_max(read_small_file));
  CAF_CHECK(read_small_file("/proc/self/no such file") == std::nullopt);
}
