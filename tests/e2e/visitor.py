"""A client in a process of its own, which a test can stop, or start where the network can be cut.

Run as a program it is that process: it relays frames between its socket and its standard input and output, a line each,
and says at last with which code the socket was closed.
"""

import asyncio
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import websockets

from gangway import PATIENCE, Client, token


class Relay:
    """Looks to `Client` like its socket, and passes everything on to the process that has it."""

    def __init__(self, process):
        self.process = process
        self.close_code = None

    @property
    def transport(self):
        return self

    def abort(self):
        self.process.kill()

    async def __aiter__(self):
        while line := await self.process.stdout.readline():
            if line.startswith(b"closed "):
                self.close_code = int(line.split()[1])
            else:
                yield line
        self.close_code = self.close_code or 1006

    async def send(self, text):
        self.process.stdin.write(text.encode() + b"\n")
        await self.process.stdin.drain()

    async def wait_closed(self):
        await self.process.wait()
        while self.close_code is None:  # the reader comes to the last line
            await asyncio.sleep(0)

    async def close(self):
        if self.process.returncode is None:
            self.process.kill()
        await self.process.wait()


class Visitor(Client):
    @classmethod
    async def arrive(cls, url, user, tier="free", *, wrapper=()):
        """Returns a client that signed in as `user`; `wrapper` stands before its program on the command line."""
        program = ["setpriv", "--pdeathsig", "KILL", sys.executable, str(Path(__file__).resolve()), url,
                   token(user, tier)]
        visitor = cls(Relay(await asyncio.create_subprocess_exec(
            *wrapper, *program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, limit=16 * 1024 * 1024)))
        visitor.hello = await visitor.take(lambda frame: frame.get("type") == "connected")
        return visitor

    @property
    def pid(self):
        return self.socket.process.pid

    def stop(self):
        """Stops the process: it answers nothing any more, but its kernel acknowledges what it is sent."""
        os.kill(self.pid, signal.SIGSTOP)
        os.waitid(os.P_PID, self.pid, os.WSTOPPED | os.WNOWAIT)

    def go_on(self):
        os.kill(self.pid, signal.SIGCONT)


async def main(url, bearer):
    loop = asyncio.get_running_loop()
    commands = asyncio.StreamReader(limit=16 * 1024 * 1024)
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(commands), sys.stdin)
    socket = await websockets.connect(url, extra_headers=[("Authorization", f"Bearer {bearer}")], max_size=None,
                                      max_queue=None, ping_interval=None, open_timeout=PATIENCE, close_timeout=2)

    async def pass_on():
        while line := await commands.readline():
            await socket.send(line.decode().rstrip("\n"))
        await socket.close()

    sending = asyncio.create_task(pass_on())
    try:
        async for text in socket:
            print(json.dumps(json.loads(text)), flush=True)
    except websockets.ConnectionClosed:
        pass
    sending.cancel()
    print(f"closed {socket.close_code}", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
