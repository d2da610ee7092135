"""The recorder notices what it is there for, and a server under torture gives it nothing to notice."""

import asyncio
import logging
import os
import random
import sqlite3
import unittest

from gangway import GangwayTest
from recorder import Final, Recorder
from torture import Torture

EPOCH = "k3Jq"


def event(seq, type, run="r1", **fields):
    return {"type": "event", "thread_id": "t1", "run_id": run, "epoch": EPOCH, "seq": seq, "ts": 1000 + seq,
            "event": {"type": type, **fields}}


# Two runs: one with a tool that goes well, one that is cancelled.
LOG = [
    event(1, "message_accepted", message_id="m1", client_message_id="c1", content="hello"),
    event(2, "agent_started", agent="builtin"),
    event(3, "tool_executing", tool_call_id="x1", name="clock", arguments={}),
    event(4, "tool_completed", tool_call_id="x1", result="noon", is_error=False),
    event(5, "message_started", message_id="m2", role="assistant"),
    event(6, "message_delta", message_id="m2", delta="It "),
    event(7, "message_delta", message_id="m2", delta="is "),
    event(8, "message_delta", message_id="m2", delta="noon."),
    event(9, "message_completed", message_id="m2", content="It is noon."),
    event(10, "agent_completed"),
    event(11, "message_accepted", "r2", message_id="m3", client_message_id="c2", content="go on"),
    event(12, "message_started", "r2", message_id="m4", role="assistant"),
    event(13, "message_delta", "r2", message_id="m4", delta="Wel"),
    event(14, "agent_cancelled", "r2"),
]
MESSAGES = [
    {"message_id": "m1", "role": "user", "content": "hello", "seq": 1, "ts": 1001},
    {"message_id": "m2", "role": "assistant", "content": "It is noon.", "seq": 9, "ts": 1009},
    {"message_id": "m3", "role": "user", "content": "go on", "seq": 11, "ts": 1011},
]
FIRST_ANSWER = {"message_id": "m1", "run_id": "r1", "seq": 1}
SECOND_ANSWER = {"message_id": "m3", "run_id": "r2", "seq": 11}
RUN_AT_7 = {"run_id": "r1", "agent": "builtin", "message_id": "m2", "content": "It is ",
            "tool_calls": [{"tool_call_id": "x1", "name": "clock", "arguments": {}, "result": "noon"}]}


def changed(frame, **fields):
    return {**frame, "event": {**frame["event"], **fields}}


def coalesced(first, seq, delta):
    return {**changed(LOG[seq - 1], delta=delta), "first_seq": first}


class Story:
    """What clients of ada sent and heard in the thread t1, told to a recorder."""

    def __init__(self):
        self.recorder = Recorder()
        self.last_id = 0

    def ask(self, connection, type, answer, **fields):
        if connection not in self.recorder.users:
            self.recorder.joined(connection, "ada")
        self.last_id += 1
        self.recorder.sent(connection, {"id": self.last_id, "type": type, "thread_id": "t1", **fields})
        if answer:
            self.recorder.received(connection, {"id": self.last_id, **answer})
        return self

    def open(self, connection, seq, after=None, *, asked=EPOCH, epoch=EPOCH, resumed=None, messages=(), run=None):
        """Asks for what follows a position of the epoch `asked`; the answer is a snapshot unless it is `resumed`."""
        position = {} if after is None else {"epoch": asked, "after_seq": after}
        resumed = after is not None and asked == epoch if resumed is None else resumed
        result = {"thread_id": "t1", "manager_id": "a1", "epoch": epoch, "seq": seq, "resumed": resumed}
        if not resumed:
            result["snapshot"] = {"messages": list(messages), "run": run}
        return self.ask(connection, "thread.open", {"result": result}, **position)

    def send(self, connection, client_message_id, content, result):
        return self.ask(connection, "message.send", result and {"result": result}, content=content,
                        client_message_id=client_message_id)

    def hear(self, connection, *frames):
        for frame in frames:
            self.recorder.received(connection, frame)
        return self

    def judge(self, log=LOG, history=MESSAGES, epoch=EPOCH):
        final = Final(epoch, log[-1]["seq"], log, history)
        return self.recorder.judge({("ada", "t1"): final})


