"""RFC 6455, sections 5.6 and 8.1: text is UTF-8 or the connection is failed. The hard cases are those of Markus Kuhn's
"UTF-8 decoder capability and stress test"."""

import unittest

from conformance import ConformanceTest
from raw_socket import BINARY, CONTINUATION, PING, PONG, TEXT, command, fragments, frame

# The first and the last code point of each length and on both sides of each gap, and some words.
VALID = [chr(point) for point in (0x20, 0x7F, 0x80, 0x7FF, 0x800, 0xFFF, 0x1000, 0xCFFF, 0xD000, 0xD7FF, 0xE000, 0xFFFD,
                                  0xFEFF, 0xFFFE, 0xFFFF, 0xFDD0, 0x10000, 0x3FFFF, 0x40000, 0xFFFFF, 0x100000,
                                  0x10FFFF)] + ["κόσμε", "Hello-µ@ßöäüàá-UTF-8!!", "日本語", "👩‍👩‍👧‍👦", "e\u0301", ""]

LONE_CONTINUATIONS = ["80", "bf", "80bf", "80bf80", "80bf80bf80bf80", bytes(range(0x80, 0xC0)).hex()]
LONE_STARTERS = ["c220", "df20", "e020", "ef20", "f020", "f420", "c2c2", "e0e0", "f0f0", "c3c3a4"]
NEVER_BYTES = ["fe", "ff", "fefeffff", "c0", "c1", "f5", "f6", "f7", "f8", "fb", "fc", "fd"]
TRUNCATED = ["c3", "df", "e080", "e1", "e180", "efbf", "f0", "f090", "f09080", "f48fbf", "f7bfbf",
             "f8888080", "fc84808080"]
OVERLONG = ["c080", "c0af", "c1bf", "e08080", "e080af", "e09fbf", "f0808080", "f08080af", "f08fbfbf", "f880808080",
            "f8808080af", "f887bfbfbf", "fc8080808080", "fc80808080af", "fc83bfbfbfbf"]
SURROGATES = ["eda080", "edadbf", "edae80", "edafbf", "edb080", "edbe80", "edbfbf", "eda080edb080", "edafbfedbfbf"]
TOO_LARGE = ["f4908080", "f48fbfc0", "f5808080", "f7bfbfbf", "f888808080", "fbbfbfbfbf", "fc8480808080", "fdbfbfbfbfbf"]


def said(id, content):
    """Returns a command with these bytes in it."""
    return f'{{"id":{id},"type":"ping","x":"'.encode() + content + b'"}'


class Text(ConformanceTest):
    settings = {"client": {"bad_frames_max": 1000}}

    def refuse_each(self, sequences):
        """Each of these fails the connection, whole, in two fragments wherever it is cut, and in two writes."""
        for sequence in map(bytes.fromhex, sequences):
            text = said(1, sequence)
            begin = text.index(sequence)
            for cut in range(begin, begin + len(sequence) + 1):
                with self.subTest(sequence.hex(), cut=cut - begin):
                    self.assert_fails(self.sign_in(), 1007, *fragments(text, cut))
            with self.subTest(sequence.hex()):
                self.assert_fails(self.sign_in(), 1007, frame(text))
                self.assert_fails(self.sign_in(), 1007, *fragments(text, *range(1, len(text))))
                peer = self.sign_in()
                data = frame(text)
                peer.write(data[:6 + begin + 1])
                self.assert_fails(peer, 1007, data[6 + begin + 1:])


class WhatIsText(Text):
    def test_5_6_every_boundary_of_utf_8_is_text_whole_and_cut_at_every_byte(self):
        peer = self.sign_in()
        for id, word in enumerate(VALID, 1):
            with self.subTest(word):
                text = said(id, word.encode())
                self.assert_answered(peer, id, frame(text))
                for cut in range(len(text) + 1):
                    self.assert_answered(peer, id, *fragments(text, cut))
                self.assert_answered(peer, id, *fragments(text, *range(1, len(text))))

    def test_5_6_every_code_point_is_text(self):
        peer = self.sign_in()
        points = map(chr, (*range(0x20, 0xD800), *range(0xE000, 0x110000, 7)))
        points = [point for point in points if point not in '"\\']
        for id, begin in enumerate(range(0, len(points), 8000), 1):
            self.assert_answered(peer, id, frame(said(id, "".join(points[begin:begin + 8000]).encode())))

    def test_5_6_text_that_comes_byte_by_byte_is_text(self):
        peer = self.sign_in()
        peer.write_bytewise(frame(said(1, "κόσμε 日本語 😀".encode())))
        self.assertEqual(peer.answer_to(1), {"id": 1, "result": {}})

    def test_5_6_what_is_said_is_what_comes_back(self):
        peer = self.sign_in()
        peer.request("thread.open", thread_id="t1")
        words = "".join(VALID)
        peer.request("message.send", thread_id="t1", content=words)
        kept = peer.text_where(lambda text: text.get("event", {}).get("type") == "message_accepted")
        self.assertEqual(kept["event"]["content"], words)

    def test_5_6_a_character_may_be_cut_between_frames_of_many_sizes(self):
        peer = self.sign_in()
        text = said(1, "😀".encode() * 20_000)
        for step in (1, 2, 3, 5, 1021, 4099):
            self.assert_answered(peer, 1, *fragments(text, *range(step, len(text), step)))

    def test_5_6_text_that_is_no_command_is_still_text(self):
        peer = self.sign_in()
        for text in ("", "\0", "plain", "\ufeff[1]", "[1]"):
            peer.write(frame(text))
            self.assertEqual(peer.next_text()["error"]["code"], "bad_frame")
        self.assert_goes_on(peer)


