"""Who has shown no token yet costs little, may not stay, and keeps nobody else out."""

import asyncio
import concurrent.futures
import http.client
import json
import time
import unittest

import websockets

from gangway import PATIENCE, text, token
from knocking import DoorTest, dial, knock

QUESTION = "what is 12*(3+4)?"


class StrangerTest(DoorTest):
    def knock(self, *arguments, **options):
        """Knocks, and keeps the socket open as long as the test runs."""
        answer = knock(*arguments, **options)
        self.addCleanup(answer.close)
        return answer

    def status(self, *arguments, **options):
        answer = knock(*arguments, **options)
        answer.close()
        return answer.status

    def assert_sent_away_for_now(self, answer):
        self.assertEqual((answer.status, answer.status == 503 and answer.code), (503, "overloaded"))
        self.assertGreater(int(answer.headers["retry-after"]), 0)

    def strangers(self, server, count, **options):
        """Returns so many sockets that are upgraded and say nothing."""
        answers = [self.knock(server, **options) for _ in range(count)]
        self.assertEqual([answer.status for answer in answers], [101] * count)
        return answers

    async def converses(self, client):
        await client.request("thread.open", thread_id="t1")
        _, events = await client.converse("t1", QUESTION)
        self.assertIn("84", text(events))


class Origins(StrangerTest):
    def test_a_page_of_the_same_host_or_a_listed_one_may_connect_and_no_other(self):
        server = self.start_server(origins=["https://chat.example", "http://localhost:3000"])
        here = f"127.0.0.1:{server.port}"
        for origin, status in {f"http://{here}": 101, "https://chat.example": 101, "HTTPS://CHAT.example": 101,
                               "http://localhost:3000": 101, "null": 403, "": 403, "https://elsewhere.example": 403,
                               "http://chat.example": 403, "https://chat.example:8443": 403, "http://127.0.0.1": 403,
                               "https://chat.example.eve": 403, "https://evil-chat.example": 403,
                               "https://chat.example@eve": 403, "http://localhost:3001": 403, "*": 403,
                               f"http://{here}.eve.example": 403, f"http://eve.example:{server.port}": 403,
                               f"http://{here}@eve.example": 403, f"http://{here}/": 101, f"file://{here}": 403,
                               "https://chat.example, https://eve.example": 403}.items():
            with self.subTest(origin):
                answer = self.knock(server, headers=[("Origin", origin)], bearer=token("ada"))
                self.assertEqual(answer.status, status)
                if status == 403:
                    self.assertEqual(answer.code, "forbidden")
        self.assertEqual(self.status(server), 101)
        twice = [("Origin", "https://chat.example"), ("Origin", "https://eve.example")]
        self.assertIn(self.status(server, headers=twice), (400, 403))
        self.assertIn(self.status(server, headers=twice[::-1]), (400, 403))

    def test_a_page_of_the_host_that_a_trusted_proxy_names_may_connect(self):
        server = self.start_server(trusted_proxies=["127.0.0.2"])
        page = [("Origin", "https://chat.example"), ("X-Forwarded-Host", "chat.example")]
        self.assertEqual(self.status(server, headers=page, source="127.0.0.2"), 101)
        self.assertEqual(self.status(server, headers=page), 403)
        foreign = [("Origin", "https://eve.example"), *page[1:]]
        self.assertEqual(self.status(server, headers=foreign, source="127.0.0.2"), 403)

    def test_a_request_has_one_host(self):
        server = self.start_server()
        self.assertEqual(self.status(server, host=False), 400)
        self.assertEqual(self.status(server, headers=[("Host", "elsewhere.example")]), 400)
        self.assertEqual(self.status(server, headers=[("Host", f"127.0.0.1:{server.port}")]), 400)
        for bad in ("a b", "eve.example/path", "http://127.0.0.1", "ada@127.0.0.1"):
            with self.subTest(bad):
                self.assertEqual(self.status(server, host=bad), 400)

    def test_the_admin_listener_answers_without_a_token_its_own_pages_only(self):
        server = self.start_server()
        here = f"127.0.0.1:{server.admin_port}"
        for headers, status in (({}, 200), ({"Host": f"localhost:{server.admin_port}"}, 200),
                                ({"Origin": f"http://{here}"}, 200), ({"Origin": "https://eve.example"}, 403),
                                ({"Origin": "null"}, 403), ({"Host": "eve.example"}, 403)):
            with self.subTest(**headers):
                connection = http.client.HTTPConnection("127.0.0.1", server.admin_port, timeout=PATIENCE)
                self.addCleanup(connection.close)
                connection.request("GET", "/api/v1/status", headers=headers)
                self.assertEqual(connection.getresponse().status, status)


