"""Both listeners over TLS, for clients that this project did not write; and certificates that are renewed meanwhile."""

import asyncio
import socket
import ssl
import types
import unittest

from certificates import RSA, Authority
from gangway import ENDINGS, PATIENCE, GangwayTest, text, token
from knocking import knock
from node_program import NodeProgram

QUESTION = "what is 12*(3+4)?"
TLS_1_2, TLS_1_3 = ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3


class TlsTest(GangwayTest):
    @classmethod
    def setUpClass(cls):
        cls.authority = Authority()
        cls.addClassCleanup(cls.authority.clean_up)
        cls.number = 0

    def certificate(self, **options):
        type(self).number += 1
        return self.authority.certificate(f"certificate {self.number}", **options)

    def secure_server(self, certificate=None, **sections):
        return self.start_server(certificate=certificate or self.certificate(), **sections)

    def shaken_hands(self, server, context=None):
        """Returns a socket after its TLS handshake."""
        context = context or server.trust
        stream = socket.create_connection(("127.0.0.1", server.port), timeout=PATIENCE)
        try:
            return context.wrap_socket(stream, server_hostname="127.0.0.1")
        except BaseException:
            stream.close()
            raise

    def shown(self, server):
        """Returns the serial number of the certificate that a new connection sees."""
        with self.shaken_hands(server) as stream:
            return stream.getpeercert()["serialNumber"]

    def careless(self, newest, ciphers):
        """Returns a client that takes what it gets: old versions, weak ciphers, any certificate."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        context.minimum_version, context.maximum_version = ssl.TLSVersion.TLSv1, newest
        context.set_ciphers(f"{ciphers}:@SECLEVEL=0")
        return context

    async def converses(self, client, thread="t1"):
        await client.request("thread.open", thread_id=thread)
        _, events = await client.converse(thread, QUESTION)
        self.assertIn("84", text(events))


class Clients(TlsTest):
    def setUp(self):
        super().setUp()
        self.server = self.secure_server()

    def program(self):
        program = NodeProgram("tls_client.mjs")
        self.addCleanup(program.end)
        return program

    async def test_python_speaks_tls_1_2_and_1_3(self):
        for version, name in ((TLS_1_2, "TLSv1.2"), (TLS_1_3, "TLSv1.3")):
            trust = self.server.ca_file and ssl.create_default_context(cafile=self.server.ca_file)
            trust.minimum_version = trust.maximum_version = version
            client = await self.client(types.SimpleNamespace(url=self.server.url, trust=trust), "ada")
            self.assertEqual(client.socket.transport.get_extra_info("ssl_object").version(), name)
            await self.converses(client)

    def test_node_speaks_tls_1_2_and_1_3(self):
        program = self.program()
        for version in ("TLSv1.2", "TLSv1.3"):
            for host in ("127.0.0.1", "localhost"):
                said = program.ask("ws", url=f"wss://{host}:{self.server.port}/ws", ca_file=str(self.server.ca_file),
                                   bearer=token("ada", "pro"), options={"minVersion": version, "maxVersion": version})
                self.assertEqual((said["protocol"], said["code"], said["greeting"]["tier"]), (version, 1000, "pro"))
                self.assertRegex(said["cipher"], "GCM|CHACHA20")
                self.assertIn("84", said["answer"])
        with self.assertRaisesRegex(AssertionError, "certificate|self-signed|UNABLE_TO"):
            program.ask("ws", url=self.server.url, bearer=token("ada"))

    def test_chromium_speaks_tls_1_2_and_1_3(self):
        program = self.program()
        page = f"https://127.0.0.1:{self.server.port}/"
        trusted = {"page": page, "key_hash": self.server.certificate.key_hash}
        for flags, protocol in (([], "TLS 1.3"), (["--ssl-version-max=tls1.2"], "TLS 1.2")):
            said = program.ask("browse", **trusted, flags=flags, user=f"ada by {protocol}")
            self.assertEqual(said["protocol"], protocol)
            self.assertEqual(said["sockets"], [f"wss://127.0.0.1:{self.server.port}/ws"])
            self.assertIn("84", said["answer"])
        with self.assertRaisesRegex(AssertionError, "ERR_CERT_AUTHORITY_INVALID"):
            program.ask("browse", page=page, user="ada")

    async def test_a_page_of_the_same_host_may_connect(self):
        for origin, status in ((f"https://127.0.0.1:{self.server.port}", 101), ("https://eve.example", 403)):
            answer = await asyncio.to_thread(knock, self.server, headers=[("Origin", origin)])
            self.addCleanup(answer.close)
            self.assertEqual(answer.status, status)

    def test_operators_come_by_tls_too(self):
        self.assertEqual(self.server.ask("/status")["status"], "ready")
        self.assertIn("gangway_users", self.server.admin("/metrics"))
        file = str(self.server.ca_file)
        for words, variables in ((("status",), {}), (("status", "--ca-file", file), {"GANGWAYCTL_CA_FILE": ""})):
            status, printed = self.server.ctl(*words, **variables)
            self.assertEqual(status, 0, printed)
        status, printed = self.server.ctl("status", GANGWAYCTL_URL=f"https://localhost:{self.server.admin_port}")
        self.assertEqual(status, 0, printed)
        stranger = Authority("somebody else")
        self.addCleanup(stranger.clean_up)
        for file in ("", str(stranger.file)):
            status, printed = self.server.ctl("status", GANGWAYCTL_CA_FILE=file)
            self.assertEqual(status, 3, printed)
            self.assertRegex(printed.lower(), "certificate|verif")
        status, printed = self.server.ctl("status", GANGWAYCTL_URL=f"http://127.0.0.1:{self.server.admin_port}")
        self.assertEqual(status, 3, printed)


class Refusals(TlsTest):
    def assert_refused(self, server, newest, ciphers, alert):
        """The handshake fails by the server's decision, not by the client's own."""
        with self.assertRaises(ssl.SSLError) as refused:
            self.shaken_hands(server, self.careless(newest, ciphers)).close()
        self.assertIn(alert, str(refused.exception))

    def test_old_versions_are_refused(self):
        server = self.secure_server()
        for version in (ssl.TLSVersion.TLSv1, ssl.TLSVersion.TLSv1_1):
            self.assert_refused(server, version, "ALL", "alert protocol version")
        self.assertEqual(server.health("/health/ready")[0], 200)

    def test_ciphers_without_forward_secrecy_or_authentication_are_refused(self):
        kinds = {"ECDSA": self.secure_server(), "RSA": self.secure_server(self.certificate(kind=RSA))}
        weak = ["ECDHE-{}-AES128-SHA", "ECDHE-{}-AES256-SHA384", "ECDHE-{}-NULL-SHA", "AES128-SHA", "AES256-GCM-SHA384",
                "aNULL", "eNULL", "CAMELLIA"]
        for kind, server in kinds.items():
            for ciphers in weak:
                with self.subTest(ciphers, kind=kind):
                    self.assert_refused(server, TLS_1_2, ciphers.format(kind), "alert handshake failure")
            for ciphers in ("ECDHE-{}-AES128-GCM-SHA256", "ECDHE-{}-AES256-GCM-SHA384", "ECDHE-{}-CHACHA20-POLY1305"):
                with self.shaken_hands(server, self.careless(TLS_1_2, ciphers.format(kind))) as stream:
                    self.assertEqual(stream.cipher()[0], ciphers.format(kind))

    async def test_who_speaks_no_tls_comes_to_a_clean_end(self):
        server = self.secure_server(client={"handshake_timeout": "500ms"})
        hello = bytes.fromhex("16030100c8010000c40303")
        for said in (b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", b"", hello, hello + bytes(500),
                     b"\x16\x03\x01\xff\xff" + bytes(100), b"\x00" * 1000, b"SSH-2.0-x\r\n"):
            for port in (server.port, server.admin_port):
                with self.subTest(said[:20], port=port):
                    with socket.create_connection(("127.0.0.1", port), timeout=PATIENCE) as stream:
                        stream.sendall(said)
                        try:
                            while stream.recv(4096):
                                pass
                        except ConnectionResetError:
                            pass
        with self.shaken_hands(server) as stream:  # and who shakes hands and says nothing then
            stream.settimeout(PATIENCE)
            self.assertRegex(stream.recv(4096), rb"\A(\Z|HTTP/1\.1 408 )")
        await self.converses(await self.client(server, "ada"))

    async def test_who_is_gone_without_a_word_is_missed(self):
        server = self.secure_server(heartbeat={"interval": "500ms", "timeout": "300ms"})
        client = await self.client(server, "ada")
        await client.vanish()
        await asyncio.to_thread(server.until, lambda: not server.ask("/users")["users"] or not
                                server.ask("/users/ada")["connections"], "the socket is gone")


class Renewal(TlsTest):
    async def until_shown(self, server, certificate):
        await asyncio.to_thread(server.until, lambda: self.shown(server) == certificate.serial, "it is shown")

    async def until_logged(self, server, after, *files):
        """Returns when one of these files is named in the log behind a position."""
        await asyncio.to_thread(
            server.until, lambda: any(str(file) in server.log.read_text()[after:] for file in files), "it is logged")

    async def test_a_hundred_sockets_stay_while_the_certificate_is_exchanged(self):
        certificate = self.certificate()
        server = self.secure_server(certificate)
        clients = await asyncio.gather(*(self.client(server, f"user {number}") for number in range(100)))
        await asyncio.gather(*(client.request("thread.open", thread_id="t1") for client in clients))
        for client in clients:
            await client.post("message.send", thread_id="t1", content="/stream 60 10")
        for client in clients:
            await client.event("t1")
        for number in range(3):
            renewed = self.certificate(kind=RSA) if number == 1 else self.certificate()
            certificate.become(renewed)
            server.hang_up()
            await self.until_shown(server, renewed)
            late = await self.client(server, f"late {number}")
            await self.converses(late)
        self.assertEqual([client.socket.open for client in clients], [True] * 100)
        for client in clients:
            events = await client.events_until("t1", *ENDINGS)
            self.assert_no_gap(events, after=1)
            self.assertEqual(events[-1]["event"]["type"], "agent_completed")
        await asyncio.gather(*(client.request("ping") for client in clients))
        self.assertEqual(server.ask("/status")["status"], "ready")  # the admin listener shows the new one, too

    async def test_a_broken_certificate_leaves_the_old_one_and_is_logged(self):
        certificate = self.certificate()
        server = self.secure_server(certificate)
        serial, good = certificate.serial, (certificate.file.read_bytes(), certificate.key.read_bytes())
        client = await self.client(server, "ada")
        other = self.certificate()
        breaks = {"garbage": (b"no certificate", good[1]), "empty": (b"", b""), "half": (good[0][:200], good[1]),
                  "another's key": (good[0], other.key.read_bytes()), "no key": (good[0], good[0])}
        for what, content in breaks.items():
            with self.subTest(what):
                logged = len(server.log.read_text())
                certificate.file.write_bytes(content[0])
                certificate.key.write_bytes(content[1])
                server.hang_up()
                await self.until_logged(server, logged, certificate.file, certificate.key)
                self.assertEqual(self.shown(server), serial)
        certificate.file.unlink()
        logged = len(server.log.read_text())
        server.hang_up()
        await self.until_logged(server, logged, certificate.file)
        self.assertEqual(self.shown(server), serial)
        await self.converses(client)
        certificate.become(other)
        server.hang_up()
        await self.until_shown(server, other)
        await client.request("ping")

    async def test_without_tls_sighup_ends_nothing_either(self):
        server = self.start_server()
        client = await self.client(server, "ada")
        for _ in range(3):
            server.hang_up()
            await client.request("ping")
        await self.converses(client)
        self.assertEqual(await asyncio.to_thread(server.end), 0)

    def test_a_server_without_a_certificate_that_fits_does_not_start(self):
        first, second = self.certificate(), self.certificate()
        nowhere = "/nowhere/at/all.pem"
        for settings, word in (({"certificate_file": nowhere, "key_file": str(first.key)}, nowhere),
                               ({"certificate_file": str(first.file), "key_file": nowhere}, nowhere),
                               ({"certificate_file": str(first.file), "key_file": str(second.key)}, str(second.key)),
                               ({"certificate_file": str(first.key), "key_file": str(first.key)}, str(first.key)),
                               ({"certificate_file": str(first.file)}, "key_file"),
                               ({"key_file": str(first.key)}, "certificate_file")):
            with self.subTest(**settings):
                server = self.make_server(tls=settings)
                server.configure()
                server.launch()
                self.assertNotIn(server.process.wait(timeout=PATIENCE), (0, -6, -11))
                said = server.log.read_text()
                self.assertIn(word, said)
                self.assertNotIn("PRIVATE KEY", said)


if __name__ == "__main__":
    unittest.main(verbosity=2)
