#include "actors/store/start_mark.hpp"

#include <array>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <type_traits>

#include <sys/random.h>
#include <unistd.h>

#include "actors/store/ahead_notes.hpp"
#include "actors/store/beside.hpp"
#include "actors/store/engine.hpp"

namespace gangway {

namespace {

// Behind the notes.
constexpr off_t place = static_cast<off_t>((ahead_notes::notes_max + 1) * sizeof(log_id));

constexpr std::uint64_t file_kind = 0x676e67776d726b31; // "gngwmrk1"

template <std::size_t Size>
using text_field = std::array<char, Size>;

// Written at once and smaller than a sector, so that it is there wholly or not at all.
struct record {
  std::uint64_t kind = file_kind;
  text_field<24> mark{};
  text_field<24> next{};
  text_field<40> boot{};
  std::int64_t written_log = 0;
  std::uint64_t written_last = 0;
  std::int64_t synced_log = 0;
  std::uint64_t synced_last = 0;
  std::uint64_t check = 0;
};
static_assert(std::has_unique_object_representations_v<record> && sizeof(record) <= 512);

template <std::size_t Size>
text_field<Size> to_field(const std::string& text) {
  text_field<Size> result{};
  text.copy(result.data(), result.size() - 1);
  return result;
}

template <std::size_t Size>
std::string to_text(const text_field<Size>& field) {
  return {field.data(), ::strnlen(field.data(), field.size())};
}

// FNV-1a over all but the sum itself.
std::uint64_t sum_of(const record& what) {
  std::array<unsigned char, sizeof(record)> bytes{};
  std::memcpy(bytes.data(), &what, sizeof what);
  std::uint64_t result = 0xcbf29ce484222325;
  for (std::size_t i = 0; i < offsetof(record, check); ++i)
    result = (result ^ bytes[i]) * 0x100000001b3;
  return result;
}

} // namespace

bool is_restored(const mark_inside& inside, const std::optional<mark_beside>& beside, const std::string& boot,
                 const std::function<std::optional<sequence>(log_id)>& last_of) {
  if (inside.is_empty) return false;
  // From before there were marks: an upgrade, the first start of which may have been cut short.
  if (!beside) return !inside.mark.empty();
  if (inside.mark.empty()) return !beside->mark.empty();
  if (inside.mark == beside->next) return false;
  if (inside.mark != beside->mark) return true;
  const auto is_there = [&](const log_end& end) {
    if (end.log == 0) return true;
    const auto last = last_of(end.log);
    return last && *last >= end.last;
  };
  return !is_there(beside->synced) || (beside->boot == boot && !is_there(beside->written));
}

std::string make_mark() {
  constexpr std::string_view digits = "0123456789abcdef";
  std::array<unsigned char, 10> random{};
  if (::getrandom(random.data(), random.size(), 0) != static_cast<ssize_t>(random.size()))
    throw storage_error{std::string{"no random numbers: "} + std::strerror(errno)};
  std::string result;
  for (const auto byte : random) {
    result += digits[byte / 16];
    result += digits[byte % 16];
  }
  return result;
}

start_mark::start_mark(const std::string& database)
    : path_{path_beside(database, "-ahead")}, descriptor_{open_beside(path_)} {
  if (descriptor_ < 0) fail("cannot be opened");
}

start_mark::~start_mark() { ::close(descriptor_); }

std::optional<mark_beside> start_mark::read() const {
  record found;
  const auto size = ::pread(descriptor_, &found, sizeof found, place);
  if (size < 0) fail("cannot be read");
  if (size != sizeof found || found.kind != file_kind || found.check != sum_of(found)) return std::nullopt;
  return mark_beside{to_text(found.mark),
                     to_text(found.next),
                     to_text(found.boot),
                     {found.written_log, found.written_last},
                     {found.synced_log, found.synced_last}};
}

void start_mark::write(const mark_beside& what, bool synced) {
  record next;
  next.mark = to_field<24>(what.mark);
  next.next = to_field<24>(what.next);
  next.boot = to_field<40>(what.boot);
  next.written_log = what.written.log;
  next.written_last = what.written.last;
  next.synced_log = what.synced.log;
  next.synced_last = what.synced.last;
  next.check = sum_of(next);
  if (::pwrite(descriptor_, &next, sizeof next, place) != sizeof next) fail("cannot be written");
  if (synced && ::fdatasync(descriptor_) != 0) fail("cannot be synced");
}

void start_mark::fail(const char* what) const {
  throw storage_error{path_ + " " + what + ": " + std::strerror(errno) + "; check its owner, its mode and the disk"};
}

} // namespace gangway
