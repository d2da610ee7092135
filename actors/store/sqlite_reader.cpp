#include "actors/store/sqlite_reader.hpp"

#include <algorithm>
#include <limits>

#include "protocol/ag_ui.hpp"
#include "protocol/message_text.hpp"

namespace gangway::sqlite {

namespace {

// SQLite's integers are signed; no log is that long.
std::int64_t bounded(sequence seq) {
  return static_cast<std::int64_t>(std::min<sequence>(seq, std::numeric_limits<std::int64_t>::max()));
}

// Columns: message_id, role, text, content, seq, run_id, time.
message_record read_message(const rows& row) {
  return {row.id<message_id>(0),
          row.text(1),
          row.is_null(3) ? to_content(row.text(2)) : json_text{row.text(3)},
          row.number(4),
          row.optional_id<run_id>(5),
          row.time(6)};
}

} // namespace

reader::reader(const std::string& path)
    : connection_{path, access::read},
      notes_{path},
      read_{connection_, "SELECT seq, run_id, body, first_seq FROM events WHERE log_id = ?1 AND seq > ?2 ORDER BY seq"},
      messages_{connection_, "SELECT message_id, role, text, content, seq, run_id, time FROM messages"
                             " WHERE log_id = ?1 AND seq < ?2 ORDER BY seq DESC"},
      threads_{connection_, "SELECT thread, title, last_seq, updated_at FROM threads"
                            " WHERE user = ?1 AND updated_at < ?2 ORDER BY updated_at DESC"},
      find_{connection_, "SELECT m.message_id, m.run_id, m.seq, m.text, m.content FROM client_messages AS c"
                         " JOIN messages AS m ON m.log_id = c.log_id AND m.seq = c.seq"
                         " WHERE c.log_id = ?1 AND c.client_message_id = ?2"},
      // Not LIKE: it has wildcards and a longest pattern.
      search_{connection_, "SELECT message_id, role, text, content, seq, run_id, time,"
                           " instr(lower(text), lower(?3)) > 0, length(CAST(text AS BLOB)) FROM messages"
                           " WHERE log_id = ?1 AND seq < ?2 ORDER BY seq DESC"},
      owner_{connection_, "SELECT user FROM threads WHERE log_id = ?1"},
      decision_{connection_, "SELECT body FROM decisions AS d WHERE decision_id = ?1"
                             " AND (?2 IS NULL OR EXISTS (SELECT 1 FROM decision_subjects AS s"
                             "                            WHERE s.subject = ?2 AND s.decision_id = d.decision_id))"
                             " AND (?3 IS NULL OR user = ?3)"},
      decisions_about_{connection_, "SELECT d.body FROM decision_subjects AS s"
                                    " JOIN decisions AS d ON d.decision_id = s.decision_id"
                                    " WHERE s.subject = ?1 AND (?2 IS NULL OR d.user = ?2)"
                                    " ORDER BY d.time DESC, d.decision_id DESC LIMIT ?3"},
      decisions_of_{connection_, "SELECT body FROM decisions WHERE user = ?1"
                                 " ORDER BY time DESC, decision_id DESC LIMIT ?2"},
      decisions_{connection_, "SELECT body FROM decisions ORDER BY time DESC, decision_id DESC LIMIT ?1"} {}

log_read reader::read(const read_log& what) {
  return connection_.guarded([&] {
    log_read result;
    std::size_t bytes = 0;
    auto reached = what.after;
    auto row = read_.run(what.log, bounded(what.after));
    while (reached < what.last && row.next()) {
      const auto seq = row.number(0);
      const auto first = row.is_null(3) ? seq : row.number(3);
      const auto body = row.text(2);
      bytes += body.size();
      if (first > reached + 1 || result.events.size() == what.events_max
          || (bytes > what.bytes_max && !result.events.empty()))
        break;
      auto event = ag_ui::decode(seq, row.optional_id<run_id>(1), body);
      if (!event)
        throw storage_error{"database " + connection_.path() + ": event " + std::to_string(seq) + " of log "
                            + std::to_string(what.log) + " cannot be read"};
      // As far as it stands for what was not read before.
      if (seq > reached + 1) event->first_seq = reached + 1;
      result.events.push_back(*std::move(event));
      reached = seq;
    }
    result.complete = reached >= what.last;
    return result;
  });
}

messages_page reader::messages(const get_messages& what) {
  return connection_.guarded([&] {
    messages_page result;
    std::size_t bytes = 0;
    auto row = messages_.run(what.log, bounded(what.before));
    while (row.next()) {
      if (result.messages.size() == what.limit) {
        result.more = true;
        break;
      }
      auto message = read_message(row);
      bytes += message.content.value.size();
      if (bytes > what.bytes_max && !result.messages.empty()) {
        result.more = true;
        break;
      }
      result.messages.push_back(std::move(message));
    }
    std::reverse(result.messages.begin(), result.messages.end());
    return result;
  });
}

threads_page reader::threads(const get_threads& what) {
  return connection_.guarded([&] {
    threads_page result;
    auto row = threads_.run(what.user.value, what.before.value_or(utc_time::max()));
    while (what.limit > 0 && row.next()) {
      thread_summary thread{{row.text(0)}, row.text(1), row.number(2), row.time(3)};
      if (result.threads.size() >= what.limit && result.threads.back().updated_at != thread.updated_at) break;
      result.threads.push_back(std::move(thread));
    }
    return result;
  });
}

message_found reader::find(const find_message& what) {
  return connection_.guarded([&] {
    auto row = find_.run(what.log, what.client_message_id);
    if (!row.next()) return message_found{};
    return message_found{
        message_found::first_answer{row.id<message_id>(0), row.id<run_id>(1), row.number(2),
                                    row.is_null(4) ? to_content(row.text(3)) : json_text{row.text(4)}}};
  });
}

search_piece reader::search(const search_messages& what, sequence before) {
  return connection_.guarded([&] {
    search_piece result;
    std::uint64_t bytes = 0;
    auto row = search_.run(what.log, bounded(before), what.text);
    while (row.next()) {
      if (row.integer(7) != 0) result.messages.push_back(read_message(row));
      if (result.messages.size() > what.limit) return result;
      bytes += row.number(8);
      if (bytes < search_bytes_at_once) continue;
      result.next = row.number(4);
      return result;
    }
    return result;
  });
}

std::optional<user_id> reader::owner_of(log_id log) {
  return connection_.guarded([&] {
    auto row = owner_.run(log);
    return row.next() ? std::optional{user_id{row.text(0)}} : std::nullopt;
  });
}

void reader::note_ahead(log_id log) { notes_.note(log); }

decisions_page reader::decisions(const get_decisions& what) {
  return connection_.guarded([&] {
    const auto limit = std::clamp<std::uint32_t>(what.limit, 1, decisions_page_max);
    const auto user = what.user ? std::optional{what.user->value} : std::nullopt;
    decisions_page result;
    const auto collect = [&](rows row) {
      while (row.next())
        result.decisions.push_back({row.text(0)});
    };
    if (what.id)
      collect(decision_.run(*what.id, what.subject, user));
    else if (what.subject)
      collect(decisions_about_.run(*what.subject, user, limit));
    else if (user)
      collect(decisions_of_.run(*user, limit));
    else
      collect(decisions_.run(limit));
    return result;
  });
}

} // namespace gangway::sqlite
