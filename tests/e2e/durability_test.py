"""What was acknowledged, and what a client saw, survives a crash of the process; and what was acknowledged is on the
disk before the acknowledgement leaves, which a crash of the process alone would not show."""

import os
import random
import re
import signal
import unittest

from gangway import ENDINGS, GangwayTest


class Crashes(GangwayTest):
    async def test_nothing_acknowledged_and_nothing_seen_is_lost_by_kill_nine(self):
        seed = int(os.environ.get("GANGWAY_SEED", random.randrange(2**32)))
        print(f"GANGWAY_SEED={seed}", flush=True)
        chance = random.Random(seed)
        server = self.start_server()
        seen = {"t1": {}, "t2": {}}  # thread → seq → event frame
        acknowledged = {"t1": [], "t2": []}
        epochs = {}
        for round in range(8):
            client = await self.client(server, "ada")
            for thread in seen:
                position = {"epoch": epochs[thread], "after_seq": 0} if thread in epochs else {}
                opened = await client.request("thread.open", thread_id=thread, **position)
                self.assertEqual(opened["resumed"], thread in epochs)
                self.assertEqual(epochs.setdefault(thread, opened["epoch"]), opened["epoch"])
                self.assertGreaterEqual(opened["seq"], max(seen[thread], default=0))
                replay = [await client.event(thread) for _ in range(opened["seq"])]
                self.check(replay, seen[thread], acknowledged[thread])
                seen[thread] = {frame["seq"]: frame for frame in replay}
                # Its ending is there, so nothing is in flight: the next message is no `busy`.
                sent = await client.request("message.send", thread_id=thread, client_message_id=f"c{round}",
                                            content=f"/stream {chance.randint(5, 60)} 300")
                acknowledged[thread].append({"client_message_id": f"c{round}", **sent})
            for _ in range(chance.randint(0, 60)):
                frame = await client.take(lambda frame: frame.get("type") == "event")
                seen[frame["thread_id"]][frame["seq"]] = frame
                if all(frames[max(frames)]["event"]["type"] in ENDINGS for frames in seen.values() if frames):
                    break
            server.kill()
            await client.reader
            for frame in client.frames:  # seen, too: they had left before the crash
                if frame.get("type") == "event":
                    seen[frame["thread_id"]][frame["seq"]] = frame
            server.start()

        client = await self.client(server, "ada")
        for thread in seen:
            opened = await client.request("thread.open", thread_id=thread, epoch=epochs[thread], after_seq=0)
            replay = [await client.event(thread) for _ in range(opened["seq"])]
            self.check(replay, seen[thread], acknowledged[thread])
            history = (await client.request("thread.history", thread_id=thread, limit=100))["messages"]
            self.assertEqual([message["message_id"] for message in history if message["role"] == "user"],
                             [sent["message_id"] for sent in acknowledged[thread]])
            # An acknowledged message that is sent once more is still the same message.
            for sent in acknowledged[thread][-3:]:
                accepted = replay[sent["seq"] - 1]["event"]
                again = await client.request("message.send", thread_id=thread, content=accepted["content"],
                                             client_message_id=sent["client_message_id"])
                self.assertEqual(again, {name: sent[name] for name in again})

    def check(self, replay, seen, acknowledged):
        """The log has all that was seen and acknowledged, and each run in it has one ending."""
        self.assert_no_gap(replay)
        for seq, frame in seen.items():
            self.assertEqual(replay[seq - 1], frame)
        for sent in acknowledged:
            frame = replay[sent["seq"] - 1]
            self.assertEqual((frame["event"]["type"], frame["event"]["message_id"], frame["run_id"]),
                             ("message_accepted", sent["message_id"], sent["run_id"]))
        for run in {frame["run_id"] for frame in replay if frame.get("run_id")}:
            events = [frame["event"] for frame in replay if frame.get("run_id") == run]
            self.assertEqual([event["type"] in ENDINGS for event in events], [False] * (len(events) - 1) + [True])
            if events[-1]["type"] == "agent_failed":
                self.assertEqual(events[-1]["code"], "interrupted")

    async def test_an_orphaned_run_ends_as_interrupted_once_however_often_its_thread_is_opened(self):
        server = self.start_server()
        client = await self.client(server, "ada")
        epoch = (await client.request("thread.open", thread_id="t1"))["epoch"]
        await client.request("message.send", thread_id="t1", content="/stream 1000 50")
        events = await client.events_until("t1", "message_delta")
        server.kill()
        server.start()
        for _ in range(3):
            client = await self.client(server, "ada")
            opened = await client.request("thread.open", thread_id="t1", epoch=epoch, after_seq=events[-1]["seq"])
            self.assertTrue(opened["resumed"])
            rest = await client.events_until("t1", *ENDINGS)
            self.assert_no_gap(events + rest)
            self.assertEqual((rest[-1]["event"]["type"], rest[-1]["event"]["code"]), ("agent_failed", "interrupted"))
            self.assertEqual(rest[-1]["seq"], opened["seq"])
            await client.request("thread.close", thread_id="t1")