class WhatIsNoText(Text):
    """8.1: "When an endpoint is to interpret a byte stream as UTF-8 but finds that the byte stream is not, in fact, a
    valid UTF-8 stream, that endpoint MUST _Fail the WebSocket Connection_."; 1007 by 7.4.1."""

    def test_8_1_continuation_bytes_without_a_beginning(self):
        self.refuse_each(LONE_CONTINUATIONS)

    def test_8_1_beginnings_without_continuation(self):
        self.refuse_each(LONE_STARTERS)

    def test_8_1_bytes_that_are_in_no_text(self):
        self.refuse_each(NEVER_BYTES)

    def test_8_1_sequences_that_end_too_early(self):
        self.refuse_each(TRUNCATED)

    def test_8_1_overlong_sequences(self):
        self.refuse_each(OVERLONG)

    def test_8_1_surrogates(self):
        self.refuse_each(SURROGATES)

    def test_8_1_code_points_above_10ffff(self):
        self.refuse_each(TOO_LARGE)

    def test_8_1_a_message_that_ends_within_a_character(self):
        for character in ("ä", "€", "😀"):
            whole = character.encode()
            for size in range(1, len(whole)):
                with self.subTest(character, size=size):
                    text = b"x" + whole[:size]
                    self.assert_fails(self.sign_in(), 1007, frame(text))
                    self.assert_fails(self.sign_in(), 1007, *fragments(text, 1))
                    self.assert_fails(self.sign_in(), 1007, frame(text, final=False), frame("", CONTINUATION))
                    self.assert_fails(self.sign_in(), 1007, frame(text), frame(whole[size:]))

    def test_8_1_before_signing_in_as_well(self):
        self.assert_fails(self.open(), 1007, frame(b"\xff"))

    def test_8_1_a_fault_at_any_place_of_a_long_message(self):
        """A checker that works in blocks must not lose what is between two."""
        for place in (0, 1, 7, 8, 15, 16, 31, 63, 64, 65, 1023, 1024, 1025, 4095, 4096, 65535, 65536, 99_999):
            for sequence in (b"\x80", b"\xc3\x28", b"\xed\xa0\x80"):
                with self.subTest(sequence.hex(), place=place):
                    text = b"x" * place + sequence + b"y" * (100_000 - place)
                    self.assert_fails(self.sign_in(), 1007, frame(text))

    def test_8_1_a_fault_fails_the_connection_before_the_message_is_whole(self):
        """The RFC does not ask for haste; gangwayd fails it as soon as it has read the fault."""
        begun = b'{"id":1,"x":"'
        for data in (frame(begun + b"\xff" + b"x" * 100, final=False),
                     frame(begun, final=False) + frame(b"\xc0\xaf" + b"x" * 100, CONTINUATION, final=False),
                     frame(begun + b"\xed\xa0\x80" + b"x" * 3000)[:2000]):
            peer = self.sign_in()
            peer.write(data)
            self.assertEqual(peer.ending().code, 1007)

    def test_5_4_a_control_frame_does_not_hide_a_fault(self):
        self.assert_fails(self.sign_in(), 1007, frame(b"x\xc3", final=False), frame(b"\xa4", PONG),
                          frame(b"x", CONTINUATION))


class WhatIsBinary(Text):
    def test_5_6_a_binary_message_is_refused_and_costs_nothing_else(self):
        """RFC 6455 leaves it to the application; Gangway's frames are text, and says so in an error frame."""
        peer = self.sign_in()
        for content in (b"", b"\0", b"\xff\xfe\xc0\xaf", command(7).encode(), b"x" * 65536, bytes(range(256)) * 10):
            peer.write(frame(content, BINARY))
            reply = peer.next_text()
            expected = 7 if content == command(7).encode() else None
            self.assertEqual((reply["error"]["code"], reply.get("id")), ("bad_frame", expected))
        for cut in range(5):
            peer.write(*fragments(b"\xff\xc0\xed\xa0", cut, opcode=BINARY))
            self.assertEqual(peer.next_text()["error"]["code"], "bad_frame")
        self.assert_goes_on(peer)

    def test_5_6_text_behind_a_binary_message_is_judged_anew(self):
        peer = self.sign_in()
        peer.write(frame(b"\xc3", BINARY))
        self.assertEqual(peer.next_text()["error"]["code"], "bad_frame")
        self.assert_goes_on(peer)
        self.assert_fails(peer, 1007, frame(b"\xa4"))

    def test_5_5_payloads_of_pings_and_pongs_are_no_text(self):
        peer = self.sign_in()
        peer.write(frame(b"\xff\xc0\xaf", PONG), frame(b"\xed\xa0\x80", PING))
        self.assertEqual(peer.read_message(), (PONG, b"\xed\xa0\x80"))
        self.assert_goes_on(peer)

    def test_5_6_the_server_answers_in_text(self):
        peer = self.sign_in()
        peer.write(frame(command(1)))
        self.assertEqual(peer.read_frame().opcode, TEXT)


if __name__ == "__main__":
    unittest.main()
