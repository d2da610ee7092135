"""Starts Gangway for a test and speaks to it through Debian's python3-websockets, which this project did not write."""

import asyncio
import base64
import hashlib
import hmac
import json
import os
import random
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest
import urllib.request
from pathlib import Path

import websockets

PROGRAM = os.environ.get("GANGWAYD", str(Path(__file__).parents[2] / "build/release/gangwayd"))
CTL = os.environ.get("GANGWAYCTL", str(Path(PROGRAM).with_name("gangwayctl")))
SECRET = "a secret for the end-to-end tests only"
PATIENCE = 20  # seconds for anything that should happen at once: a loaded machine is no failure
ENDINGS = {"agent_completed", "agent_failed", "agent_cancelled"}


def base64url(data):
    return base64.urlsafe_b64encode(data if isinstance(data, bytes) else data.encode()).rstrip(b"=").decode()


def token(user, tier="free", *, secret=SECRET, algorithm="HS256", header=None, expires_in=3600, **claims):
    """Returns a JWT made here, by RFC 7519 and not by Gangway. A claim that is None is left out; `header` is added to
    the usual one.
    """
    claims = {"sub": user, "tier": tier, "exp": int(time.time()) + expires_in, **claims}
    claims = {name: value for name, value in claims.items() if value is not None}
    header = {"alg": algorithm, "typ": "JWT", **(header or {})}
    signed = base64url(json.dumps(header)) + "." + base64url(json.dumps(claims))
    secret = secret if isinstance(secret, bytes) else secret.encode()
    digest = b"" if algorithm == "none" else hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{base64url(digest)}"


def free_ports(count):
    """Returns ports below those that the kernel hands out by itself, so that nobody gets them by accident meanwhile."""
    ports = []
    while len(ports) < count:
        port = random.randrange(20_000, 32_000)
        try:
            socket.create_server(("127.0.0.1", port)).close()
        except OSError:
            continue
        if port not in ports:
            ports.append(port)
    return ports


KEYS = ("secret", "secret_file", "public_key_file", "jwks_url")  # a server verifies tokens by exactly one of these


