"""Frames: what clients write into an open WebSocket."""

import json
import zlib

from certificates import Authority
from gangway import ENDINGS, token
from knocking import knock

from .table import case


async def error_of(client, id):
    """Returns the error that answers a request; fails on any other answer."""
    reply = await client.take(lambda frame: frame.get("id") == id, f"the answer to {id}")
    return reply["error"]


@case(2, "half a character in a message is replaced, and costs nothing")
async def half_an_emoji(test):
    client = await test.client(test.start_server(client={"bad_frames_max": 1}), "ada")
    await client.request("thread.open", thread_id="t1")
    for number, half in enumerate((r"a\ud83d", r"\ude00b", r"\ud83d\ud83d\ude00", r"\uDBFF\n") * 5, 100):
        await client.send(f'{{"id":{number},"type":"message.send","thread_id":"t1","content":"{half}"}}')
        await client.answer(number)
        accepted = (await client.event("t1"))["event"]
        test.assertEqual(accepted["type"], "message_accepted")
        test.assertIn("\ufffd", accepted["content"])
        await client.events_until("t1", *ENDINGS)
    await client.send(r'{"id":7,"type":"message.send","thread_id":"t1","content":'
                      r'[{"type":"text","text":"a\ud83d","\udc00":["\ud83d"]}]}')
    await client.answer(7)
    test.assertEqual((await client.event("t1"))["event"]["content"],
                     [{"type": "text", "text": "a\ufffd", "\ufffd": ["\ufffd"]}])


@case(2, "half a character outside of messages costs nothing either")
async def half_an_emoji_elsewhere(test):
    client = await test.client(test.start_server(client={"bad_frames_max": 1}), "ada")
    await client.request("thread.open", thread_id="t1")
    for id, fields in enumerate((r'"type":"message.send","thread_id":"t1","content":"x","client_message_id":"a\ud83d"',
                                 r'"type":"message.send","thread_id":"t\ud83d","content":"x"',
                                 r'"type":"thread.open","thread_id":"\udc00"', r'"type":"no\ud83dne"',
                                 r'"type":"message.send","thread_id":"t1","content":"x","agent":"\ud83d"'), 10):
        await client.send(f'{{"id":{id},{fields}}}')
        test.assertIn((await error_of(client, id))["code"], ("bad_request", "unknown_type", "not_found"))
    for id, fields in enumerate((r'"type":"ping","x":"\ud83d"', r'"type":"ping","\udc00":1', r'"\ud83d":0,"type":"status"'),
                                20):
        await client.send(f'{{"id":{id},{fields}}}')
        await client.answer(id)


@case(2, "whatever has a readable id is answered with it")
async def readable_ids(test):
    client = await test.client(test.start_server(client={"bad_frames_max": 100}), "ada")
    frames = (r'{"id":7,"type":"message.send","content":"\x"}', '{"type":"message.send","content":"\\u12","id":7}',
              '{"id":7,"type":"ping",}', '{"id":7,"type":"ping"', '{"id":7,"type":"ping"} x', '{"id":7,"x":NaN}',
              '{"id":7,"type":"ping"}{"id":8,"type":"ping"}', '{"id":7,"content":"two\nlines"}', "{\"id\":7,'x':1}",
              '{"id":7,"type":7}', '{"id":7}', '{"id":7,"type":"nope"}', '{"id":7,"type":"thread.close"}',
              '{"id":1,"id":7,"type":', '{"id":7.0,"type":"ping"}', '{"id":7e0,"type":"ping"}',
              '{"id":7,"type":"ping","x":' + "[" * 100 + "]" * 100 + "}", '{"x":' + "[" * 65 + "]" * 65 + ',"id":7}',
              '{"id":7,"type":"ack","thread_id":"t1"}', b'{"id":7,"type":"ping"}')
    for frame in frames:
        await client.send(frame)
        test.assertIn((await error_of(client, 7))["code"], ("bad_frame", "bad_request", "unknown_type"), frame)
    for id in (0, -7, 2**53):
        for frame in ('"type":"nope"', '"type":"thread.close"', '"type":"thread.close","thread_id":"t9"', '"type":'):
            await client.send(f'{{"id":{id},{frame}}}')
            await error_of(client, id)
    test.assertEqual([frame for frame in client.frames if "error" in frame], [])


@case(23, "a byte order mark before a frame is skipped")
async def marked_frames(test):
    client = await test.client(test.start_server(), "ada")
    await client.send('\ufeff{"id":7,"type":"ping"}')
    test.assertEqual(await client.answer(7), {})
    await client.send('\ufeff\ufeff{"id":8,"type":"ping"}')
    refused = await client.take(lambda frame: "error" in frame)
    test.assertEqual(refused["error"]["code"], "bad_frame")


def masked(payload, first=0x81):
    """Returns a client's frame; `first` is FIN, the reserved bits and the opcode."""
    payload = payload.encode() if isinstance(payload, str) else payload
    size = len(payload)
    length = bytes([0x80 | size]) if size < 126 else b"\xfe" + size.to_bytes(2, "big") if size < 65536 else \
        b"\xff" + size.to_bytes(8, "big")
    return bytes([first]) + length + bytes(4) + payload  # a mask of zeros changes nothing


