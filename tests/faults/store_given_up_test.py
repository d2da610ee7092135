"""A manager ends, or has to, while its thread's readers have seen what is not in the log yet: whoever opens the thread
again is shown what they saw, or a snapshot under another epoch."""

import asyncio

from faults import RECOVERY, FullDisk, main
from gangway import Refused
from loss import LossTest

REFUSAL = 10  # seconds: a lock is waited for a little, and more than once


class GivenUp(LossTest):
    manager = {"retire_timeout": "2s"}

    async def comes_back(self, server, fault, clients, epoch, idle):
        """Somebody tries to come back from before the fault's end until it is let in."""
        health = self.watch(server)
        await health.says(503, REFUSAL)
        # Longer than a manager may take to retire, and to be killed.
        self.assertTrue(await health.stays(503, looks=100))
        seen = max((client.seen["t1"] for client in clients), key=len)
        client = await self.follower(server, "ada")

        async def insist():
            while True:
                try:
                    return await self.come_back(client, epoch, seen)
                except Refused as refused:
                    self.assertEqual((refused.code, refused.error["temporary"]), ("store_unavailable", True))
                    await health.stays(503, looks=1)  # a moment: the fault may be ending
        back = asyncio.create_task(insist())
        self.assertTrue(await health.stays(503, looks=20))
        fault.off()
        await health.says(200, RECOVERY)
        opened = await asyncio.wait_for(back, RECOVERY)
        await self.check_history(server, client, opened, epoch, seen)
        await self.check_untouched(server, idle)

    async def test_a_thread_whose_last_connection_closes_it_after_the_run(self):
        server, fault, clients, *rest = await self.goes_ahead(FullDisk, "/stream 200 100", manager=self.manager)
        for client in clients:
            await client.ended("t1")
            await client.request("thread.close", thread_id="t1")
        await self.comes_back(server, fault, clients, *rest)

    async def test_a_thread_whose_last_connection_closes_it_amid_the_run(self):
        server, fault, clients, *rest = await self.goes_ahead(FullDisk, "/stream 300 100", manager=self.manager)
        for client in clients:
            await client.request("thread.close", thread_id="t1")
        await self.comes_back(server, fault, clients, *rest)

    async def evicted(self):
        """Returns everything of a server where a thread whose run has ended, though not in the log, was evicted."""
        # A run that is alive is evicted at no level, and for others this one is until its end is in the log.
        server, fault, clients, *rest = await self.goes_ahead(FullDisk, "/stream 200 100", manager=self.manager,
                                                              run={"stall_after": "4s"},
                                                              heartbeat={"interval": "2s", "timeout": "1s"})
        health = self.watch(server)
        for client in clients:
            await client.ended("t1")
        while not clients[0].notices("manager_evicted"):
            self.assertTrue(await health.stays(503, looks=2))
            status, printed = await asyncio.to_thread(server.ctl, "cleanup", "ada", "--level", "force")
            self.assertEqual(status, 0, printed)
            await clients[0].request("ping")
        return server, fault, clients, *rest

    async def test_a_thread_that_is_evicted_meanwhile(self):
        await self.comes_back(*await self.evicted())

    async def test_a_thread_that_is_evicted_just_before_the_store_recovers(self):
        server, fault, clients, epoch, idle = await self.evicted()
        seen = clients[0].seen["t1"]
        client = await self.follower(server, "ada")
        coming = asyncio.create_task(self.come_back(client, epoch, seen))
        fault.off()
        try:
            opened = await coming
        except Refused as refused:
            self.assertEqual(refused.code, "store_unavailable")
            await self.watch(server).says(200, RECOVERY)
            opened = await self.come_back(client, epoch, seen)
        await self.check_history(server, client, opened, epoch, seen)
        await self.check_untouched(server, idle)


if __name__ == "__main__":
    main()