class Server:
    """A gangwayd with a folder and ports of its own. Settings are sections of the configuration file, and what stands
    above them. With a `certificate` (of certificates.py) both listeners speak TLS.
    """

    host = "127.0.0.1"  # where it listens
    mode = ["--dev"]

    def __init__(self, *, certificate=None, **sections):
        self.folder = Path(tempfile.mkdtemp(prefix="gangway-e2e-"))
        self.store = self.folder / "gangway.db"
        self.log = self.folder / "log"
        self.sections = {"auth": {}, "admin": {}, "store": {"path": str(self.store)}, **sections}
        if not any(key in self.sections["auth"] for key in KEYS):
            self.sections["auth"] = {"secret": SECRET, **self.sections["auth"]}
        if certificate:
            self.sections["tls"] = {"certificate_file": str(certificate.file), "key_file": str(certificate.key)}
        self.scheme = "https" if certificate else "http"
        self.certificate, self.ca_file = certificate, certificate and certificate.issuer
        self.trust = certificate and certificate.trust()
        self.process = None

    @property
    def operator(self):
        """What an operator shows at the admin listener; nothing where only other keys count: --dev asks for nothing."""
        secret = self.sections["auth"].get("secret")
        return secret and token("an operator", secret=secret, role="gangway_admin")

    def configure(self):
        self.port, self.admin_port = free_ports(2)
        self.sections["admin"]["listen"] = f"127.0.0.1:{self.admin_port}"
        lines = [f'listen = "{self.host}:{self.port}"']
        lines += [f"{key} = {json.dumps(value)}" for key, value in self.sections.items() if not isinstance(value, dict)]
        for name, section in self.sections.items():
            if isinstance(section, dict):
                lines += [f"[{name}]", *(f"{key} = {json.dumps(value)}" for key, value in section.items())]
        (self.folder / "gangway.toml").write_text("\n".join(lines) + "\n")

    def launch(self, *wrapper):
        """Starts the program and does not wait. It does not outlive a test that is killed."""
        program = [PROGRAM, *self.mode, "--config", f"{self.folder}/gangway.toml"]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([*wrapper, "setpriv", "--pdeathsig", "KILL", *program],
                                            stdin=subprocess.DEVNULL, stdout=log, stderr=log)

    def start(self, *wrapper):
        """Starts the program, `wrapper` before it on its command line, and returns when it says that it is ready."""
        for attempt in range(3):  # somebody else may take a port between its choice and its use
            if attempt or self.process is None:
                self.configure()
            self.launch(*wrapper)
            deadline = time.monotonic() + PATIENCE
            while time.monotonic() < deadline:
                if self.health("/health/ready")[0] == 200:
                    return self
                try:
                    self.process.wait(timeout=0.02)
                    break
                except subprocess.TimeoutExpired:
                    pass
            self.kill()
            if "in use" not in self.log.read_text(errors="replace"):
                break
        raise AssertionError(f"gangwayd did not become ready:\n{self.log_tail()}")

    def until(self, question, what):
        """Asks until the answer is yes, while the program runs; returns that answer."""
        deadline = time.monotonic() + PATIENCE
        while not (answer := question()):
            try:
                self.process.wait(timeout=0.02)
                raise AssertionError(f"gangwayd ended, and not yet: {what}\n{self.log_tail()}")
            except subprocess.TimeoutExpired:
                if time.monotonic() > deadline:
                    raise AssertionError(f"still not: {what}") from None
        return answer

    def health(self, path="/health"):
        """Returns a GET's status and body; 0 if nobody answers."""
        try:
            with urllib.request.urlopen(f"{self.scheme}://127.0.0.1:{self.port}{path}", timeout=PATIENCE,
                                        context=self.trust) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError:
            return 0, ""

    def admin(self, path, order=None, *, bearer=None):
        """Returns what the admin listener answers a GET with, or an `order` that is posted to it, as text."""
        bearer = bearer or self.operator
        wanted = urllib.request.Request(f"{self.scheme}://127.0.0.1:{self.admin_port}{path}",
                                        data=json.dumps(order).encode() if order is not None else None,
                                        headers={"Authorization": f"Bearer {bearer}"} if bearer else {})
        if order is not None:
            wanted.add_header("Content-Type", "application/json")
        with urllib.request.urlopen(wanted, timeout=PATIENCE, context=self.trust) as answer:
            return answer.read().decode()

    def ask(self, path):
        """Returns the result of a question to the admin API."""
        return json.loads(self.admin("/api/v1" + path))["result"]

    def decisions(self, user):
        """Returns the decisions about a user, the oldest first."""
        # They are recorded behind the answer that they were made for, which counts them.
        made = sum(count for name, count in self.metrics().items()
                   if name.startswith('gangway_cleanup_runs_total{scope="request"'))
        deadline = time.monotonic() + 10
        while sum(one.get("scope") == "request" for one in self.ask("/decisions?limit=1000")["decisions"]) < made:
            if time.monotonic() > deadline:
                raise AssertionError(f"{made} cleanups were counted, and fewer are on record")
        return self.ask(f"/decisions?user={user}")["decisions"][::-1]

    def metrics(self):
        """Returns the series of /metrics by their names with labels, as they stand there."""
        series = [line.rpartition(" ") for line in self.admin("/metrics").splitlines() if not line.startswith("#")]
        return {name: float(value) for name, _, value in series}

    def ctl(self, *words, **variables):
        """Runs gangwayctl against this server, with these variables set otherwise; returns its exit status and what it
        printed.
        """
        environment = {**os.environ, "GANGWAYCTL_URL": f"{self.scheme}://127.0.0.1:{self.admin_port}"}
        environment.update({"GANGWAYCTL_TOKEN": self.operator} if self.operator else {})
        environment.update({"GANGWAYCTL_CA_FILE": str(self.ca_file)} if self.ca_file else {})
        environment.update(variables)
        ran = subprocess.run([CTL, *words], env=environment, capture_output=True, text=True, timeout=60)
        return ran.returncode, ran.stdout + ran.stderr

    def hang_up(self):
        """Tells the program to read its keys and certificates again."""
        self.process.send_signal(signal.SIGHUP)

    def end(self):
        """Asks the program to end and returns its exit code."""
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=PATIENCE)

    def kill(self):
        """Ends the program as a crash would."""
        if self.process and self.process.poll() is None:
            self.process.kill()
            self.process.wait()

    def clean_up(self):
        self.kill()
        shutil.rmtree(self.folder, ignore_errors=True)

    def log_tail(self, lines=40):
        return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:]) if self.log.exists() else ""

    @property
    def url(self):
        return f"{'wss' if self.trust else 'ws'}://127.0.0.1:{self.port}/ws"


class Refused(Exception):
    """A command was answered by an error."""

    def __init__(self, error):
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]
        self.message = error["message"]
        self.error = error


