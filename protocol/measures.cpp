#include "protocol/measures.hpp"

#include <algorithm>
#include <numeric>

namespace gangway {

namespace {

void add(std::uint64_t& to, std::uint64_t count) noexcept { to += count; }
void add(histogram& to, const histogram& other) noexcept { to += other; }

template <class Cell, std::size_t Size>
void add(std::array<Cell, Size>& to, const std::array<Cell, Size>& other) noexcept {
  for (std::size_t i = 0; i < Size; ++i)
    add(to[i], other[i]);
}

} // namespace

std::string_view to_string(admission_outcome outcome) noexcept {
  switch (outcome) {
  case admission_outcome::immediate:
    return "immediate";
  case admission_outcome::cleaned:
    return "cleaned";
  case admission_outcome::grace:
    return "grace";
  case admission_outcome::queued:
    return "queued";
  case admission_outcome::refused:
    return "refused";
  }
  return "unknown";
}

std::string_view to_string(probe_result result) noexcept {
  switch (result) {
  case probe_result::alive:
    return "alive";
  case probe_result::dead:
    return "dead";
  case probe_result::void_:
    return "void";
  }
  return "unknown";
}

std::string_view to_string(resume_result result) noexcept {
  switch (result) {
  case resume_result::tail:
    return "tail";
  case resume_result::snapshot:
    return "snapshot";
  case resume_result::new_:
    return "new";
  }
  return "unknown";
}

std::string_view to_string(run_outcome outcome) noexcept {
  switch (outcome) {
  case run_outcome::completed:
    return "completed";
  case run_outcome::failed:
    return "failed";
  case run_outcome::cancelled:
    return "cancelled";
  case run_outcome::interrupted:
    return "interrupted";
  }
  return "unknown";
}

std::size_t place_of_close_code(std::uint16_t code) noexcept {
  const auto& known = counted_close_codes;
  const auto found = std::lower_bound(known.begin(), known.end(), code);
  const bool is_known = found != known.end() && *found == code;
  return is_known ? static_cast<std::size_t>(found - known.begin()) : known.size();
}

template <const auto& Bounds>
void basic_histogram<Bounds>::observe(value_type value) noexcept {
  const auto bound = std::lower_bound(Bounds.begin(), Bounds.end(), value);
  ++buckets[static_cast<std::size_t>(bound - Bounds.begin())];
  sum += value;
}

template <const auto& Bounds>
std::uint64_t basic_histogram<Bounds>::count() const noexcept {
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

template <const auto& Bounds>
basic_histogram<Bounds>& basic_histogram<Bounds>::operator+=(const basic_histogram& other) noexcept {
  add(buckets, other.buckets);
  sum += other.sum;
  return *this;
}

template struct basic_histogram<time_bounds>;
template struct basic_histogram<count_bounds>;

measures& measures::operator+=(const measures& other) {
  add(cleanups, other.cleanups);
  add(evictions, other.evictions);
  add(probes, other.probes);
  cleanup_time += other.cleanup_time;
  add(admission_time, other.admission_time);
  queue_time += other.queue_time;
  add(disconnects, other.disconnects);
  add(resumes, other.resumes);
  for (const auto& [agent, outcomes] : other.runs)
    add(runs[agent], outcomes);
  first_event_time += other.first_event_time;
  return *this;
}

} // namespace gangway
