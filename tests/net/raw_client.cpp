#include "tests/net/raw_client.hpp"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

namespace gangway::testing {

namespace {

// Longer than anything here takes on a busy machine under a sanitizer.
constexpr timeval patience{30, 0};

constexpr unsigned char mask[] = {0x12, 0x34, 0x56, 0x78};

} // namespace

bool websocket_frame::is_close(unsigned code) const {
  if (opcode != 8 || payload.size() < 2) return false;
  const auto byte = [this](std::size_t index) {
    return static_cast<unsigned>(static_cast<unsigned char>(payload[index]));
  };
  return (byte(0) << 8U | byte(1)) == code;
}

raw_client::raw_client(int descriptor, std::uint16_t port) : descriptor_{descriptor} {
  ::setsockopt(descriptor_, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  ::setsockopt(descriptor_, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  if (::connect(descriptor_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) hang_up();
}

raw_client::raw_client(std::uint16_t port, int receive_buffer)
    : raw_client{[receive_buffer] {
                   const auto result = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
                   if (receive_buffer > 0)
                     ::setsockopt(result, SOL_SOCKET, SO_RCVBUF, &receive_buffer, sizeof receive_buffer);
                   return result;
                 }(),
                 port} {}

raw_client::raw_client(raw_client&& other) noexcept
    : descriptor_{std::exchange(other.descriptor_, -1)}, received_{std::move(other.received_)} {}

raw_client::~raw_client() { hang_up(); }

void raw_client::hang_up() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

bool raw_client::send(std::string_view bytes) {
  while (!bytes.empty()) {
    const auto sent = ::send(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    bytes.remove_prefix(static_cast<std::size_t>(sent));
  }
  return true;
}

bool raw_client::fill() {
  char buffer[16384];
  const auto size = ::recv(descriptor_, buffer, sizeof buffer, 0);
  if (size <= 0) return false;
  received_.append(buffer, static_cast<std::size_t>(size));
  return true;
}

std::optional<std::string> raw_client::take(std::size_t bytes) {
  while (received_.size() < bytes)
    if (!fill()) return std::nullopt;
  auto result = received_.substr(0, bytes);
  received_.erase(0, bytes);
  return result;
}

http_response raw_client::read_response(bool is_head) {
  std::size_t end = 0;
  while ((end = received_.find("\r\n\r\n")) == received_.npos)
    if (!fill()) return {};
  http_response result{std::stoi(received_.substr(9, 3)), *take(end + 4), {}};
  constexpr std::string_view length = "Content-Length: ";
  if (const auto found = result.head.find(length); found != result.head.npos && !is_head)
    result.body = take(std::stoul(result.head.substr(found + length.size()))).value_or("<cut off>");
  return result;
}

http_response raw_client::request(const std::string& method, const std::string& path, const headers& more,
                                  const std::string& body) {
  auto text = method + ' ' + path + " HTTP/1.1\r\n";
  bool has_host = false;
  for (const auto& [name, value] : more) {
    text += name + ": " + value + "\r\n";
    has_host = has_host || name == "Host";
  }
  if (!has_host) text += "Host: 127.0.0.1\r\n";
  if (!body.empty()) text += "Content-Length: " + std::to_string(body.size()) + "\r\n";
  send(text + "\r\n" + body);
  return read_response(method == "HEAD");
}

http_response raw_client::upgrade(const headers& more, const std::string& path) {
  auto all = more;
  all.insert(all.end(), {{"Connection", "Upgrade"},
                         {"Upgrade", "websocket"},
                         {"Sec-WebSocket-Version", "13"},
                         {"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="}});
  return request("GET", path, all);
}

std::string raw_client::frame_of(unsigned first, std::string_view payload, bool masked) {
  std::string out{static_cast<char>(first)};
  const auto flag = masked ? 0x80U : 0U;
  if (payload.size() < 126) {
    out += static_cast<char>(flag | payload.size());
  } else {
    const auto bytes = payload.size() < 65536 ? 2U : 8U;
    out += static_cast<char>(flag | (bytes == 2 ? 126U : 127U));
    for (auto i = bytes; i-- > 0;)
      out += static_cast<char>(payload.size() >> (8 * i) & 0xFFU);
  }
  if (masked) out.append(reinterpret_cast<const char*>(mask), sizeof mask);
  for (std::size_t i = 0; i < payload.size(); ++i)
    out += masked ? static_cast<char>(payload[i] ^ mask[i % 4]) : payload[i];
  return out;
}

bool raw_client::send_frame(unsigned first, std::string_view payload, bool masked) {
  return send(frame_of(first, payload, masked));
}

websocket_frame raw_client::read_frame() {
  const auto start = take(2);
  if (!start) return {};
  auto size = static_cast<std::uint64_t>(static_cast<unsigned char>((*start)[1]) & 0x7FU);
  if (size >= 126) {
    const auto length = take(size == 126 ? 2 : 8);
    if (!length) return {};
    size = 0;
    for (const char byte : *length)
      size = size << 8U | static_cast<unsigned char>(byte);
  }
  auto payload = take(size);
  if (!payload) return {};
  return {(*start)[0] & 0x0F, std::move(*payload)};
}

std::string raw_client::read_text() {
  for (;;) {
    auto frame = read_frame();
    switch (frame.opcode) {
    case 1:
      return std::move(frame.payload);
    case 9:
    case 10:
      continue;
    case 8:
      for (unsigned code = 1000; code < 5000; ++code)
        if (frame.is_close(code)) return "<close " + std::to_string(code) + '>';
      return "<close>";
    default:
      return "<hung up>";
    }
  }
}

void raw_client::read_slowly(std::size_t bytes, std::chrono::milliseconds pause) {
  pollfd readable{descriptor_, POLLIN, 0};
  std::size_t credit = bytes;
  while (::poll(&readable, 1, 500) > 0) {
    const auto before = received_.size();
    if (!fill()) return;
    const auto size = received_.size() - before;
    if (size < credit) {
      credit -= size;
      continue;
    }
    credit = bytes;
    // The subject is slowness itself; nothing is waited for.
    ::poll(nullptr, 0, static_cast<int>(pause.count()));
  }
}

bool raw_client::receive(std::size_t bytes) {
  const auto enough = received_.size() + bytes;
  while (received_.size() < enough)
    if (!fill()) return false;
  return true;
}

std::uint16_t raw_client::port() const {
  sockaddr_in address{};
  socklen_t size = sizeof address;
  ::getsockname(descriptor_, reinterpret_cast<sockaddr*>(&address), &size);
  return ntohs(address.sin_port);
}

bool raw_client::is_hung_up() { return received_.empty() && !fill(); }

} // namespace gangway::testing
