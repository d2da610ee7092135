"""At the limit nobody is locked out: over real sockets, the one more gets in, the right one goes, and whoever loses a
thread is told why and gets it back."""

import asyncio
import time
import unittest

from gangway import PATIENCE, GangwayTest, Refused, text, token
from visitor import Visitor

QUESTION = "what is 12*(3+4)?"


class LadderTest(GangwayTest):
    async def open(self, client, *threads):
        """Opens threads one after the other, so that the first is the least recently useful."""
        return [await client.request("thread.open", thread_id=thread) for thread in threads]

    def cleanups(self, server, user, scope="request"):
        return [one for one in server.decisions(user) if one["kind"] == "cleanup" and one["scope"] == scope]


class Visitors(LadderTest):
    """Clients in processes of their own, each with a thread of its own."""

    async def crowd(self, server, user, threads):
        """Returns visitors that have asked something in their thread each; the first is the least recently useful."""
        visitors = await asyncio.gather(*(Visitor.arrive(server.url, user) for _ in threads))
        for visitor, thread in zip(visitors, threads):
            self.addAsyncCleanup(visitor.close)
            visitor.opened = await visitor.request("thread.open", thread_id=thread)
            _, events = await visitor.converse(thread, QUESTION)
            self.assertIn("84", text(events))
            visitor.last = events[-1]["seq"]
        return visitors

    async def test_twenty_stopped_clients_lock_nobody_out_and_the_evicted_thread_goes_on_where_it_was(self):
        server = self.start_server()
        threads = [f"t{number}" for number in range(1, 21)]
        visitors = await self.crowd(server, "ada", threads)
        for visitor in visitors:
            visitor.stop()
        newcomer = await self.client(server, "ada")
        self.assertEqual(newcomer.hello["limits"], {"managers_used": 20, "managers_max": 20})

        await newcomer.request("thread.open", thread_id="t21")
        _, events = await newcomer.converse("t21", QUESTION)
        self.assertIn("84", text(events))
        self.assertEqual(events[-1]["event"]["type"], "agent_completed")
        self.assertEqual(await newcomer.managers(), (20, 20))

        [decision] = self.cleanups(server, "ada")
        self.assertEqual((decision["level"], decision["outcome"], decision["needed"]), ("aggressive", "freed", 1))
        [eviction] = decision["evictions"]
        self.assertEqual((eviction["thread_id"], eviction["reason"], eviction["evidence"]), ("t1", "zombie", ["silent"]))
        self.assertEqual(eviction["manager_id"], visitors[0].opened["manager_id"])
        self.assertEqual(eviction["connections"], [visitors[0].hello["connection_id"]])
        self.assertEqual({line["thread_id"] for line in decision["roster"]}, set(threads))

        victim = visitors[0]
        victim.go_on()
        told = await victim.notice("manager_evicted")
        self.assertEqual((told["thread_id"], told["level"], told["reason"]), ("t1", "aggressive", "zombie"))
        self.assertAlmostEqual(told["resume_until"], (time.time() + 120) * 1000, delta=60_000)
        # All other nineteen are proven dead, so the place that it comes back to costs nobody alive anything.
        resumed = await victim.request("thread.open", thread_id="t1", epoch=victim.opened["epoch"],
                                       after_seq=victim.last)
        self.assertEqual((resumed["resumed"], resumed["seq"]), (True, victim.last))
        _, events = await victim.converse("t1", QUESTION)
        self.assertIn("84", text(events))
        self.assert_no_gap(events, victim.last)

        for visitor in visitors[1:]:
            visitor.go_on()
        gone = {one["thread_id"] for each in server.decisions("ada") for one in each["evictions"]}
        self.assertEqual(gone & {"t1", "t2", "t21"}, {"t1", "t2"})
        for visitor, thread in zip(visitors, threads):
            await visitor.request("ping")  # whatever was sent before has come
            again = [notice["thread_id"] for notice in visitor.notices("manager_evicted")]
            self.assertEqual(again, [thread] if thread in gone - {"t1"} else [])
        self.assertEqual(newcomer.notices("manager_evicted"), [])

    async def test_who_answers_outlives_who_does_not_however_useful_that_one_was(self):
        server = self.start_server(limits={"managers_per_user": 3})
        [old] = await self.crowd(server, "ada", ["oldest"])
        stopped = await self.crowd(server, "ada", ["t1", "t2"])
        for visitor in stopped:
            visitor.stop()
        newcomer = await self.client(server, "ada")
        await self.open(newcomer, "t3")
        [decision] = self.cleanups(server, "ada")
        self.assertEqual([(one["thread_id"], one["evidence"]) for one in decision["evictions"]], [("t1", ["silent"])])
        await old.converse("oldest", QUESTION)
        self.assertEqual(old.notices("manager_evicted"), [])

    async def test_an_evicted_thread_goes_on_on_another_connection(self):
        server = self.start_server(limits={"managers_per_user": 1})
        [visitor] = await self.crowd(server, "ada", ["t1"])
        visitor.stop()
        client = await self.client(server, "ada")
        await self.open(client, "t2")
        await client.request("thread.close", thread_id="t2")
        resumed = await client.request("thread.open", thread_id="t1", epoch=visitor.opened["epoch"],
                                       after_seq=visitor.last)
        self.assertEqual((resumed["resumed"], resumed["seq"]), (True, visitor.last))
        _, events = await client.converse("t1", QUESTION)
        self.assert_no_gap(events, visitor.last)


