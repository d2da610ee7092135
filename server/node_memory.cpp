#include "server/node_memory.hpp"

#include <algorithm>
#include <charconv>
#include <fstream>
#include <iterator>

#include <unistd.h>

namespace gangway {

namespace {

constexpr std::uint64_t no_limit = std::uint64_t{1} << 60; // v1 states "none" as the largest number of whole pages
constexpr std::string_view mount = "/sys/fs/cgroup";

std::optional<std::uint64_t> parse_leading_number(std::string_view text) noexcept {
  const auto begin = text.find_first_not_of(" \t");
  if (begin == text.npos) return std::nullopt;
  text.remove_prefix(begin);
  std::uint64_t result = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), result);
  if (read.ec != std::errc{} || read.ptr == text.data()) return std::nullopt;
  return result;
}

/// Calls `take` with each line, without its end.
template <class Function>
void for_each_line(std::string_view text, Function take) {
  while (!text.empty()) {
    const auto end = std::min(text.find('\n'), text.size());
    take(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
}

/// Whether a v1 line's list of controllers, such as "cpu,memory", names memory.
bool controls_memory(std::string_view controllers) {
  return (',' + std::string{controllers} + ',').find(",memory,") != std::string::npos;
}

/// Adds `name` in the group `path` below `root` and in every group around it.
void add_groups(std::vector<std::string>& files, const std::string& root, std::string_view path,
                std::string_view name) {
  while (!path.empty() && path != "/") {
    files.push_back(root + std::string{path} + '/' + std::string{name});
    path = path.substr(0, path.rfind('/'));
  }
  files.push_back(root + '/' + std::string{name});
}

} // namespace

std::optional<std::string> read_small_file(const std::string& path) {
  std::ifstream stream{path, std::ios::binary};
  if (!stream) return std::nullopt;
  return std::string{std::istreambuf_iterator<char>{stream}, {}};
}

std::optional<std::uint64_t> parse_memory_limit(std::string_view text) noexcept {
  const auto number = parse_leading_number(text);
  return number && *number < no_limit ? number : std::nullopt;
}

std::optional<std::uint64_t> parse_memory_total(std::string_view meminfo) noexcept {
  constexpr std::string_view name = "MemTotal:";
  const auto found = meminfo.starts_with(name) ? 0 : meminfo.find("\nMemTotal:");
  if (found == meminfo.npos) return std::nullopt;
  const auto kibibytes = parse_leading_number(meminfo.substr(meminfo.find(':', found) + 1));
  if (!kibibytes || *kibibytes >= no_limit / 1'024) return std::nullopt;
  return *kibibytes * 1'024;
}

std::optional<std::uint64_t> parse_resident(std::string_view statm, std::uint64_t page_size) noexcept {
  const auto space = statm.find(' ');
  if (space == statm.npos) return std::nullopt;
  const auto pages = parse_leading_number(statm.substr(space + 1));
  if (!pages || *pages >= no_limit / page_size) return std::nullopt;
  return *pages * page_size;
}

std::vector<std::string> memory_limit_files(std::string_view cgroups) {
  std::vector<std::string> result;
  for_each_line(cgroups, [&](std::string_view line) {
    // hierarchy:controllers:path; v2 is hierarchy 0, without controllers (cgroups(7)).
    const auto first = line.find(':');
    const auto second = first == line.npos ? first : line.find(':', first + 1);
    if (second == line.npos) return;
    const auto controllers = line.substr(first + 1, second - first - 1);
    const auto path = line.substr(second + 1);
    if (line.substr(0, first) == "0" && controllers.empty())
      add_groups(result, std::string{mount}, path, "memory.max");
    else if (controls_memory(controllers))
      add_groups(result, std::string{mount} + "/memory", path, "memory.limit_in_bytes");
  });
  return result;
}

std::uint64_t find_memory_max(const file_reader& read) {
  std::optional<std::uint64_t> result;
  const auto take = [&](std::optional<std::uint64_t> limit) {
    if (limit && *limit > 0) result = std::min(result.value_or(*limit), *limit);
  };
  if (const auto meminfo = read("/proc/meminfo")) take(parse_memory_total(*meminfo));
  const auto cgroups = read("/proc/self/cgroup");
  for (const auto& file : memory_limit_files(cgroups.value_or("")))
    if (const auto text = read(file)) take(parse_memory_limit(*text));
  return result.value_or(0);
}

std::uint64_t find_memory_used(const file_reader& read) {
  const auto statm = read("/proc/self/statm");
  const auto page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
  return statm ? parse_resident(*statm, page_size).value_or(0) : 0;
}

} // namespace gangway
