"""Tokens that others made are taken, by every algorithm; and whatever a forger knows to do is refused."""

import asyncio
import base64
import json
import tempfile
import time
import unittest
import urllib.error
import urllib.request

from certificates import Authority, openssl
from gangway import PATIENCE, SECRET, base64url, token
from knocking import DoorTest, knock
from mint import (HONEST, Mint, bad_claims, confusions, der, foreign_keys, hand_made, kid_tricks, misshapen_signatures,
                  nones, other_algorithms, tampered)
from page_server import PageServer

OURS = {"issuer": "https://issuer.test", "audience": "gangway"}
RIGHT = {"iss": "https://issuer.test", "aud": "gangway"}


class TokenTest(DoorTest):
    @classmethod
    def setUpClass(cls):
        cls.mint = Mint()
        cls.addClassCleanup(cls.mint.end)
        cls.elsewhere = PageServer()
        cls.addClassCleanup(cls.elsewhere.end)
        cls.issuer = PageServer()
        cls.addClassCleanup(cls.issuer.end)

    def key_file(self, server, pem):
        """Writes what a server with a public key reads, and returns the file's name."""
        file = server.folder / "public.pem"
        file.write_text(pem)
        return str(file)

    def server_with_key(self, name, **auth):
        server = self.make_server(auth={"public_key_file": "", **auth})
        server.sections["auth"]["public_key_file"] = self.key_file(server, self.mint.keys[name]["pem"])
        return server.start()

    def server_with_set(self, *names, **auth):
        self.issuer.pages["/jwks"] = self.mint.key_set(*(names or HONEST))
        return self.start_server(auth={"jwks_url": self.issuer.url("/jwks"), **auth})

    async def assert_all_refused(self, server, forgeries):
        """None gets in, each is told so, and the server is as well as before."""
        tried = 0
        for what, forged in forgeries:
            tried += 1
            with self.subTest(what):
                await self.assert_refused(server, forged)
        self.assertGreater(tried, 5)
        self.assertEqual(server.metrics().get('gangway_disconnects_total{code="1011"}', 0), 0)
        self.assertEqual(server.health("/health/ready")[0], 200)


class Makers(TokenTest):
    """What npm's jose signs is taken."""

    async def test_a_token_by_the_shared_secret_is_taken(self):
        server = self.start_server()
        await self.assert_admitted(server, self.mint.token_by_secret(SECRET.encode(), tier="pro"), tier="pro")

    async def test_a_token_by_the_key_in_a_file_is_taken(self):
        for name, algorithm in HONEST.items():
            with self.subTest(algorithm):
                server = self.server_with_key(name)
                await self.assert_admitted(server, self.mint.token(name, tier="pro"), tier="pro")
                await self.assert_admitted(server, self.mint.token(name, header={"kid": None}), tier="free")
                await self.assert_refused(server, self.mint.token(f"thief's {name}", header={"kid": name}))
                await self.assert_refused(server, token("ada"))

    async def test_a_token_by_a_key_of_the_set_is_taken(self):
        server = self.server_with_set()
        for name, algorithm in HONEST.items():
            with self.subTest(algorithm):
                await self.assert_admitted(server, self.mint.token(name, tier="enterprise"), tier="enterprise")

    async def test_a_key_that_says_it_is_for_something_else_verifies_nothing(self):
        self.issuer.pages["/jwks"] = {"keys": [
            {**self.mint.keys["rsa"]["jwk"], "kid": "rsa", "use": "enc"},
            {**self.mint.keys["ec"]["jwk"], "kid": "ec", "key_ops": ["encrypt"], "use": None},
            {**self.mint.keys["ed"]["jwk"], "kid": "ed"}]}
        del self.issuer.pages["/jwks"]["keys"][1]["use"]
        server = self.start_server(auth={"jwks_url": self.issuer.url("/jwks")})
        await self.assert_refused(server, self.mint.token("rsa"))
        await self.assert_refused(server, self.mint.token("ec"))
        await self.assert_admitted(server, self.mint.token("ed"))

    async def test_a_secret_in_the_set_verifies_nothing_and_the_other_keys_do(self):
        secret = b"what everybody reads at the issuer's"
        shared = {"kty": "oct", "k": base64url(secret), "kid": "oct", "alg": "HS256"}
        unknown = {"kty": "unheard of", "kid": "new"}
        self.issuer.pages["/jwks"] = {"keys": [shared, *self.mint.key_set("ec")["keys"], unknown]}
        server = self.start_server(auth={"jwks_url": self.issuer.url("/jwks")})
        await self.assert_refused(server, token("ada", secret=secret, header={"kid": "oct"}))
        await self.assert_refused(server, token("ada", secret=secret))
        await self.assert_admitted(server, self.mint.token("ec"))

    async def test_a_token_of_8_kib_is_taken_and_a_longer_one_refused(self):
        server = self.start_server()

        def of_length(wanted):
            for filling in range(5900, 6200):
                for kid in ("", "x", "xx"):
                    if len(made := token("ada", header={"kid": kid}, filling="x" * filling)) == wanted:
                        return made
            raise AssertionError(f"no token is {wanted} long")

        await self.assert_admitted(server, of_length(8192))
        for longer in (of_length(8193), token("ada", filling="x" * 7000)):
            await self.assert_refused(server, longer)

    async def test_an_operator_may_come_with_any_algorithm(self):
        server = self.server_with_set()
        for name in HONEST:
            self.assertIn("users", server.admin("/api/v1/users", bearer=self.mint.token(name, roles=["gangway_admin"])))
            for wrong in ([], ["admin"], "gangway_admin2", {"gangway_admin": True}, None):
                with self.assertRaises(urllib.error.HTTPError) as refused:
                    server.admin("/api/v1/users", bearer=self.mint.token(name, roles=wrong))
                self.assertEqual(refused.exception.code, 403)


