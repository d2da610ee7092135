"""RFC 7692, permessage-deflate, as Gangway offers it: only where the operator enables it, never with context takeover,
so that an idle connection keeps no window. Inflated here by zlib, which gangwayd does not use."""

import json
import os
import random
import unittest
import zlib

from conformance import ConformanceTest
from raw_socket import (BINARY, CONTINUATION, PING, PONG, RSV1, RSV2, RSV3, TEXT, bearer, close_frame, command, frame)

LIMIT = 128 * 1024
LIMIT_UNKNOWN = 64 * 1024
THRESHOLD = 1024
TAIL = b"\x00\x00\xff\xff"  # what a message leaves out of its end (7.2.1)
BROKEN = (1002, 1007)  # the RFC says that the connection fails, not by which code


def deflated(text, *, level=6, bits=15, strategy=zlib.Z_DEFAULT_STRATEGY):
    """Returns a message's payload, by 7.2.1."""
    text = text.encode() if isinstance(text, str) else text
    deflater = zlib.compressobj(level, zlib.DEFLATED, -bits, 8, strategy)
    data = deflater.compress(text) + deflater.flush(zlib.Z_SYNC_FLUSH)
    assert data.endswith(TAIL)
    return data[:-4]


def inflater(bits=15):
    """Returns a function that inflates a whole message, by 7.2.2, and knows nothing of those before."""
    def inflate(payload):
        stream = zlib.decompressobj(-bits)
        return stream.decompress(payload + TAIL) + stream.flush()
    return inflate


def compressed(text, opcode=TEXT, **options):
    return frame(deflated(text, **options), opcode, reserved=RSV1)


def parameters_of(answer):
    """Returns what was agreed on: None for nothing, or the parameters of permessage-deflate."""
    fields = answer.all("Sec-WebSocket-Extensions")
    if not fields:
        return None
    assert len(fields) == 1 and "," not in fields[0], f"one extension was to be chosen: {fields}"
    name, *parameters = (part.strip() for part in fields[0].split(";"))
    assert name == "permessage-deflate", fields
    names = [part.partition("=")[0].strip() for part in parameters]
    assert len(set(names)) == len(names), f"7.1: each parameter once: {fields}"
    return {part.partition("=")[0].strip(): part.partition("=")[2].strip() for part in parameters}


class Deflate(ConformanceTest):
    settings = {"deflate": {"enabled": True, "threshold": THRESHOLD},
                "client": {"frame_bytes_max": LIMIT, "bad_frames_max": 1000}}

    def agree(self, offer="permessage-deflate"):
        """Returns what this offer leads to."""
        with self.dial() as peer:
            return parameters_of(peer.upgrade(sec_websocket_extensions=offer))

    def sign_in(self, offer="permessage-deflate"):
        peer = self.dial()
        # Before the answer is read: the greeting behind it may be compressed already.
        peer.deflate = inflater()
        return peer.sign_in(sec_websocket_extensions=offer)

    def hear(self, peer, size):
        """Has the server send an event with this much content; returns the content, and its frame."""
        content = "".join(random.Random(size).choices("abcdefgh ", k=size))
        thread = os.urandom(8).hex()
        peer.request("thread.open", thread_id=thread)
        peer.write(frame(json.dumps({"type": "message.send", "thread_id": thread, "content": content})))
        while (got := peer.read_frame()) is not None:
            # A long message that is compressed may come in fragments.
            whole, last = got.payload, got
            while not last.final:
                last = peer.read_frame()
                whole += last.payload
            payload = peer.deflate(whole) if got.reserved else whole
            if b'"message_accepted"' in payload:
                self.assertEqual(json.loads(payload)["event"]["content"], content)
                return content, got
        self.fail(f"closed with {peer.code}")


