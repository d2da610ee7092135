#include "net/websocket_channel.hpp"

namespace gangway {

std::shared_ptr<websocket_channel> make_deflate_channel(boost::asio::io_context& context, loose_socket socket,
                                                        websocket_upgrade upgrade, websocket_handler& handler,
                                                        const channel_rules& rules) {
  using deflate_stream = boost::beast::websocket::stream<plain_socket, true>;
  auto owned = adopt(context, std::move(socket));
  if (!owned) return nullptr;
  return std::make_shared<stream_channel<deflate_stream>>(std::move(*owned), std::move(upgrade), handler, rules);
}

} // namespace gangway