def tell(*, live=LOG, replay=LOG, answer=SECOND_ANSWER, repeated=SECOND_ANSWER, shown=RUN_AT_7, messages=MESSAGES[:1],
         **final):
    """Tells a story of four clients, and returns what was found. Whatever is not said otherwise is as it should be."""
    story = Story().open("phone#1", 0).send("phone#1", "c1", "hello", FIRST_ANSWER).hear("phone#1", *live[:7])
    # The phone loses its socket in the middle; another client comes in there, and one is told in fewer words.
    story.recorder.lost("phone#1")
    story.open("laptop#1", 7, messages=messages, run=shown).hear("laptop#1", *live[7:10])
    story.open("watch#1", 10, 5).hear("watch#1", coalesced(6, 7, "It is "), *live[7:10])
    story.open("phone#2", 10, 7).hear("phone#2", *replay[7:10])
    # Nobody answers the laptop's message before its socket is lost, so the phone repeats it.
    story.send("laptop#1", "c2", "go on", None).hear("laptop#1", *live[10:])
    story.recorder.lost("laptop#1")
    story.send("phone#2", "c2", "go on", answer).hear("phone#2", *replay[10:])
    story.open("laptop#2", 14, 3, asked="old", messages=MESSAGES).send("laptop#2", "c2", "go on", repeated)
    return story.judge(**final)


