"""Requests: what clients, load tools and proxies write before there is a WebSocket."""

import json
import socket

from gangway import PATIENCE, base64url, token
from knocking import SUBPROTOCOL, as_subprotocol, knock

from .table import case

KEY = "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"


class Peer:
    """A TCP connection on which every byte is said when a row likes."""

    def __init__(self, test, server, *, admin=False, source="127.0.0.1"):
        port = server.admin_port if admin else server.port
        self.socket = socket.create_connection(("127.0.0.1", port), timeout=PATIENCE, source_address=(source, 0))
        test.addCleanup(self.socket.close)
        self.test = test
        self.rest = b""

    def say(self, text):
        self.socket.sendall(text.encode() if isinstance(text, str) else text)
        return self

    def fill(self):
        piece = self.socket.recv(65536)
        self.rest += piece
        return bool(piece)

    def head(self):
        """Returns the next answer's status and its headers by their names in lower case."""
        while b"\r\n\r\n" not in self.rest:
            self.test.assertTrue(self.fill(), f"the server hung up after {self.rest!r}")
        head, _, self.rest = self.rest.partition(b"\r\n\r\n")
        first, *lines = head.decode("latin-1").split("\r\n")
        headers = {}
        for name, _, value in (line.partition(":") for line in lines):
            headers.setdefault(name.lower(), []).append(value.strip())
        return int(first.split()[1]), {name: ", ".join(values) for name, values in headers.items()}

    def answer(self, *, is_head=False):
        """Returns the next answer's status, headers and body."""
        status, headers = self.head()
        size = 0 if is_head else int(headers.get("content-length", 0))
        while len(self.rest) < size:
            self.test.assertTrue(self.fill(), "the body is cut off")
        body, self.rest = self.rest[:size].decode(), self.rest[size:]
        return status, headers, body

    def is_over(self):
        """Whether the server hangs up before it says anything more."""
        return not self.rest and not self.fill()


def message(body):
    return json.loads(body)["error"]["message"]


def log_of(server):
    return server.log.read_text(errors="replace")


@case(1, "IPv4 clients of a listener for both versions are addresses of their own, by their IPv4 names")
async def clients_of_a_dual_stack_listener(test):
    server = test.make_server(limits={"unauthenticated_per_address": 3}, trusted_proxies=["10.0.0.0/8"])
    server.host, server.mode = "[::]", []
    server.start()
    for last in range(2, 10):
        answer = knock(server, source=f"127.0.0.{last}")
        test.addCleanup(answer.close)
        test.assertEqual(answer.status, 101, f"127.0.0.{last}")
    statuses = []
    for _ in range(4):
        answer = knock(server, source="127.0.0.2")
        test.addCleanup(answer.close)
        statuses.append(answer.status)
    test.assertEqual(statuses, [101, 101, 503, 503])
    test.assertEqual(knock(server, bearer="bad", source="127.0.0.9").status, 401)
    server.until(lambda: "127.0.0.9" in log_of(server), "the log names who was refused")
    test.assertNotIn("::ffff:", log_of(server))


@case(1, "a proxy is trusted by its IPv4 address on a listener for both versions, and so are those whom it names")
async def proxies_of_a_dual_stack_listener(test):
    for trusted in ("127.0.0.0/8", "::ffff:127.0.0.0/104", "::ffff:127.0.0.1"):
        server = test.make_server(limits={"unauthenticated_per_address": 2}, trusted_proxies=[trusted])
        server.host, server.mode = "[::]", []
        server.start()
        for forwarded, statuses in (("::ffff:192.0.2.1", [101, 101]), ("192.0.2.1", [503]), ("192.0.2.2", [101])):
            for status in statuses:
                answer = knock(server, headers=[("X-Forwarded-For", forwarded)])
                test.addCleanup(answer.close)
                test.assertEqual(answer.status, status, f"{trusted}, {forwarded}")
        server.kill()


