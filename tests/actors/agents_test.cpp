#define CAF_SUITE agents
#include "actors/agents.hpp"

#include <caf/test/dsl.hpp>

using namespace gangway;

namespace {

struct fixture : test_coordinator_fixture<> {
  agents_actor agents_ =
      sys.spawn(agents, std::vector<agent_spec>{{"first", agent_kind::builtin}, {"second", agent_kind::builtin}});

  caf::expected<agent_spec> ask(const get_agent& question) {
    caf::expected<agent_spec> result{caf::sec::none};
    auto request = self->request(agents_, caf::infinite, question);
    run();
    request.receive([&](const agent_spec& found) { result = found; },
                    [&](const caf::error& reason) { result = reason; });
    return result;
  }
};

} // namespace

CAF_TEST_FIXTURE_SCOPE(agents_tests, fixture)

CAF_TEST(the_first_agent_answers_when_none_is_named) { CAF_CHECK_EQUAL(std::string{ask({})->name}, "first"); }

CAF_TEST(an_agent_is_found_by_its_name) { CAF_CHECK_EQUAL(std::string{ask({"second"})->name}, "second"); }

CAF_TEST(an_unknown_agent_is_an_error) { CAF_CHECK(ask({"third"}).error() == errc::unknown_agent); }

CAF_TEST(agents_need_names_and_each_another_one) {
  CAF_CHECK(validate({{"a", agent_kind::builtin}, {"b", agent_kind::builtin}}).empty());
  CAF_CHECK(!validate({}).empty());
  CAF_CHECK(!validate({{"", agent_kind::builtin}}).empty());
  CAF_CHECK(!validate({{"a", agent_kind::builtin}, {"a", agent_kind::builtin}}).empty());
}

CAF_TEST_FIXTURE_SCOPE_END()
