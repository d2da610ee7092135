#include "net/http_connection.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/steady_timer.hpp>

#include "net/address_hash.hpp"
#include "net/credential_desk.hpp"
#include "net/http_message.hpp"
#include "net/refusals.hpp"
#include "net/request_reader.hpp"
#include "net/request_target.hpp"
#include "net/upgrade.hpp"
#include "protocol/json.hpp"
#include "protocol/log.hpp"
#include "protocol/session_link.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

namespace asio = boost::asio;
namespace http = boost::beast::http;
using field = http::field;
using socket_error = boost::system::error_code;

// For how long an answer that ends a connection may take to be fetched.
constexpr std::chrono::seconds farewell_max{1};

// The demo page runs its own scripts and speaks to its own host, and nobody may frame it.
constexpr std::string_view page_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

constexpr std::string_view go_on = "HTTP/1.1 100 Continue\r\n\r\n";

// "/health/" is "/health": people and proxies add the slash. Below the console it is a page's own business.
void forget_last_slash(std::string& path) {
  if (path.size() > 1 && path.ends_with('/') && !path.starts_with("/console/")) path.pop_back();
}

class live_connection;

// Carries the inspector's answer back. One per request, so that a late answer never meets the next request.
class inspector_reply final : public reply_port, public std::enable_shared_from_this<inspector_reply> {
public:
  inspector_reply(event_loops& loops, std::size_t loop, std::weak_ptr<live_connection> asker)
      : loops_{loops}, loop_{loop}, asker_{std::move(asker)} {}

  void reply(unsigned status, std::string body, std::string_view content_type) override;

private:
  event_loops& loops_;
  std::size_t loop_;
  std::weak_ptr<live_connection> asker_;
};

class live_connection final : public http_connection, public std::enable_shared_from_this<live_connection> {
public:
  live_connection(http_home& home, std::shared_ptr<transport> stream, door which)
      : home_{home},
        which_{which},
        stream_{std::move(stream)},
        client_{stream_->peer()},
        held_{home.rules.inbound->of_stranger()},
        deadline_{home.loops.context(home.index)} {}

  void begin() {
    seat_ = lobby().enter();
    const bool is_known = !rules().proxies.contains(client_);
    if (!seat_ || (is_known && !seat_.name(client_))) stand();
    arm(patience(), &live_connection::drop);
    stream_->open([self = shared_from_this()](const socket_error& error) {
      if (self->gone_) return;
      if (error) return self->drop();
      self->read();
    });
  }

  void drop() override {
    stream_->close();
    leave();
  }

  void on_inspector_reply(const inspector_reply* from, http_answer what) {
    if (from != pending_.get()) return;
    pending_.reset();
    answer(std::move(what));
  }

private:
  const connection_rules& rules() const { return home_.rules.connections; }
  http_request& request() noexcept { return reader_.request(); }
  const http_request& request() const noexcept { return reader_.request(); }
  gangway::lobby& lobby() const { return home_.lobbies[static_cast<std::size_t>(which_)]; }

  // -- reading -------------------------------------------------------------------------------------

  void read() {
    reader_.begin();
    arm(patience(), &live_connection::drop);
    parse();
  }

  // Waits for the next request. It has the time of a whole one from its first byte on.
  void await_next() {
    is_idle_ = true;
    idle_until_ = std::chrono::steady_clock::now() + rules().keep_alive_timeout;
    read();
    if (is_idle_ && !gone_) on_idle();
  }

  // Where seats are scarce nobody keeps one without a word for longer than a request may take.
  void on_idle() {
    const auto left = std::chrono::ceil<std::chrono::milliseconds>(idle_until_ - std::chrono::steady_clock::now());
    if (left.count() <= 0 || !may_stay()) return drop();
    arm(std::min(left, patience()), &live_connection::on_idle);
  }

  bool may_stay() const { return !is_standing_ && !(seat_ && lobby().is_crowded()); }

