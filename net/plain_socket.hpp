#pragma once

#include <boost/asio/basic_stream_socket.hpp>
#include <boost/asio/io_context.hpp>
#include <boost/asio/ip/tcp.hpp>

namespace gangway {

/// A TCP socket with the loop's own executor type, which is one pointer where the default one is a polymorphic wrapper.
/// A type of its own, so that our `async_teardown` is found for it.
class plain_socket
    : public boost::asio::basic_stream_socket<boost::asio::ip::tcp, boost::asio::io_context::executor_type> {
public:
  using basic_stream_socket::basic_stream_socket;
};

} // namespace gangway
