#include "net/loop_clock.hpp"

#include <caf/all.hpp>
#include <caf/detail/simple_actor_clock.hpp>

#include <utility>

namespace gangway {

/// What is due on one loop. CAF's own bookkeeping, driven by the loop's timer instead of a thread.
class loop_clock::schedule final : public caf::detail::simple_actor_clock {
public:
  explicit schedule(boost::asio::io_context& context) : timer_(context) {}

  // Cancelling goes by actor id: an actor that is being destroyed has no reference left to hand to another thread.
  void cancel_ordinary(caf::actor_id actor, caf::atom_value type) {
    handle(ordinary_timeout_cancellation{actor, type});
  }

  void cancel_request(caf::actor_id actor, caf::message_id id) { handle(request_timeout_cancellation{actor, id}); }

  void cancel_of(caf::actor_id actor) { handle(timeouts_cancellation{actor}); }

  // Dropping an event may end an actor, and its last words may schedule anew: hence the swap, and the loop.
  void clear() {
    while (!schedule_.empty()) {
      actor_lookup_.clear();
      const auto doomed = std::exchange(schedule_, schedule_map{});
    }
  }

  // A timer that is set too early costs one empty wake-up; setting it back each time costs a system call per message.
  void arm() {
    if (schedule_.empty()) return;
    const auto due = schedule_.begin()->first;
    if (armed_ && armed_for_ <= due) return;
    armed_ = true;
    armed_for_ = due;
    timer_.expires_at(due);
    timer_.async_wait([this](const boost::system::error_code& error) {
      if (error) return;
      armed_ = false;
      trigger_expired_timeouts();
      arm();
    });
  }

private:
  boost::asio::steady_timer timer_;
  bool armed_ = false;
  time_point armed_for_;
};

loop_clock::loop_clock(event_loops& loops) : loops_(loops) {
  for (std::size_t index = 0; index < loops.size(); ++index)
    schedules_.push_back(std::make_unique<schedule>(loops.context(index)));
}

loop_clock::~loop_clock() = default;

template <class Change>
void loop_clock::change(std::size_t fallback, Change&& change) {
  if (const auto index = loops_.current(); index != event_loops::npos) {
    change(*schedules_[index]);
    schedules_[index]->arm();
    return;
  }
  const auto index = fallback % schedules_.size();
  loops_.post(index, [target = schedules_[index].get(), change = std::forward<Change>(change)]() mutable {
    change(*target);
    target->arm();
  });
}

void loop_clock::set_ordinary_timeout(time_point due, caf::abstract_actor* self, caf::atom_value type, uint64_t id) {
  change(self->id(), [due, actor = caf::strong_actor_ptr{self->ctrl()}, type, id](schedule& target) {
    target.set_ordinary_timeout(due, actor->get(), type, id);
  });
}

void loop_clock::set_multi_timeout(time_point due, caf::abstract_actor* self, caf::atom_value type, uint64_t id) {
  change(self->id(), [due, actor = caf::strong_actor_ptr{self->ctrl()}, type, id](schedule& target) {
    target.set_multi_timeout(due, actor->get(), type, id);
  });
}

void loop_clock::set_request_timeout(time_point due, caf::abstract_actor* self, caf::message_id id) {
  change(self->id(), [due, actor = caf::strong_actor_ptr{self->ctrl()}, id](schedule& target) {
    target.set_request_timeout(due, actor->get(), id);
  });
}

void loop_clock::cancel_ordinary_timeout(caf::abstract_actor* self, caf::atom_value type) {
  change(self->id(), [actor = self->id(), type](schedule& target) { target.cancel_ordinary(actor, type); });
}

void loop_clock::cancel_request_timeout(caf::abstract_actor* self, caf::message_id id) {
  change(self->id(), [actor = self->id(), id](schedule& target) { target.cancel_request(actor, id); });
}

void loop_clock::cancel_timeouts(caf::abstract_actor* self) {
  change(self->id(), [actor = self->id()](schedule& target) { target.cancel_of(actor); });
}

void loop_clock::schedule_message(time_point due, caf::strong_actor_ptr receiver, caf::mailbox_element_ptr content) {
  const auto fallback = receiver->id();
  change(fallback, [due, receiver = std::move(receiver), content = std::move(content)](schedule& target) mutable {
    target.schedule_message(due, std::move(receiver), std::move(content));
  });
}

void loop_clock::schedule_message(time_point due, caf::group target_group, caf::strong_actor_ptr sender,
                                  caf::message content) {
  change(0, [due, target_group = std::move(target_group), sender = std::move(sender),
             content = std::move(content)](schedule& target) mutable {
    target.schedule_message(due, std::move(target_group), std::move(sender), std::move(content));
  });
}

void loop_clock::cancel_all() {
  for (std::size_t index = 0; index < schedules_.size(); ++index) {
    auto* target = schedules_[index].get();
    loops_.post(index, [target] { target->clear(); });
  }
}

void loop_clock::stop() {
  for (auto& target : schedules_)
    target->clear();
}

} // namespace gangway
