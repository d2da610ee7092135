"""The keys of an issuer, npm's oauth2-mock-server, come and go while Gangway runs, and so does the issuer."""

import asyncio
import json
import time
import unittest

from certificates import Authority
from knocking import DoorTest, knock
from node_program import NodeProgram

RETRY = 0.3  # seconds that must lie between two questions for an unknown key, as these tests set it


class KeySetTest(DoorTest):
    def setUp(self):
        super().setUp()
        self.issuer = NodeProgram("jwks_server.mjs")
        self.addCleanup(self.issuer.end)
        self.port = self.issuer.ask("start")
        self.issuer.ask("add_key", algorithm="RS256", kid="first")

    def configure(self, **auth):
        return self.make_server(auth={"jwks_url": f"http://127.0.0.1:{self.port}/jwks", "jwks_retry": f"{int(1000 * RETRY)}ms",
                                      "issuer": f"http://127.0.0.1:{self.port}", **auth})

    def mint(self, kid, user="ada", **claims):
        return self.issuer.ask("mint", kid=kid, claims={"sub": user, **claims})

    def asked(self):
        return self.issuer.ask("asked")

    def status(self, server, bearer):
        answer = knock(server, bearer=bearer)
        answer.close()
        return answer.status

    async def until(self, server, question, what):
        return await asyncio.to_thread(server.until, question, what)

    async def until_it_may_ask_again(self, server):
        """An unknown key is asked for once in `jwks_retry`; whatever was asked last, that is over now."""
        over = time.monotonic() + RETRY + 0.2
        await self.until(server, lambda: time.monotonic() > over, "it may ask again")

    async def assert_told_to_come_again(self, server, bearer):
        """Nobody can tell now whether the token is good: not its owner's fault, who is told to try again."""
        answer = await asyncio.to_thread(knock, server, bearer=bearer)
        self.addCleanup(answer.close)
        self.assertEqual(answer.status, 503)
        self.assertGreater(int(answer.headers["retry-after"]), 0)
        client = await self.client(server)
        error = await client.refusal("connect", token=bearer)
        self.assertTrue(error["temporary"], error)
        self.assertIn(await client.close_code(), range(4000, 4500))

    def component(self, server):
        """Returns the status of /health, and what that says of authentication."""
        status, body = server.health()
        return status, json.loads(body)["components"]["auth"] if body else {}


