#define CAF_SUITE gangwayctl
#include "caf/test/unit_test.hpp"

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <arpa/inet.h>
#include <fcntl.h>
#include <nlohmann/json.hpp>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "net/auth/jwt.hpp"

using namespace gangway;
using nlohmann::json;

namespace {

using words = std::vector<std::string>;

std::string content_of(const std::filesystem::path& file) {
  std::ifstream stream{file, std::ios::binary};
  return {std::istreambuf_iterator<char>{stream}, {}};
}

struct outcome {
  int status = -1;
  std::string out;
  std::string err;
};

/// A folder of this test's own, in which the program runs.
struct workplace {
  std::string path;

  workplace() {
    auto name = (std::filesystem::temp_directory_path() / "gangwayctl-XXXXXX").string();
    if (!mkdtemp(name.data())) CAF_FAIL("no temporary folder");
    path = name;
  }
  ~workplace() { std::filesystem::remove_all(path); }

  void write(const std::string& name, const std::string& text) const { std::ofstream{path + '/' + name} << text; }

  /// Runs gangwayctl with these arguments and this environment, no other, until it ends.
  /// Standard output can go to a device instead, and is then not read back.
  outcome run(words arguments, words environment = {}, const char* standard_output = "out") const {
    arguments.insert(arguments.begin(), "gangwayctl");
    const auto pointers = [](words& texts) {
      std::vector<char*> result;
      for (auto& text : texts)
        result.push_back(text.data());
      result.push_back(nullptr);
      return result;
    };
    const auto argv = pointers(arguments);
    const auto envp = pointers(environment);
    const auto child = ::fork();
    if (child == 0) {
      const bool ready = ::chdir(path.c_str()) == 0
                         && ::dup2(::open(standard_output, O_CREAT | O_TRUNC | O_WRONLY, 0600), 1) == 1
                         && ::dup2(::open("err", O_CREAT | O_TRUNC | O_WRONLY, 0600), 2) == 2;
      if (ready) ::execve(GANGWAYCTL, argv.data(), envp.data());
      ::_exit(127);
    }
    int status = 0;
    CAF_REQUIRE_EQUAL(::waitpid(child, &status, 0), child);
    return {WIFEXITED(status) ? WEXITSTATUS(status) : -1, content_of(path + "/out"), content_of(path + "/err")};
  }
};

/// A server that gives one answer to each of a few requests, in turn, and keeps the last request.
class one_answer {
public:
  one_answer(int status, std::string body)
      : one_answer{std::vector<std::pair<int, std::string>>{{status, std::move(body)}}} {}

  explicit one_answer(std::vector<std::pair<int, std::string>> answers) {
    listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t size = sizeof address;
    if (::bind(listener_, reinterpret_cast<sockaddr*>(&address), size) != 0 || ::listen(listener_, 1) != 0
        || ::getsockname(listener_, reinterpret_cast<sockaddr*>(&address), &size) != 0)
      CAF_FAIL("no port to listen on");
    url = "http://127.0.0.1:" + std::to_string(ntohs(address.sin_port));
    for (const auto& [status, body] : answers)
      answers_.push_back("HTTP/1.1 " + std::to_string(status)
                         + " X\r\nContent-Type: application/json\r\nContent-Length: " + std::to_string(body.size())
                         + "\r\nConnection: close\r\n\r\n" + body);
    thread_ = std::thread{[this] {
      for (const auto& answer : answers_)
        serve(answer);
    }};
  }

  ~one_answer() {
    ::shutdown(listener_, SHUT_RDWR); // ends an accept that nobody came for
    thread_.join();
    ::close(listener_);
  }

  std::string url;
  std::string request; ///< complete once the program has its answer

private:
  void serve(const std::string& answer) {
    const int client = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (client < 0) return;
    request.clear();
    char buffer[4096];
    for (ssize_t count = 0; !is_whole() && (count = ::read(client, buffer, sizeof buffer)) > 0;)
      request.append(buffer, static_cast<std::size_t>(count));
    (void)!::write(client, answer.data(), answer.size());
    ::close(client);
  }

