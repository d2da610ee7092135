"""Torments a real server and lets the recorder judge whether anything was lost or came twice.

Users with more threads than they may have open, each with several clients that drop their sockets, come back with true,
old and wrong positions, repeat messages, cancel and read slowly, while an operator evicts and the server is killed in
the middle of it, again and again on the same store. In the end every thread is read as a whole.

The seed fixes what is chosen, not when it happens.
"""

import argparse
import asyncio
import logging
import random
import sqlite3
import subprocess
import sys
import time
from collections import deque
from pathlib import Path

import websockets

from gangway import PATIENCE, Server
from recorded_client import RecordedClient, Tally, just_hear
from recorder import REPLAY_MAX, Final, Recorder

USERS = ("ada", "bob", "eve")
DEVICES_PER_USER = 3
THREADS_PER_USER = 5  # some more than limits.managers_per_user, so that opens evict others
THREAD_EVENTS_MAX = 200  # then another one takes its place, so that it can be read as a whole in the end
FLOOD = "/stream 6000 100000"  # more than a slow reader is given event by event
FINDINGS_SHOWN_MAX = 20

SETTINGS = {
    "limits": {"managers_per_user": 3},
    "manager": {"linger": "100ms"},
    "cleanup": {"idle_after": "50ms", "resume_window": "50ms", "probe_timeout": "200ms", "deadline": "500ms"},
    "grace": {"extra": 0},
    "queue": {"timeout": "100ms"},
    "client": {"queue_bytes_max": "64KiB"},
}


class User:
    """What the clients of one user know together."""

    def __init__(self, name):
        self.name = name
        self.made = 0
        self.threads = []
        self.all_threads = []
        self.sent = []  # (thread, client_message_id, content) of the last messages, answered or not
        while len(self.threads) < THREADS_PER_USER:
            self.begin_thread()

    def begin_thread(self):
        self.made += 1
        self.threads.append(f"t{self.made}")
        self.all_threads.append(f"t{self.made}")

    def note(self, frame):
        """A thread that has become long is left alone from here on."""
        if frame["seq"] > THREAD_EVENTS_MAX and frame["thread_id"] in self.threads:
            self.threads.remove(frame["thread_id"])
            self.begin_thread()


