"""Certificates for a test, made by Debian's openssl: an authority of its own, and what that signs."""

import base64
import hashlib
import ssl
import subprocess
import tempfile
from pathlib import Path

ELLIPTIC = ("ec", "-pkeyopt", "ec_paramgen_curve:prime256v1")
RSA = ("rsa:2048",)


def openssl(*words):
    ran = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
    if ran.returncode != 0:
        raise AssertionError(f"openssl {words[0]}: {ran.stderr}")
    return ran.stdout


class Certificate:
    """A certificate for these hosts, with its key; `issuer` is the file of who signed it."""

    def __init__(self, folder, name, authority, *, hosts="DNS:localhost, IP:127.0.0.1", kind=ELLIPTIC):
        self.file, self.key = folder / f"{name}.pem", folder / f"{name}.key"
        self.issuer = authority.file
        request, names = folder / f"{name}.csr", folder / f"{name}.ext"
        names.write_text(f"subjectAltName = {hosts}\nbasicConstraints = CA:FALSE\nextendedKeyUsage = serverAuth\n")
        openssl("req", "-new", "-newkey", *kind, "-nodes", "-subj", f"/CN={name}", "-keyout", self.key, "-out", request)
        openssl("x509", "-req", "-in", request, "-CA", authority.file, "-CAkey", authority.key, "-days", "2",
                "-extfile", names, "-out", self.file)

    def trust(self):
        """Returns what a client checks it by."""
        return ssl.create_default_context(cafile=self.issuer)

    @property
    def key_hash(self):
        """The SHA-256 of its public key in base64, as Chromium wants it to be named."""
        public = openssl("pkey", "-in", self.key, "-pubout").split("-----")[2]
        return base64.b64encode(hashlib.sha256(base64.b64decode(public)).digest()).decode()

    @property
    def serial(self):
        """Its number, as Python's ssl spells it."""
        return openssl("x509", "-in", self.file, "-noout", "-serial").strip().removeprefix("serial=")

    def become(self, other):
        """Has the other's content in its own files, as a renewal leaves them."""
        self.key.write_bytes(other.key.read_bytes())
        self.file.write_bytes(other.file.read_bytes())


class Authority:
    """Who signs the certificates of a test. It goes with its folder."""

    def __init__(self, name="an authority of the tests"):
        self.home = tempfile.TemporaryDirectory(prefix="gangway-e2e-")
        self.folder = Path(self.home.name)
        self.file, self.key = self.folder / "authority.pem", self.folder / "authority.key"
        openssl("req", "-x509", "-newkey", *ELLIPTIC, "-nodes", "-days", "2",
                "-subj", f"/CN={name}", "-addext", "keyUsage = critical, keyCertSign, cRLSign",
                "-keyout", self.key, "-out", self.file)

    def certificate(self, name, **options):
        return Certificate(self.folder, name, self, **options)

    def clean_up(self):
        self.home.cleanup()
