"""RFC 6455, section 5.4: a message in fragments, however many and however small, is the message."""

import unittest

from conformance import ConformanceTest
from raw_socket import (BINARY, CLOSE, CONTINUATION, PING, PONG, TEXT, close_frame, command, fragments, frame)

LIMIT = 256 * 1024


class Fragmentation(ConformanceTest):
    settings = {"client": {"frame_bytes_max": LIMIT, "bad_frames_max": 1000}}


class WhatIsOneMessage(Fragmentation):
    def test_5_4_two_fragments_are_one_message_wherever_it_is_cut(self):
        peer = self.sign_in()
        for id in range(10, 10 + len(command(10)) + 1):
            self.assert_answered(peer, id, *fragments(command(id), id - 10))

    def test_5_4_a_fragment_for_every_byte(self):
        peer = self.sign_in()
        for id, size in enumerate((60, 126, 2000), 1):
            self.assert_answered(peer, id, *fragments(command(id, size), *range(1, size)))

    def test_5_4_fragments_of_one_byte_that_come_byte_by_byte(self):
        peer = self.sign_in()
        text = command(1)
        peer.write_bytewise(b"".join(fragments(text, *range(1, len(text)))))
        self.assertEqual(peer.answer_to(1), {"id": 1, "result": {}})

    def test_5_4_empty_fragments_add_nothing_wherever_they_stand(self):
        peer = self.sign_in()
        size = len(command(1))
        for id, ends in enumerate(((0,), (0, 0, 0), (9, 9), (size,), (size, size, size), (0, 5, 5, 9, 9, size)), 1):
            with self.subTest(ends):
                self.assert_answered(peer, id, *fragments(command(id), *ends))

    def test_5_4_a_message_of_empty_fragments_is_an_empty_message(self):
        peer = self.sign_in()
        for ends in ((0,), (0,) * 100):
            peer.write(*fragments("", *ends))
            self.assertEqual(peer.next_text()["error"]["code"], "bad_frame")
        self.assert_goes_on(peer)

    def test_5_4_a_message_may_come_in_65536_fragments(self):
        peer = self.sign_in()
        size = 3 * 65536
        self.assert_answered(peer, 1, *fragments(command(1, size), *range(3, size, 3)))
        self.assert_goes_on(peer)

    def test_5_4_a_message_may_come_in_65536_empty_fragments_and_one(self):
        peer = self.sign_in()
        self.assert_answered(peer, 1, *fragments(command(1), *(9 for _ in range(65536))))

    def test_5_4_fragments_of_every_length_boundary_are_one_message(self):
        peer = self.sign_in()
        ends = [0, 1, 125, 126, 127]
        ends = [sum(ends[:count]) for count in range(1, len(ends) + 1)] + [1000, 1000 + 65535, 1000 + 65535 + 65536]
        self.assert_answered(peer, 1, *fragments(command(1, 200_000), *ends))

    def test_5_4_messages_in_fragments_may_follow_each_other_and_whole_ones(self):
        peer = self.sign_in()
        peer.write(*fragments(command(1), 9), frame(command(2)), *fragments(command(3), 4, 5), frame(command(4)))
        self.assertEqual({peer.next_text()["id"] for _ in range(4)}, {1, 2, 3, 4})

    def test_5_4_a_binary_message_in_fragments_is_one_message(self):
        peer = self.sign_in()
        peer.write(*fragments(b"\xff\x00" * 50, 10, 20, opcode=BINARY))
        self.assertEqual(peer.next_text()["error"]["code"], "bad_frame")
        self.assert_goes_on(peer)


