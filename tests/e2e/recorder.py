"""Says what was lost, came twice or came out of order: the project's definition of "nothing lost, nothing twice".

A `Recorder` is told what every client sent and heard, while it happens; it knows no socket, no clock and no server. It
follows each client as a client library would: an open sets the position, and every event must be the next one. And it
holds what any two clients saw against each other, by two tables: an (epoch, seq) is one event; and what a client shows
behind that event is one state, however it came there: by single events, by coalesced ones, by a compacted log or by a
snapshot.

At the end `judge` holds all that against the log and the history as the server still has them. What it finds are
sentences, in `findings`.
"""

from collections import Counter
from dataclasses import dataclass, field
from typing import NamedTuple, Optional

ENDINGS = {"agent_completed", "agent_failed", "agent_cancelled"}

# Of these, several in a row may come as one.
PIECES = {"message_delta", "tool_arguments", "agent_thinking"}

# Whoever is no further behind than this gets events, not a snapshot: half of what gangwayd allows.
REPLAY_MAX = 500

# A snapshot that comes near one of its bounds may have left older messages out.
SNAPSHOT_MESSAGES_MAX = 50
SNAPSHOT_TEXT_MAX = 128 * 1024


class Message(NamedTuple):
    """A message as a snapshot, a history or a client shows it."""

    seq: int
    message_id: str
    role: str
    content: object

    @classmethod
    def read(cls, shown):
        return cls(shown["seq"], shown["message_id"], shown["role"], shown["content"])


class Run(NamedTuple):
    """The run in flight, as far as a client has seen it."""

    run_id: str
    message_id: Optional[str] = None
    text: Optional[str] = ""  # of the message that is being said; None: a compaction has taken some of it
    calls: tuple = ()  # of (tool_call_id, name, result)


class State(NamedTuple):
    """What a client shows of a thread."""

    messages: tuple = ()
    since: int = 0  # it may not know messages before this seq
    run: Optional[Run] = None

    @classmethod
    def read(cls, snapshot):
        messages = tuple(Message.read(each) for each in snapshot["messages"])
        is_whole = (len(messages) < SNAPSHOT_MESSAGES_MAX
                    and sum(len(str(each.content)) for each in messages) < SNAPSHOT_TEXT_MAX)
        run = snapshot["run"]
        if run is not None:
            calls = tuple((call["tool_call_id"], call["name"], call.get("result")) for call in run["tool_calls"])
            run = Run(run["run_id"], run.get("message_id"), run["content"], calls)
        return cls(messages, 0 if is_whole else messages[0].seq, run)


def first_of(frame):
    """Returns the first seq that an event frame stands for."""
    return frame.get("first_seq", frame["seq"])


def is_joined(frame):
    """Returns whether an event is several pieces in one, and so none of them."""
    return frame["event"]["type"] in PIECES and first_of(frame) < frame["seq"]


def content_of(frame):
    """Returns what is the same whoever sees the event, live or later."""
    return frame["event"], frame.get("run_id"), frame["ts"]


def message_of(frame):
    """Returns the message that an event adds to a thread, if it adds one."""
    event = frame["event"]
    role = {"message_accepted": "user", "message_completed": "assistant"}.get(event["type"])
    return Message(frame["seq"], event["message_id"], role, event["content"]) if role else None


def apply(state, frame):
    """Returns what a client shows after one more event, and what is wrong with the event in that place, if anything."""
    event, messages, run, wrong = frame["event"], state.messages, state.run, None
    kind = event["type"]
    if run and first_of(frame) < frame["seq"] and not is_joined(frame):
        run = run._replace(text=None)
    if said := message_of(frame):
        messages += (said,)
    if kind == "message_accepted":
        if run:
            wrong = f"a message is accepted while run {run.run_id} has not ended"
        run = Run(frame["run_id"])
    elif kind in ENDINGS:
        run = None
    elif run is None:
        pass
    elif kind == "message_started":
        run = run._replace(message_id=event["message_id"], text="")
    elif kind == "message_delta":
        if event["message_id"] != run.message_id:
            wrong = f"a delta of message {event['message_id']}, which has not been started"
        run = run._replace(text=None if run.text is None else run.text + event["delta"])
    elif kind == "message_completed":
        if run.message_id == event["message_id"] and run.text not in (None, event["content"]):
            wrong = f"the whole message is {event['content']!r}, and its deltas are {run.text!r}"
        run = run._replace(message_id=None, text="")
    elif kind == "tool_executing":
        run = run._replace(calls=(*run.calls, (event["tool_call_id"], event["name"], None)))
    elif kind == "tool_completed":
        run = run._replace(calls=tuple((id, name, event["result"] if id == event["tool_call_id"] else result)
                                       for id, name, result in run.calls))
    return State(messages, state.since, run), wrong


