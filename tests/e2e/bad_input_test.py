"""Bad input gets a clear error, costs its sender at most one connection, and others nothing."""

import asyncio
import json
import os
import socket
import sqlite3
import struct
import time
import unittest
import urllib.request

import websockets

from gangway import PATIENCE, GangwayTest, base64url, text, token

QUESTION = "what is 12*(3+4)?"


def masked_frame(opcode, payload, fin=True):
    """Returns a client's WebSocket frame, by RFC 6455, whatever is in it."""
    length = len(payload)
    if length < 126:
        head = struct.pack("!BB", fin << 7 | opcode, 0x80 | length)
    elif length < 65536:
        head = struct.pack("!BBH", fin << 7 | opcode, 0x80 | 126, length)
    else:
        head = struct.pack("!BBQ", fin << 7 | opcode, 0x80 | 127, length)
    mask = b"\x12\x34\x56\x78"
    return head + mask + bytes(byte ^ mask[index % 4] for index, byte in enumerate(payload))


class BadFrames(GangwayTest):
    async def asyncSetUp(self):
        self.server = self.start_server(client={"bad_frames_max": 1000, "frame_bytes_max": "64KiB"})
        self.ada = await self.client(self.server, "ada")
        opened = await self.ada.request("thread.open", thread_id="t1")
        self.assertEqual(opened["seq"], 0)

    async def still_well(self, client=None):
        """The connection answers, and its thread has lost nothing."""
        client = client or self.ada
        await client.request("ping")
        _, events = await client.converse("t1", QUESTION)
        self.assertIn("84", text(events))
        self.assertEqual(client.frames, [])

    async def test_what_is_no_frame_is_answered_without_an_id_and_costs_nothing_else(self):
        bad = ["", " ", "nonsense", "{", '{"type":"ping"', "[]", '["ping"]', "null", "42", '"ping"', "{}",
               '{"type":7}', '{"type":null}', "{'type':'ping'}", '{"type":"ping"} trailing', '{"type":"ping",}',
               '{"type":"ping","x":' + "[" * 5000 + "]" * 5000 + "}",
               '{"type":"ping","x":' + '{"a":' * 100 + "1" + "}" * 101]
        for frame in bad:
            with self.subTest(frame[:40]):
                await self.ada.send(frame)
                reply = await self.ada.take(lambda frame: "error" in frame)
                self.assertNotIn("id", reply)
                self.assertEqual(reply["error"]["code"], "bad_frame")
                self.assertNotEqual(reply["error"]["message"], "")
                self.assertFalse(reply["error"]["temporary"])
        await self.still_well()

    async def test_an_id_that_is_no_integer_is_a_bad_frame(self):
        for id in ("1", 1.5, True, [], 2**53 + 1, 10**30):
            with self.subTest(id):
                await self.ada.send({"id": id, "type": "ping"})
                reply = await self.ada.take(lambda frame: "error" in frame)
                self.assertEqual(reply["error"]["code"], "bad_frame")
                self.assertNotIn("id", reply)
        await self.ada.send({"id": 2**53, "type": "ping"})
        await self.ada.take(lambda frame: frame.get("id") == 2**53 and "result" in frame)
        await self.still_well()

    async def test_an_unknown_type_is_named_and_an_unknown_field_ignored(self):
        for type in ("thread.destroy", "PING", "", "x" * 1000):
            error = await self.ada.refusal(type)
            self.assertEqual(error["code"], "unknown_type")
        await self.ada.request("ping", unknown={"deep": [1, 2, 3]})
        await self.still_well()

    async def test_a_field_of_the_wrong_type_or_range_is_named_in_the_refusal(self):
        bad = [
            ("thread.open", {"thread_id": 7}, "thread_id"),
            ("thread.open", {"thread_id": "t1", "epoch": 1, "after_seq": 1}, "epoch"),
            ("thread.open", {"thread_id": "t1", "epoch": "e", "after_seq": "1"}, "after_seq"),
            ("thread.open", {"thread_id": "t1", "epoch": "e", "after_seq": -1}, "after_seq"),
            ("thread.open", {"thread_id": "t1", "after_seq": 1}, "epoch"),
            ("thread.close", {}, "thread_id"),
            ("thread.list", {"limit": "all"}, "limit"),
            ("thread.list", {"limit": 0}, "limit"),
            ("thread.history", {"thread_id": "t1", "limit": -1}, "limit"),
            ("thread.history", {"thread_id": "t1", "before_seq": []}, "before_seq"),
            ("message.send", {"thread_id": "t1"}, "content"),
            ("message.send", {"thread_id": "t1", "content": ""}, "content"),
            ("message.send", {"thread_id": "t1", "content": 7}, "content"),
            ("message.send", {"thread_id": "t1", "content": []}, "content"),
            ("message.send", {"thread_id": "t1", "content": ["a"]}, "content"),
            ("message.send", {"thread_id": "t1", "content": [{"text": "a"}]}, "content"),
            ("message.send", {"thread_id": "t1", "content": "a", "client_message_id": 7}, "client_message_id"),
            ("message.send", {"thread_id": "t1", "content": "a", "client_message_id": "x" * 129}, "client_message_id"),
            ("message.send", {"thread_id": "t1", "content": "a", "agent": {}}, "agent"),
            ("message.send", {"content": "a"}, "thread_id"),
            ("run.cancel", {"thread_id": "t1"}, "run_id"),
            ("token.refresh", {}, "token"),
        ]
        for type, fields, name in bad:
            with self.subTest(type, **fields):
                error = await self.ada.refusal(type, **fields)
                self.assertEqual(error["code"], "bad_request")
                self.assertIn(name, error["message"])
        await self.still_well()

    async def test_a_thread_id_has_its_alphabet_and_its_length(self):
        for good in ("t", "x" * 128, "A-z_0"):
            self.assertEqual((await self.ada.request("thread.open", thread_id=good))["thread_id"], good)
        for bad in ("", "x" * 129, "a b", "a/b", "../t", "ä", "a\x00b", "a.b", "a\n"):
            with self.subTest(bad):
                error = await self.ada.refusal("thread.open", thread_id=bad)
                self.assertEqual(error["code"], "bad_request")
                self.assertIn("thread_id", error["message"])
        await self.still_well()

    async def test_a_binary_frame_is_refused_and_the_socket_stays(self):
        for content in (b'{"id":1,"type":"ping"}', b"\x00\xff" * 100, b""):
            await self.ada.send(content)
            reply = await self.ada.take(lambda frame: "error" in frame)
            self.assertEqual(reply["error"]["code"], "bad_frame")
        await self.still_well()

    async def test_a_frame_of_the_largest_size_is_read_and_one_byte_more_closes_the_socket(self):
        frame = {"id": 77, "type": "message.send", "thread_id": "t1", "content": ""}
        room = 65536 - len(json.dumps(frame))
        await self.ada.send(json.dumps({**frame, "content": "x" * room}))
        await self.ada.answer(77)
        events = await self.ada.events_until("t1", "agent_completed", "agent_failed")
        self.assertEqual(events[0]["event"]["content"], "x" * room)

        other = await self.client(self.server, "ada")
        await other.send(json.dumps({**frame, "content": "x" * (room + 1)}))
        self.assertEqual(await other.close_code(), 1009)
        await self.still_well()

    async def test_text_that_is_no_utf8_fails_the_connection(self):
        other = await self.client(self.server, "ada")
        other.socket.transport.write(masked_frame(1, b'{"id":1,"type":"ping\xff"}'))
        self.assertEqual(await other.close_code(), 1007)
        await self.still_well()

    async def test_what_breaks_the_protocol_fails_the_connection(self):
        for frame in (masked_frame(3, b"reserved"), masked_frame(1, b"x") + masked_frame(0, b"nothing to continue"),
                      masked_frame(9, b"x" * 126), b"\x81\x02{}"):
            other = await self.client(self.server, "ada")
            other.socket.transport.write(frame)
            self.assertEqual(await other.close_code(), 1002)
        await self.still_well()


