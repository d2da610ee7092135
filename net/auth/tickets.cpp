#include "net/auth/tickets.hpp"

#include <charconv>

#include <openssl/rand.h>

#include "net/auth/base64url.hpp"

namespace gangway {

namespace {

constexpr std::size_t random_bytes = 32;

} // namespace

std::optional<std::string> ticket_office::issue(ticket_grant grant, steady_time now) {
  forget_old(now);
  if (open_.size() >= open_max) return std::nullopt;
  std::string random(random_bytes, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(random.data()), random_bytes) != 1) return std::nullopt;
  auto ticket = std::to_string(loop_) + '.' + to_base64url(random);
  put_back(ticket, std::move(grant), now);
  return ticket;
}

void ticket_office::put_back(std::string ticket, ticket_grant grant, steady_time now) {
  by_age_.emplace_back(now, ticket);
  open_[std::move(ticket)] = {std::move(grant), now};
}

std::optional<ticket_grant> ticket_office::redeem(std::string_view ticket, steady_time now) {
  forget_old(now);
  const auto found = open_.extract(std::string{ticket});
  if (found.empty()) return std::nullopt;
  return std::move(found.mapped().grant);
}

void ticket_office::forget_old(steady_time now) {
  for (; !by_age_.empty() && now - by_age_.front().first > age_max; by_age_.pop_front()) {
    const auto found = open_.find(by_age_.front().second);
    // One that was put back is younger than its first entry.
    if (found != open_.end() && found->second.since == by_age_.front().first) open_.erase(found);
  }
}

std::optional<std::size_t> office_of(std::string_view ticket, std::size_t loops) {
  std::size_t loop = 0;
  const auto [end, error] = std::from_chars(ticket.data(), ticket.data() + ticket.size(), loop);
  if (error != std::errc{} || end == ticket.data() + ticket.size() || *end != '.' || loop >= loops) return std::nullopt;
  return loop;
}

} // namespace gangway
