"""RFC 6455, sections 1.9, 4.2.2 and 9.1: subprotocols and extensions, of which the server names what was offered or
nothing."""

import unittest

from conformance import ConformanceTest
from gangway import base64url, token
from raw_socket import SUBPROTOCOL, command, frame, upgrade_request


class Negotiation(ConformanceTest):
    def offer(self, **fields):
        """Returns the 101 to this offer; the WebSocket behind it works."""
        peer = self.dial()
        answer = peer.upgrade(**fields)
        peer.write(frame(command(1)))
        self.assertEqual(peer.answer_to(1)["error"]["code"], "unauthenticated")
        peer.socket.close()
        return answer

    def assert_refused(self, **fields):
        """4.2.1: "any violations of the ABNF grammar specified for the components of the handshake" are answered by an
        HTTP error."""
        with self.dial() as peer:
            peer.write(upgrade_request(self.server, **fields))
            answer = peer.read_answer()
        self.assertIsNotNone(answer)
        self.assertTrue(400 <= answer.status < 500, answer)


class Subprotocols(Negotiation):
    def chosen(self, *lines):
        """Returns what the server chose of this offer."""
        return self.offer(sec_websocket_protocol=list(lines)).all("Sec-WebSocket-Protocol")

    def test_4_2_2_none_is_named_to_a_client_that_offers_none(self):
        self.assertEqual(self.chosen(), [])

    def test_4_2_2_none_is_named_to_a_client_that_offers_others_only(self):
        for lines in (("chat",), ("chat, superchat",), ("chat", "superchat"), ("gangway.v1",), ("gangway.v1.jsonx",),
                      ("xgangway.v1.json",), ("gangway.v2.json",)):
            with self.subTest(lines):
                self.assertEqual(self.chosen(*lines), [])

    def test_4_2_2_ours_is_named_once_however_it_is_offered(self):
        for lines in ((SUBPROTOCOL,), (f"chat, {SUBPROTOCOL}",), (f"{SUBPROTOCOL},chat",),
                      (f" chat ,\t{SUBPROTOCOL} ",), ("chat", SUBPROTOCOL), (SUBPROTOCOL, "chat"),
                      ("a, b", f"c, {SUBPROTOCOL}", "d")):
            with self.subTest(lines):
                self.assertEqual(self.chosen(*lines), [SUBPROTOCOL])

    def test_4_2_2_a_token_offered_as_a_subprotocol_is_never_named(self):
        credential = "base64url.bearer.authorization.gangway." + base64url(token("ada"))
        for lines in ((f"{SUBPROTOCOL}, {credential}",), (credential, SUBPROTOCOL)):
            with self.dial() as peer:
                answer = peer.upgrade(sec_websocket_protocol=list(lines))
                self.assertEqual(answer.all("Sec-WebSocket-Protocol"), [SUBPROTOCOL])
                self.assertEqual(peer.next_text()["type"], "connected")
        # Without ours beside it there is nothing to name, and a browser would take that for a failure without a reason.
        for lines in ((credential,), ("chat", credential)):
            self.assert_refused(sec_websocket_protocol=list(lines))

    def test_4_2_2_a_subprotocol_in_another_case_is_another_one(self):
        """4.2.2, 5: the value is chosen "by selecting one of the values from the |Sec-WebSocket-Protocol| field"; a
        client fails the connection if it is named what it did not offer (4.1)."""
        for offered in ("GANGWAY.V1.JSON", "Gangway.v1.json"):
            with self.subTest(offered):
                self.assertIn(self.chosen(offered), ([], [offered]))

    def test_4_3_an_offer_that_violates_the_grammar_is_refused(self):
        """4.3: Sec-WebSocket-Protocol-Client = 1#token"""
        for offered in (",", "a b", "a/b", "a;b", '"a"', "{a}", f"{SUBPROTOCOL}, a@b"):
            with self.subTest(offered):
                self.assert_refused(sec_websocket_protocol=offered)


    def test_4_3_an_empty_offer_is_none(self):
        """Against the grammar and on purpose: proxies blank what they do not know, and nobody is locked out for it."""
        self.assertEqual(self.offer(sec_websocket_protocol="").all("Sec-WebSocket-Protocol"), [])
        self.assertEqual(self.offer(sec_websocket_extensions="").all("Sec-WebSocket-Extensions"), [])


class Extensions(Negotiation):
    def test_9_1_none_is_named_by_default_whatever_is_offered(self):
        for offer in ("permessage-deflate", "permessage-deflate; client_max_window_bits",
                      "permessage-deflate; server_max_window_bits=10; client_no_context_takeover, permessage-deflate",
                      "x-webkit-deflate-frame", "permessage-bzip2, bbf-usp-protocol", 'a; b="c"; d=e, f',
                      ["permessage-deflate", "x-other"], "a,,b", "\tpermessage-deflate ;\tclient_max_window_bits "):
            with self.subTest(offer):
                self.assertEqual(self.offer(sec_websocket_extensions=offer).all("Sec-WebSocket-Extensions"), [])

    def test_9_1_an_offer_that_violates_the_grammar_is_refused(self):
        """9.1: on "a value ... that does not conform to the ABNF below, the recipient of such malformed data MUST
        immediately _Fail the WebSocket Connection_"."""
        for offer in (";", "permessage-deflate;", "permessage deflate", "permessage-deflate; =10", "a; b=",
                      'a; b="c', 'a; b="c d"', "a@b", "a; b=c=d"):
            with self.subTest(offer):
                self.assert_refused(sec_websocket_extensions=offer)


if __name__ == "__main__":
    unittest.main()