class Forgers(TokenTest):
    """Every server is shown every forgery: what its key cannot be meant for, too."""

    def forgeries(self, good):
        yield from nones(self.mint)
        yield from confusions(self.mint)
        yield from other_algorithms(self.mint)
        yield from misshapen_signatures(self.mint)
        yield from foreign_keys(self.mint, self.elsewhere)
        yield from self.certified()
        yield from tampered(self.mint, good)

    def certified(self):
        """A thief's certificate in the header (x5c) vouches for nothing."""
        authority = Authority("a thief")
        self.addCleanup(authority.clean_up)
        leaf = authority.certificate("a leaf of the thief's")
        self.mint.take_key("leaf", "ES256", leaf.key.read_text())
        chain = [base64.b64encode(der(file.read_text())).decode() for file in (leaf.file, authority.file)]
        for kid in ("ec", "leaf"):
            yield f"x5c, kid {kid}", self.mint.token("leaf", header={"x5c": chain, "kid": kid})

    async def asked_of(self, server, good):
        await self.assert_admitted(server, good)
        await self.assert_all_refused(server, self.forgeries(good))
        await self.assert_admitted(server, good)
        self.assertEqual(self.elsewhere.asked, [], "the server asked where a forger told it to")

    async def test_none_gets_past_a_secret(self):
        await self.asked_of(self.start_server(), token("ada"))

    async def test_none_gets_past_an_rsa_key(self):
        await self.asked_of(self.server_with_key("rsa"), self.mint.token("rsa"))

    async def test_none_gets_past_an_ec_key(self):
        await self.asked_of(self.server_with_key("ec"), self.mint.token("ec"))

    async def test_none_gets_past_an_ed25519_key(self):
        await self.asked_of(self.server_with_key("ed"), self.mint.token("ed"))

    async def test_none_gets_past_a_set_of_keys(self):
        server = self.server_with_set()
        asked = len(self.issuer.asked)
        await self.asked_of(server, self.mint.token("ec"))
        await self.assert_all_refused(server, kid_tricks(self.mint))
        self.assertLess(len(self.issuer.asked), asked + 5, "every unknown kid had the keys fetched again")

    async def test_keys_that_a_good_token_offers_are_not_looked_at(self):
        server = self.server_with_key("ec")
        offered = {"jku": self.elsewhere.url("/jku"), "x5u": self.elsewhere.url("/x5u"),
                   "jwk": self.mint.keys["rsa"]["jwk"]}
        await self.assert_admitted(server, self.mint.token("ec", header=offered))
        self.assertEqual(self.elsewhere.asked, [])

    async def test_what_a_token_declares_critical_is_not_understood(self):
        by_set, by_secret = self.server_with_set(), self.start_server()
        for name in HONEST:
            for header, critical in (({"crit": ["x"], "x": 1}, {"x": True}), ({"crit": ["b64"], "b64": True}, {})):
                await self.assert_refused(by_set, self.mint.token(name, header=header, critical=critical))
        claims = {"sub": "ada", "exp": int(time.time()) + 3600}
        for critical in ([], ["exp"], ["b64"], "exp", None, {}, ["alg"]):
            with self.subTest(critical):
                header = {"alg": "HS256", "crit": critical}
                await self.assert_refused(by_secret, hand_made(header, claims, SECRET.encode()))


