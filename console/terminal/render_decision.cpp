#include "console/terminal/render_decision.hpp"

#include <algorithm>
#include <cstddef>
#include <utility>
#include <vector>

#include <nlohmann/json.hpp>

#include "console/terminal/text.hpp"

namespace gangway {

namespace {

using nlohmann::json;
using phrase = std::pair<const char*, const char*>;
using table = std::vector<std::vector<std::string>>;

// Whatever a newer server adds is shown by its name.
template <std::size_t Size>
std::string spoken(const phrase (&phrases)[Size], const std::string& name) {
  const auto found =
      std::find_if(std::begin(phrases), std::end(phrases), [&](const phrase& known) { return known.first == name; });
  return found == std::end(phrases) ? name : found->second;
}

constexpr phrase reasons[]{
    {"zombie", "it was proven dead"},
    {"inactive", "it was inactive: no run, and no living connection"},
    {"idle", "it was idle: no run, and no use for longer than cleanup.idle_after"},
    {"least_recently_useful", "of those that could go, it had been of no use for the longest time"},
};

constexpr phrase evidence_phrases[]{
    {"hung", "the manager did not answer, though its loop turned"},
    {"mismatched", "the manager's books differed from its user's: another thread, or other connections"},
    {"stuck_closing", "the manager held on to a connection whose close never finished"},
    {"unfit", "the manager could not take a connection or a message"},
    {"silent", "two pings to a connection had no answer in time"},
    {"unreachable", "the other side's kernel did not acknowledge what was sent, again and again"},
    {"stalled", "what was queued for a connection did not drain"},
    {"crashed", "the manager ended by an error"},
};

constexpr phrase level_phrases[]{
    {"conservative", "the clearly inactive, and who was proven dead before"},
    {"moderate", "and the idle"},
    {"aggressive", "and who failed a probe made then"},
    {"force", "and the least recently useful"},
};

std::string spoken_evidence(const json& evidence) {
  std::string result;
  const auto add = [&](const json& finding) {
    result += (result.empty() ? "" : "; ") + spoken(evidence_phrases, plain(finding));
  };
  if (evidence.is_array())
    for (const auto& finding : evidence)
      add(finding);
  else if (!evidence.is_null())
    add(evidence);
  return result;
}

std::size_t count_of(const json& object, const char* name) {
  const auto& value = member(object, name);
  return value.is_number_integer() && value > 0 ? value.get<std::size_t>() : 0;
}

std::size_t size_of(const json& object, const char* name) {
  const auto& list = member(object, name);
  return list.is_array() ? list.size() : 0;
}

template <class Each>
void for_each(const json& object, const char* name, Each each) {
  if (const auto& list = member(object, name); list.is_array())
    for (const auto& item : list)
      each(item);
}

bool contains(const json& list, std::string_view id) {
  return list.is_array() && std::find(list.begin(), list.end(), json(std::string{id})) != list.end();
}

std::string describe_eviction(const json& eviction, std::string_view subject, const std::string& kind, bool dry_run) {
  const auto thread = text_of(eviction, "thread_id");
  const auto manager = text_of(eviction, "manager_id");
  std::string result;
  if (!subject.empty() && contains(member(eviction, "connections"), subject))
    result = "Connection " + std::string{subject} + " had thread " + thread + " open. Its manager " + manager;
  else
    result = "Manager " + manager + " of thread " + thread;
  if (kind == "manager_crashed") return result + " ended by an error.";
  if (kind == "manager_leaked") return result + " was told to end, then killed, and is still not gone.";
  result += dry_run ? " would be evicted" : " was evicted";
  if (const auto level = text_of(eviction, "level"); !level.empty()) result += " at level " + level;
  if (const auto reason = text_of(eviction, "reason"); !reason.empty())
    result += std::string{dry_run ? ", since " : ", because "} + spoken(reasons, reason);
  result += '.';
  if (const auto evidence = spoken_evidence(member(eviction, "evidence")); !evidence.empty())
    result += " Evidence: " + evidence + '.';
  if (const auto count = size_of(eviction, "connections"); count > 0 && subject.empty())
    result += " It had " + counted(count, "connection") + '.';
  return result;
}

std::string describe_ending(const json& ending, bool dry_run) {
  auto result = "Connection " + text_of(ending, "connection_id") + (dry_run ? " would be" : " was") + " closed";
  if (const auto code = text_of(ending, "code"); !code.empty()) result += " with code " + code;
  if (const auto told = text_of(ending, "reason"); !told.empty()) result += ", and told: " + told;
  // What a client is told may end with a full stop already.
  if (!result.ends_with('.')) result += '.';
  if (const auto evidence = spoken_evidence(member(ending, "evidence")); !evidence.empty())
    result += " Evidence: " + evidence + '.';
  return result;
}

/// Returns what happened: to the subject first.
std::vector<std::string> describe_events(const json& decision, std::string_view subject) {
  const auto kind = text_of(decision, "kind");
  const bool dry_run = member(decision, "dry_run") == true;
  std::vector<std::string> first, others;
  for_each(decision, "evictions", [&](const json& eviction) {
    const bool own =
        !subject.empty()
        && (member(eviction, "manager_id") == subject || contains(member(eviction, "connections"), subject));
    (own ? first : others).push_back(describe_eviction(eviction, own ? subject : std::string_view{}, kind, dry_run));
  });
  for_each(decision, "connections", [&](const json& ending) {
    const bool own = !subject.empty() && member(ending, "connection_id") == subject;
    (own ? first : others).push_back(describe_ending(ending, dry_run));
  });
  first.insert(first.end(), others.begin(), others.end());
  if (first.empty()) first.push_back(dry_run ? "Nobody would be evicted." : "Nobody was evicted.");
  return first;
}

std::string describe_use(const json& decision) {
  const auto used = text_of(decision, "managers_used");
  const auto most = text_of(decision, "managers_max");
  return used.empty() || most.empty() ? "its managers" : used + " of " + most + " managers";
}

/// Returns why there was anything to decide.
std::string describe_occasion(const json& decision) {
  const auto kind = text_of(decision, "kind");
  if (kind == "connection_replaced") return "The user opened more connections than limits.connections_per_user.";
  if (kind == "connection_dead") return "The connection was proven dead; nobody needed its place.";
  if (kind == "manager_crashed") return "This was no decision of ours: its thread is opened again from the log.";
  if (kind == "manager_leaked")
    return "Its slot was free before, but what it holds is not; leaks are counted, and too many refuse the user.";
  if (kind != "cleanup") return {};
  const auto use = describe_use(decision);
  const auto scope = text_of(decision, "scope");
  if (scope == "request") return "The user had " + use + " in use and asked for another.";
  if (scope == "background")
    return "The user had " + use + " in use, near the limit: room was made before it was needed.";
  if (scope == "surplus") return "A grace had ended, and the user had " + use + " in use.";
  if (scope == "node") return "The node was short of resources; the user had " + use + " in use.";
  if (scope == "manual") return "An operator asked for it; the user had " + use + " in use.";
  if (scope.empty()) return {};
  return "It was for " + scope + "; the user had " + use + " in use.";
}

/// Returns how a cleanup ended, by what it was asked for.
std::string describe_outcome(const json& decision) {
  if (text_of(decision, "kind") != "cleanup") return {};
  const auto needed = count_of(decision, "needed");
  const auto freed = size_of(decision, "evictions");
  const bool dry_run = member(decision, "dry_run") == true;
  std::string result = needed == 0 ? "It was to free whatever it may" : "It was to free " + counted(needed, "slot");
  result += (dry_run ? " and would free " : " and freed ") + (freed == 0 ? "none" : std::to_string(freed));
  if (const auto level = text_of(decision, "level"); !level.empty()) result += ", up to level " + level;
  if (const auto took = length_of(member(decision, "took_us")); !took.empty()) result += ", in " + took;
  return result + '.';
}

std::string indented(const std::string& lines) {
  std::string result;
  for (std::size_t begin = 0; begin < lines.size();) {
    const auto end = lines.find('\n', begin);
    result += "    " + lines.substr(begin, end - begin) + '\n';
    begin = end + 1;
  }
  return result;
}

std::string list_attempts(const json& decision) {
  const auto went = member(decision, "dry_run") == true ? " would go" : " went";
  table rows;
  for_each(decision, "attempts", [&](const json& attempt) {
    const auto level = text_of(attempt, "level");
    rows.push_back({level, text_of(attempt, "candidates") + " could go", text_of(attempt, "evicted") + went,
                    spoken(level_phrases, level)});
  });
  return rows.empty() ? "" : "  Tried, level by level:\n" + indented(align(rows));
}

std::string list_roster(const json& decision) {
  std::vector<std::string> evicted;
  for_each(decision, "evictions", [&](const json& eviction) { evicted.push_back(text_of(eviction, "manager_id")); });
  const bool dry_run = member(decision, "dry_run") == true;
  table rows;
  for_each(decision, "roster", [&](const json& line) {
    const auto manager = text_of(line, "manager_id");
    const bool went = std::find(evicted.begin(), evicted.end(), manager) != evicted.end();
    std::string state;
    const auto add = [&](const std::string& fact) {
      if (!fact.empty()) state += (state.empty() ? "" : ", ") + fact;
    };
    if (member(line, "opening") == true) add("still opening");
    if (member(line, "live_run") == true) add("protected by its run");
    add(listed(member(line, "evidence")));
    rows.push_back({went ? (dry_run ? "would go" : "went") : "stayed", "thread " + text_of(line, "thread_id"), manager,
                    counted(count_of(line, "living_connections"), "living connection"),
                    "useful " + ago(member(line, "useful_ms_ago")), state});
  });
  return rows.empty() ? "" : "  Considered:\n" + indented(align(rows));
}

/// Returns a record's kind as the list names it.
std::string headline(const json& decision) {
  const auto kind = text_of(decision, "kind");
  if (kind != "cleanup")
    return spoken({{"connection_replaced", "connection replaced"},
                   {"connection_dead", "dead connection closed"},
                   {"manager_crashed", "manager crashed"},
                   {"manager_leaked", "manager leaked"}},
                  kind);
  std::string result = member(decision, "dry_run") == true ? "dry run" : "cleanup";
  for (const auto* name : {"scope", "level", "outcome"})
    if (const auto text = text_of(decision, name); !text.empty()) result += ", " + text;
  return result;
}

} // namespace

std::string render_decision(const json& decision, std::string_view subject) {
  std::string page = time_of(member(decision, "ts"));
  if (const auto user = text_of(decision, "user_id"); !user.empty())
    page += (page.empty() ? "user " : "  user ") + user;
  if (const auto tier = text_of(decision, "tier"); !tier.empty()) page += " (" + tier + ')';
  page += '\n';
  if (member(decision, "dry_run") == true)
    page += "  A dry run: nothing was changed, and nobody was probed, so aggressive may find more that are dead.\n";
  for (const auto& sentence : describe_events(decision, subject))
    page += "  " + sentence + '\n';
  for (const auto& sentence : {describe_occasion(decision), describe_outcome(decision)})
    if (!sentence.empty()) page += "  " + sentence + '\n';
  page += list_attempts(decision) + list_roster(decision);
  if (const auto id = text_of(decision, "decision_id"); !id.empty() && member(decision, "dry_run") != true)
    page += "  Recorded as decision " + id + ".\n";
  return page;
}

std::string render_explanation(const json& decisions, std::string_view subject) {
  std::string page;
  if (decisions.is_array())
    for (const auto& decision : decisions)
      page += (page.empty() ? "" : "\n") + render_decision(decision, subject);
  return page;
}

std::string render_decisions(const json& decisions) {
  table rows;
  if (decisions.is_array())
    for (const auto& decision : decisions)
      rows.push_back({time_of(member(decision, "ts")), text_of(decision, "user_id"), headline(decision),
                      counted(size_of(decision, "evictions"), "manager"),
                      counted(size_of(decision, "connections"), "connection"), length_of(member(decision, "took_us")),
                      text_of(decision, "decision_id")});
  return align(rows);
}

} // namespace gangway