  void parse() {
    const auto step = reader_.parse();
    if (reader_.has_begun() && std::exchange(is_idle_, false)) arm(patience(), &live_connection::drop);
    switch (step) {
    case request_reader::step::needs_more:
      if (!held_.hold(reader_.held_bytes())) {
        keep_alive_ = false;
        return answer(too_much_held());
      }
      return stream_->read(reader_.prepare(), [self = shared_from_this()](const socket_error& error, std::size_t size) {
        if (self->gone_) return;
        if (error) return self->drop();
        self->reader_.commit(size);
        self->parse();
      });
    case request_reader::step::says_go_on:
      return stream_->write(asio::buffer(go_on), [self = shared_from_this()](const socket_error& error) {
        if (self->gone_) return;
        if (error) return self->drop();
        self->parse();
      });
    case request_reader::step::refused:
      // What follows a body that nobody read would be taken for a request.
      keep_alive_ = false;
      return answer(std::move(reader_.refusal()));
    case request_reader::step::done:
      held_.hold(0);
      return on_request();
    }
  }

  void on_request() {
    if (rules().proxies.contains(stream_->peer())) {
      client_ = client_address(stream_->peer(), joined(request(), "X-Forwarded-For"), rules().proxies);
      if (!is_standing_ && !seat_.name(client_)) stand();
    }
    // Where seats are scarce nobody keeps one for what he may say later.
    keep_alive_ = request().keep_alive() && may_stay();
    handle();
  }

  // Whoever finds no seat is heard all the same, for a moment: he may show a token at once, and whoever looks after the
  // server may ask how it is. All others are told to come again. A trusted proxy is nobody: its client is known once
  // the request is.
  void stand() {
    seat_.give_back();
    is_standing_ = true;
    keep_alive_ = false;
    auto& line = home_.lines[static_cast<std::size_t>(which_)];
    place_ = line.join(hash_of(client_, 0), [weak = weak_from_this()] {
      if (const auto self = weak.lock()) self->drop();
    });
    if (home_.notes.take(std::chrono::steady_clock::now()))
      log::warning("too many connections have not shown who they are",
                   {{"client", client_.to_string()}, {"in_all", lobby().taken()}});
  }

  std::chrono::milliseconds patience() const {
    return is_standing_ ? std::chrono::milliseconds{farewell_max} : rules().handshake_timeout;
  }

  // -- routes --------------------------------------------------------------------------------------

  void handle() {
    if (const auto reason = complain_about_host(request()); !reason.empty())
      return answer(http_error(400, "bad_request", reason));
    const auto line = request().target();
    auto target = parse_target({line.data(), line.size()});
    if (!target) return answer(http_error(400, "bad_request", "the request's target cannot be read"));
    // The target's host is the one that was asked for, whatever a proxy made of the Host header (RFC 9112, 3.2.2).
    if (!target->authority.empty()) {
      request().set(field::host, target->authority);
      if (const auto reason = complain_about_host(request()); !reason.empty())
        return answer(http_error(400, "bad_request", reason));
    }
    if (target->path == "*") return answer_for_all();
    forget_last_slash(target->path);
    if (which_ == door::visitors)
      visit(target->path, target->query);
    else
      administrate(std::move(target->path), std::move(target->query));
  }

  // `OPTIONS *` asks of the whole server what it can do, or merely whether it is there.
  void answer_for_all() {
    if (is_standing_) return answer(no_seat());
    if (request().method() != http::verb::options)
      return answer(http_error(400, "bad_request", "only OPTIONS is for the whole server"));
    const auto* allowed = which_ == door::visitors ? "GET, HEAD, POST" : "GET, HEAD, POST, DELETE";
    answer({.body = "{}", .headers = {{"Allow", allowed}}});
  }

