#include "actors/metrics.hpp"

#include <algorithm>
#include <initializer_list>
#include <sstream>
#include <utility>

#include <prometheus/metric_family.h>
#include <prometheus/text_serializer.h>

namespace gangway {

namespace {

using prometheus::ClientMetric;
using prometheus::MetricFamily;
using prometheus::MetricType;

using label = std::pair<std::string, std::string_view>;
using labels = std::initializer_list<label>;

template <class Duration>
double seconds_of(Duration length) {
  return std::chrono::duration<double>(length).count();
}

double number_of(std::chrono::microseconds length) { return seconds_of(length); }
double number_of(std::uint64_t count) { return static_cast<double>(count); }

template <class Enumerator>
std::string_view name_at(std::size_t place) {
  return to_string(static_cast<Enumerator>(place));
}

ClientMetric metric(labels under) {
  ClientMetric result;
  for (const auto& [name, value] : under)
    result.label.push_back({name, std::string{value}});
  return result;
}

/// The families, in the order in which they are added.
class page {
public:
  void family(MetricType type, std::string name, std::string help) {
    families_.push_back({std::move(name), std::move(help), type, {}});
  }

  /// Add one series to the family that was added last.
  void gauge(labels under, double value) { add(under).gauge.value = value; }
  void counter(labels under, double value) { add(under).counter.value = value; }
  template <const auto& Bounds>
  void values(labels under, const basic_histogram<Bounds>& counted) {
    auto& result = add(under).histogram;
    // Ours are counted each alone, theirs are "at most"; their last, which has no bound, they add themselves.
    for (std::size_t i = 0; i < Bounds.size(); ++i) {
      result.sample_count += counted.buckets[i];
      result.bucket.push_back({result.sample_count, number_of(Bounds[i])});
    }
    result.sample_count += counted.buckets.back();
    result.sample_sum = number_of(counted.sum);
  }

  /// Adds a family of one gauge.
  void gauge(std::string name, std::string help, double value) {
    family(MetricType::Gauge, std::move(name), std::move(help));
    gauge({}, value);
  }

  std::string text() const {
    std::ostringstream out;
    prometheus::TextSerializer{}.Serialize(out, families_);
    return std::move(out).str();
  }

private:
  ClientMetric& add(labels under) { return families_.back().metric.emplace_back(metric(under)); }

