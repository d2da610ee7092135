"""What goes ahead of the log while the store fails: how much, what a run that ends meanwhile leaves, what somebody is
shown who comes meanwhile; and a store that can take some writes, but not every one."""

import time

from faults import RECOVERY, FullDisk, LockedStore, ReadOnlyDatabase, StoreFaultTest, ahead, kept, main
from gangway import Refused

AHEAD_MAX = 2**20  # bytes of a run
REFUSAL = 10  # seconds: a lock is waited for a little, and more than once


class Ahead(StoreFaultTest):
    async def fails_amid(self, fault, content, **sections):
        """Returns everything of a server whose store begins to fail while it streams an answer."""
        server, fault = self.server_with(fault, **sections)
        health = self.watch(server)
        clients, epoch = await self.readers(server)
        sent = await clients[0].request("message.send", thread_id="t1", content=content)
        for client in clients:
            await client.until("t1", lambda seen: len(seen) > 20, "the first events")
        fault.on()
        return server, fault, health, clients, epoch, sent

    async def test_a_run_goes_a_mebibyte_ahead_and_then_waits_for_the_log(self):
        server, fault, health, clients, epoch, sent = await self.fails_amid(ReadOnlyDatabase, "/stream 100000 500")
        await health.says(503, REFUSAL)

        # That it waits is seen by nothing that comes: not for longer than the most of it took.
        for client in clients:
            await client.until("t1", lambda _, client=client: client.bytes_ahead["t1"] > 0.8 * AHEAD_MAX, "the stream")
        count, quiet_since = 0, time.monotonic()
        while time.monotonic() - quiet_since < 3:
            await clients[0].request("ping")
            if len(clients[0].seen["t1"]) != count:
                count, quiet_since = len(clients[0].seen["t1"]), time.monotonic()
                self.assertLessEqual(clients[0].bytes_ahead["t1"], AHEAD_MAX)
        print(f"    {clients[0].bytes_ahead['t1']} bytes in {len(ahead(clients[0].seen['t1']))} events", flush=True)
        self.assertEqual(len(clients[0].seen["t1"]), len(clients[1].seen["t1"]))
        fault.off()
        await health.says(200, RECOVERY)
        await clients[0].until("t1", lambda seen: len(seen) > count + 1000, "the rest of the stream")
        await clients[0].request("run.cancel", thread_id="t1", run_id=sent["run_id"])
        for client in clients:
            await client.ended("t1")
        self.assert_same(kept(clients[0].seen["t1"]), kept(clients[1].seen["t1"]))
        await self.check_kept(server, "t1", epoch, clients[0].seen["t1"])

    async def test_a_run_that_ends_or_is_cancelled_meanwhile_is_seen_to_end_and_ends_so_in_the_log(self):
        for content, cancelled in (("/stream 200 100", False), ("/stream 100000 100", True)):
            with self.subTest(cancelled=cancelled):
                server, fault, health, clients, epoch, sent = await self.fails_amid(FullDisk, content)
                await clients[1].until("t1", lambda seen: len(ahead(seen)) > 50, "the stream")
                if cancelled:
                    await clients[1].request("run.cancel", thread_id="t1", run_id=sent["run_id"])
                for client in clients:
                    seen = await client.ended("t1")
                    self.assertEqual(seen[-1]["event"]["type"], "agent_cancelled" if cancelled else "agent_completed")
                    self.assertIs(seen[-1].get("durable"), False)
                # No run is in flight: that is no `busy`.
                await self.refused(clients[0], "t1", "once more", client_message_id="more")
                await health.says(503, REFUSAL)
                fault.off()
                await health.says(200, RECOVERY)
                await self.taken(clients[0], "t1", "once more", "more")
                for client in clients:
                    seen = await client.ended("t1", runs=2)
                self.assert_no_gap(seen)
                self.check_one_ending_each(seen)
                await self.check_kept(server, "t1", epoch, seen)
                self.assertEqual(ahead(frame for frame in seen if frame["run_id"] != sent["run_id"]), [])
                await self.check_epoch_stays(server, "t1", epoch, seen[-1]["seq"])

    async def test_who_opens_the_thread_meanwhile_has_no_gap_and_no_duplicate_or_comes_again(self):
        server, fault, health, clients, epoch, _ = await self.fails_amid(ReadOnlyDatabase, "/stream 600 100")
        await clients[0].until("t1", lambda seen: len(ahead(seen)) > 100, "the stream")
        positions = {"the first event": 0, "the last that is durable": len(clients[0].seen["t1"])
                     - len(ahead(clients[0].seen["t1"])), "one that is not": clients[0].seen["t1"][-20]["seq"]}
        late = {}
        for what, after in positions.items():
            with self.subTest(f"after {what}"):
                client = await self.follower(server, "ada")
                opened = await client.request("thread.open", thread_id="t1", epoch=epoch, after_seq=after)
                self.assertEqual((opened["resumed"], opened["epoch"]), (True, epoch))
                self.assertGreaterEqual(opened["seq"], after)
                late[what] = after, client
        with self.subTest("from a snapshot"):
            client = await self.follower(server, "ada")
            opened = await client.request("thread.open", thread_id="t1")
            self.assertEqual(opened["snapshot"]["run"]["run_id"], clients[0].seen["t1"][0]["run_id"])
            late["a snapshot"] = opened["seq"], client
        await health.says(503, REFUSAL)
        fault.off()
        await health.says(200, RECOVERY)
        whole = await clients[0].ended("t1")
        for what, (after, client) in late.items():
            with self.subTest(f"{what}, at the end"):
                shown = await client.ended("t1")
                self.assert_no_gap(shown, after)
                self.assert_same(kept(shown), kept(whole[after:]))
        await self.check_kept(server, "t1", epoch, whole)

    async def test_a_run_that_nobody_watches_is_in_the_log_when_the_fault_is_over(self):
        server, fault, health, clients, epoch, _ = await self.fails_amid(ReadOnlyDatabase, "/stream 300 100")
        for client in clients:
            await client.until("t1", lambda seen: len(ahead(seen)) > 20, "the stream")
            await client.close()
        seen = clients[0].seen["t1"]
        await health.says(503, REFUSAL)
        self.assertTrue(await health.stays(503, looks=80))
        fault.off()
        await health.says(200, RECOVERY)
        client = await self.follower(server, "ada")
        opened = await client.request("thread.open", thread_id="t1", epoch=epoch, after_seq=seen[-1]["seq"])
        self.assertEqual((opened["resumed"], opened["epoch"]), (True, epoch))
        rest = await client.ended("t1")
        self.assertEqual(rest[-1]["event"]["type"], "agent_completed")
        await self.check_kept(server, "t1", epoch, seen + rest)


