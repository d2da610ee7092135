"""Faults of the store's disk, all of them real, that a test switches on and off while the server runs; and what the
tests of them share.

A file system with open writers cannot be remounted read-only, and root is stopped by no mode of a file. So a read-only
disk, and a slow one, are made by strace: it is attached to the server that runs, lets system calls on the store's files
fail or be late, and detaching it ends the fault. Unlike a preloaded library it needs no special start, knows one file
from another, and can delay.
"""

import asyncio
import collections
import json
import os
import sqlite3
import subprocess
import sys
import threading
import time
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from gangway import ENDINGS, PATIENCE, Client, GangwayTest, Refused, text  # noqa: E402

SKIPPED = 77
PROMPT = 2  # seconds within which everything that needs no disk is answered
RECOVERY = 6  # seconds after which a store whose fault has ended works again


class FullDisk:
    """The store is on a small tmpfs, and a file takes all that is left of it."""

    word = "full"

    def __init__(self, test, server, size="64m"):
        folder = server.folder / "disk"
        folder.mkdir()
        made = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", folder], capture_output=True,
                              text=True, check=False)
        if made.returncode != 0:
            test.skipTest(f"no file system can be mounted here, so no disk can be full: {made.stderr.strip()}")
        test.addCleanup(subprocess.run, ["umount", "--lazy", folder], check=True)
        server.store = folder / server.store.name
        server.sections["store"]["path"] = str(server.store)
        self.filler = folder / "filler"

    def on(self, leave=0):
        piece = bytes(2**20)
        with self.filler.open("wb", buffering=0) as file:
            while piece:
                try:
                    file.write(piece)
                except OSError:
                    piece = piece[:len(piece) // 2]
        os.truncate(self.filler, self.filler.stat().st_size - leave)

    def off(self):
        self.filler.unlink()


class Injection:
    """System calls on the store's files go wrong as long as strace is attached to the server."""

    word = ""
    calls = ()
    effect = ""
    names = "*"  # of the files, behind the database's own name

    def __init__(self, test, server):
        self.test, self.server, self.strace = test, server, None
        test.addCleanup(self.off)

    def on(self):
        store = self.server.store
        files = [store, *store.parent.glob(f"{store.name}-{self.names}")]
        self.strace = subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", "strace", "--follow-forks", f"--attach={self.server.process.pid}",
             "--output=/dev/null", f"--trace={','.join(self.calls)}",
             f"--inject={','.join(self.calls)}:{self.effect}", *(f"--trace-path={file}" for file in files)],
            stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        said = self.strace.stderr.readline()
        if "Operation not permitted" in said:
            self.test.skipTest(f"strace may not attach here: {said.strip()}")
        if "attached" not in said:
            raise AssertionError(f"strace did not attach: {said}")

    def off(self):
        if self.strace:
            self.strace.terminate()
            self.strace.communicate(timeout=PATIENCE)
            self.strace = None


class ReadOnlyDatabase(Injection):
    """The database cannot be written; what is beside it can."""

    word = "cannot be read or written"
    calls = ("pwrite64", "pwritev", "ftruncate", "fallocate")
    effect = "error=EROFS"
    names = "wal"


class ReadOnlyDisk(ReadOnlyDatabase):
    """Writing fails as on a file system that the kernel has made read-only after an error."""

    names = "*"


class SlowSync(Injection):
    """A sync takes seconds."""

    seconds = 5
    calls = ("fdatasync", "fsync")
    effect = f"delay_exit={seconds}s"


class SlowWrites(Injection):
    """Every write takes so long that a commit takes seconds."""

    calls = ("pwrite64",)
    effect = "delay_exit=250ms"
    names = "wal"


class LockedStore:
    """Another process has the database to itself."""

    word = "locked"

    def __init__(self, test, server):
        self.server, self.holder = server, None
        test.addCleanup(self.off)

    def on(self):
        self.holder = sqlite3.connect(self.server.store, timeout=PATIENCE, isolation_level=None)
        self.holder.execute("BEGIN EXCLUSIVE")

    def off(self):
        if self.holder:
            self.holder.execute("ROLLBACK")
            self.holder.close()
            self.holder = None


