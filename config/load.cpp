#include "config/assign.hpp"
#include "config/checks.hpp"
#include "config/configuration.hpp"
#include "config/file_text.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <cctype>

#include <toml++/toml.h>
#include <unistd.h>

#include "protocol/printable.hpp"

namespace gangway {

namespace {

using assigning::set;

constexpr std::size_t secret_file_bytes_max = 64 * 1024;
constexpr std::size_t settings_file_bytes_max = 4 * 1024 * 1024;
constexpr std::string_view prefix = "GANGWAY_";

std::string variable_of(std::string_view key) {
  std::string result{prefix};
  for (const char c : key)
    result += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

// ---- the file ------------------------------------------------------------------------------------------------------

/// Every key and section there is.
struct names {
  std::vector<std::string> keys;
  std::vector<std::string> sections;

  void section(std::string_view name, std::string_view) { sections.emplace_back(name); }

  template <class Value>
  void operator()(const option& about, const Value&) {
    keys.emplace_back(about.key);
  }

  bool has_section(std::string_view name) const {
    return std::find(sections.begin(), sections.end(), name) != sections.end();
  }
};

/// Whether an option's value is the path of a file.
bool names_a_file(std::string_view key) { return key.ends_with("_file") || key == "store.path"; }

/// Takes the value of each option that a table has; what it does not take is unknown.
struct taker {
  const toml::table& table;
  std::string_view stem;        ///< of the keys that the table may hold: "agents.", or nothing at the root
  std::filesystem::path folder; ///< where relative paths in it begin
  std::set<std::string> taken;
  std::vector<std::pair<std::string, const toml::node*>> complaints; ///< without the place

  taker(const toml::table& table, std::string_view stem, std::filesystem::path folder)
      : table{table}, stem{stem}, folder{std::move(folder)} {}

  void section(std::string_view, std::string_view) {}

  template <class Value>
  void operator()(const option& about, Value& value) {
    const auto* node = table.at_path(about.key.substr(stem.size())).node();
    if (!node) return;
    taken.emplace(about.key);
    if (auto complaint = set(about, value, *node); !complaint.empty())
      complaints.emplace_back(std::string{about.key} + " " + complaint, node);
    else if constexpr (std::is_same_v<Value, std::string>)
      if (names_a_file(about.key) && !value.empty())
        value = (folder / std::filesystem::path{value}).lexically_normal().string();
  }
};

class loader {
public:
  explicit loader(const environment_map& environment) : environment_{environment} {
    visit_settings(result_.values, known_);
  }

  void read_file(const std::filesystem::path& file) {
    file_ = absolute_path(file);
    const auto read = read_text(file, settings_file_bytes_max, true);
    if (const auto* fault = std::get_if<file_fault>(&read)) {
      result_.errors.push_back(fault->reason);
      return;
    }
    try {
      read_table(toml::parse(std::string_view{std::get<file_text>(read).text}, std::string_view{file_}));
    } catch (const toml::parse_error& error) {
      complain_at(error.source().begin, std::string{error.description()});
    }
  }

  void read_environment() {
    visit_settings(result_.values, *this);
    for (const auto& [name, value] : environment_)
      if (name.starts_with(prefix) && !variables_.contains(name) && !is_from_kubernetes(name, value))
        result_.warnings.push_back(
            name + " is not an option"
            + (name.starts_with("GANGWAY_AGENTS") ? "; agents are set in the file alone" : meant_variable(name)));
  }

  void section(std::string_view, std::string_view) {}

  /// Takes the variable of one option.
  template <class Value>
  void operator()(const option& about, Value& value) {
    const auto variable = variable_of(about.key);
    variables_.insert(variable);
    const auto found = environment_.find(variable);
    if (found == environment_.end() || found->second.empty()) return;
    if (auto complaint = set(about, value, found->second); !complaint.empty()) {
      unreadable_.insert(about.key);
      result_.errors.push_back(variable + " " + complaint);
    } else {
      from_environment_.insert(about.key);
    }
  }

  loaded finish() {
    read_secret();
    result_.is_environment_chosen = result_.values.environment != "auto";
    if (!result_.is_environment_chosen) {
      const auto is_set = [&](const char* name) { return environment_.contains(name); };
      const bool cloud = is_set("K_SERVICE") || is_set("KUBERNETES_SERVICE_HOST");
      result_.values.environment = cloud ? "production" : "development";
    }
    for (auto& complaint : complain_about_relations(result_.values, unreadable_))
      result_.errors.push_back(std::move(complaint));
    for (auto* lines : {&result_.errors, &result_.warnings})
      for (auto& line : *lines)
        line = printable(line);
    return std::move(result_);
  }

private:
  // By what follows the prefix: that all share it says nothing.
  std::string meant_variable(std::string_view name) const {
    std::vector<std::string> known;
    for (const auto& variable : variables_)
      known.push_back(variable.substr(prefix.size()));
    const auto meant = nearest(name.substr(prefix.size()), known);
    return meant ? did_you_mean(std::string{prefix} + *meant) : std::string{};
  }

  void complain_at(const toml::source_position& place, const std::string& complaint) {
    result_.errors.push_back(file_ + ':' + std::to_string(place.line) + ':' + std::to_string(place.column) + ": "
                             + complaint);
  }

  void keep_complaints(const taker& taker) {
    for (const auto& [complaint, node] : taker.complaints) {
      const auto key = complaint.substr(0, complaint.find(' '));
      for (const auto& known : known_.keys)
        if (known == key) unreadable_.insert(known);
      if (key.starts_with("agents.")) unreadable_.insert("agents");
      complain_at(node->source().begin, complaint);
    }
  }

  void read_table(const toml::table& root) {
    taker take{root, {}, std::filesystem::path{file_}.parent_path()};
    visit_settings(result_.values, take);
    keep_complaints(take);
    for (const auto& [key, node] : root) {
      const std::string name{key.str()};
      if (take.taken.contains(name)) continue;
      if (name == "agents") {
        read_agents(node);
      } else if (known_.has_section(name)) {
        read_section(key, node, name, take.taken);
      } else if (node.is_table()) {
        auto sections = known_.sections;
        sections.emplace_back("agents");
        const auto meant = nearest(name, sections);
        complain_at(
            key.source().begin,
            "unknown section [" + name + ']'
                + (meant ? did_you_mean(*meant == "agents" ? "[[agents]]" : '[' + *meant + ']') : std::string{}));
      } else {
        auto keys = known_.keys;
        keys.emplace_back("agents");
        complain_at(key.source().begin, "unknown key " + name + did_you_mean(nearest(name, keys)));
      }
    }
  }

  void read_section(const toml::key& key, const toml::node& node, const std::string& name,
                    const std::set<std::string>& taken) {
    if (const auto* table = node.as_table())
      refuse_unknown(*table, name, taken);
    else
      complain_at(key.source().begin, name + " is a section: write [" + name + ']');
  }

  void refuse_unknown(const toml::table& table, const std::string& section, const std::set<std::string>& taken) {
    for (const auto& [key, node] : table) {
      const auto name = section + '.' + std::string{key.str()};
      if (known_.has_section(name))
        read_section(key, node, name, taken);
      else if (section == "tiers")
        complain_at(key.source().begin,
                    "unknown tier " + std::string{key.str()} + "; the tiers are free, pro and enterprise");
      else if (!taken.contains(name))
        complain_at(key.source().begin, "unknown key " + name + did_you_mean(nearest(name, known_.keys)));
    }
  }

  void read_agents(const toml::node& node) {
    const auto* array = node.as_array();
    if (!array || (!array->empty() && !array->is_homogeneous(toml::node_type::table))) {
      unreadable_.insert("agents");
      complain_at(node.source().begin, "agents is a list of sections: write [[agents]] for each");
      return;
    }
    result_.values.agents.clear();
    for (const auto& element : *array) {
      const auto& table = *element.as_table();
      taker take{table, "agents.", std::filesystem::path{file_}.parent_path()};
      visit_agent(result_.values.agents.emplace_back(), take);
      keep_complaints(take);
      for (const auto& [key, value] : table) {
        const auto name = "agents." + std::string{key.str()};
        names agent;
        visit_agent(result_.values.agents.back(), agent);
        if (!take.taken.contains(name))
          complain_at(key.source().begin, "unknown key " + name + did_you_mean(nearest(name, agent.keys)));
      }
    }
  }

  /// Whether a variable is one of those that Kubernetes makes for each service near a pod, here for one whose name
  /// begins with "gangway": GANGWAY_SERVICE_HOST, GANGWAY_PORT=tcp://…, GANGWAY_PORT_8080_TCP_ADDR.
  static bool is_from_kubernetes(std::string_view name, std::string_view value) {
    if (name.ends_with("_SERVICE_HOST") || name.find("_SERVICE_PORT") != name.npos) return true;
    const auto port = name.find("_PORT");
    if (port == name.npos) return false;
    const auto rest = name.substr(port + 5);
    if (rest.empty()) return value.find("://") != value.npos;
    return rest.size() > 1 && rest[0] == '_' && std::isdigit(static_cast<unsigned char>(rest[1])) != 0;
  }

  /// The later source wins between a secret and a file of it; both from the same one are a contradiction.
  void read_secret() {
    auto& auth = result_.values.auth;
    if (auth.secret_file.empty()) return;
    const bool secret_from_environment = from_environment_.contains("auth.secret");
    const bool file_from_environment = from_environment_.contains("auth.secret_file");
    if (!auth.secret.empty() && secret_from_environment == file_from_environment) {
      result_.errors.emplace_back("auth.secret and auth.secret_file are both set; keep one");
      return;
    }
    if (secret_from_environment && !file_from_environment) {
      auth.secret_file.clear();
      return;
    }
    auto read = read_secret_file(auth.secret_file);
    if (const auto* fault = std::get_if<file_fault>(&read)) {
      result_.errors.push_back("auth.secret_file " + fault->reason);
      return;
    }
    auto& secret = std::get<file_text>(read).text;
    if (std::get<file_text>(read).others_may_read)
      result_.warnings.push_back("auth.secret_file " + absolute_path(auth.secret_file)
                                 + ": can be read by others than its owner: chmod 0600 it, or mount it with mode 0440");
    const auto complaint = complain(option{.key = "auth.secret", .says = {}, .secret = true}, secret);
    if (secret.empty())
      result_.errors.push_back("auth.secret_file " + absolute_path(auth.secret_file) + ": is empty");
    else if (!complaint.empty())
      result_.errors.push_back("auth.secret_file " + absolute_path(auth.secret_file) + ": the secret " + complaint);
    else
      auth.secret = std::move(secret);
  }

  const environment_map& environment_;
  loaded result_;
  names known_;
  std::string file_;
  std::set<std::string> variables_;
  std::set<std::string_view> unreadable_; // keys whose value was refused
  std::set<std::string_view> from_environment_;
};

} // namespace

environment_map process_environment() {
  environment_map result;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string_view text{*entry};
    if (const auto equals = text.find('='); equals != text.npos)
      result.emplace(text.substr(0, equals), text.substr(equals + 1));
  }
  return result;
}

loaded load_settings(const std::optional<std::filesystem::path>& file, const environment_map& environment) {
  loader result{environment};
  if (file) result.read_file(*file);
  result.read_environment();
  return result.finish();
}

std::variant<file_text, file_fault> read_secret_file(const std::filesystem::path& file) {
  auto result = read_trusted_text(file, secret_file_bytes_max, true);
  if (auto* read = std::get_if<file_text>(&result)) {
    if (read->text.ends_with('\n')) read->text.pop_back();
    if (read->text.ends_with('\r')) read->text.pop_back();
  }
  return result;
}

std::filesystem::path development_secret_file(const settings& values) { return values.store.path + ".dev-secret"; }

} // namespace gangway
