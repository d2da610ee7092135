"""RFC 6455, sections 5.5.1 and 7: the closing handshake, and every other way in which a connection ends."""

import json
import select
import struct
import time
import unittest

from conformance import ConformanceTest
from raw_socket import (CLOSE, PING, PONG, TEXT, bearer, close_frame, command, fragments, frame,
                        upgrade_request)

IN_TIME = 10  # seconds that an ending may take: gangwayd gives a closing handshake two
AT_ONCE = 1.5  # seconds that it may take where gangwayd has nothing to wait for

GOOD_CODES = (1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 3000, 3001, 3999, 4000, 4440, 4999)
REGISTERED_LATER = (1012, 1013, 1014)  # with IANA, by 7.4.2's "future revisions"
BAD_CODES = (0, 1, 999, 1004, 1005, 1006, 1015, 1016, 1100, 1999, 2000, 2500, 2999)
UNDEFINED_CODES = (5000, 9999, 65535)  # 7.4.2 ends at 4999


class Closing(ConformanceTest):
    settings = {"client": {"bad_frames_max": 1000}}

    def assert_ends(self, peer, *codes):
        """The server answers with one of these codes (None: no Close frame) and ends TCP, in time; returns how."""
        begun = time.monotonic()
        ending = peer.ending()
        self.assertLess(time.monotonic() - begun, IN_TIME)
        self.assertIn(ending.code, codes)
        peer.socket.close()
        return ending

    def ended(self, code="1006"):
        """Returns how many connections have ended with this code."""
        return self.server.metrics()[f'gangway_disconnects_total{{code="{code}"}}']

    def await_ended(self, count, code="1006"):
        deadline = time.monotonic() + IN_TIME
        while self.ended(code) < count:
            self.assertLess(time.monotonic(), deadline, "the server has not noticed the end")