class TooManyBadFrames(GangwayTest):
    async def test_they_close_the_socket_and_one_less_does_not(self):
        server = self.start_server(client={"bad_frames_max": 3})
        client = await self.client(server, "ada")
        for _ in range(2):
            await client.send("nonsense")
            await client.take(lambda frame: "error" in frame)
        await client.request("ping")
        for _ in range(2):  # the third is one too many, or the one after it
            await client.send("nonsense")
        goodbye = await client.take(lambda frame: frame.get("type") == "disconnect")
        self.assertEqual((goodbye["code"], goodbye["reconnect"]), (4003, True))
        self.assertEqual(await client.close_code(), 4003)
        await (await self.client(server, "ada")).request("ping")


class BeforeSigningIn(GangwayTest):
    async def test_only_small_frames_are_read(self):
        server = self.start_server()
        client = await self.client(server)
        await client.send(json.dumps({"id": 1, "type": "connect", "token": "x" * 70_000}))
        self.assertEqual(await client.close_code(), 1009)


class UserIds(GangwayTest):
    async def test_one_of_21_digits_or_255_bytes_is_kept_as_it_is(self):
        server = self.start_server()
        for user in ("105945141827451681156", "x" * 255, "ä" * 127, "a b/c'\"\\;--", "🛟"):
            client = await self.client(server, user)
            self.assertEqual(client.hello["user_id"], user)
            await client.request("thread.open", thread_id="t1")
            await client.converse("t1", QUESTION)

    async def test_one_that_is_too_long_or_empty_or_has_control_characters_is_refused(self):
        server = self.start_server()
        for user in ("", "x" * 256, "x" * 300, "ä" * 128, "a\nb", "a\x00b", "a\x1bb", "a\x7fb"):
            with self.subTest(user):
                with self.assertRaises(websockets.InvalidStatusCode) as refused:
                    await self.client(server, bearer=token(user))
                self.assertEqual(refused.exception.status_code, 401)
                client = await self.client(server)
                await client.post("connect", token=token(user))
                self.assertEqual(await client.close_code(), 4500)