class Caps(StrangerTest):
    """Connections without a valid token are counted, by address and in all."""

    async def test_one_address_has_so_many_and_one_more_is_told_to_come_again(self):
        server = self.start_server(limits={"unauthenticated_per_address": 4})
        there = self.strangers(server, 4)
        self.assert_sent_away_for_now(self.knock(server))
        self.strangers(server, 1, source="127.0.0.2")
        there[0].close()
        await self.until(server, lambda: self.knock(server).status == 101, "one went, and there is room for one")
        self.assert_sent_away_for_now(self.knock(server))

    async def test_strangers_keep_nobody_out_who_shows_a_token(self):
        for limits in ({"unauthenticated_per_address": 4}, {"unauthenticated": 4, "unauthenticated_per_address": 4}):
            with self.subTest(**limits):
                server = self.start_server(limits=limits)
                self.strangers(server, 4)
                await self.converses(await self.client(server, "ada"))
                self.assertEqual(server.health("/health/ready")[0], 200)  # nor who looks whether it is well

    async def test_who_has_signed_in_is_counted_no_more(self):
        server = self.start_server(limits={"unauthenticated_per_address": 4})
        for way in ("connect", "header"):
            for number in range(12):
                with self.subTest(way, number=number):
                    client = await self.client(server, f"user {number}" if way == "header" else None)
                    if way == "connect":
                        await client.request("connect", token=token(f"user {number}"))
        for number in range(12):  # nor whom it has sent away
            client = await self.client(server)
            await client.refusal("connect", token="x")
            self.assertEqual(await client.close_code(), 4500)
        self.strangers(server, 3)

    async def test_all_addresses_together_have_so_many(self):
        server = self.start_server(limits={"unauthenticated": 4, "unauthenticated_per_address": 4})
        there = [self.strangers(server, 1, source=f"127.0.0.{number}")[0] for number in range(2, 6)]
        self.assert_sent_away_for_now(self.knock(server, source="127.0.0.6"))
        there[0].close()
        await self.until(server, lambda: self.knock(server, source="127.0.0.6").status == 101, "there is room for one")

    async def test_a_trusted_proxy_tells_who_comes_and_nobody_else_does(self):
        server = self.start_server(limits={"unauthenticated_per_address": 2},
                                   trusted_proxies=["127.0.0.2", "10.0.0.0/8"])

        def through(proxy, forwarded):
            return self.knock(server, headers=[("X-Forwarded-For", forwarded)], source=proxy)

        for client in ("203.0.113.7", "203.0.113.8", "2001:db8::1"):
            self.assertEqual([through("127.0.0.2", client).status for _ in range(2)], [101, 101])
            self.assert_sent_away_for_now(through("127.0.0.2", client))
        # What a client writes in front changes nothing, and a proxy behind the proxy is passed over.
        for forwarded in ("198.51.100.1, 203.0.113.7", "127.0.0.1, 203.0.113.7", "x, 203.0.113.7",
                          "203.0.113.7, 10.1.2.3", "203.0.113.8,127.0.0.2"):
            with self.subTest(forwarded):
                self.assert_sent_away_for_now(through("127.0.0.2", forwarded))
        self.assertEqual([through("127.0.0.3", f"203.0.113.{number}").status for number in range(20, 22)], [101, 101])
        self.assert_sent_away_for_now(through("127.0.0.3", "203.0.113.22"))

    async def test_more_upgrades_a_second_than_allowed_are_told_to_come_again(self):
        server = self.start_server(limits={"accept_rate": 5})
        answers = [self.knock(server, bearer=token("ada")) for _ in range(15)]
        refused = [answer for answer in answers if answer.status != 101]
        self.assertGreaterEqual(len(refused), 5)
        for answer in refused:
            self.assert_sent_away_for_now(answer)
        await self.until(server, lambda: self.status(server, bearer=token("ada")) == 101, "it takes some again")