  void visit(const std::string& path, const http_query& query) {
    if (path == "/ws") return upgrade(query);
    if (path == "/dev/token" && !home_.rules.http.demo_secret.empty()) return answer(give_demo_token());
    const auto& files = home_.rules.http.files;
    const auto file = files.find(path);
    const bool is_health = path == "/health" || path == "/health/ready";
    const bool is_looked_after = is_health || path == "/health/live";
    if (!is_looked_after && path != "/version" && file == files.end()) return answer(not_found());
    if (is_standing_ && !is_looked_after) return answer(no_seat());
    if (request().method() != http::verb::get && !reader_.is_head()) return answer(wrong_method("GET, HEAD"));
    if (is_health) return ask_inspector(path, {});
    if (path == "/health/live") return answer({.body = R"({"status":"alive"})"});
    if (path == "/version") return answer({.body = json::object{}.text("version", home_.rules.http.version).take()});
    answer({.body = file->second.body,
            .content_type = file->second.content_type,
            .headers = {{"Content-Security-Policy", std::string{page_policy}}, {"Referrer-Policy", "no-referrer"}}});
  }

  void administrate(std::string path, http_query query) {
    auto token = token_of(request());
    if (!token) {
      if (is_standing_) return answer(no_seat());
      if (!home_.rules.http.dev) return refuse({token_trouble::invalid, "this needs the token of an administrator"});
      if (!is_from_this_machine())
        return answer(http_error(403, "forbidden", "without a token, --dev answers loopback and its own pages only"));
      return obey(std::move(path), std::move(query));
    }
    await_judgement();
    home_.tokens.verify(
        std::move(*token),
        [self = shared_from_this(), path = std::move(path), query = std::move(query)](token_verdict verdict) mutable {
          if (!self->is_judged()) return;
          if (const auto* fault = std::get_if<token_fault>(&verdict)) return self->refuse(*fault);
          const auto& [user, tier, roles, expires_at, is_played] = std::get<token_claims>(verdict);
          const auto& wanted = self->home_.rules.http.admin_role;
          if (std::find(roles.begin(), roles.end(), wanted) == roles.end())
            return self->forbid("this needs the role " + wanted + (is_played ? ", and a simulation has none" : ""),
                                roles, wanted);
          self->obey(std::move(path), std::move(query));
        },
        client_);
  }

  // Does what an administrator wants.
  void obey(std::string path, http_query query) {
    seat_.give_back();
    if (!path.starts_with("/api/v1/") && path != "/metrics" && path != "/console" && !path.starts_with("/console/"))
      return answer(not_found());
    const bool takes_orders = path.starts_with("/api/v1/");
    const bool is_order = takes_orders && is_order_method();
    if (!is_order && request().method() != http::verb::get && !reader_.is_head())
      return answer(wrong_method(takes_orders ? "GET, HEAD, POST, DELETE" : "GET, HEAD"));
    if (request().method() == http::verb::post && !is_json(request()))
      return answer(http_error(415, "bad_request", "the body must be JSON: Content-Type: application/json"));
    if (path == "/api/v1/tickets") return answer(issue_ticket(request(), home_.tickets));
    ask_inspector(std::move(path), std::move(query));
  }

  bool is_order_method() const {
    return request().method() == http::verb::post || request().method() == http::verb::delete_;
  }

  // -- who may -------------------------------------------------------------------------------------

  // A page in this machine's own browser must not reach these doors for a foreign site, nor under a foreign name.
  bool is_from_this_machine() const {
    return stream_->peer().is_loopback() && is_host_loopback(request())
           && is_origin_allowed(request(), header(request(), field::host), rules().origins);
  }

  http_answer give_demo_token() const {
    if (!is_from_this_machine()) return http_error(403, "forbidden", "only this machine's own pages get demo tokens");
    return make_demo_token(request(), home_.rules.http.demo_secret, home_.rules.tokens.rules);
  }

  // -- the way to a session ------------------------------------------------------------------------

