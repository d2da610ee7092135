/// gangwayctl: an operator's view of a server, and tokens for trying it.

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdlib>
#include <functional>
#include <iostream>
#include <optional>
#include <sstream>
#include <string>
#include <variant>
#include <vector>

#include <CLI/CLI.hpp>
#include <nlohmann/json.hpp>

#include "config/configuration.hpp"
#include "config/file_text.hpp"
#include "config/values.hpp"
#include "console/command_line.hpp"
#include "console/terminal/admin_client.hpp"
#include "console/terminal/backup.hpp"
#include "console/terminal/render.hpp"
#include "console/terminal/render_decision.hpp"
#include "net/auth/jwt.hpp"
#include "protocol/printable.hpp"
#include "protocol/standard_output.hpp"

namespace {

using namespace gangway;
using nlohmann::json;

/// What a script can tell from: good, the thing asked about is bad, the question was, nobody answered.
enum exit_status : int { good = 0, bad = 1, usage = 2, not_reachable = 3 };

int fail(exit_status status, const std::string& reason) {
  std::cerr << "gangwayctl: " << printable(reason) << '\n';
  return status;
}

// ---- token ---------------------------------------------------------------------------------------------------------

struct token_request {
  std::string user;
  std::string tier;
  std::vector<std::string> roles;
  std::string expires = "1h";
  std::string secret_from;
  std::string config;
  bool dev = false;
  bool simulation = false;
};

/// Returns the secret that tokens are signed with, or what to do about its absence.
std::variant<std::string, token_fault> find_secret(const token_request& request, const settings& values) {
  const auto from_file = [](const std::filesystem::path& file) -> std::variant<std::string, token_fault> {
    auto read = read_secret_file(file);
    if (const auto* fault = std::get_if<file_fault>(&read))
      return token_fault{.reason = "the secret's file " + fault->reason};
    return std::move(std::get<file_text>(read).text);
  };
  if (request.secret_from.starts_with("env:")) {
    const auto name = request.secret_from.substr(4);
    const auto* value = std::getenv(name.c_str());
    if (!value || !*value) return token_fault{.reason = "the variable " + name + " is not set"};
    return std::string{value};
  }
  if (!request.secret_from.empty()) return from_file(request.secret_from);
  if (request.simulation) {
    if (!values.auth.simulation_secret.empty()) return values.auth.simulation_secret;
    return token_fault{.reason = "auth.simulation_secret is not set: give --config FILE or "
                                 "GANGWAY_AUTH_SIMULATION_SECRET"};
  }
  // Not the configured one: what is made for a server in development mode is good nowhere else.
  if (request.dev) return from_file(development_secret_file(values));
  if (!values.auth.secret.empty()) return values.auth.secret;
  return token_fault{.reason =
                         "there is no secret to sign with: give --config FILE, GANGWAY_AUTH_SECRET, --secret-from, "
                         "or --dev for a server that runs with --dev"};
}

const std::vector<std::string> tiers{"free", "pro", "enterprise"};

int print_token(const token_request& request, bool as_json) {
  if (!is_user_id(request.user))
    return fail(usage, "--user must be 1 to 255 bytes of UTF-8 without control characters");
  for (const auto& name : request.roles)
    if (!is_user_id(name)) return fail(usage, "--role must be a name without control characters");
  if (!request.tier.empty() && std::find(tiers.begin(), tiers.end(), request.tier) == tiers.end())
    return fail(usage, "--tier must be one of free, pro, enterprise, not \"" + request.tier + '"'
                           + did_you_mean(nearest(request.tier, tiers)));
  const auto lifetime = parse_duration(request.expires);
  if (!lifetime || *lifetime < std::chrono::seconds{1} || *lifetime > std::chrono::hours{10 * 365 * 24})
    return fail(usage, "--expires must be a duration from \"1s\" to ten years, such as \"1h\"");

  const std::optional<std::filesystem::path> file =
      request.config.empty() ? std::nullopt : std::optional<std::filesystem::path>{request.config};
  const auto configuration = load_settings(file, process_environment());
  for (const auto& warning : configuration.warnings)
    std::cerr << "gangwayctl: warning: " << printable(warning) << '\n';
  if (!configuration.errors.empty()) {
    for (const auto& error : configuration.errors)
      fail(usage, error);
    return usage;
  }
  const auto& auth = configuration.values.auth;
  auto secret = find_secret(request, configuration.values);
  if (const auto* fault = std::get_if<token_fault>(&secret)) return fail(usage, fault->reason);

  const auto& key = std::get<std::string>(secret);
  if (key.size() < secret_bytes_min) return fail(usage, "the secret must have at least 32 bytes");
  token_rules rules;
  rules.user_claim = auth.user_claim;
  rules.tier_claim = auth.tier_claim;
  rules.role_claims = {auth.roles_claim};
  if (!auth.issuer.empty()) rules.issuer = auth.issuer;
  if (!auth.audience.empty()) rules.audience = auth.audience;
  const auto now = utc_now();
  const token_claims claims{{request.user}, request.tier, request.roles, now + *lifetime};
  const auto token = make_token(claims, key, rules, now);
  std::cout << (as_json ? json{{"token", token}}.dump() : token) << '\n';
  return good;
}

// ---- the admin API -------------------------------------------------------------------------------------------------

/// Asks the server and shows its `result`: as it came with `--json`, else by `show`, which also judges it.
int inquire(const admin_server& server, bool as_json, const admin_request& what,
            const std::function<int(const json& result, bool quiet)>& show) {
  if (const auto complaint = complain(server); !complaint.empty()) return fail(usage, complaint);
  const auto reply = ask(server, what);
  if (const auto* silence = std::get_if<no_answer>(&reply))
    return fail(not_reachable, server.url + " cannot be reached: " + silence->reason);

  const auto& answer = std::get<admin_answer>(reply);
  const auto body = json::parse(answer.body, nullptr, false);
  if (!body.is_object() || (!body.contains("result") && !body.contains("error")))
    return fail(not_reachable, server.url + " answered " + std::to_string(answer.status)
                                   + ", but not as Gangway's admin listener does (admin.listen, by default port 8081)");
  if (as_json) std::cout << answer.body << '\n';
  if (const auto error = body.find("error"); error != body.end()) {
    const auto reason = error->is_object() ? error->value("message", json{}) : json{};
    const auto text = reason.is_string() ? reason.get<std::string>() : "refused with " + std::to_string(answer.status);
    if (answer.status == 401 || answer.status == 403)
      return fail(usage, text + " (give --token or GANGWAYCTL_TOKEN, of a user with admin.role)");
    return fail(bad, text);
  }
  return show(body["result"], as_json);
}

int show_status(const json& status, bool quiet) {
  if (!quiet) std::cout << render_status(status);
  return status.is_object() && status.value("status", json{}) == "ready" ? good : bad;
}

int show_tree(const json& tree, const std::string& user, bool quiet) {
  if (!user.empty() && !has_user(tree, user)) return fail(bad, "the server has no user \"" + user + '"');
  if (!quiet) std::cout << render_tree(tree);
  return good;
}

// ---- decisions -----------------------------------------------------------------------------------------------------

const std::string no_list = "the server's answer is not a list of decisions";

/// Returns the decisions of an answer, or null if it is not a list of them.
json decisions_in(const json& result) {
  if (!result.is_object()) return {};
  auto decisions = result.value("decisions", json{});
  return decisions.is_array() ? decisions : json{};
}

std::optional<json> find_decision(const admin_server& server, const std::string& id) {
  const auto reply = ask(server, {"/api/v1/decisions/" + id});
  const auto* answer = std::get_if<admin_answer>(&reply);
  if (answer == nullptr || answer->status != 200) return std::nullopt;
  const auto body = json::parse(answer->body, nullptr, false);
  if (!body.is_object() || !body.contains("result")) return std::nullopt;
  return body["result"];
}

int explain(const admin_server& server, bool as_json, const std::string& text) {
  // Spelled as the server spells it.
  const auto id = parse_uuid(text);
  if (!id) return fail(usage, '"' + text + "\" is not the id of a connection, a manager or a decision");
  const auto subject = to_string(*id);
  return inquire(server, as_json, {"/api/v1/decisions", {{"subject", subject}}}, [&](const json& result, bool quiet) {
    const auto decisions = decisions_in(result);
    if (decisions.is_null()) return fail(not_reachable, no_list);
    // What the log and `decisions` show is the id of the decision itself.
    if (decisions.empty() && !quiet)
      if (const auto decision = find_decision(server, subject)) {
        std::cout << render_decision(*decision);
        return static_cast<int>(good);
      }
    if (decisions.empty())
      return fail(bad, "no decision about " + subject
                           + " is on record: nobody was evicted, so the client or the network ended it, or it lives. "
                             "(Only the newest decisions are kept, for 30 days; other close codes than 4440, such as "
                             "those for an expired token or a slow reader, say their reason themselves.)");
    if (!quiet) std::cout << render_explanation(decisions, subject);
    return static_cast<int>(good);
  });
}

struct cleanup_request {
  std::string user;
  std::string level;
  std::uint32_t needed = 0;
  bool dry_run = false;
};

int clean_up(admin_server server, bool as_json, const cleanup_request& request) {
  if (!is_user_id(request.user)) return fail(usage, "USER must be 1 to 255 bytes of UTF-8 without control characters");
  // A cleanup may take `cleanup.deadline`, which is 30 s at most.
  server.patience = std::chrono::seconds{40};
  const json body{{"level", request.level}, {"needed", request.needed}, {"dry_run", request.dry_run}};
  return inquire(server, as_json,
                 {.path = "/api/v1/users/" + encode_segment(request.user) + "/cleanup", .body = body.dump()},
                 [&](const json& decision, bool quiet) {
                   if (!quiet) std::cout << render_decision(decision);
                   // Who says how many wants so many.
                   const bool enough =
                       request.needed == 0 || (decision.is_object() && decision.value("outcome", json{}) == "freed");
                   return enough ? good : bad;
                 });
}

int list_decisions(const admin_server& server, bool as_json, const std::string& user, std::uint32_t limit) {
  admin_request what{"/api/v1/decisions", {{"limit", std::to_string(limit)}}};
  if (!user.empty()) what.parameters.emplace_back("user", user);
  return inquire(server, as_json, what, [&](const json& result, bool quiet) {
    const auto decisions = decisions_in(result);
    if (decisions.is_null()) return fail(not_reachable, no_list);
    if (!quiet) std::cout << (decisions.empty() ? "no decision is on record\n" : render_decisions(decisions));
    return static_cast<int>(good);
  });
}

// ---- backup --------------------------------------------------------------------------------------------------------

int back_up(const admin_server& server, const backup_request& request) {
  if (const auto complaint = complain(server); !complaint.empty()) return fail(usage, complaint);
  const auto result = fetch_backup(server, request);
  if (const auto* silence = std::get_if<no_answer>(&result))
    return fail(not_reachable, server.url + " cannot be reached: " + silence->reason);
  if (const auto* refusal = std::get_if<backup_fault>(&result))
    return fail(refusal->by_usage ? usage : bad, refusal->reason);
  const auto& made = std::get<backup_made>(result);
  std::cout << request.file << ": " << made.bytes << " bytes, in "
            << std::chrono::duration_cast<std::chrono::milliseconds>(made.took).count() << " ms\n";
  return good;
}

int run(int argument_count, char** arguments) {
  CLI::App app{"gangwayctl asks a Gangway server how it is, and makes tokens for trying it.\n"
               "Exit status: 0 good, 1 what was asked about is bad, 2 wrong usage, 3 not reachable.",
               "gangwayctl"};
  app.set_version_flag("--version", "gangwayctl " GANGWAY_VERSION);
  app.require_subcommand(1);

  admin_server server;
  // Not by CLI11's `envname`: it reads the variable for every subcommand, and so the last one's would win over the flag
  // that was given to another.
  if (const auto* url = std::getenv("GANGWAYCTL_URL"); url && *url) server.url = url;
  if (const auto* token = std::getenv("GANGWAYCTL_TOKEN"); token && *token) server.token = token;
  if (const auto* file = std::getenv("GANGWAYCTL_CA_FILE"); file && *file) server.ca_file = file;
  bool as_json = false;
  const auto add_server_options = [&](CLI::App* command) {
    command->add_option("--url", server.url, "the server's admin listener, or GANGWAYCTL_URL")->capture_default_str();
    command->add_option("--token", server.token,
                        "a token with admin.role, or GANGWAYCTL_TOKEN; none is needed on loopback in --dev");
    command->add_option("--ca-file", server.ca_file,
                        "for https: whose certificates are trusted (PEM), or GANGWAYCTL_CA_FILE");
    command->add_flag("--json", as_json, "the server's answer as it came");
  };
  // Before the command as well as after it.
  add_server_options(&app);

  token_request request;
  auto* token = app.add_subcommand("token", "print a signed token, and nothing else, on standard output");
  token->add_option("--user", request.user, "whom it names (sub)")->required();
  token->add_option("--tier", request.tier, "free, pro or enterprise");
  token->add_option("--role", request.roles, "a role, such as gangway_admin; may be repeated")->allow_extra_args(false);
  token->add_option("--expires", request.expires, "how long it is good: 10m, 1h")->capture_default_str();
  token->add_option("--secret-from", request.secret_from, "where the secret is: env:NAME, or a file");
  token->add_option("--config", request.config, "the server's configuration: its secret, issuer and audience");
  token->add_flag("--dev", request.dev, "use what `gangwayd --dev` made up: <store.path>.dev-secret");
  token->add_flag("--json", as_json, "as JSON: {\"token\":…}");
  token->add_flag("--simulation", request.simulation, "sign with auth.simulation_secret: for end-to-end tests");

  auto* status = app.add_subcommand("status", "say how the server is; 1 unless it is ready");
  add_server_options(status);

  std::string user;
  auto* tree = app.add_subcommand("tree", "draw the actors: users, their threads and connections");
  tree->add_option("USER", user, "this user alone");
  add_server_options(tree);

  std::string subject;
  auto* explanation =
      app.add_subcommand("explain", "say why a connection or a manager was ended; 1 if nothing is known");
  explanation->add_option("ID", subject, "a connection's or a manager's id")->required();
  add_server_options(explanation);

  cleanup_request room;
  auto* cleanup = app.add_subcommand("cleanup", "free managers of a user; 1 if not as many as needed");
  cleanup->add_option("USER", room.user, "whose managers")->required();
  cleanup->add_option("--level", room.level, "the highest level to use")
      ->required()
      ->check(CLI::IsMember({"conservative", "moderate", "aggressive", "force"}));
  cleanup->add_option("--needed", room.needed, "how many to free; without it, all that the level may take")
      ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{1'000'000}));
  cleanup->add_flag("--dry-run", room.dry_run, "only say whom it would take");
  add_server_options(cleanup);

  backup_request copy;
  auto* backup = app.add_subcommand("backup", "write a copy of the running server's database to a file");
  backup->add_option("FILE", copy.file, "where; readable by its owner alone")->required();
  backup->add_flag("--force", copy.overwrite, "replace the file if it exists");
  add_server_options(backup);

  std::uint32_t limit = 50;
  auto* decisions = app.add_subcommand("decisions", "list the newest decisions, a line each");
  decisions->add_option("USER", user, "about this user alone");
  decisions->add_option("--limit", limit, "how many at most")
      ->check(CLI::Range(std::uint32_t{1}, std::uint32_t{1'000}))
      ->capture_default_str();
  add_server_options(decisions);

  for (auto* command : app.get_subcommands([](const CLI::App*) { return true; }))
    command->set_version_flag("--version", "gangwayctl " GANGWAY_VERSION);

  try {
    app.parse(argument_count, arguments);
  } catch (const CLI::ParseError& error) {
    // CLI11 has its own numbers for each mistake; help and version are none.
    return error.get_exit_code() == 0 ? app.exit(error) : fail(usage, complain_about_words(app, error));
  }
  if (*token) return print_token(request, as_json);
  if (*status) return inquire(server, as_json, {"/api/v1/status"}, show_status);
  if (*backup) return back_up(server, copy);
  if (*explanation) return explain(server, as_json, subject);
  if (*cleanup) return clean_up(server, as_json, room);
  if (*decisions) return list_decisions(server, as_json, user, limit);
  admin_request what{"/api/v1/tree"};
  if (!user.empty()) what.parameters.emplace_back("user", user);
  return inquire(server, as_json, what, [&](const json& result, bool quiet) { return show_tree(result, user, quiet); });
}

} // namespace

int main(int argument_count, char** arguments) {
  guard_standard_streams();
  try {
    // Collected first, so that what is in the way of printing has a reason.
    std::ostringstream page;
    auto* terminal = std::cout.rdbuf(page.rdbuf());
    const int status = run(argument_count, arguments);
    std::cout.rdbuf(terminal);
    const auto trouble = print(page.str());
    return trouble.empty() ? status : fail(bad, trouble);
  } catch (const std::exception& error) {
    return fail(bad, error.what());
  }
}
