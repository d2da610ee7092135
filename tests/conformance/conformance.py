"""What the tests of one section share: a server for each class, connections that end with their test, and the verdicts
"it goes on" and "it was failed"."""

import unittest

from raw_socket import RawSocket, command, frame

from gangway import Server  # raw_socket knows where it is

BEHIND = 4711  # the id of a good command that is sent behind a bad frame


class ConformanceTest(unittest.TestCase):
    """A test against a real gangwayd. `settings` are sections of its configuration."""

    settings = {}

    @classmethod
    def setUpClass(cls):
        cls.server = Server(**cls.settings)
        cls.addClassCleanup(cls.server.clean_up)
        cls.server.start()

    @classmethod
    def tearDownClass(cls):
        """Whatever the tests of this class did to their own connections, the next user gets in."""
        try:
            with RawSocket(cls.server) as peer:
                peer.sign_in().request("ping")
        except (AssertionError, OSError) as error:
            raise AssertionError(f"the server is not well any more: {error}\n{cls.server.log_tail()}") from None

    def dial(self):
        """Returns a TCP connection without a handshake."""
        peer = RawSocket(self.server)
        self.addCleanup(peer.socket.close)
        return peer

    def open(self, **fields):
        """Returns a WebSocket that has not signed in."""
        peer = self.dial()
        peer.upgrade(**fields)
        return peer

    def sign_in(self, **fields):
        """Returns a WebSocket of a user of its own, who is greeted already."""
        return self.dial().sign_in(**fields)

    def assert_goes_on(self, peer):
        """The connection is as good as new."""
        self.assertEqual(peer.request("ping"), {})
        self.assertEqual(peer.texts, [], "nothing else was said")

    def assert_answered(self, peer, id, *data):
        """What is sent holds one good command with this id, which is obeyed."""
        peer.write(*data)
        self.assertEqual(peer.answer_to(id), {"id": id, "result": {}})

    def assert_fails(self, peer, code, *data):
        """What is sent fails the connection: the server says why and ends TCP, and obeys nothing that comes behind.

        The RFC (7.1.7) demands that TCP ends, and wants a Close frame before ("SHOULD"); Gangway's contract promises
        that frame with its code. Several codes are given where both leave a choice."""
        peer.write(*data, frame(command(BEHIND)))
        ending = peer.ending()
        self.assertIn(ending.code, code if isinstance(code, tuple) else (code,))
        behind = [got for got in ending.frames if f'"id":{BEHIND}'.encode() in got.payload]
        self.assertEqual(behind, [], "7.1.7: nothing behind the fault may be processed")
        peer.socket.close()
