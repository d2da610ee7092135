#define CAF_SUITE vocabulary

#include "protocol/vocabulary.hpp"

#include <set>
#include <string>
#include <thread>
#include <vector>

#include <caf/test/unit_test.hpp>

#include "protocol/errors.hpp"

using namespace gangway;
using namespace std::string_literals;

namespace {

std::uint64_t milliseconds_of(const uuid& id) {
  std::uint64_t result = 0;
  for (std::size_t i = 0; i < 6; ++i)
    result = result << 8 | id.bytes[i];
  return result;
}

std::uint64_t now() { return static_cast<std::uint64_t>(utc_now().time_since_epoch().count()); }

} // namespace

CAF_TEST(an_id_is_a_uuid_of_version_7_that_carries_the_time) {
  const auto before = now();
  const auto id = make_uuid();
  CAF_CHECK_EQUAL(id.bytes[6] >> 4, 7);
  CAF_CHECK_EQUAL(id.bytes[8] >> 6, 2);
  CAF_CHECK_GREATER_OR_EQUAL(milliseconds_of(id), before);
  // Ids made faster than 2,048 a millisecond borrow from the next ones; a few made before this cannot reach far.
  CAF_CHECK_LESS_OR_EQUAL(milliseconds_of(id), now() + 1000);
}

CAF_TEST(ids_of_a_thread_ascend_even_within_a_millisecond) {
  auto last = make_uuid();
  bool ascending = true;
  for (int i = 0; i < 100'000; ++i) {
    const auto next = make_uuid();
    ascending = ascending && last < next;
    last = next;
  }
  CAF_CHECK(ascending);
}

