#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

#include "net/close_frame.hpp"

namespace gangway {

/// A TCP socket with the loop's own executor type, which is one pointer where the default one is a polymorphic wrapper.
/// A type of its own, so that our `async_teardown` is found for it.
class plain_socket
    : public holding_socket<
          boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type>> {
public:
  using holding_socket::holding_socket;
};

} // namespace gangway