  void upgrade(const http_query& query) {
    const auto host = host_of(request(), rules().proxies.contains(stream_->peer()));
    auto judged = judge_upgrade(request(), query, host, reader_.has_more(), rules());
    if (auto* refusal = std::get_if<http_answer>(&judged)) {
      if (!refusal->note.empty())
        home_.tokens.note_refusal({token_trouble::invalid, refusal->note}, client_.to_string());
      return answer(std::move(*refusal));
    }
    if (!home_.ready.load(std::memory_order_acquire)) {
      auto refusal = http_error(503, "draining", "the server is starting or about to end");
      refusal.headers.emplace_back("Retry-After", "1");
      return answer(std::move(refusal));
    }
    auto asked = std::make_shared<upgrade_request>(std::get<upgrade_request>(std::move(judged)));
    if (std::holds_alternative<std::monostate>(asked->credential)) {
      if (is_standing_) return answer(no_seat());
      if (!home_.stranger_upgrades.take(std::chrono::steady_clock::now())) return answer(too_fast());
    }
    if (auto* token = std::get_if<shown_token>(&asked->credential)) {
      await_judgement();
      return home_.tokens.verify(
          std::move(token->text),
          [self = shared_from_this(), asked](token_verdict verdict) {
            if (!self->is_judged()) return;
            if (const auto* fault = std::get_if<token_fault>(&verdict)) return self->refuse(*fault);
            self->board(*asked, identity{std::get<token_claims>(std::move(verdict))},
                        std::get<shown_token>(asked->credential).where);
          },
          client_);
    }
    if (auto* ticket = std::get_if<shown_ticket>(&asked->credential)) {
      await_judgement();
      return home_.redeem(ticket->text, [self = shared_from_this(), asked](std::optional<ticket_grant> granted) {
        const auto& shown = std::get<shown_ticket>(asked->credential).text;
        if (!self->is_judged()) {
          if (granted) self->home_.put_back(shown, std::move(*granted));
          return;
        }
        if (!granted) return self->refuse(bad_ticket());
        if (!self->board(*asked, identity{*granted}, "ticket")) self->home_.put_back(shown, std::move(*granted));
      });
    }
    board(*asked, std::nullopt, "connect");
  }

  // What a judgement waits for may take longer than a request may.
  void await_judgement() {
    is_waiting_ = true;
    arm(keys_patience, &live_connection::on_no_judgement);
  }

  // Whether somebody still waits for it.
  bool is_judged() { return std::exchange(is_waiting_, false) && !gone_; }

  // The connection ends with it: behind a proxy the next request may be somebody else's, and a late judgement must not
  // be taken for his.
  void on_no_judgement() {
    is_waiting_ = false;
    keep_alive_ = false;
    answer(overloaded("the keys that tokens are checked by do not come", keys_retry_after));
  }

  void forbid(const std::string& reason, const std::vector<std::string>& roles, const std::string& wanted) {
    home_.tokens.note_refusal(lacks_role(reason, roles, wanted), client_.to_string());
    answer(http_error(403, "forbidden", reason));
  }

  void refuse(const token_fault& fault) {
    home_.tokens.note_refusal(fault, client_.to_string());
    // To judge garbage costs more than to send it: each try costs a connection.
    keep_alive_ = false;
    answer(to_answer(fault));
  }

  // Lets the client in, or answers why not. Returns whether it is let in.
  bool board(upgrade_request& asked, std::optional<identity> who, std::string_view shown) {
    if (!home_.upgrades.take(std::chrono::steady_clock::now())) {
      answer(too_fast());
      return false;
    }
    const auto gate = home_.gate.get();
    if (!is_open_to(gate, who ? std::optional{parse_tier(who->tier)} : std::nullopt)) {
      answer(overloaded("the server is short of resources", gate.retry_after));
      return false;
    }
    // A user's sockets live on the loop of the user's actor, if they can be carried there.
    const bool stays = !who || stream_->is_bound();
    const auto loop = stays ? home_.index : home_of(who->user, home_.loops.size());
    auto place = home_.find_place(who);
    if (!place) {
      answer(overloaded("the server has as many connections as it may have", gate.retry_after));
      return false;
    }
    auto connection = stream_->upgrade();
    if (!connection) {
      drop();
      return false;
    }
    if (who) seat_.give_back();
    home_.on_upgrade({loop,
                      std::move(connection),
                      std::move(asked.websocket),
                      std::move(who),
                      std::move(asked.wanted),
                      std::move(place),
                      std::move(seat_),
                      {client_, shown, stream_->is_bound()}});
    leave();
    return true;
  }

