#include "console/terminal/admin_client.hpp"

#include <algorithm>
#include <exception>
#include <optional>

#include <boost/asio/awaitable.hpp>
#include <boost/asio/co_spawn.hpp>
#include <boost/asio/connect.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>
#include <boost/asio/use_awaitable.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http.hpp>
#include <boost/url.hpp>

namespace gangway {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using tcp = asio::ip::tcp;

constexpr std::uint64_t answer_bytes_max = 256 * 1024 * 1024;

using request = http::request<http::string_body>;

asio::awaitable<admin_answer> converse(std::string host, std::string port, request question) {
  auto executor = co_await asio::this_coro::executor;
  tcp::resolver resolver{executor};
  tcp::socket socket{executor};
  co_await asio::async_connect(socket, co_await resolver.async_resolve(host, port, asio::use_awaitable),
                               asio::use_awaitable);
  co_await http::async_write(socket, question, asio::use_awaitable);
  boost::beast::flat_buffer buffer;
  http::response_parser<http::string_body> parser;
  parser.body_limit(answer_bytes_max);
  co_await http::async_read(socket, buffer, parser, asio::use_awaitable);
  co_return admin_answer{parser.get().result_int(), std::move(parser.get().body())};
}

} // namespace

std::string complain(const admin_server& server) {
  const auto url = boost::urls::parse_uri(server.url);
  if (!url || url->host().empty()) return '"' + server.url + "\" is not a URL such as http://127.0.0.1:8081";
  if (url->scheme() == "https")
    return "only http is spoken: go to the admin listener on its own machine, or through a tunnel to it";
  if (url->scheme() != "http") return '"' + server.url + "\" does not begin with http://";
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
  url.remove_query();
  for (const auto& [name, value] : what.parameters)
    url.params().append({name, value});

  request question{what.body ? http::verb::post : http::verb::get, std::string{url.encoded_target()}, 11};
  question.set(http::field::host, std::string{url.encoded_host_and_port()});
  question.set(http::field::user_agent, "gangwayctl");
  question.set(http::field::accept, "application/json");
  question.keep_alive(false);
  if (what.body) {
    question.set(http::field::content_type, "application/json");
    question.body() = *what.body;
    question.prepare_payload();
  }
  if (!server.token.empty()) question.set(http::field::authorization, "Bearer " + server.token);

  asio::io_context loop;
  std::optional<std::variant<admin_answer, no_answer>> result;
  const std::string port = url.has_port() && !url.port().empty() ? std::string{url.port()} : "80";
  asio::co_spawn(loop, converse(std::string{url.host_address()}, port, std::move(question)),
                 [&](std::exception_ptr failure, admin_answer answer) {
                   if (!failure) {
                     result = std::move(answer);
                     return;
                   }
                   try {
                     std::rethrow_exception(failure);
                   } catch (const boost::system::system_error& error) {
                     result = no_answer{error.code().message()};
                   } catch (const std::exception& error) {
                     result = no_answer{error.what()};
                   }
                 });
  loop.run_for(server.patience);
  if (!result) return no_answer{"no answer within " + std::to_string(server.patience.count()) + " ms"};
  return std::move(*result);
}

} // namespace gangway
