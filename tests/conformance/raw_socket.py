"""A WebSocket client that takes nothing for granted, for judging a server by RFC 6455.

Every bit of a frame can be set, and every byte is sent when a test likes. What the server sends is judged by the RFC
while it is read: a frame that no server may send fails the test that reads it, whatever that test is about.
"""

import base64
import hashlib
import json
import os
import socket
import struct
import sys
from itertools import count
from pathlib import Path
from typing import NamedTuple, Optional

sys.path.insert(0, str(Path(__file__).parents[1] / "e2e"))

from gangway import PATIENCE, token  # noqa: E402 (found only through the line above)

CONTINUATION, TEXT, BINARY, CLOSE, PING, PONG = 0x0, 0x1, 0x2, 0x8, 0x9, 0xA
CONTROL = (CLOSE, PING, PONG)
RSV1, RSV2, RSV3 = 0b100, 0b010, 0b001
MASK = b"\x37\xfa\x21\x3d"  # of the RFC's own examples (5.7)
EXAMPLE_KEY = "dGhlIHNhbXBsZSBub25jZQ=="  # of 1.3
SUBPROTOCOL = "gangway.v1.json"

user_numbers = count(1)


class Frame(NamedTuple):
    """A frame that came from the server."""
    opcode: int
    payload: bytes
    final: bool
    reserved: int


class Answer(NamedTuple):
    """An HTTP response."""
    version: str
    status: int
    headers: list  # (name in lower case, value) in their order
    body: bytes

    def all(self, name):
        return [value for key, value in self.headers if key == name.lower()]

    def tokens(self, name):
        """Returns the elements of a list header, in lower case."""
        return [element.strip().lower() for value in self.all(name) for element in value.split(",")]


class Ending(NamedTuple):
    """How a connection ended: the code of the server's Close frame (None without one), what came before it, and
    whether the server's TCP ended by a reset."""
    code: Optional[int]
    frames: list
    was_reset: bool


