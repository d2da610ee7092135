/// Who is served first by a reader that many ask. tidy: allow (the actor of actors/, over a real database)

#define CAF_SUITE store_reader

#include <algorithm>
#include <future>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <caf/all.hpp>
#include <caf/test/unit_test.hpp>

#include "actors/policy/fair_queue.hpp"
#include "actors/store.hpp"
#include "actors/store_reader.hpp"
#include "tests/store/samples.hpp"
#include "tests/store/temporary_directory.hpp"

namespace gangway::store_tests {

namespace {

/// A reader that is held at its first question, and notes whom it serves. Every search takes five pieces.
class held_reader final : public log_reader {
public:
  struct watch {
    std::promise<void> reached;
    std::promise<void> released;
    std::vector<std::string> served;
  };

  explicit held_reader(std::shared_ptr<watch> watching) : watch_{std::move(watching)} {}

  log_read read(const read_log&) override { return {}; }
  messages_page messages(const get_messages&) override { return {}; }
  threads_page threads(const get_threads& what) override {
    serve(what.user.value);
    return {};
  }
  message_found find(const find_message&) override { return {}; }
  search_piece search(const search_messages& what, sequence) override {
    serve(owner_of(what.log)->value);
    const bool is_last = ++pieces_ % 5 == 0;
    return {{}, is_last ? std::nullopt : std::optional<sequence>{1}};
  }
  std::optional<user_id> owner_of(log_id log) override { return user_id{log == 1 ? "ann" : "bob"}; }
  decisions_page decisions(const get_decisions&) override { return {}; }
  void note_ahead(log_id) override {}

private:
  void serve(const std::string& user) {
    watch_->served.push_back(user);
    if (watch_->served.size() > 1) return;
    watch_->reached.set_value();
    watch_->released.get_future().wait();
  }

  std::shared_ptr<watch> watch_;
  int pieces_ = 0;
};

struct reading_fixture {
  ~reading_fixture() {
    self->send_exit(reader, caf::exit_reason::kill);
    self->wait_for(reader);
  }

  /// Asks for something that the reader is held at, then for the rest.
  template <class First, class... Later>
  void ask(const First& first, const Later&... later) {
    self->send(reader, first);
    watching->reached.get_future().wait();
    (self->send(reader, later), ...);
  }

  std::shared_ptr<held_reader::watch> watching = std::make_shared<held_reader::watch>();
  caf::actor_system_config config;
  caf::actor_system system{config};
  caf::scoped_actor self{system};
  store_reader_actor reader =
      system.spawn<caf::detached>(store_reader, std::unique_ptr<log_reader>{new held_reader{watching}}, store_actor{});
};

} // namespace

CAF_TEST(everybody_is_served_in_turn_and_each_in_the_order_in_which_he_asked) {
  fair_queue<std::string, int> queue;
  for (int i = 1; i <= 3; ++i)
    queue.push("ann", i);
  queue.push("bob", 10);
  queue.push("eve", 20);
  queue.push("bob", 11);
  CAF_CHECK_EQUAL(queue.size(), 6u);
  std::string order;
  while (!queue.empty()) {
    const auto [owner, item] = queue.pop();
    order += owner + std::to_string(item) + ' ';
  }
  CAF_CHECK_EQUAL(order, "ann1 bob10 eve20 ann2 bob11 ann3 ");
  CAF_CHECK_EQUAL(queue.size(), 0u);
}

CAF_TEST_FIXTURE_SCOPE(fair_reading, reading_fixture)

// One user asked as fast as it could, and everybody else waited for all of that.
CAF_TEST(whoever_asks_once_does_not_wait_for_all_that_another_user_asked_before) {
  ask(threads_of("ann"));
  constexpr std::size_t many = 500;
  for (std::size_t i = 1; i < many; ++i)
    self->send(reader, threads_of("ann"));
  self->send(reader, threads_of("bob"));
  watching->released.set_value();
  for (std::size_t i = 0; i <= many; ++i)
    self->receive([](const threads_page&) {});
  CAF_REQUIRE_EQUAL(watching->served.size(), many + 1);
  const auto bobs = std::find(watching->served.begin(), watching->served.end(), "bob") - watching->served.begin();
  CAF_CHECK_LESS(bobs, 3);
}

CAF_TEST(a_long_search_goes_in_pieces_between_which_others_are_served) {
  ask(search_messages{1, "needle"}, threads_of("bob"));
  watching->released.set_value();
  for (int i = 0; i < 2; ++i)
    self->receive([](const threads_page&) {}, [](const messages_page&) {});
  CAF_CHECK(watching->served == (std::vector<std::string>{"ann", "ann", "bob", "ann", "ann", "ann"})
            || watching->served == (std::vector<std::string>{"ann", "bob", "ann", "ann", "ann", "ann"}));
}

CAF_TEST_FIXTURE_SCOPE_END()

CAF_TEST(a_piece_of_a_search_reads_about_a_mebibyte_and_the_next_goes_on_behind_it) {
  const temporary_directory directory;
  const auto engine = make_sqlite_engine(directory.file("gangway.db"));
  const auto writer = engine->make_writer();
  const auto reader = engine->make_reader();
  writer->begin(false);
  const auto log = writer->open({{"ann"}, {"t1"}, at(0)});
  for (sequence seq = 1; seq <= 30; ++seq)
    writer->append({log.log, log.generation, {said(seq, std::string(100'000, 'x') + (seq % 10 == 3 ? "needle" : ""))}});
  writer->commit();
  std::vector<sequence> found;
  int pieces = 0;
  for (std::optional<sequence> before = 1000; before; ++pieces) {
    const auto piece = reader->search({log.log, "needle", 100}, *before);
    for (const auto& message : piece.messages)
      found.push_back(message.seq);
    before = piece.next;
  }
  CAF_CHECK_EQUAL(pieces, 3);
  CAF_CHECK(found == (std::vector<sequence>{23, 13, 3}));
  CAF_CHECK_EQUAL(reader->owner_of(log.log)->value, "ann");
  CAF_CHECK(!reader->owner_of(99));
}

} // namespace gangway::store_tests
