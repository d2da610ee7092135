# HTTP/1.1 towards others.
add_library(gangway_http_client STATIC
  http/client.cpp http/exchange.cpp http/pool.cpp http/reader.cpp http/url.cpp http/wire.cpp)
target_link_libraries(gangway_http_client
  PUBLIC gangway_options Boost::headers
  PRIVATE Boost::url OpenSSL::SSL OpenSSL::Crypto)

# What clients meet: listeners, HTTP, WebSockets, sessions, tokens. It never links actors: messages are the only way.
add_library(gangway_net STATIC
  gate.cpp http_connection.cpp http_message.cpp jwt.cpp listener.cpp server.cpp session.cpp tcp_progress.cpp
  token_bucket.cpp websocket_plain.cpp)
target_link_libraries(gangway_net
  PUBLIC gangway_options gangway_protocol gangway_scheduler Boost::headers
  PRIVATE Boost::url OpenSSL::Crypto nlohmann_json::nlohmann_json)