  bool is_whole() const {
    const auto end = request.find("\r\n\r\n");
    if (end == request.npos) return false;
    const std::string name = "\r\nContent-Length: ";
    const auto length = request.find(name);
    return length > end || request.size() - end - 4 >= std::stoul(request.substr(length + name.size()));
  }

  int listener_ = -1;
  std::vector<std::string> answers_;
  std::thread thread_;
};

// As the server encodes one.
const std::string moderate_eviction =
    R"({"decision_id":"d1","kind":"cleanup","user_id":"ada","tier":"pro","ts":1769862896007,)"
    R"("scope":"request","level":"moderate","outcome":"freed","needed":1,"attempts":[],)"
    R"("managers_used":20,"managers_max":20,"took_us":900,"evictions":[{"manager_id":"m1",)"
    R"("thread_id":"t1","connections":["0192c3f2-0000-7000-8000-00000000000c"],)"
    R"("level":"moderate","reason":"idle","evidence":[]}],"connections":[],"roster":[]})";

const std::string secret(32, 's');

std::optional<token_claims> claims_of(const std::string& line, const std::string& key, const token_rules& rules) {
  CAF_REQUIRE(line.ends_with('\n'));
  auto result =
      verify_token(std::string_view{line}.substr(0, line.size() - 1), key_set::of_secret(key), rules, utc_now());
  if (auto* claims = std::get_if<token_claims>(&result)) return *claims;
  CAF_ERROR(std::get<token_fault>(result).reason);
  return std::nullopt;
}

} // namespace

CAF_TEST_FIXTURE_SCOPE(gangwayctl_tests, workplace)

CAF_TEST(help_and_version_are_good_and_a_wrong_word_is_2) {
  CAF_CHECK_EQUAL(run({"--help"}).status, 0);
  CAF_CHECK(run({"--version"}).out.starts_with("gangwayctl "));
  for (const auto& wrong :
       {words{}, words{"stats"}, words{"status", "--colour"}, words{"token"}, words{"tree", "a", "b"}, words{"explain"},
        words{"decisions", "--limit", "0"}, words{"decisions", "--limit", "1001"}})
    CAF_CHECK_EQUAL(run(wrong).status, 2);
}

CAF_TEST(a_token_is_alone_on_standard_output_and_says_what_was_asked) {
  const auto result =
      run({"token", "--user", "105945141827451681156", "--tier", "pro", "--role", "gangway_admin", "--expires", "10m"},
          {"GANGWAY_AUTH_SECRET=" + secret, "GANGWAY_AUTH_ISSUER=me", "GANGWAY_AUTH_AUDIENCE=gangway"});
  CAF_CHECK_EQUAL(result.status, 0);
  CAF_CHECK_EQUAL(result.err, "");
  token_rules rules;
  rules.issuer = "me";
  rules.audience = "gangway";
  const auto claims = claims_of(result.out, secret, rules);
  CAF_REQUIRE(claims.has_value());
  CAF_CHECK_EQUAL(claims->user.value, "105945141827451681156");
  CAF_CHECK_EQUAL(claims->tier, "pro");
  CAF_CHECK(claims->roles == words{"gangway_admin"});
  CAF_CHECK(claims->expires_at > utc_now() + std::chrono::minutes{9});
  CAF_CHECK(claims->expires_at <= utc_now() + std::chrono::minutes{10});
}

