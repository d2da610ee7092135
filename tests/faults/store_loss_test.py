"""What went ahead of the log while the store failed is lost when the process is killed or ends meanwhile. Then the
thread's epoch is another, so that nobody who saw what is lost goes on from there."""

import asyncio

from faults import RECOVERY, FullDisk, LockedStore, ReadOnlyDatabase, ReadOnlyDisk, SlowWrites, ahead, endings, main
from gangway import PATIENCE, text
from loss import LossTest

REFUSAL = 10  # seconds: a lock is waited for a little, and more than once


class Ended(LossTest):
    async def starts_again(self, server, fault, clients, epoch, idle):
        """The disk is good, and the server that has ended is started; returns whether the epoch is the same."""
        for client in clients:
            await client.reader
        fault.off()
        server.start()
        seen = max((client.seen["t1"] for client in clients), key=len)
        client = await self.follower(server, "ada")
        opened = await self.come_back(client, epoch, seen)
        whole = await self.check_history(server, client, opened, epoch, seen)
        ending = endings(whole)[-1]
        self.assertEqual((ending["event"]["type"], ending["event"].get("code")), ("agent_failed", "interrupted"))
        with self.subTest("the answer that was cut short is kept, as far as the log has it"):
            run = [frame for frame in whole if frame["run_id"] == ending["run_id"]]
            self.assertEqual([frame["event"]["content"] for frame in run
                              if frame["event"]["type"] == "message_completed"], [text(run)])
        await self.check_untouched(server, idle)
        return opened["epoch"] == epoch

    async def is_killed(self, fault):
        server, fault, *rest = await self.goes_ahead(fault)
        server.kill()
        self.assertFalse(await self.starts_again(server, fault, *rest))

    async def test_kill_nine_while_the_disk_is_full(self):
        await self.is_killed(FullDisk)

    async def test_kill_nine_while_the_database_cannot_be_written(self):
        await self.is_killed(ReadOnlyDatabase)

    async def test_kill_nine_while_nothing_at_all_can_be_written(self):
        server, fault, *rest = await self.goes_ahead(ReadOnlyDisk, events=0)
        health = self.watch(server)
        await health.says(503, REFUSAL)
        self.assertTrue(await health.stays(503, looks=40))
        health.end()
        server.kill()
        await self.starts_again(server, fault, *rest)

    async def killed_amid_slow_commits(self, commits):
        """The log grows late and in leaps; the process is killed right behind one of them."""
        server, fault, clients, *rest = await self.goes_ahead(SlowWrites, "/stream 100000 10", events=20)
        first, reached = ahead(clients[0].seen["t1"])[0]["seq"], 0
        while commits > 0:
            last = max(await asyncio.to_thread(self.stored, server, "ada", "t1"))
            commits -= last > max(first, reached)
            reached = max(last, reached)
        server.kill()
        print(f"    the log had reached {reached}", flush=True)
        await self.starts_again(server, fault, clients, *rest)

    async def test_kill_nine_behind_the_first_commit_of_what_went_ahead(self):
        await self.killed_amid_slow_commits(1)

    async def test_kill_nine_behind_the_second_commit_of_what_went_ahead(self):
        await self.killed_amid_slow_commits(2)

    async def test_kill_nine_behind_the_third_commit_of_what_went_ahead(self):
        await self.killed_amid_slow_commits(3)

    async def test_kill_nine_while_the_store_is_locked(self):
        await self.is_killed(LockedStore)

    async def test_kill_nine_after_the_store_has_recovered_loses_nothing(self):
        server, fault, clients, *rest = await self.goes_ahead(FullDisk)
        health = self.watch(server)
        fault.off()
        await health.says(200, RECOVERY)
        for client in clients:
            await client.until("t1", lambda seen: seen[-1].get("durable", True), "an event that is in the log")
        health.end()
        server.kill()
        fault.off = lambda: None
        self.assertTrue(await self.starts_again(server, fault, clients, *rest))

    async def test_kill_nine_in_a_second_fault(self):
        server, fault, clients, *rest = await self.goes_ahead(FullDisk)
        fault.off()
        await clients[0].until("t1", lambda seen: seen[-1].get("durable", True), "an event that is in the log")
        before = len(ahead(clients[0].seen["t1"]))
        fault.on()
        await clients[0].until("t1", lambda seen: len(ahead(seen)) > before + 50, "the stream")
        server.kill()
        self.assertFalse(await self.starts_again(server, fault, clients, *rest))

    async def test_kill_nine_when_all_that_a_slow_disk_had_to_take_is_in_the_log_changes_no_epoch(self):
        server, fault = self.server_with(SlowWrites)
        crowd = [await self.follower(server, f"user{number}") for number in range(4)]
        epochs = [(await client.request("thread.open", thread_id="t1"))["epoch"] for client in crowd]
        fault.on()
        for number, client in enumerate(crowd, 1):
            await client.post("message.send", thread_id="t1", content=f"/stream {number * 15} 10")
        for client in crowd:
            await client.until("t1", lambda seen: len(seen) > 1, "the first events")
        for number, client in enumerate(crowd):
            seen = await client.ended("t1", patience=2 * PATIENCE)
            # What is shown as not durable is shown once: the log says when it is.
            while len(await asyncio.to_thread(self.stored, server, f"user{number}", "t1")) < len(seen):
                pass
        fault.off()
        for number, (client, epoch) in enumerate(zip(crowd, epochs)):
            with self.subTest(f"{len(ahead(client.seen['t1']))} events had gone ahead"):
                await self.check_epoch_stays(server, "t1", epoch, client.seen["t1"][-1]["seq"], f"user{number}")

    async def test_an_end_in_order_while_the_disk_is_full(self):
        server, *rest = await self.goes_ahead(FullDisk, shutdown={"timeout": "5s"})
        print(f"    exit status {await asyncio.to_thread(server.end)}", flush=True)
        await self.starts_again(server, *rest)


if __name__ == "__main__":
    main()
