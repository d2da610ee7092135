#include "tests/net/http/certificates.hpp"

#include <stdexcept>

#include <stdlib.h> // NOLINT: mkstemp is POSIX's
#include <unistd.h>

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/x509v3.h>

namespace gangway::testing {

namespace {

template <class Write>
std::string to_pem(Write write) {
  auto* const sink = ::BIO_new(::BIO_s_mem());
  write(sink);
  char* text = nullptr;
  const auto size = BIO_get_mem_data(sink, &text);
  std::string result(text, static_cast<std::size_t>(size));
  ::BIO_free(sink);
  return result;
}

std::string to_pem(X509* certificate) {
  return to_pem([=](BIO* sink) { ::PEM_write_bio_X509(sink, certificate); });
}

std::string to_pem(EVP_PKEY* key) {
  return to_pem([=](BIO* sink) { ::PEM_write_bio_PrivateKey(sink, key, nullptr, nullptr, 0, nullptr, nullptr); });
}

void add_extension(X509* certificate, X509* issuer, int what, const std::string& value) {
  X509V3_CTX context{};
  ::X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  auto* const extension = ::X509V3_EXT_conf_nid(nullptr, &context, what, value.c_str());
  if (extension == nullptr) throw std::runtime_error{"no such extension: " + value};
  ::X509_add_ext(certificate, extension, -1);
  ::X509_EXTENSION_free(extension);
}

EVP_PKEY* make_key() { return ::EVP_EC_gen("P-256"); }

// Returns a certificate for `key`, signed by `issuer_key`; by itself without an issuer.
X509* make_certificate(EVP_PKEY* key, const char* common_name, X509* issuer, EVP_PKEY* issuer_key,
                       const std::string& names, std::chrono::seconds from, std::chrono::seconds until) {
  auto* const result = ::X509_new();
  std::uint32_t serial = 0;
  ::RAND_bytes(reinterpret_cast<unsigned char*>(&serial), sizeof serial);
  ::X509_set_version(result, X509_VERSION_3);
  ::ASN1_INTEGER_set_uint64(::X509_get_serialNumber(result), serial);
  ::X509_gmtime_adj(::X509_getm_notBefore(result), from.count());
  ::X509_gmtime_adj(::X509_getm_notAfter(result), until.count());
  ::X509_set_pubkey(result, key);
  auto* const name = ::X509_get_subject_name(result);
  ::X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(common_name), -1, -1,
                               0);
  ::X509_set_issuer_name(result, issuer == nullptr ? name : ::X509_get_subject_name(issuer));
  auto* const signer = issuer == nullptr ? result : issuer;
  add_extension(result, signer, NID_basic_constraints, names.empty() ? "critical,CA:TRUE" : "critical,CA:FALSE");
  add_extension(result, signer, NID_subject_key_identifier, "hash");
  add_extension(result, signer, NID_authority_key_identifier, "keyid:always");
  if (!names.empty()) add_extension(result, signer, NID_subject_alt_name, names);
  if (::X509_sign(result, issuer_key, ::EVP_sha256()) == 0) throw std::runtime_error{"a certificate cannot be signed"};
  return result;
}

} // namespace

temporary_file::temporary_file(std::string_view text)
    : path_{(std::filesystem::temp_directory_path() / "gangway_test_XXXXXX").string()} {
  const auto descriptor = ::mkstemp(path_.data());
  const auto written = ::write(descriptor, text.data(), text.size());
  ::close(descriptor);
  if (written != static_cast<ssize_t>(text.size())) throw std::runtime_error{"no temporary file can be written"};
}

temporary_file::~temporary_file() { ::unlink(path_.c_str()); }

authority::authority()
    : key_{make_key()},
      certificate_{make_certificate(key_, "Authority of the test", nullptr, key_, {}, std::chrono::hours{-48},
                                    std::chrono::hours{48})},
      file{to_pem(certificate_)} {}

authority::~authority() {
  ::X509_free(certificate_);
  ::EVP_PKEY_free(key_);
}

tls_identity authority::issue(const std::string& names, std::chrono::hours from, std::chrono::hours until) const {
  auto* const key = make_key();
  auto* const certificate = make_certificate(key, "Server of the test", certificate_, key_, names, from, until);
  tls_identity result{to_pem(certificate), to_pem(key)};
  ::X509_free(certificate);
  ::EVP_PKEY_free(key);
  return result;
}

tls_identity self_signed(const std::string& names) {
  auto* const key = make_key();
  auto* const certificate =
      make_certificate(key, "Server of the test", nullptr, key, names, std::chrono::hours{-1}, std::chrono::hours{24});
  tls_identity result{to_pem(certificate), to_pem(key)};
  ::X509_free(certificate);
  ::EVP_PKEY_free(key);
  return result;
}

} // namespace gangway::testing
