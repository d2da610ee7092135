#include "net/http_message.hpp"

#define CAF_SUITE http_message
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

std::string refusal_of(const http_query& query) {
  const auto result = wanted_of(query);
  return std::holds_alternative<std::string>(result) ? std::get<std::string>(result) : "accepted";
}

std::optional<wanted_thread> acceptance_of(const http_query& query) {
  return std::get<std::optional<wanted_thread>>(wanted_of(query));
}

} // namespace

CAF_TEST(a_query_may_ask_for_one_thread_from_a_position_on) {
  CAF_CHECK(!acceptance_of({}));
  CAF_CHECK(!acceptance_of({{"color", "blue"}}));
  CAF_CHECK(acceptance_of({{"thread_id", "t-1_Z"}}) == (wanted_thread{{"t-1_Z"}, std::nullopt}));
  CAF_CHECK(acceptance_of({{"after_seq", "0"}, {"x", ""}, {"thread_id", "t"}, {"epoch", "k3"}})
            == (wanted_thread{{"t"}, log_position{"k3", 0}}));
  CAF_CHECK(acceptance_of({{"thread_id", "t"}, {"epoch", "k3"}, {"after_seq", "9007199254740992"}})
            == (wanted_thread{{"t"}, log_position{"k3", 9007199254740992U}}));
  CAF_CHECK(acceptance_of({{"thread_id", "t"}, {"thread_id", "u"}}) == (wanted_thread{{"t"}, std::nullopt}));
}

CAF_TEST(a_threads_id_in_a_query_is_a_threads_id) {
  CAF_CHECK_EQUAL(refusal_of({{"thread_id", std::string(128, 'x')}}), "accepted");
  for (const auto& id :
       {std::string{}, std::string(129, 'x'), std::string{"a b"}, std::string{"a/b"}, std::string{"ä"}})
    CAF_CHECK_EQUAL(refusal_of({{"thread_id", id}}),
                    "thread_id must be 1 to 128 characters of A-Z, a-z, 0-9, '_' and '-'");
}

CAF_TEST(a_position_in_a_query_is_whole_and_of_a_thread) {
  CAF_CHECK_EQUAL(refusal_of({{"thread_id", "t"}, {"epoch", "e"}}), "epoch must come together with after_seq");
  CAF_CHECK_EQUAL(refusal_of({{"thread_id", "t"}, {"after_seq", "1"}}), "after_seq must come together with epoch");
  CAF_CHECK_EQUAL(refusal_of({{"epoch", "e"}, {"after_seq", "1"}}),
                  "epoch and after_seq must come together with thread_id");
  for (const auto* seq : {"", "-1", "+1", "1.0", "1e3", "0x1", " 1", "1 ", "9007199254740993", "99999999999999999999"})
    CAF_CHECK_EQUAL(refusal_of({{"thread_id", "t"}, {"epoch", "e"}, {"after_seq", seq}}),
                    "after_seq must be an integer from 0 to 9007199254740992");
}

CAF_TEST(a_body_is_json_if_it_is_said_to_be) {
  const auto says = [](const std::string& type) {
    http_request request;
    request.set(boost::beast::http::field::content_type, type);
    return is_json(request);
  };
  for (const auto* type :
       {"application/json", "Application/JSON", "application/json; charset=utf-8", "application/json ;charset=utf-8"})
    CAF_CHECK(says(type));
  for (const auto* type : {"", "text/plain", "text/plain; application/json", "application/json5", "application/jso",
                           "application/x-www-form-urlencoded", ";application/json", "application/json, text/plain"})
    CAF_CHECK(!says(type));
  CAF_CHECK(!is_json({}));
}

CAF_TEST(a_client_may_expect_to_be_told_to_go_on_and_nothing_else) {
  const auto expects = [](const std::vector<std::string>& lines, unsigned version = 11) {
    http_request request;
    request.version(version);
    for (const auto& line : lines)
      request.insert(boost::beast::http::field::expect, line);
    return expectation_of(request);
  };
  CAF_CHECK(expects({}) == expectation::none);
  CAF_CHECK(expects({""}) == expectation::none);
  CAF_CHECK(expects({"100-continue"}) == expectation::go_ahead);
  CAF_CHECK(expects({"100-Continue"}) == expectation::go_ahead);
  for (const auto& lines : std::vector<std::vector<std::string>>{
           {"200-ok"}, {"100-continue, x"}, {"100-continue;q=1"}, {"100-continue", "x"}, {"100 continue"}})
    CAF_CHECK(expects(lines) == expectation::unknown);
  CAF_CHECK(expects({"100-continue"}, 10) == expectation::none);
  CAF_CHECK(expects({"x"}, 10) == expectation::none);
}

CAF_TEST(a_host_is_one_that_can_be_read_or_none_at_all) {
  const auto complains = [](const std::vector<std::string>& hosts, unsigned version = 11) {
    http_request request;
    request.version(version);
    for (const auto& host : hosts)
      request.insert(boost::beast::http::field::host, host);
    return !complain_about_host(request).empty();
  };
  for (const auto* good : {"example.com", "example.com:8080", "example.com:", "[::1]:80", ""})
    CAF_CHECK(!complains({good}));
  for (const auto* bad : {"a b", "a/b", "a@b", "example.com:x", ":80"})
    CAF_CHECK(complains({bad}));
  CAF_CHECK(complains({}));
  CAF_CHECK(complains({"", ""}));
  CAF_CHECK(!complains({}, 10));
}

CAF_TEST(an_answer_says_what_becomes_of_its_connection) {
  const auto has = [](const std::string& text, std::string_view line) { return text.find(line) != text.npos; };
  const auto kept = to_text({.body = "x"}, false, std::chrono::seconds{75});
  CAF_CHECK(has(kept, "\r\nConnection: keep-alive\r\n"));
  CAF_CHECK(has(kept, "\r\nKeep-Alive: timeout=75\r\n"));
  CAF_CHECK(kept.ends_with("\r\n\r\nx"));
  const auto closed = to_text({.body = "x"}, true, std::nullopt);
  CAF_CHECK(has(closed, "\r\nConnection: close\r\n"));
  CAF_CHECK(!has(closed, "eep-"));
  CAF_CHECK(closed.ends_with("\r\n\r\n"));
}
