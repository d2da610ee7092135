#include "console/terminal/render.hpp"

#define CAF_SUITE render
#include "caf/test/unit_test.hpp"

#include <nlohmann/json.hpp>

using namespace gangway;
using nlohmann::json;

CAF_TEST(a_status_is_aligned_lines) {
  const auto status = json::parse(R"({"status":"failing","version":"0.1.0","uptime_s":3723,"environment":"development",
    "components":{"agents":{"status":"ready"},"store":{"status":"failing","reason":"disk full"}},
    "users":2,"managers":5,"connections":6,"runs":1,
    "limits":{"managers_per_user":20,"connections_per_user":64},"loops":[{"lag_ms":0.1},{"lag_ms":12.5}]})");
  CAF_CHECK_EQUAL(render_status(status), R"(status       failing
version      0.1.0
environment  development
uptime       1h 2m 3s
users        2
managers     5  (at most 20 per user)
connections  6  (at most 64 per user)
runs         1
loop lag     0.1 ms, 12.5 ms

agents  ready
store   failing  disk full
)");
}

CAF_TEST(a_status_shows_what_it_has) {
  CAF_CHECK_EQUAL(render_status(json::parse(R"({"status":"starting","uptime_s":59})")),
                  "status  starting\nuptime  59s\n");
  CAF_CHECK_EQUAL(render_status(json::parse(R"({"uptime_s":60})")), "uptime  1m 0s\n");
  CAF_CHECK_EQUAL(render_status(json::parse("null")), "");
  CAF_CHECK_EQUAL(render_status(json::parse(R"({"status":["odd"],"components":3,"loops":{}})")), "status  [\"odd\"]\n");
}

CAF_TEST(a_tree_hangs_connections_and_managers_under_their_user) {
  const auto tree = json::parse(R"({"name":"supervisor","children":[
    {"name":"directory","id":"0","vitals":{"messages":1,"mailbox":0,"handling_ms":0.1,"restarts":0},"children":[
      {"name":"user","id":"ada","tier":"free","managers_max":20,
       "connections":[{"connection_id":"c1","heard_ms_ago":12,"useful_ms_ago":4000,"suspect":false},
                      {"connection_id":"c2","heard_ms_ago":30000,"useful_ms_ago":61000,"suspect":true}],
       "children":[{"name":"manager","id":"m1","thread_id":"t1","phase":"open","connections":["c1"],"run_id":"r1",
                    "useful_ms_ago":12},
                   {"name":"manager","id":"m2","thread_id":"t2","phase":"open","connections":[],"run_id":null}]},
      {"name":"user","id":"bob","tier":"pro","managers_max":20,"connections":[],"children":[]}]},
    {"name":"store","vitals":{"messages":7,"mailbox":2,"handling_ms":3.5,"restarts":1}}]})");
  CAF_CHECK_EQUAL(render_tree(tree), R"(supervisor
├─ directory 0  1 messages, mailbox 0, 0.1 ms
│  ├─ user ada  free, 2 of 20 managers
│  │  ├─ connection c1  heard 12 ms ago, useful 4s ago
│  │  ├─ connection c2  heard 30s ago, useful 1m 1s ago, suspect
│  │  ├─ manager t1  m1, open, 1 connection, run r1, useful 12 ms ago
│  │  └─ manager t2  m2, open, 0 connections
│  └─ user bob  pro, 0 of 20 managers
└─ store  7 messages, mailbox 2, 3.5 ms, restarts 1
)");
  CAF_CHECK(has_user(tree, "ada"));
  CAF_CHECK(has_user(tree, "bob"));
  CAF_CHECK(!has_user(tree, "t1"));
  CAF_CHECK(!has_user(tree, "0"));
}

CAF_TEST(a_tree_shows_who_is_suspected_dead_or_waiting) {
  const auto tree = json::parse(R"({"name":"user","id":"ada","tier":"free","managers_max":20,"waiting":2,"grace":5,
    "tombstones":1,"connections":[],"children":[
      {"name":"manager","id":"m1","thread_id":"t1","phase":"open","suspect":true,"evidence":[],"connections":[]},
      {"name":"manager","id":"m2","thread_id":"t2","phase":"open","suspect":true,"evidence":["hung","silent"],
       "connections":[]},
      {"name":"manager","id":"m3","thread_id":"t3","phase":"leaked","suspect":false,"evidence":["hung"],
       "connections":[]}]})");
  CAF_CHECK_EQUAL(render_tree(tree), R"(user ada  free, 3 of 20 managers, grace +5, 2 waiting, 1 tombstone
├─ manager t1  m1, open, suspect, 0 connections
├─ manager t2  m2, open, suspect, zombie: hung, silent, 0 connections
└─ manager t3  m3, leaked, zombie: hung, 0 connections
)");
}

CAF_TEST(a_tree_is_silent_about_what_there_is_none_of) {
  const auto tree = json::parse(R"({"name":"user","id":"ada","managers_max":20,"waiting":0,"grace":0,"tombstones":0,
    "connections":[],"children":[]})");
  CAF_CHECK_EQUAL(render_tree(tree), "user ada  0 of 20 managers\n");
  const auto more = json::parse(R"({"name":"user","id":"ada","waiting":1,"tombstones":2})");
  CAF_CHECK_EQUAL(render_tree(more), "user ada  1 waiting, 2 tombstones\n");
}

CAF_TEST(what_a_server_says_cannot_move_the_cursor) {
  const json tree{{"name", "user"}, {"id", "a\x1b[2Jb\nc"}};
  CAF_CHECK_EQUAL(render_tree(tree), "user a\\u001b[2Jb\\nc\n");
  // U+009B begins a command too; what follows it in the table of characters does not.
  CAF_CHECK_EQUAL(render_tree({{"name", "user"},
                               {"id", "a\xc2\x9b"
                                      "2J\xc2\x80\xc2\x9f\xc2\xa0\xc3\x9b"}}),
                  "user a\\u009b2J\\u0080\\u009f\xc2\xa0\xc3\x9b\n");
}