  std::vector<MetricFamily> families_;
};

// What a user reports as retiring includes its leaks; its managers in use include the opening and the zombies.
std::uint64_t rest(std::uint64_t whole, std::uint64_t part) { return whole - std::min(whole, part); }

void add_counts(page& out, const tally& count) {
  out.gauge("gangway_users", "Users that are known: connected, or with threads at work.", count.users);
  out.family(MetricType::Gauge, "gangway_managers",
             "Managers by state; opening, open and zombie use a slot, retiring and leaked have lost theirs.");
  out.gauge({{"state", "opening"}}, count.opening);
  out.gauge({{"state", "open"}}, rest(count.managers, count.opening + count.zombies));
  out.gauge({{"state", "zombie"}}, count.zombies);
  out.gauge({{"state", "retiring"}}, rest(count.retiring, count.leaked));
  out.gauge({{"state", "leaked"}}, count.leaked);
  out.gauge("gangway_leaked_managers", "Managers that were killed and have still not ended.", count.leaked);
  out.family(MetricType::Gauge, "gangway_connections", "WebSocket connections by their user's tier.");
  for (std::size_t i = 0; i < tiers; ++i)
    out.gauge({{"tier", name_at<tier>(i)}}, count.connections_by_tier[i]);
  out.gauge("gangway_runs_active", "Agent runs in flight.", count.runs);
  out.gauge("gangway_grace_active", "Users that may exceed their limit right now.", count.graces);
  out.gauge("gangway_queue_depth", "Requests for a manager that wait for a slot.", count.waiting);
}

void add_measures(page& out, const measures& counted) {
  out.family(MetricType::Counter, "gangway_cleanup_runs_total",
             "Cleanups by what they were for, the highest level that ran, and how they ended.");
  for (std::size_t scope = 0; scope < cleanup_scopes; ++scope)
    for (std::size_t level = 0; level < cleanup_levels; ++level)
      for (std::size_t outcome = 0; outcome < cleanup_outcomes; ++outcome)
        out.counter({{"scope", name_at<cleanup_scope>(scope)},
                     {"level", name_at<cleanup_level>(level)},
                     {"outcome", name_at<cleanup_outcome>(outcome)}},
                    counted.cleanups[scope][level][outcome]);
  out.family(MetricType::Counter, "gangway_cleanup_evictions_total", "Managers evicted, by level and reason.");
  for (std::size_t level = 0; level < cleanup_levels; ++level)
    for (std::size_t reason = 0; reason < eviction_reasons; ++reason)
      out.counter({{"level", name_at<cleanup_level>(level)}, {"reason", name_at<eviction_reason>(reason)}},
                  counted.evictions[level][reason]);
  out.family(MetricType::Histogram, "gangway_cleanup_seconds", "How long cleanups took.");
  out.values({}, counted.cleanup_time);
  out.family(MetricType::Histogram, "gangway_admission_seconds",
             "How long requests for a manager took until they were decided, by how they ended.");
  for (std::size_t i = 0; i < admission_outcomes; ++i)
    out.values({{"outcome", name_at<admission_outcome>(i)}}, counted.admission_time[i]);
  out.family(MetricType::Histogram, "gangway_queue_wait_seconds",
             "How long requests waited in the queue that got their slot from there.");
  out.values({}, counted.queue_time);
  out.family(MetricType::Counter, "gangway_probes_total", "Managers and connections that were probed, by result.");
  for (std::size_t i = 0; i < probe_results; ++i)
    out.counter({{"result", name_at<probe_result>(i)}}, counted.probes[i]);
}

void add_conversations(page& out, const measures& counted) {
  out.family(MetricType::Counter, "gangway_disconnects_total",
             "WebSocket connections that ended, by close code: ours, else the client's; 1006: without a close frame.");
  for (std::size_t i = 0; i < counted_close_codes.size(); ++i)
    out.counter({{"code", std::to_string(counted_close_codes[i])}}, counted.disconnects[i]);
  out.counter({{"code", "other"}}, counted.disconnects.back());
  out.family(MetricType::Counter, "gangway_slow_consumers_total",
             "Connections closed because their client read too slowly: those of code 4008.");
  out.counter({}, counted.disconnects[place_of_close_code(static_cast<std::uint16_t>(close_code::slow_consumer))]);
  out.family(MetricType::Counter, "gangway_resumes_total",
             "Threads opened, by what the client got: what it missed, a snapshot instead, or a snapshot as it asked.");
  for (std::size_t i = 0; i < resume_results; ++i)
    out.counter({{"result", name_at<resume_result>(i)}}, counted.resumes[i]);
  out.family(MetricType::Counter, "gangway_runs_total", "Agent runs that ended, by agent and outcome.");
  for (const auto& [agent, outcomes] : counted.runs)
    for (std::size_t i = 0; i < run_outcomes; ++i)
      out.counter({{"agent", agent}, {"outcome", name_at<run_outcome>(i)}}, outcomes[i]);
  out.family(MetricType::Histogram, "gangway_run_first_event_seconds",
             "From a run's start to the first thing that its agent did or said, of runs that ended.");
  out.values({}, counted.first_event_time);
}

void add_store(page& out, const store_measures& counted) {
  out.family(MetricType::Histogram, "gangway_store_commit_seconds",
             "How long the store's transactions took, from begin to commit.");
  out.values({}, counted.commit_time);
  out.family(MetricType::Histogram, "gangway_store_batch_events", "Events committed together in one transaction.");
  out.values({}, counted.batch_events);
}

void add_process(page& out, const metrics_snapshot& what) {
  out.family(MetricType::Gauge, "gangway_loop_lag_seconds",
             "How late each event loop was at its worst within the last one to two seconds.");
  for (std::size_t i = 0; i < what.loop_lag.size(); ++i)
    out.gauge({{"loop", std::to_string(i)}}, seconds_of(what.loop_lag[i]));
  out.family(MetricType::Gauge, "gangway_inbound_bytes",
             "Bytes held of requests and frames that are not whole yet, beyond the first 4 KiB of each connection.");
  out.gauge({{"signed_in", "false"}}, static_cast<double>(what.inbound.strangers));
  out.gauge({{"signed_in", "true"}}, static_cast<double>(what.inbound.users));
  out.family(MetricType::Gauge, "gangway_mailbox_messages", "Messages that wait in an actor's mailbox.");
  for (const auto& [actor, waiting] : what.mailboxes)
    out.gauge({{"actor", actor}}, static_cast<double>(waiting));
  const auto& process = what.process;
  if (process.processor_time) {
    out.family(MetricType::Counter, "process_cpu_seconds_total", "Processor time that the process has used.");
    out.counter({}, seconds_of(*process.processor_time));
  }
  if (process.resident_bytes)
    out.gauge("process_resident_memory_bytes", "Memory of the process that is in use.",
              static_cast<double>(*process.resident_bytes));
  if (process.open_descriptors)
    out.gauge("process_open_fds", "Descriptors that the process has open.",
              static_cast<double>(*process.open_descriptors));
  if (what.process_start)
    out.gauge("process_start_time_seconds", "When the process started, since the beginning of 1970.",
              seconds_of(what.process_start->time_since_epoch()));
}

} // namespace

std::string render_metrics(const metrics_snapshot& what) {
  page out;
  add_counts(out, what.count);
  add_measures(out, what.counted);
  add_conversations(out, what.counted);
  add_store(out, what.stored);
  add_process(out, what);
  return out.text();
}

} // namespace gangway
