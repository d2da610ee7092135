#include "net/http/client.hpp"

#include "net/http/exchange.hpp"
#include "net/http/pool.hpp"

namespace gangway {

namespace {

class live_http_client final : public http_client {
public:
  live_http_client(boost::asio::io_context& context, http_client_options options)
      : pool_{std::make_shared<http_pool>(context, std::move(options))} {}

  ~live_http_client() override {
    pool_->close();
    for (const auto& call : std::exchange(pool_->running, {}))
      call->abandon();
  }

  http_running send(http_call call, std::shared_ptr<http_answer_handler> handler) override {
    const auto exchange = std::make_shared<http_exchange>(pool_, std::move(call), std::move(handler));
    exchange->begin();
    return http_running{[weak = std::weak_ptr{exchange}] {
      if (const auto running = weak.lock()) running->cancel();
    }};
  }

private:
  std::shared_ptr<http_pool> pool_;
};

// Waits for a whole answer.
class collector final : public http_answer_handler {
public:
  explicit collector(std::function<void(http_result)> done) : done_{std::move(done)} {}

  void on_head(unsigned status, const http_headers& headers) override {
    document_.status = status;
    document_.headers = headers;
  }

  void on_body(std::string_view piece) override { document_.body += piece; }

  void on_end(const std::optional<http_failure>& failure) override {
    if (failure)
      done_(*failure);
    else
      done_(std::move(document_));
  }

private:
  std::function<void(http_result)> done_;
  http_document document_;
};

} // namespace

std::string_view to_string(http_failure_kind kind) noexcept {
  switch (kind) {
  case http_failure_kind::bad_call:
    return "bad_call";
  case http_failure_kind::bad_url:
    return "bad_url";
  case http_failure_kind::resolve:
    return "resolve";
  case http_failure_kind::connect:
    return "connect";
  case http_failure_kind::tls:
    return "tls";
  case http_failure_kind::timeout:
    return "timeout";
  case http_failure_kind::too_large:
    return "too_large";
  case http_failure_kind::protocol:
    return "protocol";
  case http_failure_kind::closed:
    return "closed";
  }
  return "unknown";
}

std::unique_ptr<http_client> make_http_client(boost::asio::io_context& context, http_client_options options) {
  return std::make_unique<live_http_client>(context, std::move(options));
}

http_running fetch(http_client& client, http_call call, std::function<void(http_result)> done) {
  return client.send(std::move(call), std::make_shared<collector>(std::move(done)));
}

} // namespace gangway