CAF_TEST(the_secret_comes_from_a_variable_a_file_the_configuration_or_the_dev_server) {
  const auto signs = [&](const words& from, const words& environment, const std::string& with) {
    words arguments{"token", "--user", "ada"};
    arguments.insert(arguments.end(), from.begin(), from.end());
    const auto result = run(arguments, environment);
    CAF_CHECK_EQUAL(result.status, 0);
    const auto claims = claims_of(result.out, with, {});
    CAF_CHECK(claims && claims->user.value == "ada");
  };
  signs({"--secret-from", "env:OTHER"}, {"OTHER=" + std::string(32, 'o'), "GANGWAY_AUTH_SECRET=" + secret},
        std::string(32, 'o'));
  write("secret", std::string(40, 'f') + '\n');
  signs({"--secret-from", "secret"}, {}, std::string(40, 'f'));
  write("gangway.toml", "[auth]\nsecret = \"" + std::string(33, 'c') + "\"\n");
  signs({"--config", "gangway.toml"}, {}, std::string(33, 'c'));
  write("here.db.dev-secret", std::string(64, 'd') + '\n');
  signs({"--dev"}, {"GANGWAY_STORE_PATH=here.db"}, std::string(64, 'd'));
  // Also where a secret is configured, which a production server may have.
  signs({"--dev"}, {"GANGWAY_STORE_PATH=here.db", "GANGWAY_AUTH_SECRET=" + secret}, std::string(64, 'd'));
}

CAF_TEST(a_token_that_cannot_be_made_is_2_with_a_reason_and_nothing_on_standard_output) {
  const words good{"GANGWAY_AUTH_SECRET=" + secret};
  const auto refuse = [&](const words& arguments, const words& environment, const std::string& reason) {
    const auto result = run(arguments, environment);
    CAF_CHECK_EQUAL(result.status, 2);
    CAF_CHECK_EQUAL(result.out, "");
    CAF_CHECK_NOT_EQUAL(result.err.find(reason), std::string::npos);
    CAF_CHECK_EQUAL(result.err.find("short-secret"), std::string::npos);
  };
  refuse({"token", "--user", "ada"}, {}, "there is no secret to sign with");
  refuse({"token", "--user", "ada", "--dev"}, {}, "gangway.db.dev-secret: cannot be read: No such file or directory");
  refuse({"token", "--user", "ada", "--secret-from", "env:NONE"}, {}, "NONE is not set");
  refuse({"token", "--user", "ada", "--secret-from", "env:S"}, {"S=short-secret"}, "at least 32 bytes");
  refuse({"token", "--user", "ada"}, {"GANGWAY_AUTH_SECRET=short-secret"}, "at least 32 bytes");
  refuse({"token", "--user", "ada", "--config", "none.toml"}, good,
         "none.toml: cannot be read: No such file or directory");
  refuse({"token", "--user", "ada", "--expires", "3600"}, good, "--expires");
  refuse({"token", "--user", "ada", "--expires", "999ms"}, good, "--expires");
  refuse({"token", "--user", ""}, good, "--user");
  refuse({"token", "--user", "a\nb"}, good, "--user");
  refuse({"token", "--user", std::string(256, 'u')}, good, "--user");
  CAF_CHECK_EQUAL(run({"token", "--user", std::string(255, 'u'), "--expires", "1s"}, good).status, 0);
}

CAF_TEST(a_ready_server_is_0_and_a_failing_one_is_1) {
  one_answer ready{200, R"({"result":{"status":"ready","users":3}})"};
  const auto good = run({"status", "--url", ready.url, "--token", "abc.def.ghi"});
  CAF_CHECK_EQUAL(good.status, 0);
  CAF_CHECK_EQUAL(good.out, "status  ready\nusers   3\n");
  CAF_CHECK(ready.request.starts_with("GET /api/v1/status HTTP/1.1\r\n"));
  CAF_CHECK(ready.request.find("Authorization: Bearer abc.def.ghi\r\n") != std::string::npos);

  one_answer failing{503, R"({"result":{"status":"failing"}})"};
  const auto bad = run({"status"}, {"GANGWAYCTL_URL=" + failing.url, "GANGWAYCTL_TOKEN=from.the.environment"});
  CAF_CHECK_EQUAL(bad.status, 1);
  CAF_CHECK_EQUAL(bad.out, "status  failing\n");
  CAF_CHECK(failing.request.find("Authorization: Bearer from.the.environment\r\n") != std::string::npos);
}

