#pragma once

/// The HTTP client on a loop of its own, asked from a test's thread.

#include <chrono>
#include <condition_variable>
#include <deque>
#include <functional>
#include <future>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "net/event_loops.hpp"
#include "net/http/client.hpp"

namespace gangway::testing {

/// Longer than anything here takes on a busy machine under a sanitizer.
inline constexpr std::chrono::seconds patience{30};

/// Lets one thread wait until another says so.
class go_ahead {
public:
  void give() { promise_.set_value(); }
  bool await() const { return future_.wait_for(patience) == std::future_status::ready; }

private:
  std::promise<void> promise_;
  std::shared_future<void> future_{promise_.get_future().share()};
};

/// What became of a call, as one line: "200 body", or "closed: the reason".
inline std::string to_line(const http_result& result) {
  if (const auto* document = std::get_if<http_document>(&result))
    return std::to_string(document->status) + ' ' + document->body;
  const auto& failure = std::get<http_failure>(result);
  return std::string{to_string(failure.kind)} + ": " + failure.reason;
}

/// Writes down what it is told: "head 200", "body …", "end", "end closed".
class witness final : public http_answer_handler {
public:
  /// Called on the loop with each line, before it is written down.
  std::function<void(const std::string&)> on_line;

  void on_head(unsigned status, const http_headers& /*headers*/) override { add("head " + std::to_string(status)); }
  void on_body(std::string_view piece) override { add("body " + std::string{piece}); }
  void on_end(const std::optional<http_failure>& failure) override {
    add(failure ? "end " + std::string{to_string(failure->kind)} : "end");
  }

  /// Returns the next line; "<nothing>" if none comes in time.
  std::string next() {
    std::unique_lock guard{gate_};
    if (!changed_.wait_for(guard, patience, [this] { return !lines_.empty(); })) return "<nothing>";
    auto result = std::move(lines_.front());
    lines_.pop_front();
    return result;
  }

  bool has_more() {
    const std::lock_guard guard{gate_};
    return !lines_.empty();
  }

private:
  void add(const std::string& line) {
    if (on_line) on_line(line);
    const std::lock_guard guard{gate_};
    lines_.push_back(line);
    changed_.notify_all();
  }

  std::mutex gate_;
  std::condition_variable changed_;
  std::deque<std::string> lines_;
};

class caller {
public:
  explicit caller(http_client_options options = {}) {
    client = make_http_client(loops.context(0), std::move(options));
    loops.run();
  }

  ~caller() {
    on_loop([this] { client.reset(); });
    loops.stop();
  }

  /// Runs `function` on the loop and returns what it returns.
  template <class Function>
  auto on_loop(Function function) -> decltype(function()) {
    std::packaged_task<decltype(function())()> task{std::move(function)};
    auto result = task.get_future();
    loops.post(0, [&task] { task(); });
    return result.get();
  }

  /// Sends a call and returns what becomes of it.
  http_result fetch(http_call call) {
    std::promise<http_result> result;
    auto future = result.get_future();
    auto running = on_loop([&] {
      return gangway::fetch(*client, std::move(call), [&](http_result what) { result.set_value(std::move(what)); });
    });
    const bool came = future.wait_for(patience) == std::future_status::ready;
    on_loop([&] { running.cancel(); });
    return came ? future.get() : http_failure{http_failure_kind::timeout, "<nothing>"};
  }

  std::string get(const std::string& url, http_limits limits = {}) {
    return to_line(fetch({.url = url, .limits = limits}));
  }

  std::string post(const std::string& url, std::string body) {
    return to_line(fetch({.method = "POST", .url = url, .body = std::move(body)}));
  }

  /// Sends a call that `handler` hears of.
  http_running send(http_call call, const std::shared_ptr<http_answer_handler>& handler) {
    return on_loop([&] { return client->send(std::move(call), handler); });
  }

  event_loops loops{1};
  std::unique_ptr<http_client> client;
};

} // namespace gangway::testing
