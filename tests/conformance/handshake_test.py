"""RFC 6455, sections 1.3, 4.1, 4.2 and 4.4: the opening handshake. What is refused is refused with an HTTP error."""

import base64
import os
import unittest

from conformance import ConformanceTest
from raw_socket import EXAMPLE_KEY, accept_of, command, frame, upgrade_request

HANDSHAKE_TIMEOUT = "2s"


class Handshake(ConformanceTest):
    settings = {"client": {"handshake_timeout": HANDSHAKE_TIMEOUT}}

    def answer_to(self, request, method="GET"):
        """Returns the answer to a handshake on a connection of its own, and that connection."""
        peer = self.dial()
        peer.write(request)
        return peer.read_answer(method), peer

    def assert_accepted(self, *, key=EXAMPLE_KEY, **options):
        """The handshake is answered by a right 101, and the WebSocket behind it works."""
        answer, peer = self.answer_to(upgrade_request(self.server, sec_websocket_key=key, **options))
        self.assert_is_upgrade(answer, key.strip())
        self.assert_speaks(peer)
        return answer

    def assert_is_upgrade(self, answer, key):
        self.assertIsNotNone(answer, "closed without an answer")
        self.assertEqual((answer.version, answer.status), ("HTTP/1.1", 101), answer.body)
        self.assertEqual(answer.tokens("Upgrade"), ["websocket"])
        self.assertEqual(answer.tokens("Connection"), ["upgrade"])
        self.assertEqual(answer.all("Sec-WebSocket-Accept"), [accept_of(key)])
        self.assertEqual(answer.all("Sec-WebSocket-Extensions"), [], "9.1: none was agreed on")
        # RFC 7230, 3.3.1 and 3.3.2
        self.assertEqual(answer.all("Content-Length") + answer.all("Transfer-Encoding"), [])

    def assert_speaks(self, peer):
        peer.write(frame(command(1)))
        self.assertEqual(peer.answer_to(1)["error"]["code"], "unauthenticated")
        peer.socket.close()

    def assert_refused(self, request, *statuses, method="GET"):
        """The handshake is answered by a client error: by one of these, if any are given."""
        answer, peer = self.answer_to(request, method)
        peer.socket.close()
        self.assertIsNotNone(answer, "4.2.1: the answer is an HTTP response with an error code")
        self.assertEqual(answer.version, "HTTP/1.1")
        self.assertEqual(answer.all("Sec-WebSocket-Accept"), [])
        if statuses:
            self.assertIn(answer.status, statuses)
        else:
            self.assertTrue(400 <= answer.status < 500, answer)
        return answer

    def refuse_each(self, *variants, statuses=(), **same):
        for fields in variants:
            with self.subTest(**fields):
                self.assert_refused(upgrade_request(self.server, **{**same, **fields}), *statuses)


