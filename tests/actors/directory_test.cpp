#define CAF_SUITE directory

#include "actors/directory.hpp"

#include "tests/actors/played_tree.hpp"

using namespace gangway;
using namespace gangway::test;
using namespace std::chrono_literals;

namespace {

struct fixture : played_fixture {
  fixture() {
    shard = play<directory_actor>(
        directory, user_starter{[this](directory_pointer parent, const user_id& id, const std::string& tier) {
          auto notes = users[id.value] = std::make_shared<user_notes>();
          auto actor = caf::actor_cast<user_actor>(parent->spawn(played_user, notes, report_of(id.value, tier)));
          actors[id.value] = actor;
          return actor;
        }});
  }

  ~fixture() override { actors.clear(); }

  void connect(const std::string& name, const std::string& tier = "free") {
    tell(session_opened{connection_id::make(), {name}, tier, {}, {}});
  }

  template <class Message>
  void tell(const Message& what) {
    caf::anon_send(shard, what);
    settle();
  }

  /// Says something in a user's name.
  template <class Message>
  void tell_as(const std::string& user, const Message& what) {
    caf::send_as(actors.at(user), shard, what);
    settle();
  }

  void end(const std::string& user) {
    caf::anon_send_exit(actors.at(user), caf::exit_reason::kill);
    settle();
  }

  template <class Answer, class Question>
  Answer ask(const Question& question) {
    Answer result;
    auto asked = self->request(shard, caf::infinite, question);
    settle();
    asked.receive([&](const Answer& answer) { result = answer; },
                  [&](const caf::error& reason) { CAF_FAIL(sys.render(reason)); });
    return result;
  }

  tally count() { return ask<tally>(get_tally{}); }
  measures counted() { return ask<measured>(get_measures{}).counted; }

  std::vector<std::string> heard_by(const std::string& user) { return users.at(user)->heard; }

  std::map<std::string, std::shared_ptr<user_notes>> users;
  std::map<std::string, user_actor> actors;
  directory_actor shard;
};

using words = std::vector<std::string>;
using by_tier = std::array<std::uint64_t, tiers>;

} // namespace

CAF_TEST_FIXTURE_SCOPE(directory_tests, fixture)

CAF_TEST(what_its_users_have_is_added_up) {
  connect("ann");
  connect("bob");
  tell_as("ann", user_counted{1, 5, 2, 1, 1, 3, 2, 4, 1});
  tell_as("bob", user_counted{2, 1, 0, 0, 0, 0, 0, 0, 0});
  tell_as("ann", user_counted{1, 4, 1, 1, 1, 2, 1, 3, 1});
  CAF_CHECK(count() == (tally{2, 3, 5, 1, 1, 1, 2, 1, 3, 1, {3, 0, 0}}));
}

CAF_TEST(a_user_that_ends_leaves_nothing_in_the_sums) {
  connect("ann", "pro");
  tell_as("ann", user_counted{1, 5, 2, 1, 1, 3, 2, 4, 1});
  end("ann");
  CAF_CHECK(count() == tally{});
}

CAF_TEST(connections_count_for_the_tier_of_their_user) {
  connect("ann", "pro");
  connect("bob", "no such tier");
  tell_as("ann", user_counted{3, 0, 0, 0, 0, 0, 0, 0, 0, tier::pro});
  tell_as("bob", user_counted{1, 0, 0, 0, 0, 0, 0, 0, 0, tier::free});
  CAF_CHECK(count().connections_by_tier == (by_tier{1, 3, 0}));
}

CAF_TEST(a_user_has_the_tier_that_it_says_and_not_that_of_its_last_token) {
  connect("ann", "enterprise");
  tell_as("ann", user_counted{1, 1, 0, 0, 0, 0, 0, 0, 0, tier::enterprise});
  connect("ann", "free");
  tell_as("ann", user_counted{2, 1, 0, 0, 0, 0, 0, 0, 0, tier::enterprise});
  CAF_CHECK(count().connections_by_tier == (by_tier{0, 0, 2}));
  tell(relieve{tier::free, cleanup_level::moderate});
  CAF_CHECK(users["ann"]->cleanups.empty());
  tell_as("ann", user_counted{1, 1, 0, 0, 0, 0, 0, 0, 0, tier::free});
  CAF_CHECK(count().connections_by_tier == (by_tier{1, 0, 0}));
  tell(relieve{tier::enterprise, cleanup_level::moderate});
  CAF_CHECK(users["ann"]->cleanups.empty());
  tell(relieve{tier::free, cleanup_level::moderate});
  CAF_CHECK_EQUAL(users["ann"]->cleanups.size(), 1u);
}

