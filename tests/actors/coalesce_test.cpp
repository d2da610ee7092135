#define CAF_SUITE coalesce
#include "actors/coalesce.hpp"

#include <caf/test/unit_test.hpp>

using namespace gangway;

namespace {

const auto run = run_id::make();
const auto one = message_id::make();
const auto other = message_id::make();

thread_event at(sequence seq, event_body body, std::optional<run_id> of = run) {
  return {seq, of, utc_time{std::chrono::milliseconds{seq}}, std::move(body)};
}

thread_event since(sequence first, thread_event event) {
  event.first_seq = first;
  return event;
}

} // namespace

CAF_TEST(pieces_of_one_message_become_one_that_says_where_it_begins) {
  const auto joined =
      coalesce({at(4, message_delta{one, "a"}), at(5, message_delta{one, "b"}), at(6, message_delta{one, "c"})});
  CAF_REQUIRE_EQUAL(joined.size(), 1u);
  CAF_CHECK(joined[0] == since(4, at(6, message_delta{one, "abc"})));
}

CAF_TEST(a_piece_alone_stays_as_it_is) {
  const auto joined = coalesce({at(4, message_delta{one, "a"})});
  CAF_CHECK(joined == std::vector{at(4, message_delta{one, "a"})});
}

CAF_TEST(pieces_of_two_messages_or_two_runs_or_of_two_kinds_are_not_joined) {
  const std::vector events{at(1, message_delta{one, "a"}),
                           at(2, message_delta{other, "b"}),
                           at(3, message_delta{other, "c"}, run_id::make()),
                           at(4, agent_thinking{}),
                           at(5, agent_thinking{"hm"}),
                           at(6, tool_arguments{"x", "{"}),
                           at(7, tool_arguments{"y", "{"})};
  CAF_CHECK(coalesce(events) == events);
}

CAF_TEST(what_stands_between_pieces_keeps_its_place) {
  const auto joined = coalesce({at(1, message_delta{one, "a"}), at(2, message_delta{one, "b"}),
                                at(3, custom_event{"x", {"1"}}), at(4, message_delta{one, "c"})});
  CAF_CHECK(joined
            == (std::vector{since(1, at(2, message_delta{one, "ab"})), at(3, custom_event{"x", {"1"}}),
                            at(4, message_delta{one, "c"})}));
}

CAF_TEST(arguments_and_thoughts_are_joined_like_text) {
  const auto joined =
      coalesce({at(1, tool_arguments{"x", "{\"a\""}), at(2, tool_arguments{"x", ":1}"}), at(3, agent_thinking{"h"}),
                at(4, agent_thinking{"m"}), at(5, agent_thinking{}), at(6, agent_thinking{})});
  CAF_CHECK(joined
            == (std::vector{since(1, at(2, tool_arguments{"x", "{\"a\":1}"})), since(3, at(4, agent_thinking{"hm"})),
                            since(5, at(6, agent_thinking{}))}));
}

CAF_TEST(what_was_compacted_before_counts_from_its_own_first) {
  const auto joined = coalesce({since(3, at(5, message_delta{one, "a"})), at(6, message_delta{one, "b"})});
  CAF_CHECK(joined == std::vector{since(3, at(6, message_delta{one, "ab"}))});
}

CAF_TEST(nothing_becomes_nothing) { CAF_CHECK(coalesce({}).empty()); }