class Rotation(KeySetTest):
    async def test_a_new_key_is_found_by_one_question_for_fifty_clients(self):
        for algorithm in ("RS256", "ES256", "EdDSA"):
            with self.subTest(algorithm):
                server = self.configure().start()
                await self.assert_admitted(server, self.mint("first"))
                self.issuer.ask("add_key", algorithm=algorithm, kid=f"new {algorithm}")
                bearers = [self.mint(f"new {algorithm}", f"user {number}") for number in range(50)]
                await self.until_it_may_ask_again(server)
                before = self.asked()
                self.issuer.ask("hold")
                early = [asyncio.create_task(self.client(server, bearer=bearer)) for bearer in bearers[:25]]
                late = await asyncio.gather(*(self.client(server) for _ in bearers[25:]))
                ids = [await client.post("connect", token=bearer) for client, bearer in zip(late, bearers[25:])]
                await self.until(server, lambda: self.asked() > before, "it has asked")
                await self.assert_admitted(server, self.mint("first"))  # whom it knows it does not keep waiting
                self.issuer.ask("release")
                users = [client.hello["user_id"] for client in await asyncio.gather(*early)]
                users += [(await client.answer(id))["user_id"] for client, id in zip(late, ids)]
                self.assertEqual(users, [f"user {number}" for number in range(50)])
                self.assertEqual(self.asked(), before + 1)
                server.kill()

    async def test_many_keys_that_nobody_has_cost_one_question_a_while(self):
        server = self.configure(jwks_retry="1m").start()
        stranger = NodeProgram("jwks_server.mjs")
        self.addCleanup(stranger.end)
        stranger.ask("start")
        before = self.asked()
        for number in range(30):
            stranger.ask("add_key", algorithm="ES256", kid=f"made up {number}")
            claims = {"sub": "ada", "iss": f"http://127.0.0.1:{self.port}"}
            await self.assert_refused(server, stranger.ask("mint", kid=f"made up {number}", claims=claims))
        self.assertLessEqual(self.asked(), before + 1)
        await self.assert_admitted(server, self.mint("first"))

    async def test_the_old_key_and_the_new_one_overlap_until_the_old_is_shown_no_more(self):
        ways = {"jwks_refresh": ({"jwks_refresh": "1s"}, {}),
                "Cache-Control": ({"jwks_refresh": "1h"}, {"Cache-Control": "public, max-age=1"})}
        for way, (settings, headers) in ways.items():
            with self.subTest(way):
                self.issuer.ask("behave", how="well", headers=headers)
                old, new = f"old by {way}", f"new by {way}"
                self.issuer.ask("add_key", algorithm="ES256", kid=old)
                server = self.configure(**settings).start()
                first, second = self.mint(old, exp=int(time.time()) + 3600), None
                await self.assert_admitted(server, first)
                self.issuer.ask("add_key", algorithm="EdDSA", kid=new)
                second = self.mint(new)
                await self.until(server, lambda: self.status(server, second) == 101, "the new key is known")
                await self.assert_admitted(server, first)
                self.issuer.ask("remove_key", kid=old)
                # The very token that was verified before: that it is remembered must not outlive its key.
                await self.until(server, lambda: self.status(server, first) == 401, "the old key is given up")
                await self.assert_refused(server, first)
                await self.assert_admitted(server, second)
                server.kill()

    async def test_a_key_may_be_exchanged_under_its_name(self):
        server = self.configure(jwks_refresh="1s").start()
        first = self.mint("first")
        await self.assert_admitted(server, first)
        self.issuer.ask("remove_key", kid="first")
        self.issuer.ask("add_key", algorithm="ES256", kid="first")
        second = self.mint("first")
        await self.until(server, lambda: self.status(server, second) == 101, "the exchanged key is known")
        await self.assert_refused(server, first)

    async def test_an_issuer_that_forbids_keeping_is_not_asked_for_every_token(self):
        self.issuer.ask("behave", how="well", headers={"Cache-Control": "no-store, max-age=0"})
        server = self.configure().start()
        before = self.asked()
        for number in range(20):
            await self.assert_admitted(server, self.mint("first", f"user {number}"), f"user {number}")
        self.assertLess(self.asked(), before + 10)


