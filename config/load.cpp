#include "config/checks.hpp"
#include "config/configuration.hpp"
#include "config/values.hpp"

#include <algorithm>
#include <cctype>
#include <fstream>
#include <iterator>
#include <sstream>
#include <system_error>

#include <toml++/toml.h>
#include <unistd.h>

namespace gangway {

namespace {

constexpr std::size_t secret_file_bytes_max = 64 * 1024;
constexpr std::string_view prefix = "GANGWAY_";

std::string variable_of(std::string_view key) {
  std::string result{prefix};
  for (const char c : key)
    result += c == '.' ? '_' : static_cast<char>(std::toupper(static_cast<unsigned char>(c)));
  return result;
}

// ---- one value -----------------------------------------------------------------------------------------------------

constexpr std::string_view duration_forms = "must be a duration such as \"1500ms\", \"25s\", \"5m\" or \"1h\"";
constexpr std::string_view size_forms = "must be a size such as 4096, \"64KiB\" or \"1MiB\"";
constexpr std::string_view number_forms = "must be a whole number";
constexpr std::string_view switch_forms = "must be true or false";
constexpr std::string_view ratio_forms = "must be a ratio such as 0.9";

std::string not_this(const option& about, std::string_view text) {
  return about.secret ? std::string{} : ", not \"" + std::string{text} + '"';
}

template <class Value>
std::string accept(const option& about, Value& target, Value value) {
  auto complaint = complain(about, value);
  if (complaint.empty()) target = std::move(value);
  return complaint;
}

std::string accept_number(const option& about, std::uint32_t& target, std::int64_t number) {
  // What does not fit 32 bits is out of every range; the nearest number that fits gives the same answer.
  if (number < 0 || number > about.most)
    return "must be between " + std::to_string(about.least) + " and " + std::to_string(about.most) + ", not "
           + std::to_string(number);
  return accept(about, target, static_cast<std::uint32_t>(number));
}

/// Sets `target` from text as a variable has it; returns what is wrong, or nothing.
std::string set(const option& about, std::string& target, const std::string& text) {
  return accept(about, target, text);
}

std::string set(const option& about, duration& target, const std::string& text) {
  if (const auto value = parse_duration(text)) return accept(about, target, *value);
  return std::string{duration_forms} + not_this(about, text);
}

std::string set(const option& about, byte_size& target, const std::string& text) {
  if (const auto value = parse_byte_size(text)) return accept(about, target, *value);
  return std::string{size_forms} + not_this(about, text);
}

std::string set(const option& about, std::uint32_t& target, const std::string& text) {
  if (const auto value = parse_number(text)) return accept_number(about, target, *value);
  return std::string{number_forms} + not_this(about, text);
}

std::string set(const option& about, bool& target, const std::string& text) {
  if (text == "true" || text == "false") return accept(about, target, text == "true");
  return std::string{switch_forms} + not_this(about, text);
}

std::string set(const option& about, ratio& target, const std::string& text) {
  if (const auto value = parse_ratio(text)) return accept(about, target, *value);
  return std::string{ratio_forms} + not_this(about, text);
}

std::string set(const option& about, std::vector<std::string>& target, const std::string& text) {
  std::vector<std::string> values;
  std::istringstream items{text};
  for (std::string item; std::getline(items, item, ',');) {
    const auto begin = item.find_first_not_of(' ');
    if (begin != item.npos) values.push_back(item.substr(begin, item.find_last_not_of(' ') - begin + 1));
  }
  return accept(about, target, std::move(values));
}

std::string_view kind_of(const toml::node& node) {
  switch (node.type()) {
  case toml::node_type::string:
    return "a string";
  case toml::node_type::integer:
    return "a whole number";
  case toml::node_type::floating_point:
    return "a fraction";
  case toml::node_type::boolean:
    return "a boolean";
  case toml::node_type::array:
    return "an array";
  case toml::node_type::table:
    return "a table";
  default:
    return "a date or time";
  }
}

/// Sets `target` from a TOML value of the right type; returns what is wrong, or nothing.
template <class Value>
std::string set(const option& about, Value& target, const toml::node& node) {
  const auto wrong = [&](std::string_view forms) { return std::string{forms}.append(", not ").append(kind_of(node)); };
  if constexpr (std::is_same_v<Value, std::uint32_t>) {
    if (const auto* number = node.as_integer()) return accept_number(about, target, number->get());
    return wrong(number_forms);
  } else if constexpr (std::is_same_v<Value, bool>) {
    if (const auto* value = node.as_boolean()) return accept(about, target, value->get());
    return wrong(switch_forms);
  } else if constexpr (std::is_same_v<Value, ratio>) {
    if (const auto* number = node.as_floating_point()) return accept(about, target, ratio{number->get()});
    if (const auto* number = node.as_integer()) return accept(about, target, ratio{static_cast<double>(number->get())});
    return wrong(ratio_forms);
  } else if constexpr (std::is_same_v<Value, std::vector<std::string>>) {
    const auto* array = node.as_array();
    if (!array) return wrong("must be an array of strings");
    std::vector<std::string> values;
    for (const auto& element : *array) {
      if (!element.is_string())
        return std::string{"must be an array of strings, not one with "}.append(kind_of(element));
      values.push_back(element.as_string()->get());
    }
    return accept(about, target, std::move(values));
  } else {
    if (const auto* text = node.as_string()) return set(about, target, text->get());
    if constexpr (std::is_same_v<Value, byte_size>) {
      if (const auto* number = node.as_integer(); number && number->get() >= 0)
        return accept(about, target, byte_size{static_cast<std::uint64_t>(number->get())});
      return node.is_integer() ? std::string{"must not be negative"} : wrong(size_forms);
    }
    return wrong(std::is_same_v<Value, duration> ? duration_forms : "must be a string");
  }
}

/// Sets what may be unset.
template <class Value, class Source>
std::string set_optional(const option& about, std::optional<Value>& target, const Source& source) {
  Value value{};
  auto complaint = set(about, value, source);
  if (complaint.empty()) target = std::move(value);
  return complaint;
}

template <class Value>
std::string set(const option& about, std::optional<Value>& target, const std::string& text) {
  return set_optional(about, target, text);
}

template <class Value>
std::string set(const option& about, std::optional<Value>& target, const toml::node& node) {
  return set_optional(about, target, node);
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

/// Takes the value of each option that a table has; what it does not take is unknown.
struct taker {
  const toml::table& table;
  std::string_view stem; ///< of the keys that the table may hold: "agents.", or nothing at the root
  std::set<std::string> taken;
  std::vector<std::pair<std::string, const toml::node*>> complaints; ///< without the place

  explicit taker(const toml::table& table, std::string_view stem = {}) : table{table}, stem{stem} {}

  void section(std::string_view, std::string_view) {}

  template <class Value>
  void operator()(const option& about, Value& value) {
    const auto* node = table.at_path(about.key.substr(stem.size())).node();
    if (!node) return;
    taken.emplace(about.key);
    if (auto complaint = set(about, value, *node); !complaint.empty())
      complaints.emplace_back(std::string{about.key} + " " + complaint, node);
  }
};

class loader {
public:
  explicit loader(const environment_map& environment) : environment_{environment} {
    visit_settings(result_.values, known_);
  }

  void read_file(const std::filesystem::path& file) {
    file_ = file.string();
    std::error_code failure;
    std::ifstream stream{file, std::ios::binary};
    if (std::filesystem::is_directory(file, failure) || !stream) {
      result_.errors.push_back(file_ + ": cannot be read");
      return;
    }
    const std::string text{std::istreambuf_iterator<char>{stream}, {}};
    try {
      read_table(toml::parse(std::string_view{text}, std::string_view{file_}));
    } catch (const toml::parse_error& error) {
      complain_at(error.source().begin, std::string{error.description()});
    }
  }

  void read_environment() {
    visit_settings(result_.values, *this);
    for (const auto& [name, value] : environment_)
      if (name.starts_with(prefix) && !variables_.contains(name) && !is_from_kubernetes(name, value))
        result_.warnings.push_back(
            name + " is not an option; "
            + (name.starts_with("GANGWAY_AGENTS")
                   ? "agents are set in the file alone"
                   : "did you mean " + nearest(name, {variables_.begin(), variables_.end()}) + "?"));
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
    if (result_.values.environment == "auto") {
      const auto is_set = [&](const char* name) { return environment_.contains(name); };
      const bool cloud = is_set("K_SERVICE") || is_set("KUBERNETES_SERVICE_HOST");
      result_.values.environment = cloud ? "production" : "development";
    }
    for (auto& complaint : complain_about_relations(result_.values, unreadable_))
      result_.errors.push_back(std::move(complaint));
    return std::move(result_);
  }

private:
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
    taker take{root};
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
        complain_at(key.source().begin, "unknown section [" + name + "]; did you mean "
                                            + (meant == "agents" ? "[[agents]]" : '[' + meant + ']') + '?');
      } else {
        auto keys = known_.keys;
        keys.emplace_back("agents");
        complain_at(key.source().begin, "unknown key " + name + "; did you mean " + nearest(name, keys) + '?');
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
        complain_at(key.source().begin, "unknown key " + name + "; did you mean " + nearest(name, known_.keys) + '?');
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
      taker take{table, "agents."};
      visit_agent(result_.values.agents.emplace_back(), take);
      keep_complaints(take);
      for (const auto& [key, value] : table) {
        const auto name = "agents." + std::string{key.str()};
        names agent;
        visit_agent(result_.values.agents.back(), agent);
        if (!take.taken.contains(name))
          complain_at(key.source().begin, "unknown key " + name + "; did you mean " + nearest(name, agent.keys) + '?');
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
    auto secret = read_secret_file(auth.secret_file);
    if (!secret) {
      result_.errors.push_back("auth.secret_file \"" + auth.secret_file + "\" cannot be read");
      return;
    }
    const auto complaint = complain(option{.key = "auth.secret", .says = {}, .secret = true}, *secret);
    if (secret->empty())
      result_.errors.push_back("auth.secret_file \"" + auth.secret_file + "\" is empty");
    else if (!complaint.empty())
      result_.errors.push_back("auth.secret_file \"" + auth.secret_file + "\": the secret " + complaint);
    else
      auth.secret = std::move(*secret);
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

std::optional<std::string> read_secret_file(const std::filesystem::path& file) {
  std::error_code failure;
  if (std::filesystem::is_directory(file, failure)) return std::nullopt;
  std::ifstream stream{file, std::ios::binary};
  if (!stream) return std::nullopt;
  std::string result(secret_file_bytes_max + 1, '\0');
  stream.read(result.data(), static_cast<std::streamsize>(result.size()));
  result.resize(static_cast<std::size_t>(stream.gcount()));
  if (stream.bad() || result.size() > secret_file_bytes_max) return std::nullopt;
  // Editors put it there, and no issuer signs with it.
  if (result.starts_with("\xef\xbb\xbf")) result.erase(0, 3);
  if (result.ends_with('\n')) result.pop_back();
  if (result.ends_with('\r')) result.pop_back();
  return result;
}

std::filesystem::path development_secret_file(const settings& values) { return values.store.path + ".dev-secret"; }

} // namespace gangway
