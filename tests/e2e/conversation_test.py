"""The main job, end to end: users sign in, open threads, ask, read an agent's events, and go on after a lost socket."""

import asyncio
import time
import unittest

import websockets

from gangway import GangwayTest, base64url, text, token, types

QUESTION = "what is 12*(3+4)?"
STEPS = ["message_accepted", "agent_started", "agent_thinking", "tool_executing", "tool_completed", "message_started",
         "message_delta", "message_completed", "agent_completed"]


class Conversation(GangwayTest):
    async def test_a_question_comes_back_as_84_step_by_step_and_in_order(self):
        server = self.start_server()
        client = await self.client(server, "105945141827451681156", bearer=token("105945141827451681156", "pro"))
        self.assertEqual(client.hello["user_id"], "105945141827451681156")
        self.assertEqual(client.hello["tier"], "pro")
        self.assertEqual(client.hello["limits"], {"managers_used": 0, "managers_max": 20})
        self.assertEqual(client.hello["ping_interval_ms"], 25000)
        self.assertEqual(client.hello["pong_timeout_ms"], 10000)
        self.assertEqual(client.hello["reconnect"], {"jitter_max_ms": 2000})

        opened = await client.request("thread.open", thread_id="t1")
        self.assertEqual((opened["thread_id"], opened["seq"], opened["resumed"]), ("t1", 0, False))
        self.assertEqual(opened["snapshot"], {"messages": [], "run": None})
        sent, events = await client.converse("t1", QUESTION, client_message_id="c1")
        self.assertEqual(sent["seq"], 1)
        self.assert_no_gap(events)
        self.assertEqual(types(events), STEPS)
        self.assertEqual({frame["run_id"] for frame in events}, {sent["run_id"]})
        self.assertEqual({frame["epoch"] for frame in events}, {opened["epoch"]})
        for frame in events:
            self.assertAlmostEqual(frame["ts"], time.time() * 1000, delta=60_000)

        found = {name: [frame["event"] for frame in events if frame["event"]["type"] == name] for name in STEPS}
        self.assertEqual(found["message_accepted"], [{"type": "message_accepted", "message_id": sent["message_id"],
                                                      "client_message_id": "c1", "content": QUESTION}])
        self.assertEqual(found["agent_started"][0]["agent"], "builtin")
        [executing], [completed] = found["tool_executing"], found["tool_completed"]
        self.assertEqual((executing["name"], executing["arguments"]), ("calculator", {"expression": "12*(3+4)"}))
        self.assertEqual(completed["tool_call_id"], executing["tool_call_id"])
        self.assertEqual((completed["result"], completed["is_error"]), ("84", False))
        [started], [message] = found["message_started"], found["message_completed"]
        self.assertEqual(started["role"], "assistant")
        self.assertEqual({event["message_id"] for event in found["message_delta"]}, {message["message_id"]})
        self.assertEqual(started["message_id"], message["message_id"])
        self.assertEqual(text(events), message["content"])
        self.assertIn("84", message["content"])

    async def test_a_tool_that_fails_says_so_and_the_run_ends_well(self):
        client = await self.client(self.start_server(), "ada")
        await client.request("thread.open", thread_id="t1")
        _, events = await client.converse("t1", "what is 1/0?")
        [completed] = [frame["event"] for frame in events if frame["event"]["type"] == "tool_completed"]
        self.assertTrue(completed["is_error"])
        self.assertEqual(types(events)[-1], "agent_completed")

    async def test_a_thread_without_a_name_is_given_one(self):
        client = await self.client(self.start_server(), "ada")
        thread = (await client.request("thread.open"))["thread_id"]
        self.assertRegex(thread, r"\A[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
        _, events = await client.converse(thread, QUESTION)
        self.assertEqual(types(events)[-1], "agent_completed")

    async def test_a_message_may_be_an_array_of_parts(self):
        client = await self.client(self.start_server(), "ada")
        await client.request("thread.open", thread_id="t1")
        parts = [{"type": "text", "text": QUESTION}]
        _, events = await client.converse("t1", parts)
        self.assertEqual(events[0]["event"]["content"], parts)
        self.assertIn("84", text(events))

    async def test_a_command_without_an_id_runs_and_is_not_answered(self):
        client = await self.client(self.start_server(), "ada")
        await client.request("thread.open", thread_id="t1")
        await client.send({"type": "message.send", "thread_id": "t1", "content": QUESTION})
        events = await client.events_until("t1", "agent_completed")
        self.assertEqual(types(events), STEPS)
        await client.request("ping")
        self.assertEqual(client.frames, [])

    async def test_three_threads_on_one_socket_do_not_mix(self):
        client = await self.client(self.start_server(), "ada")
        runs = {}
        for number in (1, 2, 3):
            await client.request("thread.open", thread_id=f"t{number}")
        for number in (1, 2, 3):
            sent = await client.request("message.send", thread_id=f"t{number}", content=f"/stream {number * 20} 100")
            runs[f"t{number}"] = sent["run_id"]
        self.assertEqual(len(set(runs.values())), 3)
        for number in (3, 1, 2):
            events = await client.events_until(f"t{number}", "agent_completed")
            self.assert_no_gap(events)
            self.assertEqual({frame["run_id"] for frame in events}, {runs[f"t{number}"]})
            deltas = [frame for frame in events if frame["event"]["type"] == "message_delta"]
            self.assertEqual(len(deltas), number * 20)

    async def test_two_users_never_see_each_other_even_in_a_thread_of_the_same_name(self):
        server = self.start_server()
        ada, bob = await self.client(server, "ada"), await self.client(server, "bob")
        for client in (ada, bob):
            self.assertEqual((await client.request("thread.open", thread_id="shared"))["seq"], 0)
        (_, of_ada), (_, of_bob) = await asyncio.gather(ada.converse("shared", "what is 1000+1?"),
                                                        bob.converse("shared", "what is 2000+2?"))
        self.assertIn("1001", text(of_ada))
        self.assertIn("2002", text(of_bob))
        self.assert_no_gap(of_ada)
        self.assert_no_gap(of_bob)
        self.assertNotIn("2000+2", str(of_ada))
        self.assertNotIn("1000+1", str(of_bob))
        for client, content in ((ada, "what is 1000+1?"), (bob, "what is 2000+2?")):
            await client.request("ping")
            self.assertEqual(client.frames, [])
            history = (await client.request("thread.history", thread_id="shared"))["messages"]
            self.assertEqual(history[0]["content"], content)
            self.assertEqual(len(history), 2)
            self.assertEqual(len((await client.request("thread.list"))["threads"]), 1)
        await bob.request("thread.open", thread_id="of-bob")
        await bob.converse("of-bob", QUESTION)
        self.assertEqual((await ada.refusal("thread.history", thread_id="of-bob"))["code"], "not_open")
        opened = await ada.request("thread.open", thread_id="of-bob")  # ada's own thread of that name
        self.assertEqual((opened["seq"], opened["snapshot"]), (0, {"messages": [], "run": None}))


class Resume(GangwayTest):
    async def test_from_every_point_of_the_log_each_event_comes_exactly_once(self):
        server = self.start_server()
        writer = await self.client(server, "ada")
        epoch = (await writer.request("thread.open", thread_id="t1"))["epoch"]
        _, events = await writer.converse("t1", QUESTION)
        last = events[-1]["seq"]
        readers = []
        for after in range(last + 1):
            reader = await self.client(server, "ada")
            opened = await reader.request("thread.open", thread_id="t1", epoch=epoch, after_seq=after)
            self.assertEqual((opened["resumed"], opened["epoch"], opened["seq"]), (True, epoch, last))
            self.assertNotIn("snapshot", opened)
            readers.append((after, reader))
        # What comes after the replay shows that nothing of it came twice.
        _, more = await writer.converse("t1", "what is 2+3?")
        self.assert_no_gap(more, last)
        for after, reader in readers:
            self.assertEqual(await self.until(reader, more[-1]["seq"]), (events + more)[after:])

    async def until(self, client, seq):
        events = [await client.event("t1")]
        while events[-1]["seq"] < seq:
            events.append(await client.event("t1"))
        return events

    async def test_the_run_goes_on_while_the_socket_is_lost_again_and_again(self):
        server = self.start_server()
        client = await self.client(server, "ada")
        epoch = (await client.request("thread.open", thread_id="t1"))["epoch"]
        await client.request("message.send", thread_id="t1", content="/stream 150 150")
        events = []
        for _ in range(5):
            while len(events) % 20 != 19:
                events.append(await client.event("t1"))
            await client.vanish()
            client = await self.client(server, "ada")
            opened = await client.request("thread.open", thread_id="t1", epoch=epoch, after_seq=events[-1]["seq"])
            self.assertTrue(opened["resumed"])
            events.append(await client.event("t1"))
        events += await client.events_until("t1", "agent_completed")
        self.assert_no_gap(events)
        deltas = [frame for frame in events if frame["event"]["type"] == "message_delta"]
        self.assertEqual(len(deltas), 150)
        self.assertEqual(text(events), events[-2]["event"]["content"])

    async def test_an_unknown_epoch_or_a_position_of_the_future_brings_a_snapshot(self):
        server = self.start_server()
        client = await self.client(server, "ada")
        epoch = (await client.request("thread.open", thread_id="t1"))["epoch"]
        sent, events = await client.converse("t1", QUESTION)
        for position in ({"epoch": "old", "after_seq": 7}, {"epoch": epoch, "after_seq": events[-1]["seq"] + 1}, {}):
            opened = await client.request("thread.open", thread_id="t1", **position)
            self.assertEqual((opened["resumed"], opened["epoch"], opened["seq"]), (False, epoch, events[-1]["seq"]))
            self.assertIsNone(opened["snapshot"]["run"])
            question, answer = opened["snapshot"]["messages"]
            self.assertEqual((question["message_id"], question["role"], question["content"], question["seq"]),
                             (sent["message_id"], "user", QUESTION, 1))
            self.assertEqual((answer["role"], answer["content"], answer["seq"], answer["run_id"]),
                             ("assistant", text(events), events[-2]["seq"], sent["run_id"]))

    async def test_a_snapshot_in_the_middle_of_an_answer_and_what_follows_are_the_whole_answer(self):
        server = self.start_server()
        writer = await self.client(server, "ada")
        await writer.request("thread.open", thread_id="t1")
        sent = await writer.request("message.send", thread_id="t1", content="/stream 100 100")
        await writer.events_until("t1", "message_delta")
        reader = await self.client(server, "ada")
        opened = await reader.request("thread.open", thread_id="t1")
        run = opened["snapshot"]["run"]
        self.assertEqual(run["run_id"], sent["run_id"])
        rest = await reader.events_until("t1", "agent_completed")
        self.assert_no_gap(rest, opened["seq"])
        self.assertEqual(run["content"] + text(rest), rest[-2]["event"]["content"])
        self.assertNotEqual(run["content"], "")

    async def test_every_connection_of_a_thread_sees_the_same(self):
        server = self.start_server()
        clients = [await self.client(server, "ada") for _ in range(3)]
        for client in clients:
            await client.request("thread.open", thread_id="t1")
        _, events = await clients[0].converse("t1", QUESTION)
        for client in clients[1:]:
            self.assertEqual(await client.events_until("t1", "agent_completed"), events)


class Limit(GangwayTest):
    # Where nobody living may go, the limit is a hard one.
    HARD = {"cleanup": {"max_level": "conservative"}, "grace": {"extra": 0}, "queue": {"max": 0}}

    async def test_twenty_managers_are_served_the_next_is_refused_and_a_closed_one_makes_room(self):
        client = await self.client(self.start_server(**self.HARD), "ada")
        for number in range(1, 21):
            await client.request("thread.open", thread_id=f"t{number}")
        self.assertEqual(await client.managers(), (20, 20))
        for _ in range(2):
            error = await client.refusal("thread.open", thread_id="t21")
            self.assertEqual((error["code"], error["temporary"]), ("manager_limit", True))
            self.assertRegex(error["message"], r"\AToo many threads are open; close one and try again\. "
                                               r"User ada has reached the maximum number of WebSocket managers \(20\)\. ")
            self.assertIn(" Current count: 20.", error["message"])
            self.assertGreater(error["retry_after_ms"], 0)
            self.assertEqual((error["details"]["total_cleaned"], error["details"]["current"]), (0, 20))
        await client.request("thread.open", thread_id="t7")  # open already: needs no slot
        await client.request("thread.close", thread_id="t7")
        self.assertEqual(await client.managers(), (19, 20))
        await client.request("thread.open", thread_id="t21")
        _, events = await client.converse("t21", QUESTION)
        self.assertIn("84", text(events))
        self.assertEqual((await client.refusal("thread.open", thread_id="t7"))["code"], "manager_limit")
        self.assertEqual(await client.managers(), (20, 20))

    async def test_the_limit_is_one_users_own(self):
        server = self.start_server(limits={"managers_per_user": 2}, **self.HARD)
        ada, bob = await self.client(server, "ada"), await self.client(server, "bob")
        for client in (ada, bob):
            for thread in ("t1", "t2"):
                await client.request("thread.open", thread_id=thread)
            self.assertEqual((await client.refusal("thread.open", thread_id="t3"))["code"], "manager_limit")

    async def test_managers_that_nobody_looks_at_give_their_slots_back(self):
        server = self.start_server(limits={"managers_per_user": 1}, manager={"linger": "100ms"})
        first = await self.client(server, "ada")
        await first.request("thread.open", thread_id="t1")
        await first.vanish()
        second = await self.client(server, "ada")
        deadline = time.monotonic() + 10
        while await second.managers() != (0, 1):
            self.assertLess(time.monotonic(), deadline, "the manager does not retire")
        await second.request("thread.open", thread_id="t2")

    async def test_opening_and_closing_for_ever_leaks_nothing(self):
        client = await self.client(self.start_server(limits={"managers_per_user": 2}), "ada")
        for number in range(100):
            await client.request("thread.open", thread_id=f"t{number}")
            await client.request("thread.close", thread_id=f"t{number}")
        self.assertEqual(await client.managers(), (0, 2))


class Runs(GangwayTest):
    async def test_a_thread_is_busy_until_its_run_has_ended(self):
        client = await self.client(self.start_server(), "ada")
        for thread in ("t1", "t2"):
            await client.request("thread.open", thread_id=thread)
        await client.request("message.send", thread_id="t1", content="/stream 50 20")
        error = await client.refusal("message.send", thread_id="t1", content=QUESTION)
        self.assertEqual((error["code"], error["temporary"]), ("busy", True))
        _, other = await client.converse("t2", QUESTION)
        self.assertEqual(types(other)[-1], "agent_completed")
        events = await client.events_until("t1", "agent_completed")
        self.assertEqual(len([frame for frame in events if frame["event"]["type"] == "message_delta"]), 50)
        _, events = await client.converse("t1", QUESTION)
        self.assertEqual(types(events)[-1], "agent_completed")

    async def test_a_cancelled_run_ends_once_and_makes_way(self):
        client = await self.client(self.start_server(), "ada")
        await client.request("thread.open", thread_id="t1")
        sent = await client.request("message.send", thread_id="t1", content="/stream 2000 20")
        events = await client.events_until("t1", "message_delta")
        self.assertEqual(await client.request("run.cancel", thread_id="t1", run_id=sent["run_id"]), {})
        events += await client.events_until("t1", "agent_cancelled", "agent_completed", "agent_failed")
        self.assertEqual(events[-1]["event"]["type"], "agent_cancelled")
        _, more = await client.converse("t1", QUESTION)
        self.assert_no_gap(events + more)
        self.assertEqual(types(more), STEPS)

    async def test_what_is_not_open_here_is_not_open(self):
        server = self.start_server()
        first, second = await self.client(server, "ada"), await self.client(server, "ada")
        await first.request("thread.open", thread_id="t1")
        for command in ({"type": "message.send", "content": QUESTION}, {"type": "thread.close"},
                        {"type": "run.cancel", "run_id": "0192f000-0000-7000-8000-000000000000"},
                        {"type": "thread.history"}):
            self.assertEqual((await second.refusal(thread_id="t1", **command))["code"], "not_open")
        await first.request("thread.close", thread_id="t1")
        self.assertEqual((await first.refusal("message.send", thread_id="t1", content=QUESTION))["code"], "not_open")

    async def test_a_repeated_message_gets_the_first_answer(self):
        server = self.start_server()
        client, other = await self.client(server, "ada"), await self.client(server, "ada")
        for each in (client, other):
            await each.request("thread.open", thread_id="t1")
        message = {"thread_id": "t1", "content": "/stream 20 50", "client_message_id": "c1"}
        ids = [await client.post("message.send", **message) for _ in range(2)]
        answers = [await client.answer(id) for id in ids]
        answers.append(await other.request("message.send", **message))
        self.assertEqual(answers, [answers[0]] * 3)
        events = await client.events_until("t1", "agent_completed")
        self.assertEqual(await client.request("message.send", **message), answers[0])
        self.assertEqual(types(events).count("message_accepted"), 1)
        error = await client.refusal("message.send", **{**message, "content": QUESTION})
        self.assertEqual(error["code"], "bad_request")
        await client.request("thread.open", thread_id="t2")
        sent, _ = await client.converse("t2", QUESTION, client_message_id="c1")
        self.assertNotEqual(sent["message_id"], answers[0]["message_id"])


class Reading(GangwayTest):
    async def test_threads_are_listed_newest_first_and_page_by_page(self):
        client = await self.client(self.start_server(), "ada")
        lasts = {}
        for number in (1, 2, 3):
            await client.request("thread.open", thread_id=f"t{number}")
            _, events = await client.converse(f"t{number}", f"what is {number}+1?")
            lasts[f"t{number}"] = events[-1]["seq"]
        await client.request("thread.close", thread_id="t1")
        threads = (await client.request("thread.list"))["threads"]
        self.assertEqual([thread["thread_id"] for thread in threads], ["t3", "t2", "t1"])
        self.assertEqual({thread["thread_id"]: thread["seq"] for thread in threads}, lasts)
        self.assertEqual([thread["live"] for thread in threads], [True, True, False])
        for thread in threads:
            self.assertNotEqual(thread["title"], "")
        first = (await client.request("thread.list", limit=2))["threads"]
        self.assertEqual(first, threads[:2])
        rest = (await client.request("thread.list", before=first[-1]["updated_at"]))["threads"]
        self.assertEqual(rest, threads[2:])

    async def test_history_page_by_page_is_the_whole_conversation(self):
        client = await self.client(self.start_server(), "ada")
        await client.request("thread.open", thread_id="t1")
        expected = []
        for number in range(4):
            sent, events = await client.converse("t1", f"what is {number}+{number}?")
            expected += [(sent["message_id"], "user", f"what is {number}+{number}?"),
                         (events[-2]["event"]["message_id"], "assistant", text(events))]
        whole = await client.request("thread.history", thread_id="t1")
        self.assertFalse(whole["more"])
        self.assertEqual([(m["message_id"], m["role"], m["content"]) for m in whole["messages"]], expected)
        pages, before = [], {}
        while True:
            page = await client.request("thread.history", thread_id="t1", limit=3, **before)
            pages = page["messages"] + pages
            before = {"before_seq": page["messages"][0]["seq"]}
            if not page["more"]:
                break
        self.assertEqual(pages, whole["messages"])


class SigningIn(GangwayTest):
    async def test_a_token_in_the_subprotocol_is_taken_and_only_the_first_is_echoed(self):
        server = self.start_server()
        credential = "base64url.bearer.authorization.gangway." + base64url(token("ada", "enterprise"))
        client = await self.client(server, subprotocols=["gangway.v1.json", credential])
        self.assertEqual(client.socket.subprotocol, "gangway.v1.json")
        hello = await client.take(lambda frame: frame.get("type") == "connected")
        self.assertEqual((hello["user_id"], hello["tier"]), ("ada", "enterprise"))

    async def test_a_token_in_the_first_frame_is_taken_and_nothing_else_before_it(self):
        server = self.start_server()
        client = await self.client(server)
        for command in ("ping", "status", "thread.open"):
            self.assertEqual((await client.refusal(command))["code"], "unauthenticated")
        hello = await client.request("connect", token=token("ada", "pro"), client="a test")
        self.assertEqual((hello["type"], hello["user_id"], hello["tier"]), ("connected", "ada", "pro"))
        await client.request("thread.open", thread_id="t1")
        _, events = await client.converse("t1", QUESTION)
        self.assertIn("84", text(events))

    async def test_a_client_without_a_subprotocol_is_accepted(self):
        client = await self.client(self.start_server(), "ada")
        self.assertIsNone(client.socket.subprotocol)

    async def test_an_unknown_tier_is_free(self):
        server = self.start_server()
        for tier in ("platinum", None):
            client = await self.client(server, bearer=token("ada", tier))
            self.assertEqual(client.hello["tier"], "free")

    async def test_a_bad_token_is_refused_wherever_it_stands(self):
        server = self.start_server()
        now = int(time.time())
        good = token("ada")
        bad = {
            "of another secret": token("ada", secret="another secret, as long as the right one"),
            "expired": token("ada", expires_in=-120),
            "without an expiry": token("ada", exp=None),
            "of the future": token("ada", nbf=now + 600),
            "without a signature": token("ada", algorithm="none"),
            "of another algorithm": token("ada", algorithm="HS512"),
            "of nobody": token(None),
            "whose user is a number": token(42),
            "cut short": good[:-4],
            "changed": good.replace(".", "." + base64url("{}"), 1),
            "not a token": "x",
        }
        for what, credential in bad.items():
            with self.subTest(what):
                with self.assertRaises(websockets.InvalidStatusCode) as refused:
                    await self.client(server, bearer=credential)
                self.assertEqual(refused.exception.status_code, 401)
                protocols = ["gangway.v1.json", "base64url.bearer.authorization.gangway." + base64url(credential)]
                with self.assertRaises(websockets.InvalidStatusCode) as refused:
                    await self.client(server, subprotocols=protocols)
                self.assertEqual(refused.exception.status_code, 401)
                client = await self.client(server)
                await client.post("connect", token=credential)
                goodbye = await client.take(lambda frame: frame.get("type") == "disconnect")
                code = 4005 if what == "expired" else 4500
                self.assertEqual((goodbye["code"], goodbye["reconnect"]), (code, code == 4005))
                self.assertEqual(await client.close_code(), code)
        await self.client(server, bearer=good)

    async def test_the_first_token_that_is_present_decides(self):
        server = self.start_server()
        protocols = ["gangway.v1.json", "base64url.bearer.authorization.gangway." + base64url(token("ada"))]
        with self.assertRaises(websockets.InvalidStatusCode) as refused:
            await self.client(server, bearer="bad", subprotocols=protocols)
        self.assertEqual(refused.exception.status_code, 401)

    async def test_who_never_signs_in_is_sent_away(self):
        client = await self.client(self.start_server(auth={"timeout": "300ms"}))
        goodbye = await client.take(lambda frame: frame.get("type") == "disconnect")
        self.assertEqual((goodbye["code"], goodbye["reconnect"]), (4502, False))
        self.assertEqual(await client.close_code(), 4502)

    async def test_a_page_of_somebody_else_is_not_let_in(self):
        server = self.start_server()
        with self.assertRaises(websockets.InvalidStatusCode) as refused:
            await self.client(server, "ada", headers=[("Origin", "https://elsewhere.example")])
        self.assertEqual(refused.exception.status_code, 403)
        await self.client(server, "ada", headers=[("Origin", f"http://127.0.0.1:{server.port}")])

    async def test_a_token_is_renewed_on_the_open_socket_by_its_own_user_only(self):
        client = await self.client(self.start_server(), bearer=token("ada", expires_in=60))
        fresh = token("ada", expires_in=7200)
        renewed = await client.request("token.refresh", token=fresh)
        self.assertAlmostEqual(renewed["expires_at"], (time.time() + 7200) * 1000, delta=60_000)
        for bad in (token("bob"), token("ada", expires_in=-120), "x"):
            error = await client.refusal("token.refresh", token=bad)
            self.assertIn(error["code"], {"unauthenticated", "token_expired", "forbidden"})
        await client.request("ping")


if __name__ == "__main__":
    unittest.main(verbosity=2)