def difference(one, other):
    """Returns in which words two states of the same moment differ; None if they agree as far as both know."""
    since = max(one.since, other.since)
    ours, theirs = ([each for each in state.messages if each.seq >= since] for state in (one, other))
    if ours != theirs:
        return f"the messages {[each for each in ours if each not in theirs]}, not " \
               f"{[each for each in theirs if each not in ours]}"
    if one.run and other.run and None in (one.run.text, other.run.text):
        one, other = (state._replace(run=state.run._replace(text=None)) for state in (one, other))
    return None if one.run == other.run else f"{one.run}, not {other.run}"


@dataclass
class Attachment:
    """A thread that is open on a connection."""

    connection: str
    epoch: str
    position: int
    state: Optional[State]  # None: not known, behind a finding
    missed: set = field(default_factory=set)


@dataclass
class Thread:
    """All that anybody has seen of a thread."""

    name: str
    epochs: list = field(default_factory=list)
    contents: dict = field(default_factory=dict)  # (epoch, seq) → content, connection
    states: dict = field(default_factory=dict)  # (epoch, seq) → state, connection
    reached: dict = field(default_factory=dict)  # epoch → the last event that was seen and is in the log
    ahead: set = field(default_factory=set)  # (epoch, seq) of events that were only seen ahead of the log
    lossy: set = field(default_factory=set)  # epochs in which events went ahead of the log
    asked: dict = field(default_factory=dict)  # client_message_id, or none → contents that were sent with it
    answers: dict = field(default_factory=dict)  # client_message_id → result, connection
    acknowledged: list = field(default_factory=list)  # (result, content, connection)
    left: list = field(default_factory=list)  # attachments that are over


@dataclass
class Final:
    """A thread as it was read at the end: the events after `after`, the history from the first message on."""

    epoch: str
    seq: int
    frames: list
    history: list
    after: int = 0


