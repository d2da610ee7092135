// tidy: allow (the options of the doors, whose sources are load.cpp and validate.cpp)
#include "config/configuration.hpp"
#include "config/values.hpp"

#define CAF_SUITE doors_options
#include "caf/test/unit_test.hpp"

#include "tests/config/folder.hpp"

using namespace gangway;
using namespace gangway::test;

namespace {

const std::string good_secret(32, 's');

} // namespace

CAF_TEST_FIXTURE_SCOPE(doors_options_tests, folder)

CAF_TEST(keys_come_from_one_source) {
  const auto both = load("[auth]\nsecret = \"" + good_secret + "\"\njwks_url = \"https://issuer.example/jwks\"\n");
  check_lines(both.errors,
              {"auth.secret (or auth.secret_file), auth.public_key_file and auth.jwks_url exclude each other: "
               "tokens come from one issuer"});
  check_lines(load("[auth]\npublic_key_file = \"keys.pem\"\n").errors, {});
}

CAF_TEST(keys_are_fetched_safely_or_not_at_all) {
  for (const auto* good :
       {"https://issuer.example/jwks", "https://127.0.0.1:8443", "http://127.0.0.1:8000/jwks", "http://localhost/jwks",
        "http://localhost:99/jwks", "http://[::1]:8000/jwks", "http://[::1]/"})
    check_lines(load("[auth]\njwks_url = \"" + std::string{good} + "\"\n").errors, {});
  for (const auto* bad : {"http://issuer.example/jwks", "issuer.example", "ftp://127.0.0.1/", "https://",
                          "http://127.0.0.1.evil.example/", "http://127.0.0.1@evil.example/",
                          "http://localhost.evil.example/", "http://10.0.0.1/"})
    check_lines(
        load("[auth]\njwks_url = \"" + std::string{bad} + "\"\n").errors,
        {"gangway.toml:2:12: auth.jwks_url must begin with https://, or with http:// and this machine's loopback "
         "address, not \""
         + std::string{bad} + '"'});
}

CAF_TEST(a_simulation_is_no_production) {
  const auto simulation = "[auth]\nsimulation_secret = \"" + good_secret + "\"\n";
  check_lines(load("environment = \"staging\"\n" + simulation).errors, {});
  check_lines(load("environment = \"production\"\n" + simulation).errors,
              {"auth.simulation_secret must not be set in production: whoever has it can sign in as anybody"});
  check_lines(load(simulation, {{"KUBERNETES_SERVICE_HOST", "10.0.0.1"}}).errors,
              {"auth.simulation_secret must not be set in production: whoever has it can sign in as anybody"});
  check_lines(load(simulation + "secret = \"" + good_secret + "\"\n").errors,
              {"auth.simulation_secret must differ from auth.secret: nobody could tell tests from people"});
  check_lines(load("[auth]\nsimulation_secret = \"short\"\n").errors,
              {"gangway.toml:2:21: auth.simulation_secret must have at least 32 bytes"});
}

CAF_TEST(a_certificate_has_a_key) {
  const std::string complaint = "tls.certificate_file and tls.key_file are set both or not at all";
  check_lines(load("[tls]\ncertificate_file = \"a.pem\"\n").errors, {complaint});
  check_lines(load("[tls]\nkey_file = \"a.pem\"\n").errors, {complaint});
  check_lines(load("[tls]\nkey_file = \"a.pem\"\ncertificate_file = \"b.pem\"\n").errors, {});
}

CAF_TEST(a_switch_is_true_or_false) {
  CAF_CHECK(load("[deflate]\nenabled = true\n").values.deflate.enabled);
  CAF_CHECK(!load("[deflate]\nenabled = false\n").values.deflate.enabled);
  CAF_CHECK(load("", {{"GANGWAY_DEFLATE_ENABLED", "true"}}).values.deflate.enabled);
  check_lines(load("[deflate]\nenabled = 1\n").errors,
              {"gangway.toml:2:11: deflate.enabled must be true or false, not a whole number"});
  check_lines(load("", {{"GANGWAY_DEFLATE_ENABLED", "yes"}}).errors,
              {"GANGWAY_DEFLATE_ENABLED must be true or false, not \"yes\""});
}

CAF_TEST(trusted_proxies_are_networks) {
  CAF_CHECK_EQUAL(load("trusted_proxies = [\"10.0.0.0/8\", \"::1\"]\n").values.trusted_proxies.size(), 2u);
  check_lines(load("trusted_proxies = [\"proxy.example\"]\n").errors,
              {"gangway.toml:1:19: trusted_proxies must hold addresses or networks such as \"10.0.0.0/8\", not "
               "\"proxy.example\""});
  for (const auto* good : {"10.0.0.1", "0.0.0.0/0", "10.0.0.0/32", "::/0", "fd00::/8", "2001:db8::/128"})
    CAF_CHECK(is_network(good));
  for (const auto* bad :
       {"", "/", "10.0.0.0/", "10.0.0.0/33", "::/129", "10.0.0/8", "10.0.0.0/-1", "10.0.0.0/8/8", "a/8"})
    CAF_CHECK(!is_network(bad));
}

CAF_TEST(secrets_are_not_printed) {
  settings values;
  values.auth.simulation_secret = good_secret;
  const auto page = print_settings(values, true);
  CAF_CHECK(page.find(good_secret) == page.npos);
}

CAF_TEST_FIXTURE_SCOPE_END()