CAF_TEST(ids_of_two_threads_differ) {
  std::vector<uuid> there;
  std::thread other{[&] {
    for (int i = 0; i < 10'000; ++i)
      there.push_back(make_uuid());
  }};
  std::set<uuid> all;
  for (int i = 0; i < 10'000; ++i)
    all.insert(make_uuid());
  other.join();
  all.insert(there.begin(), there.end());
  CAF_CHECK_EQUAL(all.size(), 20'000u);
}

CAF_TEST(an_id_is_read_back_from_its_text) {
  const auto id = run_id::make();
  const auto text = to_string(id);
  CAF_CHECK_EQUAL(text.size(), 36u);
  CAF_CHECK(run_id::parse(text) == id);
  const auto known = parse_uuid("0192c3f2-89ab-7def-8123-456789abcdef");
  CAF_REQUIRE(known.has_value());
  CAF_CHECK_EQUAL(to_string(*known), "0192c3f2-89ab-7def-8123-456789abcdef");
  CAF_CHECK(parse_uuid("0192C3F2-89AB-7DEF-8123-456789ABCDEF") == known);
}

CAF_TEST(what_is_not_36_characters_of_the_canonical_form_is_no_id) {
  for (const auto* text : {"", "0192c", "0192c3f2-89ab-7def-8123-456789abcde", "0192c3f2-89ab-7def-8123-456789abcdef0",
                           "0192c3f289ab7def8123456789abcdef0000", "0192c3f2-89ab-7def-8123-456789abcdeg",
                           "0192c3f2-89ab-7def-8123_456789abcdef", "0192c3f2-89ab-7def-81234-56789abcdef",
                           "-192c3f2-89ab-7def-8123-456789abcdef", "{192c3f2-89ab-7def-8123-456789abcde}"}) {
    if (parse_uuid(text)) CAF_ERROR("accepted: " << text);
  }
  CAF_CHECK(!uuid{});
  CAF_CHECK(bool{make_uuid()});
}

CAF_TEST(only_well_formed_utf8_is_utf8) {
  for (const auto& text : {""s, "plain text, longer than eight bytes"s, "\0nul"s, "\x7f"s, "\xc2\x80"s, "\xdf\xbf"s,
                           "\xe0\xa0\x80"s, "\xed\x9f\xbf"s, "\xee\x80\x80"s, "\xef\xbf\xbf"s, "\xf0\x90\x80\x80"s,
                           "\xf4\x8f\xbf\xbf"s, "1234567\xc3\xbc"s, "12345678\xf0\x9f\x98\x80"s}) {
    if (!is_utf8(text)) CAF_ERROR("refused: " << text);
  }
  for (const auto& text : {"\x80"s,
                           "\xbf"s,
                           "\xc0\x80"s,
                           "\xc1\xbf"s,
                           "\xc2"s,
                           "\xc2\x7f"s,
                           "\xc2\xc0"s,
                           "\xe0\x9f\xbf"s,
                           "\xe1\x80"s,
                           "\xed\xa0\x80"s,
                           "\xed\xbf\xbf"s,
                           "\xef\xbf"s,
                           "\xf0\x8f\xbf\xbf"s,
                           "\xf0\x90\x80"s,
                           "\xf4\x90\x80\x80"s,
                           "\xf5\x80\x80\x80"s,
                           "\xff"s,
                           "1234567\xc3"s,
                           "12345678\x80"s,
                           "\xf0\x9f\x98\x80\x80"s}) {
    if (is_utf8(text)) CAF_ERROR("accepted: " << std::string{text});
  }
}

CAF_TEST(a_user_id_is_1_to_255_bytes_of_text_without_control_characters) {
  for (const auto& id : {"1"s, "105945141827451681156"s, "Zoë <zoe@example.org>"s, std::string(255, 'x'), " "s,
                         "\xc2\xa0"s, "\xf0\x9f\x98\x80"s, "~"s}) {
    if (!is_user_id(id)) CAF_ERROR("refused: " << id);
  }
  for (const auto& id : {""s, std::string(256, 'x'), std::string(300, '9'), "a\x1f"s, "\0"s, "a\nb"s, "\x7f"s,
                         "\xc2\x80"s, "a\xc2\x9f"s, "\xff"s}) {
    if (is_user_id(id)) CAF_ERROR("accepted: " << id);
  }
}

CAF_TEST(a_thread_id_is_1_to_128_plain_characters) {
  for (const auto& id : {"t"s, "aZ09_-"s, std::string(128, 'x')}) {
    if (!is_thread_id(id)) CAF_ERROR("refused: " << id);
  }
  for (const auto& id :
       {""s, std::string(129, 'x'), "a b"s, "a.b"s, "a/b"s, "\xc3\xbc"s, "a\0"s, "@"s, "["s, "`"s, "{"s, ":"s}) {
    if (is_thread_id(id)) CAF_ERROR("accepted: " << id);
  }
}

CAF_TEST(a_user_has_the_same_home_on_every_machine) {
  CAF_CHECK_EQUAL(home_of(user_id{"105945141827451681156"}, 1), 0u);
  CAF_CHECK_EQUAL(home_of(user_id{"105945141827451681156"}, 1'000'000), 307590u);
  CAF_CHECK_EQUAL(home_of(user_id{"alice"}, 1'000'000), 557236u);
}

CAF_TEST(users_spread_over_their_homes) {
  std::vector<int> users(16);
  for (int i = 0; i < 16'000; ++i)
    ++users[home_of(user_id{"user-" + std::to_string(i)}, users.size())];
  for (const auto count : users) {
    CAF_CHECK_GREATER(count, 850);
    CAF_CHECK_LESS(count, 1150);
  }
}

CAF_TEST(a_close_below_4500_asks_to_reconnect) {
  const auto reconnects = [](close_code code) { return close_reason{code, "", {}}.reconnect(); };
  CAF_CHECK(reconnects(close_code::going_away));
  CAF_CHECK(reconnects(close_code::slow_consumer));
  CAF_CHECK(!reconnects(close_code::too_large));
  CAF_CHECK(!reconnects(close_code::invalid_token));
  CAF_CHECK(!reconnects(close_code::forbidden));
}

CAF_TEST(an_error_is_temporary_if_waiting_helps) {
  std::string temporary;
  for (int i = 0; i <= static_cast<int>(error_code::internal); ++i) {
    const auto code = static_cast<error_code>(i);
    if (is_temporary(code)) temporary += std::string{to_string(code)} + ' ';
  }
  CAF_CHECK_EQUAL(temporary, "manager_limit queue_full queue_timeout busy rate_limited overloaded store_unavailable "
                             "agent_unavailable draining ");
  CAF_CHECK_EQUAL(to_string(errc::stale_generation), "stale_generation");
}

CAF_TEST(a_tier_is_read_by_its_name_and_whatever_nobody_knows_is_free) {
  std::string names;
  for (std::size_t i = 0; i < tiers; ++i) {
    const auto which = static_cast<tier>(i);
    names += std::string{to_string(which)} + ' ';
    CAF_CHECK(parse_tier(to_string(which)) == which);
  }
  CAF_CHECK_EQUAL(names, "free pro enterprise ");
  CAF_CHECK_EQUAL(to_string(static_cast<tier>(tiers)), "free");
  for (const auto* other : {"", "Pro", "pro ", "enterprises", "admin"})
    CAF_CHECK(parse_tier(other) == tier::free);
  // The order in which a node sheds load.
  CAF_CHECK(tier::free < tier::pro && tier::pro < tier::enterprise);
}

CAF_TEST(a_thread_that_cannot_be_opened_closes_its_socket_by_why) {
  const auto code_of = [](error_code code) { return to_close_reason({code, "", {}, {}}).code; };
  for (int i = 0; i <= static_cast<int>(error_code::internal); ++i) {
    const auto code = static_cast<error_code>(i);
    const auto expected = [&] {
      switch (code) {
      case error_code::manager_limit:
      case error_code::queue_full:
      case error_code::queue_timeout:
        return close_code::manager_limit;
      case error_code::overloaded:
        return close_code::node_overloaded;
      case error_code::rate_limited:
        return close_code::rate_limited;
      case error_code::bad_request:
      case error_code::not_found:
        return close_code::bad_request;
      case error_code::forbidden:
        return close_code::forbidden;
      default:
        return close_code::state_lost;
      }
    }();
    if (code_of(code) != expected) CAF_ERROR("wrong close code for " << std::string{to_string(code)});
  }
  const auto reason = to_close_reason({error_code::manager_limit, "full", std::chrono::milliseconds{30'000}, {}});
  CAF_CHECK(reason == (close_reason{close_code::manager_limit, "full", std::chrono::milliseconds{30'000}}));
}

CAF_TEST(a_close_reason_has_123_bytes_and_ends_between_two_characters) {
  const auto cut = [](const std::string& message) {
    return to_close_reason({error_code::internal, message, {}, {}}).text;
  };
  const auto text = [](std::size_t size) { return std::string(size, 'x'); };
  CAF_CHECK_EQUAL(cut(""), "");
  CAF_CHECK_EQUAL(cut(text(122)), text(122));
  CAF_CHECK_EQUAL(cut(text(123)), text(123));
  CAF_CHECK_EQUAL(cut(text(124)), text(123));
  // Two, three and four bytes that just fit, and that are one byte too long.
  for (const auto& character : {"\u00fc"s, "\u20ac"s, "\U0001F6A2"s}) {
    const auto fits = text(123 - character.size()) + character;
    CAF_CHECK_EQUAL(cut(fits), fits);
    CAF_CHECK_EQUAL(cut(fits + "x"), fits);
    CAF_CHECK_EQUAL(cut("x" + fits), text(124 - character.size()));
  }
}
