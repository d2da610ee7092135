"""RFC 6455, sections 5.1 to 5.3 and 10.4: masks, reserved bits and opcodes, lengths and their limits."""

import json
import unittest

from conformance import ConformanceTest
from raw_socket import (BINARY, CLOSE, CONTINUATION, MASK, PING, PONG, RSV1, RSV2, RSV3, TEXT, bearer, command, frame)

LIMIT = 128 * 1024
LIMIT_UNKNOWN = 64 * 1024  # before a client has signed in
BOUNDARIES = (124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537)


class Framing(ConformanceTest):
    settings = {"client": {"frame_bytes_max": LIMIT, "bad_frames_max": 1000}}


class Masking(Framing):
    def test_5_1_an_unmasked_frame_fails_the_connection(self):
        """"The server MUST close the connection upon receiving a frame that is not masked."""
        for opcode, payload in ((TEXT, command(1)), (TEXT, ""), (BINARY, b"\0"), (PING, "a"), (PONG, ""), (CLOSE, "")):
            with self.subTest(opcode=opcode):
                self.assert_fails(self.sign_in(), 1002, frame(payload, opcode, mask=None))

    def test_5_1_an_unmasked_frame_fails_a_connection_that_has_not_signed_in(self):
        self.assert_fails(self.open(), 1002, frame(command(1), mask=None))

    def test_5_1_an_unmasked_fragment_behind_a_masked_one_fails_the_connection(self):
        text = command(1)
        self.assert_fails(self.sign_in(), 1002, frame(text[:9], final=False),
                          frame(text[9:], CONTINUATION, mask=None))

    def test_5_3_any_masking_key_is_taken_off(self):
        peer = self.sign_in()
        masks = (bytes(4), b"\xff" * 4, b"\0\0\0\1", b"\1\0\0\0", b"\0\xff\0\xff", b'{"id', MASK)
        for id, mask in enumerate(masks, 1):
            with self.subTest(mask):
                self.assert_answered(peer, id, frame(command(id), mask=mask))

    def test_5_3_each_frame_has_a_key_of_its_own(self):
        peer = self.sign_in()
        text = command(1)
        self.assert_answered(peer, 1, frame(text[:7], final=False, mask=b"\1\2\3\4"),
                             frame(text[7:8], CONTINUATION, final=False, mask=b"\xff\xfe\xfd\xfc"),
                             frame(text[8:], CONTINUATION, mask=bytes(4)))

    def test_5_3_the_mask_goes_on_where_it_was_when_a_frame_comes_in_pieces(self):
        peer = self.sign_in()
        peer.request("thread.open", thread_id="t1")
        content = "".join(chr(0x21 + number * 7 % 90) for number in range(100_000)).replace("\\", "/").replace('"', "'")
        data = frame(json.dumps({"id": 10, "type": "message.send", "thread_id": "t1", "content": content}))
        sizes, begin = (1, 2, 3, 5, 7, 11, 13, 17, 64, 1021, 1024, 4099), 0
        for turn in range(len(data)):
            size = sizes[turn % len(sizes)]
            peer.write(data[begin:begin + size])
            begin += size
            if begin >= len(data):
                break
        peer.answer_to(10)
        kept = peer.text_where(lambda text: text.get("event", {}).get("type") == "message_accepted")
        self.assertTrue(kept["event"]["content"] == content, "what came is not what was sent")


