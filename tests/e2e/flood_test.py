"""What strangers do, however often and however many they are, keeps out nobody who shows a token."""

import asyncio
import json
import ssl
import subprocess
import sys
import time
import unittest
from pathlib import Path

from certificates import Authority
from gangway import PATIENCE, Refused, token
from knocking import DoorTest, dial, knock

FLOOD = 4  # seconds
MIB = 1024 * 1024


def client_hello():
    """Returns the first bytes of a TLS client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    try:
        context.wrap_bio(incoming, outgoing, server_hostname="localhost").do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read()


class FloodTest(DoorTest):
    def flood(self, server, rate, hello=b""):
        """Begins to dial so often a second, for a few seconds, and returns the process."""
        words = [sys.executable, str(Path(__file__).with_name("dialer.py")), str(server.port), str(rate), str(FLOOD)]
        if hello:
            (server.folder / "hello").write_bytes(hello)
            words.append(str(server.folder / "hello"))
        process = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
        self.addCleanup(process.wait)
        self.addCleanup(process.kill)
        self.addCleanup(process.stdout.close)
        return process

    async def pings_of(self, client, seconds):
        """Returns how long a client's pings took, one after the other, in their order of time."""
        took, end = [], time.monotonic() + seconds
        while (begun := time.monotonic()) < end:
            await client.request("ping")
            took.append(time.monotonic() - begun)
        return sorted(took)

    def fill_with_halves(self, server, count, size, bearer=None):
        """Returns so many WebSockets that have sent so much of a frame which never ends."""
        sockets = []
        for _ in range(count):
            answer = knock(server, bearer=bearer)
            self.assertEqual(answer.status, 101)
            self.addCleanup(answer.close)
            length = b"\xfe" + (size + 1).to_bytes(2, "big") if size < 65_535 else b"\xff" + (size + 1).to_bytes(8, "big")
            header = b"\x81" + length + b"\0\0\0\0"
            answer.stream.sendall(header + b"x" * size)
            sockets.append(answer.stream)
        return sockets


class Dials(FloodTest):
    async def test_thousands_of_silent_dials_a_second_keep_nobody_out_who_shows_a_token(self):
        server = self.start_server()
        flood = self.flood(server, 6_000)
        await self.until(server, lambda: "too many connections" in server.log.read_text(), "the seats are taken")
        let_in, tried = 0, 0
        while flood.poll() is None:
            tried += 1
            client = await self.client(server, f"user {tried}")
            await client.request("ping")
            let_in += 1
        made = int(flood.stdout.read())
        self.assertEqual(let_in, tried)
        self.assertGreater(tried, 10, f"while {made} dials were made")
        await self.until(server, lambda: server.health("/health/ready")[0] == 200, "the health is answered")

    async def test_an_address_may_dial_so_often_and_others_are_not_held_to_account(self):
        server = self.start_server(limits={"dials_per_address": 5})

        def dials(source, count):
            answered = 0
            for _ in range(count):
                try:
                    answer = knock(server, bearer=token("ada"), source=source)
                except (AssertionError, OSError):  # hung up on
                    continue
                self.addCleanup(answer.close)
                self.assertEqual(answer.status, 101)
                answered += 1
            return answered

        burst = dials("127.0.0.2", 60)
        self.assertGreaterEqual(burst, 40)
        self.assertLess(burst, 60)
        self.assertIn("opens too many connections a second", server.log.read_text())
        self.assertEqual(dials("127.0.0.3", 20), 20)
        await self.until(server, lambda: dials("127.0.0.2", 1) == 1, "it may dial again")

    async def test_an_address_that_shows_wrong_signatures_is_judged_no_more_for_a_while(self):
        server = self.start_server(limits={"wrong_signatures_per_address": 1})
        known = token("ada")
        answer = knock(server, bearer=known)
        self.addCleanup(answer.close)
        self.assertEqual(answer.status, 101)

        def status(bearer, source="127.0.0.1"):
            answer = knock(server, bearer=bearer, source=source)
            answer.close()
            return answer.status

        statuses = {status(token(f"user {number}", secret="x" * 32)) for number in range(60)}
        self.assertEqual(statuses, {401, 503})
        self.assertEqual(status(token("bob", expires_in=1800), source="127.0.0.2"), 101)
        await self.until(server, lambda: status(token("bob")) == 101, "new tokens are judged again")


