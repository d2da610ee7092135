#include <charconv>

#include <nlohmann/json.hpp>

#include "actors/inspector.hpp"
#include "actors/inspector_json.hpp"
#include "actors/inspector_request.hpp"

namespace gangway {

namespace {

using nlohmann::json;

json to_json(const backup_report& report) {
  json result{{"backup_id", report.id}};
  switch (report.phase) {
  case backup_phase::copying:
    result["state"] = "copying";
    break;
  case backup_phase::ready:
    result["state"] = "ready";
    result["bytes"] = report.bytes;
    result["checksum"] = std::to_string(report.checksum);
    break;
  case backup_phase::failed:
    result["state"] = "failed";
    result["reason"] = report.reason;
    break;
  }
  return result;
}

void refuse_unknown(const reply_link& link) {
  link.reply(404, error_body(error_code::not_found, "there is no such backup; it may have been removed"));
}

} // namespace

void inspector_state::answer_begin_backup(const answer_request& request, const places&) {
  if (!facts_.backups || !tree_.store)
    return request.link.reply(503, error_body(error_code::store_unavailable, "the store is not open yet"));
  if (const auto report = facts_.backups->begin())
    request.link.reply(200, result_body(to_json(*report)));
  else
    request.link.reply(409, error_body(error_code::busy, "another backup is being made or fetched; try again later"));
}

void inspector_state::answer_backup(const answer_request& request, const places& path) {
  const auto report = facts_.backups ? facts_.backups->find(path[0]) : std::nullopt;
  if (!report) return refuse_unknown(request.link);
  request.link.reply(200, result_body(to_json(*report)));
}

void inspector_state::answer_backup_bytes(const answer_request& request, const places& path) {
  std::uint64_t offset = 0;
  const auto text = find_value(request.query, "offset").value_or("0");
  const auto* end = text.data() + text.size();
  if (const auto [stopped, error] = std::from_chars(text.data(), end, offset); error != std::errc{} || stopped != end)
    return request.link.reply(400, error_body(error_code::bad_request, "offset is a whole number"));
  auto bytes = facts_.backups ? facts_.backups->read(path[0], offset) : std::nullopt;
  if (!bytes) return refuse_unknown(request.link);
  request.link.reply(200, *std::move(bytes), "application/octet-stream");
}

void inspector_state::answer_remove_backup(const answer_request& request, const places& path) {
  if (!facts_.backups || !facts_.backups->remove(path[0])) return refuse_unknown(request.link);
  request.link.reply(200, result_body(json::object()));
}

} // namespace gangway
