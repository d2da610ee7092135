#define CAF_SUITE request_target

#include "net/request_target.hpp"

#include <caf/test/unit_test.hpp>

using gangway::http_query;
using gangway::parse_target;
using gangway::request_target;

namespace {

/// Returns a query as "name=value;", one after the other; "<unreadable>" if the whole target is.
std::string query(std::string_view text) {
  const auto target = parse_target(text);
  if (!target) return "<unreadable>";
  std::string result;
  for (const auto& [name, value] : target->query)
    result.append(name).append("=").append(value).append(";");
  return result;
}

std::string path(std::string_view text) {
  return parse_target(text).value_or(request_target{"<unreadable>", {}, {}}).path;
}

std::string authority(std::string_view text) {
  return parse_target(text).value_or(request_target{{}, {}, "<unreadable>"}).authority;
}

} // namespace

CAF_TEST(a_query_is_read_as_browsers_send_it) {
  CAF_CHECK_EQUAL(query("/ws"), "");
  CAF_CHECK_EQUAL(query("/ws?"), "");
  CAF_CHECK_EQUAL(query("/ws?thread_id=t1&epoch=k3Jq&after_seq=7"), "thread_id=t1;epoch=k3Jq;after_seq=7;");
  CAF_CHECK_EQUAL(query("/ws?ids[]=1&ids[]=2"), "ids[]=1;ids[]=2;");
  CAF_CHECK_EQUAL(query("/ws?u=auth0|x&x={a}&y=\"<`^\\>\""), "u=auth0|x;x={a};y=\"<`^\\>\";");
  CAF_CHECK_EQUAL(query("/ws?x=\xc3\xbc&y=?/:@!$'()*,;"), "x=\xc3\xbc;y=?/:@!$'()*,;;");
  CAF_CHECK_EQUAL(query("/ws?a=b=c&d&=e&&f="), "a=b=c;d=;=e;f=;");
}

CAF_TEST(what_is_encoded_is_decoded_and_what_is_not_stays) {
  CAF_CHECK_EQUAL(query("/ws?a%5B%5d=%C3%BC%20%2B%25"), "a[]=\xc3\xbc +%;");
  CAF_CHECK_EQUAL(query("/ws?a=100%&b=%zz&c=%4&d=%%41&e=%u0041&f=%-1"), "a=100%;b=%zz;c=%4;d=%A;e=%u0041;f=%-1;");
}

CAF_TEST(a_plus_is_a_plus_because_names_are_made_of_it) {
  CAF_CHECK_EQUAL(query("/api/v1/decisions?user=ada+test@example.com"), "user=ada+test@example.com;");
}

CAF_TEST(a_path_ends_at_the_first_question_mark_and_is_not_decoded) {
  CAF_CHECK_EQUAL(path("/"), "/");
  CAF_CHECK_EQUAL(path("/api/v1/users/auth0|x%2Fy?a=/b"), "/api/v1/users/auth0|x%2Fy");
  CAF_CHECK_EQUAL(path("*"), "*");
  CAF_CHECK_EQUAL(path("//ws"), "//ws");
}

CAF_TEST(an_absolute_address_names_its_host) {
  CAF_CHECK_EQUAL(path("http://example.com:8080/ws?x=1"), "/ws");
  CAF_CHECK_EQUAL(query("http://example.com:8080/ws?x=1"), "x=1;");
  CAF_CHECK_EQUAL(authority("http://example.com:8080/ws?x=1"), "example.com:8080");
  CAF_CHECK_EQUAL(authority("HTTPS://[::1]"), "[::1]");
  CAF_CHECK_EQUAL(path("ws://example.com"), "/");
  CAF_CHECK_EQUAL(path("wss://example.com?x=/"), "/");
  CAF_CHECK_EQUAL(query("wss://example.com?x=/"), "x=/;");
  CAF_CHECK_EQUAL(authority("/ws?x=http://example.com/"), "");
}

CAF_TEST(whatever_else_is_no_target) {
  for (const auto* text : {"", "ws", "example.com:443", "http:/ws", "http://", "http:///ws", "ftp://example.com/", "?x",
                           "**", "*?x", "http", "/ws#x", "/%zz", "/%4", "/a%"})
    CAF_CHECK(!parse_target(text));
}
