#include "console/terminal/render_decision.hpp"

#define CAF_SUITE render_decision
#include "caf/test/unit_test.hpp"

#include <string>

#include <nlohmann/json.hpp>

#include "protocol/cleanup.hpp"

using namespace gangway;
using nlohmann::json;

namespace {

/// A request's cleanup that took one zombie of two managers.
json aggressive_cleanup() {
  return json::parse(R"({"decision_id":"d1","kind":"cleanup","user_id":"ada","tier":"pro","ts":1769862896007,
    "scope":"request","level":"aggressive","outcome":"freed","needed":1,
    "attempts":[{"level":"conservative","candidates":0,"evicted":0},{"level":"moderate","candidates":0,"evicted":0},
                {"level":"aggressive","candidates":1,"evicted":1}],
    "managers_used":20,"managers_max":20,"took_us":1512345,
    "evictions":[{"manager_id":"m1","thread_id":"t1","connections":["c1"],"level":"aggressive","reason":"zombie",
                  "evidence":["silent","hung"]}],
    "connections":[{"connection_id":"c1","code":4440,"reason":"evicted: no answer.","evidence":["silent"]}],
    "roster":[{"manager_id":"m1","thread_id":"t1","opening":false,"live_run":false,"living_connections":0,
               "useful_ms_ago":61000,"evidence":["silent","hung"]},
              {"manager_id":"m2","thread_id":"thread-2","opening":false,"live_run":true,"living_connections":1,
               "useful_ms_ago":12,"evidence":[]},
              {"manager_id":"m3","thread_id":"t3","opening":true,"live_run":false,"living_connections":2,
               "useful_ms_ago":900,"evidence":[]}]})");
}

bool says(const std::string& page, const std::string& part) {
  if (page.find(part) != std::string::npos) return true;
  CAF_MESSAGE("it said:\n" << page);
  return false;
}

} // namespace

CAF_TEST(a_decision_is_told_from_what_happened_to_who_was_considered) {
  CAF_CHECK_EQUAL(render_decision(aggressive_cleanup()), R"(2026-01-31 12:34:56.007 UTC  user ada (pro)
  Manager m1 of thread t1 was evicted at level aggressive, because it was proven dead. Evidence: two pings to a connection had no answer in time; the manager did not answer, though its loop turned. It had 1 connection.
  Connection c1 was closed with code 4440, and told: evicted: no answer. Evidence: two pings to a connection had no answer in time.
  The user had 20 of 20 managers in use and asked for another.
  It was to free 1 slot and freed 1, up to level aggressive, in 1.51 s.
  Tried, level by level:
    conservative  0 could go  0 went  the clearly inactive, and who was proven dead before
    moderate      0 could go  0 went  and the idle
    aggressive    1 could go  1 went  and who failed a probe made then
  Considered:
    went    thread t1        m1  0 living connections  useful 1m 1s ago   silent, hung
    stayed  thread thread-2  m2  1 living connection   useful 12 ms ago   protected by its run
    stayed  thread t3        m3  2 living connections  useful 900 ms ago  still opening
  Recorded as decision d1.
)");
}

CAF_TEST(whoever_is_asked_about_comes_first_by_its_own_role) {
  auto decision = aggressive_cleanup();
  decision["evictions"].insert(decision["evictions"].begin(),
                               json::parse(R"({"manager_id":"m0","thread_id":"t0","connections":["c0","c1"],
                                               "level":"moderate","reason":"idle","evidence":[]})"));
  CAF_CHECK(says(render_decision(decision, "m1"), "(pro)\n  Manager m1 of thread t1 was evicted"));
  CAF_CHECK(
      says(render_decision(decision, "c0"),
           "(pro)\n  Connection c0 had thread t0 open. Its manager m0 was evicted at level moderate, because it was "
           "idle: no run, and no use for longer than cleanup.idle_after.\n  Manager m1"));
  // Both of its threads, then its own end.
  CAF_CHECK(
      says(render_decision(decision, "c1"),
           "(pro)\n  Connection c1 had thread t0 open. Its manager m0 was evicted at level moderate, because it was "
           "idle: no run, and no use for longer than cleanup.idle_after.\n  Connection c1 had thread t1 open. Its "
           "manager m1 was evicted at level aggressive, because it was proven dead. Evidence: two pings to a "
           "connection had no answer in time; the manager did not answer, though its loop turned.\n  Connection c1 was "
           "closed with code 4440"));
}

CAF_TEST(every_reason_has_its_words) {
  auto decision = aggressive_cleanup();
  for (const auto& [reason, words] :
       {std::pair{"zombie", "because it was proven dead."},
        std::pair{"inactive", "because it was inactive: no run, and no living connection."},
        std::pair{"idle", "because it was idle: no run, and no use for longer than cleanup.idle_after."},
        std::pair{"least_recently_useful",
                  "because of those that could go, it had been of no use for the longest time."},
        std::pair{"of_a_later_version", "because of_a_later_version."}}) {
    decision["evictions"][0]["reason"] = reason;
    CAF_CHECK(says(render_decision(decision), words));
  }
}

