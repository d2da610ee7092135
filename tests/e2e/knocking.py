"""A WebSocket handshake by hand, byte by byte as a test wants it, where a proper client would not ask like that."""

import asyncio
import base64
import json
import os
import socket

from gangway import PATIENCE, GangwayTest, base64url

SUBPROTOCOL = "gangway.v1.json"


def as_subprotocol(bearer):
    """Returns the second subprotocol that a browser offers, which has no other place for its token."""
    return f"base64url.bearer.authorization.gangway.{base64url(bearer)}"


class Answer:
    """What the server said to a knock: the status, the headers by their names in lower case, and the body. After a 101
    the socket stays open, and whoever knocked closes it.
    """

    def __init__(self, stream):
        self.stream = stream
        received = b""
        while b"\r\n\r\n" not in received:
            piece = stream.recv(65536)
            if not piece:
                raise AssertionError(f"the server hung up after {received!r}")
            received += piece
        head, _, self.rest = received.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        self.status = int(first.split()[1])
        self.headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        self.body = b""
        if self.status != 101:
            self.body = self.rest
            while len(self.body) < int(self.headers.get("content-length", 0)) and (piece := stream.recv(65536)):
                self.body += piece
            self.close()

    @property
    def code(self):
        """The error code of a refusal."""
        return json.loads(self.body)["error"]["code"]

    def close(self):
        self.stream.close()


def dial(server, source="127.0.0.1"):
    """Returns a socket to the server's public port, encrypted if that wants it."""
    stream = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE, source_address=(source, 0))
    return server.trust.wrap_socket(stream, server_hostname="127.0.0.1") if server.trust else stream


def knock(server, query="", headers=(), *, bearer=None, host=True, path="/ws", source="127.0.0.1"):
    """Asks for an upgrade with these headers besides the necessary ones, and returns the answer. `host` False leaves
    that header out, a text is its value.
    """
    named = [("Host", host if isinstance(host, str) else f"127.0.0.1:{server.port}")] if host else []
    key = base64.b64encode(os.urandom(16)).decode()
    lines = [*named, ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
             ("Sec-WebSocket-Key", key), *([("Authorization", f"Bearer {bearer}")] if bearer else []), *headers]
    stream = dial(server, source)
    try:
        stream.sendall((f"GET {path}{query} HTTP/1.1\r\n" + "".join(f"{name}: {value}\r\n" for name, value in lines)
                        + "\r\n").encode())
        return Answer(stream)
    except BaseException:
        stream.close()
        raise


class DoorTest(GangwayTest):
    """A test of who is let in."""

    async def until(self, server, question, what):
        return await asyncio.to_thread(server.until, question, what)

    async def assert_admitted(self, server, bearer, user="ada", **hello):
        """The token is good at the upgrade and in a connect frame, for this user."""
        client = await self.client(server, bearer=bearer)
        self.assertLessEqual({"user_id": user, **hello}.items(), client.hello.items())
        await client.close()
        late = await self.client(server)
        greeting = await late.request("connect", token=bearer)
        self.assertLessEqual({"user_id": user, **hello}.items(), greeting.items())
        await late.close()

    async def assert_refused(self, server, bearer, code="unauthenticated"):
        """The token is refused at the upgrade with 401, and in a connect frame with 4500, or 4005 if a new one helps."""
        answer = await asyncio.to_thread(knock, server, bearer=bearer)
        self.addCleanup(answer.close)
        client = await self.client(server)
        error = await client.refusal("connect", token=bearer)
        if server.sections["auth"].get("jwks_url") and error["code"] == "overloaded":
            # Its key may be newer than the set, which was fetched just now: nobody is told that it is bad for good.
            self.assertIn(answer.status, (401, 503))
            self.assertTrue(error["temporary"])
            return await self.assert_sent_away(client, 4029, reconnect=True)
        if answer.status != 503 or not server.sections["auth"].get("jwks_url"):
            self.assertEqual((answer.status, answer.status == 401 and answer.code), (401, code))
            self.assertRegex(answer.headers["www-authenticate"], "^Bearer")
        self.assertEqual((error["code"], error["temporary"]), (code, False))
        expired = code == "token_expired"
        await self.assert_sent_away(client, 4005 if expired else 4500, reconnect=expired)

    async def assert_sent_away(self, client, code, *, reconnect):
        """The client is told by a frame why it must go, and then by the close code."""
        goodbye = await client.take(lambda frame: frame.get("type") == "disconnect", f"the goodbye {code}")
        self.assertEqual((goodbye["code"], goodbye["reconnect"]), (code, reconnect))
        self.assertNotEqual(goodbye["reason"], "")
        self.assertEqual(await client.close_code(), code)
