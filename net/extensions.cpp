#include "net/extensions.hpp"

#include <algorithm>
#include <charconv>
#include <set>

namespace gangway {

namespace {

// What tokens are made of (RFC 9110, 5.6.2).
constexpr std::string_view token_letters =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789!#$%&'*+-.^_`|~";

// The smallest window that Beast can keep to is 2^9 bytes; clients may ask for 2^8.
constexpr int window_bits_min = 9;

// extension-list = 1#extension; extension = token *( ";" token [ "=" ( token | quoted-string ) ] )
class reader {
public:
  explicit reader(std::string_view text) : rest_{text} {}

  std::optional<std::vector<offered_extension>> list() {
    std::vector<offered_extension> result;
    skip_blanks();
    if (rest_.empty()) return result;
    do {
      // Elements may be empty, as long as one is not (RFC 9110, 5.6.1.2).
      if (rest_.empty() || rest_.front() == ',') continue;
      auto one = element();
      if (!one) return std::nullopt;
      result.push_back(std::move(*one));
    } while (take(','));
    if (!rest_.empty() || result.empty()) return std::nullopt;
    return result;
  }

private:
  void skip_blanks() { rest_.remove_prefix(std::min(rest_.find_first_not_of(" \t"), rest_.size())); }

  bool take(char sign) {
    skip_blanks();
    if (!rest_.starts_with(sign)) return false;
    rest_.remove_prefix(1);
    skip_blanks();
    return true;
  }

  std::optional<std::string> token() {
    std::string result{rest_.substr(0, rest_.find_first_not_of(token_letters))};
    rest_.remove_prefix(result.size());
    return result.empty() ? std::nullopt : std::optional{std::move(result)};
  }

  // Quotes may stand around what is a token without them.
  std::optional<std::string> value() {
    const bool is_quoted = rest_.starts_with('"');
    if (is_quoted) rest_.remove_prefix(1);
    auto result = token();
    if (!is_quoted) return result;
    if (!rest_.starts_with('"')) return std::nullopt;
    rest_.remove_prefix(1);
    return result;
  }

  std::optional<offered_extension> element() {
    auto name = token();
    if (!name) return std::nullopt;
    offered_extension result{std::move(*name), {}};
    while (take(';')) {
      auto parameter = token();
      if (!parameter) return std::nullopt;
      std::optional<std::string> given;
      if (take('=')) {
        given = value();
        if (!given) return std::nullopt;
      }
      result.parameters.emplace_back(std::move(*parameter), std::move(given));
    }
    return result;
  }

  std::string_view rest_;
};

// 8 to 15, without leading zeros (RFC 7692, 7.1.2.1).
std::optional<int> parse_window_bits(const std::string& text) {
  int result = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), result);
  if (error != std::errc{} || end != text.data() + text.size() || text.front() == '0') return std::nullopt;
  return result >= 8 && result <= 15 ? std::optional{result} : std::nullopt;
}

std::optional<deflate_agreement> judge_offer(const offered_extension& offer) {
  deflate_agreement result;
  std::set<std::string_view> seen;
  for (const auto& [name, value] : offer.parameters) {
    if (!seen.insert(name).second) return std::nullopt;
    const auto bits = value ? parse_window_bits(*value) : std::nullopt;
    if (name == "server_no_context_takeover" || name == "client_no_context_takeover") {
      if (value) return std::nullopt;
    } else if (name == "server_max_window_bits") {
      if (!bits || *bits < window_bits_min) return std::nullopt;
      result.server_window_bits = std::min(result.server_window_bits, *bits);
    } else if (name == "client_max_window_bits") {
      if (value && !bits) return std::nullopt;
      result.client_limits_itself = true;
    } else {
      return std::nullopt;
    }
  }
  return result;
}

} // namespace

std::optional<std::vector<offered_extension>> parse_extensions(std::string_view text) { return reader{text}.list(); }

std::optional<deflate_agreement> choose_deflate(const std::vector<offered_extension>& offers) {
  for (const auto& offer : offers)
    if (offer.name == "permessage-deflate")
      if (auto agreement = judge_offer(offer)) return agreement;
  return std::nullopt;
}

std::string to_offer(const deflate_agreement& what) {
  return "permessage-deflate; server_max_window_bits=" + std::to_string(what.server_window_bits)
         + (what.client_limits_itself ? "; client_max_window_bits" : "");
}

} // namespace gangway
