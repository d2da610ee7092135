"""What an operator sees of a running server: why somebody was disconnected, whom a cleanup would take and takes, and
figures that agree with what happened; all of it there still after a crash."""

import asyncio
import json
import unittest

from gangway import PATIENCE, GangwayTest
from visitor import Visitor

GOOD, BAD, USAGE, NOT_REACHABLE = range(4)
NOBODY = "0192f000-0000-7000-8000-000000000000"


class Operator(GangwayTest):
    async def ctl(self, server, *words, status=GOOD):
        """Returns what gangwayctl prints, which must end with this status."""
        ended, printed = await asyncio.to_thread(server.ctl, *words)
        self.assertEqual(ended, status, printed)
        return printed

    async def report(self, server, *words, status=GOOD):
        """Returns what gangwayctl prints with --json."""
        answer = json.loads(await self.ctl(server, *words, "--json", status=status))
        return answer.get("result", answer)

    async def evicted(self, server):
        """Returns a client and what it was told when the third of its two threads was opened."""
        client = await self.client(server, "ada")
        client.opened = [await client.request("thread.open", thread_id=thread) for thread in ("t1", "t2", "t3")]
        return client, await client.notice("manager_evicted")

    async def test_explain_says_why_a_thread_went_by_its_manager_and_by_its_connection(self):
        server = self.start_server(limits={"managers_per_user": 2})
        client, told = await self.evicted(server)
        self.assertEqual(told["manager_id"], client.opened[0]["manager_id"])
        for subject in (told["manager_id"], told["manager_id"].upper(), client.hello["connection_id"]):
            printed = await self.ctl(server, "explain", subject)
            for words in ("t1", told["manager_id"], "evicted at level force", "of no use for the longest time",
                          "2 of 2 managers", "conservative", "moderate", "aggressive"):
                self.assertIn(words, printed)
        [decision] = (await self.report(server, "explain", told["manager_id"]))["decisions"]
        self.assertEqual(decision, server.decisions("ada")[0])
        self.assertIn("no decision", await self.ctl(server, "explain", client.opened[1]["manager_id"], status=BAD))
        self.assertIn("no decision", await self.ctl(server, "explain", NOBODY, status=BAD))
        await self.ctl(server, "explain", "t1", status=USAGE)
        await self.ctl(server, "explain", status=USAGE)

    async def test_a_replaced_connection_is_explained(self):
        server = self.start_server(limits={"connections_per_user": 1})
        first, _ = await self.client(server, "ada"), await self.client(server, "ada")
        self.assertEqual(await first.close_code(), 4440)
        printed = await self.ctl(server, "explain", first.hello["connection_id"])
        for words in ("4440", "replaced by a newer connection", "limits.connections_per_user"):
            self.assertIn(words, printed)

    async def test_decisions_are_listed_newest_first_and_by_user(self):
        server = self.start_server(limits={"managers_per_user": 1, "connections_per_user": 1})
        for user in ("ada", "bob"):
            client = await self.client(server, user)
            for thread in ("t1", "t2", "t3"):
                await client.request("thread.open", thread_id=thread)
        listed = (await self.report(server, "decisions"))["decisions"]
        self.assertEqual([one["user_id"] for one in listed], ["bob", "bob", "ada", "ada"])
        self.assertEqual([one["evictions"][0]["thread_id"] for one in listed], ["t2", "t1"] * 2)
        self.assertEqual((await self.report(server, "decisions", "ada"))["decisions"], listed[2:])
        self.assertEqual((await self.report(server, "decisions", "--limit", "1"))["decisions"], listed[:1])
        printed = await self.ctl(server, "decisions", "ada")
        self.assertEqual(printed.count("ada"), 2, printed)
        self.assertIn("no decision", await self.ctl(server, "decisions", "eve"))
        await self.ctl(server, "decisions", "--limit", "0", status=USAGE)

    async def test_a_dry_run_says_whom_a_cleanup_takes_and_takes_nobody(self):
        server = self.start_server()
        client = await self.client(server, "ada")
        for number in range(1, 6):
            await client.request("thread.open", thread_id=f"t{number}")
        order = ("cleanup", "ada", "--level", "force", "--needed", "2")
        planned = await self.report(server, *order, "--dry-run")
        self.assertTrue(planned["dry_run"])
        self.assertEqual([one["thread_id"] for one in planned["evictions"]], ["t1", "t2"])
        self.assertIn("would be evicted", await self.ctl(server, *order, "--dry-run"))
        await client.request("ping")
        self.assertEqual((client.notices("manager_evicted"), await client.managers()), ([], (5, 20)))
        self.assertEqual(server.decisions("ada"), [])

        done = await self.report(server, *order)
        self.assertNotIn("dry_run", done)
        self.assertEqual((done["scope"], done["outcome"], done["evictions"]),
                         ("manual", "freed", planned["evictions"]))
        for thread in ("t1", "t2"):
            await client.notice("manager_evicted", thread_id=thread, level="force")
        self.assertEqual(await client.managers(), (3, 20))
        self.assertEqual([one["decision_id"] for one in server.decisions("ada")], [done["decision_id"]])

        # Fewer than were needed: bad, unless nobody said how many.
        await self.ctl(server, "cleanup", "ada", "--level", "moderate", "--needed", "1", status=BAD)
        await self.ctl(server, "cleanup", "ada", "--level", "moderate")
        await self.ctl(server, "cleanup", "ada", "--level", "force", "--needed", "9", status=BAD)
        self.assertEqual(await client.managers(), (0, 20))
        await self.ctl(server, "cleanup", "eve", "--level", "force", status=BAD)
        await self.ctl(server, "cleanup", "ada", "--level", "gently", status=USAGE)
        await self.ctl(server, "cleanup", "ada", status=USAGE)

    async def test_who_may_not_ask_is_refused_and_a_server_that_is_gone_is_not_reachable(self):
        server = self.make_server()
        server.mode = []
        server.start()
        for words in (("decisions",), ("explain", NOBODY), ("cleanup", "ada", "--level", "force")):
            printed = await self.ctl(server, *words, "--token", "nonsense", status=USAGE)
            self.assertIn("--token", printed)
        server.kill()
        await self.ctl(server, "decisions", status=NOT_REACHABLE)
        await self.ctl(server, "explain", NOBODY, status=NOT_REACHABLE)
        await self.ctl(server, "cleanup", "ada", "--level", "force", status=NOT_REACHABLE)

    async def test_the_figures_agree_with_what_happened(self):
        server = self.start_server(limits={"managers_per_user": 2}, cleanup={"probe_timeout": "300ms"},
                                   queue={"timeout": "200ms"})
        before = server.metrics()
        self.assertEqual(self.positive(before, "cleanup_evictions_total", "cleanup_runs_total", "probes_total"), {})
        client, _ = await self.evicted(server)
        # At once an evicted thread may evict nobody.
        self.assertEqual((await client.refusal("thread.open", thread_id="t1"))["code"], "queue_timeout")
        stopped = await Visitor.arrive(server.url, "bob")
        self.addAsyncCleanup(stopped.close)
        for thread in ("t1", "t2"):
            await stopped.request("thread.open", thread_id=thread)
        stopped.stop()
        bob = await self.client(server, "bob")
        await bob.request("thread.open", thread_id="t3")

        figures = server.metrics()
        self.assertEqual(self.positive(figures, "cleanup_evictions_total"),
                         {'{level="force",reason="least_recently_useful"}': 1,
                          '{level="aggressive",reason="zombie"}': 1})
        self.assertEqual(sum(len(one["evictions"]) for user in ("ada", "bob") for one in server.decisions(user)), 2)
        runs = self.positive(figures, "cleanup_runs_total")
        self.assertEqual({name: count for name, count in runs.items() if 'scope="request"' in name},
                         {'{scope="request",level="force",outcome="freed"}': 1,
                          '{scope="request",level="aggressive",outcome="freed"}': 1,
                          '{scope="request",level="conservative",outcome="nothing"}': 1})
        self.assertEqual(figures["gangway_cleanup_seconds_count"], sum(runs.values()))
        admitted = {outcome: figures[f'gangway_admission_seconds_count{{outcome="{outcome}"}}']
                    for outcome in ("immediate", "cleaned", "grace", "queued", "refused")}
        self.assertEqual(admitted, {"immediate": 4, "cleaned": 2, "grace": 0, "queued": 0, "refused": 1})
        self.assertGreater(figures['gangway_probes_total{result="dead"}'], 0)
        self.assertEqual(figures['gangway_connections{tier="free"}'], 3)
        self.assertEqual((figures["gangway_users"], figures["gangway_queue_depth"]), (2, 0))
        self.assertEqual(figures['gangway_managers{state="open"}'] + figures['gangway_managers{state="zombie"}'], 4)
        for name, count in before.items():
            if "_total" in name or name.endswith("_count"):
                self.assertGreaterEqual(figures[name], count, name)

    async def test_the_figures_of_a_conversation_are_those_of_its_runs_opens_and_ends(self):
        server = self.start_server()
        families = ("disconnects_total", "slow_consumers_total", "resumes_total", "runs_total")
        before = server.metrics()
        self.assertEqual(self.positive(before, *families), {})
        for series in ('disconnects_total{code="4008"}', 'disconnects_total{code="other"}', "slow_consumers_total",
                       'resumes_total{result="tail"}', 'runs_total{agent="builtin",outcome="interrupted"}',
                       "run_first_event_seconds_count", "store_commit_seconds_count", "store_batch_events_count"):
            self.assertEqual(before[f"gangway_{series}"], 0, series)

        first, second = await self.client(server, "ada"), await self.client(server, "ada")
        opened = await first.request("thread.open", thread_id="t1")
        _, events = await first.converse("t1", "what is 12*(3+4)?")
        await second.request("thread.open", thread_id="t1", epoch="another", after_seq=1)
        await second.request("thread.open", thread_id="t1", epoch=opened["epoch"], after_seq=1)
        sent = await first.request("message.send", thread_id="t1", content="/stream 100000 1")
        await first.request("run.cancel", thread_id="t1", run_id=sent["run_id"])
        events += await first.events_until("t1", "agent_cancelled")
        self.assert_no_gap(events)
        await second.close()
        await first.vanish()
        nameless = await self.client(server)
        await nameless.refusal("connect", token="nonsense")
        self.assertEqual(await nameless.close_code(), 4500)

        figures = await self.figures_once(server, lambda found: sum(
            self.positive(found, "disconnects_total").values()) == 3)
        self.assertEqual(self.positive(figures, *families),
                         {'{code="1000"}': 1, '{code="1006"}': 1, '{code="4500"}': 1,
                          '{result="new"}': 1, '{result="snapshot"}': 1, '{result="tail"}': 1,
                          '{agent="builtin",outcome="completed"}': 1, '{agent="builtin",outcome="cancelled"}': 1})
        self.assertEqual(figures["gangway_run_first_event_seconds_count"], 2)
        self.assertEqual(figures["gangway_store_batch_events_sum"], events[-1]["seq"])
        self.assertEqual(figures["gangway_store_batch_events_count"], figures["gangway_store_commit_seconds_count"])
        self.assertGreater(figures["gangway_store_commit_seconds_sum"], 0)

    async def figures_once(self, server, are_complete):
        """Returns the figures once they are complete: a socket is counted when the server knows that it has ended."""
        async def complete():
            while not are_complete(figures := await asyncio.to_thread(server.metrics)):
                pass
            return figures
        return await asyncio.wait_for(complete(), PATIENCE)

    def positive(self, figures, *families):
        """Returns the series of these families that are not zero, by their labels."""
        found = {}
        for name, count in figures.items():
            family, _, labels = name.partition("{")
            if family in {f"gangway_{one}" for one in families} and count:
                found["{" + labels] = count
        return found

    async def test_decisions_outlive_a_crash(self):
        server = self.start_server(limits={"managers_per_user": 2})
        client, told = await self.evicted(server)
        kept = server.decisions("ada")
        self.assertEqual(len(kept), 1)
        explained = await self.ctl(server, "explain", told["manager_id"])
        server.kill()
        await client.reader
        server.start()
        self.assertEqual(server.decisions("ada"), kept)
        self.assertEqual(server.ask(f"/decisions/{kept[0]['decision_id']}"), kept[0])
        self.assertEqual(await self.ctl(server, "explain", told["manager_id"]), explained)


if __name__ == "__main__":
    unittest.main(verbosity=2)
