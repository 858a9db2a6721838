"""A passkey without a browser: a P-256 key and what an authenticator writes about it (Web Authentication, sections 6 and 7)."""

import hashlib
import json
import os

from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec

from issuer import b64


def cbor(value):
    def head(kind, count):
        if count < 24:
            return bytes([kind << 5 | count])
        return bytes([kind << 5 | 24, count]) if count < 256 else bytes([kind << 5 | 25]) + count.to_bytes(2, "big")

    if isinstance(value, int):
        return head(0, value) if value >= 0 else head(1, -1 - value)
    if isinstance(value, bytes):
        return head(2, len(value)) + value
    if isinstance(value, str):
        return head(3, len(value.encode())) + value.encode()
    return head(5, len(value)) + b"".join(cbor(k) + cbor(v) for k, v in value.items())


class Authenticator:
    def __init__(self, origin):
        self.origin, self.key, self.id, self.count = origin, ec.generate_private_key(ec.SECP256R1()), os.urandom(32), 0
        self.site = hashlib.sha256(origin.split("//")[1].split(":")[0].encode()).digest()

    def client(self, kind, challenge):
        return json.dumps({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": False}).encode()

    def register(self, challenge, name):
        numbers = self.key.public_key().public_numbers()
        public = cbor({1: 2, 3: -7, -1: 1, -2: numbers.x.to_bytes(32, "big"), -3: numbers.y.to_bytes(32, "big")})
        data = self.site + b"\x45" + bytes(4) + bytes(16) + len(self.id).to_bytes(2, "big") + self.id + public
        return {
            "name": name, "clientDataJSON": b64(self.client("webauthn.create", challenge)),
            "attestationObject": b64(cbor({"fmt": "none", "attStmt": {}, "authData": data})),
        }  # fmt: skip

    def sign_in(self, challenge, **changes):
        self.count += 1
        data, client = self.site + b"\x05" + self.count.to_bytes(4, "big"), self.client("webauthn.get", challenge)
        signature = self.key.sign(data + hashlib.sha256(client).digest(), ec.ECDSA(hashes.SHA256()))
        return {"id": b64(self.id), "clientDataJSON": b64(client), "authenticatorData": b64(data), "signature": b64(signature), **changes}