CAF_TEST(what_is_given_comes_before_the_environment) {
  one_answer asked{200, R"({"result":{"status":"ready"}})"};
  const words elsewhere{"GANGWAYCTL_URL=http://127.0.0.1:1", "GANGWAYCTL_TOKEN=from.the.environment"};
  CAF_CHECK_EQUAL(run({"status", "--url", asked.url, "--token", "from.the.line"}, elsewhere).status, 0);
  CAF_CHECK(asked.request.find("Bearer from.the.line\r\n") != std::string::npos);
  CAF_CHECK_EQUAL(run({"status"}, elsewhere).status, 3);
}

CAF_TEST(json_is_shown_as_it_came_and_judged_all_the_same) {
  const std::string body = R"({"result": {"status":"starting",  "odd":1}})";
  one_answer server{200, body};
  const auto result = run({"status", "--json", "--url", server.url});
  CAF_CHECK_EQUAL(result.status, 1);
  CAF_CHECK_EQUAL(result.out, body + "\n");
}

CAF_TEST(a_tree_of_one_user_asks_for_that_user_and_is_1_if_there_is_none) {
  const std::string body =
      R"({"result":{"name":"supervisor","children":[{"name":"user","id":"a&b c/ü","connections":[],"children":[]}]}})";
  one_answer server{200, body};
  const auto found = run({"tree", "a&b c/ü", "--url", server.url + "/behind/a/proxy/"});
  CAF_CHECK_EQUAL(found.status, 0);
  CAF_CHECK_EQUAL(found.out, "supervisor\n└─ user a&b c/ü\n");
  CAF_CHECK(server.request.starts_with("GET /behind/a/proxy/api/v1/tree?user=a%26b"));
  CAF_CHECK(server.request.find("%C3%BC HTTP/1.1\r\n") != std::string::npos);
  CAF_CHECK(server.request.find("Authorization") == std::string::npos);

  one_answer other{200, body};
  const auto missing = run({"tree", "bob", "--url", other.url});
  CAF_CHECK_EQUAL(missing.status, 1);
  CAF_CHECK_EQUAL(missing.err, "gangwayctl: the server has no user \"bob\"\n");

  one_answer refusing{404, R"({"error":{"code":"not_found","message":"no such user"}})"};
  const auto refused = run({"tree", "bob", "--url", refusing.url});
  CAF_CHECK_EQUAL(refused.status, 1);
  CAF_CHECK_EQUAL(refused.err, "gangwayctl: no such user\n");
}

// ---- decisions -----------------------------------------------------------------------------------------------------

CAF_TEST(an_explanation_asks_for_that_subject_and_tells_the_story) {
  one_answer server{200, R"({"result":{"decisions":[)" + moderate_eviction + "]}}"};
  const auto result = run({"explain", "0192C3F2-0000-7000-8000-00000000000C", "--url", server.url});
  CAF_CHECK_EQUAL(result.status, 0);
  CAF_CHECK_EQUAL(result.err, "");
  CAF_CHECK(server.request.starts_with("GET /api/v1/decisions?subject=0192c3f2-0000-7000-8000-00000000000c HTTP/1.1"));
  CAF_CHECK(result.out.find("Connection 0192c3f2-0000-7000-8000-00000000000c had thread t1 open. Its manager m1 was "
                            "evicted at level moderate")
            != std::string::npos);
}