class Living(LadderTest):
    async def test_of_twenty_living_the_least_recently_useful_goes_and_everybody_who_had_it_open_is_told(self):
        # The living answer at once: nobody here waits for as long as a probe may take.
        server = self.start_server(cleanup={"probe_timeout": f"{PATIENCE + 5}s", "deadline": f"{PATIENCE + 10}s"})
        first, second, newcomer = [await self.client(server, "ada") for _ in range(3)]
        await self.open(first, *(f"t{number}" for number in range(1, 21)))
        warned = await second.notice("limit_warning")
        self.assertEqual((warned["managers_used"], warned["managers_max"]), (18, 20))
        await self.open(second, "t2")  # which is no longer the second oldest by this
        await first.converse("t1", QUESTION)
        await self.open(newcomer, "t3")
        for number in range(4, 21):
            await self.open(first, f"t{number}")
        # t2 is the oldest now, t1 the next; both their connections hear of it.
        opened = await newcomer.request("thread.open", thread_id="t21")
        for client in (first, second):
            told = await client.notice("manager_evicted")
            self.assertEqual((told["thread_id"], told["level"], told["reason"]),
                             ("t2", "force", "least_recently_useful"))
            self.assertNotIn("evidence", told)
        self.assertEqual(newcomer.notices("manager_evicted"), [])
        self.assertEqual((await first.refusal("message.send", thread_id="t2", content=QUESTION))["code"], "not_open")
        [decision] = self.cleanups(server, "ada")
        self.assertEqual([(one["level"], one["evicted"]) for one in decision["attempts"]],
                         [("conservative", 0), ("moderate", 0), ("aggressive", 0), ("force", 1)])
        self.assertEqual(await newcomer.managers(), (20, 20))
        _, events = await newcomer.converse(opened["thread_id"], QUESTION)
        self.assertIn("84", text(events))

    async def test_the_idle_go_before_force_is_needed(self):
        idle_after = 50
        server = self.start_server(limits={"managers_per_user": 2}, cleanup={"idle_after": f"{idle_after}ms"})
        first, newcomer = await self.client(server, "ada"), await self.client(server, "ada")
        await self.open(first, "t1", "t2")
        await self.busy(first, "t2")
        while min(one["useful_ms_ago"] for one in server.ask("/users/ada")["children"] if not one["run_id"]) < idle_after:
            await first.event("t2")
        await self.open(newcomer, "t3")
        told = await first.notice("manager_evicted")
        self.assertEqual((told["thread_id"], told["level"], told["reason"]), ("t1", "moderate", "idle"))

    async def busy(self, client, *threads):
        """Begins runs that do not end within a test, and waits until they have begun."""
        for thread in threads:
            await client.request("message.send", thread_id=thread, content="/stream 100000 10")
            await client.events_until(thread, "agent_started")

    async def test_a_live_run_outlasts_every_level(self):
        server = self.start_server(limits={"managers_per_user": 2})
        client = await self.client(server, "ada")
        await self.open(client, "t1", "t2")
        await self.busy(client, "t1")
        await self.open(client, "t3")
        self.assertEqual((await client.notice("manager_evicted"))["thread_id"], "t2")


