#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>

namespace gangway::test {

/// Calls `run(seed)` for the first 200 seeds, for the first `SIM_SEEDS`, or for the one that `SIM_SEED` names. Returns
/// how many it were.
template <class Run>
std::uint64_t for_each_seed(Run run) {
  if (const auto* replayed = std::getenv("SIM_SEED")) {
    run(std::stoull(replayed));
    return 1;
  }
  const auto* wanted = std::getenv("SIM_SEEDS");
  const auto seeds = wanted != nullptr ? std::stoull(wanted) : 200;
  for (std::uint64_t seed = 1; seed <= seeds; ++seed)
    run(seed);
  return seeds;
}

} // namespace gangway::test