class Device:
    """One of a user's clients, with many sockets one after the other. It remembers where it has been."""

    def __init__(self, torture, user, name):
        self.torture, self.user, self.name = torture, user, name
        self.dialled = self.messages = 0
        self.client = None
        self.open = set()
        self.places = {}  # thread → the last (epoch, seq) where it has been
        self.runs = {}  # thread → its last run

    def note_place(self, thread, *place):
        self.places.setdefault(thread, deque(maxlen=REPLAY_MAX)).append(place)

    def on_opened(self, request, result):
        self.open.add(result["thread_id"])
        position = request["after_seq"] if result["resumed"] else result["seq"]
        self.note_place(result["thread_id"], result["epoch"], position)

    def on_lost(self, thread):
        self.open.discard(thread)

    def on_event(self, frame):
        self.note_place(frame["thread_id"], frame["epoch"], frame["seq"])
        if "run_id" in frame:
            self.runs[frame["thread_id"]] = frame["run_id"]
        self.user.note(frame)
        self.torture.tally.add()

    async def live(self, chance):
        """Does one thing after the other, until the server is about to end."""
        while not self.torture.is_ending:
            if self.client is None or self.client.closed:
                self.open.clear()
                await self.dial(chance)
            else:
                [action] = chance.choices(list(self.ACTIONS), self.ACTIONS.values())
                await action(self, chance)

    async def dial(self, chance):
        self.dialled += 1
        try:
            self.client = await RecordedClient.dial(
                self.torture.server, self.user.name, f"{self.name}#{self.dialled}", self.torture.recorder, self,
                self.torture.make_ears(), narrow=chance.random() < 0.5)
        except (OSError, websockets.WebSocketException, asyncio.TimeoutError):
            await self.torture.tally.more(10, at_most=0.05)

    # ---- what it may do --------------------------------------------------------------------------------------------

    async def open_thread(self, chance):
        thread = chance.choice(self.user.threads)
        places = self.places.get(thread)
        epoch, seq = places[-1] if places else ("none yet", 0)
        position = chance.choices([
            {"epoch": epoch, "after_seq": seq},
            dict(zip(("epoch", "after_seq"), chance.choice(places or [(epoch, 0)]))),
            {"epoch": epoch, "after_seq": 0},
            {},
            {"epoch": "another", "after_seq": seq},
            {"epoch": epoch, "after_seq": seq + 10_000},
        ], [6, 3, 1, 1, 1, 1])[0]
        await self.client.ask("thread.open", thread_id=thread, **position)

    async def say(self, chance):
        known = sorted(self.open & set(self.user.threads))
        if not known:
            return await self.open_thread(chance)
        self.messages += 1
        thread = chance.choice(known)
        content = chance.choices([f"/stream {chance.randint(5, 150)} {chance.choice([100, 300, 1000, 5000])}",
                                  f"what is {chance.randint(2, 99)}*{chance.randint(2, 99)}?", "search what", "hello",
                                  FLOOD], [25, 25, 25, 24, 1])[0]
        self.user.sent = [*self.user.sent[-19:], (thread, f"{self.name}-{self.messages}", content)]
        await self.send(*self.user.sent[-1])

    async def repeat(self, chance):
        """Sends once more what this or another client of the user has sent; often nobody knows whether it came."""
        known = [each for each in self.user.sent if each[0] in self.open]
        if known:
            await self.send(*chance.choice(known))

    async def send(self, thread, client_message_id, content):
        await self.client.ask("message.send", thread_id=thread, client_message_id=client_message_id, content=content)

    async def cancel(self, chance):
        known = sorted(self.open & set(self.runs))
        if known:
            thread = chance.choice(known)
            await self.client.ask("run.cancel", thread_id=thread, run_id=self.runs[thread])

    async def close_thread(self, chance):
        if self.open:
            thread = chance.choice(sorted(self.open))
            self.open.discard(thread)
            await self.client.ask("thread.close", thread_id=thread)

    async def listen(self, chance):
        await self.torture.tally.more(chance.randint(1, 60), at_most=0.05)

    async def lag(self, chance):
        """Reads nothing for a while, of what may be much."""
        self.client.socket.transport.pause_reading()
        asked = []
        for thread in sorted(self.open):
            epoch, _ = self.places[thread][-1]
            asked += [self.client.ask("thread.open", thread_id=thread, epoch=epoch, after_seq=0),
                      *(self.client.ask("thread.history", thread_id=thread) for _ in range(6))]
        asked = asyncio.gather(*asked)
        await self.torture.tally.more(chance.randint(50, 2000), at_most=0.4)
        self.client.socket.transport.resume_reading()
        await asked

    async def drop(self, chance):
        if chance.random() < 0.7:
            await self.client.vanish()
        else:
            try:
                await self.client.socket.close()
            except websockets.ConnectionClosed:
                pass  # the server was killed meanwhile
        await self.client.reader

    async def drop_unanswered(self, chance):
        """Loses the socket right behind a message: only a repetition tells whether it came."""
        asked = asyncio.ensure_future(self.say(chance))
        await asyncio.sleep(0)
        await self.client.vanish()
        await self.client.reader
        await asked

    ACTIONS = {open_thread: 6, say: 5, listen: 5, repeat: 3, cancel: 1, close_thread: 1, lag: 2, drop: 2,
               drop_unanswered: 1}


class LastReader:
    """Keeps the events that came since the last open."""

    def __init__(self):
        self.tally = Tally()

    def on_opened(self, request, result):
        self.frames = []
        self.position = request["after_seq"] if result["resumed"] else result["seq"]

    def on_lost(self, thread):
        raise AssertionError(f"thread {thread} was taken away at the end")

    def on_event(self, frame):
        self.frames.append(frame)
        self.position = frame["seq"]
        self.tally.add()


