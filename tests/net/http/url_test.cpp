#include "net/http/url.hpp"

#define CAF_SUITE http_url
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;

CAF_TEST(a_url_comes_apart) {
  const auto check = [](const char* text, const http_url& expected) {
    const auto found = parse_http_url(text);
    CAF_MESSAGE(text);
    CAF_CHECK(found == expected);
  };
  check("http://example.com", {false, "example.com", 80, "/"});
  check("HTTPS://Example.COM", {true, "example.com", 443, "/"});
  check("https://example.com:8443/a/b?c=d&e=%20#f", {true, "example.com", 8443, "/a/b?c=d&e=%20"});
  check("http://example.com?x=http://y@z/", {false, "example.com", 80, "/?x=http://y@z/"});
  check("http://example.com#x", {false, "example.com", 80, "/"});
  check("http://example.com:/", {false, "example.com", 80, "/"});
  check("http://example.com:080/", {false, "example.com", 80, "/"});
  check("http://[::1]:8080/", {false, "::1", 8080, "/"});
  check("https://[2001:DB8::1]", {true, "2001:db8::1", 443, "/"});
  check("http://a_b-c.example./@", {false, "a_b-c.example.", 80, "/@"});
}

// Boost.URL 1.81 takes the first of them for the host 127.0.0.1.
CAF_TEST(a_name_that_begins_like_an_address_is_a_name) {
  for (const auto* host : {"127.0.0.1.example.com", "1.2.3.4x", "127.0.0.1.", "127.0.0.1-x"}) {
    const auto found = parse_http_url("http://" + std::string{host} + "/keys");
    CAF_REQUIRE(found);
    CAF_CHECK_EQUAL(found->host, host);
    CAF_CHECK_EQUAL(found->target, "/keys");
  }
}

CAF_TEST(what_is_no_url_of_http_is_none) {
  for (const auto* text : {"",
                           "example.com",
                           "/path",
                           "//example.com/",
                           "http:",
                           "http:/example.com",
                           "http:///x",
                           "http://:80/",
                           "ftp://example.com/",
                           "file:///etc/passwd",
                           " http://example.com",
                           "http://example.com ",
                           "http://exa mple.com/",
                           "http://example.com/a b",
                           "http://example.com/\r\nX: y",
                           "http://example.com\\@other/",
                           "http://example.com/\\",
                           "http://example.com/\xC3\xBC",
                           "http://\xC3\xBC.example/",
                           "http://ex%61mple.com/",
                           "http://example.com/%zz",
                           "http://example.com:0/",
                           "http://example.com:65536/",
                           "http://example.com:-1/",
                           "http://example.com:80:80/",
                           "http://example.com:8o/",
                           "http://[::1/",
                           "http://[::1]x/",
                           "http://[::1%25lo]/",
                           "http://[::1%lo]/",
                           "http://[127.0.0.1]/",
                           "http://[v1.x]/",
                           "http://::1/",
                           "http://.example.com/",
                           "http://a..b/"}) {
    CAF_MESSAGE(text);
    CAF_CHECK(!parse_http_url(text));
  }
  CAF_CHECK(parse_http_url("http://" + std::string(253, 'x')));
  CAF_CHECK(!parse_http_url("http://" + std::string(254, 'x')));
}

CAF_TEST(a_url_with_a_user_is_refused) {
  for (const auto* text : {"http://ada@example.com/", "http://ada:secret@example.com/", "http://@example.com/",
                           "http://:@example.com/", "http://127.0.0.1@example.com/", "http://ada%40example.com/"})
    CAF_CHECK(!parse_http_url(text));
}

CAF_TEST(the_host_header_names_the_port_if_the_scheme_does_not) {
  for (const auto& [text, expected] :
       {std::pair{"http://example.com/", "example.com"}, std::pair{"http://example.com:443/", "example.com:443"},
        std::pair{"https://example.com:443/", "example.com"}, std::pair{"https://[::1]/", "[::1]"},
        std::pair{"https://[::1]:1/", "[::1]:1"}})
    CAF_CHECK_EQUAL(host_header_of(*parse_http_url(text)), expected);
}