class ControlFramesInBetween(Fragmentation):
    def test_5_4_a_ping_between_fragments_is_answered_before_the_message_is_whole(self):
        peer = self.sign_in()
        text = command(1)
        peer.write(frame(text[:9], final=False))
        for payload in (b"", b"between", bytes(range(125))):
            peer.write(frame(payload, PING))
            self.assertEqual(peer.read_message(), (PONG, payload))
        self.assert_answered(peer, 1, frame(text[9:], CONTINUATION))

    def test_5_4_control_frames_between_all_fragments_change_nothing(self):
        peer = self.sign_in()
        text = command(1, 200)
        between = frame("p", PING) + frame("q", PONG)
        peer.write(between.join(fragments(text, *range(1, len(text)))))
        pongs = 0
        while (got := peer.read_message())[0] == PONG:
            self.assertEqual(got[1], b"p")
            pongs += 1
        self.assertEqual(got[0], TEXT)
        self.assertTrue(1 <= pongs < len(text), pongs)
        self.assert_goes_on(peer)

    def test_5_5_1_a_close_between_fragments_is_answered(self):
        peer = self.sign_in()
        peer.write(frame(command(1)[:9], final=False))
        peer.close_with(1000)
        self.assertEqual(peer.ending()[:2], (1000, []))

    def test_5_4_a_control_frame_between_the_bytes_of_a_character_changes_nothing(self):
        peer = self.sign_in()
        text = '{"id":1,"type":"ping","x":"κ€😀"}'.encode()
        pieces = fragments(text, *range(1, len(text)))
        peer.write(frame("", PONG).join(pieces))
        self.assertEqual(peer.answer_to(1), {"id": 1, "result": {}})


class WhatIsNone(Fragmentation):
    def test_5_4_a_continuation_without_a_beginning_fails_the_connection(self):
        for final in (False, True):
            for payload in (b"", command(1)):
                with self.subTest(final=final, size=len(payload)):
                    self.assert_fails(self.sign_in(), 1002, frame(payload, CONTINUATION, final=final))

    def test_5_4_a_continuation_behind_a_whole_message_fails_the_connection(self):
        for message in ([frame(command(1))], fragments(command(1), 9), [frame(b"", BINARY)], [frame("a", PING)]):
            peer = self.sign_in()
            self.assert_fails(peer, 1002, *message, frame("x", CONTINUATION))

    def test_5_4_a_message_within_a_fragmented_one_fails_the_connection(self):
        """"The fragments of one message MUST NOT be interleaved between the fragments of another message"."""
        text = command(1)
        for opcode in (TEXT, BINARY):
            for final in (False, True):
                with self.subTest(opcode=opcode, final=final):
                    self.assert_fails(self.sign_in(), 1002, frame(text[:9], final=False),
                                      frame(text[9:], opcode, final=final))

    def test_5_4_a_message_behind_an_empty_beginning_fails_the_connection(self):
        self.assert_fails(self.sign_in(), 1002, frame("", final=False), frame(command(1)))

    def test_10_4_fragments_that_are_longer_than_the_limit_together_fail_the_connection(self):
        text = command(1, LIMIT + 1)
        for ends in ((1,), (LIMIT,), (LIMIT // 2,), tuple(range(1000, LIMIT, 1000))):
            with self.subTest(fragments=len(ends) + 1):
                self.assert_fails(self.sign_in(), 1009, *fragments(text, *ends))

    def test_10_4_fragments_that_are_as_long_as_the_limit_together_are_read(self):
        peer = self.sign_in()
        self.assert_answered(peer, 1, *fragments(command(1, LIMIT), *range(1000, LIMIT, 1000)))
        self.assert_answered(peer, 2, *fragments(command(2, LIMIT), LIMIT))

    def test_10_4_control_frames_do_not_count_for_the_length_of_a_message(self):
        peer = self.sign_in()
        peer.write((frame("p" * 125, PONG) * 10).join(fragments(command(1, LIMIT), *range(1000, LIMIT, 1000))))
        self.assertEqual(peer.answer_to(1), {"id": 1, "result": {}})

    def test_5_4_a_message_without_an_end_is_no_message(self):
        peer = self.sign_in()
        peer.write(frame(command(1), final=False), frame("", CONTINUATION, final=False), frame("end", PING))
        self.assertEqual(peer.read_message(), (PONG, b"end"))
        peer.said_codes.add(1000)
        peer.write(close_frame(1000))
        ending = peer.ending()
        self.assertEqual((ending.code, ending.frames), (1000, []))

    def test_5_5_a_fragmented_control_frame_fails_the_connection(self):
        for opcode in (PING, PONG, CLOSE):
            with self.subTest(opcode=opcode):
                self.assert_fails(self.sign_in(), 1002, frame("", opcode, final=False))
                self.assert_fails(self.sign_in(), 1002, frame(command(1)[:9], final=False),
                                  frame("", opcode, final=False))


if __name__ == "__main__":
    unittest.main()
