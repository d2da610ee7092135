#include "net/asio_scheduler.hpp"

#include <caf/all.hpp>
#include <caf/logger.hpp>

#include <functional>

namespace gangway {

void asio_scheduler::loop_unit::belong_to(asio_scheduler& scheduler) {
  scheduler_ = &scheduler;
  system_ = &scheduler.system();
}

void asio_scheduler::loop_unit::exec_later(caf::resumable* job) { scheduler_->enqueue(job); }

void asio_scheduler::install(caf::actor_system_config& config, event_loops& loops) {
  config.module_factories.emplace_back([&loops](caf::actor_system& system) -> caf::actor_system::module* {
    return new asio_scheduler{system, loops};
  });
}

asio_scheduler& asio_scheduler::of(caf::actor_system& system) {
  return static_cast<asio_scheduler&>(system.scheduler());
}

asio_scheduler::asio_scheduler(caf::actor_system& system, event_loops& loops)
    : abstract_coordinator(system), loops_(loops), units_(loops.size()), clock_(loops) {
  for (auto& unit : units_)
    unit.belong_to(*this);
}

void asio_scheduler::init(caf::actor_system_config& config) {
  abstract_coordinator::init(config);
  max_throughput_ = caf::get_or(config, "scheduler.max-throughput", messages_per_turn);
  num_workers_ = loops_.size();
}

void asio_scheduler::start() {
  loops_.run([this](const std::function<void()>& turn) {
    CAF_SET_LOGGER_SYS(&system());
    system().thread_started();
    turn();
    system().thread_terminates();
  });
  abstract_coordinator::start();
}

// The order is the point: the printer needs the loops to end, and ending what is left needs the clock.
void asio_scheduler::stop() {
  stop_actors();
  loops_.stop();
  clock_.stop();
}

void asio_scheduler::enqueue(caf::resumable* job) { post(home_of(*job), job); }

std::size_t asio_scheduler::home_of(const caf::resumable& job) {
  if (job.subtype() == caf::resumable::scheduled_actor) {
    // Only compared, never followed: the context of a detached actor's child may be gone by now. It is safe to read:
    // whoever may make an actor runnable has seen it block, or has just made it.
    const caf::execution_unit* context = static_cast<const caf::scheduled_actor&>(job).context();
    const std::less<> before;
    if (!before(context, &units_.front()) && !before(&units_.back(), context))
      return static_cast<std::size_t>(static_cast<const loop_unit*>(context) - units_.data());
  }
  return next_worker_.fetch_add(1, std::memory_order_relaxed) % units_.size();
}

void asio_scheduler::post(std::size_t index, caf::resumable* job) {
  if (!loops_.post(index, [this, index, job] { take_turn(index, job); })) end(job);
}

void asio_scheduler::take_turn(std::size_t index, caf::resumable* job) {
  // The loops have been joined, and what was left in their queues is being run by whoever stopped them.
  if (loops_.current() != index) {
    end(job);
    return;
  }
  switch (job->resume(&units_[index], max_throughput())) {
  case caf::resumable::resume_later:
    // Runnable still: it keeps its reference and goes to the end of the queue, behind sockets and timers.
    post(index, job);
    break;
  case caf::resumable::done:
  case caf::resumable::awaiting_message:
  case caf::resumable::shutdown_execution_unit:
    caf::intrusive_ptr_release(job);
    break;
  }
}

// CAF's own cleanup_and_release destroys neither the state of a stateful actor nor the actors that become runnable by
// its end: both leak. This ends an actor the way the actor itself would.
void asio_scheduler::end(caf::resumable* job) {
  static thread_local std::vector<caf::resumable*>* queue = nullptr;
  if (queue != nullptr) {
    queue->push_back(job);
    return;
  }
  std::vector<caf::resumable*> jobs{job};
  queue = &jobs;
  while (!jobs.empty()) {
    auto* next = jobs.back();
    jobs.pop_back();
    if (next->subtype() == caf::resumable::scheduled_actor) {
      auto& actor = static_cast<caf::scheduled_actor&>(*next);
      actor.context(&units_.front());
      actor.quit(caf::exit_reason::user_shutdown);
      actor.finalize();
      actor.cleanup(caf::make_error(caf::exit_reason::user_shutdown), actor.context());
    }
    caf::intrusive_ptr_release(next);
  }
  queue = nullptr;
}

} // namespace gangway