class ReservedBitsAndOpcodes(Framing):
    def test_5_2_reserved_bits_fail_the_connection(self):
        """"If a nonzero value is received and none of the negotiated extensions defines the meaning of such a nonzero
        value, the receiving endpoint MUST _Fail the WebSocket Connection_."""
        for reserved in (RSV1, RSV2, RSV3, RSV1 | RSV2, RSV1 | RSV3, RSV2 | RSV3, RSV1 | RSV2 | RSV3):
            with self.subTest(reserved=reserved):
                self.assert_fails(self.sign_in(), 1002, frame(command(1), reserved=reserved))

    def test_5_2_reserved_bits_fail_the_connection_on_any_kind_of_frame(self):
        for reserved in (RSV1, RSV2, RSV3):
            for opcode in (BINARY, PING, PONG, CLOSE):
                with self.subTest(reserved=reserved, opcode=opcode):
                    self.assert_fails(self.sign_in(), 1002, frame(b"", opcode, reserved=reserved))

    def test_5_2_reserved_bits_on_a_later_fragment_fail_the_connection(self):
        text = command(1)
        for reserved in (RSV1, RSV2, RSV3):
            for final in (False, True):
                with self.subTest(reserved=reserved, final=final):
                    self.assert_fails(self.sign_in(), 1002, frame(text[:9], final=False),
                                      frame(text[9:], CONTINUATION, reserved=reserved, final=final))

    def test_5_2_every_reserved_opcode_fails_the_connection(self):
        """"If an unknown opcode is received, the receiving endpoint MUST _Fail the WebSocket Connection_."""
        for opcode in (0x3, 0x4, 0x5, 0x6, 0x7, 0xB, 0xC, 0xD, 0xE, 0xF):
            for payload, final in ((b"", True), (command(1), True), (command(1), False)):
                with self.subTest(opcode=opcode, size=len(payload), final=final):
                    self.assert_fails(self.sign_in(), 1002, frame(payload, opcode, final=final))

    def test_5_2_a_reserved_opcode_within_a_fragmented_message_fails_the_connection(self):
        for opcode in (0x3, 0xB):
            self.assert_fails(self.sign_in(), 1002, frame(command(1)[:9], final=False), frame(b"", opcode))


