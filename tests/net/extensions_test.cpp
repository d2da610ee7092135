#include "net/extensions.hpp"

#define CAF_SUITE extensions
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

std::optional<deflate_agreement> choose(const char* text) {
  const auto offers = parse_extensions(text);
  if (!offers) CAF_FAIL("no list: " << text);
  return choose_deflate(*offers);
}

} // namespace

CAF_TEST(a_list_is_read_with_its_parameters) {
  const auto read = parse_extensions(" a ; b; c = d;e=\"f\",\t,g");
  CAF_REQUIRE(read.has_value());
  const std::vector<offered_extension> expected{{"a", {{"b", std::nullopt}, {"c", "d"}, {"e", "f"}}}, {"g", {}}};
  CAF_CHECK(*read == expected);
  CAF_CHECK(parse_extensions("")->empty());
  CAF_CHECK(parse_extensions(" \t")->empty());
}

CAF_TEST(what_is_no_list_is_refused) {
  for (const auto* text : {",", ";", "a;", "a b", "a; =b", "a; b=", "a; b=\"c", "a; b=\"\"", "a; b=\"c d\"", "a@b",
                           "a; b=c=d", "\"a\"", "a/b", "a, ;"})
    CAF_CHECK(!parse_extensions(text));
}

CAF_TEST(the_first_offer_that_can_be_accepted_counts) {
  CAF_CHECK(!choose(""));
  CAF_CHECK(!choose("x-webkit-deflate-frame, other; a=b"));
  CAF_CHECK(choose("permessage-deflate") == (deflate_agreement{11, false}));
  CAF_CHECK(choose("permessage-deflate; client_max_window_bits") == (deflate_agreement{11, true}));
  CAF_CHECK(choose("permessage-deflate; client_max_window_bits=10") == (deflate_agreement{11, true}));
  CAF_CHECK(choose("permessage-deflate; server_max_window_bits=15") == (deflate_agreement{11, false}));
  CAF_CHECK(choose("permessage-deflate; server_max_window_bits=\"9\"") == (deflate_agreement{9, false}));
  CAF_CHECK(choose("x, permessage-deflate; unknown, permessage-deflate; server_max_window_bits=10")
            == (deflate_agreement{10, false}));
  CAF_CHECK(choose("permessage-deflate; server_no_context_takeover; client_no_context_takeover").has_value());
}

CAF_TEST(an_offer_that_is_wrong_is_declined) {
  for (const auto* wrong :
       {"unknown", "unknown=1", "server_max_window_bits", "server_max_window_bits=7", "server_max_window_bits=8",
        "server_max_window_bits=16", "server_max_window_bits=010", "server_max_window_bits=-9",
        "server_max_window_bits=4294967305", "client_max_window_bits=7", "client_max_window_bits=08",
        "server_no_context_takeover=1", "client_no_context_takeover; client_no_context_takeover",
        "server_max_window_bits=10; server_max_window_bits=11"})
    CAF_CHECK(!choose((std::string{"permessage-deflate; "} + wrong).c_str()));
}