class RecorderTest(unittest.TestCase):
    def notice(self, findings, *words):
        """Something was found, and what was found first says all of this."""
        self.assertNotEqual(findings, [])
        for word in words:
            self.assertIn(word, findings[0])

    def test_a_sound_recording_passes(self):
        self.assertEqual(tell(), [])

    def test_a_lost_event_is_noticed_with_its_thread_connection_and_seq(self):
        self.notice(tell(live=LOG[:8] + LOG[9:]), "thread ada/t1, connection laptop#1, seq 10: came behind 8")

    def test_an_event_that_comes_twice_is_noticed(self):
        self.notice(tell(replay=LOG[:8] + LOG[7:]), "connection phone#2, seq 8: came twice")

    def test_events_in_the_wrong_order_are_noticed(self):
        findings = tell(replay=[*LOG[:7], LOG[8], LOG[7], *LOG[9:]])
        self.notice(findings, "connection phone#2, seq 9: came behind 7")
        self.assertIn("connection phone#2, seq 8: came late, behind 9", findings[1])

    def test_an_event_that_was_seen_and_is_gone_is_noticed(self):
        self.notice(tell(log=LOG[:13]), "seq 14", "not in the log")

    def test_a_gap_in_the_log_is_noticed(self):
        self.notice(tell(log=LOG[:5] + LOG[6:]), "seq 7: the log goes on with this one behind 5")

    def test_a_seq_with_two_contents_is_noticed(self):
        log = [*LOG[:7], changed(LOG[7], delta="late."), *LOG[8:]]
        self.notice(tell(replay=log), "connection phone#2, seq 8: is", "late.")
        self.notice(tell(log=log), "seq 8", "was seen, and the log has")

    def test_a_message_that_is_not_its_deltas_is_noticed(self):
        log = [*LOG[:8], changed(LOG[8], content="It is late."), *LOG[9:]]
        self.notice(tell(live=log, replay=log, log=log), "seq 9: the whole message is 'It is late.'")

    def test_coalesced_deltas_that_are_not_their_pieces_are_noticed(self):
        story = Story().open("a", 7, 0).hear("a", *LOG[:7])
        story.open("b", 7, 0).hear("b", *LOG[:5], coalesced(6, 7, "It was "))
        self.notice(story.recorder.findings, "connection b, seq 7: shows", "'It was '")

    def test_deltas_coalesced_otherwise_for_everybody_agree_where_they_meet(self):
        story = Story().open("a", 8, 0).hear("a", *LOG[:5], coalesced(6, 7, "It is "), LOG[7])
        story.open("b", 8, 0).hear("b", *LOG[:6], coalesced(7, 8, "is noon."))
        self.assertEqual(story.recorder.findings, [])
        story.open("c", 8, 0).hear("c", *LOG[:6], coalesced(7, 8, "is moon."))
        self.notice(story.recorder.findings, "connection c, seq 8: shows")

    def test_joined_pieces_of_any_kind_pass_also_in_the_log(self):
        self.assertEqual(tell(log=[*LOG[:5], coalesced(6, 8, "It is noon."), *LOG[8:]]), [])
        thoughts = [event(seq, "agent_thinking", delta=delta) for seq, delta in ((3, "Well"), (4, ", well"))]
        joined = {**changed(thoughts[1], delta="Well, well"), "first_seq": 3}
        story = Story().open("a", 4, 0).hear("a", *LOG[:2], *thoughts).open("b", 4, 0).hear("b", *LOG[:2], joined)
        self.assertEqual(story.recorder.findings, [])

    def test_a_run_with_two_endings_is_noticed(self):
        log = [*LOG, event(15, "agent_failed", "r2", code="interrupted", message="", temporary=True)]
        self.notice(tell(log=log), "seq 15: run r2 has 2 endings: [14, 15]")

    def test_a_run_without_an_ending_is_noticed(self):
        self.notice(tell(live=LOG[:13], replay=LOG[:13], log=LOG[:13]), "seq 13: run r2 has 0 endings")

    def test_a_run_that_goes_on_behind_its_ending_is_noticed(self):
        log = [*LOG, event(15, "agent_thinking", "r2")]
        self.notice(tell(log=log), "seq 15: run r2 goes on behind its ending")

    def test_an_acknowledged_message_that_is_missing_is_noticed(self):
        story = Story().open("a", 0).send("a", "c1", "hello", FIRST_ANSWER).open("b", 10, 0).hear("b", *LOG[:10])
        story.send("b", "c2", "go on", SECOND_ANSWER)
        self.notice(story.judge(LOG[:10], MESSAGES[:2]), "connection b, seq 11", "was acknowledged")

    def test_an_acknowledgement_of_another_place_or_run_is_noticed(self):
        for wrong in ({"seq": 12}, {"run_id": "r1"}, {"message_id": "m9"}):
            answer = {**SECOND_ANSWER, **wrong}
            self.notice(tell(answer=answer, repeated=answer), f"seq {answer['seq']}", "was acknowledged, and the log")

    def test_a_repeated_message_that_is_answered_otherwise_is_noticed(self):
        self.notice(tell(repeated={**SECOND_ANSWER, "message_id": "m9"}), "connection laptop#2, seq 11: c2 is answered")

    def test_a_repeated_message_that_is_stored_twice_is_noticed(self):
        log = [*LOG, event(15, "message_accepted", "r3", message_id="m5", client_message_id="c2", content="go on"),
               event(16, "agent_completed", "r3")]
        self.notice(tell(log=log), "seq 15: c2 is in the log twice, at 11 too")

    def test_a_message_that_nobody_sent_is_noticed(self):
        log = [*LOG[:10], changed(LOG[10], content="go away"), *LOG[11:]]
        story = Story().open("a", 0).send("a", "c1", "hello", FIRST_ANSWER)
        self.notice(story.judge(log, MESSAGES), "seq 11: nobody sent c2")

    def test_a_snapshot_that_disagrees_is_noticed(self):
        self.notice(tell(shown={**RUN_AT_7, "content": "It "}), "connection laptop#1, seq 7: shows", "'It '")
        self.notice(tell(shown=None), "connection laptop#1, seq 7: shows None")
        self.notice(tell(messages=[]), "connection laptop#1, seq 7: shows", "hello")

    def test_a_history_that_disagrees_is_noticed(self):
        self.notice(tell(history=MESSAGES[:2]), "the history is")

    def test_a_snapshot_where_events_were_due_is_noticed(self):
        story = Story().open("a", 14, 0).hear("a", *LOG).open("b", 14, 10, resumed=False, messages=MESSAGES)
        self.notice(story.recorder.findings, "connection b, seq 10: a snapshot instead of the events from 11 to 14")

    def test_a_position_of_another_log_that_is_resumed_is_noticed(self):
        for position in ({"asked": "old", "after": 3}, {"after": 15}):
            story = Story().open("a", 14, resumed=True, **position)
            self.notice(story.recorder.findings, "connection a, seq 14: resumed from", "no position of this log")

    def test_a_log_that_became_shorter_is_noticed_when_it_is_opened(self):
        story = Story().open("a", 14, 0).hear("a", *LOG).open("b", 13, 13)
        self.notice(story.recorder.findings, "connection b, seq 13: the log ends here, and event 14 has been seen")

    def test_an_event_of_a_thread_that_is_not_open_is_noticed_unless_its_client_closed_it(self):
        closed = Story().open("a", 1, 0).hear("a", LOG[0]).ask("a", "thread.close", {"result": {}}).hear("a", LOG[1])
        self.assertEqual(closed.recorder.findings, [])
        notice = {"type": "notice", "kind": "manager_evicted", "thread_id": "t1", "manager_id": "a1"}
        evicted = Story().open("a", 1, 0).hear("a", LOG[0], notice, LOG[1])
        self.notice(evicted.recorder.findings, "connection a, seq 2: an event of a thread that is not open")

    def test_a_client_that_loses_a_thread_without_being_told_is_noticed(self):
        evicted = {"type": "notice", "kind": "manager_evicted", "thread_id": "t1", "manager_id": "a1"}
        refused = {"error": {"code": "not_open"}}
        told = Story().open("a", 0, 0).hear("a", evicted).ask("a", "message.send", refused, content="hello")
        self.assertEqual(told.recorder.findings, [])
        untold = Story().open("a", 0, 0).ask("a", "message.send", refused, content="hello")
        self.notice(untold.recorder.findings, "connection a, seq 0: message.send is answered not_open")
        crossed = Story().open("a", 0, 0).hear("a", evicted).open("a", 0, 0)
        self.notice(crossed.recorder.findings, "connection a, seq 0: open at manager a1", "evicted")

    def test_who_is_behind_others_or_waits_for_an_ending_is_known(self):
        story = Story().open("a", 14, 0).hear("a", *LOG).open("b", 14, 10)
        self.assertEqual([(connection, seq) for _, connection, seq in story.recorder.behind()], [("b", 10)])
        story.hear("b", *LOG[10:])
        self.assertEqual(story.recorder.behind(), [])

    def test_a_compacted_log_passes_if_only_deltas_are_gone(self):
        log = [*LOG[:5], {**LOG[8], "first_seq": 6}, *LOG[9:]]
        self.assertEqual(tell(log=log), [])
        story = Story().open("a", 14, 0).hear("a", *log).open("b", 14, 0).hear("b", *LOG)
        self.assertEqual(story.recorder.findings, [])
        self.notice(tell(log=[*LOG[:4], {**LOG[8], "first_seq": 5}, *LOG[9:]]), "seq 5", "the log has only")

    def test_another_epoch_is_noticed_unless_events_had_gone_ahead_of_the_log(self):
        ahead = [*LOG[:9], {**LOG[9], "durable": False}]
        for live, findings in ((LOG[:10], 1), (ahead, 0)):
            story = Story().open("a", 0).send("a", "c1", "hello", FIRST_ANSWER).hear("a", *live)
            interrupted = event(10, "agent_failed", code="interrupted", message="", temporary=True)
            log = [{**frame, "epoch": "new"} for frame in [*LOG[:9], interrupted]]
            story.open("b", 10, 9, epoch="new", messages=MESSAGES[:2])
            self.assertEqual(len(story.recorder.findings), findings)
            self.assertEqual(len(story.judge(log, MESSAGES[:2], "new")), 2 * findings)

    def test_another_epoch_passes_if_the_log_is_known_to_lack_what_was_to_be_shown(self):
        story = Story().open("a", 0).send("a", "c1", "hello", FIRST_ANSWER).hear("a", *LOG[:10])
        story.recorder.may_have_lost_events()
        story.open("b", 10, 9, epoch="new", messages=MESSAGES[:2])
        self.assertEqual(story.recorder.findings, [])
        story.open("c", 10, 9, epoch="newer", messages=MESSAGES[:2])
        self.notice(story.recorder.findings, "connection c, seq 10: the epoch is newer and was new")

    def test_what_went_ahead_of_the_log_must_be_in_it_if_the_epoch_is_the_same(self):
        story = Story().open("a", 0).send("a", "c1", "hello", FIRST_ANSWER).hear("a", *LOG[:10])
        story.hear("a", {**LOG[10], "durable": False})
        self.notice(story.judge(LOG[:10], MESSAGES[:2]), "seq 11", "was seen and is not in the log")