class Claims(TokenTest):
    async def test_a_wrong_claim_is_refused_whatever_it_is_signed_with(self):
        signers = {"HS256": (self.start_server(auth=OURS), lambda **claims: token("ada", **claims))}
        by_set = self.server_with_set(**OURS)
        for name, algorithm in HONEST.items():
            signers[algorithm] = (by_set, lambda name=name, **claims: self.mint.token(name, **claims))
        for algorithm, (server, sign) in signers.items():
            await self.assert_admitted(server, sign(**RIGHT))
            await self.assert_admitted(server, sign(**{**RIGHT, "aud": ["elsewhere", "gangway"]}))
            for what, wrong in bad_claims(sign, **RIGHT):
                with self.subTest(what, algorithm=algorithm):
                    await self.assert_refused(server, wrong)
            with self.subTest("expired", algorithm=algorithm):
                await self.assert_refused(server, sign(**RIGHT, expires_in=-61), code="token_expired")

    async def test_the_leeway_is_for_clocks_that_differ_and_for_no_more(self):
        server = self.start_server(auth={"leeway": "30s"})
        now = int(time.time())
        await self.assert_admitted(server, token("ada", expires_in=-20))
        await self.assert_refused(server, token("ada", expires_in=-30), code="token_expired")
        await self.assert_admitted(server, token("ada", nbf=now + 30))
        await self.assert_refused(server, token("ada", nbf=now + 45))
        strict = self.start_server(auth={"leeway": "0s"})
        await self.assert_refused(strict, token("ada", expires_in=-1), code="token_expired")
        await self.assert_refused(strict, token("ada", nbf=int(time.time()) + 15))
        await self.assert_admitted(strict, token("ada", nbf=int(time.time())))

    async def test_a_token_that_was_good_is_refused_once_it_has_expired(self):
        server = self.start_server(auth={"leeway": "0s"})
        bearer = token("ada", expires_in=3)
        statuses = []
        deadline = time.monotonic() + PATIENCE
        while not statuses or statuses[-1] == 101:  # a token that was verified once is remembered, until it expires
            self.assertLess(time.monotonic(), deadline)
            answer = await asyncio.to_thread(knock, server, bearer=bearer)
            answer.close()
            statuses.append(answer.status)
        self.assertEqual((statuses[0], statuses[-1]), (101, 401))
        await self.assert_refused(server, bearer, code="token_expired")

    async def test_claims_may_have_other_names(self):
        server = self.server_with_set(user_claim="uid", tier_claim="plan", roles_claim="permissions")
        named = {"uid": "ada", "plan": "pro", "permissions": ["gangway_admin"]}
        bearer = self.mint.token("ed", "somebody else", tier="enterprise", **named)
        await self.assert_admitted(server, bearer, "ada", tier="pro")
        self.assertIn("users", server.admin("/api/v1/users", bearer=bearer))
        await self.assert_admitted(server, self.mint.token("ed", None, uid="bob"), "bob", tier="free")
        for bad in (None, 7, "", ["ada"], "x" * 256):
            with self.subTest(bad):
                await self.assert_refused(server, self.mint.token("ed", "ada", uid=bad))
        with self.assertRaises(urllib.error.HTTPError) as refused:
            server.admin("/api/v1/users", bearer=self.mint.token("ed", uid="ada", roles=["gangway_admin"]))
        self.assertEqual(refused.exception.code, 403)

    async def test_a_tier_that_is_no_name_of_one_is_free(self):
        server = self.start_server()
        for tier in ("platinum", "", 7, None, ["pro"], {"pro": 1}, "PRO", "pro "):
            with self.subTest(tier):
                client = await self.client(server, bearer=token("ada", tier))
                self.assertEqual(client.hello["tier"], "free")


