"""docs/session.md shows what a server really says: the session in it is played again and compared, line by line.

`documented_session_test.py --record` writes it anew; look at the difference before you commit it.
"""

import asyncio
import json
import re
import sys
import unittest
from pathlib import Path

from gangway import ENDINGS, GangwayTest, token

PAGE = Path(__file__).parents[2] / "docs/session.md"
BLOCK = re.compile(r"(?<=```text\n).*?(?=```)", re.DOTALL)
NAMES = {"connection_id": "connection", "manager_id": "manager", "message_id": "message", "run_id": "run",
         "tool_call_id": "call", "epoch": "epoch"}
TIMES = {"ts", "updated_at", "expires_at"}
NOW = 1796083200000  # what every time is shown as


class Transcript:
    """Lines as the page shows them: what differs from one play to the next has a name in its place."""

    def __init__(self):
        self.lines = []
        self.known = {}

    def note(self, text):
        self.lines.append(f"        ({text})")

    def add(self, sign, frame):
        self.lines.append(f"{sign} {json.dumps(self.shown(frame), ensure_ascii=False, separators=(',', ':'))}")

    def shown(self, value, name=None):
        if isinstance(value, dict):
            return {key: self.shown(one, key) for key, one in value.items()}
        if isinstance(value, list):
            return [self.shown(one, name) for one in value]
        if name in TIMES:
            return NOW
        if name == "token":
            return "eyJ…"
        if name in NAMES and value != "another":
            kind = NAMES[name]
            count = 1 + sum(one.startswith(kind + "-") for one in self.known.values())
            return self.known.setdefault((kind, value), f"{kind}-{count}")
        return value

    def __str__(self):
        return "".join(line + "\n" for line in self.lines)


class DocumentedSession(GangwayTest):
    async def play(self):
        server = self.start_server()
        script = Transcript()

        async def dial():
            client = await self.client(server)
            script.note("a socket to /ws, subprotocol gangway.v1.json, no token")
            return client

        async def ask(client, type, **fields):
            id = await client.post(type, **fields)
            script.add(">", {"id": id, "type": type, **fields})
            reply = await client.take(lambda frame: frame.get("id") == id, f"the answer to {type}")
            script.add("<", reply)
            return reply.get("result")

        def hear(events):
            for frame in events:
                script.add("<", frame)

        client = await dial()
        await ask(client, "status")
        await ask(client, "connect", token=token("ada", "pro"))
        opened = await ask(client, "thread.open", thread_id="t1")
        await ask(client, "message.send", thread_id="t1", content="what is 12*(3+4)?", client_message_id="c1")
        events = await client.events_until("t1", *ENDINGS)
        hear(events[:7])
        script.note("the socket is lost; the run goes on")
        await client.vanish()

        client = await dial()
        await ask(client, "connect", token=token("ada", "pro"))
        await ask(client, "thread.open", thread_id="t1", epoch=opened["epoch"], after_seq=7)
        hear(await client.events_until("t1", *ENDINGS))
        script.note("sent again, since its answer might have been lost: it gets the first one")
        await ask(client, "message.send", thread_id="t1", content="what is 12*(3+4)?", client_message_id="c1")
        script.note("a position that the server does not know: a snapshot")
        await ask(client, "thread.open", thread_id="t1", epoch="another", after_seq=7)
        await ask(client, "thread.history", thread_id="t1", before_seq=2, limit=1)
        await ask(client, "thread.list", limit=1)
        await ask(client, "status")
        await ask(client, "token.refresh", token=token("ada", "pro", expires_in=7200))
        await ask(client, "message.send", thread_id="t2", content="not open")
        await ask(client, "thread.close", thread_id="t1")
        return str(script)

    async def test_the_session_in_the_documentation_is_what_the_server_says(self):
        self.maxDiff = None
        self.assertEqual(BLOCK.search(PAGE.read_text()).group(), await self.play())


class Recording(DocumentedSession):
    async def test_the_session_in_the_documentation_is_what_the_server_says(self):
        played = await self.play()
        PAGE.write_text(BLOCK.sub(lambda _: played, PAGE.read_text(), count=1))


if __name__ == "__main__":
    if "--record" in sys.argv:
        unittest.main(argv=sys.argv[:1] + ["Recording"])
    del Recording
    unittest.main(verbosity=2)