class ByTheClient(Closing):
    def test_7_4_1_a_close_frame_is_answered_by_its_code_and_tcp_ends(self):
        """5.5.1: "When sending a Close frame in response, the endpoint typically echos the status code it received."""
        for code in GOOD_CODES:
            for opened in (self.sign_in, self.open):
                with self.subTest(code=code, opened=opened.__name__):
                    peer = opened()
                    peer.close_with(code)
                    self.assertEqual(self.assert_ends(peer, code), (code, [], False))

    def test_7_4_2_a_code_that_was_registered_later_is_answered_by_itself_or_refused(self):
        for code in REGISTERED_LATER:
            peer = self.sign_in()
            peer.close_with(code)
            self.assert_ends(peer, code, 1002)

    def test_7_4_a_code_that_no_close_frame_may_say_fails_the_connection(self):
        for code in BAD_CODES:
            with self.subTest(code=code):
                self.assert_fails(self.sign_in(), 1002, close_frame(code))
                self.assert_fails(self.sign_in(), 1002, close_frame(code, b"with a reason"))

    def test_7_4_2_a_code_that_is_defined_nowhere_is_refused_or_answered_by_itself(self):
        """The RFC does not say what a number above 4999 means."""
        for code in UNDEFINED_CODES:
            with self.subTest(code=code):
                peer = self.sign_in()
                peer.close_with(code)
                self.assert_ends(peer, code, 1002)

    def test_7_1_5_a_close_frame_without_a_code_is_answered_without_one_or_by_1000(self):
        peer = self.sign_in()
        peer.close_with()
        self.assert_ends(peer, 1005, 1000)

    def test_5_5_1_a_close_frame_of_one_byte_fails_the_connection(self):
        """"If there is a body, the first two bytes of the body MUST be a 2-byte unsigned integer."""
        for byte in (b"\x03", b"\0", b"\xff"):
            self.assert_fails(self.sign_in(), 1002, frame(byte, CLOSE))

    def test_5_5_1_a_reason_may_have_up_to_123_bytes(self):
        for reason in (b"x", "gäbe es 😀".encode(), b"x" * 123, "ä".encode() * 61):
            peer = self.sign_in()
            peer.close_with(1000, reason)
            self.assert_ends(peer, 1000)
        self.assert_fails(self.sign_in(), 1002, close_frame(1000, b"x" * 124))

    def test_5_5_1_a_reason_that_is_no_utf_8_fails_the_connection(self):
        """By 8.1; 1007 or 1002, since the Close frame itself is wrong."""
        for reason in (b"\xff", b"\x80", b"ok\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xc3",
                       b"x" * 122 + b"\xe2"):
            with self.subTest(reason.hex()[-8:]):
                self.assert_fails(self.sign_in(), (1002, 1007), close_frame(1000, reason))

    def test_5_5_1_what_comes_behind_a_close_frame_is_ignored(self):
        """1.4: "After receiving a control frame indicating the connection should be closed, a peer discards any further
        data received"; also another Close."""
        for behind in (frame(command(1)), frame(b"x", PING), frame(b"x", 3), close_frame(1001), frame(b"\xff"),
                       frame(command(1), mask=None), b"\0" * 1000, frame(b"x" * 500_000)):
            with self.subTest(size=len(behind)):
                peer = self.sign_in()
                peer.said_codes.add(1000)
                peer.write(close_frame(1000), behind)
                self.assertEqual(self.assert_ends(peer, 1000)[:2], (1000, []))

    def test_5_5_1_what_comes_before_a_close_frame_may_be_answered_and_the_close_is(self):
        peer = self.sign_in()
        peer.said_codes.add(1000)
        peer.write(*(frame(command(id)) for id in range(1, 101)), close_frame(1000))
        ending = self.assert_ends(peer, 1000)
        answered = [json.loads(got.payload)["id"] for got in ending.frames if got.opcode == TEXT]
        self.assertEqual(len(set(answered)), len(answered))

    def test_5_4_a_close_within_a_fragmented_message_is_answered(self):
        for pieces in (fragments(command(1), 5)[:1], fragments(command(1), 5, 9)[:2], [frame(b"\xc3", final=False)]):
            peer = self.sign_in()
            peer.said_codes.add(1000)
            peer.write(*pieces, close_frame(1000))
            self.assertEqual(self.assert_ends(peer, 1000)[:2], (1000, []))

    def test_5_5_1_a_close_while_the_server_speaks_ends_its_speech(self):
        peer = self.sign_in()
        peer.request("thread.open", thread_id="t1")
        peer.request("message.send", thread_id="t1", content="/stream 2000 100000")
        peer.text_where(lambda text: text.get("event", {}).get("type") == "message_delta")
        peer.close_with(1001)
        self.assert_ends(peer, 1001)

    def test_5_5_1_a_close_that_comes_byte_by_byte_is_answered(self):
        peer = self.sign_in()
        peer.said_codes.add(1000)
        peer.write_bytewise(close_frame(1000, b"slowly"))
        self.assert_ends(peer, 1000)

    def test_7_1_1_a_client_that_closes_and_hangs_up_at_once_gets_its_answer(self):
        peer = self.sign_in()
        peer.close_with(1000)
        peer.hang_up()
        self.assert_ends(peer, 1000)

    def test_7_1_1_a_client_that_closes_and_never_hangs_up_is_left_in_time(self):
        peer = self.sign_in()
        peer.close_with(1000)
        self.assertEqual(peer.ending().code, 1000)
        watch = select.poll()
        watch.register(peer.socket, 0)  # errors are reported all the same: the server's kernel refuses what we send
        deadline = time.monotonic() + IN_TIME
        while not watch.poll(50):
            peer.write(b"x")
            self.assertLess(time.monotonic(), deadline, "the server keeps a connection that is over")