CALL = re.compile(r"(?P<pid>\d+) +(?P<name>\w+)\((?P<rest>.*)")
RESUMED = re.compile(r"(?P<pid>\d+) +<\.\.\. (?P<name>\w+) resumed>(?P<rest>.*)")


def parse_trace(lines):
    """Yields (position at which it began, position at which it ended, name, arguments) of the finished system calls."""
    begun = {}
    for position, line in enumerate(lines):
        if match := CALL.match(line):
            if "<unfinished ...>" in line:
                begun[match["pid"]] = (position, match["rest"].replace("<unfinished ...>", ""))
            else:
                yield position, position, match["name"], match["rest"]
        elif (match := RESUMED.match(line)) and match["pid"] in begun:
            start, rest = begun.pop(match["pid"])
            yield start, position, match["name"], rest + match["rest"]


class Acknowledgements(GangwayTest):
    async def test_each_is_sent_only_after_its_message_was_written_and_synced(self):
        server = self.make_server()
        trace = server.folder / "trace"
        server.start("strace", "--follow-forks", "--decode-fds=path", "--string-limit=70000",
                     "--trace=fdatasync,fsync,pwrite64,pwritev,sendmsg,sendto,write,writev", f"--output={trace}")
        clients = [await self.client(server, user) for user in ("ada", "bob", "eve")]
        sent = {}
        for client in clients:
            await client.request("thread.open", thread_id="t1")
        for number in range(5):
            ids = []
            for index, client in enumerate(clients):
                marker = f"marked-{number}-{index}-"
                ids.append((marker, client, await client.post("message.send", thread_id="t1", content=f"say {marker}")))
            for marker, client, id in ids:
                sent[marker] = (await client.answer(id))["message_id"]
            for client in clients:
                await client.events_until("t1", *ENDINGS)
        for client in clients:
            await client.close()
        self.end_traced(server)

        calls = list(parse_trace(trace.read_text(errors="replace").splitlines()))
        is_log = re.compile(rf"\d+<{re.escape(str(server.store))}-wal>")
        writes = [call for call in calls if call[2].startswith("pwrite") and is_log.match(call[3])]
        syncs = [call for call in calls if call[2] in ("fsync", "fdatasync") and is_log.match(call[3])
                 and call[3].endswith("= 0")]
        replies = [call for call in calls if call[2] in ("sendmsg", "sendto", "write", "writev")
                   and re.match(r"\d+<(socket|TCP)", call[3])]
        self.assertEqual(len(sent), 15)
        for marker, message_id in sent.items():
            written = [ended for _, ended, _, arguments in writes if marker in arguments]
            told = [began for began, _, _, arguments in replies if message_id in arguments]
            self.assertTrue(written, f"{marker} was never written to the log")
            self.assertTrue(told, f"the reply to {marker} was never sent")
            synced = [ended for began, ended, _, _ in syncs if written[0] < began and ended < told[0]]
            self.assertTrue(synced, f"{marker}: written at line {written[0]}, answered at {told[0]}, no fsync between")

    def end_traced(self, server):
        """Ends the traced program; strace ends with it."""
        strace = server.process.pid
        with open(f"/proc/{strace}/task/{strace}/children", encoding="ascii") as children:
            [child] = children.read().split()
        os.kill(int(child), signal.SIGTERM)
        self.assertEqual(server.process.wait(timeout=60), 0)


if __name__ == "__main__":
    unittest.main(verbosity=2)