class Degradation(LadderTest):
    async def test_a_grace_then_a_queue_then_a_refusal_that_says_everything(self):
        server = self.start_server(limits={"managers_per_user": 4}, cleanup={"max_level": "conservative"},
                                   grace={"extra": 1}, queue={"max": 2, "timeout": "1s"})
        client, other = await self.client(server, "ada"), await self.client(server, "ada")
        await self.open(client, "t1", "t2", "t3", "t4", "t5")
        for each in (client, other):
            told = await each.notice("limit_degraded")
            self.assertEqual((told["managers_used"], told["managers_max"], told["extra"]), (4, 4, 1))
            self.assertAlmostEqual(told["until"], (time.time() + 60) * 1000, delta=30_000)
        status = await client.request("status")
        self.assertEqual((status["managers_used"], status["managers_max"]), (5, 4))
        self.assertEqual(server.metrics()["gangway_grace_active"], 1)

        waiting = [await client.post("thread.open", thread_id=thread) for thread in ("t6", "t7")]
        for position, thread in enumerate(("t6", "t7"), 1):
            await client.notice("queued", thread_id=thread, position=position)
        full = await client.refusal("thread.open", thread_id="t8")
        self.assertEqual((full["code"], full["temporary"]), ("queue_full", True))

        # Whoever closes a thread lets the head in; who waits behind moves up.
        await client.request("thread.close", thread_id="t3")
        self.assertEqual((await client.answer(waiting[0]))["thread_id"], "t6")
        await client.notice("queued", thread_id="t7", position=1)
        with self.assertRaises(Refused) as refused:
            await client.answer(waiting[1])
        error = refused.exception.error
        self.assertEqual((error["code"], error["temporary"]), ("manager_limit", True))
        summary = (
            "User ada has reached the maximum number of WebSocket managers (4). Graduated emergency cleanup attempted "
            "through all levels that its tier allows but limit still exceeded. Cleanup attempts made: "
            "conservative: 0 of 0; conservative is the highest level for tier free (total cleaned: 0). Current count: 5.")
        self.assertEqual(error["message"], "Too many threads are open; close one and try again. " + summary)
        self.assertEqual(error["details"], {"attempts": [{"level": "conservative", "candidates": 0, "evicted": 0}],
                                            "total_cleaned": 0, "current": 5, "summary": summary})
        self.assertGreater(error["retry_after_ms"], 0)
        # Nobody lost anything by all this.
        self.assertEqual(client.notices("manager_evicted"), [])
        await client.converse("t1", QUESTION)

    async def test_a_tier_has_its_own_limit_and_its_own_highest_level(self):
        server = self.start_server(limits={"managers_per_user": 2}, grace={"extra": 0}, queue={"max": 0},
                                   **{"tiers.free": {"max_level": "conservative"},
                                      "tiers.enterprise": {"managers_per_user": 3, "grace_extra": 1}})
        free = await self.client(server, bearer=token("ada", "free"))
        pro = await self.client(server, bearer=token("bob", "pro"))
        enterprise = await self.client(server, bearer=token("eve", "enterprise"))
        for client, limit in ((free, 2), (pro, 2), (enterprise, 3)):
            self.assertEqual(client.hello["limits"]["managers_max"], limit)
            await self.open(client, *(f"t{number}" for number in range(limit)))
        error = await free.refusal("thread.open", thread_id="more")
        self.assertEqual(error["code"], "manager_limit")
        self.assertIn("conservative is the highest level for tier free", error["message"])
        for client in (pro, enterprise):
            await self.open(client, "more")
            self.assertEqual((await client.notice("manager_evicted"))["level"], "force")

    TIERS = {"tiers.free": {"managers_per_user": 5}, "tiers.pro": {"managers_per_user": 15}}

    async def test_an_old_token_of_a_lower_tier_takes_no_threads_away(self):
        server = self.start_server(grace={"extra": 0}, **self.TIERS)
        pro = await self.client(server, bearer=token("ada", "pro"))
        threads = [f"t{number}" for number in range(15)]
        opened = await self.open(pro, *threads)
        free = await self.client(server, bearer=token("ada", "free"))
        self.assertEqual((free.hello["tier"], free.hello["limits"]), ("pro", {"managers_used": 15, "managers_max": 15}))
        self.assertEqual(await pro.managers(), (15, 15))
        await pro.converse("t0", QUESTION)
        # The page of the higher tier is loaded again, and finds its threads as they were.
        await pro.close()
        while (await free.managers())[1] != 5:
            pass  # until its end has come to its user
        self.assertEqual(await free.managers(), (15, 5))
        again = await self.client(server, bearer=token("ada", "pro"))
        self.assertEqual([one["manager_id"] for one in await self.open(again, *threads)],
                         [one["manager_id"] for one in opened])
        self.assertEqual([client.notices("manager_evicted") for client in (pro, free, again)], [[], [], []])
        self.assertEqual(server.metrics()['gangway_connections{tier="pro"}'], 2)

    async def test_a_renewed_token_counts_with_its_tier_and_a_lower_one_takes_nothing_away_at_once(self):
        server = self.start_server(grace={"extra": 0}, **self.TIERS)
        client = await self.client(server, bearer=token("ada", "free"))
        await client.request("token.refresh", token=token("ada", "pro"))
        await self.open(client, *(f"t{number}" for number in range(15)))
        self.assertEqual(await client.managers(), (15, 15))
        await client.request("token.refresh", token=token("ada", "free"))
        self.assertEqual(await client.managers(), (15, 5))
        await self.open(client, "one_more")
        self.assertEqual(await client.managers(), (15, 5))
        self.assertEqual([one["thread_id"] for one in client.notices("manager_evicted")], ["t0"])

    async def test_two_tabs_that_always_take_back_what_they_lost_come_to_a_standstill(self):
        server = self.start_server(limits={"managers_per_user": 4}, queue={"timeout": "50ms"})
        first, second = await self.client(server, "ada"), await self.client(server, "ada")
        await self.open(first, "t1", "t2", "t3", "t4")
        lost = await self.take_places(first, second)
        # Both answer every loss by asking for the thread again, and every refusal, too.
        outcomes = await asyncio.gather(*(self.insist(client, thread, 10) for client, thread in lost))
        self.assertEqual(outcomes, [["queue_timeout"] * 10] * 2)
        evictions = [one["thread_id"] for each in self.cleanups(server, "ada") for one in each["evictions"]]
        self.assertEqual(evictions, ["t1", "t2"])
        self.assertEqual(second.notices("manager_evicted"), [])
        # A place that becomes free is theirs.
        await second.request("thread.close", thread_id="u1")
        await self.open(first, "t1")

    async def take_places(self, first, second):
        await self.open(second, "u1", "u2")
        return [(first, (await first.notice("manager_evicted"))["thread_id"]) for _ in range(2)]

    async def insist(self, client, thread, times):
        return [(await client.refusal("thread.open", thread_id=thread))["code"] for _ in range(times)]


