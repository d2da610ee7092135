"""SIGTERM: everybody is told, sockets are closed, the program ends in time, and nothing is lost by it."""

import asyncio
import time
import unittest

from gangway import ENDINGS, GangwayTest


class Shutdown(GangwayTest):
    async def test_two_hundred_sockets_some_with_a_run_are_told_and_closed_in_time(self):
        server = self.start_server(shutdown={"timeout": "10s"})
        clients = await asyncio.gather(*(self.client(server, f"user-{number % 20}") for number in range(200)))
        streaming = clients[:20]
        epochs = []
        for client in streaming:
            epochs.append((await client.request("thread.open", thread_id="t1"))["epoch"])
            await client.request("message.send", thread_id="t1", content="/stream 100000 10")
        lasts = [(await client.events_until("t1", "message_delta"))[-1]["seq"] for client in streaming]

        began = time.monotonic()
        code = await asyncio.to_thread(server.end)
        self.assertEqual(code, 0)
        self.assertLess(time.monotonic() - began, 10)
        for client in clients:
            self.assertEqual(await client.close_code(), 1001)
            await client.reader
            [goodbye] = [frame for frame in client.frames if frame.get("type") == "disconnect"]
            self.assertEqual((goodbye["code"], goodbye["reconnect"]), (1001, True))
            self.assertIs(client.frames[-1], goodbye)

        server.start()
        for number, client in enumerate(streaming):
            seen = [frame for frame in client.frames if frame.get("type") == "event"]
            self.assert_no_gap(seen, lasts[number])
            again = await self.client(server, f"user-{number}")
            opened = await again.request("thread.open", thread_id="t1", epoch=epochs[number], after_seq=lasts[number])
            self.assertTrue(opened["resumed"])
            events = await again.events_until("t1", *ENDINGS)
            self.assertEqual(events[: len(seen)], seen)
            self.assert_no_gap(events, lasts[number])

    async def test_an_idle_server_ends_at_once(self):
        server = self.start_server()
        began = time.monotonic()
        self.assertEqual(await asyncio.to_thread(server.end), 0)
        self.assertLess(time.monotonic() - began, 5)


if __name__ == "__main__":
    unittest.main(verbosity=2)