class Lengths(Framing):
    def test_5_2_a_message_of_any_length_is_read(self):
        peer = self.sign_in()
        for id, size in enumerate((len(command(1)), 60, *BOUNDARIES, LIMIT - 1, LIMIT), 100):
            with self.subTest(size=size):
                text = command(id) if size < 50 else command(id, size)
                self.assert_answered(peer, id, frame(text))

    def test_5_2_a_message_of_one_byte_or_none_is_read(self):
        peer = self.sign_in()
        for text in ("", " ", "{"):
            peer.write(frame(text))
            reply = peer.next_text()
            self.assertEqual(reply["error"]["code"], "bad_frame")
            self.assertNotIn("id", reply)
        self.assert_goes_on(peer)

    def test_5_2_a_frame_may_come_byte_by_byte(self):
        peer = self.sign_in()
        for id, size in enumerate((60, 125, 126, 300), 1):
            data = frame(command(id, size))
            peer.write_bytewise(data)
            self.assertEqual(peer.answer_to(id), {"id": id, "result": {}})
        header_bytewise = frame(command(9, 65536))
        peer.write_bytewise(header_bytewise[:16])
        self.assert_answered(peer, 9, header_bytewise[16:])

    def test_5_2_many_frames_may_come_at_once(self):
        peer = self.sign_in()
        ids = range(1, 501)
        peer.write(*(frame(command(id)) for id in ids))
        self.assertEqual(sorted(peer.next_text()["id"] for _ in ids), list(ids))

    def test_5_2_a_frame_may_come_together_with_half_of_the_next(self):
        peer = self.sign_in()
        second = frame(command(2, 200))
        for id, cut in ((1, 1), (3, 2), (4, 4), (5, 7), (6, 100)):
            self.assert_answered(peer, id, frame(command(id)), second[:cut])
            self.assert_answered(peer, 2, second[cut:])

    def test_5_2_a_length_that_is_not_said_the_shortest_way_fails_the_connection(self):
        """"In all cases, the minimal number of bytes MUST be used to encode the length": the RFC leaves open what a
        receiver does; gangwayd has always failed it, so that no two readers of one stream see different frames."""
        for size, bits in ((0, 16), (0, 64), (50, 16), (50, 64), (125, 16), (125, 64), (126, 64), (65535, 64)):
            with self.subTest(size=size, bits=bits):
                text = command(1, size) if size else ""
                self.assert_fails(self.sign_in(), 1002, frame(text, length_bits=bits))

    def test_5_2_a_length_of_64_bits_with_the_highest_one_set_fails_the_connection(self):
        """"The most significant bit MUST be 0"; it is too long as well, so that either may be said."""
        for length in (1 << 63, (1 << 63) + 10, (1 << 64) - 1):
            with self.subTest(length=length):
                self.assert_fails(self.sign_in(), (1002, 1009), frame(command(1), length=length))

    def test_10_4_a_frame_that_is_longer_than_the_limit_fails_the_connection(self):
        for size in (LIMIT + 1, LIMIT * 2, 4_000_000):
            with self.subTest(size=size):
                self.assert_fails(self.sign_in(), 1009, frame(command(1, size)))

    def test_10_4_a_header_that_announces_too_much_fails_the_connection_without_its_payload(self):
        for length in (LIMIT + 1, 1 << 20, 1 << 32, (1 << 63) - 1):
            with self.subTest(length=length):
                peer = self.sign_in()
                peer.write(frame("", length=length))
                self.assertEqual(peer.ending().code, 1009)

    def test_10_4_a_binary_frame_that_is_longer_than_the_limit_fails_the_connection(self):
        self.assert_fails(self.sign_in(), 1009, frame(bytes(LIMIT + 1), BINARY))

    def test_10_4_before_signing_in_the_limit_is_smaller(self):
        peer = self.open()
        for id, size in enumerate((*BOUNDARIES[:-1], LIMIT_UNKNOWN), 1):
            peer.write(frame(command(id, size)))
            self.assertEqual(peer.answer_to(id)["error"]["code"], "unauthenticated")
        self.assert_fails(peer, 1009, frame(command(99, LIMIT_UNKNOWN + 1)))

    def test_10_4_the_limit_grows_with_signing_in(self):
        peer = self.open()
        connect = {"id": 1, "type": "connect", "token": bearer().removeprefix("Bearer ")}
        peer.write(frame(json.dumps(connect)))
        self.assertIn("result", peer.answer_to(1))
        self.assert_answered(peer, 2, frame(command(2, LIMIT)))
        self.assert_fails(peer, 1009, frame(command(3, LIMIT + 1)))


class WhatTheServerSends(Framing):
    """That no frame is masked, has reserved bits or a length that is not minimal is judged wherever frames are read;
    here are the lengths at which a server could go wrong."""

    def test_5_2_short_lengths_are_said_in_7_bits_and_longer_ones_in_16(self):
        peer = self.sign_in()
        lengths = set()
        for size in range(1, 60):  # an unknown type is named in the answer
            peer.write(frame(json.dumps({"type": "u" * size})))
            answer = peer.read_frame()
            self.assertEqual(answer.opcode, TEXT)
            lengths.add(len(answer.payload))
        self.assertLessEqual({124, 125, 126, 127, 128}, lengths)

    def test_5_2_65535_bytes_are_said_in_16_bits_and_65536_in_64(self):
        peer = self.sign_in()
        size, length = 60_000, None
        for target in (None, 65534, 65535, 65536, 65537):
            thread = f"t{target or 0:05}"  # a frame's length depends on nothing but its content's
            peer.request("thread.open", thread_id=thread)
            size += target - length if target else 0
            peer.write(frame(json.dumps({"type": "message.send", "thread_id": thread, "content": "x" * size})))
            got = peer.read_frame()
            while b"message_accepted" not in got.payload[:500]:
                got = peer.read_frame()
            self.assertEqual(json.loads(got.payload)["event"]["content"], "x" * size)
            length = len(got.payload)
            self.assertIn(target, (None, length))


if __name__ == "__main__":
    unittest.main()