class Torture:
    """Some cycles of a server's life, from its start to its end, on one store."""

    def __init__(self, seed, cycles, say=lambda line: None):
        self.seed, self.cycles, self.say = seed, cycles, say
        self.server = Server(**SETTINGS)
        self.recorder = Recorder()
        self.tally = Tally()
        self.users = [User(name) for name in USERS]
        self.devices = [Device(self, user, f"{user.name}-{number + 1}")
                        for user in self.users for number in range(DEVICES_PER_USER)]
        self.is_ending = True

    async def run(self):
        """Returns what was found."""
        began, finals = time.monotonic(), {}
        try:
            for cycle in range(1, self.cycles + 1):
                await self.cycle(cycle)
                if cycle % 10 == 0:
                    self.say(f"cycle {cycle} of {self.cycles}, {time.monotonic() - began:.0f} s: "
                             + self.summary("events", "resumed", "snapshots", "coalesced", "notice manager_evicted"))
                if self.has_seen_enough():
                    break
                self.meddle(cycle)
            self.expect_losses()
            self.server.start()
            for user in self.users:
                finals.update(await self.read_all(user))
            self.recorder.judge(finals)
            await self.ask_server_to_end()
        except (AssertionError, subprocess.TimeoutExpired) as broken:
            self.recorder.findings.append(str(broken))
        self.server.kill()
        self.recorder.findings += check_file(self.server.store, finals)
        return self.recorder.findings

    def has_seen_enough(self):
        """What is found first says most."""
        return bool(self.recorder.findings)

    # Two places where a test breaks what it wants to see noticed.

    def make_ears(self):
        """Returns what stands between a client's socket and everything else."""
        return just_hear

    def meddle(self, cycle):
        """Is called between two cycles, while there is no server."""

    def summary(self, *names):
        """Returns what happened how often: these things, or everything."""
        counts = self.recorder.counts
        return ", ".join(f"{counts[name]:,} {name}" for name in names or sorted(counts))

    async def cycle(self, number):
        """Lets everybody live for a moment, and kills the server in the middle of it. Sometimes it is asked to end, and
        sometimes everybody first gets what there is."""
        chance = random.Random(f"{self.seed}/{number}")
        self.expect_losses()
        self.server.start()
        self.is_ending = False
        self.recorder.counts["cycles"] += 1
        lives = asyncio.gather(
            *(device.live(random.Random(f"{self.seed}/{number}/{device.name}")) for device in self.devices))
        eviction = asyncio.ensure_future(
            self.evict(chance.random() < 0.3, chance.choice(USERS), chance.randint(10, 500)))
        await self.tally.more(chance.randint(50, 4000), at_most=1)
        self.is_ending = True
        if self.server.process.poll() is not None:
            self.recorder.findings.append(f"the server ended by itself:\n{self.server.log_tail()}")
        match chance.choices(["kill", "ask", "wait"], [8, 1, 1])[0]:
            case "ask":
                await self.ask_server_to_end()
            case "wait":
                await lives
                await self.wait_for_all()
        self.server.kill()
        await lives
        await eviction
        for device in self.devices:
            if device.client:
                await asyncio.wait_for(device.client.reader, PATIENCE)

    def expect_losses(self):
        """Beside the database is noted what went ahead of it, if the store was too slow to take it at once."""
        notes = Path(f"{self.server.store}-ahead")
        if notes.exists() and any(notes.read_bytes()[8:]):
            self.recorder.counts["ahead of the log at the end"] += 1
            self.recorder.may_have_lost_events()

    async def ask_server_to_end(self):
        if status := await asyncio.to_thread(self.server.end):
            self.recorder.findings.append(f"the server ended with {status} when it was asked to end")

    async def wait_for_all(self):
        """Whoever has a thread open gets all of it without asking."""
        deadline = time.monotonic() + PATIENCE
        while (behind := self.recorder.behind()) and time.monotonic() < deadline:
            await self.tally.more(1, at_most=1)
        for thread, connection, position in behind:
            self.recorder.find(thread, f"nothing more comes within {PATIENCE} s", connection, position)

    async def evict(self, really, user, number):
        if really:
            await self.tally.more(number, at_most=0.5)
            await asyncio.to_thread(self.server.ctl, "cleanup", user, "--level", "force")

    # ---- the end ---------------------------------------------------------------------------------------------------

    async def read_all(self, user):
        """Returns all threads of a user as they are in the end: (user, thread) → Final."""
        last = LastReader()
        client = await RecordedClient.dial(self.server, user.name, f"{user.name}-in-the-end", self.recorder, last)

        async def ask(type, **fields):
            reply = await client.ask(type, **fields)
            if not reply or "error" in reply:
                raise AssertionError(f"thread {user.name}/{fields['thread_id']}: {type} at the end got {reply}")
            return reply["result"]

        finals = {}
        for thread in user.all_threads:
            opened = await ask("thread.open", thread_id=thread)
            for after in (0, max(0, opened["seq"] - REPLAY_MAX)):
                opened = await ask("thread.open", thread_id=thread, epoch=opened["epoch"], after_seq=after)
                if opened["resumed"]:
                    break
            after = after if opened["resumed"] else opened["seq"]
            self.recorder.counts["read from the first event on" if after == 0 else "read in part"] += 1
            while last.position < opened["seq"]:
                before = last.position
                await last.tally.more(1, at_most=PATIENCE)
                if last.position == before:
                    raise AssertionError(f"thread {user.name}/{thread}: the events up to {opened['seq']} do not come")
            history, more = [], True
            while more:
                before = {"before_seq": history[0]["seq"]} if history else {}
                page = await ask("thread.history", thread_id=thread, limit=100, **before)
                history, more = page["messages"] + history, page["more"]
            finals[user.name, thread] = Final(opened["epoch"], opened["seq"], last.frames, history, after)
            await ask("thread.close", thread_id=thread)
        await client.close()
        return finals


