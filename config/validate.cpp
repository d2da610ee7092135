#include "config/checks.hpp"
#include "config/configuration.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <tuple>

namespace gangway {

namespace {

template <class Value, class Print>
std::string complain_about_range(const option& about, Value value, Print print) {
  if (value >= about.least && value <= about.most) return {};
  return "must be between " + print(about.least) + " and " + print(about.most) + ", not " + print(value);
}

bool is_one_of(std::string_view words, std::string_view value) {
  while (!words.empty()) {
    const auto end = std::min(words.find(", "), words.size());
    if (words.substr(0, end) == value) return true;
    words.remove_prefix(std::min(end + 2, words.size()));
  }
  return false;
}

bool has_control_characters(std::string_view text) {
  return std::any_of(text.begin(), text.end(), [](unsigned char c) { return c < 0x20 || c == 0x7f; });
}

/// Whether `text` is an origin as browsers send it (RFC 6454, 6.2): scheme and host, perhaps a port, nothing after it.
/// App web views and browser extensions have schemes of their own: "tauri://localhost". Pages from files have no host
/// ("file://"), or no origin at all ("null").
bool is_origin(std::string_view text) {
  if (text == "null" || text == "file://") return true;
  const auto end = text.find("://");
  if (end == text.npos) return false;
  const auto scheme = text.substr(0, end);
  const auto host = text.substr(end + 3);
  const bool is_web = scheme == "http" || scheme == "https";
  const std::string_view letters =
      is_web ? "abcdefghijklmnopqrstuvwxyz0123456789.-:[]" : "abcdefghijklmnopqrstuvwxyz0123456789.-_:[]";
  return !scheme.empty() && scheme.front() >= 'a' && scheme.front() <= 'z'
         && scheme.find_first_not_of("abcdefghijklmnopqrstuvwxyz0123456789+-.") == scheme.npos && !host.empty()
         && host.front() != ':' && host.find_first_not_of(letters) == host.npos;
}

/// Keys that anybody on the way could exchange let anybody in.
bool is_safe_url(std::string_view text) {
  if (text.starts_with("https://")) return text.size() > 8;
  constexpr std::string_view plain = "http://";
  if (!text.starts_with(plain)) return false;
  auto host = text.substr(plain.size());
  host = host.substr(0, host.find_first_of("/?#"));
  if (host.find('@') != host.npos) return false;
  const auto has_port = host.rfind(':') != host.npos && !host.ends_with(']');
  const auto where = parse_endpoint(std::string{host} + (has_port ? "" : ":80"));
  return host.substr(0, host.find(':')) == "localhost" || (where && is_loopback(*where));
}

bool is_agent_name(std::string_view text) {
  return !text.empty() && text.size() <= 64
         && text.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == text.npos;
}

struct value_checker {
  std::vector<std::string>& complaints;

  void section(std::string_view, std::string_view) {}

