# Tokens and the keys that they are checked by: no socket, no actor.
add_library(gangway_auth STATIC
  auth/base64url.cpp auth/jwks.cpp auth/jwks_source.cpp auth/jwt.cpp auth/keys.cpp auth/tickets.cpp auth/token_cache.cpp
  auth/token_verifier.cpp address_hash.cpp address_rates.cpp token_bucket.cpp frame_budget.cpp)
target_link_libraries(gangway_auth
  PUBLIC gangway_options gangway_protocol Boost::headers OpenSSL::Crypto
  PRIVATE nlohmann_json::nlohmann_json)

# HTTP/1.1 towards others.
add_library(gangway_http_client STATIC
  http/client.cpp http/exchange.cpp http/pool.cpp http/reader.cpp http/url.cpp http/wire.cpp)
target_link_libraries(gangway_http_client
  PUBLIC gangway_options Boost::headers
  PRIVATE Boost::url OpenSSL::SSL OpenSSL::Crypto)

# What clients meet: listeners, HTTP, WebSockets, sessions. It never links actors: messages are the only way.
add_library(gangway_net STATIC
  auth/jwks_fetch.cpp client_address.cpp credential_desk.cpp extensions.cpp first_frame.cpp gate.cpp handshake_turns.cpp
  http_connection.cpp http_message.cpp inbound_budget.cpp listener.cpp lobby.cpp refusals.cpp request_reader.cpp request_target.cpp server.cpp
  delivery_turns.cpp session.cpp session_delivery.cpp session_ending.cpp session_tokens.cpp sign_in_log.cpp standing_line.cpp tcp_progress.cpp tls_context.cpp token_expiries.cpp
  transport.cpp
  upgrade.cpp websocket_deflate.cpp websocket_plain.cpp websocket_tls.cpp)
target_link_libraries(gangway_net
  PUBLIC gangway_auth gangway_http_client gangway_options gangway_protocol gangway_scheduler Boost::headers
  PRIVATE Boost::url OpenSSL::SSL)
