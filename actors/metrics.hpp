#pragma once

/// What a Prometheus server reads: the metrics of protocol.md, as text. No user's id is in a label, so that their
/// number does not grow with the users'.

#include <chrono>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "actors/process_use.hpp"
#include "protocol/messages.hpp"

namespace gangway {

/// The type of the text, as HTTP says it.
inline constexpr std::string_view metrics_type = "text/plain; version=0.0.4; charset=utf-8";

/// The bytes that are held of requests and frames which are not whole yet.
struct inbound_use {
  std::uint64_t strangers = 0; ///< of those who have not signed in
  std::uint64_t users = 0;     ///< of those who have
};

/// Everything that is shown, as of one moment.
struct metrics_snapshot {
  tally count;
  measures counted; ///< with every configured agent, though it had no run yet
  store_measures stored;
  std::map<std::string, std::uint64_t> mailboxes; ///< messages that wait, by actor; one that is silent is left out
  std::vector<std::chrono::nanoseconds> loop_lag;
  inbound_use inbound;
  process_use process;
  std::optional<utc_time> process_start;
};

/// Returns the metrics in Prometheus' text format, version 0.0.4. What never happened is there too, as 0: a rate needs
/// a beginning.
std::string render_metrics(const metrics_snapshot& what);

} // namespace gangway
