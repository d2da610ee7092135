"""RFC 6455, sections 5.5, 5.5.2 and 5.5.3: control frames are short, pings are echoed, pongs need no ping."""

import os
import unittest

from conformance import ConformanceTest
from raw_socket import CLOSE, PING, PONG, TEXT, command, frame


class ControlFrames(ConformanceTest):
    def assert_echoed(self, peer, payload):
        peer.write(frame(payload, PING))
        self.assertEqual(peer.read_message(), (PONG, payload))

    def pongs_until(self, peer, last):
        """Returns the payloads of pongs up to this one."""
        pongs = []
        while not pongs or pongs[-1] != last:
            opcode, payload = peer.read_message()
            self.assertEqual(opcode, PONG)
            pongs.append(payload)
        return pongs

    def test_5_5_3_a_ping_is_answered_by_a_pong_with_its_payload(self):
        for peer in (self.sign_in(), self.open()):
            for payload in (b"", b"\0", b"Hello", b"\xff\xfe\x80", "κόσμε".encode(), bytes(range(124)),
                            bytes(range(130, 255)), b"\0" * 125, b"18446744073709551615", os.urandom(125)):
                self.assert_echoed(peer, payload)

    def test_5_5_2_a_ping_may_come_byte_by_byte(self):
        peer = self.sign_in()
        peer.write_bytewise(frame(b"slowly", PING))
        self.assertEqual(peer.read_message(), (PONG, b"slowly"))

    def test_5_5_3_of_many_pings_at_least_the_last_is_answered(self):
        """"The endpoint MAY elect to send a Pong frame for only the most recently processed Ping frame."""
        peer = self.sign_in()
        pings = [f"number {number}".encode() for number in range(1000)]
        peer.write(*(frame(payload, PING) for payload in pings))
        pongs = self.pongs_until(peer, pings[-1])
        self.assertEqual(pongs, [payload for payload in pings if payload in set(pongs)], "in order, and each once")
        self.assert_goes_on(peer)

    def test_5_5_3_pings_between_messages_do_not_disturb_them(self):
        peer = self.sign_in()
        ids = range(1, 101)
        peer.write(*(frame(b"between", PING) + frame(command(id)) for id in ids))
        answered = []
        while len(answered) < len(ids):
            opcode, payload = peer.read_message()
            if opcode == TEXT:
                answered.append(payload)
            else:
                self.assertEqual((opcode, payload), (PONG, b"between"))
        self.assertEqual(len(set(answered)), len(ids))

    def test_5_5_3_a_pong_that_answers_nothing_is_ignored(self):
        """"A response to an unsolicited Pong frame is not expected."""
        for peer in (self.sign_in(), self.open()):
            for payload in (b"", b"0", b"1", b"99999999999999999999999", b"-1", b"\xff" * 125, os.urandom(20)):
                peer.write(frame(payload, PONG))
            peer.write(*(frame(str(number), PONG) for number in range(1000)))
            self.assert_echoed(peer, b"still here")

    def test_5_5_a_control_frame_of_125_bytes_is_read_and_a_longer_one_fails_the_connection(self):
        for opcode in (PING, PONG):
            peer = self.sign_in()
            peer.write(frame(b"x" * 125, opcode))
            if opcode == PING:
                self.assertEqual(peer.read_message(), (PONG, b"x" * 125))
            self.assert_goes_on(peer)
        for opcode in (PING, PONG, CLOSE):
            body = b"\x03\xe8" + b"x" * 200_000
            for size in (126, 127, 1000, 65536, 200_000):
                with self.subTest(opcode=opcode, size=size):
                    self.assert_fails(self.sign_in(), 1002, frame(body[:size], opcode))

    def test_5_5_a_control_frame_that_says_its_short_length_in_more_bits_fails_the_connection(self):
        for opcode in (PING, PONG, CLOSE):
            for bits in (16, 64):
                with self.subTest(opcode=opcode, bits=bits):
                    self.assert_fails(self.sign_in(), 1002, frame(b"", opcode, length_bits=bits))

    def test_5_5_a_control_frame_that_announces_too_much_fails_the_connection_without_its_payload(self):
        for length in (126, 1 << 20, 1 << 62):
            peer = self.sign_in()
            peer.write(frame(b"", PING, length=length))
            self.assertEqual(peer.ending().code, 1002)


class TheServersPings(ConformanceTest):
    settings = {"heartbeat": {"interval": "600ms", "timeout": "550ms"}}

    def test_5_5_2_they_are_right_frames_and_a_pong_keeps_the_connection(self):
        peer = self.sign_in()
        seen = []
        while len(seen) < 3:
            opcode, payload = peer.read_message()
            self.assertEqual(opcode, PING)
            peer.write(frame(payload, PONG))
            seen.append(payload)
        self.assertEqual(len(set(seen)), len(seen), "each can be told from the others")
        self.assert_goes_on(peer)


if __name__ == "__main__":
    unittest.main()
