"""Readers that do not read cost the server little, delay nobody, and get what they missed when they come back."""

import asyncio
import json
import socket
import time
import unittest

import websockets

from gangway import Client, GangwayTest, token

READERS = 12
STREAM = "/stream 40000 8000"  # 9 MB of frames: more than the kernel keeps for such a reader, and 16,384 events

# No roll call ends anybody: what is looked at is what they cost.
NO_ROLL_CALL = {"heartbeat": {"interval": "10m", "timeout": "5m"}, "run": {"stall_after": "20m"}}


class SlowClient(Client):
    """A client that can stop reading. Little of what it does not read fits on its own side. Of events, it keeps count."""

    seen = 0

    def __init__(self, socket):
        self.reads = asyncio.Event()
        self.reads.set()
        super().__init__(socket)

    @classmethod
    async def connect(cls, server, user):
        wire = socket.socket()
        wire.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        wire.setblocking(False)
        await asyncio.get_running_loop().sock_connect(wire, ("127.0.0.1", server.port))
        client = cls(await websockets.connect(server.url, sock=wire, max_size=None, max_queue=1, read_limit=4096,
                                              extra_headers=[("Authorization", f"Bearer {token(user)}")],
                                              ping_interval=None, close_timeout=1))
        client.hello = await client.take(lambda frame: frame.get("type") == "connected")
        return client

    async def read(self):
        try:
            while True:
                await self.reads.wait()
                await self.hear(await self.socket.recv())
        except websockets.ConnectionClosed:
            await self.hear_no_more()

    async def hear(self, text):
        frame = json.loads(text)
        if frame.get("type") == "event":
            self.seen = frame["seq"]
        else:
            await super().hear(text)

    def stop_reading(self):
        self.reads.clear()

    def read_on(self):
        self.socket.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**20)
        self.reads.set()

    async def close(self):
        self.reads.set()
        self.socket.transport.abort()
        await self.reader


def resident_bytes(server):
    with open(f"/proc/{server.process.pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) * 1024 for line in status if line.startswith("VmRSS:"))


class SlowReaders(GangwayTest):
    async def asyncSetUp(self):
        # Watched, this process would be the slowest reader of all.
        asyncio.get_running_loop().set_debug(False)

    async def stream(self, client):
        """Returns how long a stream took to come, and its text."""
        begun = time.monotonic()
        _, events = await client.converse("t1", STREAM)
        self.assertEqual(events[-1]["event"]["type"], "agent_completed")
        return time.monotonic() - begun, events[-2]["event"]["content"]

    async def test_they_delay_nobody_and_cost_no_more_than_their_queues(self):
        server = self.start_server(**NO_ROLL_CALL)
        fast = await self.client(server, "ada")
        opened = await fast.request("thread.open", thread_id="t1")
        await self.stream(fast)
        alone, _ = await self.stream(fast)
        slow = []
        for _ in range(READERS):
            client = await SlowClient.connect(server, "ada")
            self.addAsyncCleanup(client.close)
            await client.request("thread.open", thread_id="t1")
            client.stop_reading()
            slow.append(client)
        before = resident_bytes(server)
        among_them, content = await self.stream(fast)
        grown = resident_bytes(server) - before
        print(f"alone {alone:.2f} s, with {READERS} slow readers {among_them:.2f} s; memory +{grown / 2**20:.1f} MiB",
              flush=True)
        self.assertLess(grown, READERS * 2**20)
        self.assertLess(among_them, 4 * alone)
        # Each is told that it fell behind, and what it missed is there for it.
        for client in slow:
            client.read_on()
        for client in slow:
            await client.notice("thread_detached", thread_id="t1", reason="slow_consumer")
            again = await client.request("thread.open", thread_id="t1", epoch=opened["epoch"], after_seq=client.seen)
            self.assertFalse(again["resumed"])
            self.assertEqual(again["snapshot"]["messages"][-1]["content"], content)
            self.assertIsNone(again["snapshot"]["run"])

    async def test_one_that_takes_nothing_for_a_time_is_closed_and_told_so_and_can_resume(self):
        server = self.start_server(heartbeat={"interval": "10m", "timeout": "1s"}, run={"stall_after": "20m"})
        fast = await self.client(server, "ada")
        await fast.request("thread.open", thread_id="t1")
        slow = await SlowClient.connect(server, "ada")
        self.addAsyncCleanup(slow.close)
        await slow.request("thread.open", thread_id="t1")
        slow.stop_reading()
        _, content = await self.stream(fast)
        await asyncio.to_thread(server.until, lambda: server.metrics()["gangway_slow_consumers_total"] >= 1,
                                "the one that reads nothing is closed")
        # It is closed for good when its socket is gone; the one that reads is not.
        self.assertEqual(server.metrics()["gangway_slow_consumers_total"], 1)
        self.assertEqual(server.metrics()['gangway_disconnects_total{code="4008"}'], 1)
        await fast.request("ping")
        slow.read_on()
        again = await self.client(server, "ada")
        opened = await again.request("thread.open", thread_id="t1")
        self.assertEqual(opened["snapshot"]["messages"][-1]["content"], content)


if __name__ == "__main__":
    unittest.main(verbosity=2)
