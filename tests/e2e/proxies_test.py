"""A real nginx and a real HAProxy in front of Gangway, some of which strip what a token could travel in."""

import asyncio
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import unittest
from pathlib import Path

import websockets

from certificates import Authority
from gangway import PATIENCE, SECRET, GangwayTest, free_ports, text, token
from knocking import SUBPROTOCOL, as_subprotocol, knock

os.environ["PATH"] += ":/usr/sbin"  # where Debian has both
QUESTION = "what is 12*(3+4)?"
SKIPPED = 77
CUT_AFTER = 1  # seconds of silence after which these proxies cut a connection

NGINX = """
daemon off;
master_process off;
pid {folder}/nginx.pid;
error_log {folder}/proxy.log notice;
events {{ worker_connections 1000; }}
http {{
  access_log off;
  {temporary}
  map $http_upgrade $connection_upgrade {{ default upgrade; '' close; }}
  server {{
    listen 127.0.0.1:{port} {tls};
    {certificate}
    location / {{
      proxy_pass http://127.0.0.1:{behind};
      proxy_http_version 1.1;
      proxy_set_header Upgrade $http_upgrade;
      proxy_set_header Connection $connection_upgrade;
      proxy_set_header Host $http_host;
      proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
      proxy_read_timeout {cut_after}s;
      {strip}
    }}
  }}
}}
"""

HAPROXY = """
defaults
  mode http
  timeout connect 5s
  timeout client {cut_after}s
  timeout server {cut_after}s
  timeout tunnel {cut_after}s
frontend public
  bind 127.0.0.1:{port} {tls}
  option forwardfor
  {strip}
  default_backend gangway
backend gangway
  server gangway 127.0.0.1:{behind}
"""