class Floods(GangwayTest):
    async def test_ten_thousand_frames_without_reading_an_answer_hurt_nobody_else(self):
        server = self.start_server()
        writer = await self.client(server, "ada")
        await writer.request("thread.open", thread_id="t1")
        await writer.request("message.send", thread_id="t1", content="x" * 100_000)
        await writer.events_until("t1", "agent_completed", "agent_failed")
        before = resident_kib(server.process.pid)

        deaf = socket.create_connection(("127.0.0.1", server.port))
        self.addCleanup(deaf.close)
        deaf.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        deaf.sendall((f"GET /ws HTTP/1.1\r\nHost: 127.0.0.1:{server.port}\r\n"
                      f"Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                      "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                      f"Authorization: Bearer {token('ada')}\r\n\r\n").encode())
        history = masked_frame(1, b'{"id":1,"type":"thread.history","thread_id":"t1"}')
        flood = asyncio.create_task(asyncio.to_thread(send_until_refused, deaf, history, 10_000))
        other = await self.client(server, "bob")
        await other.request("thread.open", thread_id="t1")
        for _ in range(5):
            _, events = await other.converse("t1", QUESTION)
            self.assertIn("84", text(events))
        await asyncio.wait_for(flood, 60)
        await writer.request("ping")
        # Answered in full they would be a gigabyte.
        self.assertLess(resident_kib(server.process.pid) - before, 100 * 1024)

    async def test_ten_thousand_commands_are_each_answered_once(self):
        client = await self.client(self.start_server(), "ada")
        ids = [await client.post("ping") for _ in range(10_000)]
        answered = []
        while len(answered) < len(ids):
            answered.append((await client.take(lambda frame: "id" in frame))["id"])
        self.assertEqual(sorted(answered), ids)


def send_until_refused(socket, frame, count):
    """Sends a frame again and again; stops if the other side has closed or takes no more for five seconds."""
    socket.settimeout(5)
    try:
        for _ in range(count):
            socket.sendall(frame)
    except OSError:
        pass


def resident_kib(pid):
    with open(f"/proc/{pid}/status", encoding="ascii") as status:
        return next(int(line.split()[1]) for line in status if line.startswith("VmRSS:"))