class WhatIsAnswered(Handshake):
    def test_1_3_the_example_key_of_the_rfc_gets_its_example_accept(self):
        answer, peer = self.answer_to(upgrade_request(self.server, sec_websocket_key="dGhlIHNhbXBsZSBub25jZQ=="))
        self.assertEqual(answer.all("Sec-WebSocket-Accept"), ["s3pPLMBiTxaQ9kYGzzhZRbK+xOo="])
        self.assert_speaks(peer)

    def test_4_2_2_every_key_gets_its_own_accept(self):
        for key in (bytes(16), b"\xff" * 16, b"\xfb\xef\xbe" * 5 + b"\xfb", *(os.urandom(16) for _ in range(30))):
            self.assert_accepted(key=base64.b64encode(key).decode())

    def test_4_2_1_names_and_tokens_count_in_any_case(self):
        self.assert_accepted(upgrade="WebSocket", connection="uPGRADE")
        odd = upgrade_request(self.server).decode().split("\r\n")
        odd = [odd[0]] + [line.partition(":")[0].swapcase() + ":" + line.partition(":")[2] if line else ""
                          for line in odd[1:]]
        answer, peer = self.answer_to("\r\n".join(odd).encode())
        self.assert_is_upgrade(answer, EXAMPLE_KEY)
        self.assert_speaks(peer)

    def test_4_2_1_connection_may_hold_several_tokens(self):
        for connection in ("keep-alive, Upgrade", "Upgrade,keep-alive", "a,b , upgrade\t, c", ", Upgrade",
                           ["keep-alive", "Upgrade"], ["Upgrade", "keep-alive"]):
            with self.subTest(connection):
                self.assert_accepted(connection=connection)

    def test_4_2_1_upgrade_may_hold_several_protocols(self):
        for upgrade in ("websocket, h2c", "h2c, websocket", ["h2c", "websocket"]):
            with self.subTest(upgrade):
                self.assert_accepted(upgrade=upgrade)

    def test_4_2_1_the_order_of_the_fields_and_unknown_ones_do_not_matter(self):
        lines = upgrade_request(self.server).decode().split("\r\n")
        answer, _ = self.answer_to("\r\n".join([lines[0], *reversed(lines[1:-2]), "", ""]).encode())
        self.assert_is_upgrade(answer, EXAMPLE_KEY)
        self.assert_accepted(cookie="c=" + "x" * 8000, more=[f"X-Number-{number}: {number}" for number in range(100)])

    def test_4_2_1_white_space_around_a_value_does_not_belong_to_it(self):
        self.assert_accepted(key=f" \t{EXAMPLE_KEY} \t", sec_websocket_version="\t13 ", upgrade=" websocket\t")

    def test_4_2_1_the_target_may_have_a_query_and_be_absolute(self):
        self.assert_accepted(first_line="GET /ws?unknown=1 HTTP/1.1")
        # RFC 7230, 5.3.2: "a server MUST accept the absolute-form".
        self.assert_accepted(first_line=f"GET http://127.0.0.1:{self.server.port}/ws HTTP/1.1")

    def test_4_1_a_request_may_come_byte_by_byte(self):
        peer = self.dial()
        peer.write_bytewise(upgrade_request(self.server))
        self.assert_is_upgrade(peer.read_answer(), EXAMPLE_KEY)
        self.assert_speaks(peer)

    def test_4_1_a_request_may_be_cut_anywhere(self):
        request = upgrade_request(self.server)
        for cut in range(1, len(request)):
            with self.dial() as peer:
                peer.write(request[:cut])
                peer.write(request[cut:])
                self.assert_is_upgrade(peer.read_answer(), EXAMPLE_KEY)

    def test_4_2_1_a_refused_handshake_may_be_followed_by_a_good_one(self):
        answer, peer = self.answer_to(upgrade_request(self.server, sec_websocket_version="8"))
        self.assertEqual(answer.status, 426)
        if "close" in answer.tokens("Connection"):
            return self.assertIsNone(peer.read_answer(), "it said that it closes")
        peer.write(upgrade_request(self.server))
        self.assert_is_upgrade(peer.read_answer(), EXAMPLE_KEY)
        self.assert_speaks(peer)

    def test_4_1_a_frame_right_behind_the_request_is_refused_or_read_but_not_lost(self):
        """A client MUST wait for the answer; a server that does not mind must then obey the frame."""
        answer, peer = self.answer_to(upgrade_request(self.server) + frame(command(1)))
        if answer.status != 101:
            return self.assertTrue(400 <= answer.status < 500, answer)
        self.assertEqual(peer.answer_to(1)["error"]["code"], "unauthenticated")


