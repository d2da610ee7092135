#include "net/websocket_channel.hpp"

namespace gangway {

namespace {

using plain_stream = boost::beast::websocket::stream<plain_socket, false>;

class plain_connection final : public upgraded_connection {
public:
  explicit plain_connection(loose_socket&& socket) : socket_{std::move(socket)} {}

  std::shared_ptr<websocket_channel> open(boost::asio::io_context& context, websocket_upgrade upgrade,
                                          websocket_handler& handler, const channel_rules& rules) override {
    if (upgrade.deflate) return make_deflate_channel(context, std::move(socket_), std::move(upgrade), handler, rules);
    auto owned = adopt(context, std::move(socket_));
    if (!owned) return nullptr;
    return std::make_shared<stream_channel<plain_stream>>(std::move(*owned), std::move(upgrade), handler, rules);
  }

private:
  loose_socket socket_;
};

} // namespace

std::unique_ptr<upgraded_connection> make_upgraded(loose_socket socket) {
  return std::make_unique<plain_connection>(std::move(socket));
}

} // namespace gangway