class Negotiation(Deflate):
    def test_7_1_1_no_context_is_taken_over_by_either_side(self):
        for offer in ("permessage-deflate", "permessage-deflate; client_max_window_bits",
                      "permessage-deflate; server_no_context_takeover; client_no_context_takeover"):
            with self.subTest(offer):
                agreed = self.agree(offer)
                self.assertLessEqual({"server_no_context_takeover": "", "client_no_context_takeover": ""}.items(),
                                     (agreed or {}).items())

    def test_9_1_who_offers_nothing_is_answered_nothing(self):
        for offer in (None, "x-webkit-deflate-frame", "permessage-bzip2", "deflate"):
            self.assertIsNone(self.agree(offer))

    def test_7_1_2_2_the_clients_window_is_not_limited_unless_it_offered_that(self):
        for offer in ("permessage-deflate", "permessage-deflate; server_max_window_bits=12"):
            self.assertNotIn("client_max_window_bits", self.agree(offer) or {})

    def test_7_1_2_1_the_servers_window_is_as_small_as_was_asked_or_the_offer_declined(self):
        """A server accepts such an offer "with the same or smaller value as the offer"."""
        for bits in range(8, 16):
            with self.subTest(bits=bits):
                agreed = self.agree(f"permessage-deflate; server_max_window_bits={bits}")
                if agreed is not None:
                    self.assertTrue(8 <= int(agreed["server_max_window_bits"]) <= bits, agreed)

    def test_7_1_2_1_the_servers_messages_keep_to_the_window(self):
        for bits in range(9, 16):
            peer = self.dial()
            peer.deflate = inflater(bits)
            agreed = parameters_of(peer.upgrade(
                sec_websocket_extensions=f"permessage-deflate; server_max_window_bits={bits}", authorization=bearer()))
            if agreed is None:
                continue
            peer.text_where(lambda text: text.get("type") == "connected")
            self.hear(peer, 50_000)

    def test_7_1_2_2_a_window_that_the_client_is_given_lets_it_speak(self):
        for value in ("", "=9", "=10", "=15"):
            peer = self.dial()
            peer.deflate = inflater()
            agreed = parameters_of(peer.upgrade(
                sec_websocket_extensions=f"permessage-deflate; client_max_window_bits{value}", authorization=bearer()))
            bits = int((agreed or {}).get("client_max_window_bits") or value.strip("=") or 15)
            peer.text_where(lambda text: text.get("type") == "connected")
            self.assert_answered(peer, 1, compressed(command(1, 60_000), bits=max(bits, 9)))

    def test_7_1_a_wrong_offer_is_declined(self):
        """"A server MUST decline an extension negotiation offer" with a parameter that is not defined, has an invalid
        value, or comes twice."""
        for wrong in ("unknown", "unknown=1", "server_max_window_bits", "server_max_window_bits=7",
                      "server_max_window_bits=16", "server_max_window_bits=010", "server_max_window_bits=-9",
                      "server_max_window_bits=ten", "server_max_window_bits=4294967305", "client_max_window_bits=7",
                      "client_max_window_bits=16", "client_max_window_bits=08", "server_no_context_takeover=1",
                      "client_no_context_takeover=true", "client_no_context_takeover; client_no_context_takeover",
                      "server_max_window_bits=10; server_max_window_bits=11",
                      "client_max_window_bits; client_max_window_bits"):
            with self.subTest(wrong):
                self.assertIsNone(self.agree(f"permessage-deflate; {wrong}"))

    def test_5_1_behind_a_declined_offer_the_next_one_counts_or_nothing_is_agreed_on(self):
        """A server may always decline; what it must not do is to accept the wrong one."""
        for offer in ("permessage-deflate; unknown, permessage-deflate",
                      ["x-other", "permessage-deflate; server_max_window_bits=99", "permessage-deflate"]):
            with self.subTest(offer):
                agreed = self.agree(offer) or {}
                self.assertNotIn("unknown", agreed)
                self.assertLessEqual(int(agreed.get("server_max_window_bits", 8)), 15)

    def test_9_1_an_offer_among_others_is_found(self):
        for offer in ("bbf-usp-protocol, permessage-deflate", ["x-other; a=b", "permessage-deflate"],
                      "permessage-deflate , x-other"):
            with self.subTest(offer):
                self.assertIsNotNone(self.agree(offer))

    def test_9_1_a_quoted_value_is_understood_or_declined(self):
        agreed = self.agree('permessage-deflate; server_max_window_bits="12"')
        self.assertTrue(agreed is None or int(agreed["server_max_window_bits"]) <= 12, agreed)

    def test_6_without_the_extension_its_bit_fails_the_connection(self):
        peer = ConformanceTest.sign_in(self)
        self.assert_fails(peer, 1002, compressed(command(1)))


