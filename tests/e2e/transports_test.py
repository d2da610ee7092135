"""A token arrives by whatever way is left open, lasts as long as it says, and opens nothing that it is not for."""

import asyncio
import json
import time
import unittest
import urllib.error

import websockets

from gangway import ENDINGS, PATIENCE, SECRET, text, token
from knocking import SUBPROTOCOL, DoorTest, as_subprotocol, knock

QUESTION = "what is 12*(3+4)?"
SIMULATION = "a second secret, which only end-to-end tests are signed with"

class TransportTest(DoorTest):
    def ticket(self, server, user="ada", **order):
        """Returns a ticket that a back end asks for."""
        answer = json.loads(server.admin("/api/v1/tickets", {"user_id": user, **order}))["result"]
        self.assertEqual(answer["expires_in_ms"], 30_000)
        self.assertRegex(answer["ticket"], r"\A[A-Za-z0-9_.~-]{20,}\Z")  # nothing that a URL would have to quote
        return answer["ticket"]

    def status(self, server, query="", headers=(), **options):
        answer = knock(server, query, headers, **options)
        answer.close()
        return answer.status

    async def converses(self, client):
        await client.request("thread.open", thread_id="t1")
        _, events = await client.converse("t1", QUESTION)
        self.assertIn("84", text(events))


class Ways(TransportTest):
    async def test_each_way_leads_in(self):
        server = self.start_server(auth={"insecure_query_token": True})
        good = token("ada", "pro")
        offered = [SUBPROTOCOL, as_subprotocol(good)]
        ways = {"header": {"bearer": good}, "subprotocol": {"subprotocols": offered}, "connect": {},
                "ticket": {"query": f"?ticket={self.ticket(server, tier='pro')}"},
                "access_token": {"query": f"?access_token={good}"}}
        for way, options in ways.items():
            with self.subTest(way):
                client = await self.client(server, **options)
                if way == "connect":
                    client.hello = await client.request("connect", token=good)
                elif way != "header":
                    client.hello = await client.take(lambda frame: frame.get("type") == "connected")
                self.assertEqual((client.hello["user_id"], client.hello["tier"]), ("ada", "pro"))
                self.assertNotIn("simulation", client.hello)
                self.assertEqual(client.socket.subprotocol, SUBPROTOCOL if way == "subprotocol" else None)
                await self.converses(client)
                await client.close()
        self.assertNotIn(good, server.log.read_text())
        self.assertNotIn(ways["ticket"]["query"].partition("=")[2], server.log.read_text())

    async def test_each_way_refuses_a_bad_token(self):
        server = self.start_server(auth={"insecure_query_token": True})
        expired = token("ada", expires_in=-3600)
        for bad in (expired, token("ada", secret=SECRET[::-1]), token("ada", algorithm="none"), "x", "e.e.e"):
            with self.subTest(bad):
                offered = ("Sec-WebSocket-Protocol", f"{SUBPROTOCOL}, {as_subprotocol(bad)}")
                self.assertEqual(self.status(server, headers=[offered]), 401)
                self.assertEqual(self.status(server, f"?access_token={bad}"), 401)
                self.assertEqual(self.status(server, f"?ticket={bad}"), 401)
                await self.assert_refused(server, bad, "token_expired" if bad == expired else "unauthenticated")
        for garbled in ("", "===", "ä", "*", "a" * 5):
            offered = ("Sec-WebSocket-Protocol", f"{SUBPROTOCOL}, base64url.bearer.authorization.gangway.{garbled}")
            self.assertIn(self.status(server, headers=[offered]), (400, 401), garbled)

    async def test_the_first_way_that_is_used_decides(self):
        server = self.start_server(auth={"insecure_query_token": True})
        good, bad = token("ada"), token("ada", secret=SECRET[::-1])

        def offer(bearer):
            return "Sec-WebSocket-Protocol", f"{SUBPROTOCOL}, {as_subprotocol(bearer)}"

        ticket = self.ticket(server, "bob")
        self.assertEqual(self.status(server, f"?ticket={ticket}", [offer(good)], bearer=bad), 401)
        self.assertEqual(self.status(server, f"?ticket={ticket}", [offer(bad)]), 401)
        self.assertEqual(self.status(server, f"?access_token={good}&ticket=unknown"), 401)
        for options in ({"bearer": good}, {"subprotocols": [SUBPROTOCOL, as_subprotocol(good)]}):
            client = await self.client(server, query=f"?ticket={ticket}&access_token={token('eve')}", **options)
            if "bearer" not in options:
                client.hello = await client.take(lambda frame: frame.get("type") == "connected")
            self.assertEqual(client.hello["user_id"], "ada")
            greeting = await client.request("connect", token=token("eve"))
            self.assertEqual(greeting["user_id"], "ada")
        client = await self.client(server, query=f"?ticket={ticket}&access_token={good}")  # nobody has used it up yet
        hello = await client.take(lambda frame: frame.get("type") == "connected")
        self.assertEqual(hello["user_id"], "bob")

    async def test_what_is_no_bearer_token_decides_nothing(self):
        server = self.start_server()
        for other in ("Basic YWRhOmFkYQ==", "Digest username=ada", "Negotiate abc"):  # such as a proxy's own
            offered = [SUBPROTOCOL, as_subprotocol(token("ada"))]
            client = await self.client(server, headers=[("Authorization", other)], subprotocols=offered)
            hello = await client.take(lambda frame: frame.get("type") == "connected")
            self.assertEqual(hello["user_id"], "ada")
            client = await self.client(server, headers=[("Authorization", other)])
            self.assertEqual((await client.request("connect", token=token("bob")))["user_id"], "bob")

    async def test_until_it_has_connected_nobody_is_heard(self):
        client = await self.client(self.start_server())
        for command, fields in (("ping", {}), ("status", {}), ("thread.open", {"thread_id": "t1"}),
                                ("token.refresh", {"token": token("ada")})):
            self.assertEqual((await client.refusal(command, **fields))["code"], "unauthenticated")
        await client.request("connect", token=token("ada"))
        await self.converses(client)

    async def test_a_token_in_the_address_is_refused_unless_that_is_allowed(self):
        server = self.start_server()
        for name in ("access_token", "token"):
            self.assertIn(self.status(server, f"?{name}={token('ada')}"), (400, 401))
            self.assertIn(self.status(server, f"?{name}={token('ada')}&thread_id=t1"), (400, 401))


