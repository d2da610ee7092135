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

void histogram::observe(std::chrono::microseconds length) noexcept {
  const auto bound = std::lower_bound(bounds.begin(), bounds.end(), length);
  ++buckets[static_cast<std::size_t>(bound - bounds.begin())];
  sum += length;
}

std::uint64_t histogram::count() const noexcept {
  return std::accumulate(buckets.begin(), buckets.end(), std::uint64_t{0});
}

histogram& histogram::operator+=(const histogram& other) noexcept {
  add(buckets, other.buckets);
  sum += other.sum;
  return *this;
}

measures& measures::operator+=(const measures& other) noexcept {
  add(cleanups, other.cleanups);
  add(evictions, other.evictions);
  add(probes, other.probes);
  cleanup_time += other.cleanup_time;
  add(admission_time, other.admission_time);
  queue_time += other.queue_time;
  return *this;
}

} // namespace gangway
