"""Tokens and keys: what issuers make of RFC 7517 to 7519."""

import asyncio
import time

from gangway import SECRET, base64url, token
from knocking import as_subprotocol, knock
from mint import Mint
from page_server import PageServer

from .table import case

RETRY = 0.3  # seconds: `auth.jwks_retry`, where a row sets it


def mint_of(test):
    mint = Mint()
    test.addCleanup(mint.end)
    return mint


def issuer_of(test, *keys):
    """Returns a server of a key set that may be exchanged."""
    issuer = PageServer()
    test.addCleanup(issuer.end)
    show(issuer, *keys)
    return issuer


def show(issuer, *keys):
    issuer.pages["/jwks"] = {"keys": list(keys)}


async def status(server, bearer, headers=()):
    answer = await asyncio.to_thread(knock, server, bearer=bearer, headers=headers)
    answer.close()
    return answer.status


async def until_logged(server, *words):
    """Waits for a line of the log with all of these words."""
    def logged():
        lines = server.log.read_text(errors="replace").splitlines()
        return next((line for line in lines if all(word in line for word in words)), None)
    return await asyncio.to_thread(server.until, logged, f"a line with {words}")


@case(7, "a key and tokens that call EdDSA Ed25519, as RFC 9864 does, are as good as by the older name")
async def ed25519(test):
    mint = mint_of(test)
    for named in ({"alg": "Ed25519"}, {"alg": "EdDSA"}, {}):
        jwk = {name: value for name, value in mint.keys["ed"]["jwk"].items() if name != "alg"}
        issuer = issuer_of(test, {**jwk, **named, "kid": "ed"})
        server = test.start_server(auth={"jwks_url": issuer.url("/jwks")})
        for alg in ("EdDSA", "Ed25519"):
            bearer = mint.token("ed", header={"alg": alg})
            test.assertEqual(await status(server, bearer), 101, (named, alg))


@case(12, "an app's web view or an extension may connect, if its origin is configured, and no other")
async def app_origins(test):
    origins = ["tauri://localhost", "capacitor://localhost", "chrome-extension://abc", "file://", "https://a.example:443"]
    server = test.start_server(origins=origins)
    for origin in (*origins, "https://a.example", "TAURI://localhost", "file:///"):
        test.assertEqual(await status(server, token("ada"), [("Origin", origin)]), 101, origin)
    for origin in ("ionic://localhost", "tauri://127.0.0.1", "chrome-extension://abcd", "null", "http://a.example",
                   f"tauri://127.0.0.1:{server.port}", "tauri://localhost:1", "tauri://localhost.example", ""):
        test.assertEqual(await status(server, token("ada"), [("Origin", origin)]), 403, origin)
    server = test.start_server(origins=["null"])
    test.assertEqual(await status(server, token("ada"), [("Origin", "null")]), 101)
    test.assertEqual(await status(server, token("ada"), [("Origin", "file://")]), 403)


@case(13, "keys that are exchanged under their names, or without any, are fetched again, and nobody is told 401 meanwhile")
async def exchanged_keys(test):
    mint = mint_of(test)
    for kid in ("k", None):
        keys = {name: {**mint.keys[name]["jwk"], **({"kid": kid} if kid else {})} for name in ("ec", "thief's ec")}
        for key in keys.values():
            if not kid:
                key.pop("kid", None)
        issuer = issuer_of(test, keys["ec"])
        server = test.start_server(auth={"jwks_url": issuer.url("/jwks"), "jwks_retry": f"{int(1000 * RETRY)}ms"})
        old, new = (mint.token(name, header={"kid": kid}) for name in ("ec", "thief's ec"))
        test.assertEqual(await status(server, old), 101)
        show(issuer, keys["thief's ec"])
        statuses = []
        while not statuses or statuses[-1] == 503:
            statuses.append(await status(server, new))
        test.assertEqual(statuses[-1], 101, f"kid {kid}: {statuses}")
        asked = len(issuer.asked)
        for _ in range(50):  # a stranger has no keys fetched by these
            test.assertIn(await status(server, mint.token("thief's ed", header={"kid": kid, "alg": "EdDSA"})), (401, 503))
            test.assertEqual(await status(server, new), 101)
        test.assertLess(len(issuer.asked) - asked, 45)


@case(15, "a member of a key that is null is absent, and what is left out of a set is logged with the reason")
async def nulls(test):
    mint = mint_of(test)
    absent = {"use": None, "alg": None, "key_ops": None, "x5c": None, "x5t": None}
    issuer = issuer_of(test, {**mint.keys["ec"]["jwk"], **absent, "kid": "ec"},
                       {**mint.keys["rsa"]["jwk"], "kid": "for secrets", "use": "enc"}, {"kty": "AKP", "kid": "later"})
    server = test.start_server(auth={"jwks_url": issuer.url("/jwks")})
    test.assertEqual(await status(server, mint.token("ec")), 101)
    await until_logged(server, "is not used", "for secrets", "enc")
    await until_logged(server, "is not used", "later", "AKP")


@case(16, "a token of an issuer that differs in a slash is refused, and the log names both")
async def issuer_slash(test):
    server = test.start_server(auth={"issuer": "https://issuer.test", "audience": "gangway"})
    bearer = token("ada", iss="https://issuer.test/", aud="gangway")
    test.assertEqual(await status(server, bearer), 401)
    line = await until_logged(server, "https://issuer.test/", "last slash")
    test.assertNotIn(bearer, line)
    test.assertEqual(await status(server, token("ada", iss="https://issuer.test", aud=["a", "b"])), 401)
    await until_logged(server, "for another audience", "gangway", "received")
    test.assertNotIn(SECRET, server.log.read_text())


@case(20, "a token that ends more than ten years ahead is refused, and the log says why")
async def milliseconds(test):
    server = test.start_server()
    now = int(time.time())
    for exp in (1000 * (now + 3600), 1000.0 * now, 2 ** 63, 1e300, now + 11 * 366 * 86400, str(now + 3600), -1, True, None):
        test.assertEqual(await status(server, token("ada", exp=exp)), 401, exp)
    await until_logged(server, "milliseconds", str(1000 * (now + 3600)))
    for exp in (now + 9 * 365 * 86400, now + 3600.5):
        test.assertEqual(await status(server, token("ada", exp=exp)), 101, exp)


@case(21, "a role among the words of a scope is seen, where auth.roles_claim says so")
async def scope(test):
    for claim, claims in (("scope", {"scope": "openid gangway_admin"}), ("scp", {"scp": ["openid", "gangway_admin"]}),
                          ("realm.scope", {"realm": {"scope": "gangway_admin openid"}})):
        server = test.start_server(auth={"roles_claim": claim})
        test.assertIn("users", server.admin("/api/v1/users", bearer=token("ada", **claims)))


@case(22, "Bearer before a token does not count, wherever the token is shown")
async def bearer_prefix(test):
    server = test.start_server()
    for scheme in ("Bearer ", "bearer ", "BEARER  "):
        shown = scheme + token("ada")
        client = await test.client(server)
        test.assertEqual((await client.request("connect", token=shown))["user_id"], "ada")
        test.assertIn("expires_at", await client.request("token.refresh", token=shown))
        test.assertEqual(await status(server, shown), 101)
        offered = [("Sec-WebSocket-Protocol", f"gangway.v1.json, {as_subprotocol(shown)}")]
        test.assertEqual(await status(server, None, offered), 101)
