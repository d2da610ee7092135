/// The manager's delivery: every connection gets each event once, in order, as fast as it reads, and from wherever the
/// event is: the window, the log, or, while the store fails, what waits to be written.

#include <algorithm>
#include <utility>

#include "actors/coalesce.hpp"
#include "actors/errors.hpp"
#include "actors/manager.hpp"
#include "protocol/wire.hpp"

namespace gangway {

// What was sent is marked every so often, so that about half of what may be on its way is always about to be reported.
void manager_state::deliver(attachment& to, frame text) {
  const auto bytes = static_cast<std::uint32_t>(text->size());
  const bool had_room = has_room(to);
  to.unread += bytes;
  to.unmarked += bytes;
  if (had_room && !has_room(to)) to.full_since = self_->clock().now();
  to.link.send(std::move(text));
  if (to.unmarked >= services_->delivery_bytes_max / 2)
    to.link.mark(caf::actor_cast<caf::weak_actor_ptr>(self_), std::exchange(to.unmarked, 0));
  if (bytes > services_->delivery_bytes_max) to.large.reset();
}

void manager_state::want_turn(attachment& to, std::uint64_t bytes, std::optional<std::int64_t> request,
                              sending_turns::work what) {
  to.turns.want(to.link, {caf::actor_cast<caf::weak_actor_ptr>(self_), ++turns_wanted_, bytes, request},
                std::move(what));
}

void manager_state::on_turn_granted(const turn_granted& report) {
  auto* to = find(report.connection);
  if (to == nullptr) return;
  auto [work, turn] = to->turns.take(to->link, report.number);
  if (!work) return;
  to->changed = self_->clock().now();
  work(turn);
}

// A frame that is longer than its part of the queue goes when the connection has room for it, and those behind it wait.
bool manager_state::may_deliver(attachment& to, std::size_t bytes) {
  if (!has_room(to)) return false;
  if (bytes <= services_->delivery_bytes_max || to.large) return true;
  to.wants_large = true;
  want_turn(to, bytes, std::nullopt, [this, connection = to.connection](const std::shared_ptr<sending_turn>& turn) {
    auto* known = find(connection);
    if (known == nullptr) return;
    known->wants_large = false;
    known->large = turn;
    catch_up(*known);
    forget_left();
  });
  return false;
}

// What an earlier attachment of the same connection had marked counts as well, and does no harm.
void manager_state::on_frames_written(const frames_written& report) {
  auto* to = find(report.connection);
  if (to == nullptr) return;
  const bool had_room = has_room(*to);
  to->unread -= std::min(to->unread, report.bytes);
  if (!had_room && has_room(*to)) to->slow = self_->clock().now() - to->full_since >= slow_after;
  catch_up(*to);
  forget_left();
}

void manager_state::catch_up_all() {
  for (auto& to : attachments_)
    catch_up(to);
  forget_left();
}

// Connections that have left, once they are answered.
void manager_state::forget_left() {
  std::erase_if(attachments_, [](const attachment& known) { return known.leaving && known.asked == 0; });
}

// Who keeps up is served from memory, who took long over what it had, from the log.
void manager_state::catch_up(attachment& to) {
  catch_up_now(to);
  if (!to.waiting) to.large.reset();
}

void manager_state::catch_up_now(attachment& to) {
  if (!to.open || to.leaving || to.waiting || to.wants_large) return;
  if (!to.slow && window_.covers(to.position))
    while (to.position < committed_ && may_deliver(to, window_.at(to.position + 1)->size()))
      deliver(to, window_.at(++to.position));
  if (to.wants_large) return;
  if (to.position < committed_) {
    // Not for every few bytes that it reads: the more there is to join, the less it will have to read.
    if (to.unread <= services_->delivery_bytes_max / 2)
      read_page(to);
    else if (committed_ - to.position > lag_max && stands_still(to))
      drop(to);
    return;
  }
  to.slow = false;
  const auto next_ahead = [&] { return ahead_[static_cast<std::size_t>(to.position - committed_)]; };
  while (to.position < shown() && may_deliver(to, next_ahead()->size())) {
    auto text = next_ahead();
    ++to.position;
    deliver(to, std::move(text));
  }
}

bool manager_state::stands_still(const attachment& to) const {
  return !has_room(to) && self_->clock().now() - to.full_since >= slow_after;
}

void manager_state::read_page(attachment& to) {
  to.waiting = true;
  to.changed = self_->clock().now();
  read_log page{log_, to.position, committed_};
  // Joined, it is a fraction of what is read.
  page.bytes_max = services_->delivery_bytes_max * (to.slow ? 4 : 1);
  const auto turn = to.turn;
  self_->request(services_->reader, caf::infinite, page)
      .then(
          [this, turn, connection = to.connection](const log_read& read) {
            auto* known = find(connection);
            if (known == nullptr || known->turn != turn) return;
            known->waiting = false;
            // What it needs next is no longer kept.
            if (read.events.empty()) drop(*known);
            const auto joined = known->slow ? coalesce(read.events) : std::vector<thread_event>{};
            for (const auto& event : known->slow ? joined : read.events) {
              auto text = std::make_shared<const std::string>(wire::event(identity_.thread, epoch_, event));
              if (!may_deliver(*known, text->size())) break;
              deliver(*known, std::move(text));
              known->position = event.seq;
            }
            catch_up(*known);
            forget_left();
          },
          [this, turn, connection = to.connection](caf::error& reason) {
            if (auto* known = find(connection); known != nullptr && known->turn == turn) known->waiting = false;
            put_off(reason);
          });
}

// It opens the thread again, and gets a snapshot. The session ends a connection that takes nothing at all.
void manager_state::drop(attachment& slow) {
  slow.open = false;
  slow.leaving = true;
  slow.changed = self_->clock().now();
  note_company();
  log::info("a connection reads too slowly and is detached", {{"connection_id", to_string(slow.connection)},
                                                              {"user_id", identity_.user.value},
                                                              {"thread_id", identity_.thread.value},
                                                              {"events_behind", committed_ - slow.position}});
  self_->send(owner_, attachment_dropped{identity_.manager, slow.connection});
}

// -- while the store fails -----------------------------------------------------------------------

// Nothing is shown before it is noted that it was: else a crash could give its numbers to other events.
void manager_state::go_ahead() {
  if (!run_ || attachments_.empty() || noting_ || note_failed_) return;
  if (is_noted_) return show_ahead();
  noting_ = true;
  self_->request(services_->reader, caf::infinite, note_ahead{log_})
      .then(
          [this](const ahead_noted&) {
            noting_ = false;
            is_noted_ = true;
            if (stuck_)
              go_ahead();
            else
              take_note_back();
          },
          [this](caf::error&) {
            noting_ = false;
            note_failed_ = true;
          });
}

// By an append of its own, when everything that was shown is in the log. Until that is answered nothing more is shown:
// it would be behind a note that is being taken back.
void manager_state::take_note_back() {
  if (!is_noted_ || noting_ || !ahead_.empty()) return;
  noting_ = true;
  self_->request(services_->store, caf::infinite, append_events{log_, generation_, {}, false, true})
      .then(
          [this](const events_appended&) {
            noting_ = is_noted_ = false;
            if (stuck_) go_ahead();
          },
          [this](caf::error&) {
            noting_ = false;
            if (stuck_) go_ahead();
          });
}

void manager_state::show_ahead() {
  const auto before = ahead_.size();
  while (ahead_.size() < in_flight_.size() + produced_.size()) {
    auto text =
        std::make_shared<const std::string>(wire::event(identity_.thread, epoch_, pending(ahead_.size()), false));
    if (ahead_bytes_ + text->size() > ahead_bytes_max) break;
    ahead_bytes_ += text->size();
    ahead_.push_back(std::move(text));
  }
  if (ahead_.size() == before) return;
  catch_up_all();
  if (run_->actor) self_->send(run_->actor, events_committed{static_cast<std::uint32_t>(ahead_.size() - before)});
}

} // namespace gangway
