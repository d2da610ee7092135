#include "tests/net/harbour.hpp"

#include <chrono>
#include <map>
#include <mutex>
#include <utility>

#include "protocol/wire.hpp"

namespace gangway::testing {

namespace {

using namespace std::chrono_literals;

// Longer than anything here takes on a busy machine under a sanitizer.
constexpr auto patience = 30s;

// The stand-ins are untyped, so that they need not answer what net never says.
caf::behavior attentive_user(caf::event_based_actor* self, logbook* heard, harbour_options options) {
  auto links = std::make_shared<std::map<connection_id, session_link>>();
  const auto note = [=](const std::string& line) {
    if (!options.is_quiet) heard->add(line);
  };
  const auto answer = [=](const request_origin& origin, const std::string& result) {
    if (origin.request) (*links)[origin.connection].reply(*origin.request, wire::reply(*origin.request, result));
  };
  return {
      [=](const session_opened& report) {
        links->emplace(report.connection, report.link);
        heard->add(report);
        const std::string greeting = R"({"type":"connected","user_id":")" + report.user.value + R"("})";
        report.link.send(report.connect_request ? wire::reply(*report.connect_request, greeting) : greeting);
        report.link.admit(caf::actor_cast<caf::strong_actor_ptr>(self));
      },
      [=](const session_closed& report) {
        links->erase(report.connection);
        heard->add("closed");
      },
      [=](const link_observed& report) { heard->add(report.seen); },
      [=](const pong_received& report) { note("pong " + std::to_string(report.nonce)); },
      [=](const open_thread&) { note("open_thread"); },
      [=](const close_thread&) { note("close_thread"); },
      [=](const send_message& command) { note("message " + command.content.value); },
      [=](const cancel_run&) { note("cancel_run"); },
      [=](const acknowledge& command) { note("ack " + std::to_string(command.seq)); },
      [=](const answer_ping& command) {
        note("ping");
        answer(command.origin, "{}");
      },
      [=](const report_use& command) {
        note("status");
        answer(command.origin, R"({"filler":")" + std::string(options.status_bytes, 'x') + "\"}");
      },
      [=](const list_threads&) { note("list_threads"); },
      [=](const read_history&) { note("read_history"); },
  };
}

caf::behavior directory(caf::event_based_actor* self, logbook* heard, user_actor user, bool is_deaf) {
  return {
      [=](const session_opened& report) {
        if (is_deaf)
          heard->add(report);
        else
          self->send(user, report);
      },
      [=](const connection_ended& report) { heard->add(report); },
  };
}

caf::behavior inspector(caf::event_based_actor*, logbook* heard, bool is_silent) {
  return {
      [](const component_changed&) {},
      [=](const answer_request& request) {
        auto line = "asked " + request.method + ' ' + request.path;
        for (const auto& [name, value] : request.query)
          line += ' ' + name + '=' + value;
        if (!request.body.empty()) line += ' ' + request.body;
        heard->add(line);
        if (is_silent) return;
        if (request.path == "/metrics")
          request.link.reply(200, "gangway_users 1\n", "text/plain; version=0.0.4");
        else
          request.link.reply(200, R"({"status":"ok"})");
      },
  };
}

} // namespace

void logbook::add(std::string line) {
  const std::lock_guard guard{gate_};
  lines_.push_back(std::move(line));
  changed_.notify_all();
}

void logbook::add(session_opened report) {
  const std::lock_guard guard{gate_};
  auto line = "opened " + report.user.value + ' ' + report.tier;
  if (const auto& wanted = report.wanted) {
    line += " wants " + wanted->thread.value;
    if (wanted->position) line += " after " + wanted->position->epoch + ' ' + std::to_string(wanted->position->after);
  }
  lines_.push_back(std::move(line));
  last_session_ = std::move(report);
  changed_.notify_all();
}

void logbook::add(const link_observation& seen) {
  const std::lock_guard guard{gate_};
  observations_.push_back(seen);
  changed_.notify_all();
}

link_observation logbook::next_observation() {
  std::unique_lock guard{gate_};
  if (!changed_.wait_for(guard, patience, [this] { return !observations_.empty(); })) return {};
  const auto result = observations_.front();
  observations_.pop_front();
  return result;
}

void logbook::add(const connection_ended& report) {
  const std::lock_guard guard{gate_};
  ends_.push_back(std::to_string(report.code) + (report.by_us ? " by us" : ""));
  changed_.notify_all();
}

std::string logbook::next_end() {
  std::unique_lock guard{gate_};
  if (!changed_.wait_for(guard, patience, [this] { return !ends_.empty(); })) return "<nothing>";
  auto result = std::move(ends_.front());
  ends_.pop_front();
  return result;
}

std::string logbook::next() {
  std::unique_lock guard{gate_};
  if (!changed_.wait_for(guard, patience, [this] { return !lines_.empty(); })) return "<nothing>";
  auto result = std::move(lines_.front());
  lines_.pop_front();
  return result;
}

bool logbook::has_more() {
  const std::lock_guard guard{gate_};
  return !lines_.empty();
}

session_opened logbook::last_session() {
  const std::lock_guard guard{gate_};
  return last_session_;
}

harbour::harbour(harbour_options options) {
  asio_scheduler::install(config, loops);
  system.emplace(config);
  rules.tokens.keys = std::make_shared<const key_set>(key_set::of_secret(std::string{secret}));
  rules.http.version = "1.2.3";
  if (options.with) options.with(rules);
  auto& scheduler = asio_scheduler::of(*system);
  user = caf::actor_cast<user_actor>(spawn_on(scheduler.unit(0), attentive_user, &heard, options));
  for (std::size_t loop = 0; loop < loops.size(); ++loop)
    rules.behind.directories.push_back(
        caf::actor_cast<directory_actor>(spawn_on(scheduler.unit(loop), directory, &heard, user, options.is_deaf)));
  rules.behind.inspector =
      caf::actor_cast<inspector_actor>(spawn_on(scheduler.unit(0), inspector, &heard, options.is_silent));
  doors_.emplace(loops, rules);
  doors_->set_ready(true);
  port = std::get<std::uint16_t>(doors_->listen("127.0.0.1:0", door::visitors));
  admin_port = std::get<std::uint16_t>(doors_->listen("127.0.0.1:0", door::administrators));
}

harbour::~harbour() {
  if (doors_) {
    doors_->shut_down({close_code::going_away, "the test is over", {}}, {1000, 1ms},
                      std::chrono::steady_clock::now() + 1s);
    doors_.reset();
  }
  for (const auto& one : rules.behind.directories)
    caf::anon_send_exit(one, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(rules.behind.inspector, caf::exit_reason::user_shutdown);
  caf::anon_send_exit(user, caf::exit_reason::user_shutdown);
  rules.behind = {};
  user = user_actor{};
  system.reset();
}

std::string harbour::token(const std::string& who, bool expired, std::vector<std::string> roles,
                           const std::string& tier) const {
  const auto now = utc_now();
  return make_token({{who}, tier, std::move(roles), expired ? now - 1h : now + 1h}, secret, rules.tokens.rules, now);
}

raw_client harbour::enter(const std::string& who, int receive_buffer) {
  raw_client client{port, receive_buffer};
  client.upgrade(bearer(who));
  client.read_text();
  heard.next();
  return client;
}

} // namespace gangway::testing