CAF_TEST(what_happened_at_its_users_is_added_up) {
  tell(admission_ended{admission_outcome::queued, 3s});
  tell(probe_ended{{1, 2, 0}});
  tell(probe_ended{{0, 0, 4}});
  tell(cleanup_ended{cleanup_scope::request, cleanup_level::force, cleanup_outcome::freed, 5ms, {}});
  tell(connection_ended{1009, false});
  tell(thread_opened{resume_result::snapshot});
  tell(run_finished{"builtin", run_outcome::failed, 7ms});
  measures expected;
  expected.admission_time[static_cast<std::size_t>(admission_outcome::queued)].observe(3s);
  expected.queue_time.observe(3s);
  expected.probes = {1, 2, 4};
  expected.cleanups[static_cast<std::size_t>(cleanup_scope::request)][static_cast<std::size_t>(cleanup_level::force)]
                   [static_cast<std::size_t>(cleanup_outcome::freed)] = 1;
  expected.cleanup_time.observe(5ms);
  expected.disconnects[place_of_close_code(1009)] = 1;
  expected.resumes = {0, 1, 0};
  expected.runs["builtin"] = {0, 1, 0, 0};
  expected.first_event_time.observe(7ms);
  CAF_CHECK(counted() == expected);
}

CAF_TEST(a_counter_never_falls_because_a_user_ended) {
  connect("ann");
  tell_as("ann", probe_ended{{1, 2, 3}});
  end("ann");
  CAF_CHECK(counted().probes == (std::array<std::uint64_t, probe_results>{1, 2, 3}));
}

CAF_TEST(only_users_of_the_tier_are_cleaned_up_for_the_node) {
  connect("ann", "free");
  connect("bob", "pro");
  connect("cat", "free");
  connect("dan", "free");
  for (const std::string user : {"ann", "bob", "cat"})
    tell_as(user, user_counted{.managers = 1, .tier = user == "bob" ? tier::pro : tier::free});
  tell(relieve{tier::free, cleanup_level::aggressive});
  const clean_up order{cleanup_scope::node, cleanup_level::aggressive, 0, false};
  CAF_CHECK(users["ann"]->cleanups == std::vector{order});
  CAF_CHECK(users["bob"]->cleanups.empty());
  CAF_CHECK(users["cat"]->cleanups == std::vector{order});
  // Who has no manager has nothing to give.
  CAF_CHECK(users["dan"]->cleanups.empty());
}

CAF_TEST(nobody_waits_for_what_a_cleanup_for_the_node_decides) {
  connect("ann");
  tell_as("ann", user_counted{.managers = 1});
  const auto before = ask<vitals>(get_vitals{}).messages;
  tell(relieve{tier::free, cleanup_level::conservative});
  CAF_REQUIRE_EQUAL(users["ann"]->cleanups.size(), 1u);
  CAF_CHECK(!users["ann"]->is_asked_by_somebody);
  // The order and this question: no decision came back.
  CAF_CHECK_EQUAL(ask<vitals>(get_vitals{}).messages, before + 2);
}

CAF_TEST(users_hear_of_pressure_when_it_comes_and_goes_and_not_in_between) {
  connect("ann");
  tell(pressure_changed{false});
  tell(pressure_changed{true});
  tell(pressure_changed{true});
  tell(pressure_changed{false});
  CAF_CHECK(heard_by("ann") == (words{"session_opened", "pressed", "relieved"}));
}

CAF_TEST(a_user_that_starts_under_pressure_hears_of_it_first) {
  tell(pressure_changed{true});
  connect("ann");
  connect("ann");
  CAF_CHECK(heard_by("ann") == (words{"pressed", "session_opened", "session_opened"}));
}

CAF_TEST(a_user_that_starts_after_the_pressure_hears_nothing_of_it) {
  tell(pressure_changed{true});
  tell(pressure_changed{false});
  connect("ann");
  CAF_CHECK(heard_by("ann") == words{"session_opened"});
}

CAF_TEST_FIXTURE_SCOPE_END()