CAF_TEST(every_finding_has_its_words) {
  auto decision = aggressive_cleanup();
  for (const auto& [finding, words] :
       {std::pair{"hung", "the manager did not answer, though its loop turned"},
        std::pair{"mismatched", "the manager's books differed from its user's: another thread, or other connections"},
        std::pair{"stuck_closing", "the manager held on to a connection whose close never finished"},
        std::pair{"unfit", "the manager could not take a connection or a message"},
        std::pair{"silent", "two pings to a connection had no answer in time"},
        std::pair{"unreachable", "the other side's kernel did not acknowledge what was sent, again and again"},
        std::pair{"stalled", "what was queued for a connection did not drain"},
        std::pair{"crashed", "the manager ended by an error"}, std::pair{"of_a_later_version", "of_a_later_version"}}) {
    decision["evictions"][0]["evidence"] = json::array({finding});
    CAF_CHECK(says(render_decision(decision), std::string{"Evidence: "} + words + ". It had 1 connection."));
  }
}

CAF_TEST(every_occasion_has_its_words) {
  auto decision = aggressive_cleanup();
  for (const auto& [scope, words] :
       {std::pair{"request", "The user had 20 of 20 managers in use and asked for another."},
        std::pair{"background", "20 of 20 managers in use, near the limit: room was made before it was needed."},
        std::pair{"surplus", "A grace had ended, and the user had 20 of 20 managers in use."},
        std::pair{"node", "The node was short of resources; the user had 20 of 20 managers in use."},
        std::pair{"manual", "An operator asked for it; the user had 20 of 20 managers in use."},
        std::pair{"later", "It was for later; the user had 20 of 20 managers in use."}}) {
    decision["scope"] = scope;
    CAF_CHECK(says(render_decision(decision), words));
  }
}

CAF_TEST(an_outcome_says_how_many_were_needed_and_how_many_went) {
  auto decision = aggressive_cleanup();
  decision["needed"] = 3;
  CAF_CHECK(says(render_decision(decision), "It was to free 3 slots and freed 1, up to level aggressive, in 1.51 s."));
  decision["evictions"] = json::array();
  decision["connections"] = json::array();
  CAF_CHECK(says(render_decision(decision), "(pro)\n  Nobody was evicted.\n"));
  CAF_CHECK(says(render_decision(decision), "It was to free 3 slots and freed none, up to"));
  decision["needed"] = 0;
  CAF_CHECK(says(render_decision(decision), "It was to free whatever it may and freed none, up to"));
}

CAF_TEST(a_dry_run_says_what_would_be_and_that_nothing_was) {
  auto decision = aggressive_cleanup();
  decision["dry_run"] = true;
  decision["scope"] = "manual";
  const auto page = render_decision(decision);
  CAF_CHECK(says(page, "(pro)\n  A dry run: nothing was changed, and nobody was probed, so aggressive may find more "
                       "that are dead.\n  Manager m1 of thread t1 would be evicted at level "
                       "aggressive, since it was proven dead."));
  CAF_CHECK(says(page, "Connection c1 would be closed with code 4440"));
  CAF_CHECK(says(page, "It was to free 1 slot and would free 1, up to level aggressive"));
  CAF_CHECK(says(page, "1 could go  1 would go  and who failed"));
  CAF_CHECK(says(page, "    would go  thread t1 "));
  CAF_CHECK_EQUAL(page.find(" went"), std::string::npos);
  CAF_CHECK_EQUAL(page.find("was evicted"), std::string::npos);
  decision["evictions"] = decision["connections"] = json::array();
  CAF_CHECK(says(render_decision(decision), "Nobody would be evicted."));
}

CAF_TEST(what_was_no_cleanup_is_told_as_what_it_was) {
  const auto page = [](const std::string& kind, const std::string& rest) {
    return render_decision(json::parse(R"({"decision_id":"d1","kind":")" + kind
                                       + R"(","user_id":"ada","tier":"free","ts":0,"managers_used":3,)"
                                         R"("managers_max":20,"took_us":0,"roster":[],)"
                                       + rest + "}"));
  };
  const std::string nobody = R"("evictions":[])";
  const std::string one = R"("connections":[],"evictions":[{"manager_id":"m1","thread_id":"t1","connections":[],
                             "level":"conservative","reason":"zombie","evidence":["crashed"]}])";
  CAF_CHECK_EQUAL(page("connection_replaced", nobody
                                                  + R"(,"connections":[{"connection_id":"c1","code":4440,)"
                                                    R"("reason":"replaced by a newer connection"}])"),
                  "1970-01-01 00:00:00.000 UTC  user ada (free)\n"
                  "  Connection c1 was closed with code 4440, and told: replaced by a newer connection.\n"
                  "  The user opened more connections than limits.connections_per_user.\n"
                  "  Recorded as decision d1.\n");
  CAF_CHECK_EQUAL(
      page("connection_dead", nobody
                                  + R"(,"connections":[{"connection_id":"c1","code":4012,)"
                                    R"("reason":"no pong","evidence":["silent"]}])"),
      "1970-01-01 00:00:00.000 UTC  user ada (free)\n"
      "  Connection c1 was closed with code 4012, and told: no pong. Evidence: two pings to a connection had "
      "no answer in time.\n"
      "  The connection was proven dead; nobody needed its place.\n"
      "  Recorded as decision d1.\n");
  CAF_CHECK(says(page("manager_crashed", one), "  Manager m1 of thread t1 ended by an error.\n  This was no decision"));
  CAF_CHECK(
      says(page("manager_leaked", one),
           "  Manager m1 of thread t1 was told to end, then killed, and is still not gone.\n  Its slot was free"));
  CAF_CHECK(says(page("of_a_later_version", one), "  Manager m1 of thread t1 was evicted"));
}