class Development(TokenTest):
    """What --dev lets in must stay where it was made: a production server may have the same secret."""

    async def test_tokens_that_dev_makes_are_good_at_that_server_and_nowhere_else(self):
        by_set = {"jwks_url": self.issuer.url("/jwks")}
        self.issuer.pages["/jwks"] = self.mint.key_set("ec")
        for auth in ({}, by_set):
            with self.subTest(auth):
                server = self.start_server(auth=dict(auth))
                production = self.make_server(auth=dict(auth), environment="production")
                production.mode = []
                production.start()
                made = [json.loads(self.demo_token(server))["token"]]
                status, printed = server.ctl("token", "--user", "ada", "--dev", "--config", f"{server.folder}/gangway.toml")
                self.assertEqual(status, 0, printed)
                made.append(printed.split()[-1])
                for bearer in made:
                    await self.assert_admitted(server, bearer)
                    await self.assert_refused(production, bearer)
                good = token("ada") if not auth else self.mint.token("ec")
                await self.assert_admitted(server, good)
                await self.assert_admitted(production, good)

    def demo_token(self, server):
        wanted = urllib.request.Request(f"http://127.0.0.1:{server.port}/dev/token", data=b'{"user":"ada"}',
                                        headers={"Content-Type": "application/json"})
        with urllib.request.urlopen(wanted, timeout=PATIENCE) as answer:
            return answer.read()

    async def test_who_signs_in_is_logged_and_counted_under_load(self):
        server = self.make_server(auth={"simulation_secret": SECRET[::-1]}, environment="staging")
        server.mode = []
        server.start()

        def lines(words):
            return [json.loads(line) for line in server.log.read_text().splitlines() if words in line]

        await self.assert_admitted(server, token("ada", "pro"), tier="pro")
        await self.assert_admitted(server, token("bob", secret=SECRET[::-1]), "bob")
        await asyncio.to_thread(server.until, lambda: len(lines("signed in")) == 4, "four lines")
        said = [(line["user"], line["transport"], line["client"], line["tier"], line["simulation"], line["tls"])
                for line in lines("signed in")]
        self.assertEqual(said, [("ada", "header", "127.0.0.1", "pro", False, False),
                                ("ada", "connect", "127.0.0.1", "pro", False, False),
                                ("bob", "header", "127.0.0.1", "free", True, False),
                                ("bob", "connect", "127.0.0.1", "free", True, False)])
        good = token("eve")
        for round in range(20):  # until more come in one second than there are lines for
            answers = await asyncio.gather(*(asyncio.to_thread(knock, server, bearer=good) for _ in range(300)))
            for answer in answers:
                answer.close()
            if lines("left out"):
                break
        await asyncio.to_thread(server.until, lambda: sum(line["count"] for line in lines("left out"))
                                + len(lines("signed in")) == 4 + sum(answer.status == 101 for answer in answers)
                                + 300 * round, "all are counted")

    async def test_ready_is_logged_once_health_says_so(self):
        self.issuer.pages.pop("/jwks", None)
        server = self.make_server(auth={"jwks_url": self.issuer.url("/jwks"), "jwks_retry": "300ms"})
        server.configure()
        server.launch()
        await asyncio.to_thread(server.until, lambda: "no token can be checked" in server.log.read_text(), "no keys yet")
        self.assertEqual(server.health()[0], 503)
        self.assertNotRegex(server.log.read_text(), r'"message":"ready"|info    ready')
        self.issuer.pages["/jwks"] = self.mint.key_set("ec")
        await asyncio.to_thread(server.until, lambda: server.health()[0] == 200, "it is ready")
        await asyncio.to_thread(server.until, lambda: '"ready"' in server.log.read_text(), "it says so")
        self.assertEqual(server.log.read_text().count('"message":"ready"'), 1)