class Proxy:
    """A program in front of a server, with a folder of its own; clients take it for the server."""

    def __init__(self, server, *, strips=False, certificate=None):
        self.folder = Path(tempfile.mkdtemp(prefix="gangway-e2e-"))
        self.log = self.folder / "proxy.log"
        self.server, self.strips, self.certificate = server, strips, certificate
        self.trust = certificate and certificate.trust()
        self.process = None

    @property
    def url(self):
        return f"{'wss' if self.trust else 'ws'}://127.0.0.1:{self.port}/ws"

    def start(self):
        """Starts the program and returns when it passes on what the server answers."""
        for _ in range(3):  # somebody else may take a port between its choice and its use
            self.launch()
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                if self.answers():
                    return self
                try:
                    self.process.wait(timeout=0.02)
                    break
                except subprocess.TimeoutExpired:
                    pass
            self.end()
        raise AssertionError(f"the proxy does not answer:\n{self.log.read_text()}")

    def launch(self):
        [self.port] = free_ports(1)
        file = self.folder / "proxy.conf"
        file.write_text(self.configuration())
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", *self.command(file)], cwd=self.folder,
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def answers(self):
        try:
            answer = knock(self, path="/health/ready")
            return answer.status == 200
        except (OSError, AssertionError):
            return False

    def end(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(timeout=PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def clean_up(self):
        self.end()
        shutil.rmtree(self.folder, ignore_errors=True)


class Nginx(Proxy):
    def command(self, file):
        return ["nginx", "-e", str(self.log), "-p", str(self.folder), "-c", str(file)]

    def configuration(self):
        strip = 'proxy_set_header Authorization ""; proxy_set_header Sec-WebSocket-Protocol "";'
        certificate = self.certificate
        kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
        shown = certificate and (f"ssl_certificate {certificate.file}; ssl_certificate_key {certificate.key}; "
                                 "ssl_protocols TLSv1.2 TLSv1.3;")
        return NGINX.format(folder=self.folder, port=self.port, tls="ssl" if certificate else "",
                            certificate=shown or "", behind=self.server.port, cut_after=CUT_AFTER, strip=strip if self.strips else "",
                            temporary=" ".join(f"{kind}_temp_path {self.folder}/{kind};" for kind in kinds))


class Haproxy(Proxy):
    def command(self, file):
        return ["haproxy", "-db", "-f", str(file)]

    def configuration(self):
        strip = "http-request del-header Authorization\n  http-request del-header Sec-WebSocket-Protocol"
        both = self.folder / "both.pem"
        if self.certificate:
            both.write_bytes(self.certificate.file.read_bytes() + self.certificate.key.read_bytes())
        return HAPROXY.format(port=self.port, behind=self.server.port, strip=strip if self.strips else "",
                              cut_after=CUT_AFTER, tls=f"ssl crt {both}" if self.certificate else "")


class Through:
    """What holds through either proxy."""

    kind = None

    def proxy(self, server, **options):
        proxy = self.kind(server, **options)
        self.addCleanup(proxy.clean_up)
        return proxy.start()

    async def converses(self, client, hello=None):
        hello = hello or await client.take(lambda frame: frame.get("type") == "connected")
        self.assertEqual((hello["user_id"], hello["tier"]), ("ada", "pro"))
        await client.request("thread.open", thread_id="t1")
        _, events = await client.converse("t1", QUESTION)
        self.assertIn("84", text(events))
        await client.close()
        self.assertEqual(client.socket.close_code, 1000)

    def ticket(self, server):
        return json.loads(server.admin("/api/v1/tickets", {"user_id": "ada", "tier": "pro"}))["result"]["ticket"]

    async def test_every_way_leads_through_a_proxy_that_strips_nothing(self):
        server = self.start_server()
        proxy = self.proxy(server)
        bearer = token("ada", "pro")
        await self.converses(await self.client(proxy, bearer=bearer, hello=False))
        client = await self.client(proxy, subprotocols=[SUBPROTOCOL, as_subprotocol(bearer)])
        self.assertEqual(client.socket.subprotocol, SUBPROTOCOL)
        await self.converses(client)
        client = await self.client(proxy)
        await self.converses(client, await client.request("connect", token=bearer))
        await self.converses(await self.client(proxy, query=f"?ticket={self.ticket(server)}"))

    async def test_the_connect_frame_and_the_ticket_lead_through_one_that_strips_the_headers(self):
        server = self.start_server()
        proxy = self.proxy(server, strips=True)
        bearer = token("ada", "pro")
        offered = {"bearer": bearer, "subprotocols": [SUBPROTOCOL, as_subprotocol(bearer)], "hello": False}
        client = await self.client(proxy, **offered)
        self.assertIsNone(client.socket.subprotocol)
        self.assertEqual((await client.refusal("ping"))["code"], "unauthenticated")  # the header did not come through
        await self.converses(client, await client.request("connect", token=bearer))
        await self.converses(await self.client(proxy, **offered, query=f"?ticket={self.ticket(server)}"))

    async def test_a_refusal_comes_through_as_what_it_is(self):
        server = self.start_server(auth={"timeout": "500ms"})
        bad = token("ada", secret=SECRET[::-1])
        for strips in (False, True):
            proxy = self.proxy(server, strips=strips)
            if not strips:
                answer = await asyncio.to_thread(knock, proxy, bearer=bad)
                self.assertEqual((answer.status, answer.code), (401, "unauthenticated"))
            answer = await asyncio.to_thread(knock, proxy, "?ticket=unknown")
            self.assertEqual((answer.status, answer.code), (401, "unauthenticated"))
            client = await self.client(proxy, bearer=None)
            self.assertEqual((await client.refusal("connect", token=bad))["code"], "unauthenticated")
            self.assertEqual(await client.close_code(), 4500)
            self.assertEqual(await (await self.client(proxy)).close_code(), 4502)

    async def test_pings_keep_a_silent_connection_through_a_proxy_that_cuts_silent_ones(self):
        server = self.start_server(heartbeat={"interval": "300ms", "timeout": "200ms"})
        client = await self.client(self.proxy(server))
        hello = await client.request("connect", token=token("ada", "pro"), capabilities=["json_ping"])
        begun = time.monotonic()
        while time.monotonic() - begun < 3 * CUT_AFTER:
            await client.take(lambda frame: frame.get("type") == "ping", "a ping")
            await client.send({"type": "pong"})
        await self.converses(client, hello)

    async def test_what_a_proxy_cuts_is_resumed(self):
        server = self.start_server()
        proxy = self.proxy(server)
        client = await self.client(proxy, "ada")
        opened = await client.request("thread.open", thread_id="t1")
        _, events = await client.converse("t1", QUESTION)
        self.assertIn(await client.close_code(), (1000, 1001, 1006))
        again = await self.client(proxy, "ada")
        resumed = await again.request("thread.open", thread_id="t1", epoch=opened["epoch"], after_seq=events[1]["seq"])
        self.assertTrue(resumed["resumed"])
        replayed = [await again.event("t1") for _ in events[2:]]
        self.assert_no_gap(replayed, after=events[1]["seq"])

    async def test_a_server_that_dies_behind_a_proxy_is_no_internal_error(self):
        server = self.start_server()
        proxy = self.proxy(server)
        client = await self.client(proxy, "ada")
        opened = await client.request("thread.open", thread_id="t1")
        await client.request("message.send", thread_id="t1", content="/stream 1000 100")
        seen = [await client.event("t1") for _ in range(5)]
        server.kill()
        self.assertIn(await client.close_code(), (1000, 1001, 1006))
        self.assertIn((await asyncio.to_thread(knock, proxy)).status, (502, 503, 504))
        await asyncio.to_thread(server.start)
        again = await self.client(proxy, "ada")
        resumed = await again.request("thread.open", thread_id="t1", epoch=opened["epoch"], after_seq=seen[-1]["seq"])
        self.assertTrue(resumed["resumed"])
        self.assertEqual((await again.events_until("t1", "agent_failed"))[-1]["event"]["code"], "interrupted")

    async def test_a_server_that_ends_behind_a_proxy_says_so_to_the_client(self):
        server = self.start_server()
        client = await self.client(self.proxy(server), "ada")
        await asyncio.to_thread(server.end)
        self.assertEqual(await client.close_code(), 1001)

    async def test_clients_of_a_trusted_proxy_are_counted_by_their_own_address(self):
        server = self.start_server(limits={"unauthenticated_per_address": 2}, trusted_proxies=["127.0.0.1"])
        proxy = self.proxy(server)

        def statuses(source, count):
            answers = [knock(proxy, source=source) for _ in range(count)]
            for answer in answers:
                self.addCleanup(answer.close)
            return [answer.status for answer in answers]

        self.assertEqual(statuses("127.0.0.2", 3), [101, 101, 503])
        self.assertEqual(statuses("127.0.0.3", 3), [101, 101, 503])

    async def test_a_proxy_may_speak_tls_for_the_server(self):
        authority = Authority()
        self.addCleanup(authority.clean_up)
        proxy = self.proxy(self.start_server(), strips=True, certificate=authority.certificate("proxy"))
        page = [("Origin", f"https://127.0.0.1:{proxy.port}")]
        client = await self.client(proxy, headers=page)
        await self.converses(client, await client.request("connect", token=token("ada", "pro")))
        with self.assertRaises(websockets.InvalidStatusCode) as refused:
            await self.client(proxy, headers=[("Origin", "https://eve.example")])
        self.assertEqual(refused.exception.status_code, 403)


class ThroughNginx(Through, GangwayTest):
    kind = Nginx


class ThroughHaproxy(Through, GangwayTest):
    kind = Haproxy


if __name__ == "__main__":
    missing = [program for program in ("nginx", "haproxy") if not shutil.which(program)]
    if missing:
        print(f"skipped: {' and '.join(missing)} missing (Debian's nginx-light and haproxy; ./dev test installs them)")
        sys.exit(SKIPPED)
    unittest.main(verbosity=2)
