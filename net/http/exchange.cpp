#include "net/http/exchange.hpp"

#include <algorithm>
#include <utility>

#include <boost/asio/error.hpp>
#include <boost/asio/post.hpp>

namespace gangway {

namespace {

namespace asio = boost::asio;
using asio::ip::tcp;
using kind = http_failure_kind;

std::string within(http_limits::duration timeout) { return " within " + std::to_string(timeout.count()) + " ms"; }

} // namespace

http_exchange::http_exchange(std::shared_ptr<http_pool> pool, http_call call,
                             std::shared_ptr<http_answer_handler> handler)
    : pool_{std::move(pool)}, call_{std::move(call)}, handler_{std::move(handler)}, timer_{pool_->context()} {}

void http_exchange::begin() {
  pool_->running.insert(shared_from_this());
  if (call_.limits.total_timeout.count() > 0) total_due_ = clock::now() + call_.limits.total_timeout;
  watch();
  asio::post(pool_->context(), [self = shared_from_this()] {
    if (!self->is_stopped_) self->start();
  });
}

void http_exchange::start() {
  auto url = parse_http_url(call_.url);
  if (!url) return fail(kind::bad_url, "the URL is not an absolute one of http or https, or has a user in it");
  url_ = std::move(*url);
  auto text = request_text(call_, url_);
  if (!text) return fail(kind::bad_call, "the request's method or one of its headers cannot be sent");
  text_ = std::make_shared<const std::string>(std::move(*text));
  call_.body = {};
  wire_ = pool_->take(url_);
  is_reused_ = wire_ != nullptr;
  if (is_reused_) return transmit();
  connect();
}

// -- the way to the server -----------------------------------------------------------------------

void http_exchange::connect() {
  enter(phase::connecting, call_.limits.connect_timeout);
  connect_due_ = phase_due_;
  socket_error error;
  const auto address = asio::ip::make_address(url_.host, error);
  if (error) return resolve();
  addresses_.assign(1, {address, url_.port});
  try_next_address();
}

void http_exchange::resolve() {
  resolver_.emplace(pool_->context());
  resolver_->async_resolve(url_.host, std::to_string(url_.port), tcp::resolver::numeric_service,
                           [self = shared_from_this()](socket_error error, const tcp::resolver::results_type& found) {
                             if (self->is_stopped_) return;
                             if (error || found.empty())
                               return self->fail(kind::resolve, "the name " + self->url_.host
                                                                    + " cannot be looked up: " + error.message());
                             for (const auto& one : found)
                               self->addresses_.push_back(one.endpoint());
                             std::reverse(self->addresses_.begin(), self->addresses_.end());
                             self->try_next_address();
                           });
}

void http_exchange::try_next_address() {
  const auto address = addresses_.back();
  addresses_.pop_back();
  // An address that swallows everything leaves the others their share of the time.
  if (connect_due_ != clock::time_point::max()) {
    const auto now = clock::now();
    phase_due_ = now + (connect_due_ - now) / static_cast<int>(addresses_.size() + 1);
    watch();
  }
  wire_ = pool_->make(url_);
  wire_->connect(address, [self = shared_from_this()](socket_error error) { self->on_connected(error); });
}

void http_exchange::on_connected(socket_error error) {
  if (error) {
    wire_->close();
    if (!addresses_.empty()) return try_next_address();
    return fail(kind::connect, "no connection to " + server() + ": " + error.message());
  }
  phase_ = phase::securing;
  phase_due_ = connect_due_;
  watch();
  wire_->shake_hands([self = shared_from_this()](socket_error failed) { self->on_secured(failed); });
}

void http_exchange::on_secured(socket_error error) {
  if (!error) return transmit();
  const auto fault = wire_->certificate_fault();
  if (!fault.empty()) return fail(kind::tls, "the certificate of " + server() + " is refused: " + fault);
  fail(kind::tls, "no TLS with " + server() + ": " + error.message());
}

// -- the request ---------------------------------------------------------------------------------

void http_exchange::transmit() {
  sent_ = 0;
  may_be_told_ = false;
  reader_.emplace(call_.method == "HEAD", call_.limits);
  enter(phase::sending, call_.limits.idle_timeout);
  // A server may answer before it has read everything, and then read no more.
  listen();
  write_more();
}

void http_exchange::write_more() {
  may_be_told_ = true;
  wire_->write(text_, sent_,
               [self = shared_from_this()](socket_error error, std::size_t bytes) { self->on_sent(error, bytes); });
}

void http_exchange::on_sent(socket_error error, std::size_t bytes) {
  sent_ += bytes;
  may_be_told_ = sent_ > 0;
  // After an error, reading tells more: the end, its reason, or an answer that came before it.
  const bool is_over = error || sent_ == text_->size();
  if (phase_ == phase::receiving)
    enter(phase::receiving, call_.limits.idle_timeout);
  else if (is_over)
    enter(phase::waiting, call_.limits.first_byte_timeout);
  else
    enter(phase::sending, call_.limits.idle_timeout);
  if (!is_over) write_more();
}

// -- the answer ----------------------------------------------------------------------------------

void http_exchange::listen() {
  wire_->read(
      [self = shared_from_this()](socket_error error, std::string_view bytes) { self->on_bytes(error, bytes); });
}

void http_exchange::on_bytes(socket_error error, std::string_view bytes) {
  if (error) return on_hang_up(error);
  is_answered_ = true;
  reader_->add(bytes);
  if (phase_ == phase::receiving) enter(phase::receiving, call_.limits.idle_timeout);
  if (read_answer()) listen();
}

// Returns whether there is more to come.
bool http_exchange::read_answer() {
  const auto handler = handler_;
  for (;;) {
    switch (reader_->next()) {
    case http_reader::event::nothing:
      return true;
    case http_reader::event::head:
      enter(phase::receiving, call_.limits.idle_timeout);
      handler->on_head(reader_->status(), reader_->headers());
      break;
    case http_reader::event::piece:
      handler->on_body(reader_->piece());
      break;
    case http_reader::event::end:
      complete();
      return false;
    case http_reader::event::fault:
      fail(reader_->fault().kind, reader_->fault().reason);
      return false;
    }
    if (is_stopped_) return false;
  }
}

void http_exchange::on_hang_up(socket_error error) {
  if (error == asio::error::eof && reader_->add_end()) return complete();
  if (may_try_again()) {
    is_reused_ = false;
    wire_->close();
    return connect();
  }
  if (is_tls_error(error) && !is_truncation(error))
    return fail(kind::tls, "TLS with " + server() + " has ended: " + error.message());
  fail(kind::closed, server()
                         + (is_answered_ ? " closed the connection in the middle of its answer"
                                         : " closed the connection before it answered"));
}

bool http_exchange::may_try_again() const {
  return is_reused_ && !is_answered_ && (!may_be_told_ || is_idempotent(call_.method));
}

void http_exchange::complete() {
  if (reader_->is_reusable() && sent_ == text_->size()) {
    // A server that names its time must not be met in the very moment of its end.
    std::optional<clock::duration> at_most;
    if (const auto named = reader_->keep_alive_timeout()) at_most = *named - std::chrono::seconds{1};
    pool_->keep(url_, std::move(wire_), at_most);
  }
  end(std::nullopt);
}

// -- time ----------------------------------------------------------------------------------------

void http_exchange::enter(phase next, http_limits::duration timeout) {
  phase_ = next;
  phase_due_ = timeout.count() > 0 ? clock::now() + timeout : clock::time_point::max();
  watch();
}

// A deadline that moves away costs nothing: the timer finds out when it fires.
void http_exchange::watch() {
  const auto due = std::min(phase_due_, total_due_);
  if (due >= timer_due_) return;
  timer_due_ = due;
  timer_.expires_at(due);
  timer_.async_wait([self = shared_from_this()](socket_error error) {
    if (error || self->is_stopped_) return;
    self->timer_due_ = clock::time_point::max();
    self->on_time(clock::now());
  });
}

void http_exchange::on_time(clock::time_point now) {
  const auto& limits = call_.limits;
  if (now >= total_due_) return fail(kind::timeout, server() + " did not finish" + within(limits.total_timeout));
  if (now < phase_due_) return watch();
  switch (phase_) {
  case phase::connecting:
    if (!addresses_.empty()) {
      wire_->close();
      return try_next_address();
    }
    return fail(kind::timeout, "no connection to " + server() + within(limits.connect_timeout));
  case phase::securing:
    return fail(kind::timeout, "no TLS with " + server() + within(limits.connect_timeout));
  case phase::sending:
    return fail(kind::timeout, server() + " took nothing more of the request" + within(limits.idle_timeout));
  case phase::waiting:
    return fail(kind::timeout, server() + " did not answer" + within(limits.first_byte_timeout));
  case phase::receiving:
    return fail(kind::timeout, server() + " sent nothing more of its answer" + within(limits.idle_timeout));
  }
}

// -- the end -------------------------------------------------------------------------------------

void http_exchange::stop() {
  is_stopped_ = true;
  timer_.cancel();
  if (resolver_) resolver_->cancel();
  if (wire_) wire_->close();
  wire_.reset();
}

std::shared_ptr<http_answer_handler> http_exchange::leave() {
  stop();
  pool_->running.erase(shared_from_this());
  return std::exchange(handler_, nullptr);
}

void http_exchange::cancel() {
  // What it holds may hold this call's owner; it goes when everything else is done.
  const auto handler = leave();
}

void http_exchange::abandon() {
  stop();
  asio::post(pool_->context(), [self = shared_from_this()] {
    self->end(http_failure{kind::closed, "the client ended before the answer did"});
  });
}

void http_exchange::end(const std::optional<http_failure>& failure) {
  if (const auto handler = leave()) handler->on_end(failure);
}

void http_exchange::fail(kind what, std::string reason) { end(http_failure{what, std::move(reason)}); }

} // namespace gangway
