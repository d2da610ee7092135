#include "actors/policy/liveness.hpp"

#include <algorithm>

namespace gangway {

verdict judge(const ping_record& record, steady_time now, const cadence& cadence) noexcept {
  if (now < next_look(record, cadence)) return verdict::fine;
  if (!record.pinged_at) return verdict::ping_due;
  return record.pinged_again_at ? verdict::dead : verdict::second_ping_due;
}

steady_time next_look(const ping_record& record, const cadence& cadence) noexcept {
  const auto half = cadence.timeout / 2;
  if (!record.pinged_at) return record.last_heard + cadence.interval;
  if (!record.pinged_again_at) return *record.pinged_at + half;
  // A late roll call sends the second ping late: that is our silence, not theirs.
  return std::max(*record.pinged_at + cadence.timeout, *record.pinged_again_at + (cadence.timeout - half));
}

bool is_suspect(const ping_record& record, steady_time now, const cadence& cadence) noexcept {
  return record.pinged_at && now >= *record.pinged_at + cadence.timeout / 2;
}

ping_record heard(const ping_record& record, steady_time now) noexcept {
  return {std::max(record.last_heard, now), std::nullopt, std::nullopt};
}

ping_record pinged(const ping_record& record, steady_time now) noexcept {
  auto result = record;
  (result.pinged_at ? result.pinged_again_at : result.pinged_at) = now;
  return result;
}

} // namespace gangway
