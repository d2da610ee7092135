"""Clients whose network is gone without a word: nobody answers pings, and no kernel acknowledges anything.

A stopped process would not show that, since its kernel still acknowledges. So the test moves into a network namespace
of its own and puts the clients into a second one; the link between the two can be taken down.
"""

import asyncio
import os
import subprocess
import sys
import time
import unittest

from gangway import PATIENCE, GangwayTest, token
from visitor import Visitor

HERE, THERE = "10.77.0.1", "10.77.0.2"
PROBE = 3  # seconds
SKIPPED = 77


def run(*words):
    subprocess.run(words, check=True)


class CutOff(GangwayTest):
    @classmethod
    def setUpClass(cls):
        # It holds the clients' namespace.
        cls.anchor = subprocess.Popen(["setpriv", "--pdeathsig", "KILL", "unshare", "--net", "sh", "-c",
                                       "ip link set lo up && echo ready && read -r _"],
                                      stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        cls.anchor.stdout.readline()
        cls.there = ["nsenter", "--target", str(cls.anchor.pid), "--net"]
        run("ip", "link", "set", "lo", "up")
        run("ip", "link", "add", "here", "type", "veth", "peer", "name", "there", "netns", str(cls.anchor.pid))
        run("ip", "address", "add", f"{HERE}/30", "dev", "here")
        run("ip", "link", "set", "here", "up")
        run(*cls.there, "ip", "address", "add", f"{THERE}/30", "dev", "there")

    @classmethod
    def tearDownClass(cls):
        cls.anchor.kill()
        cls.anchor.communicate()

    def setUp(self):
        super().setUp()
        self.link("up")

    def link(self, state):
        run(*self.there, "ip", "link", "set", "there", state)

    def start_server(self, **sections):
        server = self.make_server(**sections)
        server.host, server.mode = "0.0.0.0", []
        return server.start()

    async def visitor(self, server, user, tier="free"):
        """Returns a client behind the link."""
        visitor = await Visitor.arrive(f"ws://{HERE}:{server.port}/ws", user, tier, wrapper=self.there)
        self.addAsyncCleanup(visitor.close)
        return visitor

    async def seconds_to_open(self, client, thread):
        began = time.monotonic()
        await client.request("thread.open", thread_id=thread)
        return time.monotonic() - began

    async def test_the_kernel_proves_a_dead_link_faster_than_silence_does(self):
        server = self.start_server(cleanup={"probe_timeout": f"{PROBE}s", "deadline": f"{PROBE + 2}s"},
                                   **{"tiers.pro": {"managers_per_user": 1}})
        visitors = await asyncio.gather(*(self.visitor(server, "ada") for _ in range(20)))
        for number, visitor in enumerate(visitors, 1):
            visitor.opened = await visitor.request("thread.open", thread_id=f"t{number}")
        silent = await Visitor.arrive(server.url, "bob", "pro")
        self.addAsyncCleanup(silent.close)
        await silent.request("thread.open", thread_id="t1")
        ada = await self.client(server, "ada")
        bob = await self.client(server, bearer=token("bob", "pro"))

        # While bob waits, the kernel learns that nobody acknowledges ada's packets any more.
        self.link("down")
        silent.stop()
        by_silence = await self.seconds_to_open(bob, "t2")
        [decision] = [one for one in server.decisions("bob") if one["kind"] == "cleanup"]
        self.assertEqual([one["evidence"] for one in decision["evictions"]], [["silent"]])
        self.assertGreaterEqual(by_silence, PROBE)

        by_kernel = await self.seconds_to_open(ada, "t21")
        self.assertLess(by_kernel, by_silence)
        [decision] = [one for one in server.decisions("ada") if one["kind"] == "cleanup"]
        [eviction] = decision["evictions"]
        self.assertEqual((eviction["level"], eviction["reason"], eviction["evidence"]),
                         ("aggressive", "zombie", ["unreachable"]))
        # Any of the twenty: one proof is enough, and the first to come ends the probe.
        [victim] = [one for one in visitors if one.opened["manager_id"] == eviction["manager_id"]]
        self.assertEqual(eviction["connections"], [victim.hello["connection_id"]])
        for subject in (eviction["manager_id"], *eviction["connections"]):
            status, printed = await asyncio.to_thread(server.ctl, "explain", subject)
            self.assertEqual(status, 0, printed)
            self.assertIn("the other side's kernel did not acknowledge what was sent", printed)
        await ada.converse("t21", "what is 12*(3+4)?")

    async def test_a_socket_behind_a_dead_link_is_closed_and_its_thread_goes_on_when_the_link_is_back(self):
        server = self.start_server(heartbeat={"interval": "4s", "timeout": "3s"})
        visitor = await self.visitor(server, "ada")
        opened = await visitor.request("thread.open", thread_id="t1")
        _, events = await visitor.converse("t1", "what is 12*(3+4)?")
        descriptors = server.metrics()["process_open_fds"]
        self.link("down")
        deadline = time.monotonic() + PATIENCE
        while server.ask("/users/ada")["connections"] or server.metrics()["process_open_fds"] >= descriptors:
            self.assertLess(time.monotonic(), deadline, "the socket is not closed")
        [decision] = server.decisions("ada")
        self.assertEqual(decision["kind"], "connection_dead")
        [ending] = decision["connections"]
        self.assertEqual((ending["connection_id"], ending["code"], ending["evidence"]),
                         (visitor.hello["connection_id"], 4012, ["unreachable"]))

        self.link("up")
        again = await self.visitor(server, "ada")
        resumed = await again.request("thread.open", thread_id="t1", epoch=opened["epoch"],
                                      after_seq=events[-1]["seq"])
        self.assertEqual((resumed["resumed"], resumed["seq"]), (True, events[-1]["seq"]))


def move():
    """Starts this program again in a network namespace of its own; without root, as root of a user namespace."""
    for way in (["unshare", "--net"], ["unshare", "--user", "--map-root-user", "--net"]):
        tried = subprocess.run([*way, "ip", "link", "set", "lo", "up"], capture_output=True, check=False)
        if tried.returncode == 0:
            os.environ["E2E_CUT_OFF"] = "1"
            os.execvp(way[0], [*way, sys.executable, *sys.argv])
    print("skipped: this machine does not permit network namespaces (unshare --net)")
    sys.exit(SKIPPED)


if __name__ == "__main__":
    if "E2E_CUT_OFF" not in os.environ:
        move()
    unittest.main(verbosity=2)