class Tickets(TransportTest):
    async def test_a_ticket_is_good_once(self):
        server = self.start_server()
        for user, order, tier in (("ada", {}, "free"), ("🛟/a b", {"tier": "enterprise"}, "enterprise"),
                                  ("x" * 255, {"tier": "pro"}, "pro")):
            ticket = self.ticket(server, user, **order)
            client = await self.client(server, query=f"?ticket={ticket}")
            hello = await client.take(lambda frame: frame.get("type") == "connected")
            self.assertEqual((hello["user_id"], hello["tier"]), (user, tier))
            await self.converses(client)
            self.assertEqual(self.status(server, f"?ticket={ticket}"), 401)
            await client.close()
            self.assertEqual(self.status(server, f"?ticket={ticket}"), 401)

    async def test_of_fifty_who_come_at_once_with_one_ticket_one_gets_in(self):
        server = self.start_server(loop={"threads": 4})
        for _ in range(5):
            ticket = self.ticket(server)
            coming = [self.client(server, query=f"?ticket={ticket}") for _ in range(50)]
            came = await asyncio.gather(*coming, return_exceptions=True)
            refused = [one for one in came if isinstance(one, websockets.InvalidStatusCode)]
            self.assertEqual(([one.status_code for one in refused], len(came)), ([401] * 49, 50))
            [client] = [one for one in came if one not in refused]
            await client.take(lambda frame: frame.get("type") == "connected")

    async def test_a_ticket_that_nobody_issued_is_refused(self):
        server = self.start_server()
        ticket = self.ticket(server)
        changed = ticket[:-1] + ("A" if ticket[-1] != "A" else "B")
        for garbage in (changed, ticket[:-1], ticket + "A", ticket.swapcase(), "", "x", "0", "-1", "9" * 30, "null",
                        "%00", "..%2f..", "%F0%9F%9B%9F", "x" * 5000, token("ada")):
            with self.subTest(garbage):
                answer = await asyncio.to_thread(knock, server, f"?ticket={garbage}")
                self.assertEqual((answer.status, answer.status == 401 and answer.code), (401, "unauthenticated"))
        self.assertEqual(self.status(server, f"?ticket={ticket}"), 101)

    def test_a_ticket_is_given_to_operators_only_and_for_users_only(self):
        server = self.start_server()
        for bearer, status in ((token("ada"), 403), (token("ada", roles=["admin"]), 403), ("x", 401),
                               (token("ada", role="gangway_admin", secret=SECRET[::-1]), 401)):
            with self.assertRaises(urllib.error.HTTPError) as refused:
                server.admin("/api/v1/tickets", {"user_id": "eve"}, bearer=bearer)
            self.assertEqual(refused.exception.code, status)
        for order in ({"user_id": ""}, {"user_id": "x" * 256}, {"user_id": "a\nb"}, {"user_id": "a\x00"},
                      {"user_id": 7}, {"user_id": None}, {}, {"tier": "pro"}, [], "ada", {"user_id": "ada", "tier": 7}):
            with self.subTest(order), self.assertRaises(urllib.error.HTTPError) as refused:
                server.admin("/api/v1/tickets", order)
            self.assertEqual(refused.exception.code, 400)


