"""One of the server's event loops stands still again and again, and nobody who lives there is taken for dead."""

import asyncio
import subprocess
import sys
import unittest
from pathlib import Path

from faults import SKIPPED, GangwayTest

from certificates import Authority
from gangway import PATIENCE

CLIENTS = 6
STANDSTILL = 1.9  # seconds
ROLL_CALLS = 4


class StoppedLoop:
    """A thread of the server leaves its loop's wait late, as long as strace is attached to it."""

    def __init__(self, test, thread):
        self.strace = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "strace", f"--attach={thread}", "--output=/dev/null",
             "--trace=epoll_wait", f"--inject=epoll_wait:delay_exit={int(STANDSTILL * 1000)}ms"],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        test.addCleanup(self.end)
        said = self.strace.stderr.readline()
        if "Operation not permitted" in said:
            test.skipTest(f"strace may not attach here: {said.strip()}")
        if "attached" not in said:
            raise AssertionError(f"strace did not attach: {said}")

    def end(self):
        if self.strace.poll() is None:
            self.strace.terminate()
        self.strace.communicate(timeout=PATIENCE)


def loops_of(server):
    """Returns the threads of the event loops."""
    tasks = Path(f"/proc/{server.process.pid}/task").iterdir()
    names = {(task / "comm").read_text().strip(): int(task.name) for task in tasks}
    return [names["loop.0"], names["loop.1"]]


class StoppedLoopTest(GangwayTest):
    async def test_nobody_is_taken_for_dead_because_one_loop_of_two_stands_still(self):
        authority = Authority()
        self.addCleanup(authority.clean_up)
        server = self.start_server(certificate=authority.certificate("server"), loop={"threads": 2},
                                   heartbeat={"interval": "1s", "timeout": "900ms"})
        # TLS connections stay where they were accepted: half of these on each loop, and one actor has them all.
        clients = [await self.client(server, "ada") for _ in range(CLIENTS)]
        for number, client in enumerate(clients):
            await client.request("thread.open", thread_id=f"t{number}")
        for loop in loops_of(server):
            stopped = StoppedLoop(self, loop)
            await asyncio.sleep(ROLL_CALLS)  # tidy: allow (so many roll calls, by the clock of the server)
            await asyncio.to_thread(stopped.end)
            for client in clients:
                await client.request("ping")
        ended = {name: count for name, count in server.metrics().items()
                 if name.startswith("gangway_disconnects_total") and count > 0}
        self.assertEqual(ended, {})


if __name__ == "__main__":
    result = unittest.main(verbosity=2, exit=False).result
    if result.testsRun and len(result.skipped) == result.testsRun:
        sys.exit(SKIPPED)
    sys.exit(not result.wasSuccessful())
