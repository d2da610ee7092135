#include "actors/process_use.hpp"

#include <algorithm>
#include <array>
#include <ctime>
#include <fstream>
#include <limits>
#include <sstream>
#include <string>

#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

namespace gangway {

namespace {

using std::chrono::microseconds;
using std::chrono::nanoseconds;
using std::chrono::seconds;

std::optional<microseconds> read_clock(clockid_t which) {
  timespec time{};
  if (::clock_gettime(which, &time) != 0) return std::nullopt;
  return std::chrono::duration_cast<microseconds>(seconds{time.tv_sec} + nanoseconds{time.tv_nsec});
}

std::optional<std::uint64_t> read_resident_bytes() {
  std::ifstream file{"/proc/self/statm"};
  std::uint64_t whole = 0, resident = 0;
  if (!(file >> whole >> resident)) return std::nullopt;
  return resident * static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
}

} // namespace

std::uint64_t descriptors_by_kernel() {
  struct stat seen {};
  return ::stat("/proc/self/fd", &seen) == 0 && seen.st_size > 0 ? static_cast<std::uint64_t>(seen.st_size) : 0;
}

std::uint64_t descriptors_by_trial() {
  // The size of the table, in which every open descriptor has its place.
  std::ifstream status{"/proc/self/status"};
  std::string name;
  int table = 0;
  while (status >> name && name != "FDSize:")
    status.ignore(std::numeric_limits<std::streamsize>::max(), '\n');
  status >> table;
  status.close();
  // Many a call, since the call is what costs, and fewer than any limit of descriptors: poll(2) takes no more.
  std::array<pollfd, 128> asked{};
  std::uint64_t open = 0;
  for (int first = 0; first < table; first += static_cast<int>(asked.size())) {
    for (std::size_t i = 0; i < asked.size(); ++i)
      asked[i] = {first + static_cast<int>(i), 0, 0};
    if (::poll(asked.data(), asked.size(), 0) < 0) return 0;
    open += static_cast<std::uint64_t>(
        std::count_if(asked.begin(), asked.end(), [](const pollfd& one) { return (one.revents & POLLNVAL) == 0; }));
  }
  return open;
}

process_use read_process_use() {
  process_use result{read_resident_bytes(), std::nullopt, read_clock(CLOCK_PROCESS_CPUTIME_ID)};
  result.open_descriptors = descriptors_by_kernel();
  if (result.open_descriptors == 0u) result.open_descriptors = descriptors_by_trial();
  if (result.open_descriptors == 0u) result.open_descriptors.reset();
  return result;
}

std::optional<utc_time> read_process_start() {
  std::ifstream file{"/proc/self/stat"};
  std::stringstream text;
  text << file.rdbuf();
  // The second field is the program's name, in brackets, and may hold anything; the start is the 22nd, in ticks since
  // the machine's (proc(5)).
  const auto line = text.str();
  const auto name_end = line.rfind(')');
  if (name_end == std::string::npos) return std::nullopt;
  std::istringstream fields{line.substr(name_end + 1)};
  std::string skipped;
  for (int field = 3; field < 22; ++field)
    fields >> skipped;
  std::int64_t ticks = 0;
  const auto since_boot = read_clock(CLOCK_BOOTTIME);
  if (!(fields >> ticks) || !since_boot) return std::nullopt;
  const microseconds begun{ticks * 1'000'000 / ::sysconf(_SC_CLK_TCK)};
  return utc_now() - std::chrono::duration_cast<std::chrono::milliseconds>(*since_boot - begun);
}

} // namespace gangway
