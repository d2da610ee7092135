add_executable(net_auth_test auth/main.cpp auth/signer.cpp
  auth/jwks_source_test.cpp auth/jwt_test.cpp auth/keys_test.cpp auth/tickets_test.cpp auth/token_cache_test.cpp
  auth/token_verifier_test.cpp address_rates_test.cpp)
target_link_libraries(net_auth_test PRIVATE gangway_auth OpenSSL::Crypto)
add_test(NAME net_auth COMMAND net_auth_test --max-runtime=100)
set_tests_properties(net_auth PROPERTIES LABELS unit
  ENVIRONMENT "UBSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/ubsan.supp:halt_on_error=1:print_stacktrace=1")

# The client for HTTP, against real servers on loopback, most of them odd.
add_executable(net_http_test main.cpp http/certificates.cpp http/odd_server.cpp
  http/client_test.cpp http/exchange_test.cpp http/pool_test.cpp http/reader_test.cpp http/url_test.cpp http/wire_test.cpp)
target_link_libraries(net_http_test PRIVATE gangway_http_client gangway_scheduler caf_core OpenSSL::SSL OpenSSL::Crypto)
add_test(NAME net_http COMMAND net_http_test --max-runtime=280)
set_tests_properties(net_http PROPERTIES LABELS integration TIMEOUT 300
  ENVIRONMENT "UBSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/ubsan.supp:print_stacktrace=1")

# Real sockets on loopback; the actors behind the doors are stand-ins.
add_executable(net_session_test main.cpp raw_client.cpp harbour.cpp
  client_address_test.cpp close_frame_test.cpp delivery_turns_test.cpp extensions_test.cpp first_frame_test.cpp gate_test.cpp
  handshake_turns_test.cpp http_connection_test.cpp http_message_test.cpp inbound_budget_test.cpp listener_test.cpp lobby_test.cpp request_target_test.cpp server_test.cpp session_pace_test.cpp standing_line_test.cpp
  session_test.cpp session_tokens_test.cpp auth/signer.cpp
  frame_budget_test.cpp tcp_progress_test.cpp token_bucket_test.cpp websocket_plain_test.cpp)
target_link_libraries(net_session_test PRIVATE gangway_net nlohmann_json::nlohmann_json OpenSSL::Crypto)
add_test(NAME net_session COMMAND net_session_test --max-runtime=280)
set_tests_properties(net_session PROPERTIES LABELS integration TIMEOUT 300
  ENVIRONMENT "UBSAN_OPTIONS=suppressions=${CMAKE_SOURCE_DIR}/tests/ubsan.supp:print_stacktrace=1")
