"""Tokens signed with keys of the test's own by npm's jose, and forgeries of them."""

import base64
import hashlib
import hmac
import json
import time

from gangway import base64url, token
from node_program import NodeProgram

HONEST = {"rsa": "RS256", "ec": "ES256", "ed": "EdDSA"}  # the keys that a server is told of, by their `kid`
ED25519_ORDER = 2**252 + 27742317777372353535851937790883648493  # RFC 8032, 5.1
P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551  # FIPS 186-4, D.1.2.3


def decoded(part):
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def der(pem):
    return base64.b64decode("".join(line for line in pem.splitlines() if not line.startswith("-----")))


def parts(text):
    """Returns the three parts of a token: header, claims, and the signature's bytes."""
    header, claims, signature = text.split(".")
    return header, claims, decoded(signature)


def with_signature(text, signature):
    """Returns a token with another signature."""
    return text.rpartition(".")[0] + "." + base64url(signature)


def der_integer(number):
    content = number.to_bytes(number.bit_length() // 8 + 1, "big")
    return bytes([2, len(content)]) + content


class Mint:
    """One key pair a name, in a process of its own: the honest ones, and a thief's of each kind."""

    def __init__(self):
        self.program = NodeProgram("tokens.mjs")
        self.keys, self.algorithms = {}, {}
        for name, algorithm in HONEST.items():
            self.make_key(name, algorithm)
            self.make_key(f"thief's {name}", algorithm)

    def make_key(self, name, algorithm):
        options = {"crv": "Ed25519"} if algorithm == "EdDSA" else {}
        self.keys[name] = self.program.ask("make_key", name=name, algorithm=algorithm, options=options)
        self.algorithms[name] = algorithm
        return self.keys[name]

    def take_key(self, name, algorithm, pem):
        self.program.ask("take_key", name=name, algorithm=algorithm, pem=pem)
        self.algorithms[name] = algorithm

    def key_set(self, *names):
        return {"keys": [{**self.keys[name]["jwk"], "kid": name} for name in names]}

    def token(self, key, user="ada", *, header=None, critical=None, expires_in=3600, **claims):
        """Returns a token signed with a key. A field of the header or a claim that is None is left out."""
        header = {"alg": self.algorithms[key], "kid": key, **(header or {})}
        claims = {"sub": user, "exp": int(time.time()) + expires_in, **claims}
        return self.program.ask("sign", key=key, critical=critical,
                                header={name: value for name, value in header.items() if value is not None},
                                claims={name: value for name, value in claims.items() if value is not None})

    def token_by_secret(self, secret, user="ada", **claims):
        """Returns a token that jose signs by HS256."""
        return self.program.ask("sign", secret=base64.b64encode(secret).decode(), header={"alg": "HS256"},
                                claims={"sub": user, "exp": int(time.time()) + 3600, **claims})

    def end(self):
        self.program.end()


def hand_made(header, claims, secret=None):
    """Returns a token with a header that no library would write; with a secret its signature is right by HMAC."""
    signed = base64url(json.dumps(header)) + "." + base64url(json.dumps(claims))
    return signed + "." + base64url(hmac.new(secret, signed.encode(), hashlib.sha256).digest() if secret else b"")


def confusions(mint):
    """Yields tokens by HS256 whose secret is what everybody knows: a public key in one of its spellings."""
    for name in HONEST:
        pem, jwk = mint.keys[name]["pem"], mint.keys[name]["jwk"]
        spellings = {"PEM": pem.encode(), "PEM without its last line end": pem.rstrip("\n").encode(), "DER": der(pem),
                     "JWK": json.dumps(jwk).encode(), "number": decoded(jwk.get("n") or jwk["x"]), "nothing": b""}
        for spelling, secret in spellings.items():
            yield f"{name}: its {spelling} as a secret", token("ada", secret=secret, header={"kid": name})
            yield f"{name}: its {spelling} as a secret, no kid", token("ada", secret=secret)


def nones(mint):
    """Yields tokens that claim to need no signature."""
    claims = {"sub": "ada", "exp": int(time.time()) + 3600}
    for spelling in ("none", "None", "NONE", "nOnE", "", None, 0, ["none"]):
        yield f"alg {spelling!r}", hand_made({"alg": spelling}, claims)
        yield f"alg {spelling!r} for a key", hand_made({"alg": spelling, "kid": "rsa"}, claims)
    yield "no alg", hand_made({"typ": "JWT"}, claims)
    for name in HONEST:
        header, body, signature = parts(mint.token(name))
        none = base64url(json.dumps({"alg": "none"}))
        yield f"{name}: none before a signature", f"{none}.{body}.{base64url(signature)}"
        yield f"{name}: its signature cut off", f"{header}.{body}."


def other_algorithms(mint):
    """Yields tokens whose key is right and whose algorithm is not that key's."""
    yield "RS512 with the RSA key", mint.token("rsa", header={"alg": "RS512"})
    yield "PS256 with the RSA key", mint.token("rsa", header={"alg": "PS256"})
    for name, algorithm in HONEST.items():
        _, body, signature = parts(mint.token(name))
        for wrong in (*(other for other in HONEST.values() if other != algorithm), algorithm.lower(), "HS256", "ES384"):
            header = base64url(json.dumps({"alg": wrong, "kid": name}))
            yield f"{name}: says {wrong}", f"{header}.{body}.{base64url(signature)}"


def misshapen_signatures(mint):
    """Yields tokens whose signature has another form than RFC 7518, 3.4 and RFC 8037, 3.1 give it."""
    good = mint.token("ec")
    signature = parts(good)[2]
    r, s = (int.from_bytes(half, "big") for half in (signature[:32], signature[32:]))
    pair = der_integer(r) + der_integer(s)
    order = P256_ORDER.to_bytes(32, "big")
    for what, wrong in {"63 bytes": signature[:63], "65 bytes": signature + b"\x00",
                        "65 bytes, zero first": b"\x00" + signature, "DER": bytes([0x30, len(pair)]) + pair,
                        "r is zero": bytes(32) + signature[32:], "s is zero": signature[:32] + bytes(32),
                        "r is the order": order + signature[32:], "s is the order": signature[:32] + order,
                        "32 bytes": signature[:32], "96 bytes": signature + bytes(32),
                        "all zero": bytes(64), "all ones": b"\xff" * 64}.items():
        yield f"ES256: {what}", with_signature(good, wrong)
    good = mint.token("ed")
    signature = parts(good)[2]
    s = int.from_bytes(signature[32:], "little") + ED25519_ORDER
    for what, wrong in {"63 bytes": signature[:63], "65 bytes": signature + b"\x00", "all zero": bytes(64),
                        "s and the order": signature[:32] + s.to_bytes(32, "little")}.items():
        yield f"EdDSA: {what}", with_signature(good, wrong)
    good = mint.token("rsa")
    signature = parts(good)[2]
    for what, wrong in {"a zero before": b"\x00" + signature, "one byte less": signature[:-1], "all zero": bytes(256),
                        "one": (1).to_bytes(256, "big")}.items():
        yield f"RS256: {what}", with_signature(good, wrong)


def tampered(mint, good):
    """Yields what becomes of a good token in somebody's hands."""
    header, body, signature = parts(good)
    tail = base64url(signature)
    claims = {**json.loads(decoded(body)), "sub": "eve"}
    fields = {**json.loads(decoded(header)), "typ": "at+jwt"}
    yield "other claims", f"{header}.{base64url(json.dumps(claims))}.{tail}"
    yield "another header", f"{base64url(json.dumps(fields))}.{body}.{tail}"
    for index in (0, len(signature) // 2, len(signature) - 1):
        wrong = bytearray(signature)
        wrong[index] ^= 1
        yield f"bit {8 * index} of the signature", with_signature(good, bytes(wrong))
    yield "two parts", f"{header}.{body}"
    yield "four parts", f"{good}.{tail}"
    yield "five parts, as JWE has", f"{good}.{tail}.{tail}"
    yield "padding", good + "=" * (-len(tail) % 4 or 4)
    yield "another alphabet", f"{header}.{body}.{tail[:-4]}+/+/"
    yield "no signature", f"{header}.{body}."
    yield "no header", f".{body}.{tail}"
    yield "no claims", f"{header}..{tail}"
    yield "dots", ".."
    yield "words", "not.a.token"
    yield "claims that are a list", f"{header}.{base64url('[]')}.{tail}"


def bad_claims(sign, **right):
    """Yields tokens that are well signed and say something wrong; `right` is what they must otherwise claim."""
    now = int(time.time())
    wrong = {"exp": (None, str(now + 3600), [now + 3600], True, {}),
             "nbf": ("0", now + 120, 2**62),
             "sub": (None, 7, "", "a\nb", "x" * 256),
             "iss": (None, "https://eve.test", ["https://issuer.test"], "https://issuer.test/", ""),
             "aud": (None, "elsewhere", ["a", "b"], [], 1, "gangway2", {"gangway": True}, "")}
    for claim, values in wrong.items():
        for value in values:
            yield f"{claim} is {str(value)[:30]!r}", sign(**{**right, claim: value})


def foreign_keys(mint, elsewhere):
    """Yields a thief's tokens whose header brings or names the key that they are to be checked by."""
    for name in HONEST:
        thief = f"thief's {name}"
        elsewhere.pages[f"/{name}.json"] = {"keys": [{**mint.keys[thief]["jwk"], "kid": name}]}
        for kid in (name, "mine"):
            for what, field in {"jku": elsewhere.url(f"/{name}.json"), "jwk": {**mint.keys[thief]["jwk"], "kid": kid},
                                "x5u": elsewhere.url(f"/{name}.pem"), "iss": elsewhere.url("/")}.items():
                yield f"{name}: {what}, kid {kid}", mint.token(thief, header={"kid": kid, what: field})
        yield f"{name}: no help", mint.token(thief, header={"kid": None})


def kid_tricks(mint):
    """Yields tokens whose `kid` names no key, or another one than signed them; some are otherwise good."""
    for name in HONEST:
        thief = f"thief's {name}"
        other = next(one for one in HONEST if one != name)
        for kid in ("unknown", "", "/dev/null", "../../../../../../dev/null", f"{name}' OR '1'='1", f"{name}\x00",
                    f"' UNION SELECT '{base64url(b'key')}' --", "x" * 4000, "🛟", 1, 0, 1.5, True, [name], {"kid": name},
                    other, f"{name} ", name.upper(), "http://127.0.0.1:1/"):
            yield f"{name}: kid {str(kid)[:30]!r}", mint.token(name, header={"kid": kid})
            yield f"thief's {name}: kid {str(kid)[:30]!r}", mint.token(thief, header={"kid": kid})
        yield f"thief's {name}: the honest kid", mint.token(thief, header={"kid": name})
