#include "net/auth/token_cache.hpp"

#include <utility>

#include <openssl/sha.h>

namespace gangway {

token_cache::digest token_cache::hash(std::string_view token) noexcept {
  digest result;
  SHA256(reinterpret_cast<const unsigned char*>(token.data()), token.size(), result.data());
  return result;
}

const token_claims* token_cache::find(std::string_view token) const {
  const auto found = entries_.find(hash(token));
  return found == entries_.end() ? nullptr : &found->second;
}

void token_cache::add(std::string_view token, token_claims claims) {
  const auto [entry, is_new] = entries_.insert_or_assign(hash(token), std::move(claims));
  if (!is_new) return;
  by_age_.push_back(entry->first);
  if (by_age_.size() <= entries_max_) return;
  entries_.erase(by_age_.front());
  by_age_.pop_front();
}

void token_cache::clear() {
  entries_.clear();
  by_age_.clear();
}

} // namespace gangway
