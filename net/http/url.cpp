#include "net/http/url.hpp"

#include <algorithm>
#include <charconv>

#include <boost/asio/ip/address.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

namespace gangway {

namespace {

// The longest name that DNS knows.
constexpr std::size_t host_bytes_max = 253;

constexpr std::string_view name_letters = "abcdefghijklmnopqrstuvwxyz0123456789-._";

std::string to_lower(std::string_view text) {
  std::string result{text};
  for (auto& letter : result)
    if (letter >= 'A' && letter <= 'Z') letter = static_cast<char>(letter - 'A' + 'a');
  return result;
}

bool is_address_v6(const std::string& text) {
  boost::system::error_code error;
  boost::asio::ip::make_address_v6(text, error);
  return !error;
}

// Sets host and port. By hand, because Boost.URL 1.81 reads "http://127.0.0.1.example.com" as the host 127.0.0.1 and a
// path that begins with ".example.com".
bool read_authority(std::string_view text, http_url& url) {
  auto rest = text;
  if (text.starts_with('[')) {
    const auto end = text.find(']');
    if (end == text.npos) return false;
    url.host = to_lower(text.substr(1, end - 1));
    // A zone would be another machine's business.
    if (!is_address_v6(url.host) || url.host.find('%') != url.host.npos) return false;
    rest = text.substr(end + 1);
    if (!rest.empty() && !rest.starts_with(':')) return false;
  } else {
    const auto end = std::min(text.find(':'), text.size());
    url.host = to_lower(text.substr(0, end));
    if (url.host.empty() || url.host.size() > host_bytes_max || url.host.starts_with('.')) return false;
    if (url.host.find_first_not_of(name_letters) != url.host.npos) return false;
    if (url.host.find("..") != url.host.npos) return false;
    rest = text.substr(end);
  }
  if (rest.size() < 2) return true; // an empty port is the scheme's
  const auto* last = rest.data() + rest.size();
  const auto [end, error] = std::from_chars(rest.data() + 1, last, url.port);
  return error == std::errc{} && end == last && url.port != 0;
}

} // namespace

std::optional<http_url> parse_http_url(std::string_view text) {
  const auto colon = text.find("://");
  if (colon == text.npos) return std::nullopt;
  http_url result;
  const auto scheme = to_lower(text.substr(0, colon));
  result.is_tls = scheme == "https";
  if (!result.is_tls && scheme != "http") return std::nullopt;
  if (result.is_tls) result.port = 443;
  text.remove_prefix(colon + 3);
  const auto end = std::min(text.find_first_of("/?#"), text.size());
  if (!read_authority(text.substr(0, end), result)) return std::nullopt;
  text.remove_prefix(end);
  if (!text.starts_with('/')) result.target += '/';
  result.target += text.substr(0, text.find('#'));
  if (!boost::urls::parse_origin_form(result.target)) return std::nullopt;
  return result;
}

std::string host_header_of(const http_url& url) {
  const bool is_v6 = url.host.find(':') != url.host.npos;
  auto result = is_v6 ? '[' + url.host + ']' : url.host;
  if (url.port != (url.is_tls ? 443 : 80)) result += ':' + std::to_string(url.port);
  return result;
}

} // namespace gangway
