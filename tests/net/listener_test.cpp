#include "net/listener.hpp"

#include <cerrno>
#include <vector>

#define CAF_SUITE listener
#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include "tests/net/harbour.hpp"

using namespace gangway;
using namespace gangway::testing;

namespace {

std::string refusal(harbour& there, const std::string& address) {
  const auto result = there.doors_->listen(address, door::visitors);
  return std::holds_alternative<std::string>(result) ? std::get<std::string>(result) : "listening";
}

} // namespace

CAF_TEST(a_port_in_use_is_said_so) {
  harbour there;
  const auto address = "127.0.0.1:" + std::to_string(there.port);
  CAF_CHECK_EQUAL(refusal(there, address), "cannot listen on " + address + ": Address already in use");
  CAF_CHECK_EQUAL(raw_client{there.port}.request("GET", "/health/live").status, 200);
}

CAF_TEST(an_address_that_is_none_is_said_so) {
  harbour there;
  for (const auto* address : {"", "8080", ":8080", "127.0.0.1", "127.0.0.1:", "127.0.0.1:http", "127.0.0.1:65536",
                              "127.0.0.1:-1", "127.0.0.1: 80"})
    CAF_CHECK_EQUAL(refusal(there, address),
                    "cannot listen on " + std::string{address} + ": an address looks like 127.0.0.1:8080");
  CAF_CHECK_EQUAL(refusal(there, "localhost:0"), "listening");
  CAF_CHECK_EQUAL(refusal(there, "[::1]:0"), "listening");
}

CAF_TEST(a_server_out_of_descriptors_accepts_again_when_it_has_some) {
  harbour there;
  const auto descriptor = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  rlimit usual{};
  ::getrlimit(RLIMIT_NOFILE, &usual);
  const rlimit none{static_cast<rlim_t>(descriptor + 1), usual.rlim_max};
  ::setrlimit(RLIMIT_NOFILE, &none);
  // Those below that somebody gave back meanwhile are taken too.
  std::vector<int> taken;
  for (int one = 0; (one = ::dup(descriptor)) >= 0;)
    taken.push_back(one);
  CAF_CHECK_EQUAL(errno, EMFILE);
  raw_client client{descriptor, there.port};
  client.send("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n");
  ::setrlimit(RLIMIT_NOFILE, &usual);
  for (const auto one : taken)
    ::close(one);
  CAF_CHECK_EQUAL(client.read_response().status, 200);
}