class Expiry(TransportTest):
    """Clocks that agree (no leeway), and a second of grace."""

    AUTH = {"leeway": "0s", "expiry_grace": "1s"}

    async def test_a_socket_outlives_its_token_by_the_grace_and_what_ran_goes_on(self):
        server = self.start_server(auth=self.AUTH)
        client = await self.client(server, bearer=token("ada", expires_in=2))
        expired = int(time.time()) + 2  # or a second later, if that has just begun
        opened = await client.request("thread.open", thread_id="t1")
        await client.request("message.send", thread_id="t1", content="/stream 60 10")
        await self.assert_sent_away(client, 4005, reconnect=True)
        self.assertGreaterEqual(time.time(), expired + 0.9)
        events = [frame for frame in client.frames if frame.get("type") == "event"]
        self.assert_no_gap(events)
        again = await self.client(server, "ada")
        resumed = await again.request("thread.open", thread_id="t1", epoch=opened["epoch"], after_seq=events[-1]["seq"])
        self.assertTrue(resumed["resumed"])
        if events[-1]["event"]["type"] not in ENDINGS:
            events += await again.events_until("t1", *ENDINGS)
        self.assert_no_gap(events)
        self.assertEqual(events[-1]["event"]["type"], "agent_completed")

    async def test_a_refreshed_token_prolongs_the_socket(self):
        server = self.start_server(auth=self.AUTH)
        ways = {"header": {"bearer": token("ada", expires_in=2)}, "connect": {}}
        refreshed = []
        for way, options in ways.items():
            client = await self.client(server, **options)
            if way == "connect":
                await client.request("connect", token=token("ada", expires_in=2))
            later = int(time.time()) + 3600
            answer = await client.request("token.refresh", token=token("ada", exp=later))
            self.assertEqual(answer["expires_at"], later * 1000)
            refreshed.append(client)
        witness = await self.client(server, bearer=token("ada", expires_in=2))
        await self.assert_sent_away(witness, 4005, reconnect=True)
        for client in refreshed:
            await self.converses(client)
            self.assertEqual([frame for frame in client.frames if frame.get("type") == "disconnect"], [])

    async def test_a_refreshed_token_counts_even_if_it_ends_sooner(self):
        server = self.start_server(auth=self.AUTH)
        client = await self.client(server, bearer=token("ada"))
        await client.request("token.refresh", token=token("ada", expires_in=1))
        await self.assert_sent_away(client, 4005, reconnect=True)

    async def test_a_token_that_is_not_ones_own_prolongs_nothing(self):
        server = self.start_server(auth=self.AUTH)
        client = await self.client(server, bearer=token("ada", expires_in=3))
        for bad, code in ((token("eve"), "forbidden"), (token("ada", secret=SECRET[::-1]), "unauthenticated"),
                          (token("ada", expires_in=-5), "token_expired"), ("x", "unauthenticated")):
            with self.subTest(code):
                self.assertEqual((await client.refusal("token.refresh", token=bad))["code"], code)
        await client.request("ping")
        await self.assert_sent_away(client, 4005, reconnect=True)

    async def test_a_ticket_has_no_token_that_could_expire(self):
        server = self.start_server(auth=self.AUTH)
        client = await self.client(server, query=f"?ticket={self.ticket(server)}")
        witness = await self.client(server, bearer=token("ada", expires_in=1))
        await self.assert_sent_away(witness, 4005, reconnect=True)
        await client.request("ping")


