#include "net/server.hpp"

#include <algorithm>
#include <future>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "net/auth/jwks_fetch.hpp"
#include "net/listener.hpp"
#include "net/session.hpp"
#include "net/transport.hpp"
#include "protocol/log.hpp"

namespace gangway {

namespace {

// Of so many descriptors, the last ones are the process's own: the database, the admin API, what it reads of itself.
constexpr int descriptors_kept = 64;

// Returns how many of those who find no seat may stand on each loop: all together half as many as have seats.
std::size_t standing_max(const connection_rules& rules, std::size_t loops) {
  constexpr std::uint32_t least = 64;
  return std::max(rules.unauthenticated_max / 2, least) / loops + 1;
}

lobby lobby_of(const connection_rules& rules) {
  return {rules.unauthenticated_max, rules.unauthenticated_per_address_max};
}

} // namespace

// One loop's part. After construction it is touched on that loop alone, but for `empty`.
struct server::floor {
  floor(server& owner, std::size_t loop)
      : tickets{loop},
        tokens{owner.rules_.tokens, ask_of(owner, loop)},
        sign_ins{owner.loops_.context(loop)},
        tls{owner.rules_.tls},
        handshakes{owner.loops_.context(loop)},
        sessions{owner.loops_, loop,
                 owner.rules_, owner.gate_,
                 tokens,       token_expiries{owner.loops_.context(loop)},
                 sign_ins,     [&owner](newcomer who) { owner.move_home(std::move(who)); }},
        connections{
            owner.loops_,
            loop,
            owner.rules_,
            owner.ready_,
            owner.gate_,
            owner.lobbies_,
            tokens,
            tickets,
            {standing_line{standing_max(owner.rules_.connections, owner.loops_.size())},
             standing_line{standing_max(owner.rules_.connections, owner.loops_.size())}},
            {owner.rules_.connections.accept_rate, owner.loops_.size()},
            {(owner.rules_.connections.accept_rate + 1) / 2, owner.loops_.size()},
            [&owner, loop](std::string ticket, auto done) { owner.redeem(loop, std::move(ticket), std::move(done)); },
            [&owner](std::string ticket, ticket_grant granted) {
              owner.put_back(std::move(ticket), std::move(granted));
            },
            [&owner](const auto& who) { return owner.find_place(who); },
            [&owner](newcomer who) { owner.move_home(std::move(who)); }},
        next_batch{owner.loops_.context(loop)} {
    sessions.on_left = [this] { tell_if_empty(); };
    connections.on_left = [this] { tell_if_empty(); };
  }