class KeyFiles(TokenTest):
    """The key that a server is given when it starts, and another one later."""

    async def test_a_key_in_the_same_file_counts_from_sighup_on(self):
        server = self.server_with_key("rsa")
        open_before = await self.client(server, bearer=self.mint.token("rsa"))
        await self.assert_refused(server, self.mint.token("ed"))
        self.key_file(server, self.mint.keys["ed"]["pem"])
        await self.assert_refused(server, self.mint.token("ed"))
        server.hang_up()
        await self.until_admitted(server, self.mint.token("ed"))
        await self.assert_admitted(server, self.mint.token("ed"))
        await self.assert_refused(server, self.mint.token("rsa"))
        await open_before.request("ping")

    async def test_a_secret_in_the_same_file_counts_from_sighup_on(self):
        server = self.make_server(auth={"secret_file": ""})
        file = server.folder / "secret"
        server.sections["auth"]["secret_file"] = str(file)
        file.write_text(SECRET + "\n")
        server.start()
        await self.assert_admitted(server, token("ada"))
        other = SECRET[::-1]
        file.write_text(other + "\n")
        server.hang_up()
        await self.until_admitted(server, token("ada", secret=other))
        await self.assert_refused(server, token("ada"))

    async def test_a_file_may_have_the_old_key_and_the_new_one(self):
        server = self.make_server(auth={"public_key_file": ""})
        both = self.mint.keys["rsa"]["pem"] + self.mint.keys["ed"]["pem"]
        server.sections["auth"]["public_key_file"] = self.key_file(server, both)
        server.start()
        await self.assert_admitted(server, self.mint.token("rsa"))
        await self.assert_admitted(server, self.mint.token("ed"))
        await self.assert_refused(server, self.mint.token("ec"))

    async def test_a_file_without_a_key_at_sighup_leaves_the_old_one_and_is_logged(self):
        server = self.server_with_key("ec")
        for content in ("", "no key at all", self.mint.keys["rsa"]["pem"][:100]):
            with self.subTest(content):
                logged = len(server.log.read_text())
                file = self.key_file(server, content)
                server.hang_up()
                await asyncio.to_thread(server.until, lambda: file in server.log.read_text()[logged:], "it is logged")
                await self.assert_admitted(server, self.mint.token("ec"))
                self.assertEqual(server.health("/health/ready")[0], 200)

    async def until_admitted(self, server, bearer):
        """Returns when a token is good, which it was not."""
        def is_admitted():
            answer = knock(server, bearer=bearer)
            answer.close()
            return answer.status == 101
        await asyncio.to_thread(server.until, is_admitted, "the new key is read")

    def refuses_to_start(self, server, *words):
        server.configure()
        server.launch()
        self.assertNotIn(server.process.wait(timeout=PATIENCE), (0, -6, -11))
        said = server.log.read_text()
        for word in words:
            self.assertIn(word, said)

    def test_a_file_without_a_fitting_key_ends_the_start_with_its_name(self):
        p384 = self.public_key("EC", "ec_paramgen_curve:secp384r1")
        short = self.public_key("RSA", "rsa_keygen_bits:1024")
        for content in ("", "no key at all", p384, short, None):
            with self.subTest(content):
                server = self.make_server(auth={"public_key_file": ""})
                file = server.folder / "public.pem"
                server.sections["auth"]["public_key_file"] = str(file)
                if content is not None:
                    file.write_text(content)
                self.refuses_to_start(server, str(file))

    def public_key(self, algorithm, parameters):
        with tempfile.NamedTemporaryFile() as file:
            openssl("genpkey", "-algorithm", algorithm, "-pkeyopt", parameters, "-out", file.name)
            return openssl("pkey", "-pubout", "-in", file.name)

    def test_two_ways_to_verify_tokens_end_the_start(self):
        for second in ({"jwks_url": "http://127.0.0.1:1/jwks"}, {"secret": SECRET}):
            with self.subTest(second):
                server = self.make_server(auth={"public_key_file": "", **second})
                file = self.key_file(server, self.mint.keys["ec"]["pem"])
                server.sections["auth"]["public_key_file"] = file
                self.refuses_to_start(server, "public_key_file", *second)

    def test_keys_that_anybody_on_the_way_could_exchange_end_the_start(self):
        for url in ("http://issuer.test/jwks", "ftp://127.0.0.1/jwks", "issuer.test", "file:///etc/passwd"):
            with self.subTest(url):
                self.refuses_to_start(self.make_server(auth={"jwks_url": url}), "jwks_url")


if __name__ == "__main__":
    unittest.main(verbosity=2)