class Partly(StoreFaultTest):
    async def test_health_does_not_waver_on_a_disk_that_has_room_for_small_writes_only(self):
        server, fault = self.server_with(FullDisk)
        health = self.watch(server)
        ada, bob = await self.follower(server, "ada"), await self.follower(server, "bob")
        for client in (ada, bob):
            await client.request("thread.open", thread_id="t1")
        big = "/stream 3 100 " + "many words " * 60_000
        # The database itself need not grow; its write-ahead log has room for the small ones.
        self.execute(server, "CREATE TABLE spare AS SELECT zeroblob(4000000)", "DROP TABLE spare",
                     "PRAGMA wal_checkpoint(TRUNCATE)")
        fault.on(leave=512 * 1024)
        began = time.monotonic()
        sent = {}
        for number in range(12):
            await self.refused(ada, "t1", big, client_message_id="big")
            try:
                sent[number] = await bob.request("message.send", thread_id="t1", content="/stream 3 100")
                await bob.ended("t1", runs=len(sent))
            except Refused as refused:
                self.assertEqual(refused.code, "store_unavailable")
            # What the server does by itself once in a while: its write-ahead log begins anew in the room that it has.
            self.execute(server, "PRAGMA wal_checkpoint(RESTART)")
            self.assertTrue(await health.stays(503, looks=8))
        turns = health.turns(began)
        print(f"    {len(sent)} of 12 small messages were taken; /health said {turns}", flush=True)
        with self.subTest("/health does not waver"):
            self.assertIn(turns, ([200, 503], [503]))
        fault.off()
        await health.says(200, RECOVERY)
        self.assertTrue(await health.stays(200, looks=40))
        await self.taken(ada, "t1", big, "big")
        await ada.ended("t1")
        await self.taken(bob, "t1", "/stream 3 100", "at last")
        await bob.ended("t1", runs=len(sent) + 1)
        log = await self.whole_log(server, "t1", bob.seen["t1"][0]["epoch"], "bob")
        accepted = [frame for frame in log if frame["event"]["type"] == "message_accepted"]
        self.assertEqual([(one["event"]["message_id"], one["seq"]) for one in accepted[:-1]],
                         [(one["message_id"], one["seq"]) for one in sent.values()])
        self.check_one_ending_each(log)

    async def test_a_lock_is_not_waited_for_once_for_each_who_writes(self):
        server, fault = self.server_with(LockedStore)
        health = self.watch(server)
        users = [f"user{number}" for number in range(6)]
        crowd = [await self.follower(server, user) for user in users]
        for client in crowd:
            await client.request("thread.open", thread_id="t1")
            await client.request("message.send", thread_id="t1", content="/stream 100000 100")
            await client.until("t1", lambda seen: len(seen) > 20, "the first events")
        bob = await self.follower(server, "bob")
        await bob.request("thread.open", thread_id="t1")
        fault.on()
        with self.subTest("/health says so soon"):
            await health.says(503, REFUSAL)
        with self.subTest("who is refused is so soon"):
            took = await self.refused(bob, "t1", "during the fault")
            print(f"    {took:.1f} s to the refusal", flush=True)
            self.assertLess(took, REFUSAL)
        fault.off()
        await health.says(200, RECOVERY)


if __name__ == "__main__":
    main()