class Mishearing:
    """Ears that now and then do to an event what a faulty server could."""

    def __init__(self, fault, chance):
        self.fault, self.chance, self.kept = fault, chance, []

    def __call__(self, frame):
        heard, self.kept = [frame, *self.kept], []
        if frame.get("type") != "event" or self.chance.random() > 0.02:
            return heard
        if self.fault == "swap":
            self.kept = heard
        return {"swallow": heard[1:], "double": [frame, *heard], "swap": []}[self.fault]


class Mistreated(Torture):
    """A torture whose clients mishear, or whose log is damaged by the statements of `damage`."""

    def __init__(self, seed, cycles, fault=None, damage=()):
        super().__init__(seed, cycles)
        self.fault, self.damage, self.chance = fault, damage, random.Random(seed)

    def has_seen_enough(self):
        return False

    def make_ears(self):
        return Mishearing(self.fault, self.chance) if self.fault else super().make_ears()

    def meddle(self, cycle):
        if cycle == 2 and self.damage:
            with sqlite3.connect(self.server.store) as database:
                for statement in self.damage:
                    assert database.execute(statement).rowcount > 0, statement
            database.close()


# Of those that are read as a whole in the end.
LONGEST = "(SELECT log_id FROM threads WHERE last_seq < 400 ORDER BY last_seq DESC LIMIT 1)"
A_DELTA = f"(SELECT min(seq) FROM events WHERE log_id = {LONGEST} AND body LIKE '%TEXT_MESSAGE_CONTENT%')"