class Loss(KeySetTest):
    async def test_known_keys_go_on_without_their_issuer_and_unknown_ones_are_told_to_come_again(self):
        server = self.configure(jwks_refresh="1s").start()
        client = await self.client(server, bearer=self.mint("first"))
        self.issuer.ask("add_key", algorithm="ES256", kid="second")
        unknown = self.mint("second")
        known = [self.mint("first", f"user {number}") for number in range(5)]
        self.issuer.ask("stop")
        self.issuer.ask("remove_key", kid="second")
        await self.until_it_may_ask_again(server)
        if self.status(server, unknown) == 101:  # the refresh was quicker than we were
            self.issuer.ask("add_key", algorithm="EdDSA", kid="third")
            unknown = self.mint("third")
        await self.assert_told_to_come_again(server, unknown)
        await self.assert_told_to_come_again(server, unknown)
        for number, bearer in enumerate(known):
            await self.assert_admitted(server, bearer, f"user {number}")
        await client.request("ping")
        self.assertEqual(server.health("/health/ready")[0], 200)
        self.assertEqual(self.component(server)[0], 200)

        self.issuer.ask("add_key", algorithm="RS256", kid="fourth")
        later = self.mint("fourth")
        self.issuer.ask("start")
        await self.until(server, lambda: self.status(server, later) == 101, "its issuer is back")
        await self.assert_admitted(server, self.mint("first"))

    async def test_a_server_that_starts_without_the_issuer_says_so_and_is_ready_once_that_is_there(self):
        bearer = self.mint("first")
        self.issuer.ask("stop")
        server = self.configure()
        server.configure()
        server.launch()
        await self.until(server, lambda: self.component(server)[0] == 503 and self.component(server)[1].get("reason"),
                         "/health says what is missing")
        status, auth = self.component(server)
        self.assertEqual(status, 503)
        self.assertNotIn(auth["status"], ("up", "ok", "ready"))
        self.assertEqual((server.health("/health/ready")[0], server.health("/health/live")[0]), (503, 200))
        answer = await asyncio.to_thread(knock, server, bearer=bearer)
        self.assertEqual(answer.status, 503)
        self.assertIn("retry-after", answer.headers)
        self.issuer.ask("start")
        await self.until(server, lambda: server.health("/health/ready")[0] == 200, "ready by itself")
        await self.assert_admitted(server, bearer)
        self.assertNotIn("reason", self.component(server)[1])

    async def test_an_issuer_that_misbehaves_costs_no_key_that_is_known(self):
        server = self.configure().start()
        self.issuer.ask("add_key", algorithm="ES256", kid="second")
        known, unknown = self.mint("first"), self.mint("second")
        for how in self.issuer.ask("misbehaviours"):
            with self.subTest(how):
                self.issuer.ask("behave", how=how)
                await self.until_it_may_ask_again(server)
                before = self.asked()
                waiting = asyncio.create_task(asyncio.to_thread(self.status, server, unknown))
                await self.until(server, lambda: self.asked() > before, "it has asked")
                await self.assert_admitted(server, known)
                self.assertEqual(await waiting, 503)
                self.assertEqual(server.health("/health/ready")[0], 200)
                await self.assert_admitted(server, known)
        self.issuer.ask("behave", how="well")
        await self.until(server, lambda: self.status(server, unknown) == 101, "its issuer behaves")
        memory = server.metrics()["process_resident_memory_bytes"]
        self.assertLess(memory, 200 * 2**20, "the huge answer was kept")


class Encrypted(KeySetTest):
    """The keys are asked for over TLS, and only of whom the certificate names."""

    def setUp(self):
        super().setUp()
        self.authority = Authority()
        self.addCleanup(self.authority.clean_up)

    def serve(self, certificate):
        self.issuer.ask("stop")
        self.issuer.ask("start", certificate=str(certificate.file), key=str(certificate.key))

    async def test_an_issuer_with_a_certificate_of_the_named_authority_is_believed(self):
        self.serve(self.authority.certificate("issuer"))
        for host in ("127.0.0.1", "localhost"):
            server = self.configure(jwks_url=f"https://{host}:{self.port}/jwks", jwks_ca_file=str(self.authority.file))
            server.start()
            await self.assert_admitted(server, self.mint("first"))

    async def test_an_issuer_that_cannot_prove_who_it_is_is_not_believed(self):
        stranger = Authority("somebody else")
        self.addCleanup(stranger.clean_up)
        ours = {"jwks_ca_file": str(self.authority.file)}
        for what, certificate, settings in (
                ("of another authority", stranger.certificate("issuer"), ours),
                ("of nobody that the system knows", self.authority.certificate("issuer"), {}),
                ("of another host", self.authority.certificate("other", hosts="DNS:elsewhere.test"), ours)):
            with self.subTest(what):
                self.serve(certificate)
                server = self.configure(jwks_url=f"https://127.0.0.1:{self.port}/jwks", **settings)
                server.configure()
                server.launch()
                await self.until(server, lambda: "certificate" in self.component(server)[1].get("reason", ""),
                                 "/health says what is wrong")
                self.assertEqual(self.component(server)[0], 503)
                self.assertEqual(self.status(server, self.mint("first")), 503)
                self.assertEqual(self.asked(), 0, "it asked somebody whom it did not know")
                server.kill()

    async def test_a_file_of_authorities_that_is_none_ends_the_start(self):
        server = self.configure(jwks_url=f"https://127.0.0.1:{self.port}/jwks", jwks_ca_file="/nowhere/at/all.pem")
        server.configure()
        server.launch()
        self.assertNotEqual(server.process.wait(timeout=20), 0)
        self.assertIn("/nowhere/at/all.pem", server.log.read_text())


if __name__ == "__main__":
    unittest.main(verbosity=2)
