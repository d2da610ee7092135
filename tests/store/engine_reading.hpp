#pragma once

/// What any storage engine must return of what was written. A part of engine_conformance.hpp, which includes it.

namespace gangway::store_tests {

CAF_TEST_FIXTURE_SCOPE(engine_reading, opened_engine)

// -- slices --------------------------------------------------------------------------------------

CAF_TEST(a_slice_of_ten_thousand_events_is_whole_or_says_that_it_is_not) {
  const auto log = open("ann", "t1");
  std::vector<thread_event> events;
  for (sequence seq = 1; seq <= 10'000; ++seq)
    events.push_back(said(seq, "message " + std::to_string(seq)));
  add(log, events);
  CAF_CHECK(all(log, 10'000) == events);
  const auto slice = reader->read({log.log, 9'000, 10'000, 1000, 100'000'000});
  CAF_CHECK(slice.complete);
  CAF_REQUIRE_EQUAL(slice.events.size(), 1000u);
  CAF_CHECK_EQUAL(slice.events.front().seq, 9'001u);
  CAF_CHECK_EQUAL(slice.events.back().seq, 10'000u);
  const auto one_too_many = reader->read({log.log, 8'999, 10'000, 1000, 100'000'000});
  CAF_CHECK(!one_too_many.complete);
  CAF_REQUIRE_EQUAL(one_too_many.events.size(), 1000u);
  CAF_CHECK_EQUAL(one_too_many.events.front().seq, 9'000u);
}

CAF_TEST(a_slice_has_at_most_so_many_bytes) {
  const auto log = open("ann", "t1");
  add(log, {said(1, std::string(1000, 'a')), said(2, std::string(1000, 'b'))});
  // The engine counts encoded events; the smallest bound that suffices must exist, and one byte less must not suffice.
  std::size_t enough = 2000;
  while (enough < 4000 && !reader->read({log.log, 0, 2, 10, enough}).complete)
    ++enough;
  CAF_CHECK(enough > 2000 && enough < 4000);
  CAF_CHECK_EQUAL(reader->read({log.log, 0, 2, 10, enough}).events.size(), 2u);
  const auto less = reader->read({log.log, 0, 2, 10, enough - 1});
  CAF_CHECK(!less.complete);
  CAF_CHECK_EQUAL(less.events.size(), 1u);
  // One at least: else who reads page by page would never get past it.
  CAF_CHECK_EQUAL(reader->read({log.log, 0, 2, 10, 1}).events.size(), 1u);
}

CAF_TEST(an_empty_slice_is_complete_and_one_beyond_the_end_is_not) {
  const auto log = open("ann", "t1");
  add(log, {said(1, "one"), said(2, "two")});
  CAF_CHECK_EQUAL(reader->read({log.log, 1, 2}).events.size(), 1u);
  CAF_CHECK(reader->read({log.log, 2, 2}).complete);
  CAF_CHECK(reader->read({log.log, 2, 2}).events.empty());
  CAF_CHECK(!reader->read({log.log, 2, 3}).complete);
  CAF_CHECK(!reader->read({log.log, 1, 3}).complete);
  CAF_CHECK_EQUAL(reader->read({log.log, 1, 3}).events.size(), 1u);
}

// -- messages ------------------------------------------------------------------------------------

CAF_TEST(messages_are_what_was_said_whole_with_role_and_run) {
  const auto log = open("ann", "t1");
  const auto events = whole_run(1);
  add(log, events);
  const auto page = reader->messages({log.log});
  CAF_REQUIRE_EQUAL(page.messages.size(), 2u);
  CAF_CHECK(!page.more);
  const auto& asked = std::get<message_accepted>(events[0].body);
  CAF_CHECK(page.messages[0]
            == (message_record{asked.message_id, "user", asked.content, 1, events[0].run_id, events[0].time}));
  const auto& answer = events[events.size() - 2];
  const auto& completed = std::get<message_completed>(answer.body);
  CAF_CHECK(page.messages[1]
            == (message_record{completed.message_id,
                               "assistant",
                               {"\"" + completed.content + "\""},
                               answer.seq,
                               answer.run_id,
                               answer.time}));
}

CAF_TEST(a_content_is_kept_as_the_client_sent_it) {
  const auto log = open("ann", "t1");
  const std::vector<std::string> contents{R"("plain")", R"("\u00e9 escaped")", R"("quote \" and \\ and \n")", R"("")",
                                          R"([{"type":"text","text":"a"},{"type":"image","url":"x"}])"};
  for (std::size_t i = 0; i < contents.size(); ++i)
    add(log, {accepted(i + 1, contents[i], "c" + std::to_string(i))});
  const auto page = reader->messages({log.log});
  CAF_REQUIRE_EQUAL(page.messages.size(), contents.size());
  for (std::size_t i = 0; i < contents.size(); ++i) {
    CAF_CHECK_EQUAL(page.messages[i].content.value, contents[i]);
    const auto found = reader->find({log.log, "c" + std::to_string(i)});
    CAF_REQUIRE(found.answer.has_value());
    CAF_CHECK_EQUAL(found.answer->content.value, contents[i]);
  }
}

CAF_TEST(a_page_holds_the_newest_messages_the_oldest_of_them_first) {
  const auto log = open("ann", "t1");
  add(log, {said(1, "one"), said(2, "two"), said(3, "three")});
  const auto newest = reader->messages({.log = log.log, .limit = 2});
  CAF_CHECK(sequences(newest.messages) == (std::vector<sequence>{2, 3}));
  CAF_CHECK(newest.more);
  const auto older = reader->messages({.log = log.log, .before = 2, .limit = 2});
  CAF_CHECK(sequences(older.messages) == (std::vector<sequence>{1}));
  CAF_CHECK(!older.more);
}

CAF_TEST(a_page_that_is_just_filled_has_no_more_and_one_message_less_has) {
  const auto log = open("ann", "t1");
  add(log, {said(1, "one"), said(2, "two"), said(3, "three")});
  CAF_CHECK(!reader->messages({.log = log.log, .limit = 3}).more);
  CAF_CHECK(reader->messages({.log = log.log, .limit = 2}).more);
  CAF_CHECK(reader->messages({.log = log.log, .before = 1}).messages.empty());
  CAF_CHECK(!reader->messages({.log = log.log, .before = 1}).more);
}

CAF_TEST(a_page_has_at_most_so_many_bytes_but_one_message_always) {
  const auto log = open("ann", "t1");
  add(log, {said(1, std::string(98, 'a')), said(2, std::string(98, 'b')), said(3, std::string(998, 'c'))});
  // With its quotes each content is 100, 100 and 1,000 bytes.
  const auto page = [&](std::size_t bytes_max) {
    auto result = reader->messages({.log = log.log, .bytes_max = bytes_max});
    return std::pair{sequences(result.messages), result.more};
  };
  CAF_CHECK(page(1200) == (std::pair{std::vector<sequence>{1, 2, 3}, false}));
  CAF_CHECK(page(1199) == (std::pair{std::vector<sequence>{2, 3}, true}));
  CAF_CHECK(page(1100) == (std::pair{std::vector<sequence>{2, 3}, true}));
  CAF_CHECK(page(1099) == (std::pair{std::vector<sequence>{3}, true}));
  CAF_CHECK(page(1) == (std::pair{std::vector<sequence>{3}, true}));
}

// -- repeated messages ---------------------------------------------------------------------------

CAF_TEST(the_first_message_of_a_client_id_keeps_it) {
  const auto log = open("ann", "t1");
  const auto first = accepted(1, "\"first\"", "c1", run_id::make());
  const auto second = accepted(2, "\"second\"", "c1", run_id::make());
  add(log, {first});
  add(log, {second});
  const auto answer = reader->find({log.log, "c1"}).answer;
  CAF_REQUIRE(answer.has_value());
  CAF_CHECK(answer->message_id == std::get<message_accepted>(first.body).message_id);
  CAF_CHECK(answer->run_id == *first.run_id);
  CAF_CHECK_EQUAL(answer->seq, 1u);
  CAF_CHECK_EQUAL(answer->content.value, "\"first\"");
  CAF_CHECK(!reader->find({log.log, "c2"}).answer);
  CAF_CHECK(!reader->find({log.log, ""}).answer);
}

CAF_TEST(a_client_id_belongs_to_its_thread) {
  const auto one = open("ann", "t1");
  const auto other = open("ann", "t2");
  add(one, {said(1, "hello", "c1")});
  CAF_CHECK(reader->find({one.log, "c1"}).answer.has_value());
  CAF_CHECK(!reader->find({other.log, "c1"}).answer);
}

// -- threads -------------------------------------------------------------------------------------

CAF_TEST(threads_are_listed_the_most_recently_changed_first) {
  const auto first = open("ann", "t1", at(1));
  open("ann", "t2", at(2));
  const auto third = open("ann", "t3", at(3));
  CAF_CHECK(names(reader->threads(threads_of("ann"))) == (std::vector<std::string>{"t3", "t2", "t1"}));
  add(first, {with_time(said(1, "again"), at(10))});
  CAF_CHECK(names(reader->threads(threads_of("ann"))) == (std::vector<std::string>{"t1", "t3", "t2"}));
  const auto page = reader->threads(threads_of("ann", 2));
  CAF_CHECK(names(page) == (std::vector<std::string>{"t1", "t3"}));
  CAF_CHECK(names(reader->threads(threads_of("ann", 2, page.threads.back().updated_at)))
            == (std::vector<std::string>{"t2"}));
  CAF_CHECK(page.threads[0] == (thread_summary{{"t1"}, "again", 1, at(10)}));
  CAF_CHECK(page.threads[1] == (thread_summary{{"t3"}, "", third.last, at(3)}));
  CAF_CHECK(names(reader->threads(threads_of("nobody"))).empty());
}

CAF_TEST(opening_a_thread_alone_does_not_change_it) {
  open("ann", "t1", at(1));
  open("ann", "t1", at(100));
  CAF_CHECK(reader->threads(threads_of("ann")).threads[0].updated_at == at(1));
}

CAF_TEST(threads_changed_in_one_millisecond_are_not_parted) {
  for (const auto* thread : {"t1", "t2", "t3"})
    open("ann", thread, at(7));
  open("ann", "t0", at(6));
  const auto page = reader->threads(threads_of("ann", 2));
  CAF_CHECK_EQUAL(page.threads.size(), 3u);
  CAF_CHECK(names(reader->threads(threads_of("ann", 2, at(7)))) == (std::vector<std::string>{"t0"}));
}

CAF_TEST(a_title_is_the_first_message_of_the_user) {
  const auto log = open("ann", "t1");
  add(log, {in_run(run_id::make(), 1, message_completed{message_id::make(), "the agent speaks"})});
  add(log, {accepted(2, R"([{"type":"image","url":"x"}])")});
  CAF_CHECK_EQUAL(newest_title(), "");
  add(log, {accepted(3, R"([{"type":"text","text":"two\nlines"}])")});
  add(log, {said(4, "later")});
  CAF_CHECK_EQUAL(newest_title(), "two lines");
}

CAF_TEST(a_title_has_eighty_characters_and_ends_between_two) {
  const std::string umlaut = "ü";
  const auto repeated = [&](int times) {
    std::string result;
    for (int i = 0; i < times; ++i)
      result += umlaut;
    return result;
  };
  const auto title_of = [&](const std::string& thread, int characters) {
    const auto log = open("ann", thread, at(characters));
    add(log, {with_time(said(1, repeated(characters)), at(characters))});
    return newest_title();
  };
  CAF_CHECK_EQUAL(title_of("t79", 79), repeated(79));
  CAF_CHECK_EQUAL(title_of("t80", 80), repeated(80));
  CAF_CHECK_EQUAL(title_of("t81", 81), repeated(80));
}

// -- search --------------------------------------------------------------------------------------

CAF_TEST(search_finds_a_part_of_what_was_said_without_regard_to_ascii_case) {
  const auto log = open("ann", "t1");
  auto events = whole_run(1); // asks "what is 12*(3+4)?", is answered "It is 84."
  add(log, events);
  CAF_CHECK(found(log, "WHAT is") == (std::vector<sequence>{1}));
  CAF_CHECK(found(log, "is") == (std::vector<sequence>{events.size() - 1, 1}));
  CAF_CHECK(found(log, "calculator").empty());
  CAF_CHECK(found(log, "message_id").empty());
}

CAF_TEST(no_character_is_special_in_a_search) {
  const auto log = open("ann", "t1");
  add(log, {said(1, "100% sure"), said(2, "1000 sure"), said(3, "snake_case"), said(4, "snakeXcase"),
            said(5, R"(back\\slash)"), said(6, R"(a \"quoted\" word)"), said(7, "grün")});
  CAF_CHECK(found(log, "100%") == (std::vector<sequence>{1}));
  CAF_CHECK(found(log, "e_c") == (std::vector<sequence>{3}));
  CAF_CHECK(found(log, R"(k\s)") == (std::vector<sequence>{5}));
  CAF_CHECK(found(log, R"("quoted")") == (std::vector<sequence>{6}));
  CAF_CHECK(found(log, "grün") == (std::vector<sequence>{7}));
  CAF_CHECK(found(log, "' OR 1=1").empty());
  CAF_CHECK(found(log, std::string(60'000, '%')).empty());
}

CAF_TEST(search_returns_the_newest_and_says_if_there_are_more) {
  const auto log = open("ann", "t1");
  add(log, {said(1, "cat"), said(2, "cat"), said(3, "dog"), said(4, "cat")});
  CAF_CHECK(found(log, "cat", 2) == (std::vector<sequence>{4, 2}));
  CAF_CHECK_EQUAL(search(log, "cat", 2).messages.size(), 3u);
  CAF_CHECK_EQUAL(search(log, "cat", 3).messages.size(), 3u);
}

CAF_TEST_FIXTURE_SCOPE_END()

} // namespace gangway::store_tests
