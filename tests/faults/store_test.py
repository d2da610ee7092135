"""While the store's disk is full, read-only, locked or slow, a stream goes on to those who are connected, new
messages are refused and /health says why. When the fault has ended everything goes on by itself, and nothing is
lost."""

import asyncio
import time

from faults import (PROMPT, RECOVERY, FullDisk, LockedStore, ReadOnlyDatabase, ReadOnlyDisk, SlowSync, StoreFaultTest,
                    ahead, kept, main)

RATE = 100  # events a second
FAULT = 12  # seconds of events during the fault
REFUSAL = 10  # seconds: a lock is waited for a little, and more than once


class Faults(StoreFaultTest):
    async def stands(self, fault, notes=True):
        """A stream goes through the fault. `notes`: something can be written beside the log; else nobody would know,
        after a crash, what was shown and is lost, and the stream may wait."""
        server, fault = self.server_with(fault)
        health = self.watch(server)
        clients, epoch = await self.readers(server)
        other, bystander = await self.follower(server, "bob"), await self.follower(server, "eve")
        await other.request("thread.open", thread_id="t2")
        first = {"content": "before the fault", "client_message_id": "first"}
        sent = await other.request("message.send", thread_id="t2", **first)
        await other.ended("t2")
        await clients[0].request("message.send", thread_id="t1", content=f"/stream 2000 {RATE}")
        for client in clients:
            await client.until("t1", lambda seen: len(seen) > RATE, "the first events")
        self.assertEqual(health.turns(0)[-1], 200)

        began = time.monotonic()
        fault.on()
        with self.subTest("/health says why"):
            reason = await health.says(503, REFUSAL, fault.word)
            print(f"    {time.monotonic() - began:.1f} s to 503: {reason}", flush=True)
            self.assertIn(str(server.store), reason)
        with self.subTest("new messages are refused, and nobody who needs no disk waits"):
            message = asyncio.create_task(
                self.refused(other, "t2", "during the fault", client_message_id="second"))
            while not message.done():
                await self.answered_promptly(server, bystander)
            print(f"    {await message:.1f} s to the refusal", flush=True)
            self.assertLess(await message, REFUSAL)
        with self.subTest("a message that was answered before is not stored again"):
            self.assertEqual(await other.request("message.send", thread_id="t2", **first), sent)
        with self.subTest("the stream goes on to both"):
            if notes:
                for client in clients:
                    await client.until("t1", lambda seen: len(ahead(seen)) >= FAULT * RATE, "the stream", FAULT + 4)
            else:
                await health.stays(503, looks=200)
        with self.subTest("/health does not waver"):
            self.assertIn(health.turns(began), ([200, 503], [503]))
            self.assertLess(health.slowest, PROMPT)

        ended = time.monotonic()
        fault.off()
        with self.subTest("/health is good again, and stays so"):
            await health.says(200, RECOVERY)
            print(f"    {time.monotonic() - ended:.1f} s to 200", flush=True)
            self.assertTrue(await health.stays(200, looks=40))
        with self.subTest("the message that was refused is taken now, once"):
            again = await self.taken(other, "t2", "during the fault", "second")
            await other.ended("t2", runs=2)
            log = await self.whole_log(server, "t2", other.seen["t2"][0]["epoch"], "bob")
            self.assertEqual([frame["seq"] for frame in log if frame["event"].get("client_message_id") == "second"],
                             [again["seq"]])
            self.check_one_ending_each(log)
        with self.subTest("the stream ends, and both saw the same"):
            for client in clients:
                await client.ended("t1")
            self.assert_same(kept(clients[0].seen["t1"]), kept(clients[1].seen["t1"]))
            if notes:  # else all of it may be due when the fault ends, and come before the next commit
                self.assertNotIn("durable", clients[0].seen["t1"][-1])
            print(f"    {len(ahead(clients[0].seen['t1']))} events went ahead", flush=True)
        await self.check_kept(server, "t1", epoch, clients[0].seen["t1"])
        with self.subTest("the thread takes new messages"):
            sent = await clients[0].request("message.send", thread_id="t1", content="what is 12*(3+4)?")
            seen = await clients[0].ended("t1", runs=2)
            self.assert_no_gap(seen)
            self.assertEqual(ahead(frame for frame in seen if frame["run_id"] == sent["run_id"]), [])
        await self.check_epoch_stays(server, "t1", epoch, clients[0].seen["t1"][-1]["seq"])

    async def test_a_full_disk(self):
        await self.stands(FullDisk)

    async def test_a_database_that_cannot_be_written(self):
        await self.stands(ReadOnlyDatabase)

    async def test_a_disk_that_has_become_read_only(self):
        await self.stands(ReadOnlyDisk, notes=False)

    async def test_a_store_that_another_process_has_locked(self):
        await self.stands(LockedStore)

    async def test_a_slow_disk_delays_those_who_wait_for_it_and_nobody_else(self):
        server, fault = self.server_with(SlowSync)
        health = self.watch(server)
        clients, epoch = await self.readers(server)
        other, bystander = await self.follower(server, "bob"), await self.follower(server, "eve")
        await other.request("thread.open", thread_id="t2")
        await clients[0].request("message.send", thread_id="t1", content=f"/stream 1500 {RATE}")
        for client in clients:
            await client.until("t1", lambda seen: len(seen) > RATE, "the first events")

        began = time.monotonic()
        fault.on()
        message = asyncio.create_task(other.request("message.send", thread_id="t2", content="during the fault"))
        with self.subTest("nobody who needs no disk waits"):
            while not message.done():
                await self.answered_promptly(server, bystander)
            self.assertLess(health.slowest, PROMPT)
        with self.subTest("the message is acknowledged once the disk has it"):
            sent = await message
            self.assertGreater(time.monotonic() - began, fault.seconds)
            self.assertIn("during the fault", str(self.stored(server, "bob", "t2")[sent["seq"]]))
        with self.subTest("the stream went on meanwhile"):
            # All of them, but for what the end of the wait still brings.
            self.assertGreater(len(clients[0].seen["t1"]), RATE * (fault.seconds - 1))
        fault.off()
        with self.subTest("/health is good"):
            await health.says(200, RECOVERY)
            self.assertTrue(await health.stays(200, looks=40))
        await other.ended("t2")
        for client in clients:
            await client.ended("t1")
        self.assert_same(kept(clients[0].seen["t1"]), kept(clients[1].seen["t1"]))
        await self.check_kept(server, "t1", epoch, clients[0].seen["t1"])
        await self.check_epoch_stays(server, "t1", epoch, clients[0].seen["t1"][-1]["seq"])


if __name__ == "__main__":
    main()
