"""Whatever a connection asks for at once, it is answered as fast as it reads, and is not closed for asking."""

import asyncio
import unittest

from certificates import Authority
from gangway import ENDINGS, GangwayTest, Refused
from slow_reader_test import SlowClient, resident_bytes

THREADS = 20
BYTES = 200_000


class Delivery(GangwayTest):
    async def asyncSetUp(self):
        asyncio.get_running_loop().set_debug(False)

    async def fill(self, server, threads, user="ada"):
        """Makes threads of one long message each; leaves them closed."""
        writer = await self.client(server, user)
        for number in range(threads):
            await writer.request("thread.open", thread_id=f"t{number}")
            sent = await writer.request("message.send", thread_id=f"t{number}", content="x" * BYTES)
            await writer.post("run.cancel", thread_id=f"t{number}", run_id=sent["run_id"])
            await writer.events_until(f"t{number}", *ENDINGS)
        await writer.close()

    async def open_all(self, client, threads):
        ids = [await client.post("thread.open", thread_id=f"t{number}") for number in range(threads)]
        for id in ids:
            opened = await client.answer(id)
            self.assertEqual(len(opened["snapshot"]["messages"][0]["content"]), BYTES)

    async def test_20_long_threads_opened_at_once_are_all_answered(self):
        server = self.start_server()
        await self.fill(server, THREADS)
        for _ in range(3):
            client = await self.client(server, "ada")
            await self.open_all(client, THREADS)
            await client.close()
        self.assertEqual(server.metrics()["gangway_slow_consumers_total"], 0)

    async def test_they_are_over_tls_too(self):
        authority = Authority()
        self.addCleanup(authority.clean_up)
        server = self.start_server(certificate=authority.certificate("delivery"), limits={"managers_per_user": 64})
        await self.fill(server, 64)
        await self.open_all(await self.client(server, "ada"), 64)

    async def test_64_long_threads_opened_at_once_are_all_answered(self):
        server = self.start_server(limits={"managers_per_user": 64})
        await self.fill(server, 64)
        await self.open_all(await self.client(server, "ada"), 64)

    async def test_they_are_to_one_that_reads_slowly_but_steadily_and_wait_in_the_log(self):
        server = self.start_server(limits={"managers_per_user": 64})
        await self.fill(server, 64)
        before = resident_bytes(server)
        client = await SlowClient.connect(server, "ada")
        self.addAsyncCleanup(client.close)
        client.stop_reading()
        ids = [await client.post("thread.open", thread_id=f"t{number}") for number in range(64)]
        def attached():
            return sum(len(known["connections"]) for known in server.ask("/users/ada")["children"])
        await asyncio.to_thread(server.until, lambda: attached() >= 64, "64 threads are opening for it")
        self.assertLess(resident_bytes(server) - before, 64 * BYTES / 2)
        reading = asyncio.create_task(self.read_steadily(client))
        self.addCleanup(reading.cancel)
        for id in ids:
            self.assertEqual(len((await client.answer(id))["snapshot"]["messages"][0]["content"]), BYTES)

    async def read_steadily(self, client):
        while True:
            client.reads.set()
            await asyncio.sleep(0.02)  # tidy: allow (the pace of a slow reader)
            client.reads.clear()
            await asyncio.sleep(0.02)  # tidy: allow (the pace of a slow reader)

    async def test_100_pages_of_history_asked_for_at_once_are_all_answered_or_refused_as_busy(self):
        server = self.start_server()
        await self.fill(server, THREADS)
        client = await self.client(server, "ada")
        await self.open_all(client, THREADS)
        ids = [await client.post("thread.history", thread_id=f"t{number % THREADS}") for number in range(100)]
        pages = 0
        for id in ids:
            try:
                pages += len((await client.answer(id))["messages"]) > 0
            except Refused as refused:
                self.assertEqual(refused.code, "busy")
        self.assertGreaterEqual(pages, THREADS)
        await client.request("ping")

    async def test_a_thousand_lists_asked_for_at_once_are_all_answered(self):
        server = self.start_server()
        await self.fill(server, 3)
        client = await self.client(server, "ada")
        ids = [await client.post("thread.list") for _ in range(1000)]
        for id in ids:
            self.assertEqual(len((await client.answer(id))["threads"]), 3)


if __name__ == "__main__":
    unittest.main(verbosity=2)