class WithoutAWord(Closing):
    """7.1.5, 7.2.1: TCP may end without a Close frame at any time. It counts as 1006, and nobody else feels it."""

    def ways_to_leave(self):
        return {"hangs up": lambda peer: peer.hang_up(), "closes": lambda peer: peer.socket.close(),
                "resets": lambda peer: peer.reset()}

    def states(self):
        """Returns connections by the state that they are in."""
        half = frame(command(1, 1000))[:500]
        return {"idle": (self.sign_in, b""), "not signed in": (self.open, b""), "within a frame": (self.sign_in, half),
                "within a header": (self.sign_in, b"\x81"), "within a close frame": (self.sign_in, b"\x88\x82"),
                "within a message": (self.sign_in, frame("{", final=False)),
                "with answers to come": (self.sign_in, frame(command(1)) * 100)}

    def test_7_1_5_the_server_notices_in_every_state_and_ends_its_side(self):
        for state, (opened, data) in self.states().items():
            for way, leave in self.ways_to_leave().items():
                with self.subTest(state=state, way=way):
                    before = self.ended()
                    peer = opened()
                    peer.write(data)
                    leave(peer)
                    if way == "hangs up":
                        self.assertNotEqual(peer.ending().code, 1000, "nobody said a Close frame")
                    self.await_ended(before + 1)
                    peer.socket.close()

    def test_7_1_5_a_connection_that_ends_right_behind_its_request_is_noticed(self):
        for leave in self.ways_to_leave().values():
            peer = self.dial()
            peer.write(upgrade_request(self.server, authorization=bearer()))
            leave(peer)
        self.assert_goes_on(self.sign_in())

    def test_7_2_1_a_client_that_hangs_up_is_let_go_at_once(self):
        """The RFC sets no time. But nothing more can come, so that there is nothing to wait for: on a day on which
        everybody comes back at once, every descriptor that is kept for nothing is missing."""
        for opened in (self.sign_in, self.open):
            peer = opened()
            begun = time.monotonic()
            peer.hang_up()
            self.assert_ends(peer, None)
            self.assertLess(time.monotonic() - begun, AT_ONCE)

    def test_7_2_3_a_hundred_resets_hurt_nobody_else(self):
        other = self.sign_in()
        for _ in range(100):
            self.sign_in().reset()
        self.assert_goes_on(other)


class ByTheServer(Closing):
    settings = {"auth": {"timeout": "300ms"}}
    NEVER_AUTHENTICATED = 4502

    def told(self):
        """Returns a connection that was told to go, its Close frame included."""
        peer = self.open()
        goodbye = peer.next_text()
        self.assertEqual((goodbye["type"], goodbye["code"], goodbye["reconnect"]),
                         ("disconnect", self.NEVER_AUTHENTICATED, False))
        got = peer.read_frame()
        self.assertEqual(got.opcode, CLOSE)
        self.assertEqual(struct.unpack("!H", got.payload[:2])[0], self.NEVER_AUTHENTICATED)
        return peer

    def test_7_1_2_it_says_why_and_ends_tcp_once_its_close_is_answered(self):
        for body in (struct.pack("!H", self.NEVER_AUTHENTICATED), b"", struct.pack("!H", 1000)):
            peer = self.told()
            begun = time.monotonic()
            peer.write(frame(body, CLOSE))
            self.assertEqual(peer.ending()[1:], ([], False))
            self.assertLess(time.monotonic() - begun, AT_ONCE)

    def test_7_1_1_it_ends_tcp_when_its_close_is_not_answered(self):
        peer = self.told()
        self.assert_ends(peer, self.NEVER_AUTHENTICATED)

    def test_7_1_1_it_ends_tcp_when_the_client_hangs_up_instead_of_answering(self):
        peer = self.told()
        peer.hang_up()
        self.assert_ends(peer, self.NEVER_AUTHENTICATED)

    def test_7_1_1_it_ends_tcp_when_the_client_never_stops_talking(self):
        peer = self.told()
        watch = select.poll()
        watch.register(peer.socket, 0)
        deadline = time.monotonic() + IN_TIME
        while not watch.poll(20):
            peer.write(frame(command(1)), frame(b"x", PING))
            self.assertLess(time.monotonic(), deadline, "the server listens for ever")

    def test_5_5_1_it_takes_what_was_on_its_way_and_then_the_close(self):
        for on_its_way in ((frame(command(1)),), (frame(b"x", PING), frame(b"x", PONG)), fragments(command(1), 3, 5),
                           (frame(b"\xff" * 1000, 2),), (frame("x" * 60_000),)):
            peer = self.told()
            peer.write(*on_its_way, close_frame(self.NEVER_AUTHENTICATED))
            self.assertEqual(peer.ending()[1:], ([], False))

    def test_7_1_7_a_failure_behind_its_close_ends_tcp_without_another_close(self):
        for bad in (frame(command(1), mask=None), frame(b"", 3), frame("", 0), frame("x" * 126, PING),
                    close_frame(1005), frame("x", CLOSE)):
            peer = self.told()
            peer.write(bad)
            self.assert_ends(peer, self.NEVER_AUTHENTICATED)

    def test_7_1_1_a_client_that_reads_nothing_is_left_in_time_too(self):
        peer = self.open()
        watch = select.poll()
        watch.register(peer.socket, select.POLLRDHUP)
        self.assertTrue(watch.poll(IN_TIME * 1000), "neither its silence nor its deafness ended it")


if __name__ == "__main__":
    unittest.main()