class Client:
    """One socket. Replies find their request; every other frame waits until a test takes it."""

    def __init__(self, socket):
        self.socket = socket
        self.frames = []
        self.closed = False
        self.arrived = asyncio.Condition()
        self.last_id = 0
        self.reader = asyncio.create_task(self.read())

    @classmethod
    async def connect(cls, server, user=None, *, bearer=None, query="", headers=(), subprotocols=None, hello=True):
        """Returns a client that signed in by the header as `user` or with the token `bearer`. `server` may be anything
        with a `url` and a `trust`, such as a proxy in front of one.
        """
        credential = bearer or (token(user) if user else None)
        headers = [*headers, *([("Authorization", f"Bearer {credential}")] if credential else [])]
        socket = await asyncio.wait_for(
            websockets.connect(server.url + query, extra_headers=headers, subprotocols=subprotocols, max_size=None,
                               max_queue=None, ping_interval=None, close_timeout=2, ssl=server.trust), PATIENCE)
        client = cls(socket)
        if credential and hello:
            client.hello = await client.take(lambda frame: frame.get("type") == "connected")
        return client

    async def read(self):
        try:
            async for text in self.socket:
                await self.hear(text)
        except websockets.ConnectionClosed:
            pass
        await self.hear_no_more()

    async def hear(self, text):
        async with self.arrived:
            self.frames.append(json.loads(text))
            self.arrived.notify_all()

    async def hear_no_more(self):
        async with self.arrived:
            self.closed = True
            self.arrived.notify_all()

    async def take(self, wanted, what="a frame"):
        """Returns the next frame that is `wanted` and leaves the others."""
        async def taken():
            async with self.arrived:
                while True:
                    for index, frame in enumerate(self.frames):
                        if wanted(frame):
                            return self.frames.pop(index)
                    if self.closed:
                        raise AssertionError(f"closed with {self.socket.close_code} before {what} came")
                    await self.arrived.wait()
        try:
            return await asyncio.wait_for(taken(), PATIENCE)
        except asyncio.TimeoutError:
            raise AssertionError(f"{what} did not come; there are {self.frames}") from None

    async def send(self, frame):
        await self.socket.send(frame if isinstance(frame, (str, bytes)) else json.dumps(frame))

    async def post(self, type, **fields):
        """Sends a command and returns its id."""
        self.last_id += 1
        await self.send({"id": self.last_id, "type": type, **fields})
        return self.last_id

    async def answer(self, id):
        reply = await self.take(lambda frame: frame.get("id") == id, f"the answer to {id}")
        if "error" in reply:
            raise Refused(reply["error"])
        return reply["result"]

    async def request(self, type, **fields):
        return await self.answer(await self.post(type, **fields))

    async def refusal(self, type, **fields):
        """Returns the error that a command must be answered with."""
        try:
            result = await self.request(type, **fields)
        except Refused as refused:
            return refused.error
        raise AssertionError(f"{type} was not refused: {result}")

    async def notice(self, kind, **fields):
        """Returns the next notice of a kind with these fields."""
        wanted = {"type": "notice", "kind": kind, **fields}
        return await self.take(lambda frame: frame.items() >= wanted.items(), f"the notice {kind}")

    def notices(self, kind):
        """Returns the notices of a kind that have come and were not taken."""
        return [frame for frame in self.frames if frame.get("type") == "notice" and frame["kind"] == kind]

    async def managers(self):
        status = await self.request("status")
        return status["managers_used"], status["managers_max"]

    async def event(self, thread):
        return await self.take(lambda frame: frame.get("type") == "event" and frame["thread_id"] == thread,
                               f"an event of {thread}")

    async def events_until(self, thread, *types):
        """Returns the events of a thread up to and with the first of these types."""
        events = [await self.event(thread)]
        while events[-1]["event"]["type"] not in types:
            events.append(await self.event(thread))
        return events

    async def converse(self, thread, content, **fields):
        """Sends a message; returns the answer to it and all events of its run."""
        sent = await self.request("message.send", thread_id=thread, content=content, **fields)
        return sent, await self.events_until(thread, *ENDINGS)

    async def close_code(self):
        """Returns the code that the other side closes with."""
        await asyncio.wait_for(self.socket.wait_closed(), PATIENCE)
        return self.socket.close_code

    async def vanish(self):
        """Is gone without a word."""
        self.socket.transport.abort()
        await self.socket.wait_closed()

    async def close(self):
        await self.socket.close()
        await self.reader


class GangwayTest(unittest.IsolatedAsyncioTestCase):
    """A test with servers and clients of its own, which end with it; if it fails, it shows what the servers logged."""

    def setUp(self):
        self.logs = []

    def make_server(self, **options):
        server = Server(**options)
        self.addCleanup(server.clean_up)
        self.addCleanup(lambda: self.logs.append(server.log_tail()))
        return server

    def start_server(self, **options):
        return self.make_server(**options).start()

    async def client(self, server, user=None, **options):
        client = await Client.connect(server, user, **options)
        self.addAsyncCleanup(client.close)
        return client

    def run(self, result=None):
        before = len(result.failures) + len(result.errors) if result else 0
        result = super().run(result)
        if result and len(result.failures) + len(result.errors) > before:
            print(f"--- logged during {self.id()}:", *self.logs, "---", sep="\n", flush=True)
        return result

    def assert_no_gap(self, events, after=0):
        """Every sequence number above `after` is there once, in order."""
        for frame in events:
            self.assertEqual(frame.get("first_seq", frame["seq"]), after + 1, f"after {after} came {frame}")
            after = frame["seq"]


def types(events):
    """Returns the types of events, a run of equal ones as one."""
    names = [frame["event"]["type"] for frame in events]
    return [name for index, name in enumerate(names) if index == 0 or name != names[index - 1]]


def text(events):
    """Returns what an agent said, put together from its deltas."""
    return "".join(frame["event"]["delta"] for frame in events if frame["event"]["type"] == "message_delta")