class Patience(StrangerTest):
    async def test_who_shows_no_token_in_time_is_sent_away(self):
        server = self.start_server(auth={"timeout": "500ms"})
        begun = time.monotonic()
        silent, talking = await self.client(server), await self.client(server)
        stayed = await self.client(server)
        await stayed.request("connect", token=token("ada"))
        while not talking.closed:  # what it says meanwhile wins it no time
            try:
                await talking.refusal("ping")
            except (AssertionError, websockets.ConnectionClosed):  # it may close at any step
                break
            self.assertLess(time.monotonic() - begun, PATIENCE)
        await self.assert_sent_away(talking, 4502, reconnect=False)
        await self.assert_sent_away(silent, 4502, reconnect=False)
        self.assertGreaterEqual(time.monotonic() - begun, 0.5)
        await stayed.request("ping")

    async def test_before_its_token_a_frame_may_have_64_kib_and_not_one_byte_more(self):
        server = self.start_server()
        for size, code in ((65536, 4500), (65537, 1009), (200_000, 1009)):
            client = await self.client(server)
            frame = {"id": 1, "type": "connect", "token": ""}
            await client.send(json.dumps({**frame, "token": "x" * (size - len(json.dumps(frame)))}))
            self.assertEqual(await client.close_code(), code)
        client = await self.client(server, "ada")
        await client.send(json.dumps({"id": 1, "type": "ping", "filling": "x" * 200_000}))
        await client.answer(1)

    async def test_a_header_that_comes_letter_by_letter_is_given_up_and_others_get_in(self):
        server = self.start_server(client={"handshake_timeout": "1s"})
        with concurrent.futures.ThreadPoolExecutor(40) as pool:
            beginnings = (b"", b"GET /ws HTTP/1.1\r\nHost: 127.0.0.1\r\n") * 20
            drips = [pool.submit(self.drip, server, beginning) for beginning in beginnings]
            for number in range(10):
                client = await self.client(server, f"user {number}")
                await self.converses(client)
            ends = [await asyncio.wrap_future(drip) for drip in drips]
        for was_ended, said in ends:
            self.assertTrue(was_ended)
            self.assertRegex(said, rb"\A(\Z|HTTP/1\.1 408 )")
        self.assertEqual(server.health("/health/ready")[0], 200)

    def drip(self, server, begin):
        """Sends a byte ten times a second until the server ends it; returns whether it did, and what it said."""
        with dial(server) as stream:
            stream.sendall(begin)
            stream.settimeout(0.1)
            said = b""
            for _ in range(10 * PATIENCE):
                try:
                    stream.send(b"X")
                    piece = stream.recv(4096)
                    said += piece
                    if not piece:
                        return True, said
                except TimeoutError:
                    pass
                except OSError:
                    return True, said
            return False, said

    async def test_a_body_that_does_not_come_is_given_up(self):
        server = self.start_server(client={"handshake_timeout": "500ms"})
        with dial(server) as stream:
            host = f"Host: 127.0.0.1:{server.port}\r\n"
            stream.sendall(f"POST /dev/token HTTP/1.1\r\n{host}Content-Length: 100\r\n\r\n{{".encode())
            stream.settimeout(PATIENCE)
            said = b""
            while piece := stream.recv(4096):
                said += piece
        self.assertRegex(said, rb"\A(\Z|HTTP/1\.1 408 )")


if __name__ == "__main__":
    unittest.main(verbosity=2)
