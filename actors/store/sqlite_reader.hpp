#pragma once

#include "actors/store/ahead_notes.hpp"
#include "actors/store/sqlite_connection.hpp"

namespace gangway::sqlite {

class reader final : public log_reader {
public:
  /// Opens a file that a writer has prepared. Throws `storage_error`.
  explicit reader(const std::string& path);

  log_read read(const read_log& what) override;
  messages_page messages(const get_messages& what) override;
  threads_page threads(const get_threads& what) override;
  message_found find(const find_message& what) override;
  search_piece search(const search_messages& what, sequence before) override;
  std::optional<user_id> owner_of(log_id log) override;
  decisions_page decisions(const get_decisions& what) override;
  void note_ahead(log_id log) override;

private:
  connection connection_;
  ahead_notes notes_;
  statement read_;
  statement messages_;
  statement threads_;
  statement find_;
  statement search_;
  statement owner_;
  statement decision_;
  statement decisions_about_;
  statement decisions_of_;
  statement decisions_;
};

} // namespace gangway::sqlite