class Wire:
    """A WebSocket on which every byte is said when a row likes; hears frames as (opcode, payload)."""

    def __init__(self, test, server, *, deflate=False):
        offer = [("Sec-WebSocket-Extensions", "permessage-deflate")] if deflate else []
        self.answer = knock(server, headers=offer, bearer=token("ada"))
        test.addCleanup(self.answer.close)
        test.assertEqual(self.answer.status, 101)
        test.assertEqual("sec-websocket-extensions" in self.answer.headers, deflate)
        self.rest, self.test = self.answer.rest, test
        test.assertEqual(self.hear()[0], 1)

    def say(self, *frames):
        self.answer.stream.sendall(b"".join(frames))
        return self

    def take(self, size):
        while len(self.rest) < size:
            piece = self.answer.stream.recv(65536)
            if not piece:
                return None
            self.rest += piece
        taken, self.rest = self.rest[:size], self.rest[size:]
        return taken

    def hear(self):
        """Returns the next frame, None if there is none any more."""
        head = self.take(2)
        if head is None:
            return None
        size = head[1] if head[1] < 126 else int.from_bytes(self.take(2 if head[1] == 126 else 8), "big")
        payload = self.take(size)
        if head[0] & 0x40:
            payload = zlib.decompressobj(-15).decompress(payload + b"\x00\x00\xff\xff")
        return head[0] & 0x0f, payload

    def until_close(self):
        """Returns the ids that were answered, and the code of the close frame (None without one)."""
        ids = []
        while heard := self.hear():
            if heard[0] == 8:
                return ids, int.from_bytes(heard[1][:2], "big")
            if heard[0] == 1 and "id" in (frame := json.loads(heard[1])):
                ids.append(frame["id"])
        return ids, None


FAULTS = {"a reserved bit": (masked("{}", 0x91), 1002), "no text": (masked(b"\xff"), 1007),
          "a reserved opcode": (masked("{}", 0x83), 1002), "too much": (masked("x" * 5000), 1009),
          "no fragment to continue": (masked("x", 0x80), 1002), "half a close code": (masked("x", 0x88), 1002)}
UNINFLATABLE = {"nothing that can be inflated": (masked(b"\xff" * 4, 0xc1), 1007),
                "a wrong block": (masked(b"\x00\x05\x00\xfa\xfeHello", 0xc1), 1007),
                "deflated too much": (masked(zlib.compress(b"x" * 5000, wbits=-15)[:-1] + b"\x00", 0xc1), 1009)}
COMMANDS = ('"type":"ping"', '"type":"thread.list"', '"type":"thread.open","thread_id":"t1"', '"type":"status"',
            '"type":"message.send","thread_id":"t1","content":"hello"', '"type":"nonsense"')


async def fails_behind_its_answers(test, server, *, deflate):
    faults = {**FAULTS, **(UNINFLATABLE if deflate else {})}
    for fault, (frame, code) in faults.items():
        for count in (1, len(COMMANDS)):
            wire = Wire(test, server, deflate=deflate)
            commands = [masked(f'{{"id":{id},{command}}}') for id, command in enumerate(COMMANDS[:count])]
            wire.say(*commands, frame, masked('{"id":99,"type":"ping"}'))
            ids, got = wire.until_close()
            test.assertEqual((sorted(ids), got), (list(range(count)), code), fault)
            # The server waits for nothing but the end of TCP.
            wire.say(masked(code.to_bytes(2, "big"), 0x88))
            test.assertIsNone(wire.hear(), fault)


@case(26, "what came before a fault is answered, then the close frame says what the fault was")
async def answers_before_a_fault(test):
    limits = {"client": {"frame_bytes_max": "4KiB"}}
    await fails_behind_its_answers(test, test.start_server(**limits), deflate=False)
    server = test.start_server(deflate={"enabled": True, "threshold": 0}, **limits)
    await fails_behind_its_answers(test, server, deflate=True)


@case(26, "and so over TLS")
async def answers_before_a_fault_over_tls(test):
    authority = Authority()
    test.addCleanup(authority.clean_up)
    server = test.start_server(certificate=authority.certificate("a server"), client={"frame_bytes_max": "4KiB"},
                               deflate={"enabled": True, "threshold": 0})
    for deflate in (False, True):
        await fails_behind_its_answers(test, server, deflate=deflate)


@case(27, "a failed connection is ended by the server, whether or not its client answers")
async def the_end_of_a_failed_connection(test):
    server = test.start_server(deflate={"enabled": True})
    for fault, (frame, code) in {**UNINFLATABLE, **FAULTS}.items():
        if code != 1009:
            wire = Wire(test, server, deflate=True).say(frame)
            test.assertEqual(wire.until_close(), ([], code), fault)
            test.assertIsNone(wire.hear(), fault)