  template <class Value>
  void operator()(const option& about, const Value& value) {
    if (auto complaint = complain(about, value); !complaint.empty())
      complaints.push_back(std::string{about.key} + " " + complaint);
  }
};

} // namespace

std::string complain(const option& about, const std::string& value) {
  const auto instead = about.secret ? std::string{} : ", not \"" + value + '"';
  if (has_control_characters(value)) return "must not contain control characters";
  if (!about.one_of.empty() && !is_one_of(about.one_of, value))
    return "must be one of " + std::string{about.one_of} + instead;
  if (about.key.ends_with("listen") && !parse_endpoint(value))
    return "must be an address and a port, such as \"127.0.0.1:8080\" or \"[::]:8080\"" + instead;
  if ((about.key == "store.path" || about.key == "admin.role") && value.empty()) return "must not be empty";
  if (about.key.starts_with("auth.") && about.key.ends_with("secret") && !value.empty()
      && value.size() < secret_bytes_min)
    return "must have at least 32 bytes";
  if (about.key.ends_with("_claim") && value.empty()) return "must not be empty";
  if (about.key == "auth.jwks_url" && !value.empty() && !is_safe_url(value))
    return "must begin with https://, or with http:// and this machine's loopback address" + instead;
  if (about.key == "agents.name" && !is_agent_name(value)) return "must be 1 to 64 letters, digits, _ or -" + instead;
  if (about.key == "agents.kind" && value != "builtin") {
    if (is_one_of("openai, agui, webhook", value))
      return '"' + value + "\" is not available in this version; \"builtin\" is";
    return "must be \"builtin\"" + instead;
  }
  return {};
}

std::string complain(const option& about, const std::vector<std::string>& values) {
  if (about.key == "trusted_proxies") {
    for (const auto& value : values)
      if (!is_network(value)) return "must hold addresses or networks such as \"10.0.0.0/8\", not \"" + value + '"';
    return {};
  }
  // The only list there is holds origins.
  for (const auto& value : values)
    if (!is_origin(value))
      return "must hold origins such as \"https://chat.example.com\" (lower case, nothing after the host or port), not "
             "\""
             + value + '"';
  return {};
}

std::string complain(const option& about, std::uint32_t value) {
  return complain_about_range(about, std::int64_t{value}, [](std::int64_t number) { return std::to_string(number); });
}

std::string complain(const option& about, duration value) {
  return complain_about_range(about, std::int64_t{value.count()},
                              [](std::int64_t milliseconds) { return to_string(duration{milliseconds}); });
}

std::string complain(const option& about, byte_size value) {
  return complain_about_range(about, static_cast<std::int64_t>(value.bytes), [](std::int64_t bytes) {
    return to_string(byte_size{static_cast<std::uint64_t>(bytes)});
  });
}

std::string complain(const option& about, ratio value) {
  const auto bound = [](std::int64_t thousandths) { return ratio{static_cast<double>(thousandths) / 1'000}; };
  if (value.value >= bound(about.least).value && value.value <= bound(about.most).value) return {};
  return "must be between " + to_string(bound(about.least)) + " and " + to_string(bound(about.most)) + ", not "
         + to_string(value);
}

std::vector<std::string> complain_about_relations(const settings& values, const std::set<std::string_view>& unknown) {
  std::vector<std::string> result;
  const auto require = [&](bool holds, std::initializer_list<std::string_view> keys, std::string complaint) {
    const bool known = std::none_of(keys.begin(), keys.end(), [&](auto key) { return unknown.contains(key); });
    if (!holds && known) result.push_back(std::move(complaint));
  };

  const auto compare = [&](bool holds, std::string_view left, auto value, std::string_view relation,
                           std::string_view right, auto other) {
    const auto with = [](std::string_view key, auto number) {
      return std::string{key}.append(" (").append(to_string(number)).append(")");
    };
    require(holds, {left, right}, with(left, value).append(" must be ").append(relation) + ' ' + with(right, other));
  };

  const auto& [cleanup, node, run] = std::tie(values.cleanup, values.node, values.run);
  compare(values.heartbeat.timeout < values.heartbeat.interval, "heartbeat.timeout", values.heartbeat.timeout,
          "shorter than", "heartbeat.interval", values.heartbeat.interval);
  compare(cleanup.stop_ratio.value < cleanup.start_ratio.value, "cleanup.stop_ratio", cleanup.stop_ratio, "less than",
          "cleanup.start_ratio", cleanup.start_ratio);
  compare(cleanup.probe_timeout < cleanup.deadline, "cleanup.probe_timeout", cleanup.probe_timeout, "shorter than",
          "cleanup.deadline", cleanup.deadline);
  compare(node.memory_high.value < node.memory_critical.value, "node.memory_high", node.memory_high, "less than",
          "node.memory_critical", node.memory_critical);
  compare(node.loop_lag_high < values.loop.stall_max, "node.loop_lag_high", node.loop_lag_high, "shorter than",
          "loop.stall_max", values.loop.stall_max);
  compare(run.stall_after < run.total_max, "run.stall_after", run.stall_after, "shorter than", "run.total_max",
          run.total_max);
  const auto frame_bytes = values.client.frame_bytes_max;
  compare(values.limits.inbound_bytes_per_user.bytes >= 2 * frame_bytes.bytes, "limits.inbound_bytes_per_user",
          values.limits.inbound_bytes_per_user, "at least twice", "client.frame_bytes_max", frame_bytes);
  const auto heartbeat = values.heartbeat.interval + values.heartbeat.timeout;
  require(run.stall_after > heartbeat, {"run.stall_after", "heartbeat.interval", "heartbeat.timeout"},
          "run.stall_after (" + to_string(run.stall_after)
              + ") must be longer than heartbeat.interval and heartbeat.timeout together (" + to_string(heartbeat)
              + "): a run shows that it is alive with its manager's heartbeat");
  const auto door = parse_endpoint(values.listen);
  require(!door || door->port == 0 || door != parse_endpoint(values.admin.listen), {"listen", "admin.listen"},
          "listen and admin.listen must differ, and are both \"" + values.listen + '"');

  const auto& auth = values.auth;
  const auto key_sources = !auth.secret.empty() + !auth.public_key_file.empty() + !auth.jwks_url.empty();
  require(key_sources <= 1, {"auth.secret", "auth.public_key_file", "auth.jwks_url"},
          "auth.secret (or auth.secret_file), auth.public_key_file and auth.jwks_url exclude each other: tokens come "
          "from one issuer");
  require(auth.simulation_secret.empty() || auth.simulation_secret != auth.secret,
          {"auth.secret", "auth.simulation_secret"},
          "auth.simulation_secret must differ from auth.secret: nobody could tell tests from people");
  require(auth.simulation_secret.empty() || values.environment != "production",
          {"auth.simulation_secret", "environment"},
          "auth.simulation_secret must not be set in production: whoever has it can sign in as anybody");
  require(values.tls.certificate_file.empty() == values.tls.key_file.empty(), {"tls.certificate_file", "tls.key_file"},
          "tls.certificate_file and tls.key_file are set both or not at all");
  require(!values.agents.empty(), {"agents"}, "agents must name at least one");
  for (auto agent = values.agents.begin(); agent != values.agents.end(); ++agent)
    require(std::none_of(values.agents.begin(), agent, [&](const auto& other) { return other.name == agent->name; }),
            {"agents", "agents.name"}, "agents must have different names, and two are \"" + agent->name + '"');
  return result;
}

std::vector<std::string> validate(const settings& values) {
  std::vector<std::string> result;
  visit_settings(values, value_checker{result});
  for (const auto& agent : values.agents)
    visit_agent(agent, value_checker{result});
  for (auto& complaint : complain_about_relations(values, {}))
    result.push_back(std::move(complaint));
  return result;
}

} // namespace gangway