CAF_TEST(an_explanation_of_what_nobody_decided_is_1_and_says_what_that_means) {
  one_answer server{200, R"({"result":{"decisions":[]}})"};
  const auto result = run({"explain", "0192c3f2-0000-7000-8000-00000000000c", "--url", server.url});
  CAF_CHECK_EQUAL(result.status, 1);
  CAF_CHECK_EQUAL(result.out, "");
  CAF_CHECK(result.err.find("no decision about 0192c3f2-0000-7000-8000-00000000000c is on record")
            != std::string::npos);
  CAF_CHECK(result.err.find("the client or the network ended it") != std::string::npos);

  const std::string body = R"({"result":{"decisions":[]}})";
  one_answer other{200, body};
  const auto quiet = run({"explain", "0192c3f2-0000-7000-8000-00000000000c", "--json", "--url", other.url});
  CAF_CHECK_EQUAL(quiet.status, 1);
  CAF_CHECK_EQUAL(quiet.out, body + "\n");
}

CAF_TEST(a_decisions_own_id_is_explained_too) {
  one_answer server{std::vector<std::pair<int, std::string>>{{200, R"({"result":{"decisions":[]}})"},
                                                             {200, R"({"result":)" + moderate_eviction + "}"}}};
  const auto told = run({"explain", "01a201f5-32b7-7414-8000-00000000000d", "--url", server.url});
  CAF_CHECK_EQUAL(told.status, 0);
  CAF_CHECK(told.out.find("thread t1") != std::string::npos);
  CAF_CHECK(server.request.find("GET /api/v1/decisions/01a201f5-32b7-7414-8000-00000000000d HTTP/1.1\r\n")
            != std::string::npos);
}

CAF_TEST(what_is_no_id_is_not_asked_for) {
  for (const auto* text : {"", "t1", "0192c3f2-0000-7000-8000-00000000000", "0192c3f2000070008000000000000000"})
    CAF_CHECK_EQUAL(run({"explain", text}).status, 2);
}

CAF_TEST(a_cleanup_is_posted_for_the_user_whatever_the_id_holds) {
  one_answer server{200, R"({"result":)" + moderate_eviction + "}"};
  const auto result = run({"cleanup", "a/b c\u00fc?", "--level", "force", "--needed", "3", "--dry-run", "--url",
                           server.url + "/behind%20a/proxy/"});
  CAF_CHECK_EQUAL(result.status, 0);
  CAF_CHECK(server.request.starts_with("POST /behind%20a/proxy/api/v1/users/a%2Fb%20c%C3%BC%3F/cleanup HTTP/1.1\r\n"));
  CAF_CHECK(server.request.find("Content-Type: application/json\r\n") != std::string::npos);
  CAF_CHECK(json::parse(server.request.substr(server.request.find("\r\n\r\n") + 4))
            == (json{{"level", "force"}, {"needed", 3}, {"dry_run", true}}));
  CAF_CHECK(result.out.find("Manager m1 of thread t1 was evicted") != std::string::npos);
}

CAF_TEST(a_cleanup_that_freed_less_than_needed_is_1_and_one_without_a_number_is_good) {
  const auto status_of = [&](const std::string& outcome, const words& options) {
    one_answer server{200, R"({"result":{"kind":"cleanup","outcome":")" + outcome + "\"}}"};
    words arguments{"cleanup", "ada", "--level", "moderate", "--url", server.url};
    arguments.insert(arguments.end(), options.begin(), options.end());
    return run(arguments).status;
  };
  CAF_CHECK_EQUAL(status_of("freed", {"--needed", "2"}), 0);
  CAF_CHECK_EQUAL(status_of("partly", {"--needed", "2"}), 1);
  CAF_CHECK_EQUAL(status_of("nothing", {"--needed", "1", "--json"}), 1);
  CAF_CHECK_EQUAL(status_of("nothing", {}), 0);
}

