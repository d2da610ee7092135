#include "config/values.hpp"

#define CAF_SUITE values
#include "caf/test/unit_test.hpp"

using namespace gangway;
using namespace std::chrono_literals;

CAF_TEST(a_duration_is_a_whole_number_and_one_unit) {
  CAF_CHECK(parse_duration("1500ms") == duration{1500ms});
  CAF_CHECK(parse_duration("25s") == duration{25s});
  CAF_CHECK(parse_duration("5m") == duration{5min});
  CAF_CHECK(parse_duration("1h") == duration{1h});
  CAF_CHECK(parse_duration("0s") == duration{0s});
  for (const auto* text : {"", "25", "s", "25 s", "2.5s", "-1s", "+1s", "25S", "1m30s", "25sec", " 25s", "25s "})
    CAF_CHECK(!parse_duration(text));
}

CAF_TEST(a_duration_that_just_fits_is_read_and_the_next_is_not) {
  CAF_CHECK(parse_duration("9223372036854775807ms") == duration{std::numeric_limits<std::int64_t>::max()});
  CAF_CHECK(!parse_duration("9223372036854775808ms"));
  CAF_CHECK(parse_duration("2562047788015h").has_value());
  CAF_CHECK(!parse_duration("2562047788016h"));
}

CAF_TEST(a_size_is_a_whole_number_and_at_most_one_unit) {
  CAF_CHECK(parse_byte_size("4096") == byte_size{4096});
  CAF_CHECK(parse_byte_size("12B") == byte_size{12});
  CAF_CHECK(parse_byte_size("64KiB") == byte_size{65'536});
  CAF_CHECK(parse_byte_size("1MiB") == byte_size{1'048'576});
  CAF_CHECK(parse_byte_size("2GiB") == byte_size{2'147'483'648});
  for (const auto* text : {"", "KiB", "1MB", "1kib", "1 MiB", "-1", "1.5MiB", "0x10"})
    CAF_CHECK(!parse_byte_size(text));
  CAF_CHECK(parse_byte_size("8589934591GiB").has_value());
  CAF_CHECK(!parse_byte_size("8589934592GiB"));
}

CAF_TEST(a_ratio_is_written_in_digits_with_at_most_one_point) {
  CAF_CHECK(parse_ratio("0.9") == ratio{0.9});
  CAF_CHECK(parse_ratio("0") == ratio{0});
  CAF_CHECK(parse_ratio("1") == ratio{1});
  CAF_CHECK(parse_ratio("12.50") == ratio{12.5});
  for (const auto* text : {"", ".", ".5", "5.", "0.9.1", "-0.1", "+0.1", "90%", "1e-1", "0,9", " 0.9", "nan", "inf"})
    CAF_CHECK(!parse_ratio(text));
}

CAF_TEST(a_printed_ratio_has_a_point_and_reads_back) {
  const auto check = [](double value, const std::string& text) {
    CAF_CHECK_EQUAL(to_string(ratio{value}), text);
    CAF_CHECK(parse_ratio(text) == ratio{value});
  };
  check(0, "0.0");
  check(1, "1.0");
  check(0.9, "0.9");
  check(0.1 + 0.2, "0.30000000000000004");
  CAF_CHECK(parse_ratio(to_string(ratio{5e-324})) == ratio{5e-324});
  CAF_CHECK_EQUAL(to_string(ratio{std::numeric_limits<double>::quiet_NaN()}), "nan");
}

CAF_TEST(a_printed_value_is_in_its_largest_exact_unit_and_reads_back) {
  const auto check = [](duration value, const std::string& text) {
    CAF_CHECK_EQUAL(to_string(value), text);
    CAF_CHECK(parse_duration(text) == value);
  };
  check(0ms, "0s");
  check(999ms, "999ms");
  check(1000ms, "1s");
  check(1500ms, "1500ms");
  check(59s, "59s");
  check(60s, "1m");
  check(90s, "90s");
  check(1h, "1h");
  CAF_CHECK_EQUAL(to_string(byte_size{1024 * 1024}), "1MiB");
  CAF_CHECK_EQUAL(to_string(byte_size{1024 * 1024 + 1}), "1048577B");
  CAF_CHECK_EQUAL(to_string(byte_size{0}), "0B");
}

CAF_TEST(an_endpoint_is_a_numeric_address_and_a_port) {
  CAF_CHECK(parse_endpoint("127.0.0.1:8080") == (endpoint{"127.0.0.1", 8080}));
  CAF_CHECK(parse_endpoint("[::1]:8080") == (endpoint{"::1", 8080}));
  CAF_CHECK(parse_endpoint("[::]:0") == (endpoint{"::", 0}));
  CAF_CHECK(parse_endpoint("0.0.0.0:65535") == (endpoint{"0.0.0.0", 65'535}));
  for (const auto* text :
       {"", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:65536", "127.0.0.1:-1", "::1:8080", "[127.0.0.1]:80",
        "[::1]", "[]:80", "localhost:8080", "*:8080", "127.0.0.256:80", "127.1:80"})
    CAF_CHECK(!parse_endpoint(text));
}

CAF_TEST(loopback_is_127_slash_8_and_the_one_of_ipv6) {
  CAF_CHECK(is_loopback({"127.0.0.1", 1}));
  CAF_CHECK(is_loopback({"127.255.255.255", 1}));
  CAF_CHECK(is_loopback({"::1", 1}));
  CAF_CHECK(!is_loopback({"128.0.0.1", 1}));
  CAF_CHECK(!is_loopback({"0.0.0.0", 1}));
  CAF_CHECK(!is_loopback({"::", 1}));
}

CAF_TEST(the_nearest_name_is_the_fewest_slips_away) {
  const std::vector<std::string> names{"listen", "auth.secret", "heartbeat.interval", "heartbeat.timeout", "log.level"};
  const auto near = [&](std::string_view name) { return nearest(name, names).value_or("none"); };
  CAF_CHECK_EQUAL(near("lisen"), "listen");
  CAF_CHECK_EQUAL(near("lsiten"), "listen");
  CAF_CHECK_EQUAL(near("heartbeat.timeuot"), "heartbeat.timeout");
  CAF_CHECK_EQUAL(near("hearbeat.interval"), "heartbeat.interval");
  CAF_CHECK_EQUAL(near("authentication.secret"), "auth.secret");
  CAF_CHECK_EQUAL(near("level"), "log.level");
  // What may be meant is not guessed from afar.
  CAF_CHECK_EQUAL(near("foo"), "none");
  CAF_CHECK_EQUAL(near("port"), "none");
  CAF_CHECK_EQUAL(near(""), "none");
}
