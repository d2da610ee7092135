#include "console/terminal/admin_client.hpp"

#include <algorithm>
#include <optional>
#include <stdexcept>

#include <boost/asio/io_context.hpp>
#include <boost/url.hpp>

#include "net/http/client.hpp"
#include "protocol/printable.hpp"

namespace gangway {

namespace {

constexpr std::uint64_t answer_bytes_max = 256 * 1024 * 1024;

} // namespace

std::string complain(const admin_server& server) {
  const auto url = boost::urls::parse_uri(server.url);
  if (!url || url->host().empty()) return '"' + printable(server.url) + "\" is not a URL such as http://127.0.0.1:8081";
  if (url->scheme() != "http" && url->scheme() != "https")
    return '"' + printable(server.url) + "\" begins neither with http:// nor with https://";
  const bool printable =
      std::all_of(server.token.begin(), server.token.end(), [](unsigned char c) { return c > 0x20 && c < 0x7f; });
  if (!printable) return "the token contains characters that no token has";
  return {};
}

std::string encode_segment(std::string_view text) {
  return boost::urls::encode({text.data(), text.size()}, boost::urls::unreserved_chars);
}

std::variant<admin_answer, no_answer> ask(const admin_server& server, const admin_request& what) {
  boost::urls::url url{boost::urls::parse_uri(server.url).value()};
  std::string prefix{url.encoded_path()};
  while (prefix.ends_with('/'))
    prefix.pop_back();
  url.set_encoded_path(prefix + what.path);
  std::string query;
  for (const auto& [name, value] : what.parameters)
    query += (query.empty() ? "" : "&") + encode_segment(name) + '=' + encode_segment(value);
  url.remove_query();
  if (!query.empty()) url.set_encoded_query(query);

  http_call call;
  call.url = std::string{url.buffer()};
  call.headers = {{"User-Agent", "gangwayctl"}, {"Accept", "application/json"}};
  if (what.body) {
    call.method = "POST";
    call.headers.emplace_back("Content-Type", "application/json");
    call.body = *what.body;
  }
  if (!what.method.empty()) call.method = what.method;
  if (!server.token.empty()) call.headers.emplace_back("Authorization", "Bearer " + server.token);
  call.limits.connect_timeout = call.limits.first_byte_timeout = call.limits.idle_timeout = server.patience;
  call.limits.total_timeout = server.patience;
  call.limits.body_bytes_max = answer_bytes_max;

  boost::asio::io_context loop;
  std::optional<http_result> result;
  try {
    const auto client = make_http_client(loop, {.ca_file = server.ca_file, .idle_max = 0});
    const auto running = fetch(*client, std::move(call), [&](http_result what) {
      result = std::move(what);
      loop.stop();
    });
    loop.run();
  } catch (const std::runtime_error& error) {
    return no_answer{error.what()};
  }
  if (const auto* failure = std::get_if<http_failure>(&*result)) return no_answer{failure->reason};
  auto& document = std::get<http_document>(*result);
  return admin_answer{document.status, std::move(document.body)};
}

} // namespace gangway
