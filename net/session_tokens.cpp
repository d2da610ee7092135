// What sessions do with tokens: the one that a connection begins with and by which it finds its loop, and the ones that
// renew it.

#include <algorithm>
#include <utility>

#include "net/first_frame.hpp"
#include "net/session.hpp"

namespace gangway {

namespace {

error_code code_of(const token_fault& fault) {
  switch (fault.kind) {
  case token_trouble::expired:
    return error_code::token_expired;
  case token_trouble::unavailable:
    return error_code::overloaded;
  case token_trouble::invalid:
  case token_trouble::wrong_signature:
  case token_trouble::unknown_key:
    break;
  }
  return error_code::unauthenticated;
}

} // namespace

// A user's sockets live on the loop of the user's actor. Whose this is its first frame claims: that is enough to find
// the loop, which judges the token.
void session::on_ahead(std::string_view bytes) {
  if (phase_ != phase::awaiting_token) return;
  const auto size = first_frame_bytes(bytes, websocket_channel::ahead_max);
  if (size && *size > bytes.size() && *size > ahead_) {
    ahead_ = static_cast<std::uint32_t>(*size);
    return channel_->look_ahead(ahead_);
  }
  const auto home = size && *size <= bytes.size() ? claimed_home(bytes.substr(0, *size)) : std::nullopt;
  if (!home || *home == loop_ || !move_to(*home)) read_next();
}

std::optional<std::size_t> session::claimed_home(std::string_view frame) const {
  const auto decoded = wire::decode(first_frame_text(frame), id_);
  const auto* command = std::get_if<wire::command>(&decoded);
  const auto* greeting = command != nullptr ? std::get_if<wire::connect>(command) : nullptr;
  if (greeting == nullptr || !greeting->token) return std::nullopt;
  const auto user = claimed_user(*greeting->token, home_->rules.tokens.rules);
  return user ? std::optional{home_of(*user, loops_.size())} : std::nullopt;
}

bool session::move_to(std::size_t home) {
  auto moved = channel_->move_away();
  if (!moved) return false;
  newcomer who{home,
               std::move(moved->connection),
               std::move(moved->upgrade),
               std::nullopt,
               wanted_ ? std::optional{std::move(*wanted_)} : std::nullopt,
               std::move(place_),
               std::move(seat_),
               std::move(*how_)};
  const auto& move_home = home_->move_home;
  // To everybody but this loop it is the same connection.
  phase_ = phase::opening;
  move_home(std::move(who));
  end();
  return true;
}

void session::on_connect(const wire::connect& what) {
  if (!what.token) return refuse(what.request, error_code::unauthenticated, "this connect has no token");
  verifying_ = true;
  // It came in time, however long its judgement takes.
  arm(keys_patience);
  home_->tokens.verify(
      *what.token,
      [self = shared_from_this(), what](token_verdict verdict) {
        self->verifying_ = false;
        if (self->phase_ == phase::awaiting_token) self->on_connect_judged(what, std::move(verdict));
      },
      how_->client);
}

void session::on_connect_judged(const wire::connect& what, token_verdict verdict) {
  if (const auto* fault = std::get_if<token_fault>(&verdict)) {
    home_->tokens.note_refusal(*fault, how_->client.to_string());
    if (fault->kind == token_trouble::unavailable) return turn_away(fault->reason, keys_retry_after, what.request);
    refuse(what.request, code_of(*fault), fault->reason);
    // Who has an old one can get a new one, and dial again with it.
    const auto code = fault->kind == token_trouble::expired ? close_code::token_expired : close_code::invalid_token;
    return close_now({code, fault->reason, {}});
  }
  auto& claims = std::get<token_claims>(verdict);
  if (const auto gate = home_->gate.get(); !is_open_to(gate, parse_tier(claims.tier)))
    return turn_away("the server is short of resources; come again later", gate.retry_after, what.request);
  become(identity{std::move(claims)});
  json_ping_ = what.json_ping;
  introduced_ = true;
  announce(what.request);
}

void session::turn_away(std::string_view reason, std::chrono::milliseconds retry_after,
                        std::optional<std::int64_t> request) {
  queue(std::make_shared<const std::string>(
      wire::reply(request, command_error{error_code::overloaded, std::string{reason}, retry_after, std::nullopt})));
  close_now({close_code::node_overloaded, std::string{reason}, retry_after});
}

// A token may end before it is looked at, within the leeway: its bearer has the grace from now on.
void session::become(identity who) {
  seat_.give_back();
  user_id_ = std::move(who.user);
  inbound_ = home_->rules.inbound->of(user_id_);
  rank_ = parse_tier(who.tier);
  tier_ = std::move(who.tier);
  simulation_ = who.simulation;
  if (const auto how = std::move(how_)) home_->sign_ins.add(id_, user_id_, tier_, simulation_, *how);
  if (who.expires_at) expire_at(*who.expires_at);
}

void session::expire_at(utc_time when) {
  const auto left = std::max(when - utc_now(), utc_time::duration{0});
  const auto longest = std::chrono::hours{24 * 365};
  home_->expiries.set(expiry_, *this,
                      std::chrono::steady_clock::now() + std::min<utc_time::duration>(left, longest)
                          + rules().expiry_grace);
}

// A renewal that is being judged decides: it came in time.
void session::on_token_expired() {
  const auto again_after = std::chrono::seconds{1};
  if (verifying_) return home_->expiries.set(expiry_, *this, std::chrono::steady_clock::now() + again_after);
  home_->expiries.forget(expiry_);
  close_now({close_code::token_expired, "the token has expired", {}});
}

// One at a time. Who sends another before the first is answered is not read until then.
void session::on_refresh_token(const wire::refresh_token& what) {
  if (verifying_)
    next_renewal_ = std::make_unique<wire::refresh_token>(what);
  else
    verify_renewal(what);
}

void session::verify_renewal(const wire::refresh_token& what) {
  verifying_ = true;
  home_->tokens.verify(what.token, [self = shared_from_this(), request = what.request](token_verdict verdict) {
    self->verifying_ = false;
    if (self->phase_ != phase::admitted) return;
    self->on_refresh_judged(request, std::move(verdict));
    if (self->phase_ != phase::admitted) return;
    if (const auto next = std::exchange(self->next_renewal_, nullptr)) {
      self->verify_renewal(*next);
      self->read_again();
    }
  });
}

void session::on_refresh_judged(std::optional<std::int64_t> request, token_verdict verdict) {
  if (const auto* fault = std::get_if<token_fault>(&verdict)) {
    home_->tokens.note_refusal(*fault, to_string(id_));
    // To judge garbage costs more than to send it.
    if (fault->kind != token_trouble::unavailable && ++bad_frames_ > rules().bad_frames_max)
      return close_now({close_code::too_many_bad_frames, "too many bad frames", {}});
    return refuse(request, code_of(*fault), fault->reason);
  }
  const auto& claims = std::get<token_claims>(verdict);
  if (claims.user != user_id_)
    return refuse(request, error_code::forbidden, "the new token names another user than this connection's");
  if (claims.simulation != simulation_)
    return refuse(request, error_code::forbidden, "a simulation's token and a real one do not renew each other");
  expire_at(claims.expires_at);
  if (user_) caf::anon_send(user_, token_renewed{id_, parse_tier(claims.tier)});
  answer(request, wire::refreshed(claims.expires_at));
}

} // namespace gangway