@case(3, "a query is read as browsers send it, on every path")
async def raw_queries(test):
    server = test.start_server()
    queries = ("ids[]=1", "u=auth0|x", "x={a}", "x=100%", "x=%zz", "x=%", "x=\"<>`^\\'", "x=ä", "?&&=&x", "x=a+b")
    for query in queries:
        for path in ("/ws", "/ws/"):
            answer = knock(server, f"?{query}", path=path, bearer=token("ada"))
            test.addCleanup(answer.close)
            test.assertEqual(answer.status, 101, query)
        for path in ("/health", "/health/live", "/health/ready", "/version", "/"):
            status, _, _ = Peer(test, server).say(f"GET {path}?{query} HTTP/1.1\r\nHost: x\r\n\r\n").answer()
            test.assertEqual(status, 200, path + query)
        for path in ("/metrics", "/api/v1/status", "/api/v1/decisions"):
            peer = Peer(test, server, admin=True)
            peer.say(f"GET {path}?{query} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {server.operator}\r\n\r\n")
            test.assertEqual(peer.answer()[0], 200, path + query)
    answer = knock(server, "?x={a}&thread_id=t1&u=a|b", bearer=token("ada"))
    test.addCleanup(answer.close)
    test.assertEqual(answer.status, 101)
    test.assertEqual(knock(server, "?x={a}&thread_id=a|b", bearer=token("ada")).status, 400)