class Recorder:
    def __init__(self):
        self.findings = []
        self.counts = Counter()
        self.users = {}  # connection → user
        self.threads = {}  # (user, thread_id) → Thread
        self.requests = {}  # (connection, id) → frame; what had been seen of its thread, and its attachment, by then
        self.attachments = {}  # connection → {(user, thread_id): Attachment}
        self.closed = set()  # (connection, thread) that the client closed: events may still be under way
        self.evicted = set()  # (connection, manager) of which it was told so

    def find(self, thread, words, connection=None, seq=None):
        where = [f"thread {thread.name}"] if thread else []
        where += [f"connection {connection}"] if connection else []
        where += [f"seq {seq}"] if seq is not None else []
        self.findings.append(f"{', '.join(where)}: {words}")

    def thread(self, connection, thread_id):
        key = self.users[connection], thread_id
        if key not in self.threads:
            self.threads[key] = Thread("/".join(key))
        return key, self.threads[key]

    # ---- what happens ----------------------------------------------------------------------------------------------

    def joined(self, connection, user):
        self.users[connection] = user
        self.attachments[connection] = {}

    def lost(self, connection):
        for key in list(self.attachments[connection]):
            self.leave(connection, key)

    def sent(self, connection, frame):
        reached, attachment = {}, None
        if frame.get("thread_id"):
            key, thread = self.thread(connection, frame["thread_id"])
            reached, attachment = dict(thread.reached), self.attachments[connection].get(key)
            if frame["type"] == "message.send":
                thread.asked.setdefault(frame.get("client_message_id"), []).append(frame["content"])
        if "id" in frame:
            self.requests[connection, frame["id"]] = frame, reached, attachment

    def received(self, connection, frame):
        if "id" in frame:
            self.on_reply(connection, frame)
        elif frame.get("type") == "event":
            self.on_event(connection, frame)
        elif frame.get("type") == "notice":
            self.counts[f"notice {frame['kind']}"] += 1
            if frame["kind"] in ("manager_evicted", "thread_detached"):
                key, _ = self.thread(connection, frame["thread_id"])
                self.leave(connection, key)
                self.closed.discard((connection, key))
                self.evicted.add((connection, frame.get("manager_id")))
        elif frame.get("type") == "disconnect":
            self.counts[f"closed {frame['code']}"] += 1

    def on_reply(self, connection, reply):
        request, reached, attachment = self.requests.pop((connection, reply["id"]), (None, None, None))
        if request is None:
            self.find(None, f"an answer to what was not asked, or is answered already: {reply}", connection)
        elif "error" in reply:
            self.on_refused(connection, request, attachment, reply["error"])
        elif request["type"] == "thread.open":
            self.on_opened(connection, request, reached, reply["result"])
        elif request["type"] == "message.send":
            self.on_acknowledged(connection, request, reply["result"])
        elif request["type"] == "thread.close":
            key, _ = self.thread(connection, request["thread_id"])
            self.leave(connection, key)
            self.closed.add((connection, key))

    def on_refused(self, connection, request, attachment, error):
        self.counts[f"{request['type']} {error['code']}"] += 1
        if error["code"] != "not_open" or request["type"] == "thread.open" or attachment is None:
            return
        key, thread = self.thread(connection, request["thread_id"])
        if self.attachments[connection].get(key) is attachment:
            self.find(thread, f"{request['type']} is answered not_open, and this client was not told that it lost the "
                      "thread", connection, attachment.position)

    def on_opened(self, connection, request, reached, result):
        key, thread = self.thread(connection, result["thread_id"])
        epoch, seq = result["epoch"], result["seq"]
        self.note_epoch(thread, epoch, connection, seq)
        if (connection, result["manager_id"]) in self.evicted:
            self.find(thread, f"open at manager {result['manager_id']}, after this client was told that it is evicted: "
                      "it will hear nothing more", connection, seq)
        if seq < reached.get(epoch, 0):
            self.find(thread, f"the log ends here, and event {reached[epoch]} has been seen before", connection, seq)
        after = request.get("after_seq", 0)
        is_of_log = "after_seq" in request and request["epoch"] == epoch and after <= seq
        if result["resumed"]:
            self.counts["resumed"] += 1
            if not is_of_log or "snapshot" in result:
                self.find(thread, f"resumed from {request}, no position of this log: {result}", connection, seq)
            state = State() if after == 0 else thread.states.get((epoch, after), (None,))[0]
            self.attach(connection, key, Attachment(connection, epoch, after, state))
        else:
            self.counts["snapshots"] += 1
            if is_of_log and seq - after <= REPLAY_MAX:
                self.find(thread, f"a snapshot instead of the events from {after + 1} to {seq}", connection, after)
            state = self.agree(thread, connection, epoch, seq, State.read(result["snapshot"]))
            self.attach(connection, key, Attachment(connection, epoch, seq, state))

    def on_acknowledged(self, connection, request, result):
        _, thread = self.thread(connection, request["thread_id"])
        thread.acknowledged.append((result, request["content"], connection))
        if (client_message_id := request.get("client_message_id")) is None:
            return
        first, witness = thread.answers.setdefault(client_message_id, (result, connection))
        if witness != connection or first is not result:
            self.counts["repeated answers"] += 1
        if first != result:
            self.find(thread, f"{client_message_id} is answered {result} here, and was answered {first} on {witness}",
                      connection, result["seq"])

    def on_event(self, connection, frame):
        key, thread = self.thread(connection, frame["thread_id"])
        epoch, first, seq = frame["epoch"], first_of(frame), frame["seq"]
        self.counts["events"] += 1
        self.note_epoch(thread, epoch, connection, seq)
        self.note_content(thread, connection, frame)
        attachment = self.attachments[connection].get(key)
        if attachment is None:
            if (connection, key) not in self.closed:
                self.find(thread, "an event of a thread that is not open on this connection", connection, seq)
                self.closed.add((connection, key))  # said once
        elif attachment.epoch != epoch:
            self.find(thread, f"an event of epoch {epoch}, and the open said {attachment.epoch}", connection, seq)
        elif seq <= attachment.position:
            words = "came late, behind" if seq in attachment.missed else "came twice: this client was at"
            self.find(thread, f"{words} {attachment.position}", connection, seq)
            attachment.missed.discard(seq)
        else:
            if first <= attachment.position:
                self.find(thread, f"stands for all from {first} on, and this client was at {attachment.position}",
                          connection, seq)
            elif first > attachment.position + 1:
                self.find(thread, f"came behind {attachment.position}: not the next one", connection, seq)
                attachment.missed.update(range(attachment.position + 1, first))
            self.advance(thread, attachment, frame, first == attachment.position + 1)

    def may_have_lost_events(self):
        """Events that were to go ahead of the log may be lost, whoever saw them: any thread may get another epoch."""
        for thread in self.threads.values():
            thread.lossy.update(thread.epochs)

    def behind(self):
        """Returns who has a thread open and has not got what others have got of it, or the end of a run."""
        return [(self.threads[key], connection, each.position)
                for connection, attachments in self.attachments.items() for key, each in attachments.items()
                if each.position < self.threads[key].reached.get(each.epoch, 0) or (each.state and each.state.run)]

    # ---- what is known ---------------------------------------------------------------------------------------------

    def attach(self, connection, key, attachment):
        self.leave(connection, key)
        self.closed.discard((connection, key))
        self.attachments[connection][key] = attachment

    def leave(self, connection, key):
        if over := self.attachments[connection].pop(key, None):
            self.threads[key].left.append(over)

    def advance(self, thread, attachment, frame, is_next):
        attachment.position = frame["seq"]
        if attachment.state is None or not is_next:
            attachment.state = None
            return
        state, wrong = apply(attachment.state, frame)
        if wrong:
            self.find(thread, wrong, attachment.connection, frame["seq"])
        attachment.state = self.agree(thread, attachment.connection, frame["epoch"], frame["seq"], state)

    def agree(self, thread, connection, epoch, seq, state):
        """Holds what a client shows against what others showed at that moment. Returns what is known best."""
        known, witness = thread.states.setdefault((epoch, seq), (state, connection))
        if words := known is not state and known != state and difference(state, known):
            self.find(thread, f"shows {words}, as connection {witness} did", connection, seq)
            return None
        knows_less = (known.since, known.run is not None and known.run.text is None)
        if (state.since, state.run is not None and state.run.text is None) < knows_less:
            thread.states[epoch, seq] = known, witness = state, connection
        return known

    def note_epoch(self, thread, epoch, connection, seq):
        """A thread gets another epoch only if something that was shown, or would have been, may be lost."""
        if epoch in thread.epochs:
            return
        if thread.epochs and thread.epochs[-1] not in thread.lossy:
            self.find(thread, f"the epoch is {epoch} and was {thread.epochs[-1]}, and nothing had gone ahead of the "
                      "log", connection, seq)
        thread.epochs.append(epoch)

    def note_content(self, thread, connection, frame):
        epoch, seq = frame["epoch"], frame["seq"]
        if first_of(frame) < seq:
            self.counts["coalesced"] += 1
        if frame.get("durable", True):
            thread.reached[epoch] = max(thread.reached.get(epoch, 0), seq)
            thread.ahead.discard((epoch, seq))
        else:
            self.counts["ahead of the log"] += 1
            thread.lossy.add(epoch)
            if (epoch, seq) not in thread.contents:
                thread.ahead.add((epoch, seq))
        # What joined pieces come to is a matter of `agree`.
        if is_joined(frame):
            return
        known, witness = thread.contents.setdefault((epoch, seq), (content_of(frame), connection))
        if known != content_of(frame):
            self.find(thread, f"is {content_of(frame)} here, and was {known} on {witness}", connection, seq)

    # ---- the end ---------------------------------------------------------------------------------------------------

    def judge(self, finals):
        """Holds everything against the threads as they were read at the end: (user, thread_id) → Final."""
        for connection in list(self.attachments):
            self.lost(connection)
        for key, thread in self.threads.items():
            if key in finals:
                self.judge_log(thread, finals[key])
                self.judge_messages(thread, finals[key])
            elif thread.epochs:
                self.find(thread, "was not read at the end")
        return self.findings

    def judge_log(self, thread, final):
        """Everything that was acknowledged or seen is in the log, and every run has one ending, its last event."""
        kept, position = {}, final.after  # seq → the frame that stands for it
        for frame in final.frames:
            if first_of(frame) != position + 1:
                self.find(thread, f"the log goes on with this one behind {position}", seq=first_of(frame))
            kept.update((seq, frame) for seq in range(first_of(frame), frame["seq"] + 1))
            position = frame["seq"]
        if position != final.seq:
            self.find(thread, f"the log ends here, and should at {final.seq}", seq=position)

        for result, content, connection in thread.acknowledged:
            frame = kept.get(result["seq"], {"event": {"type": "nothing"}})
            event = frame["event"]
            there = event["type"], event.get("message_id"), frame.get("run_id"), event.get("content")
            wanted = "message_accepted", result["message_id"], result["run_id"], content
            if result["seq"] > final.after and there != wanted:
                self.find(thread, f"{wanted} was acknowledged, and the log has {there}", connection, result["seq"])

        for (epoch, seq), (content, connection) in thread.contents.items():
            if seq <= final.after or (epoch != final.epoch and (epoch, seq) in thread.ahead):
                continue
            frame = kept.get(seq)
            if frame is None:
                self.find(thread, f"{content} was seen and is not in the log", connection, seq)
            elif frame["seq"] != seq or is_joined(frame):
                if content[0]["type"] not in PIECES:
                    self.find(thread, f"{content} was seen, and the log has only {frame}", connection, seq)
            elif content_of(frame) != content:
                self.find(thread, f"{content} was seen, and the log has {content_of(frame)}", connection, seq)
        for epoch, seq in thread.reached.items():
            if seq > final.seq:
                self.find(thread, f"was seen in epoch {epoch}, and the log ends at {final.seq}", seq=seq)

        runs = {}
        for frame in final.frames:
            runs.setdefault(frame.get("run_id"), []).append(frame)
        runs.pop(None, None)
        for run_id, frames in runs.items():
            endings = [frame["seq"] for frame in frames if frame["event"]["type"] in ENDINGS]
            if len(endings) != 1:
                self.find(thread, f"run {run_id} has {len(endings)} endings: {endings}", seq=frames[-1]["seq"])
            elif endings != [frames[-1]["seq"]]:
                self.find(thread, f"run {run_id} goes on behind its ending", seq=frames[-1]["seq"])
            else:
                ending = frames[-1]["event"]
                self.counts[f"runs {ending.get('code', ending['type'])}"] += 1

    def judge_messages(self, thread, final):
        """Each message is there once, as it was sent; history, log and what every client showed are the same."""
        accepted = {}
        for frame in final.frames:
            if frame["event"]["type"] != "message_accepted":
                continue
            event, seq = frame["event"], frame["seq"]
            client_message_id = event.get("client_message_id")
            if client_message_id is not None and client_message_id in accepted:
                first = accepted[client_message_id]
                self.find(thread, f"{client_message_id} is in the log twice, at {first} too", seq=seq)
            accepted[client_message_id] = seq
            if event["content"] not in thread.asked.get(client_message_id, []):
                self.find(thread, f"nobody sent {client_message_id}: {event['content']!r}", seq=seq)

        history = [Message.read(each) for each in final.history]
        said = [message for message in map(message_of, final.frames) if message]
        if [each for each in history if each.seq > final.after] != said:
            self.find(thread, f"the history is {history}, and the log says {said}", seq=final.seq)
        for over in thread.left:
            if over.state is None or over.epoch != final.epoch:
                continue
            expected = [each for each in history if over.state.since <= each.seq <= over.position]
            if list(over.state.messages) != expected:
                self.find(thread, f"showed {over.state.messages}, and the history is {expected}", over.connection,
                          over.position)