class RealServer(GangwayTest):
    async def torment(self, cycles, **mistreatment):
        seed = int(os.environ.get("GANGWAY_SEED", random.randrange(2**32)))
        print(f"GANGWAY_SEED={seed}", flush=True)
        asyncio.get_running_loop().set_debug(False)  # it would take a third of the time
        logging.getLogger("asyncio").setLevel(logging.ERROR)  # what is written into a lost socket is no news here
        torture = Mistreated(seed, cycles, **mistreatment) if mistreatment else Torture(seed, cycles)
        self.addCleanup(torture.server.clean_up)
        self.addCleanup(lambda: self.logs.append(torture.server.log_tail()))
        await torture.run()
        return torture.recorder

    async def test_ten_cycles_of_torture_lose_nothing_and_double_nothing(self):
        recorder = await self.torment(10)
        print(dict(recorder.counts))
        self.assertEqual(recorder.findings, [], "\n".join(recorder.findings[:10]))
        for wanted in ("resumed", "snapshots", "notice manager_evicted", "repeated answers", "runs interrupted",
                       "runs agent_completed", "read from the first event on"):
            self.assertGreater(recorder.counts[wanted], 0, f"the torture was too gentle: no {wanted}")

    async def test_clients_that_mishear_are_noticed(self):
        for fault, words in (("swallow", "came behind"), ("double", "came twice"), ("swap", "came late")):
            with self.subTest(fault):
                recorder = await self.torment(3, fault=fault)
                self.assertTrue(any(words in finding for finding in recorder.findings), recorder.findings)

    async def test_a_log_that_was_damaged_between_two_cycles_is_noticed(self):
        for name, damage, words in (
                ("an event gone", [f"DELETE FROM events WHERE log_id = {LONGEST} AND seq = {A_DELTA}"], "follows"),
                ("an event changed", [f"UPDATE events SET body = replace(body, '\"delta\":\"', '\"delta\":\"x') "
                                      f"WHERE log_id = {LONGEST} AND seq = {A_DELTA}"], "here, and was ("),
                ("all but the beginning forgotten", [f"DELETE FROM {table} WHERE log_id = {LONGEST} AND seq > 5"
                                                     for table in ("events", "messages")]
                 + [f"UPDATE threads SET last_seq = 5 WHERE log_id = {LONGEST}"], "is not in the log")):
            with self.subTest(name):
                recorder = await self.torment(3, damage=damage)
                self.assertTrue(any(words in finding for finding in recorder.findings), recorder.findings)


if __name__ == "__main__":
    unittest.main(verbosity=2)
