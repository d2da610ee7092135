#include "protocol/message_text.hpp"

#include <utility>

#include <nlohmann/json.hpp>

#include "protocol/json.hpp"

namespace gangway {

namespace {

constexpr std::size_t title_characters_max = 80;

bool begins_character(unsigned char byte) { return (byte & 0xc0) != 0x80; }

} // namespace

std::string message_text(const json_text& content) {
  const auto value = nlohmann::json::parse(content.value, nullptr, false);
  if (value.is_string()) return value.get<std::string>();
  std::string result;
  if (!value.is_array()) return result;
  auto first = true;
  for (const auto& part : value) {
    if (!part.is_object()) continue;
    const auto type = part.find("type");
    const auto text = part.find("text");
    if (type == part.end() || *type != "text" || text == part.end() || !text->is_string()) continue;
    if (!std::exchange(first, false)) result += '\n';
    result += text->get_ref<const std::string&>();
  }
  return result;
}

json_text to_content(const std::string& text) {
  json_text result;
  json::append_text(result.value, text);
  return result;
}

std::string make_title(const std::string& text) {
  std::string result;
  std::size_t characters = 0;
  for (const char byte : text) {
    if (begins_character(static_cast<unsigned char>(byte)) && ++characters > title_characters_max) break;
    const auto control = static_cast<unsigned char>(byte) < 0x20 || byte == 0x7f;
    result += control ? ' ' : byte;
  }
  return result;
}

} // namespace gangway
