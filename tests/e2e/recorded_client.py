"""A client of which the recorder is told every frame, as it goes out and as it comes in."""

import asyncio
import json
import socket

import websockets

from gangway import PATIENCE, Client, token


class Tally:
    """A count that can be waited for, so that nobody has to wait by the clock."""

    def __init__(self):
        self.count = 0
        self.waiting = []

    def add(self):
        self.count += 1
        due = [future for target, future in self.waiting if target <= self.count and not future.done()]
        for future in due:
            future.set_result(None)

    async def more(self, number, at_most):
        """Returns when there are so many more, or after so many seconds."""
        waiter = (self.count + number, asyncio.get_running_loop().create_future())
        self.waiting.append(waiter)
        try:
            await asyncio.wait_for(waiter[1], at_most)
        except asyncio.TimeoutError:
            pass
        self.waiting.remove(waiter)


def just_hear(frame):
    """Ears that miss nothing."""
    return [frame]


class RecordedClient(Client):
    """A client of which the recorder is told every frame. `ears` stand between its socket and everything else."""

    def __init__(self, connection, name, recorder, listener, ears):
        self.name, self.recorder, self.listener, self.ears = name, recorder, listener, ears
        self.asked = {}  # id → what was asked, the future answer
        super().__init__(connection)

    @classmethod
    async def dial(cls, server, user, name, recorder, listener, ears=just_hear, *, narrow=False):
        """Returns a client that tells `listener` what it hears. The kernel keeps little for a `narrow` one, so that the
        server notices when it is slow."""
        plug = socket.socket()
        if narrow:
            plug.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
            plug.setsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG, 536)  # the server's kernel then keeps little, too
        plug.setblocking(False)
        try:
            await asyncio.get_running_loop().sock_connect(plug, ("127.0.0.1", server.port))
            connection = await asyncio.wait_for(
                websockets.connect(server.url, sock=plug, extra_headers=[("Authorization", f"Bearer {token(user)}")],
                                   max_size=None, max_queue=None, ping_interval=None, close_timeout=2), PATIENCE)
        except BaseException:
            plug.close()
            raise
        recorder.joined(name, user)
        return cls(connection, name, recorder, listener, ears)

    async def read(self):
        try:
            async for text in self.socket:
                for frame in self.ears(json.loads(text)):
                    self.take_in(frame)
        except websockets.ConnectionClosed:
            pass
        self.closed = True
        self.recorder.lost(self.name)
        for _, reply in self.asked.values():
            if not reply.done():
                reply.set_result(None)

    def take_in(self, frame):
        self.recorder.received(self.name, frame)
        if frame.get("id") in self.asked:
            request, reply = self.asked.pop(frame["id"])
            if "resumed" in frame.get("result", {}):
                self.listener.on_opened(request, frame["result"])
            if not reply.done():
                reply.set_result(frame)
        elif frame.get("type") == "event":
            self.listener.on_event(frame)
        elif frame.get("kind") in ("manager_evicted", "thread_detached"):
            self.listener.on_lost(frame["thread_id"])

    async def ask(self, type, **fields):
        """Returns the answer to a command; None if the socket was lost before it came."""
        reply = asyncio.get_running_loop().create_future()
        self.asked[self.last_id + 1] = fields, reply
        self.recorder.sent(self.name, {"id": self.last_id + 1, "type": type, **fields})
        if self.closed:
            return None
        try:
            await self.post(type, **fields)
            return await asyncio.wait_for(reply, PATIENCE)
        except websockets.ConnectionClosed:
            await self.reader
            return None
        except asyncio.TimeoutError:
            self.recorder.find(None, f"{type} {fields} was not answered within {PATIENCE} s", self.name)
            return None
