#define CAF_SUITE json

#include "protocol/json.hpp"

#include <string>

#include <caf/test/unit_test.hpp>

using namespace std::string_literals;
using gangway::json::guess_integer;
using gangway::json::mend_surrogates;
using gangway::json::to_whole_number;

CAF_TEST(an_integer_is_found_in_what_is_no_json) {
  const auto found = [](const std::string& text) { return guess_integer(text, "id"); };
  for (const auto& text : {
           R"({"id":7,"type":"message.send","content":"\x"})"s,
           R"({"type":"message.send","content":"\u12"," id":1,"id":7})"s,
           R"({"id":7,)"s,
           R"({"id":7,"type":"message.send","content":"cut o)"s,
           R"({"id":7,"type":"ping",})"s,
           R"({"id":7,"x":NaN,"type":"ping"})"s,
           R"({"id":7,"x":1e999,"type":"ping"})"s,
           R"({"id":7,"type":'ping'})"s,
           R"({"id" : 7 , type:"ping"})"s,
           R"({"id":7,"type":"ping"} x)"s,
           R"({"id":7,"type":"ping"}{"id":8,"type":"ping"})"s,
           "{\"id\":7,\"type\":\"message.send\",\"content\":\"two\nlines\"}"s,
           "{\"id\":7,\"type\":\"p\xffng\"}"s,
           "{\"type\":\"ping\",\"x\":" + std::string(100, '[') + std::string(100, ']') + ",\"id\":7}",
           R"({"x":{"id":1},"y":[{"id":2}],"z":"\"id\":3","id":7,"type":})"s,
           R"({"id":1,"id":7,"type":})"s,
           R"({"id":7.0,"type":"ping"})"s,
           R"({"id":7e0,"type":})"s,
       })
    if (found(text) != 7) CAF_ERROR(text << " lost its integer");
  CAF_CHECK(found(R"({"id":0,"type":})") == 0);
  CAF_CHECK(found(R"({"id":-7,"type":})") == -7);
}

CAF_TEST(what_may_be_something_else_is_not_guessed) {
  const auto found = [](const std::string& text) { return guess_integer(text, "id"); };
  for (const auto& text : {
           R"({"type":"ping","id":7)"s, // perhaps 71
           R"({"type":"ping","id":)"s,
           R"([{"id":7}])"s,
           R"(x{"id":7})"s,
           R"("id":7,)"s,
           R"({"x":{"id":7},"type":})"s,
           R"({"x":"id":7,"type":"ping"})"s,
           R"({"id":"7","type":})"s,
           R"({"id":7x,"type":"ping"})"s,
           R"({"id":7.5,"type":"ping"})"s,
           R"({"id":inf,"type":"ping"})"s,
           R"({"id":1e999,"type":"ping"})"s,
           R"({"content":"id", 7:"id":7})"s,
           R"({"type":"ping" x} {"id":7})"s,
           "\"id\":7}"s,
           ""s,
       })
    if (found(text)) CAF_ERROR(text << " was given " << *found(text));
}

CAF_TEST(a_whole_number_may_be_written_with_a_fraction_of_nothing) {
  for (const auto* seven : {"7", "7.0", "7.000", "7e0", "0.7e1", "70E-1"})
    CAF_CHECK(to_whole_number(seven) == 7);
  CAF_CHECK(to_whole_number("-0.0") == 0);
  CAF_CHECK(to_whole_number("9007199254740993") == 9007199254740993);
  CAF_CHECK(to_whole_number("9007199254740992.0") == 9007199254740992);
  for (const auto* other :
       {"", "7.5", "9007199254740994.0", "1e999", "inf", "nan", "0x7", "7 ", "+7", "seven", "\"7\""})
    CAF_CHECK(!to_whole_number(other));
}

CAF_TEST(only_halves_of_characters_are_mended) {
  for (const auto* whole : {"", "\\", "{}", R"("\ud83d\ude00")", R"("\\ud83d")", R"("\u00fc\ufffd\u")", R"("\ud8)"})
    CAF_CHECK(!mend_surrogates(whole));
  CAF_CHECK_EQUAL(mend_surrogates(R"(\ud83d)").value_or(""), R"(\ufffd)");
  CAF_CHECK_EQUAL(mend_surrogates(R"("\\\uDC00\ud83dx")").value_or(""), R"("\\\ufffd\ufffdx")");
  CAF_CHECK_EQUAL(mend_surrogates(R"("\ud83d\u0041\ud83d\ude00\ude00")").value_or(""),
                  R"("\ufffd\u0041\ud83d\ude00\ufffd")");
}
