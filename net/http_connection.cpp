#include "net/http_connection.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/steady_timer.hpp>
#include <boost/asio/write.hpp>
#include <boost/beast/core/basic_stream.hpp>
#include <boost/beast/core/flat_buffer.hpp>
#include <boost/beast/http/error.hpp>
#include <boost/beast/http/parser.hpp>
#include <boost/beast/http/read.hpp>
#include <boost/url/parse.hpp>
#include <boost/url/url_view.hpp>

#include "net/http_message.hpp"
#include "protocol/json.hpp"
#include "protocol/log.hpp"
#include "protocol/session_link.hpp"
#include "protocol/wire.hpp"

namespace gangway {

namespace {

namespace asio = boost::asio;
namespace beast = boost::beast;
namespace http = boost::beast::http;
using asio::ip::tcp;
using field = http::field;
using socket_error = boost::system::error_code;

constexpr std::uint32_t header_bytes_max = 16 * 1024;
constexpr std::uint64_t body_bytes_max = 64 * 1024;

// For how long a token of the demo page is good.
constexpr std::chrono::hours demo_token_age{12};

// For how long an answer that ends a connection may take to be fetched.
constexpr std::chrono::seconds farewell_max{1};

// The demo page runs its own scripts and speaks to its own host, and nobody may frame it.
constexpr std::string_view page_policy =
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

http_answer not_found() { return http_error(404, "not_found", "nothing is served at this path"); }

http_answer wrong_method(std::string allowed) {
  auto result = http_error(405, "bad_request", "this path answers " + allowed);
  result.headers.emplace_back("Allow", std::move(allowed));
  return result;
}

http_answer bad_token(const token_fault& fault) {
  log::info("a token was refused", {{"reason", fault.reason}});
  auto result = http_error(401, fault.expired ? "token_expired" : "unauthenticated", fault.reason);
  result.headers.emplace_back("WWW-Authenticate", "Bearer error=\"invalid_token\"");
  return result;
}

http_answer overloaded(std::string_view reason, std::chrono::milliseconds retry_after) {
  auto result = http_error(503, "overloaded", reason);
  const auto seconds = std::chrono::ceil<std::chrono::seconds>(retry_after).count();
  result.headers.emplace_back("Retry-After", std::to_string(std::max<std::int64_t>(1, seconds)));
  return result;
}

http_query query_of(const boost::urls::url_view& url) {
  http_query result;
  for (const auto& parameter : url.params())
    result.emplace_back(parameter.key, parameter.value);
  return result;
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
  live_connection(http_home& home, tcp::socket socket, door which)
      : home_{home},
        which_{which},
        stream_{std::move(socket)},
        buffer_{header_bytes_max + body_bytes_max},
        inspector_deadline_{stream_.get_executor()} {
    socket_error ignored;
    is_local_ = stream_.socket().remote_endpoint(ignored).address().is_loopback();
  }

  void read() {
    parser_.emplace();
    parser_->header_limit(header_bytes_max);
    parser_->body_limit(body_bytes_max);
    stream_.expires_after(rules().handshake_timeout);
    http::async_read(stream_, buffer_, *parser_,
                     [self = shared_from_this()](socket_error error, std::size_t) { self->on_read(error); });
  }

  void drop() override {
    inspector_deadline_.cancel();
    stream_.close();
    leave();
  }

  void on_inspector_reply(const inspector_reply* from, http_answer what) {
    if (from != pending_.get()) return;
    pending_.reset();
    inspector_deadline_.cancel();
    answer(std::move(what));
  }

private:
  const connection_rules& rules() const { return home_.rules.connections; }

  void on_read(socket_error error) {
    if (gone_) return;
    if (!error) {
      request_ = parser_->release();
      parser_.reset();
      is_head_ = request_.method() == http::verb::head;
      keep_alive_ = request_.keep_alive();
      return handle();
    }
    keep_alive_ = false;
    if (error == http::error::header_limit || error == http::error::buffer_overflow)
      return answer(http_error(431, "too_large", "the header is longer than 16 KiB"));
    if (error == http::error::body_limit) return answer(http_error(413, "too_large", "the body is longer than 64 KiB"));
    if (error.category() == make_error_code(http::error::bad_method).category() && error != http::error::end_of_stream
        && error != http::error::partial_message)
      return answer(http_error(400, "bad_request", "this is not HTTP/1.1: " + error.message()));
    drop();
  }

  // -- routes --------------------------------------------------------------------------------------

  void handle() {
    const auto target = request_.target();
    auto parsed = boost::urls::parse_origin_form(target);
    if (!parsed) parsed = boost::urls::parse_absolute_uri(target);
    if (!parsed) return answer(http_error(400, "bad_request", "the request's target cannot be read"));
    const boost::urls::url_view& url = *parsed;
    const std::string path{url.encoded_path()};
    if (which_ == door::visitors)
      visit(url, path);
    else
      administrate(url, path);
  }

  void visit(const boost::urls::url_view& url, const std::string& path) {
    if (path == "/ws") return upgrade(url);
    if (path == "/dev/token" && home_.rules.http.dev) return answer(make_demo_token());
    const auto& files = home_.rules.http.files;
    const auto file = files.find(path);
    const bool is_health = path == "/health" || path == "/health/ready";
    if (!is_health && path != "/health/live" && path != "/version" && file == files.end()) return answer(not_found());
    if (request_.method() != http::verb::get && !is_head_) return answer(wrong_method("GET, HEAD"));
    if (is_health) return ask_inspector(path, {});
    if (path == "/health/live") return answer({.body = R"({"status":"alive"})"});
    if (path == "/version") return answer({.body = json::object{}.text("version", home_.rules.http.version).take()});
    answer({.body = file->second.body,
            .content_type = file->second.content_type,
            .headers = {{"Content-Security-Policy", std::string{page_policy}}, {"Referrer-Policy", "no-referrer"}}});
  }

  void administrate(const boost::urls::url_view& url, const std::string& path) {
    if (auto refusal = refuse_administrator()) return answer(std::move(*refusal));
    if (!path.starts_with("/api/v1/") && path != "/metrics" && path != "/console" && !path.starts_with("/console/"))
      return answer(not_found());
    const bool takes_orders = path.starts_with("/api/v1/");
    const bool is_order = takes_orders && is_order_method();
    if (!is_order && request_.method() != http::verb::get && !is_head_)
      return answer(wrong_method(takes_orders ? "GET, HEAD, POST, DELETE" : "GET, HEAD"));
    if (request_.method() == http::verb::post && !is_json(request_))
      return answer(http_error(415, "bad_request", "the body must be JSON: Content-Type: application/json"));
    ask_inspector(path, query_of(url));
  }

  bool is_order_method() const {
    return request_.method() == http::verb::post || request_.method() == http::verb::delete_;
  }

  // -- who may -------------------------------------------------------------------------------------

  // A page in this machine's own browser must not reach these doors for a foreign site, nor under a foreign name.
  bool is_from_this_machine() const {
    return is_local_ && is_host_loopback(request_) && is_origin_allowed(request_, rules().origins);
  }

  std::optional<http_answer> refuse_administrator() {
    const auto token = token_of(request_);
    if (!token) {
      if (!home_.rules.http.dev) return bad_token({false, "this needs the token of an administrator"});
      if (!is_from_this_machine())
        return http_error(403, "forbidden", "without a token, --dev answers loopback and its own pages only");
      return std::nullopt;
    }
    const auto verdict = verify_token(*token, rules().tokens, utc_now());
    if (const auto* fault = std::get_if<token_fault>(&verdict)) return bad_token(*fault);
    const auto& roles = std::get<token_claims>(verdict).roles;
    if (std::find(roles.begin(), roles.end(), home_.rules.http.admin_role) == roles.end())
      return http_error(403, "forbidden", "this needs the role " + home_.rules.http.admin_role);
    return std::nullopt;
  }

  http_answer make_demo_token() {
    if (request_.method() != http::verb::post) return wrong_method("POST");
    if (!is_from_this_machine()) return http_error(403, "forbidden", "only this machine's own pages get demo tokens");
    constexpr std::string_view names[] = {"user", "tier"};
    std::string_view values[2];
    const auto body = json::find_members(request_.body(), names, values, wire::depth_max);
    const auto user = body == json::verdict::object ? json::to_text(values[0]) : std::nullopt;
    if (!user || !is_user_id(*user))
      return http_error(400, "bad_request", R"(say {"user":…}: 1 to 255 bytes without control characters)");
    const auto now = utc_now();
    const token_claims claims{{*user}, json::to_text(values[1]).value_or(""), {}, now + demo_token_age};
    return {.body = json::object{}.text("token", make_token(claims, rules().tokens, now)).take()};
  }

  // -- the way to a session ------------------------------------------------------------------------

  void upgrade(const boost::urls::url_view& url) {
    if (request_.method() != http::verb::get) return answer(wrong_method("GET"));
    if (!is_upgrade(request_) || header(request_, field::sec_websocket_version) != "13") {
      auto refusal = http_error(426, "bad_request", "this path speaks WebSocket (RFC 6455, version 13) only");
      refusal.headers.emplace_back("Upgrade", "websocket");
      refusal.headers.emplace_back("Connection", "Upgrade");
      refusal.headers.emplace_back("Sec-WebSocket-Version", "13");
      return answer(std::move(refusal));
    }
    auto wanted = wanted_of(query_of(url));
    if (const auto* reason = std::get_if<std::string>(&wanted)) return answer(http_error(400, "bad_request", *reason));
    for (const auto* asked : {"token", "access_token", "ticket"})
      if (url.params().contains(asked))
        return answer(http_error(400, "bad_request",
                                 "a token comes in the Authorization header, the subprotocol or a connect frame"));
    // A key is 16 bytes in base64, which is 22 letters and two signs.
    const auto key = header(request_, field::sec_websocket_key);
    if (key.size() != 24 || !key.ends_with("=="))
      return answer(http_error(400, "bad_request", "Sec-WebSocket-Key is not 16 bytes in base64"));
    if (!request_.body().empty() || buffer_.size() > 0)
      return answer(http_error(400, "bad_request", "a client says nothing more before its upgrade is answered"));
    if (!is_origin_allowed(request_, rules().origins))
      return answer(http_error(403, "forbidden", "this origin is neither the server's own nor among `origins`"));
    if (!home_.ready.load(std::memory_order_acquire)) {
      auto refusal = http_error(503, "draining", "the server is starting or about to end");
      refusal.headers.emplace_back("Retry-After", "1");
      return answer(std::move(refusal));
    }
    if (!home_.upgrades.take(std::chrono::steady_clock::now()))
      return answer(overloaded("more clients come at once than the server lets in", std::chrono::seconds{1}));
    std::optional<token_claims> claims;
    if (const auto token = token_of(request_)) {
      auto verdict = verify_token(*token, rules().tokens, utc_now());
      if (const auto* fault = std::get_if<token_fault>(&verdict)) return answer(bad_token(*fault));
      claims = std::get<token_claims>(std::move(verdict));
    }
    const auto gate = home_.gate.get();
    if (!is_open_to(gate, claims ? std::optional{parse_tier(claims->tier)} : std::nullopt))
      return answer(overloaded("the server is short of resources", gate.retry_after));
    auto place = home_.find_place(claims);
    if (!place) return answer(overloaded("the server has as many connections as it may have", gate.retry_after));
    websocket_upgrade asked{std::string{key},
                            header_has_token(request_, field::sec_websocket_protocol, wire::subprotocol)};
    socket_error error;
    const bool is_v6 = stream_.socket().local_endpoint(error).protocol() == tcp::v6();
    if (error) return leave();
    stream_.expires_never();
    auto socket = stream_.release_socket();
    loose_socket loose{socket.release(error), is_v6};
    if (error) return leave();
    home_.on_upgrade({std::move(loose), std::move(asked), std::move(claims),
                      std::get<std::optional<wanted_thread>>(std::move(wanted)), std::move(place)});
    leave();
  }

  // -- the inspector -------------------------------------------------------------------------------

  // A HEAD is asked as the GET that it stands for.
  void ask_inspector(std::string path, http_query query) {
    const auto& http = home_.rules.http;
    const bool is_order = is_order_method();
    pending_ = std::make_shared<inspector_reply>(home_.loops, home_.index, weak_from_this());
    inspector_deadline_.expires_after(is_order ? http.order_timeout : http.inspector_timeout);
    inspector_deadline_.async_wait([self = shared_from_this(), asked = pending_.get()](socket_error error) {
      if (error || self->gone_ || self->pending_.get() != asked) return;
      self->pending_.reset();
      self->answer(http_error(503, "overloaded", "the inspector does not answer"));
    });
    stream_.expires_never();
    caf::anon_send(home_.rules.behind.inspector,
                   answer_request{is_order ? std::string{request_.method_string()} : "GET", std::move(path),
                                  std::move(query), reply_link{pending_},
                                  is_order ? std::move(request_.body()) : std::string{}});
  }

  // -- answering -----------------------------------------------------------------------------------

  void answer(http_answer what) {
    if (gone_) return;
    out_ = to_text(what, is_head_, keep_alive_);
    stream_.expires_after(rules().handshake_timeout);
    asio::async_write(stream_, asio::buffer(out_), [self = shared_from_this()](socket_error error, std::size_t) {
      if (self->gone_) return;
      if (error) return self->drop();
      self->out_ = {};
      if (self->keep_alive_) return self->read();
      self->stream_.expires_after(farewell_max);
      self->stream_.socket().shutdown(tcp::socket::shutdown_send, error);
      self->await_hang_up();
    });
  }

  // A socket that is closed with bytes unread is reset, and the answer with it: the client hangs up first.
  void await_hang_up() {
    buffer_.clear();
    stream_.async_read_some(buffer_.prepare(4096), [self = shared_from_this()](socket_error error, std::size_t) {
      if (self->gone_) return;
      if (error) return self->drop();
      self->await_hang_up();
    });
  }

  void leave() {
    if (std::exchange(gone_, true)) return;
    pending_.reset();
    home_.connections.erase(shared_from_this());
    if (home_.on_left) home_.on_left();
  }

  http_home& home_;
  door which_;
  bool is_local_ = false;
  bool is_head_ = false;
  bool keep_alive_ = true;
  bool gone_ = false;
  beast::basic_stream<tcp> stream_;
  beast::flat_buffer buffer_;
  std::optional<http::request_parser<http::string_body>> parser_;
  http_request request_;
  std::string out_;
  std::shared_ptr<inspector_reply> pending_;
  asio::steady_timer inspector_deadline_;
};

void inspector_reply::reply(unsigned status, std::string body, std::string_view content_type) {
  http_answer what{.status = status, .body = std::move(body), .content_type = std::string{content_type}};
  loops_.post(loop_, [self = shared_from_this(), what = std::move(what)]() mutable {
    if (auto asker = self->asker_.lock()) asker->on_inspector_reply(self.get(), std::move(what));
  });
}

} // namespace

void http_connection::begin(http_home& home, tcp::socket socket, door which) {
  auto connection = std::make_shared<live_connection>(home, std::move(socket), which);
  home.connections.insert(connection);
  connection->read();
}

} // namespace gangway