CAF_TEST(a_cleanup_asked_for_wrongly_is_2) {
  for (const auto& wrong :
       {words{}, words{"ada"}, words{"ada", "--level", "brutal"}, words{"--level", "force"},
        words{"ada", "--level", "force", "--needed", "0"}, words{"ada", "--level", "force", "--needed", "-1"},
        words{"", "--level", "force"}, words{"a\nb", "--level", "force"}}) {
    words arguments{"cleanup"};
    arguments.insert(arguments.end(), wrong.begin(), wrong.end());
    CAF_CHECK_EQUAL(run(arguments).status, 2);
  }
  one_answer unknown{404, R"({"error":{"code":"not_found","message":"no such user is known"}})"};
  const auto result = run({"cleanup", "ada", "--level", "force", "--url", unknown.url});
  CAF_CHECK_EQUAL(result.status, 1);
  CAF_CHECK_EQUAL(result.err, "gangwayctl: no such user is known\n");
}

CAF_TEST(decisions_are_listed_of_everybody_or_of_one_user) {
  one_answer server{200, R"({"result":{"decisions":[)" + moderate_eviction + "]}}"};
  const auto result = run({"decisions", "--url", server.url});
  CAF_CHECK_EQUAL(result.status, 0);
  CAF_CHECK(server.request.starts_with("GET /api/v1/decisions?limit=50 HTTP/1.1\r\n"));
  CAF_CHECK(result.out.find("cleanup, request, moderate, freed") != std::string::npos);

  one_answer none{200, R"({"result":{"decisions":[]}})"};
  const auto empty = run({"decisions", "a&b", "--limit", "1000", "--url", none.url});
  CAF_CHECK_EQUAL(empty.status, 0);
  CAF_CHECK(none.request.starts_with("GET /api/v1/decisions?limit=1000&user=a%26b HTTP/1.1\r\n"));
  CAF_CHECK_EQUAL(empty.out, "no decision is on record\n");
}

CAF_TEST(an_answer_that_lists_no_decisions_is_3) {
  for (const auto* body : {R"({"result":[]})", R"({"result":{}})", R"({"result":{"decisions":{}}})"}) {
    one_answer list{200, body};
    CAF_CHECK_EQUAL(run({"decisions", "--url", list.url}).status, 3);
    one_answer story{200, body};
    CAF_CHECK_EQUAL(run({"explain", "0192c3f2-0000-7000-8000-00000000000c", "--url", story.url}).status, 3);
  }
}

// ---- what can go wrong on the way ----------------------------------------------------------------------------------

CAF_TEST(a_refused_token_is_2_and_says_how_to_give_one) {
  one_answer server{401, R"({"error":{"code":"unauthenticated","message":"a token is needed"}})"};
  const auto result = run({"status", "--url", server.url});
  CAF_CHECK_EQUAL(result.status, 2);
  CAF_CHECK(result.err.find("GANGWAYCTL_TOKEN") != std::string::npos);
}

CAF_TEST(nobody_there_or_somebody_else_is_3) {
  std::string url;
  { url = one_answer{200, ""}.url; } // a port that was free a moment ago
  const auto nobody = run({"status", "--url", url});
  CAF_CHECK_EQUAL(nobody.status, 3);
  CAF_CHECK(nobody.err.find("cannot be reached: ") != std::string::npos);
  for (const auto* body : {"<html>", "[]", "{}", "", R"({"status":"ready"})"}) {
    one_answer other{200, body};
    CAF_CHECK_EQUAL(run({"status", "--url", other.url}).status, 3);
  }
}

CAF_TEST(a_url_that_is_none_is_2) {
  for (const auto* url : {"", "127.0.0.1:8081", "ftp://127.0.0.1", "http://", "http://a b"})
    CAF_CHECK_EQUAL(run({"status", "--url", url}).status, 2);
  CAF_CHECK_EQUAL(run({"status", "--token", "two words"}).status, 2);
}

CAF_TEST(a_standard_output_that_is_full_is_not_good) {
  const words environment{"GANGWAY_AUTH_SECRET=" + secret};
  CAF_CHECK_EQUAL(run({"token", "--user", "ada"}, environment, "/dev/full").status, 1);
  CAF_CHECK_EQUAL(run({"token", "--user", "ada"}, environment, "/dev/null").status, 0);
}

CAF_TEST_FIXTURE_SCOPE_END()
