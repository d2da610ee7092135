#pragma once

namespace gangway {

/// Frees what OpenSSL made, by its own function for it.
template <auto Free>
struct openssl_deleter {
  template <class Object>
  void operator()(Object* object) const noexcept {
    Free(object);
  }
};

} // namespace gangway
