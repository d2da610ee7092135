# The SQLite engine: the storage port's first implementation. No actor in it.
add_library(gangway_store STATIC
  ${CMAKE_CURRENT_LIST_DIR}/ahead_notes.cpp
  ${CMAKE_CURRENT_LIST_DIR}/beside.cpp
  ${CMAKE_CURRENT_LIST_DIR}/file_lock.cpp
  ${CMAKE_CURRENT_LIST_DIR}/sqlite_backup.cpp
  ${CMAKE_CURRENT_LIST_DIR}/sqlite_connection.cpp
  ${CMAKE_CURRENT_LIST_DIR}/sqlite_engine.cpp
  ${CMAKE_CURRENT_LIST_DIR}/sqlite_history.cpp
  ${CMAKE_CURRENT_LIST_DIR}/sqlite_reader.cpp
  ${CMAKE_CURRENT_LIST_DIR}/sqlite_schema.cpp
  ${CMAKE_CURRENT_LIST_DIR}/sqlite_writer.cpp
  ${CMAKE_CURRENT_LIST_DIR}/start_mark.cpp)
target_link_libraries(gangway_store PUBLIC gangway_protocol PRIVATE sqlitecpp nlohmann_json::nlohmann_json)
