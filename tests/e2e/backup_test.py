"""A backup of a server that is busy, what is in it, and what clients are told once it is restored."""

import asyncio
import os
import shutil
import sqlite3
import stat
import time
import unittest

from gangway import GangwayTest

GOOD, BAD, USAGE, NOT_REACHABLE = range(4)
USERS, THREADS = 6, 10  # a run in each thread
BALLAST = int(os.environ.get("GANGWAY_BACKUP_MB", "40"))


class Backups(GangwayTest):
    async def ctl(self, server, *words, status=GOOD):
        """Returns what gangwayctl prints, which must end with this status."""
        ended, printed = await asyncio.to_thread(server.ctl, *words)
        self.assertEqual(ended, status, printed)
        return printed

    def fill(self, server, megabytes):
        """Gives somebody a thread of this size, while no server runs."""
        with sqlite3.connect(server.store) as database:
            log = database.execute("INSERT INTO threads (user, thread, generation, epoch, last_seq, created_at, updated_at)"
                                   " VALUES ('old', 'old', 1, 'ballast', ?, 0, 0)", (megabytes * 500,)).lastrowid
            database.executemany("INSERT INTO messages VALUES (?, ?, x'00', 'user', NULL, 0, ?, NULL)",
                                 ((log, seq, "x" * 2000) for seq in range(1, megabytes * 500 + 1)))
        database.close()

    def restore(self, server, copy):
        """What docs/operations.md says."""
        self.assertEqual(server.end(), 0)
        for suffix in ("-wal", "-shm"):
            server.store.with_name(server.store.name + suffix).unlink(missing_ok=True)
        shutil.copyfile(copy, server.store)
        server.start()

    async def test_a_server_with_sixty_streams_is_backed_up_and_restored(self):
        server = self.start_server()
        server.end()
        self.fill(server, BALLAST)
        server.start()
        clients = [await self.client(server, f"user{number}") for number in range(USERS)]
        opened = {}
        for client in clients:
            for number in range(THREADS):
                opened[client, f"t{number}"] = await client.request("thread.open", thread_id=f"t{number}")
                await client.request("message.send", thread_id=f"t{number}", content="/stream 100000 10")

        def last_of(client, thread):
            return max((frame["seq"] for frame in client.frames
                        if frame.get("type") == "event" and frame["thread_id"] == thread), default=0)

        log, peak, ended = server.store.with_name(server.store.name + "-wal"), 0, False

        async def watch():
            nonlocal peak
            while not ended:
                peak = max(peak, log.stat().st_size)
                await clients[0].request("ping")

        for client, thread in opened:
            await client.events_until(thread, "message_delta")
        before = {key: last_of(*key) for key in opened}
        copy = server.folder / "copy.db"
        watching = asyncio.create_task(watch())
        begun = time.monotonic()
        printed = await self.ctl(server, "backup", str(copy))
        took, ended = time.monotonic() - begun, True
        await watching
        print(f"    {copy.stat().st_size} bytes in {took:.2f} s, write-ahead log at most {peak} bytes", flush=True)
        self.assertIn(str(copy.stat().st_size), printed)
        self.assertLess(peak, 64 * 2**20)
        self.assertEqual(stat.S_IMODE(copy.stat().st_mode), 0o600)
        with sqlite3.connect(f"file:{copy}?mode=ro", uri=True) as database:
            self.assertEqual(database.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
            self.assertEqual(database.execute("SELECT count(*) FROM threads").fetchone(), (USERS * THREADS + 1,))
        database.close()
        self.assertEqual(sorted(path.name for path in server.folder.iterdir() if "copy" in path.name), ["copy.db"])

        # Every stream goes on.
        for client, thread in opened:
            await client.take(lambda frame, thread=thread: frame.get("type") == "event"
                              and frame["thread_id"] == thread and frame["seq"] > before[client, thread])
        for client in clients:
            await client.vanish()
        self.restore(server, copy)
        self.assertIn("the database was restored", server.log.read_text(errors="replace"))
        again = [await self.client(server, f"user{number}") for number in range(USERS)]
        for old, client in zip(clients, again):
            for number in range(THREADS):
                thread = f"t{number}"
                epoch = opened[old, thread]["epoch"]
                answer = await client.request("thread.open", thread_id=thread, epoch=epoch,
                                              after_seq=before[old, thread])
                self.assertFalse(answer["resumed"])
                self.assertNotEqual(answer["epoch"], epoch)
        await again[0].converse("t0", "hello again")
        await again[0].request("thread.close", thread_id="t0")
        answer = await again[0].request("thread.open", thread_id="t0")
        self.assertNotEqual(answer["epoch"], opened[clients[0], "t0"]["epoch"])

    async def test_a_file_that_exists_is_replaced_only_by_force_and_nothing_is_left_beside_it(self):
        server = self.start_server()
        folder = server.folder / "backups"
        folder.mkdir()
        copy = folder / "copy.db"
        copy.write_text("precious")
        self.assertIn("--force", await self.ctl(server, "backup", str(copy), status=USAGE))
        self.assertEqual(copy.read_text(), "precious")
        await self.ctl(server, "backup", str(copy), "--force")
        self.assertTrue(copy.read_bytes().startswith(b"SQLite format 3"))
        self.assertIn("cannot be written", await self.ctl(server, "backup", str(folder / "missing" / "x"), status=USAGE))
        self.assertEqual([path.name for path in folder.iterdir()], ["copy.db"])
        self.assertFalse(server.store.with_name(server.store.name + "-backup").exists())

    async def test_a_second_server_that_is_refused_leaves_a_copy_alone_and_the_next_start_removes_one_that_was_left(self):
        server = self.start_server()
        left = server.store.with_name(server.store.name + "-backup")
        left.write_text("half of a copy")
        second = self.make_server(store={"path": str(server.store)})
        with self.assertRaises(AssertionError) as refused:
            second.start()
        self.assertIn("another server uses this database", str(refused.exception))
        self.assertTrue(left.exists())
        server.kill()
        server.start()
        self.assertFalse(left.exists())

    async def test_two_at_once_are_refused_and_an_unknown_one_is_not_found(self):
        server = self.start_server()
        server.admin("/api/v1/backups", {})
        self.assertIn("another backup", await self.ctl(server, "backup", str(server.folder / "copy.db"), status=BAD))
        self.assertFalse((server.folder / "copy.db").exists())


if __name__ == "__main__":
    unittest.main(verbosity=2)