class FromTheClient(Deflate):
    def test_7_2_1_a_compressed_message_is_read_at_any_level_and_strategy(self):
        peer = self.sign_in()
        id = 0
        for size in (60, 125, 126, 1000, 65535, 65536, LIMIT - 1000):  # stored, it grows a little
            for level in (0, 1, 6, 9):
                for strategy in (zlib.Z_DEFAULT_STRATEGY, zlib.Z_FIXED, zlib.Z_HUFFMAN_ONLY, zlib.Z_RLE):
                    id += 1
                    with self.subTest(size=size, level=level, strategy=strategy):
                        self.assert_answered(peer, id, compressed(command(id, size), level=level, strategy=strategy))

    def test_7_2_3_the_examples_of_the_rfc_are_read(self):
        """Each is "Hello", which is text and no command: one block, a stored one, two blocks. (BFINAL is below.)"""
        for example in ("f248cdc9c90700", "000500faff48656c6c6f00", "f24805000000ffffcac9c90700"):
            with self.subTest(example):
                peer = self.sign_in()
                data = bytes.fromhex(example)
                peer.write(frame(data, reserved=RSV1))
                self.assertEqual(peer.next_text()["error"]["code"], "bad_frame")
                peer.write(frame(data[:3], reserved=RSV1, final=False), frame(data[3:], CONTINUATION))
                self.assertEqual(peer.next_text()["error"]["code"], "bad_frame")
                self.assert_goes_on(peer)

    @unittest.expectedFailure
    def test_7_2_3_4_a_message_may_end_by_a_last_block(self):
        """Boost.Beast 1.81 takes a block with BFINAL for the end of everything; the connection is failed with 1007."""
        peer = self.sign_in()
        for id in range(1, 4):
            deflater = zlib.compressobj(6, zlib.DEFLATED, -15)
            data = deflater.compress(command(id, 3000).encode()) + deflater.flush(zlib.Z_FINISH)
            self.assert_answered(peer, id, frame(data + b"\0", reserved=RSV1))

    def test_7_2_3_6_an_empty_message_may_be_compressed(self):
        peer = self.sign_in()
        for data in (b"\0", b"\x02\0"):
            peer.write(frame(data, reserved=RSV1))
            self.assertEqual(peer.next_text()["error"]["code"], "bad_frame")
        self.assert_goes_on(peer)

    def test_6_1_a_message_need_not_be_compressed(self):
        peer = self.sign_in()
        for id in range(1, 20):
            text = command(id, 100 * id)
            self.assert_answered(peer, id, compressed(text) if id % 3 else frame(text))

    def test_6_1_a_compressed_message_may_be_cut_anywhere(self):
        peer = self.sign_in()
        for id in range(10, 40):
            data = deflated(command(id, 100))
            cut = min(id - 10, len(data))
            self.assert_answered(peer, id, frame(data[:cut], reserved=RSV1, final=False),
                                 frame(data[cut:], CONTINUATION))
            pieces = [frame(data[at:at + 1], CONTINUATION, final=False) for at in range(1, len(data))]
            self.assert_answered(peer, id, frame(data[:1], reserved=RSV1, final=False), *pieces,
                                 frame("", CONTINUATION))

    def test_6_1_control_frames_between_compressed_fragments_change_nothing(self):
        peer = self.sign_in()
        data = deflated(command(1, 5000))
        peer.write(frame(data[:5], reserved=RSV1, final=False), frame(b"between", PING))
        self.assertEqual(peer.read_message(), (PONG, b"between"))
        self.assert_answered(peer, 1, frame(data[5:], CONTINUATION))

    def test_7_2_2_a_message_may_come_byte_by_byte(self):
        peer = self.sign_in()
        peer.write_bytewise(compressed(command(1, 2000)))
        self.assertEqual(peer.answer_to(1), {"id": 1, "result": {}})

    def test_5_6_a_compressed_binary_message_is_refused_as_any_other(self):
        peer = self.sign_in()
        peer.write(compressed(b"\xff" * 1000, BINARY))
        self.assertEqual(peer.next_text()["error"]["code"], "bad_frame")
        self.assert_goes_on(peer)


class FromTheServer(Deflate):
    def test_7_2_1_what_is_longer_than_the_threshold_is_compressed(self):
        peer = self.sign_in()
        for size in (THRESHOLD * 2, 30_000, 100_000):
            content, got = self.hear(peer, size)
            self.assertEqual(got.reserved, RSV1)
            self.assertLess(len(got.payload), len(content))

    def test_7_2_1_what_is_shorter_is_not(self):
        peer = self.sign_in()
        for size in (1, 100):
            self.assertEqual(self.hear(peer, size)[1].reserved, 0)

    def test_7_2_1_every_message_can_be_inflated_without_those_before(self):
        peer = self.sign_in()
        for _ in range(5):
            self.hear(peer, 5000)  # the same content: a context would make the second one tiny

    def test_6_control_frames_are_not_compressed(self):
        peer = self.sign_in()
        peer.write(frame(b"x" * 125, PING))
        self.assertEqual(peer.read_message(), (PONG, b"x" * 125))
        peer.close_with(1000)
        self.assertEqual(peer.ending().code, 1000)


