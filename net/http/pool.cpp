#include "net/http/pool.hpp"

#include <algorithm>
#include <iterator>
#include <utility>

namespace gangway {

http_pool::http_pool(boost::asio::io_context& context, http_client_options options)
    : context_{context}, options_{std::move(options)}, tls_{make_tls_context(options_.ca_file)}, timer_{context} {}

std::shared_ptr<http_wire> http_pool::make(const http_url& where) {
  return std::make_shared<http_wire>(context_, where.is_tls ? &tls_ : nullptr, where.host);
}

std::shared_ptr<http_wire> http_pool::take(const http_url& where) {
  for (auto one = kept_.end(); one != kept_.begin();) {
    --one;
    if (one->is_tls != where.is_tls || one->port != where.port || one->host != where.host) continue;
    auto wire = std::move(one->wire);
    const bool is_late = clock::now() >= one->until;
    one = kept_.erase(one);
    if (!is_late && wire->is_quiet()) return wire;
    wire->close();
  }
  return nullptr;
}

void http_pool::keep(const http_url& where, std::shared_ptr<http_wire> wire, std::optional<clock::duration> at_most) {
  const clock::duration usual = options_.idle_timeout;
  const auto age_max = std::min(usual, at_most.value_or(usual));
  if (is_closed_ || options_.idle_max == 0 || age_max <= clock::duration::zero()) return wire->close();
  // Whatever a server says unasked, its end included, ends the connection.
  wire->read([weak = weak_from_this(), wire = wire.get()](auto, auto) {
    if (const auto self = weak.lock()) self->drop(wire);
  });
  kept_.push_back({where.is_tls, where.host, where.port, std::move(wire), clock::now() + age_max});
  if (kept_.size() > options_.idle_max) drop(kept_.front().wire.get());
  await_the_next_to_go();
}

void http_pool::close() {
  is_closed_ = true;
  timer_.cancel();
  for (const auto& one : std::exchange(kept_, {}))
    one.wire->close();
}

void http_pool::drop(const http_wire* wire) {
  const auto found =
      std::find_if(kept_.begin(), kept_.end(), [wire](const kept& one) { return one.wire.get() == wire; });
  if (found == kept_.end()) return;
  found->wire->close();
  kept_.erase(found);
}

void http_pool::await_the_next_to_go() {
  if (kept_.empty()) return;
  const auto sooner = [](const kept& one, const kept& other) { return one.until < other.until; };
  timer_.expires_at(std::min_element(kept_.begin(), kept_.end(), sooner)->until);
  timer_.async_wait([weak = weak_from_this()](boost::system::error_code error) {
    const auto self = weak.lock();
    if (error || !self) return;
    const auto now = clock::now();
    for (auto one = self->kept_.begin(); one != self->kept_.end();) {
      const auto next = std::next(one);
      if (one->until <= now) self->drop(one->wire.get());
      one = next;
    }
    self->await_the_next_to_go();
  });
}

} // namespace gangway