def masked(payload, key):
    """Returns `payload` masked, or unmasked again, by section 5.3."""
    size = len(payload)
    stream = (key * (size // 4 + 1))[:size]
    return (int.from_bytes(payload, "big") ^ int.from_bytes(stream, "big")).to_bytes(size, "big")


def frame(payload=b"", opcode=TEXT, *, final=True, reserved=0, mask=MASK, length=None, length_bits=None):
    """Returns a client's frame, right unless it is asked to be wrong: `mask=None` leaves it unmasked, `length` is what
    the header says instead of the truth, and `length_bits` (7, 16, 64) says it in a longer way than needed."""
    payload = payload.encode() if isinstance(payload, str) else payload
    length = len(payload) if length is None else length
    length_bits = length_bits or (7 if length < 126 else 16 if length < 65536 else 64)
    first = final << 7 | reserved << 4 | opcode
    mask_bit = 0 if mask is None else 0x80
    if length_bits == 7:
        head = struct.pack("!BB", first, mask_bit | length)
    elif length_bits == 16:
        head = struct.pack("!BBH", first, mask_bit | 126, length)
    else:
        head = struct.pack("!BBQ", first, mask_bit | 127, length)
    return head + payload if mask is None else head + mask + masked(payload, mask)


def close_frame(code=None, reason=b"", **bits):
    """Returns a client's Close frame; without a code its body is empty."""
    return frame(b"" if code is None else struct.pack("!H", code) + reason, CLOSE, **bits)


def fragments(payload, *ends, opcode=TEXT):
    """Returns the frames of one message that is cut at these places."""
    payload = payload.encode() if isinstance(payload, str) else payload
    cuts = [0, *ends, len(payload)]
    pieces = [payload[begin:end] for begin, end in zip(cuts, cuts[1:])]
    return [frame(piece, opcode if index == 0 else CONTINUATION, final=index == len(pieces) - 1)
            for index, piece in enumerate(pieces)]


def command(id, size=None, filler="x", type="ping"):
    """Returns a command as text, of exactly `size` bytes if that is given."""
    if size is None:
        return json.dumps({"id": id, "type": type})
    empty = json.dumps({"id": id, "type": type, "filler": ""})
    assert size >= len(empty), f"no command is as short as {size} bytes"
    return empty[:-2] + filler * (size - len(empty)) + empty[-2:]


def accept_of(key):
    """Returns the Sec-WebSocket-Accept that belongs to a key, by 4.2.2."""
    return base64.b64encode(hashlib.sha1((key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


def upgrade_request(server, *, first_line="GET /ws HTTP/1.1", line_end="\r\n", more=(), **fields):
    """Returns an opening handshake. Fields are named with _ for -; each replaces the usual one by its value, by a line
    for each of several values, or, if None, by nothing. Lines of `more` follow as they are."""
    usual = {"host": f"127.0.0.1:{server.port}", "upgrade": "websocket", "connection": "Upgrade",
             "sec_websocket_key": EXAMPLE_KEY, "sec_websocket_version": "13"}
    lines = [first_line]
    for name, values in {**usual, **fields}.items():
        name = "-".join(word.capitalize() for word in name.split("_")).replace("websocket", "WebSocket")
        lines += [f"{name}: {value}" for value in ([values] if isinstance(values, str) else values or [])]
    return line_end.join([*lines, *more, "", ""]).encode("latin-1")


def bearer(user=None):
    return f"Bearer {token(user or f'user {next(user_numbers)}')}"


class RawSocket:
    """One TCP connection to the server, on which nothing happens that a test did not ask for."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.server = server
        self.buffer = bytearray()
        self.eof = self.was_reset = False
        self.code = None  # of the server's Close frame
        self.said_codes = set()
        self.unfinished = None  # the opcode of a message whose last fragment has not come
        self.deflate = None  # a function that inflates a whole message, once permessage-deflate is agreed on
        self.texts = []  # messages that came while another was looked for
        self.last_id = 0

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    # -- writing

    def write(self, *data):
        """Sends bytes. A server that has closed may refuse them, which is for the reading side to judge."""
        try:
            self.socket.sendall(b"".join(data))
        except (BrokenPipeError, ConnectionResetError):
            pass

    def write_bytewise(self, data, step=1):
        for begin in range(0, len(data), step):
            self.write(data[begin:begin + step])

    def close_with(self, code=None, reason=b""):
        self.said_codes.add(code)
        self.write(close_frame(code, reason))

    def hang_up(self):
        """Says that nothing more will come, and still listens."""
        self.socket.shutdown(socket.SHUT_WR)

    def reset(self):
        """Ends TCP as a crash would: RST instead of FIN."""
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.socket.close()

    # -- reading

    def receive(self):
        """Waits for more bytes; returns whether there are any."""
        try:
            piece = self.socket.recv(65536)
        except ConnectionResetError:
            self.was_reset, piece = True, b""
        except socket.timeout:
            raise AssertionError(f"the server said nothing for {PATIENCE} s, and did not close either") from None
        self.buffer += piece
        self.eof = not piece
        return not self.eof

    def take(self, size):
        """Returns the next bytes, or None if the server ended TCP at a boundary."""
        while len(self.buffer) < size:
            if not self.receive():
                assert not self.buffer or self.was_reset, f"TCP ends within a frame: {bytes(self.buffer)!r}"
                return None
        taken = bytes(self.buffer[:size])
        del self.buffer[:size]
        return taken

    def read_answer(self, method="GET"):
        """Returns the HTTP response, or None if the server closed without one."""
        while b"\r\n\r\n" not in self.buffer:
            if not self.receive():
                assert not self.buffer or self.was_reset, f"half an HTTP response: {bytes(self.buffer)!r}"
                return None
        head = self.take(self.buffer.index(b"\r\n\r\n") + 4).decode("latin-1").split("\r\n")
        version, status = head[0].split(" ")[:2]
        pairs = (line.partition(":") for line in head[1:-2])
        answer = Answer(version, int(status), [(name.lower(), value.strip()) for name, _, value in pairs], b"")
        length = int((answer.all("content-length") or ["0"])[0])
        return answer._replace(body=self.take(length) if length and method != "HEAD" else b"")

    def read_frame(self):
        """Returns the next frame, judged by sections 5.1 to 5.5 and 7.4; None once the server has ended TCP."""
        head = self.take(2)
        if head is None:
            return None
        first, second = head
        opcode, final, reserved, length = first & 0x0F, bool(first & 0x80), first >> 4 & 0b111, second & 0x7F
        assert not second & 0x80, "5.1: a server masks no frame"
        if length == 126:
            length, = struct.unpack("!H", self.rest_of_frame(2))
            assert length > 125, f"5.2: the length {length} takes 7 bits"
        elif length == 127:
            length, = struct.unpack("!Q", self.rest_of_frame(8))
            assert 65535 < length < 2**63, f"5.2: the length {length} does not take 64 bits"
        got = Frame(opcode, self.rest_of_frame(length), final, reserved)
        self.judge(got)
        return got

    def rest_of_frame(self, size):
        taken = self.take(size)
        assert taken is not None, "TCP ends within a frame"
        return taken

    def judge(self, got):
        assert self.code is None, f"5.5.1: after its Close frame the server sends nothing more, but came {got}"
        assert got.opcode in (CONTINUATION, TEXT, BINARY, *CONTROL), f"5.2: the opcode {got.opcode:#x} is reserved"
        may_be_compressed = self.deflate and got.opcode in (TEXT, BINARY)
        assert got.reserved in ((0, RSV1) if may_be_compressed else (0,)), f"5.2: reserved bits are set: {got}"
        if got.opcode in CONTROL:
            assert got.final, f"5.5: a control frame is not fragmented: {got}"
            assert len(got.payload) <= 125, f"5.5: a control frame has 125 bytes at most: {got}"
        else:
            is_first = got.opcode != CONTINUATION
            assert is_first == (self.unfinished is None), f"5.4: fragments of two messages are mixed: {got}"
            self.unfinished = None if got.final else got.opcode if is_first else self.unfinished
        if got.opcode == CLOSE:
            self.judge_close(got.payload)

    def judge_close(self, body):
        assert len(body) != 1, "5.5.1: the body of a Close frame is empty or begins with two bytes of code"
        body[2:].decode()  # 5.5.1: the reason is UTF-8
        self.code = struct.unpack("!H", body[:2])[0] if body else 1005
        if body and self.code not in self.said_codes:
            assert 1000 <= self.code < 5000 and self.code not in (1004, 1005, 1006, 1015), \
                f"7.4: no Close frame may say {self.code}"
            assert self.code != 1011, "no fault may show as 1011"

    def read_message(self):
        """Returns (opcode, payload) of the next whole message or control frame; None at the end. Text is UTF-8."""
        pieces, kind, compressed = [], None, False
        while (got := self.read_frame()) is not None:
            if got.opcode in CONTROL:
                assert not pieces, "gangwayd fragments nothing, so that nothing comes between fragments"
                return got.opcode, got.payload
            if got.opcode != CONTINUATION:
                kind, compressed = got.opcode, got.reserved == RSV1
            pieces.append(got.payload)
            if got.final:
                payload = b"".join(pieces)
                payload = self.deflate(payload) if compressed else payload
                if kind == TEXT:
                    payload.decode()  # 5.6, 8.1
                return kind, payload
        return None

    # -- Gangway's protocol

    def next_text(self):
        """Returns the next text message as what its JSON says; pings of the server are answered on the way."""
        while True:
            got = self.read_message()
            assert got is not None, f"closed with {self.code} while a text message was awaited"
            opcode, payload = got
            if opcode == PING:
                self.write(frame(payload, PONG))
            elif opcode == TEXT:
                return json.loads(payload)
            else:
                raise AssertionError(f"a text message was awaited, and came opcode {opcode:#x}: {payload!r}")

    def text_where(self, wanted):
        """Returns the first text message that is `wanted`, and keeps the others for later."""
        for index, text in enumerate(self.texts):
            if wanted(text):
                return self.texts.pop(index)
        while not wanted(text := self.next_text()):
            self.texts.append(text)
        return text

    def answer_to(self, id):
        """Returns the reply to a command."""
        return self.text_where(lambda text: text.get("id") == id)

    def request(self, type, **fields):
        """Sends a command in a right frame and returns its result."""
        self.last_id += 1
        self.write(frame(json.dumps({"id": self.last_id, "type": type, **fields})))
        reply = self.answer_to(self.last_id)
        assert "result" in reply, f"{type} was answered {reply}"
        return reply["result"]

    def ending(self):
        """Reads until the server has ended TCP; returns how. A Close frame is the last frame that it may send."""
        frames = []
        while (got := self.read_frame()) is not None:
            frames.append(got)
        return Ending(self.code, [got for got in frames if got.opcode != CLOSE], self.was_reset)

    def upgrade(self, **fields):
        """Does the opening handshake; returns the answer to it."""
        key = base64.b64encode(os.urandom(16)).decode()
        self.write(upgrade_request(self.server, **{"sec_websocket_key": key, **fields}))
        answer = self.read_answer()
        assert answer is not None and answer.status == 101, f"the handshake was answered {answer}"
        assert answer.all("sec-websocket-accept") == [accept_of(key)], f"4.2.2: a wrong Accept in {answer}"
        return answer

    def sign_in(self, **fields):
        """Does the opening handshake as a new user and takes the greeting."""
        self.upgrade(authorization=bearer(), **fields)
        self.hello = self.text_where(lambda text: text.get("type") == "connected")
        return self