class Health(threading.Thread):
    """Looks at /health all the time, and remembers what it said and how long it took."""

    pause = 0.05  # seconds between two looks

    def __init__(self, server):
        super().__init__(daemon=True)
        self.server = server
        self.looks = []  # (time, status, reason of the store)
        self.slowest = 0
        self.looked = threading.Condition()
        self.ended = threading.Event()
        self.start()

    def run(self):
        while not self.ended.wait(self.pause):
            began = time.monotonic()
            status, body = self.server.health()
            with self.looked:
                store = json.loads(body)["components"]["store"] if body else {}
                self.slowest = max(self.slowest, time.monotonic() - began)
                self.looks.append((began, status, store.get("reason", "")))
                self.looked.notify_all()

    def end(self):
        self.ended.set()
        self.join()

    def turns(self, since):
        """Returns what it said since then, the same again and again as once."""
        said = [status for when, status, _ in list(self.looks) if when >= since]
        return [status for index, status in enumerate(said) if index == 0 or status != said[index - 1]]

    async def says(self, status, within, reason=""):
        """Returns the store's reason as soon as /health has this status (and that word in the reason)."""
        began = time.monotonic()
        newest = lambda: self.looks[-1] if self.looks else (0, 0, "")  # noqa: E731

        def wait():
            with self.looked:
                return self.looked.wait_for(
                    lambda: newest()[0] >= began and newest()[1] == status and reason in newest()[2].casefold(), within)
        if not await asyncio.to_thread(wait):
            raise AssertionError(f"/health is {newest()[1:]} after {within} s, not {status} with '{reason}'")
        return newest()[2]

    async def stays(self, status, looks):
        """It has this status at every one of the next looks."""
        first = len(self.looks)

        def wait():
            with self.looked:
                self.looked.wait_for(lambda: len(self.looks) >= first + looks, PATIENCE)
        await asyncio.to_thread(wait)
        return {seen for _, seen, _ in self.looks[first:]} == {status}


class Follower(Client):
    """A client that keeps the events of each thread apart, in the order in which they came."""

    def __init__(self, socket):
        self.seen = collections.defaultdict(list)
        self.bytes_ahead = collections.Counter()  # of the frames that came before they were in the log
        super().__init__(socket)

    async def hear(self, text):
        frame = json.loads(text)
        if frame.get("type") != "event":
            return await super().hear(text)
        async with self.arrived:
            self.seen[frame["thread_id"]].append(frame)
            if "durable" in frame:
                self.bytes_ahead[frame["thread_id"]] += len(text.encode())
            self.arrived.notify_all()

    async def until(self, thread, wanted, what, patience=PATIENCE):
        """Returns a thread's events as soon as they are as `wanted`."""
        seen = self.seen[thread]
        async with self.arrived:
            try:
                await asyncio.wait_for(self.arrived.wait_for(
                    lambda: self.closed or self.detached(thread) or wanted(seen)), patience)
            except asyncio.TimeoutError:
                pass
        if not wanted(seen):
            raise AssertionError(f"{what} did not come; there are {len(seen)} events, {len(ahead(seen))} of them not "
                                 f"durable, the last is {seen[-1:]}; the thread was detached: {self.detached(thread)}; "
                                 f"the socket is closed: {self.closed}")
        return seen

    def detached(self, thread):
        return [notice for notice in self.notices("thread_detached") if notice["thread_id"] == thread]

    async def ended(self, thread, runs=1, patience=PATIENCE):
        """Returns a thread's events when so many runs have ended."""
        return await self.until(thread, lambda seen: seen and is_ending(seen[-1]) and len(endings(seen)) >= runs,
                                f"the end of {runs} runs", patience)


def is_ending(frame):
    return frame["event"]["type"] in ENDINGS


def endings(frames):
    return [frame for frame in frames if is_ending(frame)]


def ahead(frames):
    """Returns the events that came before they were in the log."""
    return [frame for frame in frames if frame.get("durable") is False]


def kept(frames):
    """Returns the events as the log must have them."""
    return [{name: value for name, value in frame.items() if name != "durable"} for frame in frames]