def check_file(path, finals):
    """Returns what is wrong with the database of a server that has ended."""
    findings = []
    try:
        database = sqlite3.connect(f"file:{path}?mode=rw", uri=True)
        for [line] in database.execute("PRAGMA integrity_check"):
            if line != "ok":
                findings.append(f"the database is damaged: {line}")
        columns = {row[1] for row in database.execute("PRAGMA table_info(events)")}
        first = "coalesce(first_seq, seq)" if "first_seq" in columns else "seq"
        ends = {}
        for log, user, thread, last in list(database.execute("SELECT log_id, user, thread, last_seq FROM threads")):
            position = 0
            rows = database.execute(f"SELECT {first}, seq FROM events WHERE log_id = ? ORDER BY seq", [log])
            for begin, seq in rows:
                if begin != position + 1:
                    findings.append(f"thread {user}/{thread}, seq {begin}: follows {position} in the database")
                position = seq
            ends[user, thread] = {position, last}
        database.close()
        for key, final in finals.items():
            if ends.get(key) != {final.seq}:
                findings.append(f"thread {'/'.join(key)}: ends at {ends.get(key)} in the database, and clients were "
                                f"told {final.seq}")
    except sqlite3.Error as error:
        findings.append(f"the database cannot be read: {error}")
    return findings


def main():
    parser = argparse.ArgumentParser(description="Torments a server, and tells what was lost or came twice.")
    parser.add_argument("--cycles", type=int, default=200, help="how often the server is killed (default: 200)")
    parser.add_argument("--seed", type=int, default=random.randrange(2**32), help="fixes the choices, not the timing")
    arguments = parser.parse_args()

    def say(line):
        print(f"torture: {line}", flush=True)

    logging.getLogger("asyncio").setLevel(logging.ERROR)  # what is written into a lost socket is no news here
    say(f"seed {arguments.seed}, {arguments.cycles} cycles")
    torture = Torture(arguments.seed, arguments.cycles, say=say)
    findings = asyncio.run(torture.run())
    say(torture.summary())
    for finding in findings[:FINDINGS_SHOWN_MAX]:
        print(finding)
    if findings:
        say(f"{len(findings)} findings with --seed {arguments.seed}; the server's files are in {torture.server.folder}")
        return 1
    torture.server.clean_up()
    say("nothing was lost, and nothing came twice")
    return 0


if __name__ == "__main__":
    sys.exit(main())