class Simulation(TransportTest):
    """The second secret, for end-to-end tests: whoever comes by it is marked wherever it shows, and is no operator."""

    AUTH = {"simulation_secret": SIMULATION}

    def marks(self, server, user):
        return [connection.get("simulation", False) for connection in server.ask(f"/users/{user}")["connections"]]

    async def test_who_comes_by_it_is_marked(self):
        server = self.start_server(auth=self.AUTH)
        simulated = await self.client(server, bearer=token("ada", "pro", secret=SIMULATION))
        self.assertIs(simulated.hello["simulation"], True)
        self.assertEqual((simulated.hello["user_id"], simulated.hello["tier"]), ("ada", "pro"))
        await self.converses(simulated)
        late = await self.client(server)
        self.assertIs((await late.request("connect", token=token("ada", secret=SIMULATION)))["simulation"], True)
        self.assertEqual(self.marks(server, "ada"), [True, True])
        status, printed = await asyncio.to_thread(server.ctl, "tree", "ada")
        self.assertEqual((status, printed.count("simulation")), (0, 2), printed)

        real = await self.client(server, "bob")
        self.assertNotIn("simulation", real.hello)
        self.assertEqual(self.marks(server, "bob"), [False])

    async def test_it_makes_nobody_an_operator(self):
        server = self.start_server(auth=self.AUTH)
        for claims in ({"role": "gangway_admin"}, {"roles": ["gangway_admin"]}):
            for path, order in (("/api/v1/users", None), ("/metrics", None), ("/api/v1/tickets", {"user_id": "eve"})):
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    server.admin(path, order, bearer=token("ada", secret=SIMULATION, **claims))
                self.assertIn(refused.exception.code, (401, 403))

    async def test_its_tokens_are_checked_like_all_others(self):
        server = self.start_server(auth={**self.AUTH, "audience": "gangway"})
        await self.assert_refused(server, token("ada", secret=SIMULATION))
        await self.assert_refused(server, token("ada", secret=SIMULATION, aud="gangway", exp=None))
        expired = token("ada", secret=SIMULATION, aud="gangway", expires_in=-100)
        await self.assert_refused(server, expired, "token_expired")
        await self.assert_admitted(server, token("ada", secret=SIMULATION, aud="gangway"), simulation=True)
        without = self.start_server()
        await self.assert_refused(without, token("ada", secret=SIMULATION))

    async def test_it_renews_no_real_token_nor_is_renewed_by_one(self):
        server = self.start_server(auth=self.AUTH)
        for mine, other in ((SECRET, SIMULATION), (SIMULATION, SECRET)):
            client = await self.client(server, bearer=token("ada", secret=mine))
            refused = await client.refusal("token.refresh", token=token("ada", secret=other))
            self.assertEqual(refused["code"], "forbidden")
            await client.request("token.refresh", token=token("ada", secret=mine))

    def test_production_does_not_start_with_it(self):
        for environment, auth, starts in (("production", self.AUTH, False), ("production", {}, True),
                                          ("staging", self.AUTH, True)):
            with self.subTest(environment, starts=starts):
                server = self.make_server(environment=environment, auth=auth)
                server.mode = []
                if starts:
                    server.start()
                    continue
                server.configure()
                server.launch()
                self.assertNotIn(server.process.wait(timeout=PATIENCE), (0, -6, -11))
                said = server.log.read_text()
                self.assertIn("simulation_secret", said)
                self.assertIn("production", said)
                self.assertNotIn(SIMULATION, said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