class StoreFaultTest(GangwayTest):
    """A server, a fault of its store, and two readers of one thread."""

    def server_with(self, fault, **sections):
        """Returns a server that runs, and a fault of this kind that is not there yet."""
        server = self.make_server(**sections)
        made = fault(self, server)
        return server.start(), made

    def watch(self, server):
        health = Health(server)
        self.addCleanup(health.end)
        return health

    async def follower(self, server, user):
        client = await Follower.connect(server, user)
        self.addAsyncCleanup(client.close)
        return client

    async def readers(self, server, thread="t1", user="ada"):
        """Returns two clients that have the thread open, and its epoch."""
        clients = [await self.follower(server, user) for _ in range(2)]
        opened = [await client.request("thread.open", thread_id=thread) for client in clients]
        return clients, opened[0]["epoch"]

    async def answered_promptly(self, server, bystander):
        """What needs no disk is answered while the store fails."""
        began = time.monotonic()
        await bystander.request("ping")
        metrics = await asyncio.to_thread(server.metrics)
        self.assertLess(time.monotonic() - began, PROMPT)
        self.assertGreater(metrics["gangway_connections{tier=\"free\"}"], 0)

    async def refused(self, client, thread, content, **fields):
        """A new message is refused for now."""
        began = time.monotonic()
        error = await client.refusal("message.send", thread_id=thread, content=content, **fields)
        self.assertEqual((error["code"], error["temporary"]), ("store_unavailable", True))
        return time.monotonic() - began

    async def taken(self, client, thread, content, client_message_id):
        """Sends a message until it is taken, which it must be soon, and returns the answer."""
        began = time.monotonic()
        while True:
            try:
                return await client.request("message.send", thread_id=thread, content=content,
                                            client_message_id=client_message_id)
            except Refused as refused:
                self.assertEqual((refused.code, refused.error["temporary"]), ("store_unavailable", True))
                self.assertLess(time.monotonic() - began, RECOVERY)

    def assert_same(self, frames, others):
        """Says where two histories part, not what they are."""
        for frame, other in zip(frames, others):
            self.assertEqual(frame, other)
        self.assertEqual(len(frames), len(others))

    def stored(self, server, user, thread):
        """Returns a thread's rows of the log: sequence number → event in AG-UI's words."""
        database = sqlite3.connect(f"file:{server.store}?mode=ro", uri=True)
        rows = database.execute("SELECT seq, body FROM events JOIN threads USING (log_id)"
                                " WHERE user = ? AND thread = ? ORDER BY seq", (user, thread)).fetchall()
        database.close()
        return {seq: json.loads(body) for seq, body in rows}

    async def check_kept(self, server, thread, epoch, seen, user="ada"):
        """The log has exactly what was seen, and whoever comes later gets exactly that."""
        with self.subTest("what was seen has no gap and no duplicate, and is marked or not"):
            self.assert_no_gap(seen)
            self.assertEqual({frame.get("durable", False) for frame in seen}, {False})
            self.assertEqual({frame["epoch"] for frame in seen}, {epoch})
        last = seen[-1]["seq"]
        with self.subTest("the log has every event that was seen"):
            rows = self.stored(server, user, thread)
            self.assertEqual(list(rows), list(range(1, last + 1)))
            self.assert_same([rows[frame["seq"]]["delta"] for frame in seen if "delta" in frame["event"]],
                             [frame["event"]["delta"] for frame in seen if "delta" in frame["event"]])
        with self.subTest("another client is shown the same"):
            late = await self.follower(server, user)
            after = max(0, last - 900)  # more would be answered with a snapshot
            opened = await late.request("thread.open", thread_id=thread, epoch=epoch, after_seq=after)
            self.assertEqual((opened["resumed"], opened["epoch"], opened["seq"]), (True, epoch, last))
            shown = await late.until(thread, lambda shown: len(shown) >= last - after, "what was missed")
            self.assert_same(shown, kept(seen[after:]))
        with self.subTest("a snapshot has the same"):
            late = await self.follower(server, user)
            opened = await late.request("thread.open", thread_id=thread)
            said = [message["content"] for message in opened["snapshot"]["messages"] if message["role"] == "assistant"]
            runs = [[frame for frame in seen if frame["run_id"] == ending["run_id"]] for ending in endings(seen)]
            self.assertEqual(said[-len(runs):], [text(run) for run in runs])

    async def check_epoch_stays(self, server, thread, epoch, last, user="ada"):
        """Of what was recovered nothing is lost by a crash, so that everybody goes on."""
        server.kill()
        server.start()
        client = await self.follower(server, user)
        opened = await client.request("thread.open", thread_id=thread, epoch=epoch, after_seq=last)
        self.assertEqual((opened["resumed"], opened["epoch"], opened["seq"]), (True, epoch, last))

    def execute(self, server, *statements):
        """Runs statements on the store from beside the server."""
        database = sqlite3.connect(server.store, isolation_level=None)
        for statement in statements:
            database.execute(statement)
        database.close()

    def check_one_ending_each(self, frames):
        """Every run in these events has exactly one ending, its last event."""
        for run in {frame["run_id"] for frame in frames if frame.get("run_id")}:
            events = [is_ending(frame) for frame in frames if frame.get("run_id") == run]
            self.assertEqual(events, [False] * (len(events) - 1) + [True])

    async def whole_log(self, server, thread, epoch, user="ada"):
        """Returns all of a thread's events, up to its last run's end; there are not more than are resumed."""
        client = await self.follower(server, user)
        opened = await client.request("thread.open", thread_id=thread, epoch=epoch, after_seq=0)
        self.assertEqual((opened["resumed"], opened["epoch"]), (True, epoch))
        frames = await client.until(thread, lambda seen: len(seen) >= opened["seq"] and is_ending(seen[-1]),
                                    "the whole log")
        self.assert_no_gap(frames)
        return kept(frames)


def main():
    """Runs the tests in a mount namespace of their own, which nothing that they mount outlives; as root of a user
    namespace where they are not root. What is not permitted then is skipped and says so."""
    if "FAULTS_MOVED" not in os.environ:
        os.environ["FAULTS_MOVED"] = "1"
        for way in (["unshare", "--mount", "--propagation", "private"],
                    ["unshare", "--user", "--map-root-user", "--mount", "--propagation", "private"]):
            if subprocess.run([*way, "true"], capture_output=True, check=False).returncode == 0:
                os.execvp(way[0], [*way, sys.executable, *sys.argv])
    result = unittest.main(module="__main__", verbosity=2, exit=False).result
    if result.testsRun and len(result.skipped) == result.testsRun:
        sys.exit(SKIPPED)
    sys.exit(not result.wasSuccessful())
