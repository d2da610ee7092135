#include "net/http/reader.hpp"

#define CAF_SUITE http_reader
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include <vector>

using namespace gangway;

namespace {

// What a reader makes of an answer that comes in these parts, as one line; the pieces of the body are joined.
std::string read(const std::vector<std::string_view>& parts, http_limits limits = {}, bool is_head = false) {
  http_reader reader{is_head, limits};
  std::string body;
  for (const auto part : parts) {
    reader.add(part);
    for (bool goes_on = true; goes_on;) {
      switch (reader.next()) {
      case http_reader::event::nothing:
        goes_on = false;
        break;
      case http_reader::event::head:
        body = std::to_string(reader.status()) + ' ';
        break;
      case http_reader::event::piece:
        body += reader.piece();
        break;
      case http_reader::event::end:
        return body + (reader.is_reusable() ? ", kept" : ", done");
      case http_reader::event::fault:
        return std::string{to_string(reader.fault().kind)};
      }
    }
  }
  return reader.add_end() ? body + ", done" : "cut off";
}

const std::string chunked = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                            "5\r\nhello\r\n6;x=y\r\n world\r\n0\r\nX-Trailer: 1\r\n\r\n";

} // namespace

CAF_TEST(an_answer_is_the_same_wherever_it_is_cut) {
  const std::string sized = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nhello";
  const std::string open = "HTTP/1.1 200 OK\r\n\r\nhello";
  for (const auto& [text, expected] : {std::pair{chunked, "200 hello world, kept"}, std::pair{sized, "404 hello, kept"},
                                       std::pair{open, "200 hello, done"}}) {
    const std::string_view all{text};
    CAF_CHECK_EQUAL(read({all}), expected);
    std::vector<std::string_view> bytes;
    for (std::size_t cut = 0; cut < all.size(); ++cut) {
      const auto found = read({all.substr(0, cut), all.substr(cut)});
      CAF_CHECK_EQUAL(found, expected);
      bytes.push_back(all.substr(cut, 1));
    }
    CAF_CHECK_EQUAL(read(bytes), expected);
  }
}

// Beast 1.81 asserts that the last chunk comes in one piece if it is the only one, and would take the server along.
CAF_TEST(an_empty_body_in_chunks_may_come_byte_by_byte) {
  const std::string text = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n000\r\n\r\n";
  std::vector<std::string_view> bytes;
  for (std::size_t at = 0; at < text.size(); ++at)
    bytes.push_back(std::string_view{text}.substr(at, 1));
  CAF_CHECK_EQUAL(read(bytes), "200 , kept");
  bytes.pop_back();
  CAF_CHECK_EQUAL(read(bytes), "cut off");
}

CAF_TEST(the_answer_to_a_head_ends_with_its_head) {
  CAF_CHECK_EQUAL(read({"HTTP/1.1 200 OK\r\nContent-Length: 5000000\r\n\r\n"}, {}, true), "200 , kept");
  CAF_CHECK_EQUAL(read({"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"}, {}, true), "200 , kept");
}

CAF_TEST(more_than_the_answer_spoils_the_connection) {
  CAF_CHECK_EQUAL(read({chunked + "H"}), "200 hello world, done");
}

CAF_TEST(an_answer_that_ends_too_early_is_cut_off) {
  CAF_CHECK_EQUAL(read({""}), "cut off");
  for (std::size_t size = 1; size < chunked.size(); ++size)
    CAF_CHECK_EQUAL(read({std::string_view{chunked}.substr(0, size)}), "cut off");
}

// However it comes: a parser that is fed line by line must not forget how much there was.
CAF_TEST(heads_chunk_sizes_and_trailers_have_a_limit) {
  const http_limits limits{.header_bytes_max = 100};
  const std::string head = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";
  const std::string filling(120, 'x');
  for (const auto& text :
       {"HTTP/1.1 200 " + filling, "HTTP/1.1 200 OK\r\n" + filling, "HTTP/1.1 200 OK\r\nX: " + filling + "\r\n\r\n",
        head + "5;" + filling, head + "0\r\nX: " + filling, head + std::string(120, '0')}) {
    const std::string_view all{text};
    CAF_CHECK_EQUAL(read({all}, limits), "too_large");
    for (std::size_t step = 1; step < 8; ++step) {
      std::vector<std::string_view> parts;
      for (std::size_t from = 0; from < all.size(); from += step)
        parts.push_back(all.substr(from, step));
      const auto found = read(parts, limits);
      CAF_CHECK_EQUAL(found, "too_large");
    }
  }
  std::string lines = "HTTP/1.1 200 OK\r\n";
  std::vector<std::string_view> parts{lines};
  for (int i = 0; i < 30; ++i)
    parts.emplace_back("A: b\r\n");
  CAF_CHECK_EQUAL(read(parts, limits), "too_large");
  // More than Beast can hold is refused, not thrown.
  const auto huge = "HTTP/1.1 200 OK\r\nX: " + std::string(70'000, 'x') + "\r\n\r\n";
  CAF_CHECK_EQUAL(read({huge}, {.header_bytes_max = 0}), "too_large");
  CAF_CHECK_EQUAL(read({huge}, {.header_bytes_max = 1'000'000}), "too_large");
}

CAF_TEST(a_server_may_say_how_long_it_keeps_a_connection) {
  const auto timeout_of = [](const std::string& value) {
    http_reader reader{false, {}};
    reader.add("HTTP/1.1 200 OK\r\nKeep-Alive: " + value + "\r\nContent-Length: 0\r\n\r\n");
    reader.next();
    return reader.keep_alive_timeout();
  };
  CAF_CHECK(timeout_of("timeout=5") == std::chrono::seconds{5});
  CAF_CHECK(timeout_of("max=3, timeout=72, x") == std::chrono::seconds{72});
  CAF_CHECK(!timeout_of("max=3"));
  CAF_CHECK(!timeout_of("timeout=soon"));
  CAF_CHECK(!timeout_of("timeout=99999999999999999999"));
}

CAF_TEST(a_body_is_announced_where_one_may_be_expected) {
  const auto url = *parse_http_url("https://example.com/x");
  const std::string head = " /x HTTP/1.1\r\nHost: example.com\r\nUser-Agent: gangway\r\nAccept: */*\r\n";
  CAF_CHECK(request_text({}, url) == "GET" + head + "\r\n");
  CAF_CHECK(request_text({.method = "DELETE"}, url) == "DELETE" + head + "\r\n");
  CAF_CHECK(request_text({.method = "POST"}, url) == "POST" + head + "Content-Length: 0\r\n\r\n");
  CAF_CHECK(request_text({.method = "GET", .body = "x"}, url) == "GET" + head + "Content-Length: 1\r\n\r\nx");
}
