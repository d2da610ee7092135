#include "net/first_frame.hpp"

#define CAF_SUITE first_frame
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "tests/net/raw_client.hpp"

using namespace gangway;
using gangway::testing::raw_client;

namespace {

constexpr std::size_t most = 70'000;

} // namespace

CAF_TEST(a_frame_of_any_length_is_seen_whole_when_it_is_and_not_before) {
  for (const std::size_t size : {0, 1, 4, 5, 125, 126, 127, 5'000, 65'535, 65'536, 69'000}) {
    const std::string text(size, 'x');
    const auto frame = raw_client::frame_of(0x81, text);
    CAF_CHECK_EQUAL(first_frame_bytes(frame, most), frame.size());
    CAF_CHECK_EQUAL(first_frame_bytes(frame + "more", most), frame.size());
    CAF_CHECK_EQUAL(first_frame_text(frame), text);
    for (std::size_t part = 0; part < std::min<std::size_t>(frame.size(), 200); ++part) {
      const auto wanted = first_frame_bytes(std::string_view{frame}.substr(0, part), most);
      CAF_REQUIRE(wanted);
      CAF_CHECK(*wanted > part && *wanted <= frame.size());
    }
  }
}

CAF_TEST(what_is_no_whole_text_of_a_client_is_not_looked_into) {
  for (const unsigned first : {0x01U, 0x82U, 0x89U, 0x88U, 0xC1U, 0x80U})
    CAF_CHECK(!first_frame_bytes(raw_client::frame_of(first, "x"), most));
  CAF_CHECK(!first_frame_bytes("\x81\x01x", most)); // not masked
  CAF_CHECK(!first_frame_bytes("GET / HTTP/1.1", most));
}

CAF_TEST(a_frame_may_have_as_many_bytes_as_allowed_and_not_one_more) {
  const auto frame = raw_client::frame_of(0x81, "0123456789");
  CAF_CHECK(first_frame_bytes(frame, frame.size()));
  CAF_CHECK(!first_frame_bytes(frame, frame.size() - 1));
  // Nor does a length of 2^64 - 1 come round.
  CAF_CHECK(!first_frame_bytes("\x81\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF"
                               "abcd",
                               most));
}