class Sockets(LadderTest):
    """One socket per thread, and how many sockets there may be."""

    async def dial(self, server, user, thread, **options):
        return await self.client(server, user, query=f"?thread_id={thread}", **options)

    async def goodbye(self, client):
        """Returns what a client was told at its end."""
        told = await client.take(lambda frame: frame.get("type") == "disconnect")
        self.assertEqual(await client.close_code(), told["code"])
        return told

    async def test_a_socket_of_one_thread_gets_it_with_its_greeting_and_is_closed_when_it_is_evicted(self):
        server = self.start_server(limits={"managers_per_user": 2})
        first = await self.dial(server, "ada", "t1")
        opened = first.hello["thread"]
        self.assertEqual((opened["thread_id"], opened["seq"], opened["resumed"]), ("t1", 0, False))
        _, events = await first.converse("t1", QUESTION)
        again = await self.dial(server, "ada", f"t1&epoch={opened['epoch']}&after_seq=3")
        self.assertTrue(again.hello["thread"]["resumed"])
        self.assert_no_gap([await again.event("t1") for _ in events[3:]], 3)
        second = await self.dial(server, "ada", "t2")
        third = await self.dial(server, "ada", "t3")
        for client in (first, again):
            self.assertEqual((await client.notice("manager_evicted"))["thread_id"], "t1")
            told = await self.goodbye(client)
            self.assertEqual((told["code"], told["retry_after_ms"]), (4440, 120_000))
        for client, thread in ((second, "t2"), (third, "t3")):
            await client.converse(thread, QUESTION)
        [decision] = self.cleanups(server, "ada")
        self.assertEqual({one["connection_id"] for one in decision["connections"]},
                         {client.hello["connection_id"] for client in (first, again)})

    async def test_a_socket_of_one_thread_is_closed_with_4441_if_it_finds_no_place(self):
        server = self.start_server(limits={"managers_per_user": 1}, cleanup={"max_level": "conservative"},
                                   grace={"extra": 0}, queue={"max": 0})
        first = await self.dial(server, "ada", "t1")
        late = await self.dial(server, "ada", "t2", hello=False)
        told = await self.goodbye(late)
        self.assertEqual(told["code"], 4441)
        self.assertGreater(told["retry_after_ms"], 0)
        self.assertIn("has reached the maximum number of WebSocket managers (1)", told["reason"])
        await first.converse("t1", QUESTION)

    async def test_the_65th_connection_replaces_the_least_recently_useful_one(self):
        server = self.start_server()
        clients = [await self.client(server, "ada") for _ in range(64)]
        await self.open(clients[0], "t1")  # of use, so that the second is the least useful
        newest = await self.client(server, "ada")
        told = await self.goodbye(clients[1])
        self.assertEqual(told["code"], 4440)
        for client in (*clients[:1], *clients[2:], newest):
            await client.request("ping")
        [decision] = server.decisions("ada")
        self.assertEqual((decision["kind"], [one["connection_id"] for one in decision["connections"]]),
                         ("connection_replaced", [clients[1].hello["connection_id"]]))

    async def dial_and_ignore(self, server, user):
        """Upgrades a socket that will answer nothing, no close frame either; returns the server's status line."""
        reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
        self.addCleanup(writer.transport.abort)
        writer.write((f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\nConnection: Upgrade\r\n"
                      "Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n"
                      f"Authorization: Bearer {token(user)}\r\n\r\n").encode())
        return await reader.readline()

    async def test_a_user_that_dials_all_the_time_and_answers_no_close_keeps_nobody_out_and_fills_no_record(self):
        server = self.start_server(limits={"connections": 120, "connections_per_user": 16})
        began = time.monotonic()
        for round in range(10):
            for _ in range(30):
                self.assertIn(b" 101 ", await self.dial_and_ignore(server, "eve"))
            await self.client(server, f"bob{round}")
        made = server.ask("/decisions?user=eve&limit=1000")["decisions"]
        # Sixty at once, and two in a second.
        self.assertLess(len(made), 60 + 2 * (time.monotonic() - began) + 1)
        log = server.log.read_text(errors="replace")
        self.assertLess(log.count("a connection was closed"), 60 + 2 * (time.monotonic() - began) + 1)
        while not any(one.get("left_out", 0) > 0 for one in server.decisions("eve")):
            await self.dial_and_ignore(server, "eve")  # until one more is let through
        self.assertEqual(server.metrics()['gangway_connections{tier="free"}'], 16 + 10)

    async def test_a_connection_that_is_known_to_be_silent_is_replaced_before_one_that_is_only_useless(self):
        server = self.start_server(limits={"connections_per_user": 3})
        useless = await self.client(server, "ada")
        stopped = await Visitor.arrive(server.url, "ada")
        self.addAsyncCleanup(stopped.close)
        await self.open(stopped, "t1")
        living = await self.client(server, "ada")
        stopped.stop()
        status, printed = await asyncio.to_thread(server.ctl, "cleanup", "ada", "--level", "aggressive")
        self.assertEqual(status, 0, printed)  # by its probe the stopped one is known now
        await self.client(server, "ada")
        stopped.go_on()
        self.assertEqual((await self.goodbye(stopped))["code"], 4440)
        for client in (useless, living):
            await client.request("ping")


if __name__ == "__main__":
    unittest.main(verbosity=2)
