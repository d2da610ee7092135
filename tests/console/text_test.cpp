#include "console/terminal/text.hpp"

#define CAF_SUITE text
#include "caf/test/unit_test.hpp"

#include <nlohmann/json.hpp>

using namespace gangway;
using nlohmann::json;

CAF_TEST(a_length_of_time_is_said_in_the_unit_that_fits) {
  CAF_CHECK_EQUAL(length_of(0), "0 µs");
  CAF_CHECK_EQUAL(length_of(999), "999 µs");
  CAF_CHECK_EQUAL(length_of(1'000), "1.0 ms");
  CAF_CHECK_EQUAL(length_of(999'900), "999.9 ms");
  CAF_CHECK_EQUAL(length_of(1'000'000), "1.00 s");
  CAF_CHECK_EQUAL(length_of(35'120'000), "35.12 s");
  CAF_CHECK_EQUAL(length_of(json{}), "");
  CAF_CHECK_EQUAL(length_of("fast"), "");
}

CAF_TEST(a_time_is_utc_to_the_millisecond) {
  CAF_CHECK_EQUAL(time_of(1'769'862'896'007), "2026-01-31 12:34:56.007 UTC");
  CAF_CHECK_EQUAL(time_of(0), "1970-01-01 00:00:00.000 UTC");
  CAF_CHECK_EQUAL(time_of(-1), "");
  CAF_CHECK_EQUAL(time_of(1.5), "");
  CAF_CHECK_EQUAL(time_of("now"), "");
  CAF_CHECK_EQUAL(time_of(json{}), "");
}

CAF_TEST(items_stand_behind_each_other) {
  CAF_CHECK_EQUAL(listed(json::array({"hung", "silent", 3})), "hung, silent, 3");
  CAF_CHECK_EQUAL(listed(json::array()), "");
  CAF_CHECK_EQUAL(listed("hung"), "");
}

CAF_TEST(one_is_singular) {
  CAF_CHECK_EQUAL(counted(0, "slot"), "0 slots");
  CAF_CHECK_EQUAL(counted(1, "slot"), "1 slot");
  CAF_CHECK_EQUAL(counted(2, "slot"), "2 slots");
}

CAF_TEST(what_acts_on_a_terminal_is_shown_escaped) {
  CAF_CHECK_EQUAL(plain("a\nb\x1b[31m\x7f"), "a\\nb\\u001b[31m\\u007f");
  CAF_CHECK_EQUAL(plain("\u0085\u009b2J"), "\\u0085\\u009b2J");
  CAF_CHECK_EQUAL(plain("\u202Egnp.exe \u2066x\u200Bx\uFEFF\u00AD\u061C"),
                  "\\u202egnp.exe \\u2066x\\u200bx\\ufeff\\u00ad\\u061c");
  CAF_CHECK_EQUAL(plain("\U000E0041"), "\\udb40\\udc41");
  CAF_CHECK_EQUAL(plain("Grüße, 世界 😀 \\ \""), "Grüße, 世界 😀 \\ \"");
  CAF_CHECK_EQUAL(plain("\xff\xc0\xaf\xed\xa0\x80"), "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD");
}