class WhatIsRefused(Handshake):
    def test_4_2_1_another_method_than_get(self):
        for method in ("POST", "PUT", "HEAD", "OPTIONS", "DELETE", "CONNECT", "get", "BREW"):
            with self.subTest(method):
                request = upgrade_request(self.server, first_line=f"{method} /ws HTTP/1.1")
                self.assert_refused(request, method=method)

    def test_4_2_1_another_version_of_http(self):
        for version in ("HTTP/1.0", "HTTP/0.9", "http/1.1", "HTTP/1.1x", "HTTP/", "WS/1.1"):
            with self.subTest(version):
                self.assert_refused(upgrade_request(self.server, first_line=f"GET /ws {version}"))

    def test_4_2_1_another_path(self):
        for path in ("/", "/wss", "/ws//", "/WS", "/nothing"):
            with self.subTest(path):
                self.assert_refused(upgrade_request(self.server, first_line=f"GET {path} HTTP/1.1"), 404, 200, 426)

    def test_4_2_1_no_host(self):
        """4.2.1, 2: "A |Host| header field containing the server's authority"; RFC 7230, 5.4: a server MUST respond
        with a 400 to a request that lacks it."""
        self.refuse_each({"host": None}, statuses=(400,))

    def test_4_2_1_two_hosts(self):
        """RFC 7230, 5.4: a server MUST respond with a 400 to "any request message that contains more than one Host
        header field"."""
        here = f"127.0.0.1:{self.server.port}"
        self.refuse_each({"host": [here, "example.com"]}, {"host": [here, here]}, statuses=(400,))

    def test_4_2_1_a_host_that_is_none(self):
        """RFC 7230, 5.4: a server MUST respond with a 400 to "a Host header field with an invalid field-value"."""
        self.refuse_each({"host": "a b"}, {"host": "a/b"}, {"host": "user@example.com"}, {"host": "a:port"},
                         statuses=(400,))

    def test_4_2_1_no_upgrade_or_another(self):
        self.refuse_each({"upgrade": None}, {"upgrade": ""}, {"upgrade": "h2c"}, {"upgrade": "websockets"},
                         {"upgrade": "web socket"}, {"connection": None}, {"connection": ""},
                         {"connection": "keep-alive"}, {"connection": "upgraded"}, {"connection": "close"})

    def test_4_2_1_no_key_or_an_empty_one(self):
        self.refuse_each({"sec_websocket_key": None}, {"sec_websocket_key": ""})

    def test_4_2_1_a_key_that_is_not_16_bytes(self):
        for size in (0, 1, 15, 17, 18, 32, 1000):
            with self.subTest(size):
                key = base64.b64encode(bytes(size)).decode()
                self.assert_refused(upgrade_request(self.server, sec_websocket_key=key))

    def test_4_2_1_a_key_that_is_no_base64(self):
        """4.2.1, 5: "A |Sec-WebSocket-Key| header field with a base64-encoded value that, when decoded, is 16 bytes in
        length"; what violates the grammar is answered by an error."""
        self.refuse_each(*({"sec_websocket_key": key} for key in (
            "dGhlIHNhbXBsZSBub25jZQ", "dGhlIHNhbXBsZSBub25jZQ=", "dGhlIHNhbXBsZSBub25jZ===", "=" * 24,
            "*" * 22 + "==", "dGhlIHNhbXBs ZSBub25jZ==", "dGhlIHNhbXBs-SBub25jZQ==", "dGhlIHNhbXBs=SBub25jZQ==",
            "dGhlIHNhbXBsäSBub25jZQ==")))

    def test_11_3_1_two_keys(self):
        """"The |Sec-WebSocket-Key| header field MUST NOT appear more than once in an HTTP request." """
        other = base64.b64encode(os.urandom(16)).decode()
        self.refuse_each({"sec_websocket_key": [EXAMPLE_KEY, other]}, {"sec_websocket_key": [EXAMPLE_KEY] * 2},
                         {"sec_websocket_key": f"{EXAMPLE_KEY}, {other}"})

    def test_4_4_another_version_is_told_which_one_is_spoken(self):
        """4.2.2, 4: "an appropriate HTTP error code (such as 426 Upgrade Required) and a |Sec-WebSocket-Version| header
        field indicating the version(s) the server is capable of understanding"."""
        for version in ("0", "7", "8", "12", "14", "25", "255", "1", "3", "131"):
            with self.subTest(version):
                answer = self.assert_refused(upgrade_request(self.server, sec_websocket_version=version), 426)
                self.assertEqual(answer.all("Sec-WebSocket-Version"), ["13"])
                self.assertIn("websocket", answer.tokens("Upgrade"))  # RFC 7231, 6.5.15

    def test_4_2_1_a_version_that_is_none(self):
        self.refuse_each(*({"sec_websocket_version": version} for version in (
            None, "", "013", "+13", "13.0", "0x0d", "thirteen", "13, 8", "8, 13", "256", "1 3")))

    def test_11_3_5_two_versions(self):
        """"The |Sec-WebSocket-Version| header field MUST NOT appear more than once in an HTTP request." """
        self.refuse_each({"sec_websocket_version": ["13", "8"]}, {"sec_websocket_version": ["8", "13"]},
                         {"sec_websocket_version": ["13", "13"]})

    def test_4_2_1_a_header_that_is_too_large(self):
        for options in ({"cookie": "x" * 17_000}, {"more": [f"X-{n}: {'x' * 80}" for n in range(200)]},
                        {"first_line": f"GET /ws?x={'x' * 17_000} HTTP/1.1"}, {"cookie": "x" * 1_000_000}):
            self.assert_refused(upgrade_request(self.server, **options), 431, 414, 400)

    def test_4_2_1_a_header_that_is_no_http(self):
        """RFC 7230, 3.2.4: no white space before a colon; 3.2.6: no control characters in a value."""
        for line in ("Upgrade : websocket", "No colon", ": no name", "Odd name: x", "X-Odd: a\0b", "X-Odd: a\x01b",
                     "X-Odd: a\x7fb", "X-Odd: a\rb", "X\x01Y: z"):
            with self.subTest(line):
                self.assert_refused(upgrade_request(self.server, more=[line]), 400)
        for first_line in ("GET", "GET /ws", "GET  /ws HTTP/1.1", "GET /w s HTTP/1.1", "", "GET ws HTTP/1.1",
                           "GET /ws#fragment HTTP/1.1", "GET /%zz HTTP/1.1"):
            with self.subTest(first_line):
                self.assert_refused(upgrade_request(self.server, first_line=first_line), 400)

    def test_4_2_1_a_body_is_refused_or_read_but_no_frame(self):
        """No rule forbids it; it must not be taken for WebSocket frames."""
        for fields, body in (({"content_length": "8"}, frame(command(1))), ({"transfer_encoding": "chunked"},
                                                                          b"2\r\n{}\r\n0\r\n\r\n")):
            answer, peer = self.answer_to(upgrade_request(self.server, **fields) + body)
            peer.socket.close()
            self.assertTrue(400 <= answer.status < 500, answer)
        self.assert_accepted(content_length="0")


