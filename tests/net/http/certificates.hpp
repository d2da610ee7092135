#pragma once

/// An authority of the test's own, and the certificates that it makes: good ones and others.

#include <chrono>
#include <filesystem>
#include <string>

#include "tests/net/http/odd_server.hpp"

struct evp_pkey_st;
struct x509_st;

namespace gangway::testing {

/// A file that goes with this object.
class temporary_file {
public:
  explicit temporary_file(std::string_view text);
  ~temporary_file();
  temporary_file(const temporary_file&) = delete;
  temporary_file& operator=(const temporary_file&) = delete;

  const std::string& path() const noexcept { return path_; }

private:
  std::string path_;
};

/// Signs certificates (P-256). Its own is in `file`.
class authority {
public:
  authority();
  ~authority();
  authority(const authority&) = delete;
  authority& operator=(const authority&) = delete;

  /// Returns a certificate for `names`, such as "DNS:localhost,IP:127.0.0.1", that is good between these two, counted
  /// from now on.
  tls_identity issue(const std::string& names, std::chrono::hours from = std::chrono::hours{-1},
                     std::chrono::hours until = std::chrono::hours{24}) const;

private:
  evp_pkey_st* key_;
  x509_st* certificate_;

public:
  temporary_file file;
};

/// Returns a certificate that nobody but itself vouches for.
tls_identity self_signed(const std::string& names);

} // namespace gangway::testing