@case(3, "the target of a request may be an absolute address, or everything")
async def other_targets(test):
    server = test.start_server()
    for target, status in (("http://127.0.0.1/health/live", 200), ("HTTP://x:1/version?x=[]", 200), ("http://x", 200),
                           ("ws://x/health/live", 200), ("http://", 400), ("http://a b/", 400), ("health", 400)):
        got, _, _ = Peer(test, server).say(f"GET {target} HTTP/1.1\r\nHost: other\r\n\r\n").answer()
        test.assertEqual(got, status, target)
    # The host that counts is the target's.
    page = "Origin: http://chat.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" + KEY
    for host, other, status in (("chat.example", "else.example", 101), ("else.example", "chat.example", 403)):
        peer = Peer(test, server).say(f"GET http://{host}/ws HTTP/1.1\r\nHost: {other}\r\n{page}\r\n")
        test.assertEqual(peer.head()[0], status)
    for admin, allowed in ((False, "GET, HEAD, POST"), (True, "GET, HEAD, POST, DELETE")):
        peer = Peer(test, server, admin=admin)
        for _ in range(2):
            peer.say("OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
            status, headers, _ = peer.answer()
            test.assertEqual((status, headers["allow"]), (200, allowed))
        test.assertEqual(peer.say("GET * HTTP/1.1\r\nHost: x\r\n\r\n").answer()[0], 400)


@case(5, "a client that waits before it sends its body is told to go on, or answered")
async def bodies_held_back(test):
    server = test.start_server()
    body = json.dumps({"user_id": "ada"})
    bearer = f"Authorization: Bearer {server.operator}\r\nContent-Type: application/json\r\n"

    def ask(expect="100-continue", *, version="1.1", size=len(body), path="/api/v1/tickets", more=bearer):
        head = f"POST {path} HTTP/{version}\r\nHost: 127.0.0.1\r\nContent-Length: {size}\r\nExpect: {expect}\r\n{more}\r\n"
        return Peer(test, server, admin=path.startswith("/api")).say(head)

    for expect in ("100-continue", "100-Continue"):
        peer = ask(expect)
        test.assertEqual(peer.head(), (100, {}))
        status, _, text = peer.say(body[:5]).say(body[5:]).answer()
        test.assertEqual((status, "ticket" in json.loads(text)["result"]), (200, True))
        # The connection is as good as before.
        peer.say(f"GET /api/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n{bearer}\r\n")
        test.assertEqual(peer.answer()[0], 200)
    page = "Content-Type: application/json\r\n"
    peer = ask(path="/dev/token", more=page)
    test.assertEqual(peer.head()[0], 100)
    test.assertEqual(peer.say('{"user":"ada____"}').answer()[0], 200)
    # Answers that make the body useless come at once.
    for peer, expected in ((ask(size=65_537), 413), (ask("the unexpected"), 417), (ask("100-continue, more"), 417),
                           (ask(path="/dev/token", expect="200-ok"), 417),
                           (ask(more=bearer + "Transfer-Encoding: chunked\r\n"), None)):
        status, headers, _ = peer.answer()
        test.assertIn(status, (expected,) if expected else (400, 411))
        test.assertEqual(headers["connection"], "close")
        test.assertTrue(peer.is_over())
    # Nobody waits who has said everything, and HTTP/1.0 knows no interim answers.
    test.assertEqual(ask(size=0).answer()[0], 400)
    for version in ("1.0", "1.1"):
        peer = Peer(test, server, admin=True)
        peer.say(f"POST /api/v1/tickets HTTP/{version}\r\nHost: 127.0.0.1\r\nContent-Length: {len(body)}\r\n"
                 f"Expect: 100-continue\r\n{bearer}\r\n{body}")
        test.assertEqual(peer.answer()[0], 200)
    peer = ask(version="1.0").say(body)
    test.assertEqual(peer.answer()[0], 200)


@case(6, "HTTP/1.0 is told whether its connection stays open")
async def http_1_0(test):
    server = test.start_server()
    for admin in (False, True):
        for method in ("GET", "HEAD"):
            for path in ("/health", "/version", "/nowhere", "/ws", "/api/v1/status"):
                peer = Peer(test, server, admin=admin)
                for _ in range(2):
                    peer.say(f"{method} {path} HTTP/1.0\r\nHost: 127.0.0.1\r\nConnection: Keep-Alive\r\n\r\n")
                    status, headers, _ = peer.answer(is_head=method == "HEAD")
                    kept = "keep-alive" in headers["connection"]
                    test.assertNotEqual(kept, "close" in headers["connection"], headers)
                    if kept:
                        test.assertEqual(headers["keep-alive"], "timeout=75")
                    else:
                        test.assertTrue(peer.is_over())
                        break
                test.assertTrue(kept or status == 401, f"{method} {path}")
                for more in ("", "Connection: close\r\n"):
                    peer = Peer(test, server, admin=admin).say(f"{method} {path} HTTP/1.0\r\n{more}\r\n")
                    _, headers, _ = peer.answer(is_head=method == "HEAD")
                    test.assertIn("close", headers["connection"])
                    test.assertTrue(peer.is_over())
    for text in ("GET / HTTP/1.0\r\nno header\r\n\r\n", "HEAD / HTTP/1.0\r\nConnection: keep-alive\r\nContent-Length: x\r\n\r\n"):
        peer = Peer(test, server).say(text)
        status, headers, _ = peer.answer(is_head=text.startswith("HEAD"))
        test.assertEqual((status, headers["connection"]), (400, "close"))
        test.assertTrue(peer.is_over())


@case(8, "an empty Host is one")
async def empty_host(test):
    server = test.start_server()
    for path in ("/health", "/health/live", "/version"):
        for host in ("Host:", "Host: ", "Host:\t"):
            test.assertEqual(Peer(test, server).say(f"GET {path} HTTP/1.1\r\n{host}\r\n\r\n").answer()[0], 200)
    test.assertEqual(Peer(test, server).say("GET /health HTTP/1.1\r\n\r\n").answer()[0], 400)
    test.assertEqual(Peer(test, server).say("GET /health HTTP/1.1\r\nHost:\r\nHost:\r\n\r\n").answer()[0], 400)
    test.assertEqual(Peer(test, server).say("GET /health HTTP/1.1\r\nHost: a b\r\n\r\n").answer()[0], 400)
    answer = knock(server, host=" ", bearer=token("ada"))
    test.addCleanup(answer.close)
    test.assertEqual(answer.status, 101)
    # It names no page's host, and not this machine.
    test.assertEqual(knock(server, headers=[("Origin", "http://")], host=" ").status, 403)
    peer = Peer(test, server).say("POST /dev/token HTTP/1.1\r\nHost:\r\nContent-Length: 14\r\n\r\n{\"user\":\"ada\"}")
    test.assertEqual(peer.answer()[0], 403)


@case(9, "empty lines before a request are skipped, first, between and cut anywhere")
async def empty_lines(test):
    server = test.start_server()
    request = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    for before in ("\r\n", "\n", "\r\n\r\n\r\n", "\r\n\n"):
        peer = Peer(test, server)
        test.assertEqual(peer.say(before + request).answer()[0], 200)
        test.assertEqual(peer.say(before).say(request + before + request).answer()[0], 200)
        test.assertEqual(peer.answer()[0], 200)
    peer = Peer(test, server)
    peer.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for piece in "\r\n\r\n":
        peer.say(piece)
    test.assertEqual(peer.say(request).answer()[0], 200)
    # Some lines, not a stream of them.
    test.assertEqual(Peer(test, server).say("\r\n" * 9_000 + request).answer()[0], 431)
    test.assertEqual(Peer(test, server).say("\rx\r\n" + request).answer()[0], 400)


@case(14, "a connection may wait longer for its next request than a request may take")
async def idle_connections(test):
    server = test.start_server(client={"handshake_timeout": "300ms", "keep_alive_timeout": "1h"})
    request = "GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n"
    idle = [Peer(test, server), Peer(test, server)]
    for peer in idle:
        test.assertEqual(peer.say(request).answer()[1]["keep-alive"], "timeout=3600")
    # While these are given up, one after the other, the idle ones wait through several such times.
    for start in ("", "GET /hea", "\r\n", "GET /health HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nab", request + "GET"):
        peer = Peer(test, server).say(start)
        if start.startswith(request):
            test.assertEqual(peer.answer()[0], 200)
        test.assertTrue(peer.is_over(), start)
    test.assertTrue(idle[0].say("GET /hea").is_over())
    test.assertEqual(idle[1].say(request).answer()[0], 200)
    impatient = test.start_server(client={"keep_alive_timeout": "50ms"})
    peer = Peer(test, impatient).say(request)
    test.assertEqual(peer.answer()[0], 200)
    test.assertTrue(peer.is_over())


@case(14, "where strangers crowd, an idle connection is held no longer than a request")
async def idle_connections_in_a_crowd(test):
    server = test.start_server(client={"handshake_timeout": "300ms", "keep_alive_timeout": "1h"},
                               limits={"unauthenticated": 8})
    peer = Peer(test, server).say("GET /health/live HTTP/1.1\r\nHost: x\r\n\r\n")
    test.assertIn("keep-alive", peer.answer()[1]["connection"])
    for _ in range(4):
        answer = knock(server)
        test.addCleanup(answer.close)
        test.assertEqual(answer.status, 101)
    test.assertTrue(peer.is_over())


@case(17, "an upgrade that a proxy has stripped is told what is missing and what to set")
async def stripped_upgrades(test):
    server = test.start_server()
    for request, missing, is_proxys in (
            (f"HTTP/1.0\r\nHost: x\r\nConnection: close\r\n{KEY}", ("HTTP/1.0", "Upgrade:", "Connection:"), True),
            (f"HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{KEY}", ("Upgrade:", "Connection:"), True),
            (f"HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n{KEY}", ("Upgrade: websocket",), True),
            (f"HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\n{KEY}", ("Connection: Upgrade",), True),
            (f"HTTP/1.0\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n{KEY}", ("HTTP/1.0",), True),
            ("HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n", ("Sec-WebSocket-Version",), False)):
        status, headers, body = Peer(test, server).say(f"GET /ws {request}\r\n").answer()
        test.assertEqual((status, headers["upgrade"], headers["sec-websocket-version"]), (426, "websocket", "13"))
        for what in missing:
            test.assertIn(what, message(body))
        for setting in ("proxy_http_version 1.1", "proxy_set_header Upgrade", "proxy_set_header Connection"):
            test.assertEqual(setting in message(body), is_proxys, message(body))
    server.until(lambda: "it came by HTTP/1.0" in log_of(server), "the log says what was missing")


@case(18, "a foreign origin is told host and port, and what to add")
async def foreign_origins(test):
    server = test.start_server()
    host = f"127.0.0.1:{server.port}"
    answer = knock(server, headers=[("Origin", "http://127.0.0.1:5173")])
    test.assertEqual(answer.status, 403)
    reason = message(answer.body)
    for what in ("host and port", f'"{host}"', 'origins = ["http://127.0.0.1:5173"]'):
        test.assertIn(what, reason)
    server.until(lambda: "127.0.0.1:5173" in log_of(server), "the log names the origin")
    same = knock(server, headers=[("Origin", f"http://{host}")])
    test.addCleanup(same.close)
    test.assertEqual(same.status, 101)


@case(19, "a slash at the end of a path changes nothing")
async def last_slashes(test):
    server = test.start_server()
    for path in ("/health/", "/health/live/", "/health/ready/", "/version/", "/health/?x=1"):
        test.assertEqual(Peer(test, server).say(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n").answer()[0], 200, path)
    for path in ("/ws/", "/ws"):
        answer = knock(server, "?thread_id=t1", path=path, bearer=token("ada"))
        test.addCleanup(answer.close)
        test.assertEqual(answer.status, 101)
    for path in ("/ws//", "//ws", "/health//", "/ws/x/"):
        test.assertEqual(knock(server, path=path).status, 404, path)
    test.assertIn("gangway_users", server.admin("/metrics/"))
    test.assertEqual(server.ask("/users/").keys(), server.ask("/users").keys())


@case(23, "a byte order mark before a request's body is skipped")
async def marked_bodies(test):
    server = test.start_server()
    for admin, path, body in ((True, "/api/v1/tickets", '{"user_id":"ada"}'), (False, "/dev/token", '{"user":"ada"}')):
        for mark, status in ((b"", 200), (b"\xef\xbb\xbf", 200), (b"\xef\xbb\xbf" * 2, 400)):
            peer = Peer(test, server, admin=admin)
            peer.say(f"POST {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
                     f"Authorization: Bearer {server.operator}\r\nContent-Length: {len(mark) + len(body)}\r\n\r\n")
            test.assertEqual(peer.say(mark + body.encode()).answer()[0], status)


@case(28, "who offers a token as the only subprotocol is told what to offer beside it")
async def lonely_token(test):
    server = test.start_server()
    for offered in (as_subprotocol(token("ada")), f"chat, {as_subprotocol(token('ada'))}"):
        answer = knock(server, headers=[("Sec-WebSocket-Protocol", offered)])
        test.assertEqual(answer.status, 400)
        test.assertIn(SUBPROTOCOL, message(answer.body))
        test.assertNotIn(base64url(token("ada"))[:20], answer.body.decode())
    server.until(lambda: f"{SUBPROTOCOL} is not" in log_of(server), "the log says it too: browsers show nobody")
    for offered in (f"{as_subprotocol(token('ada'))}, {SUBPROTOCOL}", f"{SUBPROTOCOL}, {as_subprotocol(token('ada'))}"):
        answer = knock(server, headers=[("Sec-WebSocket-Protocol", offered)])
        test.addCleanup(answer.close)
        test.assertEqual((answer.status, answer.headers["sec-websocket-protocol"]), (101, SUBPROTOCOL))