class WhatMayBeEither(Handshake):
    def test_rfc_7230_3_5_lines_that_end_by_lf_alone_are_understood_or_refused_in_time(self):
        """"A recipient MAY recognize a single LF as a line terminator"; here the request's time may also run out."""
        answer, peer = self.answer_to(upgrade_request(self.server, line_end="\n"))
        if answer is not None and answer.status == 101:
            return self.assert_speaks(peer)
        self.assertTrue(answer is None or 400 <= answer.status < 500, answer)

    def test_rfc_7230_3_2_4_a_folded_line_is_unfolded_or_refused(self):
        answer, peer = self.answer_to(upgrade_request(self.server, more=["X-Folded: a", " b"]))
        if answer.status == 101:
            return self.assert_speaks(peer)
        self.assertEqual(answer.status, 400)

    def test_4_1_half_a_request_is_given_up_in_time(self):
        answer, _ = self.answer_to(upgrade_request(self.server)[:-2])
        self.assertTrue(answer is None or answer.status in (400, 408), answer)

    def test_4_1_a_request_that_never_came_is_given_up_at_once_when_the_client_hangs_up(self):
        peer = self.dial()
        peer.write(upgrade_request(self.server)[:-2])
        peer.hang_up()
        answer = peer.read_answer()
        self.assertTrue(answer is None or 400 <= answer.status < 500, answer)


if __name__ == "__main__":
    unittest.main()
