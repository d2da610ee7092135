"""SIGTERM: everybody is told, sockets are closed, the program ends in time, and nothing is lost by it."""

import asyncio
import os
import signal
import unittest

from gangway import ENDINGS, PATIENCE, GangwayTest


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

        self.assertEqual(await asyncio.to_thread(server.end), 0)
        self.assertIn('"killed":0', server.log_tail())  # nobody's time ran out
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
        server = self.start_server(shutdown={"timeout": f"{10 * PATIENCE}s"})
        self.assertEqual(await asyncio.to_thread(server.end), 0)  # waits for PATIENCE

    async def drain_interrupted_by(self, *signals):
        """Ends a server whose sockets are closed one by one, and sends it these signals when the first has been told.
        Returns its exit code; everybody must have been told.
        """
        server = self.start_server(shutdown={"timeout": "15s", "batch_size": 1, "batch_interval": "50ms"})
        clients = [await self.client(server, f"user-{number}") for number in range(12)]
        server.process.send_signal(signal.SIGTERM)
        told = [asyncio.create_task(client.take(lambda frame: frame.get("type") == "disconnect")) for client in clients]
        await asyncio.wait(told, return_when=asyncio.FIRST_COMPLETED)
        for one in signals:
            server.process.send_signal(one)
        for goodbye in await asyncio.gather(*told):
            self.assertEqual((goodbye["code"], goodbye["reconnect"]), (1001, True))
        return await asyncio.to_thread(server.process.wait, PATIENCE)

    # A SIGHUP during a drain ended the process by the signal's default action, and most clients were never told.
    async def test_a_reload_during_a_drain_changes_nothing(self):
        self.assertEqual(await self.drain_interrupted_by(signal.SIGHUP, signal.SIGHUP), 0)

    # The same went for a part that failed meanwhile, of which the supervisor tells main by SIGUSR1.
    async def test_a_part_that_fails_during_a_drain_is_said_by_the_exit_status_alone(self):
        self.assertEqual(await self.drain_interrupted_by(signal.SIGUSR1), 1)

    async def test_a_second_sigterm_ends_at_once(self):
        server = self.start_server(shutdown={"timeout": "15s", "batch_size": 1, "batch_interval": "10s"})
        for number in range(3 * (os.cpu_count() or 1)):
            await self.client(server, f"user-{number}")
        server.process.send_signal(signal.SIGTERM)
        server.until(lambda: "shutting down" in server.log_tail(), "it says that it shuts down")
        server.process.send_signal(signal.SIGTERM)
        self.assertEqual(await asyncio.to_thread(server.process.wait, PATIENCE), -signal.SIGTERM)


if __name__ == "__main__":
    unittest.main(verbosity=2)
