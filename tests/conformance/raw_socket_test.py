"""The judge is judged: what no server may send is found, and what it may send is read. Otherwise the other tests here
would pass for the wrong reason."""

import socket
import struct
import unittest
from types import SimpleNamespace

from raw_socket import (BINARY, CLOSE, CONTINUATION, PING, PONG, RSV1, TEXT, RawSocket, accept_of, command, frame,
                        masked)


def said(payload=b"", opcode=TEXT, **bits):
    """Returns a server's frame."""
    return frame(payload, opcode, **{"mask": None, **bits})


def close(code, reason=b""):
    return said(struct.pack("!H", code) + reason, CLOSE)


class Judge(unittest.TestCase):
    def hear(self, *data):
        """Returns a client to whom a server has said this, and hung up."""
        with socket.create_server(("127.0.0.1", 0)) as listener:
            peer = RawSocket(SimpleNamespace(port=listener.getsockname()[1]))
            self.addCleanup(peer.socket.close)
            server, _ = listener.accept()
        with server:
            server.sendall(b"".join(data))
        return peer

    def test_what_no_server_may_send_is_found(self):
        for fault, data in (
                ("a mask", said("x", mask=b"1234")), ("a reserved bit", said("x", reserved=RSV1)),
                ("a reserved opcode", said("x", 3)), ("a long length for a short one", said("x", length_bits=16)),
                ("64 bits for 16", said("x" * 300, length_bits=64)), ("a fragmented ping", said("", PING, final=False)),
                ("a long ping", said("x" * 126, PING)), ("a lone continuation", said("x", CONTINUATION)),
                ("a message within another", said("x", final=False) + said("y")),
                ("a code that is reserved", close(1005)), ("another", close(1006)), ("another", close(999)),
                ("another", close(5000)), ("1011", close(1011)), ("half a code", said("x", CLOSE)),
                ("a frame behind a close", close(1000) + said("x")), ("two closes", close(1000) * 2),
                ("an end within a frame", said("x" * 10)[:5]), ("an end within a header", said("x" * 300)[:3])):
            with self.subTest(fault), self.assertRaises(AssertionError):
                self.hear(data).ending()

    def test_text_that_is_no_utf_8_is_found(self):
        for data in (said(b"\xff"), said(b"\xc3", final=False) + said(b"\x28", CONTINUATION), close(1000, b"\xff")):
            with self.assertRaises(UnicodeDecodeError):
                self.hear(data).read_message()

    def test_what_a_server_may_send_is_read(self):
        peer = self.hear(said("a" * 125), said("b" * 126), said("c" * 65535), said("d" * 65536), said(b"\xff", BINARY),
                         said("e", final=False), said("f", CONTINUATION), said("p", PING), said("", PONG), close(4440))
        sizes = [len(peer.read_message()[1]) for _ in range(6)]
        self.assertEqual(sizes, [125, 126, 65535, 65536, 1, 2])
        self.assertEqual(peer.read_message(), (PING, b"p"))
        self.assertEqual(peer.read_message(), (PONG, b""))
        self.assertEqual(peer.ending(), (4440, [], False))

    def test_a_code_that_the_client_said_may_be_echoed(self):
        peer = self.hear(close(1011))
        peer.said_codes.add(1011)
        self.assertEqual(peer.ending().code, 1011)

    def test_frames_are_made_as_in_the_examples_of_5_7(self):
        self.assertEqual(frame("Hello").hex(), "818537fa213d7f9f4d5158")
        self.assertEqual(said("Hello").hex(), "810548656c6c6f")
        self.assertEqual(said("Hel", final=False) + said("lo", CONTINUATION), b"\x01\x03Hel\x80\x02lo")
        self.assertEqual(frame("Hello", PING).hex(), "898537fa213d7f9f4d5158")
        self.assertEqual(said(bytes(256), BINARY)[:4].hex(), "827e0100")
        self.assertEqual(said(bytes(65536), BINARY)[:10].hex(), "827f0000000000010000")
        self.assertEqual(masked(masked(b"Hello", b"\0\1\2\3"), b"\0\1\2\3"), b"Hello")
        self.assertEqual(accept_of("dGhlIHNhbXBsZSBub25jZQ=="), "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
        self.assertEqual([len(command(9, size)) for size in (40, 125, 65536)], [40, 125, 65536])


if __name__ == "__main__":
    unittest.main()