class WhatFails(Deflate):
    def test_6_1_the_bit_on_a_later_fragment_fails_the_connection(self):
        """"An endpoint receiving such a frame MUST _Fail the WebSocket Connection_."""
        data = deflated(command(1))
        for first in (RSV1, 0):
            for final in (False, True):
                with self.subTest(first=first, final=final):
                    self.assert_fails(self.sign_in(), BROKEN, frame(data[:5], reserved=first, final=False),
                                      frame(data[5:], CONTINUATION, reserved=RSV1, final=final))

    def test_6_1_the_bit_on_a_control_frame_fails_the_connection(self):
        for opcode in (PING, PONG):
            self.assert_fails(self.sign_in(), 1002, frame(b"", opcode, reserved=RSV1))
        self.assert_fails(self.sign_in(), 1002, close_frame(1000, reserved=RSV1))

    def test_5_2_the_other_reserved_bits_still_fail_the_connection(self):
        for reserved in (RSV2, RSV3, RSV1 | RSV2, RSV1 | RSV3):
            self.assert_fails(self.sign_in(), 1002, frame(deflated(command(1)), reserved=reserved))

    def test_7_2_2_data_that_is_not_deflated_fails_the_connection(self):
        for fault, data in (("an unknown kind of block", b"\xff\xff\xff\xff"), ("another", b"\x07"),
                            ("a length that is not its complement's", b"\x00\x05\x00\xfa\xfeHello"),
                            ("too many codes", b"\x05\xff\xff\xff\xff\xff\xff\xff"),
                            ("no such distance", b"\x4a\x04\x03\x42\x00" + b"\xff" * 20)):
            with self.subTest(fault):
                self.assert_fails(self.sign_in(), BROKEN, frame(data, reserved=RSV1))

    def test_7_2_2_a_context_that_was_not_to_be_kept_fails_the_connection_or_was_kept(self):
        deflater = zlib.compressobj(9, zlib.DEFLATED, -15)
        noise = "".join(random.Random(1).choices("abcdefghijklmnop", k=3000))
        both = []
        for id in (1, 2):
            text = json.dumps({"id": id, "type": "ping", "filler": noise})
            both.append((deflater.compress(text.encode()) + deflater.flush(zlib.Z_SYNC_FLUSH))[:-4])
        peer = self.sign_in()
        self.assert_answered(peer, 1, frame(both[0], reserved=RSV1))
        peer.write(frame(both[1], reserved=RSV1), close_frame(1000))
        peer.said_codes.add(1000)
        ending = peer.ending()
        answers = [got.payload for got in ending.frames if b'"id":2' in got.payload]
        self.assertIn((ending.code, answers), [(1000, [b'{"id":2,"result":{}}']), *((code, []) for code in BROKEN)])

    def test_7_2_2_data_that_is_cut_off_ends_in_a_refusal_or_a_failure(self):
        data = deflated(command(1, 3000), level=9, strategy=zlib.Z_HUFFMAN_ONLY)
        for size in (1, 2, 10, len(data) // 2, len(data) - 2):
            with self.subTest(size=size):
                peer = self.sign_in()
                peer.write(frame(data[:size], reserved=RSV1), close_frame(1000))
                peer.said_codes.add(1000)
                ending = peer.ending()
                self.assertIn(ending.code, (1000, *BROKEN))
                self.assertFalse(any(b"result" in got.payload for got in ending.frames), "half of it was obeyed")

    def test_8_1_invalid_utf_8_within_fails_the_connection(self):
        for text in (b"\xff", b"x" * 5000 + b"\xc0\xaf", b"\xed\xa0\x80", b"x\xc3"):
            self.assert_fails(self.sign_in(), 1007, compressed(text))
            self.assert_fails(self.sign_in(), 1007, compressed(text, level=0))

    def test_10_4_a_message_that_inflates_beyond_the_limit_fails_the_connection(self):
        for size in (LIMIT + 1, LIMIT * 2, 50_000_000):
            with self.subTest(size=size):
                self.assert_fails(self.sign_in(), 1009, compressed(command(1, size)))

    def test_10_4_a_message_that_inflates_to_the_limit_is_read(self):
        peer = self.sign_in()
        self.assert_answered(peer, 1, compressed(command(1, LIMIT)))
        self.assert_goes_on(peer)

    def test_10_4_fragments_that_inflate_beyond_the_limit_fail_the_connection(self):
        data = deflated(command(1, 50_000_000))
        pieces = [frame(data[at:at + 1000], CONTINUATION, final=False) for at in range(1000, len(data), 1000)]
        self.assert_fails(self.sign_in(), 1009, frame(data[:1000], reserved=RSV1, final=False), *pieces)

    def test_10_4_before_signing_in_the_smaller_limit_holds_for_what_is_inflated(self):
        peer = self.open(sec_websocket_extensions="permessage-deflate")
        peer.deflate = inflater()
        peer.write(compressed(command(1, LIMIT_UNKNOWN)))
        self.assertEqual(peer.answer_to(1)["error"]["code"], "unauthenticated")
        self.assert_fails(peer, 1009, compressed(command(2, LIMIT_UNKNOWN + 1)))


if __name__ == "__main__":
    unittest.main()