  // -- the inspector -------------------------------------------------------------------------------

  // A HEAD is asked as the GET that it stands for.
  void ask_inspector(std::string path, http_query query) {
    const auto& http = home_.rules.http;
    const bool is_order = is_order_method();
    pending_ = std::make_shared<inspector_reply>(home_.loops, home_.index, weak_from_this());
    arm(is_order ? http.order_timeout : http.inspector_timeout, &live_connection::on_silent_inspector);
    caf::anon_send(home_.rules.behind.inspector,
                   answer_request{is_order ? std::string{request().method_string()} : "GET", std::move(path),
                                  std::move(query), reply_link{pending_},
                                  is_order ? std::move(request().body()) : std::string{}});
  }

  void on_silent_inspector() {
    pending_.reset();
    answer(http_error(503, "overloaded", "the inspector does not answer"));
  }

  // -- answering -----------------------------------------------------------------------------------

  void answer(http_answer what) {
    if (gone_) return;
    const auto held = std::chrono::floor<std::chrono::seconds>(rules().keep_alive_timeout);
    out_ = to_text(what, reader_.is_head(), keep_alive_ ? keep_alive_time{held} : std::nullopt);
    arm(rules().handshake_timeout, &live_connection::drop);
    stream_->write(asio::buffer(out_), [self = shared_from_this()](const socket_error& error) {
      if (self->gone_) return;
      if (error) return self->drop();
      self->out_ = {};
      if (self->keep_alive_) return self->await_next();
      self->arm(farewell_max, &live_connection::drop);
      self->stream_->finish([self](const socket_error&) {
        if (!self->gone_) self->drop();
      });
    });
  }

  // -- time, and the end ---------------------------------------------------------------------------

  // One deadline at a time: whatever is waited for next has its own.
  void arm(std::chrono::milliseconds delay, void (live_connection::*then)()) {
    deadline_.expires_after(delay);
    deadline_.async_wait([self = shared_from_this(), then, turn = ++turn_](const socket_error& error) {
      if (!error && !self->gone_ && turn == self->turn_) ((*self).*then)();
    });
  }

  void leave() {
    if (std::exchange(gone_, true)) return;
    pending_.reset();
    deadline_.cancel();
    seat_.give_back();
    place_.give_back();
    held_.hold(0);
    home_.connections.erase(shared_from_this());
    if (home_.on_left) home_.on_left();
  }

  http_home& home_;
  door which_;
  std::shared_ptr<transport> stream_;
  asio::ip::address client_; ///< as far as is known
  lobby_seat seat_;
  standing_line::place place_; // if there was no seat
  inbound_share held_;         // what has come of its request
  bool keep_alive_ = true;
  bool is_standing_ = false; // without a seat
  bool is_idle_ = false;     // between two requests
  bool is_waiting_ = false;  // for a judgement of what was shown
  bool gone_ = false;
  request_reader reader_;
  std::chrono::steady_clock::time_point idle_until_;
  std::string out_;
  std::shared_ptr<inspector_reply> pending_;
  asio::steady_timer deadline_;
  std::uint32_t turn_ = 0; // of the deadline: one that expired may still be on its way when the next begins
};

void inspector_reply::reply(unsigned status, std::string body, std::string_view content_type) {
  http_answer what{.status = status, .body = std::move(body), .content_type = std::string{content_type}};
  loops_.post(loop_, [self = shared_from_this(), what = std::move(what)]() mutable {
    if (auto asker = self->asker_.lock()) asker->on_inspector_reply(self.get(), std::move(what));
  });
}

} // namespace

void http_connection::begin(http_home& home, std::shared_ptr<transport> stream, door which) {
  auto connection = std::make_shared<live_connection>(home, std::move(stream), which);
  home.connections.insert(connection);
  connection->begin();
}

} // namespace gangway
