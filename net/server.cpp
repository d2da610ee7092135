#include "net/server.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "net/listener.hpp"
#include "net/session.hpp"

namespace gangway {

// One loop's part. After construction it is touched on that loop alone, but for `empty` and `places`.
struct server::floor {
  floor(server& owner, std::size_t loop)
      : sessions{owner.loops_, loop, owner.rules_, owner.gate_},
        connections{owner.loops_,
                    loop,
                    owner.rules_,
                    owner.ready_,
                    owner.gate_,
                    {owner.rules_.connections.accept_rate, owner.loops_.size()},
                    [&owner, this](const auto& claims) { return owner.find_place(*this, claims); },
                    [&owner, this](newcomer who) { owner.move_home(*this, std::move(who)); }},
        next_batch{owner.loops_.context(loop)} {
    sessions.on_left = [this] { tell_if_empty(); };
    connections.on_left = [this] { tell_if_empty(); };
  }

  // Begins to close everything, `batch_size` sessions at a time.
  void drain(const close_reason& reason, std::size_t batch_size, std::chrono::milliseconds interval) {
    draining = true;
    const auto waiting = connections.connections;
    for (const auto& connection : waiting)
      connection->drop();
    leaving.assign(sessions.sessions.begin(), sessions.sessions.end());
    close_batch(reason, batch_size, interval);
    tell_if_empty();
  }

  void close_batch(const close_reason& reason, std::size_t batch_size, std::chrono::milliseconds interval) {
    for (auto left = batch_size; left > 0 && !leaving.empty(); --left) {
      const auto one = std::move(leaving.back());
      leaving.pop_back();
      one->close(reason);
    }
    if (leaving.empty()) return;
    next_batch.expires_after(interval);
    next_batch.async_wait([=, this](const boost::system::error_code& error) {
      if (!error) close_batch(reason, batch_size, interval);
    });
  }

  void drop_all() {
    next_batch.cancel();
    leaving.clear();
    const auto left = sessions.sessions;
    for (const auto& one : left)
      one->drop();
  }

  void tell_if_empty() {
    if (!draining || told || !sessions.sessions.empty() || !connections.connections.empty()) return;
    told = true;
    next_batch.cancel();
    leaving.clear();
    empty.set_value();
  }

  berths places;
  session_home sessions;
  http_home connections;
  boost::asio::steady_timer next_batch;
  std::vector<std::shared_ptr<session>> leaving;
  std::promise<void> empty;
  bool draining = false;
  bool told = false;
};

server::server(event_loops& loops, doors rules) : loops_{loops}, rules_{std::move(rules)} {
  for (std::size_t loop = 0; loop < loops_.size(); ++loop)
    floors_.push_back(std::make_unique<floor>(*this, loop));
}

server::~server() = default;

std::variant<std::uint16_t, std::string> server::listen(const std::string& address, door which) {
  auto opened = listener::open(loops_, address, [this, which](std::size_t loop, boost::asio::ip::tcp::socket socket) {
    auto& target = *floors_[loop];
    if (!target.draining) http_connection::begin(target.connections, std::move(socket), which);
  });
  if (auto* reason = std::get_if<std::string>(&opened)) return std::move(*reason);
  auto& ready = std::get<std::shared_ptr<listener>>(opened);
  ready->start();
  listeners_.push_back(ready);
  return ready->port();
}

// What the loops read once `ready_` is set has been written before.
void server::open_to(std::vector<directory_actor> directories) {
  rules_.behind.directories = std::move(directories);
  set_ready(true);
}

void server::set_ready(bool ready) noexcept { ready_.store(ready, std::memory_order_release); }

void server::set_gate(const node_gate& state) noexcept { gate_.set(state); }

std::uint64_t server::connections() const noexcept {
  std::uint64_t result = 0;
  for (const auto& each : floors_)
    result += each->places.taken();
  return result;
}

// A user's sockets live on the loop of the user's actor; one that has not said whose it is stays where it was accepted.
std::size_t server::home_of_visitor(const floor& from, const std::optional<token_claims>& claims) const {
  return claims ? home_of(claims->user, loops_.size()) : from.sessions.index;
}

berth server::find_place(const floor& from, const std::optional<token_claims>& claims) {
  const auto& rules = rules_.connections;
  const auto who = claims ? std::optional{parse_tier(claims->tier)} : std::nullopt;
  const auto room = room_for(who, rules.connections_max, loops_.size(), rules.reserve_ratio);
  return floors_[home_of_visitor(from, claims)]->places.take(room);
}

void server::move_home(const floor& from, newcomer who) {
  const auto loop = home_of_visitor(from, who.claims);
  loops_.post(loop, [&target = *floors_[loop], who = std::move(who)]() mutable {
    if (!target.draining) session::begin(target.sessions, std::move(who));
  });
}

// Runs `work` on each loop and waits until it ran on all of them. The watchdog ends a process whose loops do not turn.
template <class Function>
void server::on_every_loop(Function work) {
  std::vector<std::future<void>> done;
  for (std::size_t loop = 0; loop < floors_.size(); ++loop) {
    std::packaged_task<void()> task{[&one = *floors_[loop], work] { work(one); }};
    done.push_back(task.get_future());
    loops_.post(loop, std::move(task));
  }
  for (const auto& each : done)
    each.wait();
}

void server::shut_down(const close_reason& reason, pace how, std::chrono::steady_clock::time_point deadline) {
  set_ready(false);
  for (const auto& each : listeners_)
    each->stop();
  std::vector<std::future<void>> empty;
  for (const auto& each : floors_)
    empty.push_back(each->empty.get_future());
  const auto share = std::max<std::size_t>(1, how.batch_size / floors_.size());
  on_every_loop([reason, share, how](floor& one) { one.drain(reason, share, how.batch_interval); });
  for (const auto& each : empty)
    each.wait_until(deadline);
  on_every_loop([](floor& one) { one.drop_all(); });
  // A socket may have been on its way from one loop to another all the while: behind this nothing is.
  on_every_loop([](floor&) {});
  listeners_.clear();
}

} // namespace gangway
