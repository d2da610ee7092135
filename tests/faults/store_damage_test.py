"""A damaged database is noticed and said, at the start or as soon as it is read, and nothing of it is served as if it
were a conversation. SQLite keeps no checksums: damage is what cannot be read."""

import contextlib
import hashlib

from faults import PATIENCE, StoreFaultTest, kept, main
from gangway import Refused

PAGE = 4096
LEAF = 0x0A  # the first byte of a leaf page of a table without rowid
CHECKED_MAX = 64 * 2**20  # a file up to this size is checked at the start
SOON = 6  # seconds


class Damage(StoreFaultTest):
    async def converse(self, server, user):
        """Returns somebody with a thread of some pages, all of it read back into the database file."""
        client = await self.follower(server, user)
        client.opened = await client.request("thread.open", thread_id="t1")
        for runs in range(1, 4):
            await client.request("message.send", thread_id="t1", content="/stream 150 1000")
            await client.ended("t1", runs)
        client.said = next(frame["event"]["message_id"] for frame in client.seen["t1"] if "delta" in frame["event"])
        return client

    async def two(self, server):
        ada, bob = await self.converse(server, "ada"), await self.converse(server, "bob")
        self.execute(server, "PRAGMA wal_checkpoint(TRUNCATE)")
        return ada, bob

    def pages_of(self, server, client):
        """Returns the places of the log's pages that hold little but this client's first answer."""
        content = server.store.read_bytes()
        found = [place for place in range(0, len(content), PAGE)
                 if content[place] == LEAF and content.count(client.said.encode(), place, place + PAGE) > 8]
        self.assertGreater(len(found), 2)
        return found

    def overwrite(self, server, place, content):
        """Returns what was there."""
        with server.store.open("r+b") as file:
            file.seek(place)
            before = file.read(len(content))
            file.seek(place)
            file.write(content)
        return before

    def ruin(self, server, client):
        """Overwrites a page in the middle of a client's first answer; returns how to undo that."""
        places = self.pages_of(server, client)
        place = places[len(places) // 2]
        noise = b"".join(hashlib.sha256(bytes([number])).digest() for number in range(PAGE // 32))
        before = self.overwrite(server, place, noise)
        return lambda: self.overwrite(server, place, before)

    async def is_shown(self, server, user, was):
        """Somebody reads the whole thread again; returns whether that was possible. What is shown is what was."""
        client = await self.follower(server, user)
        possible = True
        for position in ({"epoch": was.opened["epoch"], "after_seq": 0}, {}):
            try:
                opened = await client.request("thread.open", thread_id="t1", **position)
            except Refused as refused:
                self.assertEqual((refused.code, refused.error["temporary"]), ("store_unavailable", True))
                possible = False
                continue
            if opened["resumed"]:
                with contextlib.suppress(AssertionError):  # detached, when it cannot be read after all
                    await client.until("t1", lambda seen, last=opened["seq"]: len(seen) >= last, "the log")
                possible = possible and len(client.seen["t1"]) >= opened["seq"]
                self.assert_no_gap(client.seen["t1"])
                for shown, frame in zip(kept(client.seen["t1"]), kept(was.seen["t1"])):
                    self.assertEqual(shown, frame)
            else:
                whole = {frame["seq"]: frame["event"] for frame in was.seen["t1"]}
                for message in opened["snapshot"]["messages"]:
                    self.assertEqual(message["content"], whole[message["seq"]]["content"])
        await client.close()
        return possible

    async def check_said(self, server, *words):
        """/health says that the store is damaged, and goes on saying so."""
        health = self.watch(server)
        reason = await health.says(503, SOON)
        print(f"    {reason}", flush=True)
        for word in (str(server.store), *words):
            self.assertIn(word, reason)
        self.assertTrue(await health.stays(503, looks=40))

    async def test_a_server_does_not_start_on_a_damaged_file_and_says_what_to_do(self):
        server = self.start_server()
        ada, bob = await self.two(server)
        self.assertEqual(server.end(), 0)
        undo = self.ruin(server, ada)
        before, logged = server.store.read_bytes(), len(server.log.read_bytes())
        server.launch()
        self.assertEqual(server.process.wait(PATIENCE), 1)
        said = server.log.read_bytes()[logged:].decode()
        self.assertIn(f"{server.store}: is damaged; restore it from a backup, or move it away to start empty", said)
        self.assertEqual(server.store.read_bytes(), before)
        undo()
        server.start()
        self.assertEqual(server.health()[0], 200)
        for user, client in (("ada", ada), ("bob", bob)):
            self.assertTrue(await self.is_shown(server, user, client))

    async def test_a_file_too_big_to_be_checked_at_the_start_is_found_to_be_damaged_when_it_is_read(self):
        server = self.start_server()
        self.execute(server, f"CREATE TABLE spare AS SELECT zeroblob({CHECKED_MAX})", "DROP TABLE spare")
        ada, bob = await self.two(server)
        self.assertEqual(server.end(), 0)
        self.assertGreater(server.store.stat().st_size, CHECKED_MAX)
        self.ruin(server, ada)
        server.start()
        self.assertTrue(await self.is_shown(server, "bob", bob))
        self.assertFalse(await self.is_shown(server, "ada", ada))
        await self.check_said(server, "damaged")
        await self.is_shown(server, "bob", bob)

    async def test_a_page_that_is_damaged_while_the_server_runs_is_not_served(self):
        server = self.start_server()
        ada, bob = await self.two(server)
        for client in (ada, bob):
            await client.request("thread.close", thread_id="t1")
        undo = self.ruin(server, ada)
        # What was read before is still remembered, until something is written.
        eve = await self.converse(server, "eve")
        self.assertFalse(await self.is_shown(server, "ada", ada))
        with self.subTest("/health says so"):
            await self.check_said(server, "damaged")
        with self.subTest("whoever is not concerned is refused or served, and nobody is shown anything else"):
            await self.is_shown(server, "bob", bob)
            await self.is_shown(server, "eve", eve)
            zoe = await self.follower(server, "zoe")
            with contextlib.suppress(Refused):
                await zoe.request("thread.open", thread_id="t1")
                sent = await zoe.request("message.send", thread_id="t1", content="what is 12*(3+4)?")
                self.assertIn(sent["seq"], self.stored(server, "zoe", "t1"))
        server.kill()
        undo()
        server.start()
        self.assertTrue(await self.is_shown(server, "ada", ada))
        self.assertTrue(await self.is_shown(server, "bob", bob))
        self.assertTrue(await self.is_shown(server, "eve", eve))

    async def test_a_message_whose_place_in_the_log_is_damaged_is_refused(self):
        server = self.start_server()
        ada = await self.converse(server, "ada")
        self.execute(server, "PRAGMA wal_checkpoint(TRUNCATE)")
        content = server.store.read_bytes()
        for place in range(0, len(content), PAGE):
            if content[place] == LEAF and b"RUN_FINISHED" in content[place:place + PAGE]:
                self.overwrite(server, place, bytes([0xFF]) * PAGE)
        # What another process writes makes the server forget the pages that it remembers.
        self.execute(server, "CREATE TABLE spare (number)", "DROP TABLE spare")
        await self.refused(ada, "t1", "one more", client_message_id="more")
        await self.check_said(server, "damaged")
        await self.refused(ada, "t1", "one more", client_message_id="more")

    async def test_an_event_that_is_no_event_any_more_is_not_served(self):
        server = self.start_server()
        ada, bob = await self.two(server)
        self.assertEqual(server.end(), 0)
        place = self.pages_of(server, ada)[1]
        content = server.store.read_bytes()
        begin = content.index(b'{"type"', place)
        end = content.index(b"}", begin) + 1
        self.overwrite(server, begin, b"#" * (end - begin))
        server.start()
        self.assertTrue(await self.is_shown(server, "bob", bob))
        self.assertFalse(await self.is_shown(server, "ada", ada))
        # One thread's trouble: it may have been written by a later release. The log says which.
        self.assertIn("cannot be read", server.log.read_text())
        self.assertEqual(server.health()[0], 200)


if __name__ == "__main__":
    main()