class Handshakes(FloodTest):
    async def test_handshakes_that_are_begun_and_dropped_leave_the_loops_to_those_who_are_signed_in(self):
        authority = Authority()
        self.addCleanup(authority.clean_up)
        server = self.start_server(certificate=authority.certificate("server"))
        client = await self.client(server, "ada")
        quiet = await self.pings_of(client, FLOOD / 2)
        flood = self.flood(server, 3_000, client_hello())
        loud = await self.pings_of(client, FLOOD / 2)
        other = await self.client(server, "bob")  # gets in meanwhile
        await other.request("ping")
        self.assertIsNone(flood.poll(), "the flood went on all the while")
        # Partly for the attacker's own share of the cores: 8 times as long, where it was 90 times.
        usual, slow = quiet[len(quiet) // 2], loud[len(loud) * 99 // 100]
        self.assertLess(slow, 20 * usual, f"{len(loud)} pings beside the flood, {len(quiet)} without")

    async def test_a_client_that_says_no_hello_or_half_of_one_is_given_up(self):
        authority = Authority()
        self.addCleanup(authority.clean_up)
        server = self.start_server(certificate=authority.certificate("server"), client={"handshake_timeout": "500ms"})
        plain = type("", (), {"port": server.port, "trust": None})
        hello = client_hello()
        for first in (b"", hello[:3], hello[:100], b"GET / HTTP/1.1\r\nHost: x\r\n\r\n", b"\x16\x03\x01\xff\xff" + b"x" * 6000):
            with self.subTest(first):
                stream = dial(plain)
                self.addCleanup(stream.close)
                stream.sendall(first)
                with self.assertRaises((ConnectionResetError, EOFError)):
                    while stream.recv(4096):
                        pass
                    raise EOFError
        # A hello that comes in pieces is one all the same.
        stream = dial(plain)
        for piece in (hello[:1], hello[1:7], hello[7:]):
            stream.sendall(piece)
            await asyncio.sleep(0)
        self.assertEqual(stream.recv(1), b"\x16")
        stream.close()


class Memory(FloodTest):
    async def test_frames_that_strangers_never_finish_take_so_much_and_not_more(self):
        most = 2 * MIB
        server = self.start_server(limits={"unauthenticated_bytes": most})
        sockets = self.fill_with_halves(server, 200, 60_000)
        held = 'gangway_inbound_bytes{signed_in="false"}'
        await self.until(server, lambda: server.metrics()[held] > most / 2, "most of it is taken")
        self.assertLessEqual(server.metrics()[held], most)
        sent_away = 0
        for stream in sockets:
            stream.settimeout(0.05)
            try:
                sent_away += b"overloaded" in stream.recv(4096)
            except TimeoutError:
                pass
        self.assertGreater(sent_away, 100)
        client = await self.client(server)
        await client.request("connect", token=token("ada"))  # a frame of the usual size is heard
        for stream in sockets:
            stream.close()
        await self.until(server, lambda: server.metrics()[held] == 0, "it is given back")

    async def test_frames_that_a_user_never_finishes_take_so_much_and_not_more(self):
        most = 4 * MIB
        server = self.start_server(limits={"inbound_bytes_per_user": most})
        other = await self.client(server, "bob")
        sockets = self.fill_with_halves(server, 20, 900_000, token("ada"))
        held = 'gangway_inbound_bytes{signed_in="true"}'
        await self.until(server, lambda: server.metrics()[held] > most / 2, "most of it is taken")
        self.assertLessEqual(server.metrics()[held], most)
        await other.send(json.dumps({"id": 1, "type": "ping", "filling": "x" * 900_000}))
        await other.answer(1)
        client = await self.client(server, "ada")
        await client.request("ping")
        for stream in sockets:
            stream.close()
        await self.until(server, lambda: server.metrics()[held] == 0, "it is given back")


class Descriptors(FloodTest):
    async def test_descriptors_that_strangers_use_up_are_not_missed_by_those_who_are_signed_in(self):
        server = self.make_server()
        server.start("prlimit", "--nofile=400:400")
        client = await self.client(server, "ada")
        strangers = []
        for _ in range(500):
            try:
                strangers.append(dial(server))
            except OSError:
                break
        for stream in strangers:
            self.addCleanup(stream.close)
        await self.until(server, lambda: "file descriptors" in server.log.read_text()
                         or "too many connections" in server.log.read_text(), "the descriptors are used up")
        await client.request("thread.open", thread_id="t1")
        await client.converse("t1", "what is 12*(3+4)?")
        other = await self.client(server, "bob")  # has a token, and so somebody gives way
        await other.request("thread.open", thread_id="t1")


if __name__ == "__main__":
    unittest.main()