CAF_TEST(a_record_is_read_by_the_names_that_the_server_writes) {
  decision made;
  made.user = {"ada"};
  made.tier = "pro";
  made.time = utc_time{std::chrono::milliseconds{1'769'862'896'007}};
  made.level = cleanup_level::aggressive;
  made.outcome = cleanup_outcome::freed;
  made.used = made.limit = 20;
  made.needed = 1;
  made.took = std::chrono::microseconds{1'512'345};
  made.attempts = {{cleanup_level::aggressive, 2, 1}};
  const auto connection = connection_id::make();
  const auto manager = manager_id::make();
  made.evictions = {{manager, {"t1"}, {connection}, made.level, eviction_reason::zombie, {finding::hung}}};
  made.connections = {{connection, close_code::evicted, "evicted", finding::silent}};
  made.roster = {{manager, {"t1"}, false, true, 3, std::chrono::milliseconds{5}, {finding::hung}}};
  CAF_CHECK_EQUAL(
      render_decision(json::parse(encode(made).value)),
      "2026-01-31 12:34:56.007 UTC  user ada (pro)\n  Manager " + to_string(manager)
          + " of thread t1 was evicted at level aggressive, because it was proven dead. Evidence: the "
            "manager did not answer, though its loop turned. It had 1 connection.\n  Connection "
          + to_string(connection)
          + " was closed with code 4440, and told: evicted. Evidence: two pings to a connection had no "
            "answer in time.\n  The user had 20 of 20 managers in use and asked for another.\n  It was to free 1 "
            "slot and freed 1, up to level aggressive, in 1.51 s.\n  Tried, level by level:\n    aggressive  "
            "2 could go  1 went  and who failed a probe made then\n  Considered:\n    went  thread t1  "
          + to_string(manager)
          + "  3 living connections  useful 5 ms ago  protected by its run, hung\n  Recorded as decision "
          + to_string(made.id) + ".\n");
}

CAF_TEST(an_explanation_tells_one_decision_after_the_other) {
  const auto decisions = json::array({aggressive_cleanup(), aggressive_cleanup()});
  const auto one = render_decision(aggressive_cleanup(), "c1");
  CAF_CHECK_EQUAL(render_explanation(decisions, "c1"), one + "\n" + one);
  CAF_CHECK_EQUAL(render_explanation(json::array(), "c1"), "");
}

CAF_TEST(a_list_has_a_line_for_each_decision) {
  auto dry = aggressive_cleanup();
  dry["dry_run"] = true;
  dry["scope"] = "manual";
  const auto replaced = json::parse(R"({"decision_id":"d2","kind":"connection_replaced","user_id":"bob","ts":0,
                                        "took_us":3,"evictions":[],"connections":[{},{}]})");
  CAF_CHECK_EQUAL(
      render_decisions(json::array({aggressive_cleanup(), dry, replaced})),
      R"(2026-01-31 12:34:56.007 UTC  ada  cleanup, request, aggressive, freed  1 manager   1 connection   1.51 s  d1
2026-01-31 12:34:56.007 UTC  ada  dry run, manual, aggressive, freed   1 manager   1 connection   1.51 s  d1
1970-01-01 00:00:00.000 UTC  bob  connection replaced                  0 managers  2 connections  3 µs    d2
)");
}

CAF_TEST(a_decision_of_another_shape_shows_what_it_has) {
  CAF_CHECK_EQUAL(render_decision(json{}), "\n  Nobody was evicted.\n");
  CAF_CHECK_EQUAL(render_decision(json::parse(R"({"kind":"cleanup","needed":-1,"evictions":7,"connections":{},
                                                  "roster":"x","attempts":null,"ts":"now","took_us":[]})")),
                  "\n  Nobody was evicted.\n  It was to free whatever it may and freed none.\n");
  CAF_CHECK_EQUAL(render_explanation(json{}, "c1"), "");
  CAF_CHECK_EQUAL(render_decisions(json{}), "");
  CAF_CHECK(says(render_decision(json::parse(R"({"user_id":"a\u001b[2Jb"})")), "user a\\u001b[2Jb"));
}
