#include "actors/policy/admission.hpp"

namespace gangway {

admission admit(const occupancy& now) noexcept {
  if (now.ending >= now.limit) return admission::refuse_as_leaking;
  if (now.used < now.limit && now.waiting == 0) return admission::reserve;
  return now.waiting < now.waiting_max ? admission::wait : admission::refuse_as_full;
}

std::uint32_t extra_allowed(const grace& last, const grace_terms& terms, steady_time now) noexcept {
  return last.until && now < *last.until ? terms.extra : 0;
}

std::optional<grace> begin_grace(const grace& last, const grace_terms& terms, bool pressed, steady_time now) noexcept {
  if (pressed || terms.extra == 0 || terms.duration.count() <= 0 || is_remembered(last, terms, now))
    return std::nullopt;
  return grace{now + terms.duration};
}

bool is_remembered(const grace& last, const grace_terms& terms, steady_time now) noexcept {
  return last.until && now < *last.until + terms.cooldown;
}

} // namespace gangway