class Handshakes(GangwayTest):
    def exchange(self, server, request):
        """Returns what a raw request is answered with, until the server closes."""
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as raw:
            raw.sendall(request)
            answer = b""
            while piece := raw.recv(65536):
                answer += piece
            return answer

    async def test_half_a_handshake_is_given_up_and_others_do_not_wait_for_it(self):
        server = self.start_server(client={"handshake_timeout": "500ms"})
        halves = [b"", b"GET /ws HT", b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\nUpgrade: webso"]
        waiting = [asyncio.create_task(asyncio.to_thread(self.exchange, server, half)) for half in halves * 10]
        client = await self.client(server, "ada")
        await client.request("ping")
        for answer in await asyncio.wait_for(asyncio.gather(*waiting), PATIENCE):
            self.assertRegex(answer, rb"\A(\Z|HTTP/1\.1 408 )")

    def test_a_request_that_is_no_upgrade_is_answered_as_what_it_is(self):
        server = self.start_server()
        end = f"Host: 127.0.0.1:{server.port}\r\nConnection: close\r\n\r\n"
        for request, status in ((f"GET /ws HTTP/1.1\r\n{end}", 426), (f"GET /nowhere HTTP/1.1\r\n{end}", 404),
                                (f"POST /health HTTP/1.1\r\nContent-Length: 0\r\n{end}", 405)):
            with self.subTest(request):
                self.assertIn(f"HTTP/1.1 {status} ".encode(), self.exchange(server, request.encode())[:16] + b" ")
        for garbage in (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" + os.urandom(64), b"hello\r\n\r\n"):
            self.assertRegex(self.exchange(server, garbage), rb"\A(HTTP/1\.1 400 |\Z)")
        self.assertEqual(server.health("/health/ready")[0], 200)

    def test_headers_without_end_are_given_up(self):
        server = self.start_server()
        with socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE) as raw:
            raw.sendall(b"GET /ws HTTP/1.1\r\n")
            deadline = time.monotonic() + PATIENCE
            with self.assertRaises(OSError):
                while time.monotonic() < deadline:
                    raw.sendall(b"X-More: " + b"x" * 1000 + b"\r\n")
        self.assertEqual(server.health("/health/ready")[0], 200)

    def test_the_page_gives_tokens_to_its_own_origin_only(self):
        server = self.start_server()
        url = f"http://127.0.0.1:{server.port}/dev/token"
        for body, headers in ((b"nonsense", {}), (b"{}", {}), (b'{"user":7}', {}), (b'{"user":""}', {}),
                              (json.dumps({"user": "x" * 256}).encode(), {}),
                              (b'{"user":"ada"}', {"Origin": "https://elsewhere.example"}),
                              (b'{"user":"ada"}', {"Host": "elsewhere.example"})):
            request = urllib.request.Request(url, body, {"Content-Type": "application/json", **headers}, method="POST")
            with self.subTest(body, **headers), self.assertRaises(urllib.error.HTTPError) as refused:
                urllib.request.urlopen(request, timeout=PATIENCE)
            self.assertIn(refused.exception.code, (400, 403))


class Refusals(GangwayTest):
    """What it cannot work with, it says at once, and ends."""

    def refuses(self, server, *words):
        server.launch()
        self.assertNotEqual(server.process.wait(timeout=PATIENCE), 0)
        said = server.log.read_text()
        for word in words:
            self.assertIn(word, said)
        self.assertNotIn("terminate called", said)

    def test_a_port_in_use(self):
        first = self.start_server()
        second = self.make_server()
        second.configure()
        file = second.folder / "gangway.toml"
        file.write_text(file.read_text().replace(f":{second.port}\"", f":{first.port}\""))
        self.refuses(second, f"127.0.0.1:{first.port}", "in use")
        self.assertEqual(first.health("/health/ready")[0], 200)

    def test_a_store_that_is_no_database(self):
        server = self.make_server()
        server.configure()
        content = b"these are not the bytes of a database, they are somebody's letters " * 200
        server.store.write_bytes(content)
        self.refuses(server, str(server.store))
        self.assertEqual(server.store.read_bytes(), content)

    def test_a_store_that_is_a_folder(self):
        server = self.make_server()
        server.configure()
        server.store.mkdir()
        self.refuses(server, str(server.store))

    def test_a_store_in_a_folder_that_does_not_exist(self):
        server = self.make_server(store={"path": "/nowhere/at/all/gangway.db"})
        server.configure()
        self.refuses(server, "/nowhere/at/all/gangway.db")

    def test_a_database_of_something_else(self):
        server = self.make_server()
        server.configure()
        with sqlite3.connect(server.store) as database:
            database.execute("create table letters (text)")
            database.execute("pragma user_version = 4711")
        database.close()
        self.refuses(server, str(server.store))

    async def test_a_damaged_database(self):
        server = self.start_server()
        client = await self.client(server, "ada")
        await client.request("thread.open", thread_id="t1")
        await client.converse("t1", "/stream 500 5000")
        self.assertEqual(await asyncio.to_thread(server.end), 0)
        database = sqlite3.connect(server.store)
        database.execute("pragma wal_checkpoint(truncate)")  # or the log would still have what is damaged now
        database.close()
        with server.store.open("r+b") as file:
            size = file.seek(0, os.SEEK_END)
            file.seek(4096)
            file.write(b"\xa5" * (size - 4096))
        self.refuses(server, str(server.store))


class FrameRates(GangwayTest):
    """A connection may say so much a second, on the average of ten; nobody was told `rate_limited` before, or 4013."""

    def start(self, **more):
        limits = {"frames_per_second": 10, "bytes_per_second": 0, **more}
        return self.start_server(limits=limits, **{"tiers.pro": {"frames_per_second": 1000}})

    async def flood(self, client, count):
        """Asks so often in one go; returns the answers, by whether they are refusals."""
        first = client.last_id + 1
        for _ in range(count):
            await client.post("ping")
        replies = [await client.take(lambda frame, id=id: frame.get("id") == id) for id in range(first, first + count)]
        return [one for one in replies if "error" in one], [one for one in replies if "result" in one]

    async def test_what_is_beyond_the_rate_is_refused_with_a_time_and_everybody_else_goes_on(self):
        server = self.start()
        loud, other = await self.client(server, "ada"), await self.client(server, "ada")
        refused, answered = await self.flood(loud, 300)
        self.assertGreaterEqual(len(answered), 100)
        self.assertGreater(len(refused), 0)
        for one in refused:
            self.assertEqual(one["error"]["code"], "rate_limited")
            self.assertTrue(one["error"]["temporary"])
            self.assertGreater(one["error"]["retry_after_ms"], 0)
        await other.request("ping")
        over = time.monotonic() + max(one["error"]["retry_after_ms"] for one in refused) / 1000
        await asyncio.to_thread(server.until, lambda: time.monotonic() > over, "the time is over")
        await loud.request("ping")

    async def test_who_never_stops_is_closed_with_4013_and_told_when_to_come_again(self):
        server = self.start()
        client = await self.client(server, "ada")
        for _ in range(1200):
            await client.send({"type": "thread.list"})
        told = await client.take(lambda frame: frame.get("type") == "disconnect", "its end")
        self.assertEqual((told["code"], told["reconnect"]), (4013, True))
        self.assertGreater(told["retry_after_ms"], 0)
        self.assertEqual(await client.close_code(), 4013)
        self.assertEqual([frame for frame in client.frames if "error" in frame], [])  # nobody waited for an answer

    async def test_a_tier_has_a_rate_of_its_own(self):
        server = self.start()
        client = await self.client(server, bearer=token("ada", "pro"))
        refused, _ = await self.flood(client, 500)
        self.assertEqual(refused, [])

    async def test_bytes_count_too(self):
        server = self.start(frames_per_second=0, bytes_per_second="1KiB")
        client = await self.client(server, "ada")
        await client.request("ping", filling="x" * 20_000)
        self.assertEqual((await client.refusal("ping"))["code"], "rate_limited")

    async def test_acknowledgements_and_pongs_do_not_use_the_rate_up(self):
        server = self.start()
        client = await self.client(server, "ada")
        await client.request("thread.open", thread_id="t1")
        for _ in range(250):
            await client.send({"type": "ack", "thread_id": "t1", "seq": 0})
            await client.send({"type": "pong"})
            await client.socket.pong()
        await client.request("ping")


if __name__ == "__main__":
    unittest.main(verbosity=2)