  static token_verifier::ask_for_keys ask_of(server& owner, std::size_t loop) {
    if (!owner.rules_.jwks) return {};
    return [&owner, loop](auto done) { owner.ask_for_keys(loop, std::move(done)); };
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
    sign_ins.flush();
    handshakes.stop();
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

  ticket_office tickets;
  token_verifier tokens;
  sign_in_log sign_ins;
  tls_context tls;
  handshake_turns handshakes; // outlives the connections, which ask for them
  session_home sessions;
  http_home connections;
  boost::asio::steady_timer next_batch;
  std::vector<std::shared_ptr<session>> leaving;
  std::promise<void> empty;
  bool draining = false;
  bool told = false;
};

server::server(event_loops& loops, doors rules)
    : loops_{loops},
      rules_{std::move(rules)},
      lobbies_{lobby_of(rules_.connections), lobby_of(rules_.connections)},
      dials_{rules_.connections.dials_per_address} {
  if (!rules_.inbound) rules_.inbound = std::make_shared<inbound_budget>(inbound_limits{});
  for (std::size_t loop = 0; loop < loops_.size(); ++loop)
    floors_.push_back(std::make_unique<floor>(*this, loop));
  // Before anybody can be told that the ports are open: without keys the server is not ready.
  report_keys(rules_.jwks ? "the keys that tokens are checked by have not been fetched yet" : "");
  if (rules_.jwks) loops_.post(0, [this] { fetch_keys(); });
}

server::~server() = default;

std::variant<std::uint16_t, std::string> server::listen(const std::string& address, door which) {
  auto opened = listener::open(loops_, address,
                               {[this](const boost::asio::ip::tcp::socket& socket) { return may_dial(socket); },
                                [this, which](std::size_t loop, boost::asio::ip::tcp::socket socket, bool is_scarce) {
                                  accept(loop, std::move(socket), which, is_scarce);
                                },
                                descriptors_kept});
  if (auto* reason = std::get_if<std::string>(&opened)) return std::move(*reason);
  auto& ready = std::get<std::shared_ptr<listener>>(opened);
  ready->start();
  listeners_.push_back(ready);
  return ready->port();
}

// A trusted proxy dials for many.
bool server::may_dial(const boost::asio::ip::tcp::socket& socket) {
  boost::system::error_code error;
  const auto peer = unmapped(socket.remote_endpoint(error).address());
  if (error) return false;
  const auto now = std::chrono::steady_clock::now();
  if (rules_.connections.proxies.contains(peer) || dials_.take(peer, now)) return true;
  if (dial_notes_.take(now))
    log::warning("an address opens too many connections a second, and more are closed at once",
                 {{"client", peer.to_string()}, {"dials_per_address", rules_.connections.dials_per_address}});
  return false;
}

void server::accept(std::size_t loop, boost::asio::ip::tcp::socket socket, door which, bool is_scarce) {
  auto& target = *floors_[loop];
  if (target.draining) return;
  if (is_scarce && !target.connections.lines[static_cast<std::size_t>(which)].shorten()) return;
  auto stream = target.tls ? make_tls_transport(loops_.context(loop), std::move(socket), target.tls, target.handshakes)
                           : make_plain_transport(std::move(socket));
  http_connection::begin(target.connections, std::move(stream), which);
}

// -- who is let in -------------------------------------------------------------------------------

// On loop 0, where the source lives.
void server::fetch_keys() {
  const auto& place = *rules_.jwks;
  try {
    key_server_ = make_http_client(loops_.context(0), {.ca_file = place.ca_file});
  } catch (const std::exception& error) {
    log::error("no token can be checked, so nobody can sign in", {{"reason", error.what()}});
    return report_keys(error.what());
  }
  key_source_ = std::make_unique<jwks_source>(
      loops_.context(0), place.rules, fetch_jwks_from(*key_server_, place.url),
      jwks_source::listener{[this](std::shared_ptr<const key_set> keys) { use_keys(std::move(keys)); },
                            [this](const std::string& trouble) { report_keys(trouble); }});
  key_source_->start();
}

void server::report_keys(const std::string& trouble) {
  caf::anon_send(rules_.behind.inspector, component_changed{"auth", trouble});
}

void server::use_keys(std::shared_ptr<const key_set> keys) {
  for (std::size_t loop = 0; loop < loops_.size(); ++loop)
    loops_.post(loop, [&target = *floors_[loop], keys] { target.tokens.use(keys); });
}

void server::use_certificate(tls_context context) {
  for (std::size_t loop = 0; loop < loops_.size(); ++loop)
    loops_.post(loop, [&target = *floors_[loop], context] { target.tls = context; });
}

// The answer comes behind the keys that it is about: both are posted by loop 0.
void server::ask_for_keys(std::size_t loop, std::function<void(key_renewal)> done) {
  loops_.post(0, [this, loop, done = std::move(done)]() mutable {
    auto answer = [this, loop, done = std::move(done)](key_renewal what) {
      loops_.post(loop, [done, what] { done(what); });
    };
    if (!key_source_) return answer(key_renewal::unavailable);
    key_source_->renew(std::move(answer));
  });
}

void server::redeem(std::size_t loop, std::string ticket, std::function<void(std::optional<ticket_grant>)> done) {
  const auto office = office_of(ticket, loops_.size());
  if (!office) return done(std::nullopt);
  loops_.post(*office, [this, loop, office = *office, ticket = std::move(ticket), done = std::move(done)]() mutable {
    auto granted = floors_[office]->tickets.redeem(ticket, std::chrono::steady_clock::now());
    loops_.post(loop, [done = std::move(done), granted = std::move(granted)]() mutable { done(std::move(granted)); });
  });
}

// What the loops read once `ready_` is set has been written before.
void server::open_to(std::vector<directory_actor> directories) {
  rules_.behind.directories = std::move(directories);
  set_ready(true);
}

void server::set_ready(bool ready) noexcept { ready_.store(ready, std::memory_order_release); }

void server::set_gate(const node_gate& state) noexcept { gate_.set(state); }

std::uint64_t server::connections() const noexcept { return places_.taken(); }

void server::put_back(std::string ticket, ticket_grant granted) {
  const auto office = office_of(ticket, loops_.size());
  if (!office) return;
  loops_.post(*office,
              [&target = *floors_[*office], ticket = std::move(ticket), granted = std::move(granted)]() mutable {
                target.tickets.put_back(std::move(ticket), std::move(granted), std::chrono::steady_clock::now());
              });
}

berth server::find_place(const std::optional<identity>& who) {
  const auto& rules = rules_.connections;
  const auto rank = who ? std::optional{parse_tier(who->tier)} : std::nullopt;
  return places_.take(room_for(rank, rules.connections_max, rules.reserve_ratio));
}

void server::move_home(newcomer who) {
  auto& target = *floors_[who.loop];
  loops_.post(who.loop, [&target, who = std::move(who)]() mutable {
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
  loops_.post(0, [this] {
    if (key_source_) key_source_->stop();
  });
  std::vector<std::future<void>> empty;
  for (const auto& each : floors_)
    empty.push_back(each->empty.get_future());
  const auto share = std::max<std::size_t>(1, how.batch_size / floors_.size());
  on_every_loop([reason, share, how](floor& one) { one.drain(reason, share, how.batch_interval); });
  for (const auto& each : empty)
    each.wait_until(deadline);
  on_every_loop([](floor& one) { one.drop_all(); });
  // A socket may have been on its way from one loop to another all the while, or the question whether its token is
  // good, to loop 0 and back: behind these nothing is.
  for (int hop = 0; hop < 2; ++hop)
    on_every_loop([](floor&) {});
  on_every_loop([this](const floor& one) {
    if (&one != floors_.front().get()) return;
    key_source_.reset();
    key_server_.reset();
  });
  listeners_.clear();
}

} // namespace gangway
