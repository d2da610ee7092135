"""What the benchmarks have in common: servers in processes of their own, on a core of their own."""

import atexit
import base64
import hashlib
import hmac
import http.client
import json
import os
import pathlib
import resource
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
NAME = pathlib.Path(sys.argv[0]).name
SECRET = "a secret of this benchmark alone: it signs nothing else"


def encode(value):
    return base64.urlsafe_b64encode(value).rstrip(b"=").decode()


def make_token(user, **claims):
    claims = {"sub": user, "exp": int(time.time()) + 24 * 3600, **claims}
    signed = encode(b'{"alg":"HS256","typ":"JWT"}') + "." + encode(json.dumps(claims).encode())
    return signed + "." + encode(hmac.new(SECRET.encode(), signed.encode(), hashlib.sha256).digest())


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def wait_until(is_true, what):
    deadline = time.monotonic() + 20
    while not is_true():
        if time.monotonic() > deadline:
            sys.exit(f"{NAME}: waited in vain until {what}")
        time.sleep(0.02)


def two_cores():
    """Returns a core for the server and one for its clients."""
    cores = sorted(os.sched_getaffinity(0))
    if len(cores) < 2:
        sys.exit(f"{NAME}: this needs two cores, one for the server and one for its clients")
    return cores[:2]


def prepare(core):
    """Returns what a child does first: it stays on one core and may open as many files as the machine allows."""
    def limits():
        os.sched_setaffinity(0, {core})
        most = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return limits


class Server:
    """A running server."""

    def start(self, command, core):
        # Clients here ask and dial as fast as they can, which the budgets are made to prevent; they are looked at all the
        # same.
        environment = {**os.environ, "GANGWAY_LIMITS_FRAMES_PER_SECOND": "10000000",
                       "GANGWAY_LIMITS_BYTES_PER_SECOND": "1GiB", "GANGWAY_LIMITS_DIALS_PER_ADDRESS": "10000000"}
        self.process = subprocess.Popen(command, preexec_fn=prepare(core), stderr=subprocess.PIPE, env=environment)
        atexit.register(self.stop)  # however this ends
        wait_until(self.is_ready, f"{self.name} is ready")

    def is_ready(self):
        if self.process.poll() is not None:
            sys.exit(f"{NAME}: {self.name} ended: {self.process.stderr.read().decode()}")
        try:
            return self.answers()
        except OSError:
            return False

    def stop(self):
        self.process.kill()
        self.process.wait()
        self.process.stderr.close()

    def resident_bytes(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1]) * 1024

    def processor_seconds(self):
        """Returns how long its threads have run, which a busy machine changes less than how long they took."""
        threads = pathlib.Path(f"/proc/{self.process.pid}/task").glob("*/schedstat")
        return sum(int(each.read_text().split()[0]) for each in threads) / 1e9


class Beast(Server):
    """The yardstick: beast_echo on one event loop."""
    name = "beast"

    def __init__(self, programs, core):
        self.port = free_port()
        self.start([programs / "bench/beast_echo", str(self.port)], core)

    def answers(self):
        socket.create_connection(("127.0.0.1", self.port)).close()
        return True


class Gangway(Server):
    """gangwayd on one event loop, without heartbeats that would fall into a measurement. `sections` is configuration
    beyond what every benchmark sets, `keys` the one source of keys that tokens are checked by."""
    name = "gangway"

    def __init__(self, programs, core, folder, sections="", keys=f'secret = "{SECRET}"'):
        self.folder = pathlib.Path(tempfile.mkdtemp(dir=folder))
        self.port, self.admin_port = free_port(), free_port()
        file = self.folder / "gangway.toml"
        file.write_text(f"""
listen = "127.0.0.1:{self.port}"
[admin]
listen = "127.0.0.1:{self.admin_port}"
[auth]
{keys}
[store]
path = "{self.folder}/gangway.db"
[heartbeat]
interval = "1h"
timeout = "30m"
[run]
stall_after = "2h"
total_max = "3h"
[loop]
threads = 1
[log]
level = "warning"
{sections}
[[agents]]
name = "builtin"
kind = "builtin"
""")
        file.chmod(0o600)
        self.start([programs / "gangwayd", "--config", file], core)

    def answers(self):
        asking = http.client.HTTPConnection("127.0.0.1", self.port, timeout=5)
        asking.request("GET", "/health/ready")
        status = asking.getresponse().status
        asking.close()
        return status == 200

    def metrics(self):
        """Returns the series of /metrics by their names with labels."""
        asking = http.client.HTTPConnection("127.0.0.1", self.admin_port, timeout=5)
        asking.request("GET", "/metrics", headers={"Authorization": f"Bearer {make_token('bench', role='gangway_admin')}"})
        series = [line.rpartition(" ") for line in asking.getresponse().read().decode().splitlines()
                  if not line.startswith("#")]
        asking.close()
        return {name: float(value) for name, _, value in series}

    def make_tokens(self, users):
        """Returns a file of tokens, one a line. Ids are as long as OAuth's; they differ from those of the files before,
        so that nobody meets threads of another."""
        self.files = getattr(self, "files", 0) + 1
        file = self.folder / "tokens"
        file.write_text("".join(make_token(f"{self.files:011}{i:010}") + "\n" for i in range(users)))
        return file


class Clients:
    """Clients in a process of their own, which do what they are told: bench/visitors, which lists the words."""

    def __init__(self, programs, core, server):
        self.process = subprocess.Popen([programs / "bench/visitors", str(server.port)], preexec_fn=prepare(core),
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def tell(self, *words):
        print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            sys.exit(f"{NAME}: the clients failed")
        return json.loads(answer)

    def dial(self, user):
        return self.tell("dial", make_token(user))["socket"]

    def end(self):
        self.process.stdin.close()
        self.process.wait()


def judge(value, limit, is_good, missed, what):
    """Returns whether a target was met, as a word, and notes what was missed."""
    if is_good:
        return "met"
    missed.append(f"{what}: {value:.2f} (target {limit})")
    return "MISSED"


def conclude(result, missed, load, check):
    """Says what was missed, keeps the result, and returns the exit status."""
    if load[0] > 1.5:
        print(f"the machine was busy when this began (load {load[0]:.1f}): compare the ratios, not the numbers")
    for line in missed:
        print(f"missed: {line}")
    file = ROOT / f"build/bench/{NAME}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps(result | {"load_average": load, "missed": missed}, indent=1) + "\n")
    return 1 if missed and check else 0
